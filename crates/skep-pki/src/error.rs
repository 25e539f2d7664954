//! Why there is no certificate of the authority's.

use std::path::PathBuf;

use skep_store::StoreError;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// A name that cannot stand in a certificate.
    #[error("`{name}` is not a host name or an IP address a certificate can be issued for")]
    BadName { name: String },
    /// The text is not what it should be.
    #[error("the {what} is not readable: {reason}")]
    Unreadable {
        /// What was read: `certificate of the authority`, `key of the authority`.
        what: &'static str,
        reason: String,
    },
    /// The authority's key does not belong to its certificate.
    #[error("the key of the authority does not belong to its certificate")]
    KeyMismatch,
    #[error("cannot make the {what}")]
    Make {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stored authority cannot be used, and machines may rely on it.
    #[error(
        "the certificate authority in {} cannot be used: {reason}; put the right `{file}` back, \
         or move the directory away for a new authority",
        .directory.display()
    )]
    Stored { directory: PathBuf, file: &'static str, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PkiError {
    pub(crate) fn make<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| PkiError::Make { what, source: Box::new(source) }
    }
}
