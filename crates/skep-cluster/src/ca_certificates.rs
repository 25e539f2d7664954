//! The CA certificates of one machine, brought to the desired ones.

use std::collections::BTreeSet;

use skep_context::Context;
use skep_guest::{
    Guest,
    certificate::{self, Changed},
};
use skep_pki::{Anchor, AnchorName};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineRecord, reach::Cluster, trust::Given};

/// Brings a machine to the certificates desired by now: what is missing is installed, what is not
/// desired any more and skep has given it, or is named in `besides`, is removed. The caller
/// restarts the engine, if that is due.
pub(crate) async fn bring_up_to_date(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    besides: &[AnchorName],
    cancel: &CancellationToken,
) -> Result<Changed, ClusterError> {
    let home = cluster.home();
    // Another command may have changed the record since this one began.
    let record = ClusterRecord::load(home, &cluster.record().name)?;
    let record = record.unwrap_or_else(|| cluster.record().clone());
    let machine = record.machine(machine.name.as_str()).unwrap_or(machine);
    let desired = record.anchors_of(machine);
    let names: BTreeSet<AnchorName> = desired.iter().map(Anchor::name).collect();
    let mut given = Given::load(home, &record, &machine.name).unwrap_or_default();
    let mut unwanted: Vec<AnchorName> = given.may_have.difference(&names).cloned().collect();
    for name in besides {
        if !unwanted.contains(name) && !names.contains(name) {
            unwanted.push(name.clone());
        }
    }
    // From here on it may have them, whatever becomes of this.
    if !names.is_subset(&given.may_have) {
        given.may_have.extend(names.iter().cloned());
        given.save(home, &record, &machine.name)?;
    }
    let changed = certificate::bring_up_to_date(guest, &desired, &unwanted, cancel).await?;
    let now = Given::just(names);
    if now != given {
        now.save(home, &record, &machine.name)?;
    }
    Ok(changed)
}

/// As [`bring_up_to_date`], as a step, where there is anything to do. Returns whether the engine is
/// to be restarted.
pub(crate) async fn install(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    context: Context<'_>,
) -> Result<bool, ClusterError> {
    if !has_any(cluster, machine)? {
        return Ok(false);
    }
    let step = context.events.step(&machine.name, "installing CA certificates");
    let changed = bring_up_to_date(cluster, machine, guest, &[], context.cancel).await;
    Ok(step.end_with(changed)?.restart_due)
}

/// Whether there may be anything to do on a machine: certificates are desired, or were.
fn has_any(cluster: &Cluster, machine: &MachineRecord) -> Result<bool, ClusterError> {
    let home = cluster.home();
    let record = ClusterRecord::load(home, &cluster.record().name)?;
    let record = record.as_ref().unwrap_or(cluster.record());
    let machine = record.machine(machine.name.as_str()).unwrap_or(machine);
    let given = Given::load(home, record, &machine.name).unwrap_or_default();
    Ok(!given.may_have.is_empty() || !record.anchors_of(machine).is_empty())
}

/// Forgets what a machine that is gone had: one that is made in its place gets what is desired.
pub(crate) fn forget(cluster: &Cluster, machine: &MachineRecord) -> Result<(), ClusterError> {
    Ok(skep_store::file::remove(&cluster.files(&machine.name).trust())?)
}

/// Brings a machine that was just started to what is desired by now, and lets its engine read it:
/// whatever changed while it was off. Its tasks, if it has any yet, have only just begun.
///
/// # Errors
/// [`ClusterError::Guest`], [`ClusterError::Store`].
pub(crate) async fn catch_up(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    if !has_any(cluster, machine)? {
        return Ok(());
    }
    let step = events.step(&machine.name, "looking at the CA certificates");
    let done = async {
        let changed = bring_up_to_date(cluster, machine, guest, &[], cancel).await?;
        let nothing = changed.new.is_empty() && changed.gone.is_empty() && !changed.repaired;
        if changed.restart_due && !nothing {
            step.progress("restarting the engine");
            certificate::restart_engine(guest, cancel).await?;
        }
        Ok::<_, ClusterError>(())
    };
    let done = done.await;
    step.end_with(done)
}
