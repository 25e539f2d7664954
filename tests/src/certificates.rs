//! Certificates, good ones and bad ones.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// A CA that is not trusted by default, with its key, which stays in memory.
#[derive(Debug)]
pub struct Root {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Root {
    /// A root that is valid for a long time.
    pub fn new(name: &str) -> Self {
        Self::valid(name, 1975, 4096)
    }

    /// A root that is valid from the first day of one year to the first day of another.
    ///
    /// # Panics
    /// If there is no randomness for a key.
    pub fn valid(name: &str, from: i32, until: i32) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a root can be signed");
        Self { issuer }
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The certificate as DER.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// The private key as PEM, which must not be in any file that is given away.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for a server of these names or addresses, and its key.
    ///
    /// # Panics
    /// If a name is none.
    pub fn server(&self, names: &[&str]) -> Server {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("the names are names");
        params.distinguished_name.push(DnType::CommonName, "a server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a leaf can be signed");
        Server { der: certificate.der().to_vec(), pem: certificate.pem(), key: key.serialize_der() }
    }
}

#[derive(Debug, Clone)]
pub struct Server {
    pub der: Vec<u8>,
    pub pem: String,
    /// The private key, PKCS #8 in DER.
    pub key: Vec<u8>,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system gives randomness for a key")
}
