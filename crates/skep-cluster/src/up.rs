//! Brings a cluster about: machines made or started, all at once, and joined into one swarm.
//!
//! ```text
//!            guest system, network
//!                     │
//!      ┌──────────────┼──────────────┐
//!   manager1       worker1   …    workerN        each: keys, seed, create, start, SSH, engine
//!      │              │              │
//!   init ──tokens──► join     …    join          none waits for more than it needs
//!      └──────────────┼──────────────┘
//!              every node ready
//! ```
//!
//! Whatever is already so is passed over, so `up` is also what resumes an interrupted `up` and
//! what repairs a cluster: machines that are gone are made again, stopped ones started, nodes that
//! fell out of the swarm joined again. The engines are asked first: a swarm that was made by
//! hand is this cluster's, with the roles its nodes have.

mod founding;
mod join;
mod observed;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use skep_context::Context;
use skep_machine::{MachineError, Work};
use skep_model::{ClusterName, MachineName, MachineState, Reason};
use skep_store::Journal;

use self::{
    join::Membership,
    plan::{ask_engines, look, wanted},
};
pub use crate::swarms::Doubt;
use crate::{
    ClusterError, ClusterRecord, Desired, Home, MachineFailure, MachineRecord,
    adopt::Allowed,
    choice, locks, machines, pending,
    provision::{MachineProvisioner, Maker, Provisioned},
    reach::Cluster,
    restarts, trust,
    unfinished::{self, Begun},
    unmade,
};

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub record: ClusterRecord,
    pub created: Vec<MachineName>,
    /// Machines that were there and did not run.
    pub started: Vec<MachineName>,
    /// An earlier command had begun, and this one finished it.
    pub resumed: bool,
    /// Machines that became nodes of the swarm, those that were just made among them.
    pub joined: Vec<MachineName>,
}

/// Makes the cluster `name` what is desired, or finishes what was begun.
///
/// # Errors
/// [`ClusterError::Request`] and [`ClusterError::Preflight`] before anything is touched;
/// [`ClusterError::Partly`] with each machine that is not ready, while the others are;
/// [`ClusterError::Swarm`] where all are and the swarm has not come to see it in time;
/// [`ClusterError::Cancelled`]. Whatever the error, the same call goes on where this one stopped,
/// and [`crate::down::down`] removes everything.
pub async fn up(
    home: &Home,
    name: &ClusterName,
    desired: &Desired,
    context: Context<'_>,
) -> Result<Report, ClusterError> {
    let Context { events, cancel, .. } = context;
    let files = home.layout().cluster(name);
    let fresh = !files.directory().exists();
    // First what cannot be called back: a machine on its way out must not be asked, or counted as
    // one that is there.
    unfinished::resume(home, name, context).await?;
    // Before the desired state is written: docs/design/0008 says what the other order has cost.
    let found = ask_engines(home, name, cancel).await?;
    let (_, record) = wanted(home, name, desired, &found).await?;
    if unfinished::load(home, name).is_none() {
        // An interrupted `up` may have left an engine in the middle of founding or joining, which looks
        // like a node without its managers until it is done: that is waited for below.
        observed::look_ahead(&record, &found, desired.replace_swarm)?;
    }
    let (kind, checks) = look(home, &record, desired, fresh, context).await?;
    let driver = home.driver(desired.driver_options(kind));
    let desired = &Desired { driver: Some(kind), ..desired.clone() };
    if fresh {
        choice::warn(&checks, events);
    }

    let _lock = home.lock(name)?;
    // Another command may have changed it until now.
    let (before, mut record) = wanted(home, name, desired, &found).await?;
    let names: BTreeSet<_> =
        before.machines.iter().chain(&record.machines).map(|machine| &machine.name).collect();
    let _machines = locks::machines(home, name, names)?;
    if let Some(there) = ClusterRecord::load(home, name)? {
        trust::note_before(home, &there)?;
    }
    let journal = Journal::open(&files.journal())?;
    let work = Work { journal: &journal, context };
    if !before.machines.is_empty() {
        pending::complete(home.driver(before.driver).as_ref(), name, work).await?;
        // What was on its way has come, and is a machine now that binds.
        (_, record) = wanted(home, name, desired, &found).await?;
        unmade::clear(home, &before, &record, desired, work).await?;
    }
    // Before anything is made: `down` looks for what the record names.
    record.save(home)?;
    let resumes = unfinished::load(home, name).is_some();
    unfinished::begin(home, name, Begun::Up, 0)?;
    let prepared = driver.prepare(name, record.subnet.or(desired.subnet), work).await;
    if fresh && matches!(prepared, Err(MachineError::Acceleration { .. })) {
        // As a preflight would have refused it, had there been a guest system to try: nothing was
        // made for the cluster, and none is to stay.
        skep_store::file::remove_dir_at_once(files.directory())?;
    }
    // Written once more, since the network is known only now, and every address follows from it.
    record.subnet = prepared?;
    record.save(home)?;
    let authority = home.authority()?;
    let states = driver.states(name).await?;

    let cluster = Cluster::new(home, record);
    let membership = Membership::new(&cluster, &states, desired.replace_swarm, context);
    let maker = Maker {
        cluster: &cluster,
        driver: driver.as_ref(),
        authority: &authority,
        journal: &journal,
        context,
    };
    let provisioner = MachineProvisioner { maker, allowed: Allowed::default() };
    let machines = &cluster.record().machines;
    let bring = |machine| {
        let (provisioner, membership) = (&provisioner, &membership);
        let state = state_of(&states, machine);
        async move {
            let mut due = None;
            let joined = async {
                let Provisioned { engine, restart_due } = provisioner.bring(machine, state).await?;
                due = restart_due.then(|| machine.name.clone());
                let join = membership.join(machine, engine);
                provisioner.waiter(machine).while_it_runs(join).await??;
                // One that a `machine create` was killed over is whole now.
                Ok(machines::is_whole(home, name, &machine.name)?)
            };
            let joined = joined.await;
            if joined.is_err() {
                membership.gave_up(machine);
            }
            let failed = |error| MachineFailure { machine: machine.name.clone(), error };
            (due, joined.map_err(failed))
        }
    };
    let (due, joined): (Vec<_>, Vec<_>) =
        join_all(machines.iter().map(bring)).await.into_iter().unzip();
    let due: Vec<MachineName> = due.into_iter().flatten().collect();
    let mut failures: Vec<_> = joined.into_iter().filter_map(Result::err).collect();
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if let Some(doubt) = membership.doubt() {
        // Each machine that waited for a swarm fails with the same doubt, which is said once.
        failures.retain(|failure| !matches!(failure.error, ClusterError::NoSwarm { .. }));
        return Err(ClusterError::NoSwarm {
            cluster: name.clone(),
            doubt,
            untouched: false,
            failures,
        });
    }
    let record = remember(&cluster, &membership)?;
    if let Err(error) = restarts::put_back(&cluster, context).await {
        let text = format!("a node is still drained by an interrupted command: {error}");
        events.warn("", Reason::about(text, &error));
    }
    // Only once all are up: the order of restarts follows from what runs where.
    for answer in restarts::engines(&cluster, &due, false, context).await? {
        let machine = answer.machine;
        failures.extend(answer.result.err().map(|error| MachineFailure { machine, error }));
    }
    let ready = membership.until_ready(&failures, context.timeout);
    match membership.entry_machine().and_then(|name| cluster.record().machine(name.as_str())) {
        None => ready.await?,
        // The manager that is asked may be switched off meanwhile.
        Some(asked) => match provisioner.waiter(asked).while_it_runs(ready).await {
            Ok(ready) => ready?,
            Err(error) => {
                let (machine, error) = (asked.name.clone(), error.into());
                failures.push(MachineFailure { machine, error });
            }
        },
    }
    if failures.is_empty() {
        unfinished::end(home, name)?;
        let done = report(&record, &states, membership.newcomers());
        Ok(Report { resumed: resumes, ..done })
    } else {
        Err(ClusterError::Partly { failures, of: machines.len() })
    }
}

/// Writes down which node each machine is. What may be behind a machine that leaves, or is taken
/// off the list, is known by that.
fn remember(cluster: &Cluster, membership: &Membership<'_>) -> Result<ClusterRecord, ClusterError> {
    let mut record = cluster.record().clone();
    let (swarm, members) = membership.members();
    record.swarm = swarm.or(record.swarm);
    for machine in &mut record.machines {
        if let Some(node) = members.get(&machine.name) {
            machine.node = Some(node.clone());
        }
    }
    if record != *cluster.record() {
        record.save(cluster.home())?;
    }
    Ok(record)
}

fn state_of(states: &BTreeMap<MachineName, MachineState>, machine: &MachineRecord) -> MachineState {
    states.get(&machine.name).copied().unwrap_or(MachineState::Absent)
}

fn report(
    record: &ClusterRecord,
    before: &BTreeMap<MachineName, MachineState>,
    joined: Vec<MachineName>,
) -> Report {
    let with = |wanted: fn(Option<&MachineState>) -> bool| {
        let names = record.machines.iter().map(|machine| &machine.name);
        names.filter(|name| wanted(before.get(*name))).cloned().collect()
    };
    Report {
        record: record.clone(),
        created: with(|state| state.is_none()),
        started: with(|state| state.is_some_and(|state| *state != MachineState::Running)),
        resumed: false,
        joined,
    }
}

#[cfg(test)]
mod tests;
