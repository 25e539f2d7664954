//! The store's certificate authority: it signs what the engines' TCP endpoint and the user's
//! `docker` need to trust each other, and nothing else.
//!
//! - [`Authority`] makes and signs (ECDSA on P-256, RFC 5280 profiles).
//! - [`needs_renewal`] says when a certificate is due.
//! - [`store`] keeps the authority and the client's certificate on disk, under the file names
//!   the docker CLI looks for in `DOCKER_CERT_PATH`.
//!
//! **Never here:** a private key in a `Debug` text, an error or a file others can read.

mod authority;
mod inspect;
pub mod store;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

pub use authority::{Authority, is_server_name};
pub use inspect::needs_renewal;
use secrecy::SecretString;
use skep_store::StoreError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its making a certificate is already valid: a virtual machine whose hardware
/// clock was set to local time, or that was restored from a snapshot, is off by hours.
pub const BACKDATED: Duration = DAY;

/// How long an authority is valid.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());

/// How long a server's or client's certificate is valid, or until its authority ends.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(3 * 365 * DAY.as_secs());

/// A certificate that ends within this time is due for renewal.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key, PKCS #8 PEM.
    pub key_pem: SecretString,
    /// When it ends.
    pub not_after: SystemTime,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name that cannot stand in a certificate.
    #[error("`{name}` is not a host name or an IP address a certificate can be issued for")]
    BadName {
        /// The name.
        name: String,
    },
    /// The text is not what it should be.
    #[error("the {what} is not readable: {reason}")]
    Unreadable {
        /// What was read: `certificate of the authority`, `key of the authority`.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// The authority's key does not belong to its certificate.
    #[error("the key of the authority does not belong to its certificate")]
    KeyMismatch,
    /// Making a key or signing failed.
    #[error("cannot make the {what}")]
    Make {
        /// What was to be made.
        what: &'static str,
        /// What the cryptography library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stored authority cannot be used, and machines may rely on it.
    #[error(
        "the certificate authority in {} cannot be used: {reason}; put the right `{file}` back, \
         or move the directory away for a new authority (the machines made so far then need \
         `skep machine regenerate-certs`)",
        .directory.display()
    )]
    Stored {
        /// The directory of the store's certificates.
        directory: PathBuf,
        /// The file at fault.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PkiError {
    fn make<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| PkiError::Make { what, source: Box::new(source) }
    }
}
