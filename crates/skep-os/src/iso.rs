//! The bootable ISO: the same guest for machines that start from a drive (VirtualBox, QEMU, real
//! ones), by BIOS and by UEFI.
//!
//! It has a kernel with drivers for such hardware, an initramfs, and the base as a compressed
//! squashfs. The machine's first disk becomes its data disk; a configuration disk (see
//! [`crate::vm`]) has the rest. The programs are in `guest/iso/`; `docs/guest-os.md` describes a
//! boot.

mod build;

use std::{path::PathBuf, time::SystemTime};

use serde::{Deserialize, Serialize};
use skep_store::StoreError;

use crate::{Image, OsError, place::Place, vm::image::File};

/// The newest schema of `iso.json` this program knows.
const SCHEMA: u64 = 1;

/// The name of the image, in the directory of its digest.
const ISO: &str = "skep.iso";

/// A bootable ISO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsoImage {
    pub iso: PathBuf,
    /// The digest of its definition, 64 hex digits.
    pub digest: String,
    /// The sha256 of the image itself, in hex.
    pub sha256: String,
    /// Its size, in bytes.
    pub size: u64,
    /// The release it was built from: `Debian trixie`.
    pub release: String,
    /// Its architecture, in Debian's words.
    pub architecture: String,
    /// The kernel's release: `6.12.107+deb13-amd64`.
    pub kernel_release: String,
    /// The version of its engine's package, if the build named it.
    pub engine: Option<String>,
    pub built: SystemTime,
}

/// `iso.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    schema: u64,
    release: String,
    architecture: String,
    kernel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    iso: File,
}

impl IsoImage {
    /// The image in `place`, if there is one.
    ///
    /// # Errors
    /// [`OsError::Damaged`] if it is not what was built; [`OsError::Io`], [`OsError::Store`].
    pub(crate) fn read(place: &Place) -> Result<Option<Self>, OsError> {
        let record = match skep_store::read_json::<Record>(&place.iso_record(), SCHEMA) {
            Ok(Some(record)) => record,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        record.iso.check(place, ISO)?;
        Ok(Some(Self {
            iso: place.directory().join(ISO),
            digest: place.digest().to_owned(),
            size: record.iso.size,
            release: record.release,
            architecture: record.architecture,
            kernel_release: record.kernel,
            engine: record.engine,
            built: record.iso.written(),
            sha256: record.iso.sha256,
        }))
    }

    /// Notes that the image in `place` is whole, as it is now.
    fn complete(place: &Place, rootfs: &Image, kernel: String) -> Result<(), OsError> {
        let record = Record {
            schema: SCHEMA,
            release: rootfs.release.clone(),
            architecture: rootfs.architecture.clone(),
            kernel,
            engine: rootfs.engine.clone(),
            iso: File::of(place, ISO)?,
        };
        Ok(skep_store::write_json(&place.iso_record(), &record)?)
    }
}
