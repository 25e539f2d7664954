//! The disks a machine has of its own: what it writes, and its configuration.

use std::{path::Path, time::Duration};

use fs_err::{self as fs, os::unix::fs::OpenOptionsExt as _};
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use crate::{OsError, preflight};

/// How big a data disk is unless set, in bytes: what the machine may write. The
/// file is sparse, and starts with about 5 MB.
pub const DEFAULT_DISK_BYTES: u64 = 20_000_000_000;

/// The label by which a machine knows its data disk.
pub const DATA_LABEL: &str = "skep-data";

/// Making an empty file system writes a few megabytes.
const DEADLINE: Duration = Duration::from_secs(120);

/// Makes a machine's data disk at `path`: a sparse file of `bytes` bytes with an empty ext4, which
/// only its owner can read. It must not exist; if it cannot be made, nothing is left.
///
/// # Errors
/// [`OsError::Io`]; [`OsError::Program`] if mke2fs is missing or fails; [`OsError::Cancelled`].
pub async fn make_data_disk(
    path: &Path,
    bytes: u64,
    cancel: &CancellationToken,
) -> Result<(), OsError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).and_then(|file| file.set_len(bytes)).map_err(OsError::io("create", path))?;
    let program = preflight::MKE2FS;
    let ran = Program::new(program.path())
        .args(["-q", "-F", "-t", "ext4", "-L", DATA_LABEL, "-m", "0"])
        .args(["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"])
        .arg(path)
        .deadline(DEADLINE)
        .run(cancel)
        .await;
    let Err(error) = ran else { return Ok(()) };
    skep_store::file::remove(path)?;
    Err(match error {
        ProcessError::Cancelled { .. } => OsError::Cancelled,
        source => OsError::Program { package: program.package, source },
    })
}

/// The configuration disk of a machine: its seed, as [`crate::Seed::to_tar`] gives it, in whole
/// blocks of 512 bytes as a disk has them. It holds private keys: write it so that only its owner
/// can read it.
pub fn configuration_disk(seed_tar: &[u8]) -> Vec<u8> {
    let mut disk = seed_tar.to_vec();
    disk.resize(seed_tar.len().next_multiple_of(512).max(512), 0);
    disk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_disk_has_whole_blocks() {
        assert_eq!(configuration_disk(&[1; 512]).len(), 512);
        assert_eq!(configuration_disk(&[1; 513]).len(), 1024);
        assert_eq!(configuration_disk(&[]), [0; 512]);
    }

    #[tokio::test]
    async fn a_data_disk_is_sparse_labelled_and_made_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let cancel = CancellationToken::new();
        make_data_disk(&path, 64 << 20, &cancel).await.unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 64 << 20);
        let used = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
        assert!(used < 10 << 20, "{used}");
        let content = fs::read(&path).unwrap();
        // The superblock begins at byte 1024; the label is at byte 120 of it.
        assert_eq!(&content[1144..1154], b"skep-data\0");
        let again = make_data_disk(&path, 64 << 20, &cancel).await.unwrap_err();
        assert!(matches!(again, OsError::Io { .. }), "{again}");
    }

    #[tokio::test]
    async fn a_data_disk_that_cannot_be_made_is_not_left() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        let error = make_data_disk(&path, 1024, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, OsError::Program { package: "e2fsprogs", .. }), "{error}");
        assert!(!path.exists());
    }
}
