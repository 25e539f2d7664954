//! What a change does to the managers' quorum: arithmetic and judgement, nothing else.
//!
//! Managers decide by majority. Of `n`, `n/2 + 1` have to be there, so `(n-1)/2` may be lost: an
//! even number tolerates no more losses than the odd one below it, and two managers tolerate
//! none, with twice the chance of losing one.

use std::{collections::BTreeSet, fmt};

use crate::node::{Node, NodeId, NodeState};

/// More managers than this make every decision slower and hardly anything safer.
pub const MOST_MANAGERS: usize = 7;

/// How many of `managers` have to be reachable for anything to be decided.
pub const fn needed(managers: usize) -> usize {
    managers / 2 + 1
}

/// How many of `managers` may be lost with the others still deciding.
pub const fn tolerated(managers: usize) -> usize {
    managers.saturating_sub(1) / 2
}

/// A change that is proposed for some nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Promote,
    Demote,
    /// Take them off the swarm's list, which for a manager means demoting it first.
    Remove,
    /// Stop their machines. They stay members and may come back.
    Stop,
    /// Let them leave by themselves. A manager that leaves stays a member that never comes back.
    Leave,
}

impl fmt::Display for Change {
    /// As it stands before a name: `stopping`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Change::Promote => "promoting",
            Change::Demote => "demoting",
            Change::Remove => "removing",
            Change::Stop => "stopping",
            Change::Leave => "leaving with",
        })
    }
}

/// Whether a change is wise. Texts are lower-case fragments for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing speaks against it.
    Fine,
    Warn {
        text: String,
    },
    /// It is not done unasked.
    Refuse {
        /// What would happen, and what to do instead.
        text: String,
        /// Whether `--force` does it anyway. Where it is false, the engine refuses too.
        force_helps: bool,
    },
}

/// How many managers there are, and how many of them take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// Members of the Raft group.
    pub members: usize,
    /// Those of them that take part now.
    pub reachable: usize,
}

impl Quorum {
    /// The managers as one of them lists them.
    pub fn of(nodes: &[Node]) -> Self {
        Self {
            members: nodes.iter().filter(|node| node.manager.is_some()).count(),
            reachable: nodes.iter().filter(|node| node.is_reachable_manager()).count(),
        }
    }

    /// Whether enough of them take part for anything to be decided.
    pub fn is_there(self) -> bool {
        self.reachable >= needed(self.members)
    }

    /// How many more may be lost with the others still deciding.
    pub fn spare(self) -> usize {
        self.reachable.saturating_sub(needed(self.members))
    }

    /// `1 of 3 managers reachable`, and what stands before the number that is needed.
    fn shown(self, and: &str) -> String {
        let Quorum { members, reachable } = self;
        let s = if members == 1 { "" } else { "s" };
        format!("{reachable} of {members} manager{s} reachable{and} {} needed", needed(members))
    }
}

impl fmt::Display for Quorum {
    /// `quorum lost: 1 of 3 managers reachable, 2 needed`; without the first words if enough are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = if self.is_there() { "" } else { "quorum lost: " };
        write!(f, "{lost}{}", self.shown(","))
    }
}

/// Judges a change to the nodes in `targets`, given all nodes as a manager lists them. Targets
/// that the change does not concern (a worker that is demoted) count for nothing.
pub fn judge(nodes: &[Node], change: Change, targets: &[NodeId]) -> Judgement {
    let targets: BTreeSet<&NodeId> = targets.iter().collect();
    let targets: Vec<&Node> = nodes.iter().filter(|node| targets.contains(&node.id)).collect();
    let before = Quorum::of(nodes);
    match change {
        Change::Promote => judge_promotion(before, &targets),
        Change::Demote | Change::Remove | Change::Stop | Change::Leave => {
            let managers: Vec<&Node> =
                targets.into_iter().filter(|node| node.manager.is_some()).collect();
            if managers.is_empty() {
                return Judgement::Fine;
            }
            judge_loss(before, change, &managers)
        }
    }
}

fn judge_promotion(before: Quorum, targets: &[&Node]) -> Judgement {
    let new: Vec<&Node> = targets.iter().copied().filter(|node| node.manager.is_none()).collect();
    if new.is_empty() {
        return Judgement::Fine;
    }
    if !before.is_there() {
        return no_quorum(before, Change::Promote, &new);
    }
    let down: Vec<&Node> =
        new.iter().copied().filter(|node| node.state != NodeState::Ready).collect();
    if !down.is_empty() {
        return Judgement::Warn {
            text: format!(
                "{} cannot take part before it is ready again: a node becomes a manager only when it answers",
                names(&down)
            ),
        };
    }
    warned(advice(before.members + new.len()))
}

fn judge_loss(before: Quorum, change: Change, managers: &[&Node]) -> Judgement {
    let lost = managers.len();
    let lost_reachable = managers.iter().filter(|node| node.is_reachable_manager()).count();
    let who = names(managers);
    let stay_members = matches!(change, Change::Stop | Change::Leave);
    let after = Quorum {
        members: if stay_members { before.members } else { before.members - lost },
        reachable: before.reachable - lost_reachable,
    };
    if lost == before.members {
        return last_managers(change, &who);
    }
    if !before.is_there() {
        // Stopping what decides nothing any more makes nothing worse.
        return if stay_members { Judgement::Fine } else { no_quorum(before, change, managers) };
    }
    if !after.is_there() {
        let stays = "its running tasks stay";
        let text = match change {
            Change::Stop => format!(
                "stopping {who} leaves {}: until enough managers are back nothing in the swarm can be changed, while {stays}; start or promote others first, or use --force",
                after.shown(" and")
            ),
            Change::Leave => format!(
                "leaving with {who} leaves {}: nothing in the swarm can be changed any more, while {stays}; demote it first, or use --force",
                after.shown(" and")
            ),
            // The engine itself refuses it, with or without force.
            Change::Promote | Change::Demote | Change::Remove => format!(
                "{change} {who} leaves {}: nothing in the swarm could be changed any more; start or promote others first",
                after.shown(" and")
            ),
        };
        return Judgement::Refuse { text, force_helps: stay_members };
    }
    if change == Change::Leave {
        return Judgement::Warn {
            text: format!(
                "{who} leaves as a manager and stays counted as one that never comes back: {}; demote first",
                after.shown(" and")
            ),
        };
    }
    if change == Change::Stop {
        let spare = after.reachable - needed(after.members);
        return warned((spare == 0).then(|| {
            format!(
                "{change} {who} leaves {}: the loss of one more stops the swarm",
                after.shown(" and")
            )
        }));
    }
    warned(advice(after.members))
}

fn last_managers(change: Change, who: &str) -> Judgement {
    let (text, force_helps) = match change {
        Change::Stop => (
            format!(
                "stopping {who} stops the swarm's only managers: nothing can be changed until one is back, while running tasks stay; promote another node first, or use --force"
            ),
            true,
        ),
        Change::Leave => (
            format!(
                "with {who} the last manager leaves, and the swarm with its services, networks, configs and secrets is gone for good; promote another node first, or use --force"
            ),
            true,
        ),
        Change::Promote | Change::Demote | Change::Remove => (
            format!(
                "{change} {who} leaves no manager, and no swarm is without one; promote another node first"
            ),
            false,
        ),
    };
    Judgement::Refuse { text, force_helps }
}

fn no_quorum(before: Quorum, change: Change, targets: &[&Node]) -> Judgement {
    Judgement::Refuse {
        text: format!(
            "{change} {} is a decision of the managers, and they have no quorum: {}; start the missing ones first",
            names(targets),
            before.shown(" and")
        ),
        force_helps: false,
    }
}

/// What should be known about a swarm of that many managers, if anything should.
pub fn advice(managers: usize) -> Option<String> {
    let lost = tolerated(managers);
    match managers {
        0 => Some("a swarm needs at least one manager".to_owned()),
        2 => Some(
            "two managers tolerate the loss of neither, so they are less safe than one: use 1 or 3"
                .to_owned(),
        ),
        _ if managers > MOST_MANAGERS => Some(format!(
            "{managers} managers make every decision slow: use up to {MOST_MANAGERS}, and workers for the rest"
        )),
        _ if managers.is_multiple_of(2) => Some(format!(
            "{managers} managers tolerate the loss of {lost}, no more than {} would: use {} or {}",
            managers - 1,
            managers - 1,
            managers + 1
        )),
        _ => None,
    }
}

fn warned(text: Option<String>) -> Judgement {
    text.map_or(Judgement::Fine, |text| Judgement::Warn { text })
}

fn names(nodes: &[&Node]) -> String {
    let names: Vec<&str> = nodes.iter().map(|node| node.called()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
