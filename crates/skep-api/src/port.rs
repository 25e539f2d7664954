//! Published ports.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::word::words;

words! {
    /// What is spoken at a port.
    PortProtocol, default Tcp {
        Tcp = "tcp",
        Udp = "udp",
        Sctp = "sctp",
    }
}

words! {
    /// Where a port is published.
    PublishMode, default Ingress {
        /// On every node, by the routing mesh.
        Ingress = "ingress",
        /// On the task's node only.
        Host = "host",
    }
}

/// A published port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PublishedPort {
    pub protocol: PortProtocol,
    pub target_port: u16,
    /// The nodes' port; 0 where the swarm is to choose.
    pub published_port: u16,
    pub publish_mode: PublishMode,
}

impl PublishedPort {
    /// The JSON of a port, as the API has it.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "Protocol": self.protocol, "TargetPort": self.target_port });
        if self.published_port != 0 {
            json["PublishedPort"] = self.published_port.into();
        }
        json["PublishMode"] = (&self.publish_mode).into();
        json
    }
}
