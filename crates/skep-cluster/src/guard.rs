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

mod in_turn;
mod unasked;

use std::collections::{BTreeMap, BTreeSet};

use skep_context::Context;
use skep_machine::System;
use skep_model::{MachineName, MachineState, Role};
use skep_swarm::{
    Change, Judgement, LocalNodeState, Node, NodeId, Reachability, quorum,
    quorum::{judge as judge_change, needed},
};

pub(crate) use self::in_turn::in_turn;
use crate::{
    ClusterError, ClusterRecord, MachineRecord,
    former::former,
    reach::Cluster,
    survey::{self, Part, Survey},
};

/// How machines are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// For good. A manager is made a worker first, and leaves.
    Remove,
    /// Until somebody switches them on again.
    Stop,
    /// For a moment: they, or their engines, come back by themselves.
    Restart,
}

/// Whether machines may be taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    #[default]
    Fine,
    /// It can be done, with a drawback.
    Warn(String),
    /// It is not done unless forced.
    Refuse {
        /// What would happen.
        reason: String,
        /// What to do instead, or first.
        fix: String,
    },
}

impl Verdict {
    /// Both together: what is refused comes before what is only said.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Verdict::Fine, one) | (one, Verdict::Fine) => one,
            (Verdict::Warn(one), Verdict::Warn(other)) => Verdict::Warn(format!("{one}; {other}")),
            (Verdict::Warn(_), refused) | (refused, Verdict::Warn(_)) => refused,
            (
                Verdict::Refuse { reason, fix },
                Verdict::Refuse { reason: other, fix: other_fix },
            ) => Verdict::Refuse {
                reason: format!("{reason}; {other}"),
                fix: if fix == other_fix { fix } else { format!("{fix}; {other_fix}") },
            },
        }
    }

    fn refuse(reason: String, fix: impl Into<String>) -> Self {
        Verdict::Refuse { reason, fix: fix.into() }
    }
}

/// Machines that may be taken away: what the engines said, and who is meant.
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

/// What a machine is to the swarms that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No manager, as far as anybody knows.
    Free,
    /// In the list of the swarm at this place, as these nodes: the one it is, and those it was.
    Listed(usize, Vec<NodeId>),
    /// A manager whose swarm's list cannot be had.
    Unasked,
}

/// Finds a machine in the swarms that were found.
pub(crate) fn standing(
    record: &ClusterRecord,
    survey: &Survey,
    machine: &MachineRecord,
) -> Standing {
    let part = survey.part(&machine.name);
    let local = part.and_then(Part::local);
    let own = local.and_then(|local| local.node.as_ref());
    let lists = survey.swarms.iter().enumerate();
    for (place, nodes) in lists.filter_map(|(place, swarm)| Some((place, swarm.nodes.as_ref()?))) {
        let entries = entries(record, machine, own, nodes);
        // One that says which node it is stands where that node is listed, and nowhere else.
        let is_here = own.is_none_or(|own| entries.contains(own));
        if is_here && !entries.is_empty() {
            return Standing::Listed(place, entries);
        }
    }
    match part {
        Some(Part::Known(local)) => match local.state {
            LocalNodeState::Inactive => Standing::Free,
            LocalNodeState::Active if !local.is_manager => Standing::Free,
            LocalNodeState::Active | LocalNodeState::Locked => Standing::Unasked,
            LocalNodeState::Pending | LocalNodeState::Error => absent(record, survey, machine),
        },
        // Nothing was ever there that could have been a node.
        Some(Part::Off(MachineState::Absent)) if machine.node.is_none() => Standing::Free,
        Some(Part::Off(_) | Part::Silent(_)) | None => absent(record, survey, machine),
    }
}

/// One whose engine says nothing of it, and that is in no list that could be had.
fn absent(record: &ClusterRecord, survey: &Survey, machine: &MachineRecord) -> Standing {
    let address = record.address(machine).map(|address| address.to_string());
    let is_heard_of = survey
        .swarms
        .iter()
        .filter(|swarm| swarm.nodes.is_none())
        .any(|swarm| address.as_ref().is_some_and(|own| swarm.manager_hosts.contains(own)));
    let is_listed_nowhere = survey.swarms.iter().any(|swarm| swarm.nodes.is_some());
    if is_heard_of || (machine.role == Some(Role::Manager) && !is_listed_nowhere) {
        return Standing::Unasked;
    }
    Standing::Free
}

/// The nodes that a machine is and was, its own first.
pub(crate) fn entries(
    record: &ClusterRecord,
    machine: &MachineRecord,
    own: Option<&NodeId>,
    nodes: &[Node],
) -> Vec<NodeId> {
    let nobody = NodeId::new("");
    let known = [own, machine.node.as_ref()].into_iter().flatten();
    let known = known.filter(|id| nodes.iter().any(|node| node.id == **id));
    let former = former(record, machine, nodes, own.unwrap_or(&nobody));
    let mut entries: Vec<NodeId> = Vec::new();
    for id in known.chain(former.into_iter().map(|node| &node.id)) {
        if !entries.contains(id) {
            entries.push(id.clone());
        }
    }
    entries
}

/// A swarm's list as it is about to be: managers whose machines are off are heard by nobody, though
/// the others notice it only some seconds later.
pub(crate) fn corrected(record: &ClusterRecord, survey: &Survey, place: usize) -> Vec<Node> {
    let Some(mut nodes) = survey.swarms.get(place).and_then(|swarm| swarm.nodes.clone()) else {
        return Vec::new();
    };
    let off = record.machines.iter().filter(|machine| {
        matches!(survey.part(&machine.name), Some(Part::Off(_)))
            && machine.options.system() != System::Nothing
    });
    for machine in off {
        let gone = entries(record, machine, None, &nodes);
        for node in nodes.iter_mut().filter(|node| gone.contains(&node.id)) {
            if let Some(manager) = &mut node.manager {
                manager.reachability = Reachability::Unreachable;
            }
        }
    }
    nodes
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
        if loss == Loss::Remove && machine.options.system() == System::Found {
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

/// What is gone with a swarm's last manager.
const SWARM_GONE: &str =
    "the swarm with its services, networks, configs and secrets is gone for good";

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
        Judgement::Warn { text } => Verdict::Warn(text),
        Judgement::Refuse { .. } if managers.targets.len() == managers.members => {
            let (last, them) = match managers.members {
                1 => ("the last manager", "it"),
                _ => ("the last managers", "them"),
            };
            let fix = match is_everything {
                true => format!(
                    "`skep down --name {cluster}` removes a whole cluster; --force removes the \
                     machines all the same"
                ),
                false => "promote another node first (`skep node promote NODE`); --force goes on"
                    .to_owned(),
            };
            Verdict::refuse(
                format!("removing {who} takes {last} away, and with {them} {SWARM_GONE}"),
                fix,
            )
        }
        Judgement::Refuse { .. } => {
            // Nobody can be made a worker without a quorum, so those that go stay counted.
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
        let lost = quorum_lost(managers.reachable, managers.members);
        return Verdict::refuse(format!("stopping {}: {lost}", managers.names()), FIX);
    }
    match judge_change(nodes, Change::Stop, targets) {
        Judgement::Fine => Verdict::Fine,
        Judgement::Warn { text } => Verdict::Warn(text),
        // Its last clause is what to do.
        Judgement::Refuse { text, .. } => match text.rsplit_once("; ") {
            Some((reason, fix)) => Verdict::refuse(reason.to_owned(), fix),
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
    let key = "`skep swarm unlock` with its key, which `skep swarm unlock-key` prints now";
    match (locks, has_quorum) {
        (false, true) => Verdict::Fine,
        (true, true) => Verdict::Warn(format!(
            "the swarm locks its managers: {who} takes part again after {key}"
        )),
        // A swarm of one has no other way to be restarted.
        (true, false) if members == 1 => Verdict::Warn(format!(
            "the swarm locks its managers: after the restart nothing in it can be changed before \
             {key}"
        )),
        (true, false) => Verdict::refuse(
            format!(
                "the swarm locks its managers, and restarting {who} {}: nothing in it could be \
                 changed before {key}",
                managers.leaves(left)
            ),
            "restart and unlock them one by one; --force goes on",
        ),
        (false, false) if reachable == members => Verdict::Warn(format!(
            "nothing in the swarm can be changed while {who} {}; running tasks of other nodes stay",
            match managers.targets.len() {
                1 => "restarts",
                _ => "restart, one after the other",
            }
        )),
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

/// The managers that the others do not hear.
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

/// What is said of managers that have no quorum.
fn quorum_lost(reachable: usize, members: usize) -> String {
    format!(
        "quorum lost: {reachable} of {members} managers reachable, {} needed",
        quorum::needed(members)
    )
}

#[cfg(test)]
mod tests;
