//! Machines that a `create` was killed over.
//!
//! A `create` that is interrupted in order takes away what it has made. One that is killed cannot:
//! the machine's mark stays, and its lock is free. The next `create` of the name takes such a machine
//! away and makes it anew, with what it was told itself.

use skep_context::Context;
use skep_model::{ClusterName, MachineName};
use skep_store::{StoreError, write_json};

use super::remove;
use crate::{ClusterError, Home, find::everything, turn};

fn mark(home: &Home, cluster: &ClusterName, machine: &MachineName) -> std::path::PathBuf {
    home.layout().cluster(cluster.as_str()).making(machine.as_str())
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

/// Whether a machine is half made, and nobody is making it. Its maker has the cluster's lock until it
/// has the machine's.
pub(super) fn is_left(home: &Home, cluster: &ClusterName, machine: &MachineName) -> bool {
    mark(home, cluster, machine).exists()
        && home.lock(cluster).is_ok_and(|_held| turn::machine(home, cluster, machine).is_ok())
}

/// Takes away every half-made machine of a name that nobody is making.
pub(super) async fn take_away(
    home: &Home,
    machine: &MachineName,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    for cluster in everything(home)?.clusters {
        let name = &cluster.record().name;
        if cluster.record().machine(machine.as_str()).is_none() || !is_left(home, name, machine) {
            continue;
        }
        // Whoever is faster has it.
        let Ok(lock) = turn::machine(home, name, machine) else { continue };
        let step = context.events.step(machine, "removing what an interrupted create has left");
        let driver = home.driver(cluster.record().driver);
        let removed = remove::take_out(home, name, machine, driver.as_ref(), context).await;
        drop(lock);
        step.end_with(removed)?;
    }
    Ok(())
}
