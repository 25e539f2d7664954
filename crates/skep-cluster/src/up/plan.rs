//! What there is and what there is to be, before anything is touched.

use std::collections::BTreeSet;

use skep_context::Context;
use skep_machine::{DriverKind, Request};
use skep_model::{Check, ClusterName, MachineState};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, Desired, Home, MachineRecord,
    choice::{choose_as_step, passed},
    reach::Cluster,
    survey::{Survey, survey_with},
    unmade,
};

/// Looks whether the cluster's driver can do what is asked for; where there is none yet and none is
/// named, every driver looks and one is chosen.
pub(super) async fn look(
    home: &Home,
    record: &ClusterRecord,
    desired: &Desired,
    fresh: bool,
    context: Context<'_>,
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
        request.options = desired.driver_options(DriverKind::Qemu);
        choose_as_step(home, &request, context).await?
    } else {
        let driver = home.driver(request.options.clone());
        // A driver that cannot say so now says why in its preflight.
        let states = driver.states(&record.name).await.unwrap_or_default();
        let runs =
            |machine: &&MachineRecord| states.get(&machine.name) == Some(&MachineState::Running);
        request.new_machines -= record.machines.iter().filter(runs).count();
        (record.driver, driver.preflight(&request, context.cancel).await)
    };
    Ok((kind, passed(kind, checks, context.cancel)?))
}

/// Asks the engines of the machines that run what they are in a swarm, and refuses two swarms,
/// whatever else is asked for.
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

/// The cluster's record as it is by what the engines say, or an empty one,
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
    found.update(&mut before);
    let made = match before.machines[..] {
        [] => BTreeSet::new(),
        _ => unmade::made(home, home.driver(before.driver).as_ref(), &before).await?,
    };
    let mut record = before.clone();
    desired.apply_to(&mut record, &made)?;
    Ok((before, record))
}
