//! One guard for every verb that takes managers away: removing their machines, switching these
//! off, restarting them or their engines.
//!
//! The engines are asked first, all of them; [`judge`] decides from what they say and what the
//! record knows of machines that are off. It is pure, and errs on the side of the swarm: a manager
//! whose swarm cannot be asked is taken for one that is needed.
//!
//! ```text
//!  no manager among them, or one that is in no swarm any more ──► fine
//!  the swarm cannot be asked (off, silent, locked, no quorum) ──► refused, with what to do first;
//!                                                                 but a restart makes it no worse
//!  the last manager, or one without which there is no quorum ───► refused, with what would happen
//!  a restart, of managers that are all there ───────────────────► one after the other
//! ```
//!
//! `--force` goes on all the same ([`guard`] then warns of what it would have refused).

mod one_by_one;
mod standing;
mod unasked;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use skep_context::Context;
use skep_machine::System;
use skep_model::{Advice, MachineName, Reason};
use skep_swarm::{
    Change, Judgement, Node, NodeId, Quorum,
    quorum::{judge as judge_change, needed},
};

use self::verdict::SWARM_GONE;
pub use self::verdict::{Loss, Verdict};
pub(crate) use self::{
    one_by_one::one_by_one,
    standing::{Standing, corrected, standing},
};
use crate::{
    ClusterError, ClusterRecord, MachineRecord,
    reach::Cluster,
    survey::{self, Part, Survey},
};

/// Machines that may be taken away: what the engines said, and which are meant.
#[derive(Debug, Default)]
pub struct Cleared {
    pub(crate) survey: Survey,
    pub(crate) machines: Vec<MachineName>,
}

impl Cleared {
    /// Whether a manager is among the machines.
    pub(crate) fn takes_managers(&self, record: &ClusterRecord) -> bool {
        let is_manager = |machine: &MachineRecord| match standing(record, &self.survey, machine) {
            Standing::Free => false,
            Standing::Unasked => true,
            Standing::Listed(place, ids) => {
                let nodes = self.survey.swarms[place].nodes.iter().flatten();
                nodes.filter(|node| ids.contains(&node.id)).any(|node| node.manager.is_some())
            }
        };
        self.machines.iter().filter_map(|name| record.machine(name.as_str())).any(is_manager)
    }
}

/// Asks the engines whether machines may be taken away, and refuses what would cost their swarm its
/// quorum or the swarm itself. Nothing is touched. With `force`, what would be refused is a warning.
///
/// # Errors
/// [`ClusterError::Guarded`], with what would happen and what to do instead;
/// [`ClusterError::NoMachine`]; [`ClusterError::Machine`] if the driver cannot say which machines
/// run, unless forced; [`ClusterError::Cancelled`].
pub async fn guard(
    cluster: &Cluster,
    names: &[MachineName],
    loss: Loss,
    force: bool,
    context: Context<'_>,
) -> Result<Cleared, ClusterError> {
    let Context { events, cancel, .. } = context;
    let mut machines: Vec<MachineName> = Vec::new();
    for name in names {
        let machine = cluster.machine(name.as_str())?;
        if !machines.contains(&machine.name) {
            machines.push(machine.name.clone());
        }
    }
    let survey = match survey::survey(cluster, cancel).await {
        Ok(survey) => survey,
        Err(error) if force && !error.is_cancelled() => Survey::default(),
        Err(error) => return Err(error),
    };
    match judge(cluster.record(), &survey, loss, &machines) {
        Verdict::Fine => {}
        Verdict::Refuse { reason, fix } if !force => {
            return Err(ClusterError::Guarded { reason, fix });
        }
        Verdict::Warn(text) | Verdict::Refuse { reason: text, .. } => events.warn("", text),
    }
    Ok(Cleared { survey, machines })
}

/// Judges whether machines may be taken away, given what the engines said.
pub fn judge(
    record: &ClusterRecord,
    survey: &Survey,
    loss: Loss,
    targets: &[MachineName],
) -> Verdict {
    let mut listed: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    let mut unasked = Vec::new();
    for machine in targets.iter().filter_map(|name| record.machine(name.as_str())) {
        // Of one that is off nothing is taken by switching it off.
        if loss != Loss::Remove && matches!(survey.part(&machine.name), Some(Part::Off(_))) {
            continue;
        }
        // A host is given back with its engine, which stays what it is in its swarm.
        if loss == Loss::Remove && machine.system() == System::Found {
            continue;
        }
        match standing(record, survey, machine) {
            Standing::Free => {}
            Standing::Listed(place, ids) => listed.entry(place).or_default().extend(ids),
            Standing::Unasked => unasked.push(machine.name.clone()),
        }
    }
    let is_everything = record.machines.iter().all(|machine| targets.contains(&machine.name));
    let mut verdict = Verdict::Fine;
    for (place, ids) in listed {
        let nodes = corrected(record, survey, place);
        let swarm = &survey.swarms[place];
        let locks = swarm
            .managers
            .iter()
            .any(|name| survey.local(name).is_some_and(|local| local.auto_lock));
        verdict = verdict.and(match loss {
            Loss::Remove => judge_removal(&nodes, &ids, is_everything, &record.name),
            Loss::Stop => judge_stop(&nodes, &ids),
            Loss::Restart => judge_restart(&nodes, &ids, locks),
        });
    }
    // Where nothing can be decided, a restart makes nothing worse, and may be the cure.
    if !unasked.is_empty() && loss != Loss::Restart {
        verdict = verdict.and(unasked::refuse(record, survey, loss, &unasked, targets));
    }
    verdict
}

/// The managers among some nodes, and the count of all.
struct Managers<'a> {
    targets: Vec<&'a Node>,
    members: usize,
    reachable: usize,
}

impl<'a> Managers<'a> {
    fn of(nodes: &'a [Node], targets: &[NodeId]) -> Self {
        let ids: BTreeSet<&NodeId> = targets.iter().collect();
        let managers = || nodes.iter().filter(|node| node.manager.is_some());
        Self {
            targets: managers().filter(|node| ids.contains(&node.id)).collect(),
            members: managers().count(),
            reachable: managers().filter(|node| node.is_reachable_manager()).count(),
        }
    }

    fn lost(&self) -> usize {
        self.targets.iter().filter(|node| node.is_reachable_manager()).count()
    }

    fn names(&self) -> String {
        self.targets.iter().map(|node| node.called()).collect::<Vec<_>>().join(", ")
    }

    /// `leaves 1 of 3 managers reachable and 2 needed`
    fn leaves(&self, reachable: usize) -> String {
        let s = if self.members == 1 { "" } else { "s" };
        format!(
            "leaves {reachable} of {} manager{s} reachable and {} needed",
            self.members,
            needed(self.members)
        )
    }
}

fn judge_removal(
    nodes: &[Node],
    targets: &[NodeId],
    is_everything: bool,
    cluster: &skep_model::ClusterName,
) -> Verdict {
    let managers = Managers::of(nodes, targets);
    let judgement = judge_change(nodes, Change::Remove, targets);
    let who = managers.names();
    match judgement {
        Judgement::Fine => Verdict::Fine,
        Judgement::Warn { text } => Verdict::Warn(text.into()),
        Judgement::Refuse { .. } if managers.targets.len() == managers.members => {
            let (last, them) = match managers.members {
                1 => ("the last manager", "it"),
                _ => ("the last managers", "them"),
            };
            let fix = match is_everything {
                true => Advice::RemoveCluster(cluster.clone()),
                false => Advice::Promote,
            };
            Verdict::refuse(
                format!("removing {who} takes {last} away, and with {them} {SWARM_GONE}"),
                fix,
            )
        }
        Judgement::Refuse { .. } => {
            // No node can be made a worker without a quorum, so those that go stay counted.
            let left = managers.reachable - managers.lost();
            let had = managers.reachable >= needed(managers.members);
            let then = if had { "could be changed any more" } else { "can be changed" };
            Verdict::refuse(
                format!(
                    "removing {who} {}: nothing in the swarm {then}, while its running tasks stay",
                    managers.leaves(left)
                ),
                match (missing(nodes).as_str(), had) {
                    ("", _) => "promote others first; --force goes on".to_owned(),
                    (missing, true) => {
                        format!("start {missing} first, or promote others; --force goes on")
                    }
                    (missing, false) => format!("start {missing} first; --force goes on"),
                },
            )
        }
    }
}

fn judge_stop(nodes: &[Node], targets: &[NodeId]) -> Verdict {
    const FIX: &str = "start or promote others first, or use --force";
    let managers = Managers::of(nodes, targets);
    if managers.lost() > 0 && managers.reachable < needed(managers.members) {
        let lost = Quorum { members: managers.members, reachable: managers.reachable };
        return Verdict::refuse(format!("stopping {}: {lost}", managers.names()), FIX);
    }
    match judge_change(nodes, Change::Stop, targets) {
        Judgement::Fine => Verdict::Fine,
        Judgement::Warn { text } => Verdict::Warn(text.into()),
        // Its last clause is what to do.
        Judgement::Refuse { text, .. } => match text.rsplit_once("; ") {
            Some((reason, fix)) => Verdict::refuse(reason, fix.to_owned()),
            None => Verdict::refuse(text, FIX),
        },
    }
}

/// Restarts happen one after the other, so no more than one manager is away at a time, unless they
/// come back locked.
fn judge_restart(nodes: &[Node], targets: &[NodeId], locks: bool) -> Verdict {
    let managers = Managers::of(nodes, targets);
    let Managers { members, reachable, .. } = managers;
    let lost = if locks { managers.lost() } else { managers.lost().min(1) };
    if lost == 0 || reachable < needed(members) {
        return Verdict::Fine;
    }
    let who = managers.names();
    let left = reachable - lost;
    let has_quorum = left >= needed(members);
    let locked = |text: String| Reason::new(text, Advice::NoteUnlockKey);
    match (locks, has_quorum) {
        (false, true) => Verdict::Fine,
        (true, true) => Verdict::Warn(locked(format!(
            "the swarm locks its managers: {who} takes part again once it is unlocked"
        ))),
        // A swarm of one has no other way to be restarted.
        (true, false) if members == 1 => Verdict::Warn(locked(
            "the swarm locks its managers: after the restart nothing in it can be changed before \
             it is unlocked"
                .to_owned(),
        )),
        (true, false) => Verdict::refuse(
            locked(format!(
                "the swarm locks its managers, and restarting {who} {}: nothing in it could be \
                 changed before they are unlocked",
                managers.leaves(left)
            )),
            "restart and unlock them one by one; --force goes on",
        ),
        (false, false) if reachable == members => {
            let restart = match managers.targets.len() {
                1 => "restarts",
                _ => "restart, one after the other",
            };
            Verdict::Warn(
                format!(
                    "nothing in the swarm can be changed while {who} {restart}; running tasks of \
                     other nodes stay"
                )
                .into(),
            )
        }
        (false, false) => Verdict::refuse(
            format!(
                "restarting {who} {}: nothing in the swarm could be changed if it does not come \
                 back",
                managers.leaves(left)
            ),
            format!("start or remove the missing {} first; --force goes on", missing(nodes)),
        ),
    }
}

fn missing(nodes: &[Node]) -> String {
    let missing = nodes
        .iter()
        .filter(|node| node.manager.is_some() && !node.is_reachable_manager())
        .map(Node::called);
    missing.collect::<Vec<_>>().join(", ")
}

/// Whether the managers of a list can decide anything.
pub(crate) fn has_quorum(nodes: &[Node]) -> bool {
    let managers = Managers::of(nodes, &[]);
    managers.reachable >= needed(managers.members)
}

#[cfg(test)]
mod tests;
