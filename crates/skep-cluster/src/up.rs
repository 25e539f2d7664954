//! Brings a cluster about: machines made or started, all at once, and joined into one swarm.
//!
//! ```text
//!            guest system, network
//!                     │
//!      ┌──────────────┼──────────────┐
//!   manager1       worker1   …    workerN        each: keys, seed, create, start, SSH, engine
//!      │              │              │
//!   init ──tokens──► join     …    join          nobody waits for more than it needs
//!      └──────────────┼──────────────┘
//!              every node ready
//! ```
//!
//! Whatever is already so is passed over, so `up` is also what resumes an interrupted `up` and
//! what repairs a cluster: machines that are gone are made again, stopped ones started, nodes that
//! fell out of the swarm joined again. The engines are asked first: a swarm that somebody made by
//! hand is this cluster's, with the roles its nodes have.

mod founding;
pub(crate) mod machine;
mod membership;
mod observed;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use futures_util::future::join_all;
use skep_context::Context;
use skep_machine::{DriverKind, DriverOptions, MachineError, Request, Work};
use skep_model::{Check, ClusterName, MachineName, MachineState, Verdict};
use skep_store::Journal;
use tokio_util::sync::CancellationToken;

pub use self::founding::Doubt;
use self::{machine::Bringer, membership::Membership};
use crate::{
    ClusterError, ClusterRecord, Desired, Home, MachineFailure, MachineRecord,
    adopt::Allowed,
    choose, machines,
    reach::Cluster,
    restarts,
    settle::settle,
    survey::{Survey, survey_with},
    trust, turn,
    unfinished::{self, Begun},
    unmade,
};

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The cluster as it now is.
    pub record: ClusterRecord,
    /// Machines that were not there before.
    pub created: Vec<MachineName>,
    /// Machines that were there and did not run.
    pub started: Vec<MachineName>,
    /// Whether it finished what an earlier command had begun.
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
    let files = home.layout().cluster(name.as_str());
    let fresh = !files.directory().exists();
    unfinished::resume(home, name, context).await?;
    let found = ask_engines(home, name, cancel).await?;
    let (_, record) = wanted(home, name, desired, &found).await?;
    if unfinished::load(home, name).is_none() {
        // An interrupted `up` may have left an engine in the middle of founding or joining, which looks
        // like a node without its managers until it is done: that is waited for below.
        observed::look_ahead(&record, &found, desired.replace_swarm)?;
    }
    let (kind, checks) = look(home, &record, desired, fresh, context).await?;
    let driver = home.driver(kind);
    let desired = &Desired { driver: Some(kind), ..desired.clone() };
    for check in checks.iter().filter(|check| fresh && check.verdict == Verdict::Warn) {
        events.warn("", format!("{}: {}; {}", check.what, check.found, check.fix));
    }

    let _lock = home.lock(name)?;
    // Another command may have changed it until now.
    let (before, mut record) = wanted(home, name, desired, &found).await?;
    let names: BTreeSet<_> =
        before.machines.iter().chain(&record.machines).map(|machine| &machine.name).collect();
    let _machines = turn::machines(home, name, names)?;
    if let Some(there) = ClusterRecord::load(home, name)? {
        trust::note_before(home, &there)?;
    }
    let journal = Journal::open(&files.journal())?;
    let work = Work { journal: &journal, events, cancel };
    if !before.machines.is_empty() {
        settle(home.driver(before.driver).as_ref(), name, work).await?;
        // What was on its way has come, and is a machine now that binds.
        (_, record) = wanted(home, name, desired, &found).await?;
        unmade::clear(home, &before, &record, desired, work).await?;
    }
    record.save(home)?;
    let resumes = unfinished::load(home, name).is_some();
    unfinished::begin(home, name, Begun::Up, 0)?;
    let prepared = driver.prepare(name, record.subnet.or(desired.subnet), work).await;
    if fresh && matches!(prepared, Err(MachineError::Acceleration { .. })) {
        // As a preflight would have refused it, had there been a guest system to try: nothing was
        // made for the cluster, and none is to stay.
        skep_store::file::remove_dir_at_once(files.directory())?;
    }
    record.subnet = prepared?;
    record.save(home)?;
    let authority = home.authority()?;
    let states = driver.states(name).await?;

    let cluster = Cluster::new(home, record);
    let membership = Membership::new(&cluster, &states, desired.replace_swarm, context);
    let due = Mutex::default();
    let bringer = Bringer {
        cluster: &cluster,
        driver: driver.as_ref(),
        authority: &authority,
        due: &due,
        states: &states,
        allowed: Allowed::default(),
        switched_on: &|| {},
        timeout: context.timeout,
        work,
    };
    let machines = &cluster.record().machines;
    let bring = |place: usize| {
        let (bringer, membership) = (&bringer, &membership);
        async move {
            let machine = &machines[place];
            let brought = bringer.bring(machine).await;
            let joined = match brought {
                Ok(engine) => {
                    let joined = membership.join(machine, engine);
                    bringer.while_it_runs(machine, joined).await.and_then(|joined| joined)
                }
                Err(error) => Err(error),
            };
            // One that a `machine create` was killed over is whole now.
            let joined = joined.and_then(|()| Ok(machines::is_whole(home, name, &machine.name)?));
            if joined.is_err() {
                membership.gave_up(machine);
            }
            joined.map_err(|error| MachineFailure { machine: machine.name.clone(), error })
        }
    };
    let ended = join_all((0..machines.len()).map(bring)).await;
    let mut failures: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if let Some(doubt) = membership.doubt() {
        failures.retain(|failure| !matches!(failure.error, ClusterError::NoSwarm { .. }));
        return Err(ClusterError::NoSwarm {
            cluster: name.clone(),
            doubt,
            untouched: false,
            failures,
        });
    }
    let record = remember(&cluster, &membership)?;
    let due: Vec<MachineName> =
        std::mem::take(&mut due.lock().unwrap_or_else(PoisonError::into_inner));
    if let Err(error) = restarts::put_back(&cluster, context).await {
        events.warn("", format!("a node is still drained by an interrupted command: {error}"));
    }
    for answer in restarts::engines(&cluster, &due, false, context).await? {
        let machine = answer.machine;
        failures.extend(answer.result.err().map(|error| MachineFailure { machine, error }));
    }
    let settled = membership.settle(&failures, context.timeout);
    match membership.entry_machine().and_then(|name| cluster.record().machine(name.as_str())) {
        None => settled.await?,
        // Whoever is asked may be switched off meanwhile.
        Some(asked) => match bringer.while_it_runs(asked, settled).await {
            Ok(settled) => settled?,
            Err(error) => failures.push(MachineFailure { machine: asked.name.clone(), error }),
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

/// Looks whether the cluster's driver can do what is wanted; where there is none yet and nobody
/// says which, every driver looks and one is chosen.
async fn look(
    home: &Home,
    record: &ClusterRecord,
    desired: &Desired,
    fresh: bool,
    Context { events, cancel, .. }: Context<'_>,
) -> Result<(DriverKind, Vec<Check>), ClusterError> {
    let mut request = Request {
        cluster: record.name.clone(),
        new_machines: record.machines.len(),
        subnet: desired.subnet,
        new_network: record.subnet.is_none(),
        size: record.size,
        publish: record.publish.clone(),
        options: DriverOptions::Default,
    };
    let (kind, checks) = if fresh && desired.driver.is_none() {
        let step = events.step("", "choosing a driver");
        let choice = choose(home, &request, cancel).await;
        let reason = choice.reason.clone();
        let (kind, checks) = step.end_with(choice.taken())?;
        events.step("", format!("driver {kind}: {reason}")).done();
        (kind, checks)
    } else {
        let driver = home.driver(record.driver);
        // A driver that cannot say so now says why in its preflight.
        let states = driver.states(&record.name).await.unwrap_or_default();
        let runs =
            |machine: &&MachineRecord| states.get(&machine.name) == Some(&MachineState::Running);
        request.new_machines -= record.machines.iter().filter(runs).count();
        (record.driver, driver.preflight(&request, cancel).await)
    };
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        return Err(ClusterError::Preflight { driver: kind.to_string(), checks });
    }
    Ok((kind, checks))
}

/// Asks the engines of the machines that run what they are in a swarm, and refuses two swarms,
/// whatever else is wished.
async fn ask_engines(
    home: &Home,
    name: &ClusterName,
    cancel: &CancellationToken,
) -> Result<Survey, ClusterError> {
    let Some(record) = ClusterRecord::load(home, name)? else { return Ok(Survey::default()) };
    let cluster = Cluster::new(home, record);
    // A driver that cannot say so now says why in its preflight.
    let states = home.driver(cluster.record().driver).states(name).await.unwrap_or_default();
    let found = survey_with(&cluster, &states, cancel).await?;
    found.only_one_swarm(cluster.record())?;
    Ok(found)
}

/// The cluster's record as it is by what the engines say, or as one that nobody has wished for yet,
/// and as it is to be.
async fn wanted(
    home: &Home,
    name: &ClusterName,
    desired: &Desired,
    found: &Survey,
) -> Result<(ClusterRecord, ClusterRecord), ClusterError> {
    let mut before = match ClusterRecord::load(home, name)? {
        Some(record) => record,
        None => ClusterRecord::new(name.clone(), desired.driver.unwrap_or(DriverKind::Container)),
    };
    found.tell(&mut before);
    let made = match before.machines[..] {
        [] => BTreeSet::new(),
        _ => unmade::made(home, home.driver(before.driver).as_ref(), &before).await?,
    };
    let mut record = before.clone();
    desired.apply_to(&mut record, &made)?;
    Ok((before, record))
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
