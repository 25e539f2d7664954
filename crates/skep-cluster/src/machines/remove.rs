//! Machines removed one by one.

use std::time::Duration;

use futures_util::future::join_all;
use skep_guest::Guest;
use skep_machine::{Driver, MachineError, MachineId, System, Work};
use skep_model::{ClusterName, MachineName, MachineState};
use skep_store::Journal;
use skep_swarm::{LocalNodeState, Swarm};

use super::half_made;
use crate::{
    ClusterError, ClusterRecord, Home, MachineFailure, MachineRecord, adopt, down, environment,
    reach::{self, Cluster},
    turn,
    up::Options,
};

/// How long a machine's swarm is waited for: whoever removes a machine wants it gone, and what it
/// leaves behind can be cleared up later.
const GOODBYE: Duration = Duration::from_secs(10);

/// Removes machines of a cluster and, with its last machine, the cluster. With `force` a machine is
/// forgotten even if it could not be removed; a warning says what may be left.
///
/// # Errors
/// [`ClusterError::NoMachine`] and [`ClusterError::Store`] (another command works on one of them)
/// before anything is touched; [`ClusterError::NotRemoved`] with each that could not be removed,
/// while the others are; [`ClusterError::Cancelled`].
pub async fn remove(
    cluster: &Cluster,
    names: &[MachineName],
    force: bool,
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let Options { events, cancel, .. } = options;
    let (home, record) = (cluster.home(), cluster.record());
    let mut machines: Vec<&MachineRecord> = Vec::new();
    for name in names {
        let machine = cluster.machine(name.as_str())?;
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    let locks = turn::machines(home, &record.name, machines.iter().map(|machine| &machine.name))?;
    let driver = home.driver(record.driver);
    let driver = driver.as_ref();
    // A driver that cannot say so now says why when it is to remove something.
    let states = driver.states(&record.name).await.unwrap_or_default();
    // Of a swarm that goes with its machines nobody takes leave.
    let is_all = machines.len() == record.machines.len();
    let remove_one = |machine: &'_ MachineRecord| {
        let machine = machine.clone();
        let runs = states.get(&machine.name) == Some(&MachineState::Running);
        async move {
            if runs && !force && !is_all {
                say_goodbye(cluster, &machine, options).await;
            }
            if runs && machine.options.system() == System::Found {
                adopt::give_back(cluster, &machine, events, cancel).await;
            }
            let removed = take_down(home, &record.name, &machine.name, driver, options).await;
            match removed {
                Err(error) if force && !cancel.is_cancelled() => {
                    let text = format!("forgotten, though it may still be there: {error}");
                    events.warn(&machine.name, text);
                    Ok(machine.name)
                }
                Err(error) => Err(MachineFailure { machine: machine.name, error }),
                Ok(()) => Ok(machine.name),
            }
        }
    };
    let ended = join_all(machines.iter().map(|machine| remove_one(machine))).await;
    let (gone, failures): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    let gone: Vec<MachineName> = gone.into_iter().filter_map(Result::ok).collect();
    let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
    drop(locks);
    // Interrupted, what is gone is still listed: the same command is to find all that it names.
    if !cancel.is_cancelled() || failures.is_empty() {
        forget(home, &record.name, &gone, options).await?;
    }
    clear(home, &record.name, options).await?;
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(ClusterError::NotRemoved { failures, of: machines.len() })
}

/// Removes one machine and forgets it, whatever was made of it, and the cluster if it was the last.
/// Nobody holds its lock.
pub(super) async fn take_out(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    options: Options<'_>,
) -> Result<(), ClusterError> {
    take_down(home, cluster, machine, driver, options).await?;
    forget(home, cluster, std::slice::from_ref(machine), options).await?;
    clear(home, cluster, options).await
}

/// A worker leaves its swarm before it goes, so that no node stays behind; of a manager the swarm
/// is told by somebody who knows what that means.
async fn say_goodbye(cluster: &Cluster, machine: &MachineRecord, options: Options<'_>) {
    let Options { events, cancel, .. } = options;
    if machine.options.system() == System::Nothing {
        return;
    }
    let asked = async {
        let swarm = Swarm::new(&cluster.engine(machine, cancel).await?);
        let local = swarm.local(cancel).await?;
        if local.state == LocalNodeState::Inactive {
            return Ok(None);
        }
        if !local.is_manager {
            swarm.leave(false, cancel).await?;
        }
        Ok::<_, ClusterError>(Some(local.is_manager))
    };
    let text = match tokio::time::timeout(GOODBYE, asked).await {
        Ok(Ok(Some(true))) => "it is a manager of a swarm, whose list keeps it as down",
        Ok(Ok(Some(false))) => "it has left its swarm, whose list keeps it as down",
        // One that is in no swarm, or that nobody can ask: then nobody knows of a swarm either.
        _ => return,
    };
    events.warn(&machine.name, format!("{text}: `skep node rm {}` takes it out", machine.name));
}

/// Removes a machine itself. One that is gone already is removed.
async fn take_down(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    Options { events, cancel, .. }: Options<'_>,
) -> Result<(), ClusterError> {
    let files = home.layout().cluster(cluster.as_str());
    let journal = Journal::open(&files.journal())?;
    let work = Work { journal: &journal, events, cancel };
    // A master that cannot be asked to end does so by itself once its machine is gone.
    let _ = Guest::forget(&reach::access(home, cluster, machine, None), cancel).await;
    let id = MachineId { cluster: cluster.clone(), machine: machine.clone() };
    match driver.remove(&id, work).await {
        Ok(()) | Err(MachineError::NoSuchMachine { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes machines that are gone out of their cluster's record, with their keys and their docker
/// contexts. With its last machine the cluster goes as a whole: until then the record names the
/// machine, so that the same command finds what an interrupted one has left of the cluster.
pub(crate) async fn forget(
    home: &Home,
    cluster: &ClusterName,
    machines: &[MachineName],
    options: Options<'_>,
) -> Result<(), ClusterError> {
    if machines.is_empty() {
        return Ok(());
    }
    let Options { events, cancel, .. } = options;
    match down::take_away(home, cluster, Some(machines), events, cancel).await {
        Ok(down::Removed::Machines(_)) => return Ok(()),
        // It has others, or somebody else is at it.
        Ok(down::Removed::Nothing)
        | Err(ClusterError::Store(skep_store::StoreError::Locked { .. })) => {}
        Err(error) => return Err(error),
    }
    // Also of a cancelled command: what is gone is not to be listed any more.
    let patient = tokio_util::sync::CancellationToken::new();
    let lock = turn::cluster(home, cluster, Options { cancel: &patient, ..options }).await?;
    let Some(mut record) = ClusterRecord::load(home, cluster)? else { return Ok(()) };
    let contexts = machines.iter().map(|machine| environment::context_name(cluster, machine));
    let contexts: Vec<_> = contexts.filter(|context| record.contexts.contains(context)).collect();
    for context in &contexts {
        // A context that stays points nowhere and hides nothing.
        let _ = environment::remove_context(context, &patient).await;
    }
    record.contexts.retain(|context| !contexts.contains(context));
    record.machines.retain(|machine| !machines.contains(&machine.name));
    let files = home.layout().cluster(cluster.as_str());
    // The keys before the record: a machine of this name made later must not begin with them.
    for machine in machines {
        skep_store::file::remove_dir(files.machine(machine.as_str()).directory())?;
    }
    record.save(home)?;
    for machine in machines {
        half_made::end(home, cluster, machine)?;
        turn::remove_machine_lock(home, cluster, machine)?;
    }
    drop(lock);
    Ok(())
}

/// Takes a cluster away that has no machines any more.
pub(crate) async fn clear(
    home: &Home,
    cluster: &ClusterName,
    Options { events, cancel, .. }: Options<'_>,
) -> Result<(), ClusterError> {
    let directory = home.layout().cluster(cluster.as_str());
    let has_machines = |record: ClusterRecord| !record.machines.is_empty();
    if !directory.directory().exists()
        || ClusterRecord::load(home, cluster)?.is_some_and(has_machines)
    {
        return Ok(());
    }
    match down::take_away(home, cluster, Some(&[]), events, cancel).await {
        // Somebody else is at it already, or makes a machine in it.
        Err(ClusterError::Store(skep_store::StoreError::Locked { .. })) => Ok(()),
        ended => ended.map(drop),
    }
}
