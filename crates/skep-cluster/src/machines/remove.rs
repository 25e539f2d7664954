//! Machines removed one by one.

use futures_util::future::join_all;
use skep_context::Context;
use skep_guest::Guest;
use skep_machine::{Driver, MachineError, MachineId, System, Work};
use skep_model::{ClusterName, MachineName, MachineState, Reason};
use skep_store::Journal;
use tokio_util::sync::CancellationToken;

use super::{leave::leave_swarms, mark};
use crate::{
    ClusterError, ClusterRecord, Home, MachineFailure, MachineRecord, adopt, down, environment,
    guard::Cleared, locks, reach::Cluster,
};

/// Removes machines that the guard has let through, and with its last machine the cluster. They take
/// leave of their swarm first. With `force` a machine is forgotten even if it could not be removed; a
/// warning says what may be left.
///
/// # Errors
/// [`ClusterError::NoMachine`] and [`ClusterError::Store`] (another command works on one of them)
/// before anything is touched; [`ClusterError::NotRemoved`] with each that could not be removed,
/// while the others are; [`ClusterError::Cancelled`].
pub async fn remove(
    cluster: &Cluster,
    cleared: &Cleared,
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    let (home, record) = (cluster.home(), cluster.record());
    let machines = cleared.machines.iter().map(|name| cluster.machine(name.as_str()));
    let machines: Vec<&MachineRecord> = machines.collect::<Result<_, _>>()?;
    let locks = locks::machines(home, &record.name, &cleared.machines)?;
    let driver = home.driver(record.driver);
    let driver = driver.as_ref();
    // A driver that cannot say so now says why when it is to remove something.
    let states = driver.states(&record.name).await.unwrap_or_default();
    let mut failures = Box::pin(leave_swarms(cluster, cleared, &states, force, context)).await?;
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    let kept: Vec<MachineName> = failures.iter().map(|one| one.machine.clone()).collect();
    let may_go = |machine: &&&MachineRecord| !kept.contains(&machine.name);
    let going: Vec<&MachineRecord> = machines.iter().filter(may_go).copied().collect();
    let remove_one = |machine: &'_ MachineRecord| {
        let machine = machine.clone();
        let runs = states.get(&machine.name) == Some(&MachineState::Running);
        async move {
            if runs && machine.system() == System::Found {
                // Before its keys are gone: nothing else leads to it.
                adopt::give_back(cluster, &machine, context).await;
            }
            let removed = take_down(home, &record.name, &machine.name, driver, context).await;
            match removed {
                Err(error) if force && !cancel.is_cancelled() => {
                    let text = format!("forgotten, though it may still be there: {error}");
                    events.warn(&machine.name, Reason::about(text, &error));
                    Ok(machine.name)
                }
                Err(error) => Err(MachineFailure { machine: machine.name, error }),
                Ok(()) => Ok(machine.name),
            }
        }
    };
    let ended = join_all(going.into_iter().map(remove_one)).await;
    let mut gone: Vec<MachineName> = Vec::new();
    for ended in ended {
        match ended {
            Ok(name) => gone.push(name),
            Err(failure) => failures.push(failure),
        }
    }
    let stays = |name: &&MachineName| !gone.contains(name) && !kept.contains(name);
    remember(cluster, cleared, cleared.machines.iter().filter(stays), context).await?;
    drop(locks);
    // Interrupted, what is gone is still listed: the same command is to find all that it names.
    if !cancel.is_cancelled() || failures.is_empty() {
        forget(home, &record.name, &gone, context).await?;
    }
    clear(home, &record.name, context).await?;
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(ClusterError::NotRemoved { failures, of: machines.len() })
}

/// Writes down what the engines said of those that stay, and that machines which took leave and are
/// there all the same are no nodes any more.
async fn remember<'a>(
    cluster: &Cluster,
    cleared: &Cleared,
    left: impl Iterator<Item = &'a MachineName>,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let (home, name) = (cluster.home(), &cluster.record().name);
    // Also of a cancelled command: those that took leave are no nodes any more.
    let patient = CancellationToken::new();
    let _lock = locks::cluster(home, name, context.ended_by(&patient)).await?;
    let left: Vec<_> = left.collect();
    Ok(cleared.survey.save_in(home, name, |record| {
        for machine in record.machines.iter_mut().filter(|machine| left.contains(&&machine.name)) {
            machine.node = None;
        }
    })?)
}

/// Removes one machine and forgets it, whatever was made of it, and the cluster if it was the last.
/// No other command holds its lock.
pub(super) async fn take_out(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    take_down(home, cluster, machine, driver, context).await?;
    forget(home, cluster, std::slice::from_ref(machine), context).await?;
    clear(home, cluster, context).await
}

/// Removes a machine itself. One that is gone already is removed.
async fn take_down(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let journal = Journal::open(&home.layout().cluster(cluster).journal())?;
    let work = Work { journal: &journal, context };
    let id = MachineId { cluster: cluster.clone(), machine: machine.clone() };
    // A master that cannot be asked to end does so by itself once its machine is gone.
    let _ = Guest::forget(&home.login(&id).access(None), context.cancel).await;
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
    context: Context<'_>,
) -> Result<(), ClusterError> {
    if machines.is_empty() {
        return Ok(());
    }
    match down::take_away(home, cluster, Some(machines), context).await {
        Ok(down::Removed::Machines(_)) => return Ok(()),
        // It has others, or another command is at it.
        Ok(down::Removed::Nothing)
        | Err(ClusterError::Store(skep_store::StoreError::Locked { .. })) => {}
        Err(error) => return Err(error),
    }
    // Also of a cancelled command: what is gone is not to be listed any more.
    let patient = CancellationToken::new();
    let lock = locks::cluster(home, cluster, context.ended_by(&patient)).await?;
    let Some(mut record) = ClusterRecord::load(home, cluster)? else { return Ok(()) };
    let contexts = machines.iter().map(|machine| environment::context_name(cluster, machine));
    let contexts: Vec<_> = contexts.filter(|context| record.contexts.contains(context)).collect();
    for context in &contexts {
        // A context that stays points nowhere and hides nothing.
        let _ = environment::remove_context(context, &patient).await;
    }
    record.contexts.retain(|context| !contexts.contains(context));
    record.machines.retain(|machine| !machines.contains(&machine.name));
    let files = home.layout().cluster(cluster);
    // The keys before the record: a machine of this name made later must not begin with them.
    for machine in machines {
        skep_store::file::remove_dir(files.machine(machine).directory())?;
    }
    record.save(home)?;
    for machine in machines {
        mark::end(home, cluster, machine)?;
        locks::remove_machine_lock(home, cluster, machine)?;
    }
    drop(lock);
    Ok(())
}

/// Takes a cluster away that has no machines any more.
pub(crate) async fn clear(
    home: &Home,
    cluster: &ClusterName,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let directory = home.layout().cluster(cluster);
    let has_machines = |record: ClusterRecord| !record.machines.is_empty();
    if !directory.directory().exists()
        || ClusterRecord::load(home, cluster)?.is_some_and(has_machines)
    {
        return Ok(());
    }
    match down::take_away(home, cluster, Some(&[]), context).await {
        // Another command is at it already, or makes a machine in it.
        Err(ClusterError::Store(skep_store::StoreError::Locked { .. })) => Ok(()),
        ended => ended.map(drop),
    }
}
