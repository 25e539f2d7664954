//! Reads CA certificates from files, and says of each what is wrong with it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{CaCertificate, CertificateError, MAX_FILE, Place, pem, printable};

/// Certificates that may be given to machines: each a CA's, valid now, and there once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaCertificates {
    pub certificates: Vec<CaCertificate>,
    pub notes: Vec<Note>,
}

/// What certificates are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Machines are to trust them for everything: each is a CA's and valid now.
    System,
    /// Machines are to trust them for one registry: each is valid now, and may be the registry's own.
    Registry,
    /// Those that are meant are named by them, to be taken away: whatever they are by now.
    Naming,
}

/// Something about certificates that were taken nevertheless, or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The same certificate is there twice; it counts once.
    Twice {
        subject: String,
        /// Where it was found first.
        first: Place,
        /// Where it was found again.
        again: Place,
    },
    /// A certificate that is not valid now, in a file with others that are: it is left out.
    LeftOut(CertificateError),
    /// A server's own certificate, for its registry.
    Server { subject: String, place: Place },
    /// A CA that another one vouches for: most programs trust it only together with its root.
    Intermediate { subject: String, place: Place },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Twice { subject, first, again } => {
                write!(
                    f,
                    "{again}: \"{subject}\" is the same certificate as in {first}; it counts once"
                )
            }
            Note::LeftOut(error) => write!(f, "{error}; it is left out"),
            Note::Server { subject, place } => write!(
                f,
                "{place}: \"{subject}\" is not a CA's: the registry is trusted as long as it shows this very certificate"
            ),
            Note::Intermediate { subject, place } => write!(
                f,
                "{place}: \"{subject}\" is not a root; many programs trust it only if its root is installed too"
            ),
        }
    }
}

/// Why files of certificates are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Certificates that cannot be used: everything that is wrong.
    #[error("the CA certificates cannot be used")]
    Refused(Vec<CertificateError>),
}

impl CaCertificates {
    /// As [`CaCertificates::read`], of files that are read here; one larger than any bundle is not
    /// read to its end.
    pub fn read_files<P: AsRef<Path>>(
        paths: &[P],
        purpose: Purpose,
        now: SystemTime,
    ) -> Result<Self, ReadError> {
        let mut contents = Vec::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let unread = |source| ReadError::File { path: path.to_owned(), source };
            let bytes = skep_read::bytes(path, MAX_FILE).map_err(unread)?;
            contents.push((path.display().to_string(), bytes));
        }
        let files = contents.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        Self::read(files, purpose, now).map_err(ReadError::Refused)
    }

    /// Reads the certificates of files, given by name and content, for `purpose`, as of `now`.
    ///
    /// A file is PEM, with one certificate or many and any text around them, or DER. A certificate
    /// that is there twice, in one file or in two, is no error: it counts once, and a [`Note`]
    /// names both places. One whose time is over, or has not come, is left out with a note if there
    /// are others in its file: a bundle of roots has some of those sooner or later.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the files; then none of the certificates is to
    /// be used. A file with a private key, or larger than [`MAX_FILE`], is not looked at further.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        purpose: Purpose,
        now: SystemTime,
    ) -> Result<Self, Vec<CertificateError>> {
        let mut errors = Vec::new();
        let mut read = Self::default();
        let mut taken: Vec<(CaCertificate, Place)> = Vec::new();
        for (name, content) in files {
            let pieces = match split(name, content) {
                Ok(pieces) => pieces,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let mut any = false;
            let mut untimely = Vec::new();
            for (piece, place) in pieces {
                match judge(piece, &place, purpose, now) {
                    Ok(certificate) => {
                        any = true;
                        read.take(certificate, place, &mut taken);
                    }
                    Err(
                        error @ (CertificateError::Expired { .. }
                        | CertificateError::NotYetValid { .. }),
                    ) => untimely.push(error),
                    Err(error) => errors.push(error),
                }
            }
            if any {
                read.notes.extend(untimely.into_iter().map(Note::LeftOut));
            } else {
                errors.extend(untimely);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        read.certificates = taken.into_iter().map(|(certificate, _)| certificate).collect();
        Ok(read)
    }

    fn take(
        &mut self,
        certificate: CaCertificate,
        place: Place,
        taken: &mut Vec<(CaCertificate, Place)>,
    ) {
        let subject = certificate.subject().to_owned();
        if let Some((_, first)) = taken.iter().find(|(other, _)| *other == certificate) {
            self.notes.push(Note::Twice { subject, first: first.clone(), again: place });
            return;
        }
        if certificate.not_a_ca().is_some() {
            self.notes.push(Note::Server { subject, place: place.clone() });
        } else if !certificate.is_root() {
            self.notes.push(Note::Intermediate { subject, place: place.clone() });
        }
        taken.push((certificate, place));
    }
}

/// Takes a piece of a file if it is fit for its purpose.
fn judge(
    piece: Result<Vec<u8>, CertificateError>,
    place: &Place,
    purpose: Purpose,
    now: SystemTime,
) -> Result<CaCertificate, CertificateError> {
    let der = piece?;
    if pem::is_private_key(&der) {
        return Err(CertificateError::PrivateKey(place.clone()));
    }
    let certificate = CaCertificate::from_der(der, place.clone())?;
    if purpose == Purpose::System {
        certificate.is_a_ca(place)?;
    }
    if purpose != Purpose::Naming {
        certificate.valid_at(now, place)?;
    }
    Ok(certificate)
}

/// A certificate in DER, or why it is none, with its place.
type Piece = (Result<Vec<u8>, CertificateError>, Place);

fn split(name: &str, content: &[u8]) -> Result<Vec<Piece>, CertificateError> {
    let place = |line| Place { file: name.to_owned(), line };
    let file = name.to_owned();
    if content.len() as u64 > MAX_FILE {
        return Err(CertificateError::TooLarge { file });
    }
    if content.trim_ascii().is_empty() {
        return Err(CertificateError::Empty { file });
    }
    // Before anything else, so that no other error can show a part of it.
    if let Some(line) = pem::private_key(content) {
        return Err(CertificateError::PrivateKey(place(Some(line))));
    }
    if pem::is_private_key(content) {
        return Err(CertificateError::PrivateKey(place(None)));
    }
    let blocks = pem::blocks(content);
    if blocks.is_empty() && content[0] == 0x30 {
        return Ok(vec![(Ok(content.to_owned()), place(None))]);
    }
    if blocks.is_empty() {
        let reason = if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
            "it is UTF-16 text; save it as ASCII or UTF-8"
        } else {
            "it is neither PEM (`-----BEGIN CERTIFICATE-----`) nor DER"
        };
        return Err(CertificateError::NotACertificate {
            place: place(None),
            reason: reason.into(),
        });
    }
    let piece = |block: pem::Block| {
        let place = place(Some(block.line));
        let content = match block.label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" => block.content,
            label => Err(format!("it is a PEM block of \"{}\"", printable(label))),
        };
        let refused = |reason| CertificateError::NotACertificate { place: place.clone(), reason };
        (content.map_err(refused), place)
    };
    Ok(blocks.into_iter().map(piece).collect())
}
