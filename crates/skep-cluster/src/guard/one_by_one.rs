//! Work that takes machines' engines away for a moment: managers one after another.

use std::time::Duration;

use futures_util::future::join_all;
use skep_context::{Context, after, poll_until, when};
use skep_model::MachineName;
use skep_swarm::{Expected, LocalNodeState, NodeId, Swarm, SwarmError};
use tokio::time::Instant;

use super::{
    standing::{Standing, corrected, standing},
    verdict::Loss,
};
use crate::{ClusterError, MachineFailure, MachineRecord, reach::Cluster, survey::Survey};

/// How long a manager may take to be heard by the others again. Emulated engines take half a
/// minute to elect a leader.
const BACK: Duration = Duration::from_secs(60);
/// How often its engine is asked whether it has found its swarm.
const INTERVAL: Duration = Duration::from_millis(50);

/// Does `work` to machines. Managers that take part in a swarm come one after another, each once
/// the one before takes part again, so that a swarm that can spare one keeps its quorum; all others
/// at once, meanwhile. If one does not come back, those behind it are left as they are. Where
/// nothing is to come back, all are done at once.
pub(crate) async fn one_by_one(
    cluster: &Cluster,
    survey: &Survey,
    loss: Option<Loss>,
    machines: &[&MachineRecord],
    context: Context<'_>,
    work: impl AsyncFn(&MachineRecord) -> Result<(), ClusterError>,
) -> Vec<MachineFailure> {
    let failed =
        |machine: &MachineRecord, error| MachineFailure { machine: machine.name.clone(), error };
    let (managers, others): (Vec<_>, Vec<_>) = machines
        .iter()
        .map(|machine| {
            let comes_back = loss == Some(Loss::Restart);
            let node = comes_back.then(|| taking_part(cluster, survey, machine));
            (*machine, node.flatten())
        })
        .partition(|(_, node)| node.is_some());
    let managers = async {
        let mut failures = Vec::new();
        let mut gone: Option<&MachineName> = None;
        let mut left = managers.into_iter().peekable();
        while let Some((machine, node)) = left.next() {
            if let Some(gone) = gone {
                let reason = format!("left as it is, for manager {gone} is not back");
                failures.push(failed(machine, ClusterError::Request { reason: reason.into() }));
                continue;
            }
            if let Err(error) = work(machine).await {
                gone = Some(&machine.name);
                failures.push(failed(machine, error));
                continue;
            }
            let locks = survey.local(&machine.name).is_some_and(|local| local.auto_lock);
            if let (Some(node), true, false) = (node, left.peek().is_some(), locks)
                && let Err(error) = see_back(cluster, machine, &node, context).await
            {
                gone = Some(&machine.name);
                failures.push(failed(machine, error));
            }
        }
        failures
    };
    let others =
        join_all(others.into_iter().map(|(machine, _)| async {
            work(machine).await.map_err(|error| failed(machine, error))
        }));
    let (mut failures, others) = tokio::join!(managers, others);
    failures.extend(others.into_iter().filter_map(Result::err));
    let place = |name: &MachineName| machines.iter().position(|machine| machine.name == *name);
    failures.sort_by_key(|failure| place(&failure.machine));
    failures
}

/// The node of a machine that takes part among the managers now.
fn taking_part(cluster: &Cluster, survey: &Survey, machine: &MachineRecord) -> Option<NodeId> {
    let Standing::Listed(place, ids) = standing(cluster.record(), survey, machine) else {
        return None;
    };
    let nodes = corrected(cluster.record(), survey, place);
    let own = nodes.into_iter().find(|node| ids.first() == Some(&node.id))?;
    own.is_reachable_manager().then_some(own.id)
}

/// Waits until a manager takes part again: it is asked itself, for the others notice only after
/// some seconds that it was away, and until then say that they hear it.
async fn see_back(
    cluster: &Cluster,
    machine: &MachineRecord,
    node: &NodeId,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    let end = after(BACK);
    let swarm = Swarm::new(&cluster.engine(machine, cancel).await?);
    let step = events.step(&machine.name, "waiting until it takes part in the swarm again");
    let back = async {
        // A manager that is late is judged by the list of nodes.
        let _ = poll_until(cancel, INTERVAL, end, async || {
            let local = swarm.local(cancel).await?;
            Ok::<_, SwarmError>(when(local.is_manager || local.state == LocalNodeState::Locked))
        })
        .await?;
        let left = end.saturating_duration_since(Instant::now()).max(INTERVAL);
        let expected = [Expected::id(node).as_manager()];
        swarm.wait_until_ready(&expected, left, cancel).await
    };
    step.end_with(back.await)?;
    Ok(())
}
