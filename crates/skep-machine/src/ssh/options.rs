//! What a host over SSH is configured with.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::features::{Features, System};

pub(crate) const FEATURES: Features = Features {
    makes_machines: false,
    sizes_disks: false,
    forwards_ports: false,
    system: System::Found,
};

/// A host, and how it is logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its address, which is the one it has among the nodes too.
    pub address: Ipv4Addr,
    pub ssh_port: u16,
    /// The port its engine answers on, with TLS.
    pub engine_port: u16,
    pub user: String,
}

impl Host {
    pub(super) fn sshd(&self) -> SocketAddr {
        (self.address, self.ssh_port).into()
    }
}
