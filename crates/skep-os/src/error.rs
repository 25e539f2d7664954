//! Why there is no guest system to start machines from.

use std::{io, path::PathBuf};

use skep_model::{Advice, Advise, Check};
use skep_process::ProcessError;
use skep_store::StoreError;

use crate::SourceError;

/// Why a guest system could not be built, found or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsError {
    /// The host's configuration does not say where packages come from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something that is needed is missing; nothing was touched.
    #[error("the guest system cannot be built: {}: {}", .0.what, .0.found)]
    Preflight(Check),
    /// The mirror does not answer, or not as a mirror of this release.
    #[error(
        "cannot get packages from {mirror}: {reason}; check that this address in apt's configuration can be reached: `apt-get update`"
    )]
    Mirror { mirror: String, reason: String },
    /// The mirror's signature does not hold.
    #[error(
        "the signature of {mirror} does not hold ({reason}): bring the keyring up to date with `apt-get install {package}`"
    )]
    Signature { mirror: String, reason: String, package: &'static str },
    #[error("the archive has no package `{package}` for {release}: is it a complete mirror?")]
    NoPackage { package: String, release: String },
    #[error("no space left while the guest system was built: make room in {} and in {}", .cache.display(), .scratch.display())]
    NoSpace { cache: PathBuf, scratch: PathBuf },
    /// The host does not let the build do what it must.
    #[error(
        "the host does not permit the build ({reason}): run it as root, or allow unprivileged user namespaces"
    )]
    NotPermitted { reason: String },
    /// There is no kernel for virtual machines of this architecture.
    #[error("there are no virtual machines of {release} for the architecture `{architecture}`")]
    NoKernel {
        release: String,
        /// The architecture, in Debian's words.
        architecture: String,
    },
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        path: PathBuf,
        reason: String,
        /// The beginning of the digest it lies under.
        digest: String,
    },
    /// A program that packs a guest, or makes a disk, failed or is missing.
    #[error(
        "a program of the package `{package}` failed: is it installed? `apt-get install {package}`"
    )]
    Program {
        package: &'static str,
        #[source]
        source: ProcessError,
    },
    /// The build failed in a way that has no name here.
    #[error("the guest system could not be built")]
    Build(#[source] ProcessError),
    #[error("cannot {action} {}", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A build's directory is not removed while something is mounted in it: what is mounted may be
    /// the host's own.
    #[error("{} is left alone, since something is mounted at {}: `umount {}`", .path.display(), .mount.display(), .mount.display())]
    Mounted {
        path: PathBuf,
        /// Where something is mounted in it.
        mount: PathBuf,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no guest system's digest starts with `{0}`")]
    NotFound(String),
    #[error("more than one guest system's digest starts with `{0}`: give more of it")]
    Ambiguous(String),
    #[error("interrupted while the guest system was built; the next build starts anew")]
    Cancelled,
}

impl Advise for OsError {
    fn advice(&self) -> Option<Advice> {
        match self {
            Self::Preflight(check) => check.reason().advice(),
            Self::Damaged { digest, .. } => Some(Advice::RemoveImage(digest.clone())),
            Self::NotFound(_) => Some(Advice::ListImages),
            _ => None,
        }
    }
}

impl OsError {
    /// Whether it was refused before anything was touched.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Source(_) | Self::Preflight(_))
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
