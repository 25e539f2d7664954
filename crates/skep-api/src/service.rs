//! Services: what they are meant to be, and how far that is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{Id, Platform, PublishedPort, Version, or_default, word::words};

/// A service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Service {
    #[serde(rename = "ID")]
    pub id: Id,
    pub version: Version,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub spec: ServiceSpec,
    /// What it was meant to be before the last update; there only after one.
    pub previous_spec: Option<Value>,
    pub endpoint: Endpoint,
    pub update_status: Option<UpdateStatus>,
    /// How many tasks run; there only when asked for (`?status=true`, API 1.41).
    pub service_status: Option<ServiceStatus>,
    /// For jobs: which run this is.
    pub job_status: Option<JobStatus>,
}

/// What a service is meant to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceSpec {
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    pub task_template: TaskSpec,
    pub mode: Mode,
    pub update_config: Option<UpdateConfig>,
    pub rollback_config: Option<UpdateConfig>,
    pub endpoint_spec: Option<EndpointSpec>,
}

/// How many tasks a service has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum Mode {
    #[serde(rename_all = "PascalCase")]
    Replicated {
        /// How many; an engine that leaves it out means one.
        replicas: Option<u64>,
    },
    /// One on each node.
    Global {},
    /// So many that each run to their end.
    #[serde(rename_all = "PascalCase")]
    ReplicatedJob {
        /// How many run at once.
        max_concurrent: Option<u64>,
        /// How many are to have ended well.
        total_completions: Option<u64>,
    },
    /// One on each node that runs to its end.
    GlobalJob {},
}

impl Default for Mode {
    fn default() -> Self {
        Mode::Replicated { replicas: None }
    }
}

impl Mode {
    /// What lists call it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Mode::Replicated { .. } => "replicated",
            Mode::Global {} => "global",
            Mode::ReplicatedJob { .. } => "replicated-job",
            Mode::GlobalJob {} => "global-job",
        }
    }

    /// Whether its tasks are meant to end.
    pub fn is_job(&self) -> bool {
        matches!(self, Mode::ReplicatedJob { .. } | Mode::GlobalJob {})
    }
}

/// What each task of a service is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskSpec {
    pub container_spec: ContainerSpec,
    /// `{"Limits": …, "Reservations": …}`
    pub resources: Value,
    /// `{"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0}`
    pub restart_policy: Value,
    /// Where it may be placed.
    pub placement: Placement,
    /// `[{"Target": ID, "Aliases": […]}]`
    pub networks: Value,
    /// `{"Name": "json-file", "Options": {…}}`
    pub log_driver: Value,
    /// Counted up to replace tasks without another change.
    pub force_update: u64,
}

/// The container of a task; what is only shown by `inspect --pretty` is left as JSON.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// `nginx:1.26@sha256:…`
    pub image: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

/// Where a task may be placed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Placement {
    /// `node.role == worker`
    #[serde(deserialize_with = "or_default")]
    pub constraints: Vec<String>,
    /// `[{"Spread": {"SpreadDescriptor": "node.labels.zone"}}]`
    #[serde(deserialize_with = "or_default")]
    pub preferences: Vec<Value>,
    /// At most so many on one node; 0 is no limit.
    pub max_replicas: u64,
    #[serde(deserialize_with = "or_default")]
    pub platforms: Vec<Platform>,
}

/// How an update or a rollback goes. Durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// Tasks at once; 0 is all.
    pub parallelism: u64,
    /// Between tasks.
    pub delay: u64,
    pub failure_action: FailureAction,
    /// How long a new task is watched.
    pub monitor: u64,
    /// The share of tasks that may fail.
    pub max_failure_ratio: f64,
    pub order: UpdateOrder,
}

/// How a service's name resolves, and its ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointSpec {
    pub mode: EndpointMode,
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<PublishedPort>,
}

/// Where a service is published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Endpoint {
    /// What is in force of what was asked.
    pub spec: EndpointSpec,
    /// Ports as given, with those that the swarm chose.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<PublishedPort>,
}

/// How an update goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateStatus {
    pub state: UpdateState,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// `update in progress`
    pub message: String,
}

words! {
    /// Where an update is. An empty state is none.
    UpdateState, default None {
        None = "",
        Updating = "updating",
        Paused = "paused",
        Completed = "completed",
        /// It failed and goes back.
        RollbackStarted = "rollback_started",
        /// Going back failed too.
        RollbackPaused = "rollback_paused",
        RollbackCompleted = "rollback_completed",
    }
}

words! {
    /// What an update does when a task fails.
    FailureAction, default Pause {
        Pause = "pause",
        Continue = "continue",
        Rollback = "rollback",
    }
}

words! {
    /// Which of an old task and the new one in its place is there first.
    UpdateOrder, default StopFirst {
        StopFirst = "stop-first",
        StartFirst = "start-first",
    }
}

words! {
    /// After which end a task is started again.
    RestartCondition, default Any {
        None = "none",
        OnFailure = "on-failure",
        Any = "any",
    }
}

words! {
    /// What a service's name resolves to.
    EndpointMode, default Vip {
        /// One address, from which the kernel distributes to tasks.
        Vip = "vip",
        /// The addresses of its tasks.
        Dnsrr = "dnsrr",
    }
}

/// How many tasks a service has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceStatus {
    pub running_tasks: u64,
    pub desired_tasks: u64,
    /// Of a job, that have ended well.
    pub completed_tasks: u64,
}

/// Which run of a job this is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobStatus {
    /// Grows with each run.
    pub job_iteration: Version,
    pub last_execution: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_leaves_out_or_sends_as_null_is_empty() {
        let text = r#"{"ID":"abcdefghijklmnop","Spec":{"Name":"web","Labels":null,
            "TaskTemplate":{"ContainerSpec":{"Image":"a","Init":false},"Placement":{"Constraints":null}},
            "Mode":{"Global":{}}},"Endpoint":{"Spec":{},"Ports":null},
            "UpdateStatus":{"State":"rollback_started","StartedAt":"2026-01-02T03:04:05.123456789Z"}}"#;
        let service: Service = serde_json::from_str(text).unwrap();
        assert_eq!(service.id.short(), "abcdefghijkl");
        assert_eq!(service.spec.mode, Mode::Global {});
        assert_eq!(service.spec.task_template.container_spec.rest["Init"], false);
        assert_eq!(service.update_status.unwrap().state, UpdateState::RollbackStarted);
    }

    #[test]
    fn every_mode_is_read() {
        let mode = |text: &str| serde_json::from_str::<Mode>(text).unwrap();
        assert_eq!(
            mode(r#"{"Replicated":{"Replicas":3}}"#),
            Mode::Replicated { replicas: Some(3) }
        );
        assert_eq!(
            mode(r#"{"ReplicatedJob":{"MaxConcurrent":1,"TotalCompletions":5}}"#),
            Mode::ReplicatedJob { max_concurrent: Some(1), total_completions: Some(5) }
        );
        assert_eq!(mode(r#"{"GlobalJob":{}}"#), Mode::GlobalJob {});
    }
}
