//! What is written down about a cluster's network and about a machine.
//!
//! A machine's directory, `clusters/CLUSTER/machines/MACHINE/qemu/`:
//!
//! ```text
//! data.img       its disk: all it has ever written
//! config.img     0600: its seed, with its keys
//! machine.json   this record; written last, so that there is no machine without its disks
//! pid            written and locked by QEMU while it runs
//! console.log    what it prints to its serial port
//! ```

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_model::{Port, Size};
use skep_store::StoreError;

use super::{Accel, Segment};

/// The newest schema of both records that this program knows.
pub(super) const SCHEMA: u64 = 1;

/// `qemu.json`: what the machines of a cluster share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    schema: u64,
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

impl Cluster {
    pub(super) fn new(
        subnet: Ipv4Net,
        host: Ipv4Net,
        segment: Wire,
        binary: Option<PathBuf>,
        accel: Option<Accel>,
    ) -> Self {
        Self { schema: SCHEMA, subnet, host, segment, binary, accel }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        skep_store::read_json(path, SCHEMA)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        skep_store::write_record(path, self)
    }
}

/// The power that was last asked for. It is written before the effect, so that a machine that
/// does not run although it should is known to have ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Power {
    New,
    On,
    Off,
}

/// `machine.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    schema: u64,
    pub(super) power: Power,
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

impl Machine {
    pub(super) fn new(
        address: Ipv4Addr,
        [outer_mac, inner_mac]: [String; 2],
        image: String,
        size: Size,
        publish: Vec<Port>,
    ) -> Self {
        let power = Power::New;
        Self { schema: SCHEMA, power, address, outer_mac, inner_mac, image, size, publish }
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

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data.img")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("config.img")
    }

    pub(super) fn record(&self) -> PathBuf {
        self.directory.join("machine.json")
    }

    pub(super) fn pid(&self) -> PathBuf {
        self.directory.join("pid")
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
