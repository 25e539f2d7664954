//! Why an operation on a swarm came to nothing.

use std::{fmt, time::Duration};

use skep_engine::EngineError;
use skep_model::Advise;

use crate::{cause::Cause, local_state::LocalNodeState, node::NodeId, pool::PoolError};

/// Why an operation on a swarm failed. Join tokens never appear in one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwarmError {
    #[error("cannot {action}: {cause}; {}", .cause.fix())]
    Refused {
        /// What was tried: `join the swarm`.
        action: &'static str,
        cause: Cause,
        /// The engine's own words, with method, path and status.
        #[source]
        source: EngineError,
    },
    /// The engine could not be asked, or refused for a reason of its own.
    #[error("cannot {action}")]
    Engine {
        action: &'static str,
        #[source]
        source: EngineError,
    },
    /// The node is in a swarm that is not this one.
    #[error(
        "cannot join the swarm: the node is already {node} of another swarm; take another node, or, if that swarm can spare it, demote it there and let it leave (without --force, which the engine refuses a manager)"
    )]
    OtherSwarm { node: NodeId },
    /// The engine has a part in a swarm that it cannot take. It may be that swarm's manager, so
    /// nothing was done to it.
    #[error("cannot {action}: {}", stuck_text(*.state, .reason))]
    Stuck {
        action: &'static str,
        state: LocalNodeState,
        /// What the engine says of it; may be empty.
        reason: String,
    },
    #[error("{wrong}")]
    Setting { wrong: String },
    #[error("cannot rotate because autolock is not turned on")]
    NotAutolocked,
    /// The join did not get through in time and was given up.
    #[error(
        "cannot join the swarm at {remotes}: no success within {} s: {reason}; {}",
        .deadline.as_secs_f32(), Cause::ManagerUnreachable.fix()
    )]
    JoinDeadline {
        remotes: String,
        deadline: Duration,
        /// What the last look showed.
        reason: String,
    },
    #[error("there is no node `{selector}` in the swarm; {}", listed("it has ", .candidates))]
    UnknownNode { selector: String, candidates: Vec<Candidate> },
    #[error("`{selector}` may be any of several nodes: {}; give the ID", listed("", .candidates))]
    AmbiguousNode { selector: String, candidates: Vec<Candidate> },
    #[error("not ready within {} s: {}", .deadline.as_secs_f32(), .waiting.join("; "))]
    NotReady {
        deadline: Duration,
        /// For each node that is not ready, its name and what it lacks.
        waiting: Vec<String>,
    },
    #[error("waiting for the nodes was interrupted: {}", .waiting.join("; "))]
    Cancelled { waiting: Vec<String> },
    #[error("cannot make a swarm")]
    Pool(#[from] PoolError),
    /// The engine's answer lacks what the API documents.
    #[error("cannot {action}: the engine's answer has no `{field}`")]
    Incomplete { action: &'static str, field: &'static str },
}

/// A node, as an error names it: `worker1 (ftfe9mcppc96, Ready)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub hostname: String,
    pub id: NodeId,
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

fn stuck_text(state: LocalNodeState, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    match state {
        LocalNodeState::Locked => format!("{}; {}", Cause::Locked, Cause::Locked.fix()),
        LocalNodeState::Error if Cause::of(&reason) == Some(Cause::CertificatesExpired) => {
            format!("{}; {}", Cause::CertificatesExpired, Cause::CertificatesExpired.fix())
        }
        LocalNodeState::Error => format!(
            "the node's part in its swarm has failed{reason}; start the other managers of that swarm, or restart the node's engine: it tries again, and forgets a join that never got anywhere"
        ),
        LocalNodeState::Pending => format!(
            "the node has not found the managers of its swarm yet{reason}; start the other managers of that swarm"
        ),
        LocalNodeState::Active | LocalNodeState::Inactive => {
            format!("the node's swarm state is {state}{reason}")
        }
    }
}

impl Advise for SwarmError {}

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
            SwarmError::Stuck { state: LocalNodeState::Locked, .. } => Some(Cause::Locked),
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
