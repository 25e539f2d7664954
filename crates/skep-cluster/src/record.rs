//! What the store keeps of a cluster: `clusters/NAME/cluster.json`, schema 1.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_machine::{DriverKind, DriverOptions, subnet};
use skep_model::{ClusterName, MachineName, Port, Role, Size};
use skep_pki::{Anchor, AnchorName, CaCertificate};
use skep_store::StoreError;
use skep_swarm::NodeId;

use crate::{EngineOptions, Home};

/// The newest schema of `cluster.json` this program knows.
pub const SCHEMA: u64 = 1;

/// A cluster as it is meant to be. Written before anything is made, so that an interrupted `up`
/// is resumed and `down` knows what to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The version of this format.
    pub schema: u64,
    /// The cluster's name.
    pub name: ClusterName,
    /// The driver of its machines.
    pub driver: DriverKind,
    /// The network of its machines; known once it has been made.
    pub subnet: Option<Ipv4Net>,
    /// Its machines, in the order they were asked for.
    pub machines: Vec<MachineRecord>,
    /// The CA certificates every machine trusts from its first moment, each one PEM block.
    pub ca_certificates: Vec<CaCertificate>,
    /// The certificates every machine trusts for one registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registry_certificates: Vec<Anchor>,
    /// How big its machines are; what is left out was the driver's to choose.
    #[serde(default)]
    pub size: Size,
    /// The ports its machines answer on at their host addresses, besides SSH and the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Port>,
    /// The swarm its machines were last seen in, by its ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<String>,
    /// The contexts of the docker CLI that were made for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
}

/// One machine of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// Its name.
    pub name: MachineName,
    /// What it is to do in the swarm, or was last seen to do. A machine without one was made by
    /// itself (`skep machine create`), and joins nothing by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Which node it was last seen to be. Roles, labels and availability are the swarm's to say;
    /// this tells a machine that has left, or was taken off the list, from one of another swarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Its place in the network, which gives its address.
    pub place: usize,
    /// Its address among the nodes, where it is not the driver's network that gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// How big it is to be, where the cluster does not say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub size: Size,
    /// What its driver is told of it, and no other driver would understand.
    #[serde(default, skip_serializing_if = "DriverOptions::is_default")]
    pub options: DriverOptions,
    /// What its engine is told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub engine: EngineOptions,
    /// The certificates it alone is to trust, besides the cluster's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Anchor>,
    /// The cluster's certificates that it alone is not to trust.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<AnchorName>,
}

impl MachineRecord {
    /// A machine of a role at a place, with nothing else said of it.
    pub fn new(name: MachineName, role: Option<Role>, place: usize) -> Self {
        Self {
            name,
            role,
            node: None,
            place,
            address: None,
            size: Size::default(),
            options: DriverOptions::Default,
            engine: EngineOptions::default(),
            certificates: Vec::new(),
            without: Vec::new(),
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ClusterRecord {
    /// A cluster without machines.
    pub fn new(name: ClusterName, driver: DriverKind) -> Self {
        Self {
            schema: SCHEMA,
            name,
            driver,
            subnet: None,
            machines: Vec::new(),
            ca_certificates: Vec::new(),
            registry_certificates: Vec::new(),
            size: Size::default(),
            publish: Vec::new(),
            swarm: None,
            contexts: Vec::new(),
        }
    }

    /// Reads the record of a cluster, or `None` if there is no such cluster.
    ///
    /// # Errors
    /// As [`skep_store::read_json`].
    pub fn load(home: &Home, name: &ClusterName) -> Result<Option<Self>, StoreError> {
        skep_store::read_json(&home.layout().cluster(name.as_str()).record(), SCHEMA)
    }

    /// Writes the record.
    ///
    /// # Errors
    /// As [`skep_store::write_record`].
    pub fn save(&self, home: &Home) -> Result<(), StoreError> {
        skep_store::write_record(&home.layout().cluster(self.name.as_str()).record(), self)
    }

    /// The machine of a name.
    pub fn machine(&self, name: &str) -> Option<&MachineRecord> {
        self.machines.iter().find(|machine| machine.name.as_str() == name)
    }

    /// The addresses of its machines among the nodes, as the swarm writes them.
    pub(crate) fn addresses(&self) -> BTreeSet<String> {
        let addresses = self.machines.iter().filter_map(|machine| self.address(machine));
        addresses.map(|address| address.to_string()).collect()
    }

    /// A machine's address among the nodes, once the cluster has a network.
    pub fn address(&self, machine: &MachineRecord) -> Option<Ipv4Addr> {
        machine.address.or_else(|| subnet::machine_address(self.subnet?, machine.place))
    }
}
