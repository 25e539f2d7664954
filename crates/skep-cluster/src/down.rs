//! Takes a cluster away: everything the journal announced, everything that carries its labels,
//! and last its directory in the store.

use futures_util::future::join_all;
use skep_context::Context;
use skep_guest::Guest;
use skep_machine::{Driver, Leftover, MachineId, System, Work};
use skep_model::{ClusterName, MachineName, Reason};
use skep_store::Journal;

use crate::{
    ClusterError, ClusterRecord, Home, adopt,
    choice::DRIVERS,
    environment, locks,
    pending::await_coming,
    reach::Cluster,
    unfinished::{self, Begun},
};

/// What `down` found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// There was nothing of that name.
    Nothing,
    /// So many machines and what belonged to them.
    Machines(usize),
}

/// Removes the cluster `name` with everything it has.
///
/// Works without a readable record: what is there is found by its labels. Goes on after an error
/// and can be asked for again.
///
/// # Errors
/// [`ClusterError::Leftovers`] with what could not be removed and why; what the store keeps of the
/// cluster then stays too.
pub async fn down(
    home: &Home,
    name: &ClusterName,
    context: Context<'_>,
) -> Result<Removed, ClusterError> {
    take_away(home, name, None, context).await
}

/// As [`down`]; with `without`, only if the cluster has no machine besides these, which are gone:
/// another command may have made one in it since the caller has looked.
pub(crate) async fn take_away(
    home: &Home,
    name: &ClusterName,
    without: Option<&[MachineName]>,
    context: Context<'_>,
) -> Result<Removed, ClusterError> {
    let Context { events, cancel, .. } = context;
    let files = home.layout().cluster(name);
    let known = files.directory().exists();
    // One that was killed in its last moment has left nothing but a directory on its way out.
    if !known && let Some(rest) = skep_store::file::being_removed(files.directory()) {
        let machines = unfinished::machines_in(&rest);
        skep_store::file::sweep(&home.layout().clusters());
        return Ok(Removed::Machines(machines));
    }
    // A name with nothing under it must not leave a directory behind for its lock.
    let _lock = known.then(|| home.lock(name)).transpose()?;
    // A damaged record does not stand in the way of removing what it describes: then every driver
    // is asked what it has.
    let record = match ClusterRecord::load(home, name) {
        Err(error) if without.is_some() => return Err(error.into()),
        Ok(Some(record)) if without.is_some_and(|gone| has_others(&record, gone)) => {
            return Ok(Removed::Nothing);
        }
        Ok(None) if without.is_some() => {
            // Another command was first; all there may be is what was made for our own locks.
            skep_store::file::remove_dir_at_once(files.directory())?;
            return Ok(Removed::Nothing);
        }
        loaded => loaded.ok().flatten(),
    };
    let recorded = record.iter().flat_map(|record| &record.machines).map(|machine| &machine.name);
    // One that is being made by itself is not taken away while a command makes it.
    let _machines = locks::machines(home, name, recorded)?;
    let kinds = match &record {
        Some(record) => vec![record.driver],
        None => DRIVERS.to_vec(),
    };
    let mut drivers = Vec::new();
    for driver in kinds.into_iter().map(|kind| home.driver(kind)) {
        match driver.resources(name).await {
            Ok(found) if known || !found.is_empty() => drivers.push(driver),
            Ok(_) => {}
            // Nothing was ever made, so there is no need of an engine to find nothing.
            Err(_) if !known => {}
            Err(error) => return Err(error.into()),
        }
    }
    if drivers.is_empty() {
        return Ok(Removed::Nothing);
    }
    let journal = Journal::open(&files.journal())?;
    let work = Work { journal: &journal, context };
    let mut existed = 0;
    for driver in &drivers {
        // Before anything goes: `status` must not advise to mend what is being taken away.
        let mut there = driver.states(name).await?.len();
        let begun = unfinished::load(home, name).filter(|begun| begun.command == Begun::Down);
        there = there.max(begun.map_or(0, |begun| begun.machines));
        unfinished::begin(home, name, Begun::Down, there)?;
        // What is leaving already is removed with the rest.
        await_coming(driver.as_ref(), name, work).await?;
        let recorded = record.iter().flat_map(|record| &record.machines);
        let mut machines: Vec<MachineName> = recorded.map(|machine| machine.name.clone()).collect();
        let existing = driver.states(name).await?;
        // Those that the caller has removed are only forgotten.
        machines.retain(|name| {
            existing.contains_key(name) || !without.is_some_and(|gone| gone.contains(name))
        });
        existed += there.max(existing.len());
        let stray = existing.into_keys().filter(|name| !machines.contains(name));
        let stray: Vec<_> = stray.collect();
        machines.extend(stray);
        give_hosts_back(home, record.as_ref(), &machines, context).await;
        join_all(machines.iter().map(|machine| remove(home, name, machine, driver.as_ref(), work)))
            .await;
    }

    for docker_context in record.iter().flat_map(|record| &record.contexts) {
        let step = events.step("", format!("removing the docker context {docker_context}"));
        // A context that stays points nowhere and hides nothing; the step says that it stayed.
        let _ = step.end_with(environment::remove_context(docker_context, cancel).await);
    }
    // Last, by labels and by the journal: it finds what failed above, and what no record knows.
    let mut left = Vec::new();
    for driver in &drivers {
        left.extend(remove_rest(driver.as_ref(), name, work).await?);
    }
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if !left.is_empty() {
        return Err(ClusterError::Leftovers { name: name.clone(), left });
    }
    skep_store::file::remove_dir_at_once(files.directory())?;
    Ok(Removed::Machines(existed))
}

/// Whether a cluster has machines besides these.
fn has_others(record: &ClusterRecord, these: &[MachineName]) -> bool {
    record.machines.iter().any(|machine| !these.contains(&machine.name))
}

/// Gives the hosts that were there before back to their owners. One that does not answer is
/// forgotten all the same.
async fn give_hosts_back(
    home: &Home,
    record: Option<&ClusterRecord>,
    machines: &[MachineName],
    context: Context<'_>,
) {
    let Some(record) = record else { return };
    let cluster = &Cluster::new(home, record.clone());
    let hosts = record
        .machines
        .iter()
        .filter(|host| host.system() == System::Found && machines.contains(&host.name));
    join_all(hosts.map(|host| adopt::give_back(cluster, host, context))).await;
}

/// Removes one machine. What fails is found again, and reported, by [`remove_rest`].
async fn remove(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    work: Work<'_>,
) {
    let step = work.context.events.step(machine, "removing");
    let id = MachineId { cluster: cluster.clone(), machine: machine.clone() };
    // A master that cannot be asked to end does so by itself once its machine is gone.
    let _ = Guest::forget(&home.login(&id).access(None), work.context.cancel).await;
    match driver.remove(&id, work).await {
        Ok(()) => step.done(),
        Err(error) => step.failed(Reason::of(&error)),
    }
}

/// Removes what is left: machines the record does not know, what they shared, and what the
/// journal announced. Machines before volumes, volumes before networks.
async fn remove_rest(
    driver: &dyn Driver,
    name: &ClusterName,
    work: Work<'_>,
) -> Result<Vec<Leftover>, ClusterError> {
    let mut rest = driver.resources(name).await?;
    for announced in work.journal.outstanding()? {
        if !rest.contains(&announced) {
            rest.push(announced);
        }
    }
    let mut left = Vec::new();
    for resource in rest {
        if let Err(source) = driver.remove_resource(name, &resource, work).await {
            left.push(Leftover { resource, source });
        }
    }
    Ok(left)
}
