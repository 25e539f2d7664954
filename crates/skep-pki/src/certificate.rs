//! One CA certificate.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate, X509Version};

use crate::{CertificateError, Place, pem, printable};

/// How many digits of the fingerprint name a certificate.
const NAME_DIGITS: usize = 16;

/// What is before and behind them in the name of its file.
const FILE_PREFIX: &str = "skep-";
const FILE_SUFFIX: &str = ".crt";

/// The beginning of a fingerprint, which names its certificate; all of one that is shorter.
pub(crate) fn short(fingerprint: &str) -> &str {
    fingerprint.get(..NAME_DIGITS).unwrap_or(fingerprint)
}

/// Whether `name` is that of a file with the certificate of this fingerprint: see
/// [`CaCertificate::file_name`].
pub fn is_file_name_of(name: &str, fingerprint: &str) -> bool {
    let digits = name.strip_prefix(FILE_PREFIX).and_then(|name| name.strip_suffix(FILE_SUFFIX));
    digits.is_some_and(|digits| !digits.is_empty() && fingerprint.starts_with(digits))
}

/// The certificate of a CA, in one canonical form whatever it was read from; for a single registry it
/// may be the registry's own. Its serialized form is its PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: Vec<u8>,
    pem: String,
    fingerprint: String,
    subject: String,
    issued_by_itself: bool,
    /// What says that it may not issue others.
    not_a_ca: Option<&'static str>,
    not_before: i64,
    not_after: i64,
}

impl CaCertificate {
    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM: one block, lines of 64 characters, nothing around it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The sha256 of its DER form: 64 lower-case hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The beginning of the fingerprint, which names it: 16 digits.
    pub fn short_fingerprint(&self) -> &str {
        short(&self.fingerprint)
    }

    /// The subject, `CN=…, O=…`, fit to be shown.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Since when it is valid.
    pub fn not_before(&self) -> SystemTime {
        system_time(self.not_before)
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> SystemTime {
        system_time(self.not_after)
    }

    /// Until when it is valid, in UTC, fit to be shown: `2030-01-31 12:00 UTC`.
    pub fn expiry(&self) -> String {
        date(self.not_after)
    }

    /// Whether it names itself as its issuer, as a root does.
    pub fn is_root(&self) -> bool {
        self.issued_by_itself
    }

    /// Why it is no CA's, if it is not: it vouches for one server only, and for one registry that
    /// is enough.
    pub fn not_a_ca(&self) -> Option<&'static str> {
        self.not_a_ca
    }

    /// Whether it may be meant by a text: the beginning of its fingerprint (colons and upper case
    /// allowed), or a part of its subject.
    pub fn is_meant_by(&self, text: &str) -> bool {
        let digits = text.replace(':', "").to_ascii_lowercase();
        let subject = self.subject.to_lowercase();
        !digits.is_empty()
            && (self.fingerprint.starts_with(&digits) || subject.contains(&text.to_lowercase()))
    }

    /// The name of its file inside a machine.
    pub fn file_name(&self) -> String {
        format!("{FILE_PREFIX}{}{FILE_SUFFIX}", self.short_fingerprint())
    }

    /// A certificate that was taken before, as [`CaCertificate::pem`] wrote it: whether its time is
    /// over is not asked again.
    ///
    /// # Errors
    /// [`CertificateError::NotACertificate`] if it is not what was written.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let place = Place { file: "stored certificate".into(), line: None };
        let block = pem::blocks(text.as_bytes()).into_iter().next();
        let content = block.map(|block| block.content);
        match content.unwrap_or_else(|| Err("it has no PEM block".into())) {
            Ok(der) => Self::from_der(der, place),
            Err(reason) => Err(CertificateError::NotACertificate { place, reason }),
        }
    }

    /// Takes a certificate in DER, whatever its owner.
    pub(crate) fn from_der(der: Vec<u8>, place: Place) -> Result<Self, CertificateError> {
        let refused = |reason: &str| CertificateError::NotACertificate {
            place: place.clone(),
            reason: reason.to_owned(),
        };
        let (rest, certificate) =
            X509Certificate::from_der(&der).map_err(|_| refused(&pem::describe(&der)))?;
        if !rest.is_empty() {
            return Err(refused("something follows its end"));
        }
        let subject = printable(&certificate.subject().to_string());
        let issued_by_itself = certificate.subject().as_raw() == certificate.issuer().as_raw();
        let not_a_ca = not_a_ca(&certificate, issued_by_itself);
        let (not_before, not_after) = {
            let validity = certificate.validity();
            (seconds(validity.not_before), seconds(validity.not_after))
        };
        let fingerprint = Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
        let pem = encode(&der);
        Ok(Self {
            der,
            pem,
            fingerprint,
            subject,
            issued_by_itself,
            not_a_ca,
            not_before,
            not_after,
        })
    }

    /// Refuses a certificate that may not issue others.
    pub(crate) fn is_a_ca(&self, place: &Place) -> Result<(), CertificateError> {
        let (place, subject) = (place.clone(), self.subject.clone());
        self.not_a_ca
            .map_or(Ok(()), |reason| Err(CertificateError::NotACa { place, subject, reason }))
    }

    /// Refuses a certificate that is not valid at `now`.
    pub(crate) fn valid_at(&self, now: SystemTime, place: &Place) -> Result<(), CertificateError> {
        let (place, subject) = (place.clone(), self.subject.clone());
        if now > self.not_after() {
            Err(CertificateError::Expired { place, subject, since: date(self.not_after) })
        } else if now < self.not_before() {
            Err(CertificateError::NotYetValid { place, subject, from: date(self.not_before) })
        } else {
            Ok(())
        }
    }
}

impl Serialize for CaCertificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pem)
    }
}

impl<'de> Deserialize<'de> for CaCertificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_pem(&text).map_err(de::Error::custom)
    }
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaCertificate({self})")
    }
}

impl fmt::Display for CaCertificate {
    /// `0123456789abcdef CN=Some CA (until 2030-01-31 12:00 UTC)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (until {})", self.short_fingerprint(), self.subject, self.expiry())
    }
}

/// What says that a certificate may not issue others (RFC 5280, 4.2.1.3 and 4.2.1.9). Version 1
/// has no extensions that could say so: there, a root is what names itself as its issuer.
fn not_a_ca(certificate: &X509Certificate<'_>, issued_by_itself: bool) -> Option<&'static str> {
    if certificate.version() == X509Version::V1 {
        let reason = "it is of version 1 and names another issuer than itself";
        return (!issued_by_itself).then_some(reason);
    }
    match certificate.basic_constraints() {
        Err(_) => return Some("its basic constraints are malformed"),
        Ok(None) => return Some("it has no basic constraints"),
        Ok(Some(constraints)) if !constraints.value.ca => {
            return Some("its basic constraints say so");
        }
        Ok(Some(_)) => {}
    }
    match certificate.key_usage() {
        Err(_) => Some("its key usage is malformed"),
        Ok(Some(usage)) if !usage.value.key_cert_sign() => {
            Some("its key may not sign certificates")
        }
        Ok(_) => None,
    }
}

fn encode(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, later) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = later;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn seconds(time: ASN1Time) -> i64 {
    time.timestamp()
}

fn system_time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    // A certificate's year has four digits, which any system's clock can hold.
    time.unwrap_or(UNIX_EPOCH)
}

fn date(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => format!("second {seconds} of the Unix epoch"),
    }
}
