//! What every driver that keeps something in the store needs: where that is, which machines there
//! are, and what resources are called in the journal.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use skep_model::{ClusterName, MachineName};
use skep_store::{Layout, Resource, StoreError};

use crate::MachineId;

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

    /// The directory of what a machine consists of.
    pub(crate) fn machine_directory(&self, id: &MachineId) -> PathBuf {
        self.of_machine(id).join(self.name)
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
    pub(crate) fn clusters<T: DeserializeOwned>(
        &self,
        schema: u64,
    ) -> Result<Vec<(ClusterName, T)>, StoreError> {
        let mut found = Vec::new();
        for cluster in self.layout.cluster_names()? {
            let record = skep_store::read_json(&self.cluster_record(&cluster), schema)?;
            found.extend(record.map(|record| (cluster, record)));
        }
        Ok(found)
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
