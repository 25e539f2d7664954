//! What is written down about a cluster's network and about a machine.
//!
//! A machine's directory, `clusters/CLUSTER/machines/MACHINE/virtualbox/`:
//!
//! ```text
//! machine.json          this record
//! skep.iso              what it starts from, or boot2docker.iso
//! data.vdi              its disk: all it has ever written; disk.vmdk with boot2docker
//! config.vdi            0600: its seed, with its keys
//! console.log           what it prints to its serial port
//! NAME/NAME.vbox        VirtualBox's own settings of it
//! ```

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_store::StoreError;

/// The newest schema of both records that this program knows.
pub(super) const SCHEMA: u64 = 1;

/// `virtualbox.json`: what the machines of a cluster share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    schema: u64,
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

impl Cluster {
    pub(super) fn new(subnet: Ipv4Net, wire: Wire, is_ours: bool) -> Self {
        Self { schema: SCHEMA, subnet, wire, is_ours }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        skep_store::read_json(path, SCHEMA)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        skep_store::write_record(path, self)
    }
}

/// The state that was last asked for, written before the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wanted {
    /// It is being made, and is not whole.
    Made,
    /// It is whole and has never been started.
    New,
    On,
    Off,
}

/// `machine.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    schema: u64,
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
            schema: SCHEMA,
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

#[derive(Debug, Clone)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(super) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn record(&self) -> PathBuf {
        self.directory.join("machine.json")
    }

    pub(super) fn skep_iso(&self) -> PathBuf {
        self.directory.join("skep.iso")
    }

    pub(super) fn boot2docker_iso(&self) -> PathBuf {
        self.directory.join("boot2docker.iso")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data.vdi")
    }

    pub(super) fn boot2docker_disk(&self) -> PathBuf {
        self.directory.join("disk.vmdk")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("config.vdi")
    }

    pub(super) fn console(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    pub(super) fn read(&self) -> Result<Option<Machine>, StoreError> {
        skep_store::read_json(&self.record(), SCHEMA)
    }

    pub(super) fn write(&self, machine: &Machine) -> Result<(), StoreError> {
        skep_store::write_record(&self.record(), machine)
    }
}
