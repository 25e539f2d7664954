//! Why a certificate is not taken.

use std::fmt;

use crate::printable;

/// The largest file that is read, in bytes. The roots of a whole system are about 250 kB.
pub const MAX_FILE: u64 = 1_000_000;

/// Where something was found: a file and, if it holds several, the position in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as it was given.
    pub file: String,
    /// The line at which the certificate begins, in a PEM file; counted from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// Why a certificate is not taken. Subjects and names in it are fit to be shown; nothing of a
/// private key ever is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file is larger than any collection of roots.
    #[error(
        "{}: it has more than {MAX_FILE} bytes, and certificates do not: is it the right file?",
        printable(.file)
    )]
    TooLarge { file: String },
    #[error("{}: it is empty", printable(.file))]
    Empty { file: String },
    #[error(
        "{0}: it holds a private key: keep that away from machines, and give the certificate only"
    )]
    PrivateKey(Place),
    #[error("{place}: it is not a certificate: {reason}")]
    NotACertificate {
        place: Place,
        /// What it is instead, or what is wrong with it.
        reason: String,
    },
    #[error(
        "{place}: \"{subject}\" is not a CA: {reason}; give the certificate of the CA that issued it"
    )]
    NotACa { place: Place, subject: String, reason: &'static str },
    /// A certificate whose time is over.
    #[error("{place}: \"{subject}\" has expired on {since}")]
    Expired {
        place: Place,
        subject: String,
        /// Since when, in UTC.
        since: String,
    },
    /// A certificate whose time has not come.
    #[error("{place}: \"{subject}\" is not valid before {from}; is this host's clock right?")]
    NotYetValid {
        place: Place,
        subject: String,
        /// From when, in UTC.
        from: String,
    },
}
