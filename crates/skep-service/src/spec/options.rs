//! Everything that can be asked of a service.

use crate::{
    api::{EndpointMode, FailureAction, PublishedPort, RestartCondition, UpdateOrder},
    spec::{
        attached::{Attachment, FileReference},
        container::{CredentialSpec, GenericResource, Host, Preference, Ulimit},
        mount::Mount,
        port::Ports,
        value::{Cpus, KeyValue, Label, Memory, PositiveSpan, Ratio, Span, Words},
    },
};

/// What is asked of a service, new or not. What is `None` or empty is not asked: a new service gets
/// docker's default, a service that is there keeps what it has. For a service that is there, lists
/// are what is added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    pub labels: Vec<Label>,
    pub container_labels: Vec<Label>,
    /// In place of the image's entrypoint.
    pub entrypoint: Option<Words>,
    /// `NAME=VALUE`, resolved: see [`super::env::variable`].
    pub env: Vec<String>,
    pub hostname: Option<String>,
    pub workdir: Option<String>,
    /// `name|uid[:group|gid]`
    pub user: Option<String>,
    pub groups: Vec<String>,
    /// Windows: an account managed elsewhere.
    pub credential_spec: Option<CredentialSpec>,
    /// Whether an init forwards signals and reaps processes.
    pub init: Option<bool>,
    /// Windows: how containers are kept apart.
    pub isolation: Option<String>,
    pub tty: Option<bool>,
    /// Whether its standard input stays open, which only Compose files ask for.
    pub open_stdin: Option<bool>,
    pub read_only: Option<bool>,
    /// `SIGTERM`
    pub stop_signal: Option<String>,
    /// How long a container may take to end.
    pub stop_grace_period: Option<Span>,
    pub mounts: Vec<Mount>,
    /// Name servers, each an address.
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    pub hosts: Vec<Host>,
    /// `net.core.somaxconn=1024`
    pub sysctls: Vec<KeyValue>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub ulimits: Vec<Ulimit>,
    pub secrets: Vec<FileReference>,
    pub configs: Vec<FileReference>,
    pub networks: Vec<Attachment>,
    pub resources: Resources,
    pub restart: Restart,
    /// `node.role==worker`
    pub constraints: Vec<String>,
    pub placement_preferences: Vec<Preference>,
    /// At most so many tasks on one node; 0 is no limit.
    pub replicas_max_per_node: Option<u64>,
    /// How many tasks; of a job, how many are to end well.
    pub replicas: Option<u64>,
    /// Of a job, how many tasks run at once.
    pub max_concurrent: Option<u64>,
    pub update: Rollout,
    pub rollback: Rollout,
    /// What the service's name resolves to.
    pub endpoint_mode: Option<EndpointMode>,
    pub publish: Vec<Ports>,
    /// `json-file`
    pub log_driver: Option<String>,
    pub log_options: Vec<KeyValue>,
    /// How containers are known to be healthy.
    pub health: Health,
}

impl Options {
    /// All published ports, one by one.
    pub fn ports(&self) -> impl Iterator<Item = PublishedPort> {
        self.publish.iter().flat_map(Ports::iter)
    }
}

/// Processors, memory and processes of each task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    pub limit_cpu: Option<Cpus>,
    pub limit_memory: Option<Memory>,
    /// At most so many processes; 0 is no limit.
    pub limit_pids: Option<i64>,
    /// Processors that a node must have left.
    pub reserve_cpu: Option<Cpus>,
    /// Memory that a node must have left.
    pub reserve_memory: Option<Memory>,
    pub generic: Vec<GenericResource>,
}

/// When a task is started again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restart {
    pub condition: Option<RestartCondition>,
    /// How long to wait before.
    pub delay: Option<Span>,
    pub max_attempts: Option<u64>,
    /// Within what time.
    pub window: Option<Span>,
}

impl Restart {
    pub(crate) fn is_asked(&self) -> bool {
        let Self { condition, delay, max_attempts, window } = self;
        condition.is_some() || delay.is_some() || max_attempts.is_some() || window.is_some()
    }
}

/// How an update or a rollback goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rollout {
    /// Tasks at once; 0 is all.
    pub parallelism: Option<u64>,
    /// Between tasks.
    pub delay: Option<Span>,
    /// How long a new task is watched.
    pub monitor: Option<Span>,
    pub failure_action: Option<FailureAction>,
    /// The share of tasks that may fail.
    pub max_failure_ratio: Option<Ratio>,
    /// Whether the old task or the new one is there first.
    pub order: Option<UpdateOrder>,
}

impl Rollout {
    pub(crate) fn is_asked(&self) -> bool {
        let Self { parallelism, delay, monitor, failure_action, max_failure_ratio, order } = self;
        parallelism.is_some()
            || delay.is_some()
            || monitor.is_some()
            || failure_action.is_some()
            || max_failure_ratio.is_some()
            || order.is_some()
    }
}

/// How containers are known to be healthy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// What is run, as the API has it: `["CMD-SHELL", "true"]`; an empty one leaves the image's own.
    pub test: Option<Vec<String>>,
    /// Between checks.
    pub interval: Option<PositiveSpan>,
    /// How long one may take.
    pub timeout: Option<PositiveSpan>,
    /// How many must fail in a row.
    pub retries: Option<u64>,
    /// How long failures do not count after a start.
    pub start_period: Option<PositiveSpan>,
    /// Between checks in that time. Engines know it since API 1.44.
    pub start_interval: Option<PositiveSpan>,
    /// Whether the image's own check is switched off.
    pub none: bool,
}

impl Health {
    /// The test that runs a command in the container's shell; an empty one is no test.
    pub fn shell(command: String) -> Vec<String> {
        if command.is_empty() { Vec::new() } else { vec!["CMD-SHELL".into(), command] }
    }

    pub(crate) fn is_asked(&self) -> bool {
        let Self { test, interval, timeout, retries, start_period, start_interval, none: _ } = self;
        test.is_some()
            || interval.is_some()
            || timeout.is_some()
            || retries.is_some()
            || start_period.is_some()
            || start_interval.is_some()
    }
}

/// What is taken away from a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removals {
    /// Labels of the service, by key.
    pub labels: Vec<String>,
    /// Labels of its containers, by key.
    pub container_labels: Vec<String>,
    /// Environment variables, by name.
    pub env: Vec<String>,
    pub groups: Vec<String>,
    /// Mounts, by their place in the container.
    pub mounts: Vec<String>,
    pub dns: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_search: Vec<String>,
    /// Host names: `NAME`, or `NAME:ADDRESS`.
    pub hosts: Vec<String>,
    /// Sysctls, by name.
    pub sysctls: Vec<String>,
    /// Limits of processes, by name.
    pub ulimits: Vec<String>,
    pub secrets: Vec<String>,
    pub configs: Vec<String>,
    /// Networks, by name or identifier.
    pub networks: Vec<String>,
    /// Generic resources, by kind.
    pub generic_resources: Vec<String>,
    /// Constraints, as they are written.
    pub constraints: Vec<String>,
    pub placement_preferences: Vec<Preference>,
    /// Ports, by the container's own.
    pub publish: Vec<Ports>,
}
