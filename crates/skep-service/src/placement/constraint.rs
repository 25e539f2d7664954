//! One constraint: `node.labels.zone == north`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::api::Node;

/// A constraint that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constraint<'a> {
    key: &'a str,
    equal: bool,
    value: &'a str,
}

impl<'a> Constraint<'a> {
    /// Reads `KEY==VALUE` or `KEY!=VALUE`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (at, equal) = match (text.find("=="), text.find("!=")) {
            (Some(equal), Some(unequal)) if unequal < equal => (unequal, false),
            (Some(equal), _) => (equal, true),
            (None, Some(unequal)) => (unequal, false),
            (None, None) => return None,
        };
        Some(Self { key: text[..at].trim(), equal, value: text[at + 2..].trim() })
    }

    /// What the node has where the constraint looks.
    pub(super) fn subject(&self, node: &Node) -> Option<String> {
        let key = self.key.to_ascii_lowercase();
        let found = match key.as_str() {
            "node.id" => node.id.as_str(),
            "node.hostname" => &node.hostname,
            "node.ip" => &node.address,
            "node.role" => node.role.as_str(),
            "node.platform.os" => &node.platform.os,
            "node.platform.arch" => &node.platform.architecture,
            // The name of a label keeps its case.
            _ if key.starts_with("node.labels.") => {
                node.labels.get(&self.key["node.labels.".len()..])?
            }
            _ if key.starts_with("engine.labels.") => {
                node.engine_labels.get(&self.key["engine.labels.".len()..])?
            }
            _ => return None,
        };
        Some(found.to_owned()).filter(|found| !found.is_empty())
    }

    pub(super) fn is_met(&self, node: &Node) -> bool {
        let has = self.subject(node).unwrap_or_default();
        let same = match self.key.to_ascii_lowercase().as_str() {
            "node.ip" => self.is_address(&has),
            "node.platform.arch" => architecture(&has) == architecture(self.value),
            _ => has.eq_ignore_ascii_case(self.value),
        };
        same == self.equal
    }

    /// An address is equal to itself and to each network it is in.
    fn is_address(&self, has: &str) -> bool {
        let Ok(address) = has.parse::<IpAddr>() else { return false };
        match (self.value.parse::<IpAddr>(), self.value.parse::<IpNet>()) {
            (Ok(value), _) => value == address,
            (_, Ok(network)) => network.contains(&address),
            _ => false,
        }
    }
}

/// One name for each architecture: nodes say `x86_64` what images call `amd64`.
pub(super) fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
