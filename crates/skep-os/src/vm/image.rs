//! What a virtual machine is started from, and how damage to it is noticed.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skep_store::StoreError;

use crate::{OsError, definition::hex, place::Place};

/// The newest schema of `vm.json` this program knows.
const SCHEMA: u64 = 1;

/// The names of the files, in the directory of their digest.
pub(crate) const KERNEL: &str = "kernel";
pub(crate) const INITRAMFS: &str = "initramfs";
pub(crate) const BASE: &str = "base.squashfs";

/// What virtual machines are started from: files that all machines share and none writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmImage {
    /// The kernel, for QEMU's `-kernel`.
    pub kernel: PathBuf,
    /// The initramfs, for QEMU's `-initrd`.
    pub initramfs: PathBuf,
    /// The base disk: a squashfs, to be attached read-only with the serial number `skep-base`.
    pub base: PathBuf,
    /// The digest of its definition, 64 hex digits.
    pub digest: String,
    /// The size of all its files, in bytes.
    pub size: u64,
    /// The release it was built from: `Debian trixie`.
    pub release: String,
    /// Its architecture, in Debian's words.
    pub architecture: String,
    /// The kernel's release: `6.12.107+deb13-cloud-amd64`.
    pub kernel_release: String,
    /// The version of its engine's package, if the build named it.
    pub engine: Option<String>,
    pub built: SystemTime,
}

impl VmImage {
    /// Reads every file whole and compares it with what was built. It takes about a second.
    ///
    /// # Errors
    /// [`OsError::Damaged`], naming the first file that differs; [`OsError::Io`].
    pub fn verify(&self) -> Result<(), OsError> {
        let directory = self.kernel.parent().unwrap_or(Path::new("."));
        let cache = directory.parent().unwrap_or(Path::new("."));
        let place = Place::new(cache, &self.digest);
        let record = Record::read(&place)?.ok_or_else(|| OsError::NotFound(self.digest.clone()))?;
        for (name, file) in &record.files {
            file.check_size(&place, name)?;
            file.check_content(&place, name)?;
        }
        Ok(())
    }
}

/// `vm.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    schema: u64,
    release: String,
    architecture: String,
    kernel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// When it was written, in nanoseconds since 1970, as text: too big for a number in JSON.
    modified: String,
}

impl Record {
    /// Describes the files of `place` as they are now, which is right after they were built.
    ///
    /// # Errors
    /// [`OsError::Io`].
    pub(crate) fn of(place: &Place, image: &crate::Image, kernel: String) -> Result<Self, OsError> {
        let file = |name: &str| Ok((name.to_owned(), File::of(place, name)?));
        Ok(Self {
            schema: SCHEMA,
            release: image.release.clone(),
            architecture: image.architecture.clone(),
            kernel,
            engine: image.engine.clone(),
            files: [KERNEL, INITRAMFS, BASE]
                .into_iter()
                .map(file)
                .collect::<Result<_, OsError>>()?,
        })
    }

    /// The record of `place`, if there is one that can be read.
    pub(crate) fn read(place: &Place) -> Result<Option<Self>, OsError> {
        match skep_store::read_json(&place.vm_record(), SCHEMA) {
            Ok(record) => Ok(record),
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write(&self, place: &Place) -> Result<(), OsError> {
        Ok(skep_store::write_json(&place.vm_record(), self)?)
    }

    /// The image, without a look at its files.
    pub(crate) fn image(&self, place: &Place) -> VmImage {
        let directory = place.directory();
        let newest = self.files.values().map(File::written).max();
        VmImage {
            kernel: directory.join(KERNEL),
            initramfs: directory.join(INITRAMFS),
            base: directory.join(BASE),
            digest: place.digest().to_owned(),
            size: self.files.values().map(|file| file.size).sum(),
            release: self.release.clone(),
            architecture: self.architecture.clone(),
            kernel_release: self.kernel.clone(),
            engine: self.engine.clone(),
            built: newest.unwrap_or(UNIX_EPOCH),
        }
    }

    /// Compares the files with the record: their sizes and times, and where a time differs (a cache
    /// that was copied) the content.
    ///
    /// # Errors
    /// [`OsError::Damaged`], [`OsError::Io`].
    pub(crate) fn check(&self, place: &Place) -> Result<(), OsError> {
        for name in [KERNEL, INITRAMFS, BASE] {
            let file = self.files.get(name).ok_or_else(|| damaged(place, name, "not recorded"))?;
            file.check(place, name)?;
        }
        Ok(())
    }
}

impl File {
    /// Describes a file of `place` as it is now.
    pub(crate) fn of(place: &Place, name: &str) -> Result<Self, OsError> {
        let path = place.directory().join(name);
        let (size, modified) = stamp(&path)?;
        Ok(Self { size, sha256: digest(&path)?, modified })
    }

    pub(crate) fn written(&self) -> SystemTime {
        let nanoseconds = self.modified.parse().unwrap_or_default();
        UNIX_EPOCH + std::time::Duration::from_nanos(nanoseconds)
    }

    /// Compares the file with what was built: its size and time, and where the time differs (a cache
    /// that was copied) the content.
    pub(crate) fn check(&self, place: &Place, name: &str) -> Result<(), OsError> {
        if self.check_size(place, name)? != self.modified {
            self.check_content(place, name)?;
        }
        Ok(())
    }

    /// Compares the size, and returns when the file was written.
    fn check_size(&self, place: &Place, name: &str) -> Result<String, OsError> {
        let path = place.directory().join(name);
        match stamp(&path) {
            Ok((size, modified)) if size == self.size => Ok(modified),
            Ok((size, _)) => {
                Err(damaged(place, name, format!("it has {size} bytes instead of {}", self.size)))
            }
            Err(OsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(damaged(place, name, "it is gone"))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn check_content(&self, place: &Place, name: &str) -> Result<(), OsError> {
        if digest(&place.directory().join(name))? == self.sha256 {
            return Ok(());
        }
        Err(damaged(place, name, "its content is not what was built"))
    }
}

fn damaged(place: &Place, name: &str, reason: impl Into<String>) -> OsError {
    OsError::Damaged {
        path: place.directory().join(name),
        reason: reason.into(),
        digest: place.digest().get(..12).unwrap_or_default().to_owned(),
    }
}

/// A file's size in bytes, and when it was written, in nanoseconds since 1970.
fn stamp(path: &Path) -> Result<(u64, String), OsError> {
    let metadata = fs::metadata(path).map_err(OsError::io("read", path))?;
    let modified = metadata.modified().map_err(OsError::io("read", path))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), since.as_nanos().to_string()))
}

fn digest(path: &Path) -> Result<String, OsError> {
    let mut file = skep_read::open(path).map_err(OsError::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(OsError::io("read", path))? {
            0 => return Ok(hex(&hash.finalize())),
            length => hash.update(&buffer[..length]),
        }
    }
}
