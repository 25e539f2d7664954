//! A built guest system.

use std::{path::PathBuf, time::SystemTime};

/// A built guest system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest of its definition, 64 hex digits.
    pub digest: String,
    /// Its root file system: an uncompressed tar.
    pub rootfs: PathBuf,
    /// The size of that tar, in bytes.
    pub size: u64,
    /// The release it was built from: `Debian trixie`.
    pub release: String,
    /// Its architecture, in Debian's words.
    pub architecture: String,
    /// The version of its engine's package, if the build named it.
    pub engine: Option<String>,
    pub built: SystemTime,
}
