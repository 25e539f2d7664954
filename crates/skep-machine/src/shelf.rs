//! What every driver that keeps something in the store needs: where that is, which machines there
//! are, and what resources are called in the journal.

use std::path::{Path, PathBuf};

use skep_model::{Advice, ClusterName, MachineName, Reason};
use skep_store::{Layout, Resource, StoreError};

use crate::{
    MachineError, MachineId,
    record::{self, Record},
};

/// A driver's files in a store, each under the driver's name.
///
/// ```text
/// *.json, *.lock                             what the whole store shares
/// clusters/CLUSTER/NAME.json                  what a cluster's machines share
/// clusters/CLUSTER/machines/MACHINE/NAME/     what a machine consists of
/// clusters/CLUSTER/machines/MACHINE/NAME.json its record, where that is all there is
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    pub(crate) layout: Layout,
    name: &'static str,
}

impl Shelf {
    pub(crate) fn new(layout: Layout, name: &'static str) -> Self {
        Self { layout, name }
    }

    /// A file that is the whole store's.
    pub(crate) fn of_store(&self, file: &str) -> PathBuf {
        self.layout.root().join(file)
    }

    /// The record of what a cluster's machines share.
    pub(crate) fn cluster_record(&self, cluster: &ClusterName) -> PathBuf {
        let directory = self.layout.cluster(cluster);
        directory.directory().join(format!("{}.json", self.name))
    }

    /// What a cluster's machines share, if it has been prepared.
    pub(crate) fn read_cluster<T: Record>(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<T>, StoreError> {
        record::read(&self.cluster_record(cluster))
    }

    /// The same of a cluster that must have been prepared.
    pub(crate) fn cluster<T: Record>(&self, cluster: &ClusterName) -> Result<T, MachineError> {
        self.read_cluster(cluster)?.ok_or_else(|| MachineError::Host {
            action: format!("find the network of cluster {cluster}"),
            reason: Reason::new(
                format!("{} is gone", self.cluster_record(cluster).display()),
                Advice::WriteAgain,
            ),
        })
    }

    pub(crate) fn write_cluster(
        &self,
        cluster: &ClusterName,
        record: &impl Record,
    ) -> Result<(), StoreError> {
        record::write(&self.cluster_record(cluster), record)
    }

    /// What a machine consists of, with disks in files of a kind: `img`.
    pub(crate) fn files(&self, id: &MachineId, disks: &'static str) -> Files {
        Files { directory: self.of_machine(id).join(self.name), disks }
    }

    /// The machines of a cluster of which there are files, in order.
    pub(crate) fn made(&self, cluster: &ClusterName) -> Result<Vec<MachineId>, StoreError> {
        let mut machines = self.machines(cluster)?;
        machines.retain(|id| self.of_machine(id).join(self.name).exists());
        Ok(machines)
    }

    /// Machines as resources, and the network of their cluster if there is one.
    pub(crate) fn resources(&self, cluster: &ClusterName, machines: &[MachineId]) -> Vec<Resource> {
        let network = self.cluster_record(cluster).exists().then(|| network(cluster));
        machines.iter().map(|id| of_machine(kind::MACHINE, id)).chain(network).collect()
    }

    /// The record of a machine that consists of nothing else.
    pub(crate) fn machine_record(&self, id: &MachineId) -> PathBuf {
        self.of_machine(id).join(format!("{}.json", self.name))
    }

    fn of_machine(&self, id: &MachineId) -> PathBuf {
        let cluster = self.layout.cluster(&id.cluster);
        cluster.machine(&id.machine).directory().to_owned()
    }

    /// Everything that may be a machine of a cluster, in order. The directory may be another
    /// driver's, or that of a machine which is not made yet.
    pub(crate) fn machines(&self, cluster: &ClusterName) -> Result<Vec<MachineId>, StoreError> {
        let names = self.layout.cluster(cluster).machine_names()?.into_iter();
        Ok(names.map(|machine| MachineId { cluster: cluster.clone(), machine }).collect())
    }

    /// What the machines of each of the store's clusters share, where they have this driver.
    pub(crate) fn clusters<T: Record>(&self) -> Result<Vec<(ClusterName, T)>, StoreError> {
        let mut found = Vec::new();
        for cluster in self.layout.cluster_names()? {
            found.extend(self.read_cluster(&cluster)?.map(|record| (cluster, record)));
        }
        Ok(found)
    }
}

/// The files of a machine that its driver makes.
///
/// ```text
/// machine.json   its record
/// data.img       its disk: all it has ever written
/// config.img     0600: its seed, with its keys
/// console.log    what it prints to its serial port
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Files {
    directory: PathBuf,
    disks: &'static str,
}

impl Files {
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file that only its driver has.
    pub(crate) fn other(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.other("machine.json")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.other("data").with_extension(self.disks)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.other("config").with_extension(self.disks)
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.other("console.log")
    }

    pub(crate) fn read<T: Record>(&self) -> Result<Option<T>, StoreError> {
        record::read(&self.record())
    }

    pub(crate) fn write(&self, record: &impl Record) -> Result<(), StoreError> {
        record::write(&self.record(), record)
    }
}

/// The kinds of resources of drivers whose machines are not known to others by a name.
pub(crate) mod kind {
    pub(crate) const MACHINE: &str = "machine";
    pub(crate) const NETWORK: &str = "network";
}

/// What something of a machine is called in the journal: the name is unique in a store.
pub(crate) fn of_machine(kind: &str, id: &MachineId) -> Resource {
    Resource::new(kind, format!("{}/{}", id.cluster, id.machine))
}

/// What a cluster's network is called there.
pub(crate) fn network(cluster: &ClusterName) -> Resource {
    Resource::new(kind::NETWORK, cluster.as_str())
}

/// Which machine of a cluster a resource is of, by the name that [`of_machine`] gives. A name of
/// anything else may lead out of the store.
pub(crate) fn owner(cluster: &ClusterName, resource: &Resource) -> Option<MachineId> {
    let (of, machine) = resource.name.split_once('/')?;
    let machine: MachineName = machine.parse().ok()?;
    (of == cluster.as_str()).then(|| MachineId { cluster: cluster.clone(), machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_leads_back_to_its_machine_and_never_elsewhere() {
        let cluster: ClusterName = "lab".parse().unwrap();
        let id = MachineId { cluster: cluster.clone(), machine: "web1".parse().unwrap() };
        let resource = of_machine(kind::MACHINE, &id);
        assert_eq!(resource, Resource::new("machine", "lab/web1"));
        assert_eq!(owner(&cluster, &resource), Some(id));
        for name in ["web1", "other/web1", "lab/..", "lab/a/b", "lab/"] {
            assert_eq!(owner(&cluster, &Resource::new("machine", name)), None, "{name}");
        }
        assert_eq!(owner(&cluster, &network(&cluster)), None);
    }
}
