//! Reading certificates, and saying when one is due.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{KeyPair, PublicKeyData};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate, parse_x509_pem};

use super::RENEWED_BEFORE;

/// What skep looks at in a certificate.
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) is_authority: bool,
    /// The subject's public key, as its algorithm writes it.
    pub(super) public_key: Vec<u8>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    host_names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text, or says why there is none.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
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
    pub(super) fn is_signed_by(&self, authority: &Certificate) -> bool {
        let (Ok(leaf), Ok(issuer)) = (parse(&self.der), parse(&authority.der)) else {
            return false;
        };
        leaf.issuer() == issuer.subject()
            && leaf.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// Whether it is not valid at `now`, or not for long any more.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
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
    match Certificate::read(certificate_pem) {
        Ok(read) => read.is_due(now) || !names.iter().all(|name| read.covers(name.as_ref())),
        Err(_) => true,
    }
}

/// The public key of a key pair, as [`Certificate::public_key`] has it.
pub(super) fn public_key(key: &KeyPair) -> Vec<u8> {
    key.der_bytes().to_vec()
}

/// Sixteen hexadecimal digits that stand for a key: the start of its SHA-256.
pub(super) fn fingerprint(key: &KeyPair) -> String {
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

#[cfg(test)]
mod tests {
    use super::{
        super::{Authority, BACKDATED, DAY, LEAF_LIFETIME},
        *,
    };

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_certificate_is_due_at_its_ends_and_for_a_new_name() {
        let authority = Authority::generate("skep test", now()).unwrap();
        let names = ["manager1", "172.28.0.2", "fd00::2"];
        let pem = authority.issue_server(&names, now()).unwrap().certificate_pem;
        let second = Duration::from_secs(1);
        let due = |at| needs_renewal(&pem, &names, at);
        assert!(!due(now()));
        assert!(!due(now() - BACKDATED));
        assert!(due(now() - BACKDATED - second));
        let last = now() + LEAF_LIFETIME - RENEWED_BEFORE;
        assert!(!due(last));
        assert!(due(last + second));
        assert!(due(now() + LEAF_LIFETIME + DAY));

        assert!(!needs_renewal(&pem, &["MANAGER1", "fd00:0::2"], now()));
        assert!(needs_renewal(&pem, &["manager1", "172.28.0.3"], now()));
        assert!(needs_renewal(&pem, &["manager2"], now()));
    }

    #[test]
    fn what_is_no_certificate_is_due() {
        let authority = Authority::generate("skep test", now()).unwrap();
        let pem = authority.certificate_pem();
        for length in [0, 1, 40, pem.len() / 2, pem.len() - 30] {
            assert!(needs_renewal::<&str>(&pem[..length], &[], now()), "{length}");
        }
        assert!(!needs_renewal::<&str>(pem, &[], now()));
    }
}
