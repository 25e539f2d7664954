//! Reading certificates, and saying when one is due.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{KeyPair, PublicKeyData};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate, parse_x509_pem};

/// A certificate that ends within this time is due for renewal.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What skep looks at in a certificate.
pub(crate) struct Inspected {
    pub(crate) der: Vec<u8>,
    pub(crate) is_authority: bool,
    /// The subject's public key, as its algorithm writes it.
    pub(crate) public_key: Vec<u8>,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    host_names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Inspected {
    /// Reads the first certificate of a PEM text, or says why there is none.
    pub(crate) fn read(pem: &str) -> Result<Self, String> {
        let (_, block) =
            parse_x509_pem(pem.as_bytes()).map_err(|_| "it is not a PEM text".to_owned())?;
        if block.label != "CERTIFICATE" {
            return Err(format!("it holds a {}, not a certificate", block.label.to_lowercase()));
        }
        let x509 = parse(&block.contents)?;
        let mut host_names = Vec::new();
        let mut addresses = Vec::new();
        let alternative = x509.subject_alternative_name().map_err(|error| error.to_string())?;
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => host_names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Ok(Self {
            is_authority: x509.is_ca(),
            public_key: x509.public_key().subject_public_key.data.to_vec(),
            not_before: time(x509.validity().not_before),
            not_after: time(x509.validity().not_after),
            host_names,
            addresses,
            der: block.contents,
        })
    }

    /// Whether `authority`'s key signed this certificate.
    pub(crate) fn is_signed_by(&self, authority: &Inspected) -> bool {
        let (Ok(leaf), Ok(issuer)) = (parse(&self.der), parse(&authority.der)) else {
            return false;
        };
        leaf.issuer() == issuer.subject()
            && leaf.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// Whether it is not valid at `now`, or not for long any more.
    pub(crate) fn is_due(&self, now: SystemTime) -> bool {
        now < self.not_before || now + RENEWED_BEFORE > self.not_after
    }

    fn covers(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.host_names.contains(&name.to_ascii_lowercase()),
        }
    }
}

/// Whether the certificate should be replaced: it has less than [`RENEWED_BEFORE`] to live, has
/// ended, is not valid yet, cannot be read, or does not name each of `names` (host names and IP
/// addresses; none for a client).
pub fn needs_renewal<N: AsRef<str>>(certificate_pem: &str, names: &[N], now: SystemTime) -> bool {
    match Inspected::read(certificate_pem) {
        Ok(read) => read.is_due(now) || !names.iter().all(|name| read.covers(name.as_ref())),
        Err(_) => true,
    }
}

/// The first organisation and common name of a certificate's subject. A swarm's nodes have theirs
/// there: the swarm's ID and the node's.
pub fn organization_and_common_name(certificate_pem: &str) -> Option<(String, String)> {
    let (_, block) = parse_x509_pem(certificate_pem.as_bytes()).ok()?;
    let x509 = parse(&block.contents).ok()?;
    let organization = x509.subject().iter_organization().next()?.as_str().ok()?.to_owned();
    let name = x509.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some((organization, name))
}

/// The public key of a key pair, as [`Inspected::public_key`] has it.
pub(crate) fn public_key(key: &KeyPair) -> Vec<u8> {
    key.der_bytes().to_vec()
}

/// Sixteen hexadecimal digits that stand for a key: the start of its SHA-256.
pub(crate) fn fingerprint(key: &KeyPair) -> String {
    let digest = rcgen::CertificateParams::default().key_identifier(key);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(format!("it is not an X.509 certificate ({error})")),
    }
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
