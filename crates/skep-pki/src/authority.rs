//! Making an authority, and signing with it.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    PkiError,
    inspect::{Inspected, public_key},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its making a certificate is already valid: a virtual machine whose hardware
/// clock was set to local time, or that was restored from a snapshot, is off by hours.
pub const BACKDATED: Duration = DAY;

/// How long an authority is valid.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());

/// How long a server's or client's certificate is valid, or until its authority ends.
pub const LEAF_LIFETIME: Duration = Duration::from_secs(3 * 365 * DAY.as_secs());

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate_pem: String,
    /// Its private key, PKCS #8 PEM.
    pub key_pem: SecretString,
    pub not_after: SystemTime,
}

/// A certificate authority with its private key.
pub struct Authority {
    certificate_pem: String,
    key_pem: SecretString,
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority called `name` (its common name, at most 64 characters).
    ///
    /// # Errors
    /// [`PkiError::BadName`] for a name that is empty or too long, [`PkiError::Make`].
    pub fn generate(name: &str, now: SystemTime) -> Result<Self, PkiError> {
        Self::certify(name, generate_key()?, now)
    }

    /// Makes a certificate for an authority whose key is already there. Whoever trusts an
    /// earlier certificate of the same name and key trusts what this one signs, and the reverse.
    pub(crate) fn certify(name: &str, key: KeyPair, now: SystemTime) -> Result<Self, PkiError> {
        if name.is_empty() || name.chars().count() > 64 {
            return Err(PkiError::BadName { name: name.into() });
        }
        let mut params = template(name, now, now + AUTHORITY_LIFETIME)?;
        // Whatever it signs is a leaf: it can make no further authority.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem =
            params.self_signed(&key).map_err(PkiError::make("certificate of the authority"))?.pem();
        let key_pem = SecretString::from(key.serialize_pem());
        Ok(Self {
            certificate_pem,
            key_pem,
            issuer: Issuer::new(params, key),
            not_after: now + AUTHORITY_LIFETIME,
        })
    }

    /// The authority with this certificate and key, both PEM.
    ///
    /// # Errors
    /// [`PkiError::Unreadable`] if either is not what it should be, also if the certificate is
    /// not an authority's; [`PkiError::KeyMismatch`].
    pub fn from_pem(certificate: &str, key: &SecretString) -> Result<Self, PkiError> {
        let what = "certificate of the authority";
        let unreadable = |reason: String| PkiError::Unreadable { what, reason };
        let read = Inspected::read(certificate).map_err(unreadable)?;
        if !read.is_authority {
            return Err(unreadable("it is not a certificate authority's".into()));
        }
        let key_pair = parse_key(key)?;
        if read.public_key != public_key(&key_pair) {
            return Err(PkiError::KeyMismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&read.der.into(), key_pair)
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            certificate_pem: certificate.to_owned(),
            key_pem: key.clone(),
            issuer,
            not_after: read.not_after,
        })
    }

    /// The authority's own certificate, PEM: what the other side is to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key, PKCS #8 PEM.
    pub fn key_pem(&self) -> &SecretString {
        &self.key_pem
    }

    /// When the authority ends, and with it all it signed.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Issues a certificate to a server reached under `names`, each a host name or an IP address.
    ///
    /// # Errors
    /// [`PkiError::BadName`], also if there are no names; [`PkiError::Make`].
    pub fn issue_server<N: AsRef<str>>(
        &self,
        names: &[N],
        now: SystemTime,
    ) -> Result<Issued, PkiError> {
        if names.is_empty() {
            return Err(PkiError::BadName { name: String::new() });
        }
        let names = names.iter().map(|name| san(name.as_ref())).collect::<Result<_, _>>()?;
        self.issue("skep engine", names, ExtendedKeyUsagePurpose::ServerAuth, now)
    }

    /// Issues a certificate to a client.
    ///
    /// # Errors
    /// [`PkiError::Make`].
    pub fn issue_client(&self, now: SystemTime) -> Result<Issued, PkiError> {
        self.issue("skep client", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth, now)
    }

    fn issue(
        &self,
        name: &str,
        alternative_names: Vec<SanType>,
        usage: ExtendedKeyUsagePurpose,
        now: SystemTime,
    ) -> Result<Issued, PkiError> {
        let not_after = (now + LEAF_LIFETIME).min(self.not_after);
        let mut params = template(name, now, not_after)?;
        params.subject_alt_names = alternative_names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = generate_key()?;
        let certificate =
            params.signed_by(&key, &self.issuer).map_err(PkiError::make("certificate"))?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: SecretString::from(key.serialize_pem()),
            not_after,
        })
    }
}

pub(crate) fn generate_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(PkiError::make("private key"))
}

/// Reads a private key without letting any of it into an error.
pub(crate) fn parse_key(key: &SecretString) -> Result<KeyPair, PkiError> {
    KeyPair::from_pem(key.expose_secret()).map_err(|_| PkiError::Unreadable {
        what: "key of the authority",
        reason: "it is not a PKCS #8 private key in PEM".into(),
    })
}

fn template(
    name: &str,
    now: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "skep");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - BACKDATED).into();
    params.not_after = not_after.into();
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

/// 127 random bits, positive and never zero (RFC 5280, 4.1.2.2, wants at most 20 octets; the
/// CA/Browser Forum wants at least 64 bits from a secure source).
fn serial_number() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(PkiError::make("serial number of a certificate"))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn san(name: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || PkiError::BadName { name: name.into() };
    if !is_dns_name(name) {
        return Err(bad());
    }
    name.to_owned().try_into().map(SanType::DnsName).map_err(|_| bad())
}

/// Whether a certificate can be issued for `name`: an IP address, a host name, or all names below
/// one, `*.example.org`.
pub fn is_server_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || is_dns_name(name)
}

/// A host name, or all names below one of at least two labels (RFC 6125, 6.4.3: a lone asterisk as
/// the first label).
fn is_dns_name(name: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(above) => above.contains('.') && is_host_name(above),
        None => is_host_name(name),
    }
}

/// Whether `name` is a host name (RFC 1123): labels of letters, digits and inner hyphens.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn an_authority_survives_its_pem() {
        let made = Authority::generate("skep test", now()).unwrap();
        let read = Authority::from_pem(made.certificate_pem(), made.key_pem()).unwrap();
        assert_eq!(read.not_after(), made.not_after());
        assert_eq!(read.certificate_pem(), made.certificate_pem());
    }

    #[test]
    fn no_debug_text_holds_a_key() {
        let authority = Authority::generate("skep test", now()).unwrap();
        let issued = authority.issue_client(now()).unwrap();
        for (key, text) in [
            (authority.key_pem(), format!("{authority:?}")),
            (&issued.key_pem, format!("{issued:?}")),
        ] {
            let secret = key.expose_secret().lines().nth(1).unwrap();
            assert!(!text.contains(secret) && !text.contains("PRIVATE"), "{text}");
        }
    }

    #[test]
    fn each_part_that_does_not_fit_is_named() {
        let one = Authority::generate("one", now()).unwrap();
        let other = Authority::generate("other", now()).unwrap();
        let error = |certificate: &str, key: &SecretString| {
            Authority::from_pem(certificate, key).unwrap_err().to_string()
        };
        assert_eq!(
            error(one.certificate_pem(), other.key_pem()),
            "the key of the authority does not belong to its certificate"
        );
        let client = one.issue_client(now()).unwrap();
        assert_eq!(
            error(&client.certificate_pem, &client.key_pem),
            "the certificate of the authority is not readable: it is not a certificate authority's"
        );
        assert!(error("", one.key_pem()).contains("certificate of the authority is not readable"));
        let half: SecretString =
            one.key_pem().expose_secret().chars().take(100).collect::<String>().into();
        assert!(error(one.certificate_pem(), &half).contains("key of the authority"));
    }

    #[test]
    fn names_no_certificate_can_carry_are_refused() {
        let authority = Authority::generate("skep test", now()).unwrap();
        for name in ["", "a b", "müller.example", "-a", "a-", "a..b", "a/b", &"a".repeat(64)] {
            let error = authority.issue_server(&[name], now()).unwrap_err();
            assert!(matches!(error, PkiError::BadName { .. }), "{name}: {error}");
        }
        assert!(authority.issue_server::<&str>(&[], now()).is_err());
        authority.issue_server(&["manager1", "a.example", "10.0.0.1", "fd00::1"], now()).unwrap();
        assert!(Authority::generate("", now()).is_err());
        assert!(Authority::generate(&"a".repeat(65), now()).is_err());
    }

    #[test]
    fn no_leaf_outlives_its_authority() {
        let authority = Authority::generate("skep test", now()).unwrap();
        let late = authority.not_after() - DAY;
        assert_eq!(authority.issue_client(late).unwrap().not_after, authority.not_after());
        assert_eq!(authority.issue_client(now()).unwrap().not_after, now() + LEAF_LIFETIME);
    }
}
