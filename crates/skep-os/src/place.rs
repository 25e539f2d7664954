//! Where what was built from one definition lies.

use std::path::{Path, PathBuf};

/// Paths of one digest in a cache.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    cache: PathBuf,
    digest: String,
}

impl Place {
    pub(crate) fn new(cache: &Path, digest: &str) -> Self {
        Self { cache: cache.to_owned(), digest: digest.to_owned() }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.cache.join(&self.digest)
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.directory().join("rootfs.tar")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.directory().join("image.json")
    }

    /// The record of what virtual machines are started from.
    pub(crate) fn vm_record(&self) -> PathBuf {
        self.directory().join("vm.json")
    }

    pub(crate) fn iso_record(&self) -> PathBuf {
        self.directory().join("iso.json")
    }

    /// The path of the directory, elsewhere, that a build unpacks into.
    pub(crate) fn scratch_note(&self) -> PathBuf {
        self.directory().join("scratch")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.cache.join(format!("{}.lock", self.digest))
    }
}
