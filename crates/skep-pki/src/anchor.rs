//! What a certificate is trusted for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CaCertificate, Registry, certificate::short};

/// A certificate with what it is trusted for. Its serialized form is `{registry?, pem}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The registry it is for; none if for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    #[serde(rename = "pem")]
    pub certificate: CaCertificate,
}

/// An [`Anchor`] by name. Its serialized form is `{registry?, fingerprint}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnchorName {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// The certificate's fingerprint, 64 digits.
    pub fingerprint: String,
}

impl Anchor {
    /// Certificates with what they are all trusted for: `registry`, or everything.
    pub fn all_for(certificates: &[CaCertificate], registry: Option<&Registry>) -> Vec<Self> {
        let anchor = |certificate: &CaCertificate| Self {
            registry: registry.cloned(),
            certificate: certificate.clone(),
        };
        certificates.iter().map(anchor).collect()
    }

    /// What names it.
    pub fn name(&self) -> AnchorName {
        let fingerprint = self.certificate.fingerprint().to_owned();
        AnchorName { registry: self.registry.clone(), fingerprint }
    }

    /// Whether `name` stands for it.
    pub fn is_named(&self, name: &AnchorName) -> bool {
        self.registry == name.registry && self.certificate.fingerprint() == name.fingerprint
    }
}

impl fmt::Display for AnchorName {
    /// `0123456789abcdef for registry.example`, the beginning of the fingerprint first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(short(&self.fingerprint))?;
        self.registry.as_ref().map_or(Ok(()), |registry| write!(f, " for {registry}"))
    }
}
