//! Tasks, as an engine sends them.

use jiff::Timestamp;
use serde::Deserialize;

use crate::{Id, PublishedPort, TaskSpec, Version, or_default, word::words};

/// A task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Task {
    #[serde(rename = "ID")]
    pub id: Id,
    pub version: Version,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub spec: TaskSpec,
    #[serde(rename = "ServiceID")]
    pub service_id: Id,
    /// Which of a service's replicas, from 1; 0 for a service with one on each node.
    pub slot: u64,
    /// Where; empty until it is placed.
    #[serde(rename = "NodeID")]
    pub node_id: Id,
    pub status: TaskStatus,
    pub desired_state: TaskState,
    /// Of a job, which run it belongs to.
    pub job_iteration: Option<Version>,
}

/// What a task does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskStatus {
    /// Since when.
    pub timestamp: Option<Timestamp>,
    pub state: TaskState,
    /// `started`, `pending task scheduling`
    pub message: String,
    /// What went wrong: `task: non-zero exit (1)`, `no suitable node (…)`.
    pub err: String,
    pub container_status: Option<ContainerStatus>,
    /// Ports that it publishes on its own node.
    pub port_status: PortStatus,
}

/// A task's container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerStatus {
    /// Its identifier, 64 hexadecimal digits.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    pub exit_code: i64,
}

/// Ports that a task publishes on its own node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortStatus {
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<PublishedPort>,
}

words! {
    /// What a task does or should do, in the order in which it happens.
    TaskState, default New {
        New = "new",
        Allocated = "allocated",
        /// It waits to be placed.
        Pending = "pending",
        /// It has a node.
        Assigned = "assigned",
        /// Its node has taken it.
        Accepted = "accepted",
        /// Its image is being pulled.
        Preparing = "preparing",
        /// It can start.
        Ready = "ready",
        Starting = "starting",
        Running = "running",
        /// It ended well.
        Complete = "complete",
        /// It was asked to end.
        Shutdown = "shutdown",
        /// It ended badly.
        Failed = "failed",
        /// Its node refused it.
        Rejected = "rejected",
        /// It is to be removed.
        Remove = "remove",
        /// Its node has not answered for long.
        Orphaned = "orphaned",
    }
}

impl TaskState {
    /// Whether nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        *self > TaskState::Running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_in_the_order_in_which_they_happen() {
        assert!(TaskState::Pending < TaskState::Running);
        assert!(!TaskState::Running.is_over() && TaskState::Complete.is_over());
        let state: TaskState = serde_json::from_str("\"preparing\"").unwrap();
        assert_eq!(state.as_str(), "preparing");
    }
}
