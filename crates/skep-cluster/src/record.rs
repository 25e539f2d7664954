//! What the store keeps of a cluster: `clusters/NAME/cluster.json`, schema 1.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use skep_machine::{DriverKind, DriverOptions, System, subnet};
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
// Its own implementations, below, also see to the drivers of its machines.
#[serde(remote = "Self")]
pub struct ClusterRecord {
    pub schema: u64,
    pub name: ClusterName,
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
    /// Its driver, which is the cluster's, with what that is configured with for it.
    #[serde(default = "stored::none", skip_serializing_if = "stored::is_none", with = "stored")]
    pub options: DriverOptions,
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
    /// A machine of a role at a place, with nothing else said of it but its driver.
    pub fn new(
        name: MachineName,
        role: Option<Role>,
        place: usize,
        driver: impl Into<DriverOptions>,
    ) -> Self {
        Self {
            name,
            role,
            node: None,
            place,
            address: None,
            size: Size::default(),
            options: driver.into(),
            engine: EngineOptions::default(),
            certificates: Vec::new(),
            without: Vec::new(),
        }
    }

    /// Its guest system.
    pub fn system(&self) -> System {
        self.options.features().system
    }
}

/// How a machine's options are stored: as an object with the driver's name, and not at all where
/// there is nothing to say that its cluster does not. QEMU's are in a record of that driver.
mod stored {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use skep_machine::{DriverOptions, none::EngineUrl, ssh::Host, virtualbox};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Stored {
        Virtualbox(Box<virtualbox::Options>),
        Ssh(Host),
        None(EngineUrl),
    }

    fn of(options: &DriverOptions) -> Option<Stored> {
        match options.clone() {
            DriverOptions::Container | DriverOptions::Qemu(_) => None,
            DriverOptions::Virtualbox(options) => options.map(Stored::Virtualbox),
            DriverOptions::Ssh(host) => host.map(Stored::Ssh),
            DriverOptions::None(url) => url.map(Stored::None),
        }
    }

    /// Stands for options that are not stored until the cluster's driver is known.
    pub(super) fn none() -> DriverOptions {
        DriverOptions::Container
    }

    pub(super) fn is_none(options: &DriverOptions) -> bool {
        of(options).is_none()
    }

    pub(super) fn serialize<S: Serializer>(
        options: &DriverOptions,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        of(options).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DriverOptions, D::Error> {
        Ok(match Stored::deserialize(from)? {
            Stored::Virtualbox(options) => DriverOptions::Virtualbox(Some(options)),
            Stored::Ssh(host) => DriverOptions::Ssh(Some(host)),
            Stored::None(url) => DriverOptions::None(Some(url)),
        })
    }
}

impl Serialize for ClusterRecord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for ClusterRecord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut record = Self::deserialize(from)?;
        for machine in &mut record.machines {
            if machine.options == stored::none() {
                machine.options = record.driver.into();
            }
            let (of, own) = (machine.options.kind(), record.driver);
            if of != own {
                let name = &machine.name;
                let reason = format!("machine {name} is of driver {of}, and its cluster of {own}");
                return Err(D::Error::custom(reason));
            }
        }
        Ok(record)
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
        skep_store::read_json(&home.layout().cluster(name).record(), SCHEMA)
    }

    /// Writes the record.
    ///
    /// # Errors
    /// As [`skep_store::write_record`].
    pub fn save(&self, home: &Home) -> Result<(), StoreError> {
        skep_store::write_record(&home.layout().cluster(&self.name).record(), self)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as stores have it, and every version of the program reads and writes it.
    fn stored(driver: &str, options: &str) -> String {
        format!(
            r#"{{"schema":1,"name":"lab","driver":"{driver}","subnet":"10.9.0.0/24","machines":[{{"name":"web1","place":0{options}}}],"ca_certificates":[],"size":{{}}}}"#
        )
    }

    #[test]
    fn stored_records_are_read_and_written_as_they_are() {
        let virtualbox = r#","options":{"virtualbox":{"iso":{"boot2docker":"/b2d.iso"},"host_only":"192.168.99.1/24","host_only_nic":"82540EM","host_only_promiscuous":"deny","no_dhcp":false,"nat_nic":"virtio","host_dns_resolver":false,"dns_proxy":true,"share":"homes","ui":"headless","no_vtx_check":false,"import_vm":null}}"#;
        let ssh = r#","options":{"ssh":{"address":"10.9.0.7","ssh_port":22,"engine_port":2376,"user":"root"}}"#;
        let none = r#","options":{"none":"tcp://10.9.0.8:2376"}"#;
        let cases = [
            ("container", "", System::Skep),
            ("qemu", "", System::Skep),
            ("virtualbox", "", System::Skep),
            ("virtualbox", virtualbox, System::Boot2docker),
            ("ssh", ssh, System::Found),
            ("none", none, System::Nothing),
        ];
        for (driver, options, system) in cases {
            let text = stored(driver, options);
            let record: ClusterRecord = serde_json::from_str(&text).unwrap();
            let [machine] = &record.machines[..] else { panic!("{record:?}") };
            assert_eq!(machine.options.kind(), record.driver);
            assert_eq!(machine.options.kind().to_string(), driver);
            assert_eq!(machine.system(), system);
            assert_eq!(serde_json::to_string(&record).unwrap(), text);
        }
    }

    #[test]
    fn a_machine_of_another_driver_than_its_clusters_is_refused() {
        let text = stored("qemu", r#","options":{"none":"tcp://10.9.0.8:2376"}"#);
        let error = serde_json::from_str::<ClusterRecord>(&text).unwrap_err().to_string();
        assert!(error.contains("web1 is of driver none, and its cluster of qemu"), "{error}");
    }
}
