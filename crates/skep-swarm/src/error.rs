//! Why an operation on a swarm came to nothing.

use std::{fmt, time::Duration};

use skep_engine::EngineError;

use crate::{cause::Cause, node::NodeId, pool::PoolError};

/// Why an operation on a swarm failed. Join tokens never appear in one.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The engine refused for a known reason.
    #[error("cannot {action}: {cause}; {}", .cause.fix())]
    Refused {
        /// What was tried: `join the swarm`.
        action: &'static str,
        /// Why it was refused.
        cause: Cause,
        /// The engine's own words, with method, path and status.
        #[source]
        source: EngineError,
    },
    /// The engine could not be asked, or refused for a reason of its own.
    #[error("cannot {action}")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// What happened.
        #[source]
        source: EngineError,
    },
    /// The node is in a swarm that is not this one.
    #[error(
        "cannot join the swarm: the node is already {node} of another swarm; let it leave that one first (`docker swarm leave --force`)"
    )]
    OtherSwarm {
        /// Its identifier there.
        node: NodeId,
    },
    /// The engine's part in a swarm is in a state that only a person can mend.
    #[error(
        "cannot {action}: the node's swarm state is `{state}`: {reason}; if it need not stay in its swarm, `docker swarm leave --force` on it ends that"
    )]
    Stuck {
        /// What was tried.
        action: &'static str,
        /// `error` or `locked`.
        state: &'static str,
        /// What the engine says, or what to do.
        reason: String,
    },
    /// The join did not get through in time and was given up.
    #[error(
        "cannot join the swarm at {remotes}: no success within {} s: {reason}; {}",
        .deadline.as_secs_f32(), Cause::ManagerUnreachable.fix()
    )]
    JoinDeadline {
        /// The managers' addresses.
        remotes: String,
        /// How long it had.
        deadline: Duration,
        /// What it looked like at the end.
        reason: String,
    },
    /// No node matches.
    #[error("there is no node `{selector}` in the swarm; {}", listed("it has ", .candidates))]
    UnknownNode {
        /// What was looked for.
        selector: String,
        /// What there is.
        candidates: Vec<Candidate>,
    },
    /// Several nodes match.
    #[error("`{selector}` may be any of several nodes: {}; give the ID", listed("", .candidates))]
    AmbiguousNode {
        /// What was looked for.
        selector: String,
        /// What matches.
        candidates: Vec<Candidate>,
    },
    /// Not every node became what it should be in time.
    #[error("not ready within {} s: {}", .deadline.as_secs_f32(), .waiting.join("; "))]
    NotReady {
        /// How long they had.
        deadline: Duration,
        /// For each node that is not ready, its name and what it lacks.
        waiting: Vec<String>,
    },
    /// The wait was cancelled.
    #[error("waiting for the nodes was interrupted: {}", .waiting.join("; "))]
    Cancelled {
        /// For each node that is not ready, its name and what it lacks.
        waiting: Vec<String>,
    },
    /// The default address pool cannot be used.
    #[error("cannot make a swarm")]
    Pool(#[from] PoolError),
    /// The engine's answer lacks what the API documents.
    #[error("cannot {action}: the engine's answer has no `{field}`")]
    Incomplete {
        /// What was tried.
        action: &'static str,
        /// What is missing.
        field: &'static str,
    },
}

/// A node, as an error names it: `worker1 (ftfe9mcppc96, Ready)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub hostname: String,
    /// Its identifier.
    pub id: NodeId,
    /// Its state.
    pub state: String,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.hostname, self.id.short(), self.state)
    }
}

fn listed(before: &str, candidates: &[Candidate]) -> String {
    if candidates.is_empty() {
        return "it has none".to_owned();
    }
    let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    format!("{before}{}", names.join(", "))
}

impl SwarmError {
    /// What an engine's error means when `action` was tried.
    pub(crate) fn of(action: &'static str, source: EngineError) -> Self {
        match source.api().and_then(|(_, message)| Cause::of(message)) {
            Some(cause) => SwarmError::Refused { action, cause, source },
            None => SwarmError::Engine { action, source },
        }
    }

    /// The known cause, if the engine gave one.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            SwarmError::Refused { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    /// Whether the same operation may succeed a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            SwarmError::Refused { cause, .. } => cause.may_pass(),
            SwarmError::Engine { source, .. } => source.may_pass(),
            _ => false,
        }
    }
}
