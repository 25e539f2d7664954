//! The word for how an engine stands to swarm mode.
//!
//! Source: `LocalNodeState` in `GET /info` of the Docker Engine API.

use std::fmt;

use serde::Deserialize;

/// How an engine stands to swarm mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalNodeState {
    /// In no swarm. Engines send an empty text for it too.
    #[default]
    #[serde(alias = "")]
    Inactive,
    /// On its way into one.
    Pending,
    /// In one.
    Active,
    /// In one, and something is wrong.
    Error,
    /// In one, as a manager whose keys are encrypted.
    Locked,
}

impl fmt::Display for LocalNodeState {
    /// As `docker info` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LocalNodeState::Inactive => "inactive",
            LocalNodeState::Pending => "pending",
            LocalNodeState::Active => "active",
            LocalNodeState::Error => "error",
            LocalNodeState::Locked => "locked",
        })
    }
}
