//! Reads CA certificates from files, and says of each what is wrong with it.

use std::{fmt, time::SystemTime};

use super::{CaCertificate, CertificateError, MAX_FILE, Place, pem};

/// Certificates that may be given to machines: each a CA's, valid now, and there once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaCertificates {
    /// The certificates, in the order they were found.
    pub certificates: Vec<CaCertificate>,
    /// What the person should know about them.
    pub notes: Vec<Note>,
}

/// Something about certificates that were taken nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The same certificate is there twice; it counts once.
    Twice {
        /// Whose certificate.
        subject: String,
        /// Where it was found first.
        first: Place,
        /// Where it was found again.
        again: Place,
    },
    /// A CA that another one vouches for: most programs trust it only together with its root.
    Intermediate {
        /// Whose certificate.
        subject: String,
        /// Where it was found.
        place: Place,
    },
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
            Note::Intermediate { subject, place } => write!(
                f,
                "{place}: \"{subject}\" is not a root; many programs trust it only if its root is installed too"
            ),
        }
    }
}

impl CaCertificates {
    /// Reads the certificates of files, given by name and content, as of `now`.
    ///
    /// A file is PEM, with one certificate or many and any text around them, or DER. A certificate
    /// that is there twice, in one file or in two, is no error: it counts once, and a [`Note`]
    /// names both places.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the files; then none of the certificates is to
    /// be used. A file with a private key, or larger than [`MAX_FILE`], is not looked at further.
    pub fn read<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now: SystemTime,
    ) -> Result<Self, Vec<CertificateError>> {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for (name, content) in files {
            match split(name, content) {
                Ok(pieces) => found.extend(pieces),
                Err(error) => errors.push(error),
            }
        }
        let mut taken: Vec<(CaCertificate, Place)> = Vec::new();
        let mut notes = Vec::new();
        for (piece, place) in found {
            let certificate = piece
                .and_then(|der| match pem::is_private_key(&der) {
                    true => Err(CertificateError::PrivateKey(place.clone())),
                    false => Ok(der),
                })
                .and_then(|der| CaCertificate::from_der(der, place.clone()))
                .and_then(|certificate| certificate.valid_at(now, &place).map(|()| certificate));
            let certificate = match certificate {
                Ok(certificate) => certificate,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let subject = certificate.subject().to_owned();
            if let Some((_, first)) = taken.iter().find(|(other, _)| *other == certificate) {
                notes.push(Note::Twice { subject, first: first.clone(), again: place });
                continue;
            }
            if !certificate.is_root() {
                notes.push(Note::Intermediate { subject, place: place.clone() });
            }
            taken.push((certificate, place));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let certificates = taken.into_iter().map(|(certificate, _)| certificate).collect();
        Ok(Self { certificates, notes })
    }
}

/// A certificate in DER, or why it is none, with its place.
type Piece = (Result<Vec<u8>, CertificateError>, Place);

/// Takes a file apart.
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
            label => Err(format!("it is a PEM block of \"{}\"", super::printable(label))),
        };
        let refused = |reason| CertificateError::NotACertificate { place: place.clone(), reason };
        (content.map_err(refused), place)
    };
    Ok(blocks.into_iter().map(piece).collect())
}
