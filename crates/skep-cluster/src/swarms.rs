//! The swarms that machines are found in, and why none of them is joined.

use std::{collections::BTreeSet, fmt};

use skep_model::MachineName;
use skep_swarm::{Node, Quorum};

/// A swarm that machines of the cluster are in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Its ID, if a manager that has a quorum was asked.
    pub id: Option<String>,
    pub machines: Vec<MachineName>,
    /// Those of them that say they are managers.
    pub managers: Vec<MachineName>,
    /// Its nodes as a manager lists them; `None` if none could be asked, or the managers have no
    /// quorum.
    pub nodes: Option<Vec<Node>>,
    /// How many managers it has, as far as its machines know.
    pub known_managers: usize,
    /// Where its machines reach its managers: hosts without ports.
    pub manager_hosts: BTreeSet<String>,
}

impl Found {
    /// Its managers, and those of them whose engines answer as such.
    pub fn quorum(&self) -> Quorum {
        Quorum { members: self.known_managers, reachable: self.managers.len() }
    }

    /// Whether none of its managers answered, while all are at addresses of the cluster's own
    /// machines: the swarm of a manager that is off, or that is gone with its disk.
    pub(crate) fn lacks_its_managers(&self, own_addresses: &BTreeSet<String>) -> bool {
        self.managers.is_empty() && self.has_own_managers(own_addresses)
    }

    /// Whether all of its managers are at addresses of the cluster's own machines.
    pub(crate) fn has_own_managers(&self, own_addresses: &BTreeSet<String>) -> bool {
        self.manager_hosts.is_subset(own_addresses)
    }
}

/// Why nothing is joined and nothing founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// These are managers of different swarms, each with its swarm's ID.
    Several(Vec<(MachineName, String)>),
    /// These need the swarm's unlock key.
    Locked(Vec<MachineName>),
    /// These were there before and cannot be asked.
    Unasked(Vec<MachineName>),
    /// These are nodes of a swarm whose managers are on none of the machines.
    ManagersAway(Vec<MachineName>),
    /// The managers that are there cannot decide anything.
    NoQuorum {
        quorum: Quorum,
        /// Those that could bring it back, given the swarm's unlock key.
        locked: Vec<MachineName>,
    },
    /// No machine that was to be a manager came up.
    NoManager,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Several(managers) => {
                let each = managers.iter().map(|(name, id)| format!("{name} is a manager of {id}"));
                let each = each.collect::<Vec<_>>().join(", ");
                write!(f, "the machines are of several swarms: {each}")
            }
            Doubt::Locked(machines) => {
                write!(f, "the swarm is locked: {} waiting for its key", is_are(machines))
            }
            Doubt::Unasked(machines) => {
                write!(
                    f,
                    "{} there before, may have the swarm, and cannot be asked",
                    was_were(machines)
                )
            }
            Doubt::ManagersAway(machines) => {
                write!(f, "{} in a swarm whose managers do not answer", is_are(machines))
            }
            Doubt::NoQuorum { quorum, .. } => {
                let missing = if quorum.is_there() { "no leader yet: " } else { "" };
                write!(f, "{missing}{quorum}")
            }
            Doubt::NoManager => f.write_str("no manager came up"),
        }
    }
}

pub(crate) fn is_are(names: &[MachineName]) -> String {
    format!("{} {}", list(names), if names.len() == 1 { "is" } else { "are" })
}

pub(crate) fn was_were(names: &[MachineName]) -> String {
    format!("{} {}", list(names), if names.len() == 1 { "was" } else { "were" })
}

pub(crate) fn list(names: &[MachineName]) -> String {
    names.iter().map(MachineName::as_str).collect::<Vec<_>>().join(", ")
}
