//! What a machine does in the swarm.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node's role, as swarm mode knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes part in the Raft consensus and answers requests about the swarm.
    Manager,
    /// Runs tasks only.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Manager => "manager",
            Role::Worker => "worker",
        })
    }
}
