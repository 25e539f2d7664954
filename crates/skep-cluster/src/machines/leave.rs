//! Machines leave their swarm before they are removed, so that no node of theirs stays
//! behind in its list: their tasks move elsewhere first, managers are made workers, each machine
//! leaves, and is taken off the list by a manager that stays.
//!
//! Managers go one after another, those that are down first, each judged on the list that the one
//! before left. From a swarm of which no manager stays no machine leaves.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use skep_context::Context;
use skep_engine::Engine;
use skep_machine::System;
use skep_model::{Advice, MachineName, MachineState, Reason};
use skep_service::{Services, api::Id, drain::DrainOutcome};
use skep_swarm::{Change, Judgement, Node, NodeId, NodeState, NodeUpdate, Swarm, quorum::judge};

use crate::{
    ClusterError, MachineFailure, MachineRecord, former,
    guard::{Cleared, Standing, corrected, has_quorum, standing},
    locks,
    reach::Cluster,
};

/// How long tasks may take to move to other nodes; what has not moved by then is moved by the loss
/// of its node.
const DRAIN: Duration = Duration::from_secs(60);
/// How long the rest of leaving may take: the user wants it gone.
const LEAVE: Duration = Duration::from_secs(60);

/// One machine that leaves, and the nodes it is and was in its swarm's list.
struct Leaving<'a> {
    machine: &'a MachineRecord,
    entries: Vec<NodeId>,
}

/// Makes machines leave their swarms. Those that are returned must not be removed: without
/// them nothing in their swarm could be decided any more.
pub(super) async fn leave_swarms(
    cluster: &Cluster,
    cleared: &Cleared,
    states: &BTreeMap<MachineName, MachineState>,
    force: bool,
    context: Context<'_>,
) -> Result<Vec<MachineFailure>, ClusterError> {
    let record = cluster.record();
    let mut listed: BTreeMap<usize, Vec<Leaving<'_>>> = BTreeMap::new();
    let mut alone = Vec::new();
    let is_everything = cleared.machines.len() == record.machines.len();
    let goes_too = |machine: &MachineRecord| {
        let swarm = cleared.survey.swarm_of(&machine.name);
        is_everything && swarm.is_some_and(|swarm| swarm.has_own_managers(&record.addresses()))
    };
    for machine in cleared.machines.iter().filter_map(|name| record.machine(name.as_str())) {
        match standing(record, &cleared.survey, machine) {
            Standing::Listed(place, entries) => {
                listed.entry(place).or_default().push(Leaving { machine, entries });
            }
            // From a swarm that goes with its machines none leaves.
            Standing::Free if goes_too(machine) => {}
            Standing::Free => alone.push(machine),
            Standing::Unasked => {}
        }
    }
    join_all(alone.into_iter().map(|machine| leave_alone(cleared, machine, context))).await;
    let mut kept = Vec::new();
    for (place, leaving) in listed {
        let swarm = &cleared.survey.swarms[place];
        // The machine may have been switched off since.
        let stays = |name: &&MachineName| {
            !cleared.machines.contains(name)
                && states.get(*name).is_none_or(|state| *state == MachineState::Running)
        };
        let speaker = swarm.managers.iter().filter(stays);
        let mut speaker = speaker.filter_map(|name| cleared.survey.engine(name));
        let can_decide = has_quorum(&corrected(record, &cleared.survey, place));
        let Some(engine) = speaker.next().filter(|_| can_decide) else {
            let others = swarm.nodes.iter().flatten().any(|node| {
                node.is_reachable_manager()
                    && !leaving.iter().any(|one| one.entries.contains(&node.id))
            });
            // Its other managers are no machines of this cluster, or can decide nothing; then no
            // manager can be made a worker either.
            for one in leaving {
                let local = cleared.survey.local(&one.machine.name);
                let is_manager = local.is_none_or(|local| local.is_manager);
                let by_itself = if can_decide { others } else { !is_manager };
                if by_itself && !goes_too(one.machine) {
                    leave_alone(cleared, one.machine, context).await;
                }
            }
            continue;
        };
        let departure = Departure { cluster, cleared, place, engine, force, context };
        kept.extend(departure.leave(leaving).await?);
    }
    Ok(kept)
}

/// Those of one swarm that leave, and a manager of it that stays.
struct Departure<'a> {
    cluster: &'a Cluster,
    cleared: &'a Cleared,
    place: usize,
    engine: &'a Engine,
    force: bool,
    context: Context<'a>,
}

impl Departure<'_> {
    async fn leave(&self, leaving: Vec<Leaving<'_>>) -> Result<Vec<MachineFailure>, ClusterError> {
        let nodes = self.cleared.survey.swarms[self.place].nodes.clone().unwrap_or_default();
        let find = |id: &NodeId| nodes.iter().find(|node| node.id == *id);
        let is_manager = |one: &Leaving<'_>| {
            one.entries.iter().filter_map(find).any(|node| node.manager.is_some())
        };
        let is_heard =
            |one: &Leaving<'_>| one.entries.iter().filter_map(find).any(Node::is_reachable_manager);
        let (mut managers, workers): (Vec<_>, Vec<_>) = leaving.into_iter().partition(is_manager);
        // One that is down counts against the quorum and adds nothing to it: once it is gone, the
        // others may be allowed to go.
        managers.sort_by_key(is_heard);
        let mut kept = Vec::new();
        if !managers.is_empty() {
            // Two commands that remove a manager each are judged one after the other.
            let home = self.cluster.home();
            let _lock = locks::cluster(home, &self.cluster.record().name, self.context).await?;
            for one in &managers {
                if let Err(error) = self.one(one, true).await {
                    kept.push(MachineFailure { machine: one.machine.name.clone(), error });
                }
            }
        }
        let workers = join_all(workers.iter().map(|one| async move {
            let error = self.one(one, false).await.err()?;
            Some(MachineFailure { machine: one.machine.name.clone(), error })
        }));
        kept.extend(workers.await.into_iter().flatten());
        Ok(kept)
    }

    /// Lets one machine leave. Only what costs the swarm its quorum is an error; the rest is a
    /// warning, with the command that does it later.
    async fn one(&self, one: &Leaving<'_>, is_manager: bool) -> Result<(), ClusterError> {
        let Context { events, cancel, .. } = self.context;
        let name = &one.machine.name;
        if is_manager && let Err(error) = self.may_go(one).await {
            let text = match one.machine.system() {
                System::Found => format!("the host stays a manager of its swarm: {error}"),
                _ if self.force => format!("removed without taking leave: {error}"),
                _ => return Err(error),
            };
            events.warn(name, Reason::about(text, &error));
            return Ok(());
        }
        let step = events.step(name, "leaving the swarm");
        let left = tokio::time::timeout(DRAIN + LEAVE, self.depart(one)).await;
        let failed = match left {
            Ok(Ok(())) => {
                step.done();
                return Ok(());
            }
            Ok(Err(error)) if error.is_cancelled() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => ClusterError::Request {
                reason: format!("not done within {} s", (DRAIN + LEAVE).as_secs()).into(),
            },
        };
        if cancel.is_cancelled() {
            return Err(ClusterError::Cancelled);
        }
        step.failed(Reason::of(&failed));
        if is_manager && !self.force && self.is_manager_still(one).await {
            // Gone now, it would be counted for ever as one that never comes back.
            return Err(failed);
        }
        let advice = Advice::RemoveNode { node: name.clone(), force: true };
        events.warn(name, Reason::new("it stays in its swarm's list", advice));
        Ok(())
    }

    /// Judges on the list as it is now whether a manager may go.
    async fn may_go(&self, one: &Leaving<'_>) -> Result<(), ClusterError> {
        let swarm = Swarm::new(self.engine);
        let nodes = swarm.nodes(self.context.cancel).await?;
        let off = corrected(self.cluster.record(), &self.cleared.survey, self.place);
        let off: Vec<&NodeId> = off
            .iter()
            .filter(|node| node.manager.is_some() && !node.is_reachable_manager())
            .map(|node| &node.id)
            .collect();
        let nodes: Vec<Node> = nodes
            .into_iter()
            .map(|mut node| {
                if let Some(manager) = node.manager.as_mut().filter(|_| off.contains(&&node.id)) {
                    manager.reachability = skep_swarm::Reachability::Unreachable;
                }
                node
            })
            .collect();
        match judge(&nodes, Change::Remove, &one.entries) {
            Judgement::Fine | Judgement::Warn { .. } => Ok(()),
            Judgement::Refuse { text, .. } => Err(ClusterError::Guarded {
                reason: text.into(),
                fix: "--force removes it all the same".into(),
            }),
        }
    }

    async fn is_manager_still(&self, one: &Leaving<'_>) -> bool {
        let nodes = Swarm::new(self.engine).nodes(self.context.cancel).await;
        nodes.is_ok_and(|nodes| {
            nodes.iter().any(|node| node.manager.is_some() && one.entries.contains(&node.id))
        })
    }

    /// Drained, demoted, left, and off the list.
    async fn depart(&self, one: &Leaving<'_>) -> Result<(), ClusterError> {
        let cancel = self.context.cancel;
        let swarm = Swarm::new(self.engine);
        let nodes = swarm.nodes(cancel).await?;
        let local = self.cleared.survey.local(&one.machine.name);
        let own = local.and_then(|local| local.node.as_ref());
        if let Some(node) = nodes.iter().find(|node| Some(&node.id) == own)
            && node.state != NodeState::Down
        {
            self.drain(one.machine, &node.id).await?;
            former::demote(&swarm, node, cancel).await?;
            if let Some(engine) = self.cleared.survey.engine(&one.machine.name) {
                // The engine of a manager that was demoted just now may not know it yet.
                Swarm::new(engine).leave(true, cancel).await?;
            }
        }
        for node in nodes.iter().filter(|node| one.entries.contains(&node.id)) {
            former::remove(&swarm, node, cancel).await?;
        }
        Ok(())
    }

    /// Moves a machine's tasks to other nodes. Its node is removed in any case, so what finds no
    /// other place is a warning, and not waited for.
    async fn drain(&self, machine: &MachineRecord, node: &NodeId) -> Result<(), ClusterError> {
        let Context { events, cancel, .. } = self.context;
        let services = Services::new(self.engine);
        let target = [Id::new(node.as_str())];
        let planned = services.before_drain(&target, cancel).await;
        Swarm::new(self.engine).update(node, &NodeUpdate::drain(), cancel).await?;
        // A manager that cannot say what runs there cannot say when it has moved.
        let Ok((plan, before)) = planned else { return Ok(()) };
        for unplaceable in &plan.unplaceable {
            let text = format!(
                "service {}: no other node can take {} of its tasks",
                unplaceable.service, unplaceable.tasks
            );
            events.warn(&machine.name, text);
        }
        if !plan.unplaceable.is_empty() {
            return Ok(());
        }
        match services.until_drained(&before, self.context.within(DRAIN)).await {
            Ok(DrainOutcome::NotDrained(stuck)) => {
                for one in stuck {
                    events.warn(&machine.name, one.to_string());
                }
            }
            Err(error) if error.is_cancelled() => return Err(ClusterError::Cancelled),
            Ok(DrainOutcome::Drained) | Err(_) => {}
        }
        Ok(())
    }
}

/// A machine whose swarm no other machine can be asked about leaves by itself. Its node stays in a
/// list as down, of which a warning is given.
async fn leave_alone(
    cleared: &Cleared,
    machine: &MachineRecord,
    Context { events, cancel, .. }: Context<'_>,
) {
    let local = cleared.survey.local(&machine.name);
    let Some(local) = local.filter(|local| local.node.is_some()) else { return };
    let Some(engine) = cleared.survey.engine(&machine.name) else { return };
    let swarm = Swarm::new(engine);
    let left = async {
        if let (true, Some(node)) = (local.is_manager, &local.node) {
            swarm.update(node, &NodeUpdate::demote(), cancel).await?;
        }
        swarm.leave(local.is_manager, cancel).await
    };
    let text = match tokio::time::timeout(LEAVE, left).await {
        Ok(Ok(_)) => "it has left its swarm, whose list keeps it as down",
        _ => "its swarm's list keeps it as down",
    };
    let advice = Advice::RemoveNode { node: machine.name.clone(), force: false };
    events.warn(&machine.name, Reason::new(text, advice));
}
