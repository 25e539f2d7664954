//! What there is and what there is to be, before anything is touched.

use std::collections::BTreeSet;

use skep_context::Context;
use skep_machine::{DriverKind, Request};
use skep_model::{Check, ClusterName, MachineState, Verdict};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, Desired, Home, MachineRecord, choose,
    reach::Cluster,
    survey::{Survey, survey_with},
    unmade,
};

/// Looks whether the cluster's driver can do what is wanted; where there is none yet and nobody
/// says which, every driver looks and one is chosen.
pub(super) async fn look(
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
        options: desired.driver_options(record.driver),
    };
    let (kind, checks) = if fresh && desired.driver.is_none() {
        let step = events.step("", "choosing a driver");
        request.options = desired.driver_options(DriverKind::Qemu);
        let choice = choose(home, &request, cancel).await;
        let reason = choice.reason.clone();
        let (kind, checks) = step.end_with(choice.taken())?;
        events.step("", format!("driver {kind}: {reason}")).done();
        (kind, checks)
    } else {
        let driver = home.driver(request.options.clone());
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
pub(super) async fn ask_engines(
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
pub(super) async fn wanted(
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
