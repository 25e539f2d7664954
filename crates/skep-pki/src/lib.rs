//! Certificates: those of CAs that machines are to trust, and an authority that issues its own.
//!
//! - [`CaCertificates::read_files`] takes files in PEM or DER and gives [`CaCertificate`]s, or says
//!   of each file what is wrong with it.
//! - [`CaCertificate`] is the one form in which a CA's certificate travels, from a file to a record,
//!   a machine's seed and the guest. An [`Anchor`] adds what it is trusted for: everything, or one
//!   [`Registry`]; an [`AnchorName`] stands for it where the certificate itself is not needed.
//! - [`Authority`] signs what an engine's TCP endpoint and its clients need to trust each other
//!   (ECDSA on P-256, RFC 5280 profiles), and nothing else. [`store`] keeps one on disk, under the
//!   file names that the docker CLI looks for in `DOCKER_CERT_PATH`; [`needs_renewal`] says when a
//!   certificate is due.
//!
//! ```
//! use skep_pki::{CaCertificates, Purpose};
//!
//! let now = std::time::UNIX_EPOCH;
//! let errors = CaCertificates::read([("page.html", &b"<html>"[..])], Purpose::System, now);
//! let error = errors.unwrap_err().remove(0).to_string();
//! assert!(error.starts_with("page.html: it is not a certificate"));
//! ```
//!
//! **Never here:** a private key in a `Debug` text, an error or a file that others can read; a
//! clock; knowledge of machines, of SSH, or of where a machine keeps its roots.
//!
//! **Start reading** at [`CaCertificate`], then [`Authority`].

mod anchor;
mod authority;
mod certificate;
mod error;
mod inspect;
mod pem;
mod printable;
mod read;
mod refusal;
mod server;
pub mod store;

pub use anchor::{Anchor, AnchorName};
pub use authority::{
    AUTHORITY_LIFETIME, Authority, BACKDATED, Issued, LEAF_LIFETIME, is_server_name,
};
pub use certificate::{CaCertificate, is_file_name_of};
pub use error::PkiError;
pub use inspect::{RENEWED_BEFORE, needs_renewal, organization_and_common_name};
pub use printable::printable;
pub use read::{CaCertificates, Note, Purpose, ReadError};
pub use refusal::{CertificateError, MAX_FILE, Place};
pub use server::{Registry, Server, ServerError};
