//! Why an image could not be imported.

use std::{
    error::Error as _,
    io,
    path::{Path, PathBuf},
};

use skep_model::{Advice, Advise};
use skep_store::StoreError;

/// Why an image could not be imported, listed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    #[error("cannot read {}", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file's or the download's copy cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "no room for the image: it takes {} MB more in {}, where {} MB are free; make room there",
        megabytes(.needed), .directory.display(), .free / 1_000_000
    )]
    NoSpace { directory: PathBuf, needed: u64, free: u64 },
    /// It is something else.
    #[error(
        "{origin} is not a disc image: it has no ISO 9660 volume (`CD001` at byte 32769); check that this is the image itself and not a page about it"
    )]
    NotAnImage { origin: String },
    /// The image's end is missing.
    #[error(
        "{origin} is cut short: it has {found} bytes of the {size} it says it has; get it again"
    )]
    CutShort { origin: String, found: u64, size: u64 },
    /// There is far more than the image.
    #[error(
        "{origin} is longer than the image in it: that says it has {size} bytes, and there are {found} or more; get it from where it was made, or cut it off there"
    )]
    TooLong {
        origin: String,
        /// How many bytes there are at least.
        found: u64,
        size: u64,
    },
    /// It is not the image that was meant.
    #[error(
        "{origin} is not what was asked for: its sha256 is {found}, and {expected} was expected; nothing of it was kept"
    )]
    Digest { origin: String, expected: String, found: String },
    #[error("cannot reach {url}: check the address, and the proxy if there is one")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// The server's certificate does not hold.
    #[error(
        "the certificate of {url} is not trusted ({reason}): if the network's proxy shows its own, add its CA to this host's certificates (`update-ca-certificates`), or import the image as a file"
    )]
    Certificate { url: String, reason: String },
    /// This host trusts no CA.
    #[error(
        "this host has no CA certificates to check {url} with: install them with `apt-get install ca-certificates`"
    )]
    NoRoots { url: String },
    #[error("{url} gives no image: the server answers {status}; check the address")]
    Status {
        url: String,
        /// `404 Not Found`.
        status: String,
    },
    /// The transfer ended before the image did.
    #[error(
        "the transfer of {url} broke off after {}: give the command again, {}",
        progress(.done, .total),
        if *.resumable { "it goes on from there" } else { "it starts anew" }
    )]
    BrokenOff {
        url: String,
        done: u64,
        /// How many there are, if the server said.
        total: Option<u64>,
        /// Whether the next import can go on.
        resumable: bool,
        #[source]
        source: reqwest::Error,
    },
    #[error("`{proxy}` cannot be used as a proxy")]
    Proxy {
        /// The proxy, without its password.
        proxy: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot prepare the download of {url}")]
    Client {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No imported image is meant.
    #[error("no imported image has the name `{0}` or a digest that starts so")]
    NotFound(String),
    #[error("`{0}` may be any of several imported images: give more of the digest")]
    Ambiguous(String),
    #[error("interrupted while the image was imported; the next import goes on")]
    Cancelled,
}

impl Advise for ImportError {
    fn advice(&self) -> Option<Advice> {
        matches!(self, Self::NotFound(_)).then_some(Advice::ListImages)
    }
}

impl ImportError {
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// The error of a write of something `needed` bytes long.
    pub(super) fn writing(path: &Path, needed: u64) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace {
                directory: path.parent().map_or_else(PathBuf::new, Path::to_owned),
                needed,
                free: 0,
            },
            _ => Self::Write { path, source },
        }
    }

    pub(super) fn request(url: &str, source: reqwest::Error) -> Self {
        let source = source.without_url();
        match certificate_error(&source) {
            Some(reason) => Self::Certificate { url: url.to_owned(), reason },
            None => Self::Unreachable { url: url.to_owned(), source },
        }
    }
}

/// What rustls found wrong with a certificate, if that is the cause.
fn certificate_error(error: &reqwest::Error) -> Option<String> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(rustls::Error::InvalidCertificate(reason)) = cause.downcast_ref() {
            return Some(certificate_text(reason));
        }
        // An I/O error does not name the error it was made of as its source.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

fn certificate_text(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    match error {
        UnknownIssuer => "this host does not know who issued it".to_owned(),
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidForName | NotValidForNameContext { .. } => "it is another server's".to_owned(),
        other => other.to_string(),
    }
}

fn megabytes(bytes: &u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

fn progress(done: &u64, total: &Option<u64>) -> String {
    match total {
        Some(total) => format!("{done} of {total} bytes"),
        None => format!("{done} bytes"),
    }
}
