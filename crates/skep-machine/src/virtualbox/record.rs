//! What is written down about a cluster's network and about a machine.
//!
//! A machine's directory, `clusters/CLUSTER/machines/MACHINE/virtualbox/`:
//!
//! ```text
//! skep.iso              what it starts from, or boot2docker.iso
//! data.vdi              its disk, or disk.vmdk with boot2docker
//! NAME/NAME.vbox        VirtualBox's own settings of it
//! ```

use std::{net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    record::{Record, Wanted},
    shelf::Files,
};

/// `virtualbox.json`: what the machines of a cluster share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// The network the machines and this host have among themselves.
    pub(super) subnet: Ipv4Net,
    pub(super) wire: Wire,
    /// Whether it was made for this cluster, and goes with it.
    pub(super) is_ours: bool,
}

/// What joins the machines of a cluster with this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wire {
    /// A host-only interface, by name.
    Interface(String),
    /// A host-only network of macOS, by name.
    Net(String),
}

impl Wire {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Wire::Interface(name) | Wire::Net(name) => name,
        }
    }

    /// What VirtualBox calls the network behind it.
    pub(super) fn network(&self) -> String {
        match self {
            Wire::Interface(name) => format!("HostInterfaceNetworking-{name}"),
            Wire::Net(name) => format!("hostonly-{name}"),
        }
    }
}

impl Record for Cluster {}

/// `machine.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) wanted: Wanted,
    pub(super) uuid: String,
    pub(super) name: String,
    /// Whether it was there before, made by docker-machine.
    pub(super) is_adopted: bool,
    pub(super) address: Ipv4Addr,
    /// How its window is shown, if at all.
    pub(super) ui: String,
    /// The port of 127.0.0.1 that leads to its SSH server.
    pub(super) ssh_port: Option<u16>,
    /// The network whose DHCP server keeps its address for it.
    pub(super) lease: Option<String>,
}

impl Machine {
    pub(super) fn new(uuid: String, name: String, address: Ipv4Addr, ui: String) -> Self {
        Self {
            wanted: Wanted::Made,
            uuid,
            name,
            is_adopted: false,
            address,
            ui,
            ssh_port: None,
            lease: None,
        }
    }
}

impl Record for Machine {}

pub(super) fn skep_iso(files: &Files) -> PathBuf {
    files.other("skep.iso")
}

pub(super) fn boot2docker_iso(files: &Files) -> PathBuf {
    files.other("boot2docker.iso")
}

pub(super) fn boot2docker_disk(files: &Files) -> PathBuf {
    files.other("disk.vmdk")
}

#[cfg(test)]
mod tests {
    use crate::record::same_as_ever;

    use super::*;

    #[test]
    fn records_are_written_as_ever() {
        same_as_ever::<Cluster>(
            r#"{"schema":1,"subnet":"192.168.99.0/24","wire":{"interface":"vboxnet0"},"is_ours":true}"#,
        );
        same_as_ever::<Machine>(
            r#"{"schema":1,"wanted":"made","uuid":"u","name":"web1","is_adopted":false,"address":"192.168.99.100","ui":"headless","ssh_port":2200,"lease":null}"#,
        );
    }
}
