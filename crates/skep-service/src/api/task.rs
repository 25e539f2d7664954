//! Tasks, as an engine sends them.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Id, PublishedPort, TaskSpec, Version, or_default};

/// A task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Task {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: Id,
    /// Which change of it this is.
    pub version: Version,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// What it is.
    pub spec: TaskSpec,
    /// Whose.
    #[serde(rename = "ServiceID")]
    pub service_id: Id,
    /// Which of a service's replicas, from 1; 0 for a service with one on each node.
    pub slot: u64,
    /// Where; empty until it is placed.
    #[serde(rename = "NodeID")]
    pub node_id: Id,
    /// What it does.
    pub status: TaskStatus,
    /// What it should do.
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
    /// What.
    pub state: TaskState,
    /// `started`, `pending task scheduling`
    pub message: String,
    /// What went wrong: `task: non-zero exit (1)`, `no suitable node (…)`.
    pub err: String,
    /// Its container.
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
    /// How it ended.
    pub exit_code: i64,
}

/// Ports that a task publishes on its own node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortStatus {
    /// The ports.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<PublishedPort>,
}

/// What a task does or should do, in the order in which it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It was made.
    #[default]
    New,
    /// Its network resources are being had.
    Allocated,
    /// It waits to be placed.
    Pending,
    /// It has a node.
    Assigned,
    /// Its node has taken it.
    Accepted,
    /// Its image is being pulled.
    Preparing,
    /// It can start.
    Ready,
    /// Its container starts.
    Starting,
    /// It runs.
    Running,
    /// It ended well.
    Complete,
    /// It was asked to end.
    Shutdown,
    /// It ended badly.
    Failed,
    /// Its node would not have it.
    Rejected,
    /// It is to be removed.
    Remove,
    /// Its node has not been heard of for long.
    Orphaned,
}

impl TaskState {
    /// The engine's word.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::New => "new",
            TaskState::Allocated => "allocated",
            TaskState::Pending => "pending",
            TaskState::Assigned => "assigned",
            TaskState::Accepted => "accepted",
            TaskState::Preparing => "preparing",
            TaskState::Ready => "ready",
            TaskState::Starting => "starting",
            TaskState::Running => "running",
            TaskState::Complete => "complete",
            TaskState::Shutdown => "shutdown",
            TaskState::Failed => "failed",
            TaskState::Rejected => "rejected",
            TaskState::Remove => "remove",
            TaskState::Orphaned => "orphaned",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_over(self) -> bool {
        self > TaskState::Running
    }
}
