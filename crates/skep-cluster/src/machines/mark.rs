//! The mark of a machine that is being made, which stays if that is cut short.

use skep_model::{ClusterName, MachineName};
use skep_store::{StoreError, write_json};

use crate::{Home, locks};

fn mark(home: &Home, cluster: &ClusterName, machine: &MachineName) -> std::path::PathBuf {
    home.layout().cluster(cluster).making(machine)
}

/// Marks a machine that is about to be made, before the record names it. The cluster's lock is held.
pub(super) fn begin(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
) -> Result<(), StoreError> {
    write_json(&mark(home, cluster, machine), &serde_json::json!({ "schema": 1 }))
}

/// Takes the mark off a machine that is whole.
pub(crate) fn end(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
) -> Result<(), StoreError> {
    skep_store::file::remove(&mark(home, cluster, machine))
}

/// Whether a machine is half made, and no command is making it. Its maker has the cluster's lock
/// until it has the machine's.
pub(super) fn is_left(home: &Home, cluster: &ClusterName, machine: &MachineName) -> bool {
    mark(home, cluster, machine).exists()
        && home.lock(cluster).is_ok_and(|_held| locks::machine(home, cluster, machine).is_ok())
}
