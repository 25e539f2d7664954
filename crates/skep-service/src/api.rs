//! Services, tasks and what they need, as an engine sends them: the fields that skep shows or
//! decides by. Source: Docker Engine API 1.41 to 1.45, `Service`, `Task`, `Node`.
//!
//! These types are for reading. They drop what they do not know, so nothing read into them is ever
//! written back.

mod node;
mod task;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use self::{
    node::{Node, NodeDescription, NodeResources, NodeSpec, NodeStatus},
    task::{ContainerStatus, PortStatus, Task, TaskState, TaskStatus},
};
use crate::{Services, error::ServiceError, find::Named};

/// The identifier of an object: 25 characters of `0-9a-z`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// An identifier.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve characters, as lists show it.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `{"Index": 17}`: the version of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Version {
    /// Grows with each change.
    pub index: u64,
}

/// A service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Service {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: Id,
    /// Which change of it this is.
    pub version: Version,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// What it is meant to be.
    pub spec: ServiceSpec,
    /// What it was meant to be before the last update; there only after one.
    pub previous_spec: Option<Value>,
    /// Where it is published.
    pub endpoint: Endpoint,
    /// How the last update or rollback goes, or went.
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
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// What each task is.
    pub task_template: TaskSpec,
    /// How many tasks, and where.
    pub mode: Mode,
    /// How an update goes.
    pub update_config: Option<UpdateConfig>,
    /// How a rollback goes.
    pub rollback_config: Option<UpdateConfig>,
    /// Its ports and how its name resolves.
    pub endpoint_spec: Option<EndpointSpec>,
}

/// How many tasks a service has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum Mode {
    /// So many, anywhere.
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
    /// The container.
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
    /// The platforms the image exists for.
    #[serde(deserialize_with = "or_default")]
    pub platforms: Vec<Platform>,
}

/// A processor architecture and an operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Platform {
    /// `x86_64`, `amd64`
    pub architecture: String,
    /// `linux`
    #[serde(rename = "OS")]
    pub os: String,
}

/// How an update or a rollback goes. Durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// Tasks at once; 0 is all.
    pub parallelism: u64,
    /// Between tasks.
    pub delay: u64,
    /// `pause`, `continue`, `rollback`
    pub failure_action: String,
    /// How long a new task is watched.
    pub monitor: u64,
    /// The share of tasks that may fail.
    pub max_failure_ratio: f64,
    /// `stop-first`, `start-first`
    pub order: String,
}

/// How a service's name resolves, and its ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointSpec {
    /// `vip` or `dnsrr`
    pub mode: String,
    /// Ports as asked for.
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

/// A published port.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PublishedPort {
    /// `tcp`, `udp`, `sctp`
    pub protocol: String,
    /// The container's port.
    pub target_port: u16,
    /// The nodes' port; 0 where the swarm is to choose.
    pub published_port: u16,
    /// `ingress` (the mesh) or `host` (the task's node only).
    pub publish_mode: String,
}

/// How an update goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateStatus {
    /// Where it is.
    pub state: UpdateState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// `update in progress`
    pub message: String,
}

/// Where an update is. An empty state is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// It goes on.
    Updating,
    /// It was paused after a failure.
    Paused,
    /// It is done.
    Completed,
    /// It failed and goes back.
    RollbackStarted,
    /// Going back failed too.
    RollbackPaused,
    /// It has gone back.
    RollbackCompleted,
    /// Something else, or nothing.
    #[default]
    #[serde(other)]
    Unknown,
}

impl UpdateState {
    /// The engine's word.
    pub fn as_str(self) -> &'static str {
        match self {
            UpdateState::Updating => "updating",
            UpdateState::Paused => "paused",
            UpdateState::Completed => "completed",
            UpdateState::RollbackStarted => "rollback_started",
            UpdateState::RollbackPaused => "rollback_paused",
            UpdateState::RollbackCompleted => "rollback_completed",
            UpdateState::Unknown => "",
        }
    }
}

/// How many tasks a service has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceStatus {
    /// That run.
    pub running_tasks: u64,
    /// That should run.
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
    /// When it began.
    pub last_execution: Option<Timestamp>,
}

impl Named for Service {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.spec.name
    }
}

impl Services {
    /// All services, with how many of their tasks run, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn list(&self, cancel: &CancellationToken) -> Result<Vec<Service>, ServiceError> {
        let list = self.engine.get_json("/services", &[("status", "true")], cancel).await;
        list.map_err(ServiceError::of("list the services"))
    }

    /// The tasks that `filters` let through, in the engine's order. Filters are the API's:
    /// `[("service", "ID"), ("desired-state", "running")]`; values of one name are alternatives.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn tasks(
        &self,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<Task>, ServiceError> {
        let filters = filters_json(filters);
        let query: &[(&str, &str)] =
            if filters == "{}" { &[] } else { &[("filters", filters.as_str())] };
        let list = self.engine.get_json("/tasks", query, cancel).await;
        list.map_err(ServiceError::of("list the tasks"))
    }

    /// All nodes, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn nodes(&self, cancel: &CancellationToken) -> Result<Vec<Node>, ServiceError> {
        let list = self.engine.get_json("/nodes", &[], cancel).await;
        list.map_err(ServiceError::of("list the nodes"))
    }
}

/// The API's `filters` parameter: `{"name": ["value", …]}`.
pub(crate) fn filters_json(filters: &[(&str, &str)]) -> String {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in filters {
        all.entry(name).or_default().push(value);
    }
    serde_json::json!(all).to_string()
}

/// `null`, which an engine sends for an empty list or map, is the default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
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

    #[test]
    fn states_are_in_the_order_in_which_they_happen() {
        assert!(TaskState::Pending < TaskState::Running);
        assert!(!TaskState::Running.is_over() && TaskState::Complete.is_over());
        let state: TaskState = serde_json::from_str("\"preparing\"").unwrap();
        assert_eq!(state.as_str(), "preparing");
    }

    #[test]
    fn filters_of_one_name_are_alternatives() {
        let filters = [("service", "a"), ("node", "n"), ("service", "b")];
        assert_eq!(filters_json(&filters), r#"{"node":["n"],"service":["a","b"]}"#);
    }
}
