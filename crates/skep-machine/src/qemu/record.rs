//! What is written down about a cluster's network and about a machine.
//!
//! A machine's directory, `clusters/CLUSTER/machines/MACHINE/qemu/`:
//!
//! ```text
//! machine.json   written last, so that there is no machine without its disks
//! pid            written and locked by QEMU while it runs
//! ```

use std::{net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_model::{Port, Size};

use super::{Accel, Segment};
use crate::record::{Record, Wanted};

/// The file QEMU writes its process id to, and locks while it runs.
pub(super) const PID: &str = "pid";

/// `qemu.json`: what the machines of a cluster share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// The network the nodes have among themselves.
    pub(super) subnet: Ipv4Net,
    /// The loopback addresses at which this host reaches them.
    pub(super) host: Ipv4Net,
    pub(super) segment: Wire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binary: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accel: Option<Accel>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wire {
    /// A multicast group on this host's loopback.
    Multicast { group: Ipv4Addr, port: u16 },
    /// A bridge of this host.
    Bridge { name: String },
}

impl Wire {
    /// What was chosen to come to it.
    pub(super) fn choice(&self) -> Segment {
        match self {
            Self::Multicast { .. } => Segment::Multicast,
            Self::Bridge { name } => Segment::Bridge(name.clone()),
        }
    }
}

impl Record for Cluster {}

/// `machine.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    #[serde(rename = "power")]
    pub(super) wanted: Wanted,
    pub(super) address: Ipv4Addr,
    /// The address of the network interface that leads out.
    pub(super) outer_mac: String,
    /// The address of the network interface that leads to the other nodes.
    pub(super) inner_mac: String,
    /// The digest of the guest system its disk belongs to.
    pub(super) image: String,
    pub(super) size: Size,
    /// The ports it answers on at its host address, besides SSH and the engine.
    pub(super) publish: Vec<Port>,
}

impl Record for Machine {}

#[cfg(test)]
mod tests {
    use crate::record::same_as_ever;

    use super::*;

    #[test]
    fn records_are_written_as_ever() {
        same_as_ever::<Cluster>(
            r#"{"schema":1,"subnet":"192.168.99.0/24","host":"127.70.3.0/24","segment":{"multicast":{"group":"239.192.1.2","port":20123}},"accel":"tcg"}"#,
        );
        same_as_ever::<Machine>(
            r#"{"schema":1,"power":"on","address":"192.168.99.100","outer_mac":"52:54:00:00:00:01","inner_mac":"52:54:00:00:00:02","image":"ab","size":{"memory":1073741824,"cpus":2},"publish":[{"host":8080,"machine":80,"protocol":"tcp"}]}"#,
        );
    }
}
