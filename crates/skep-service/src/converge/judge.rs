//! Where a service stands, by its tasks: a pure function.
//!
//! ```text
//!            update status of the engine
//!   none ──────────────► Stable, once everything runs: watched for a while longer
//!   updating ──────────► Going
//!   completed ─────────► Done, once everything runs: the engine has watched it
//!   paused ────────────► Paused
//!   rollback_started ──► Going
//!   rollback_paused ───► Paused
//!   rollback_completed ► RolledBack, once everything runs
//! ```
//!
//! Which tasks count is as in the docker CLI (`cli/command/service/progress`), with two
//! differences: a global service is not waited for on nodes that are down, and an update that goes
//! on has not converged, however long its tasks have run.

use std::collections::{BTreeMap, HashMap};

use crate::{
    api::{Id, Mode, Node, NodeState, Service, Task, TaskState, UpdateState},
    placement,
};

/// What a task has to itself: a replica's number, or a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    Replica(u64),
    Node(Id),
}

impl Slot {
    /// The slot of a task.
    pub fn of(service: &Service, task: &Task) -> Self {
        match service.spec.mode {
            Mode::Global {} | Mode::GlobalJob {} => Slot::Node(task.node_id.clone()),
            Mode::Replicated { .. } | Mode::ReplicatedJob { .. } => Slot::Replica(task.slot),
        }
    }
}

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Something is still to happen.
    Going,
    /// Everything runs; the engine watches no longer, so the caller has to.
    Stable,
    /// Everything runs, and the engine has watched it, or the job is done.
    Done,
    /// An update, or a rollback, was paused after a failure.
    Paused,
    /// What was there before runs again.
    RolledBack,
}

/// Where a service stands, slot by slot.
#[derive(Debug, Clone)]
pub struct Picture<'a> {
    /// The task that counts in each slot that has one.
    pub slots: BTreeMap<Slot, &'a Task>,
    /// How many of them are as they should be: they run, or of a job, have ended well.
    pub good: u64,
    pub wanted: u64,
    pub verdict: Verdict,
}

impl Picture<'_> {
    /// Slots whose task is over and gets no successor: the restart policy allows none.
    pub fn exhausted(&self, service: &Service) -> impl Iterator<Item = &Task> {
        let job = service.spec.mode.is_job();
        let over = move |task: &&Task| {
            task.status.state.is_over()
                && task.desired_state > TaskState::Running
                && !(job && task.status.state == TaskState::Complete)
        };
        self.slots.values().copied().filter(over)
    }

    /// Tasks for which there is no node, as long as nothing else moves that could make room.
    pub fn without_a_node(&self) -> Vec<&Task> {
        let tasks = || self.slots.values().copied();
        let moves = |task: &Task| {
            let state = &task.status.state;
            *state < TaskState::Running && *state != TaskState::Pending
        };
        if tasks().any(moves) {
            return Vec::new();
        }
        tasks().filter(|task| is_refused(task)).collect()
    }
}

/// Whether the scheduler has looked at a task and found no node for it.
pub fn is_refused(task: &Task) -> bool {
    task.status.state == TaskState::Pending && !task.status.err.is_empty()
}

/// Where `service` stands. `tasks` are those of its present specification (`_up-to-date`), whatever
/// they do; `nodes` are all.
pub fn judge<'a>(service: &Service, tasks: &'a [Task], nodes: &[Node]) -> Picture<'a> {
    let state: HashMap<&Id, &NodeState> =
        nodes.iter().map(|node| (&node.id, &node.state)).collect();
    let is_there = |task: &Task| {
        task.node_id.as_str().is_empty()
            || state.get(&task.node_id).is_some_and(|s| **s != NodeState::Down)
    };
    let iteration = service.job_status.as_ref().map(|job| job.job_iteration);
    let counts = |task: &&Task| {
        is_there(task)
            && task.desired_state < TaskState::Remove
            && task.status.state < TaskState::Remove
            && (iteration.is_none() || task.job_iteration == iteration)
    };
    let mut slots: BTreeMap<Slot, &Task> = BTreeMap::new();
    for task in tasks.iter().filter(counts) {
        // Of several tasks the one that is wanted most counts, then the one that is least far.
        let rank = |task: &'a Task| (&task.desired_state, &task.status.state);
        slots
            .entry(Slot::of(service, task))
            .and_modify(|known| {
                if rank(task) < rank(known) {
                    *known = task;
                }
            })
            .or_insert(task);
    }
    if service.spec.mode.is_job() {
        // A slot of a job is done by any task of it that ended well.
        for task in tasks.iter().filter(counts) {
            if task.status.state == TaskState::Complete {
                slots.insert(Slot::of(service, task), task);
            }
        }
    }
    let good = slots.values().filter(|task| is_good(service, task)).count();
    let good = u64::try_from(good).unwrap_or(u64::MAX);
    let wanted = wanted(service, &slots, nodes);
    // A service that is to be on every node, and is on none, is not there.
    let may_be_none = matches!(service.spec.mode, Mode::Replicated { .. });
    let whole = good == wanted && (wanted > 0 || may_be_none);
    let none = UpdateState::None;
    let update = service.update_status.as_ref().map_or(&none, |status| &status.state);
    let verdict = if service.spec.mode.is_job() {
        if whole { Verdict::Done } else { Verdict::Going }
    } else {
        match update {
            UpdateState::Paused | UpdateState::RollbackPaused => Verdict::Paused,
            UpdateState::Updating | UpdateState::RollbackStarted => Verdict::Going,
            _ if !whole => Verdict::Going,
            UpdateState::Completed => Verdict::Done,
            UpdateState::RollbackCompleted => Verdict::RolledBack,
            UpdateState::None | UpdateState::Other(_) => Verdict::Stable,
        }
    };
    Picture { slots, good, wanted, verdict }
}

fn is_good(service: &Service, task: &Task) -> bool {
    if service.spec.mode.is_job() {
        task.status.state == TaskState::Complete
    } else {
        task.status.state == TaskState::Running && task.desired_state <= TaskState::Running
    }
}

fn wanted(service: &Service, slots: &BTreeMap<Slot, &Task>, nodes: &[Node]) -> u64 {
    match service.spec.mode {
        Mode::Replicated { replicas } => replicas.unwrap_or(1),
        Mode::ReplicatedJob { total_completions, max_concurrent } => {
            total_completions.or(max_concurrent).unwrap_or(1)
        }
        // Tasks for all nodes are made at once; before that, the nodes that will have one count.
        Mode::Global {} | Mode::GlobalJob {} => {
            // A node that was drained keeps the record of its last task.
            let live = |task: &&&Task| {
                task.desired_state <= TaskState::Running || task.status.state != TaskState::Shutdown
            };
            let there = slots.values().filter(live).count();
            let eligible =
                || nodes.iter().filter(|node| placement::is_eligible(service, node)).count();
            u64::try_from(if slots.is_empty() { eligible() } else { there }).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests;
