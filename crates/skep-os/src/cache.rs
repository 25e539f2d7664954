//! What has been built, by digest.
//!
//! ```text
//! CACHE/
//!   DIGEST.lock        held by the process that builds or removes it
//!   DIGEST/
//!     image.json       what it is; written last, so that there is none without a whole rootfs.tar
//!     rootfs.tar       the root file system, uncompressed
//!   DIGEST/
//!     vm.json          the same for what virtual machines are started from
//!     kernel, initramfs, base.squashfs
//!   DIGEST/
//!     iso.json         the same for the bootable ISO
//!     skep.iso
//!     …                anything else is a build under way, or what a killed one left
//! ```

use std::{io, path::Path};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use skep_store::{Lock, StoreError};

use crate::{OsError, image::Image, iso, lock::holder, place::Place, scratch, vm};

/// The newest schema of `image.json` this program knows.
const SCHEMA: u64 = 1;

/// What a cache directory holds for one digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Whole(Image),
    Vm(vm::VmImage),
    Iso(iso::IsoImage),
    /// A build under way, or what a killed one left behind.
    Unfinished {
        digest: String,
        building: bool,
    },
}

impl Entry {
    /// The digest of the entry's definition.
    pub fn digest(&self) -> &str {
        match self {
            Self::Whole(image) => &image.digest,
            Self::Vm(image) => &image.digest,
            Self::Iso(image) => &image.digest,
            Self::Unfinished { digest, .. } => digest,
        }
    }
}

/// `image.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    schema: u64,
    pub(crate) size: u64,
    pub(crate) release: String,
    pub(crate) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<String>,
}

impl Record {
    pub(crate) fn new(
        size: u64,
        release: String,
        architecture: String,
        engine: Option<String>,
    ) -> Self {
        Self { schema: SCHEMA, size, release, architecture, engine }
    }
}

impl Place {
    /// The image, if it is there whole. A record that cannot be read, or a root file system of
    /// another size than recorded, is no image: it is built anew.
    pub(crate) fn image(&self) -> Result<Option<Image>, OsError> {
        let record = match skep_store::read_json::<Record>(&self.record(), SCHEMA) {
            Ok(Some(record)) => record,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let path = self.rootfs();
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OsError::io("read", path)(error)),
        };
        if metadata.len() != record.size {
            return Ok(None);
        }
        Ok(Some(Image {
            digest: self.digest().to_owned(),
            size: record.size,
            release: record.release,
            architecture: record.architecture,
            engine: record.engine,
            built: metadata.modified().map_err(OsError::io("read", &path))?,
            rootfs: path,
        }))
    }

    /// What virtual machines are started from, if it is there.
    ///
    /// # Errors
    /// [`OsError::Damaged`] if a file is not what was built.
    pub(crate) fn vm_image(&self) -> Result<Option<vm::VmImage>, OsError> {
        let Some(record) = vm::Record::read(self)? else { return Ok(None) };
        record.check(self)?;
        Ok(Some(record.image(self)))
    }

    /// What the directory holds, if it is whole; a damaged one is not.
    fn entry(&self) -> Result<Option<Entry>, OsError> {
        if let Some(image) = self.image()? {
            return Ok(Some(Entry::Whole(image)));
        }
        let packaged = match self.vm_image() {
            Ok(None) => iso::IsoImage::read(self).map(|image| image.map(Entry::Iso)),
            other => other.map(|image| image.map(Entry::Vm)),
        };
        match packaged {
            Err(OsError::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    /// Makes the image what the directory holds: the record is written when all else is in place.
    pub(crate) fn complete(&self, record: &Record) -> Result<(), OsError> {
        Ok(skep_store::write_json(&self.record(), record)?)
    }

    /// Removes everything of this digest but its lock, and what a build has left elsewhere. The
    /// caller holds the lock.
    pub(crate) fn clear(&self) -> Result<(), OsError> {
        // Without its record it is no image any more, whatever happens to the rest.
        skep_store::file::remove(&self.record())?;
        skep_store::file::remove(&self.vm_record())?;
        skep_store::file::remove(&self.iso_record())?;
        if let Ok(directory) = skep_read::text(self.scratch_note(), skep_read::limit::RECORD) {
            scratch::remove(Path::new(&directory))?;
        }
        Ok(skep_store::file::remove_dir(&self.directory())?)
    }
}

/// Everything in the cache, by digest.
///
/// # Errors
/// [`OsError::Io`], [`OsError::Store`].
pub fn list(cache: &Path) -> Result<Vec<Entry>, OsError> {
    let entries = match fs::read_dir(cache) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OsError::io("read", cache)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(OsError::io("read", cache))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_digest(&name) {
            let place = Place::new(cache, &name);
            found.push(match place.entry()? {
                Some(entry) => entry,
                None => Entry::Unfinished { building: is_locked(&place)?, digest: name },
            });
        }
    }
    found.sort_by(|a, b| a.digest().cmp(b.digest()));
    Ok(found)
}

/// Removes the one entry whose digest starts with `prefix`, whole or left by a killed build, and
/// returns its digest.
///
/// # Errors
/// [`OsError::NotFound`], [`OsError::Ambiguous`]; [`OsError::Store`] if it is being built.
pub fn remove(cache: &Path, prefix: &str) -> Result<String, OsError> {
    let found = list(cache)?;
    let mut matching = found.iter().map(Entry::digest).filter(|digest| digest.starts_with(prefix));
    let digest = match (prefix.is_empty(), matching.next(), matching.next()) {
        (false, Some(digest), None) => digest.to_owned(),
        (false, Some(_), Some(_)) => return Err(OsError::Ambiguous(prefix.into())),
        _ => return Err(OsError::NotFound(prefix.into())),
    };
    let place = Place::new(cache, &digest);
    let what = format!("the guest system {}", &digest[..12]);
    let _lock = Lock::try_acquire(&place.lock(), &what, &holder())?;
    place.clear()?;
    Ok(digest)
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_locked(place: &Place) -> Result<bool, OsError> {
    match Lock::try_acquire(&place.lock(), "", "") {
        Ok(_) => Ok(false),
        Err(StoreError::Locked { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
