//! The flags that `service create` and `service update` share.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use skep_service::{
    api::{EndpointMode, FailureAction, RestartCondition, UpdateOrder},
    spec::{
        Cpus, CredentialSpec, Health, KeyValue, Memory, Options, PositiveSpan, Ratio, Resources,
        Restart, Rollout, Span, Words, value::truth,
    },
};

/// What both take.
#[derive(Debug, Args)]
pub struct ServiceFlags {
    #[command(flatten)]
    pub container: ContainerFlags,
    #[command(flatten)]
    pub tasks: TaskFlags,
    #[command(flatten)]
    pub rollout: RolloutFlags,
    #[command(flatten)]
    pub health: HealthFlags,
    #[command(flatten)]
    pub registry: RegistryFlags,
}

/// Flags about containers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Container")]
pub struct ContainerFlags {
    /// In place of the image's entrypoint
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub entrypoint: Option<Words>,
    /// The working directory
    #[arg(long, short, value_name = "PATH")]
    pub workdir: Option<String>,
    /// Who runs it: a name or number, perhaps with a group behind a colon
    #[arg(long, short, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Its host name; may hold {{.Node.Hostname}} and the like
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Whether an init forwards signals and reaps processes
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub init: Option<bool>,
    /// Whether it has a terminal
    #[arg(long, short, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub tty: Option<bool>,
    /// Whether its root file system can only be read
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub read_only: Option<bool>,
    /// A Linux capability to have; may be repeated
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// A Linux capability not to have; may be repeated
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// The signal that asks it to end
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// How long it may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "TIME")]
    pub stop_grace_period: Option<Span>,
    /// Who takes what it writes
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// An option of the log driver; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<KeyValue>,
    /// How containers are kept apart (Windows)
    #[arg(long, value_name = "ISOLATION")]
    pub isolation: Option<String>,
    /// A managed service account (Windows): config://NAME, file://FILE or registry://VALUE
    #[arg(long, value_name = "SPEC")]
    pub credential_spec: Option<CredentialSpec>,
}

/// Flags about tasks, what they may use and where they go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskFlags {
    /// How many tasks; of a job, how many are to end well
    #[arg(long, value_name = "N")]
    pub replicas: Option<u64>,
    /// At most so many tasks on one node; 0 is no limit
    #[arg(long, value_name = "N")]
    pub replicas_max_per_node: Option<u64>,
    /// Of a job, how many tasks run at once [default: as many as --replicas]
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<u64>,
    /// At most so many processors for each task
    #[arg(long, value_name = "CPUS")]
    pub limit_cpu: Option<Cpus>,
    /// At most so much memory for each task
    #[arg(long, value_name = "SIZE")]
    pub limit_memory: Option<Memory>,
    /// At most so many processes in each task; 0 is no limit
    #[arg(long, value_name = "N")]
    pub limit_pids: Option<i64>,
    /// Processors that a node must have left for a task
    #[arg(long, value_name = "CPUS")]
    pub reserve_cpu: Option<Cpus>,
    /// Memory that a node must have left for a task
    #[arg(long, value_name = "SIZE")]
    pub reserve_memory: Option<Memory>,
    /// When a task is started again [default: any]
    #[arg(long, value_parser = PossibleValuesParser::new(["none", "on-failure", "any"]).map(RestartCondition::from), value_name = "WHEN")]
    pub restart_condition: Option<RestartCondition>,
    /// How long to wait before a task is started again [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub restart_delay: Option<Span>,
    /// How often a task is started again at most; 0 is no limit
    #[arg(long, value_name = "N")]
    pub restart_max_attempts: Option<u64>,
    /// The time within which restarts are counted
    #[arg(long, value_name = "TIME")]
    pub restart_window: Option<Span>,
    /// How its name resolves: to one virtual address, or to the tasks' own [default: vip]
    #[arg(long, value_parser = PossibleValuesParser::new(["vip", "dnsrr"]).map(EndpointMode::from), value_name = "MODE")]
    pub endpoint_mode: Option<EndpointMode>,
}

/// Flags about updates and rollbacks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Updates and rollbacks")]
pub struct RolloutFlags {
    /// How many tasks are updated at once; 0 is all [default: 1]
    #[arg(long, value_name = "N")]
    pub update_parallelism: Option<u64>,
    /// How long to wait between tasks [default: 0s]
    #[arg(long, value_name = "TIME")]
    pub update_delay: Option<Span>,
    /// How long a new task is watched for failure [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub update_monitor: Option<Span>,
    /// What a failed update leads to [default: pause]
    #[arg(long, value_parser = PossibleValuesParser::new(["pause", "continue", "rollback"]).map(FailureAction::from), value_name = "ACTION")]
    pub update_failure_action: Option<FailureAction>,
    /// The share of tasks that may fail, from 0 to 1 [default: 0]
    #[arg(long, value_name = "RATIO")]
    pub update_max_failure_ratio: Option<Ratio>,
    /// Whether a new task starts before or after the old one stops [default: stop-first]
    #[arg(long, value_parser = PossibleValuesParser::new(["start-first", "stop-first"]).map(UpdateOrder::from), value_name = "ORDER")]
    pub update_order: Option<UpdateOrder>,
    /// How many tasks are rolled back at once; 0 is all [default: 1]
    #[arg(long, value_name = "N")]
    pub rollback_parallelism: Option<u64>,
    /// How long to wait between tasks of a rollback [default: 0s]
    #[arg(long, value_name = "TIME")]
    pub rollback_delay: Option<Span>,
    /// How long a task that was rolled back is watched for failure [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub rollback_monitor: Option<Span>,
    /// What a failed rollback leads to [default: pause]
    #[arg(long, value_parser = PossibleValuesParser::new(["pause", "continue"]).map(FailureAction::from), value_name = "ACTION")]
    pub rollback_failure_action: Option<FailureAction>,
    /// The share of tasks of a rollback that may fail, from 0 to 1 [default: 0]
    #[arg(long, value_name = "RATIO")]
    pub rollback_max_failure_ratio: Option<Ratio>,
    /// Whether a task starts before or after the one it replaces stops [default: stop-first]
    #[arg(long, value_parser = PossibleValuesParser::new(["start-first", "stop-first"]).map(UpdateOrder::from), value_name = "ORDER")]
    pub rollback_order: Option<UpdateOrder>,
}

/// Flags about health.
#[derive(Debug, Args)]
#[command(next_help_heading = "Health")]
pub struct HealthFlags {
    /// The command that tells whether a container is healthy
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub health_cmd: Option<String>,
    /// How long to wait between checks
    #[arg(long, value_name = "TIME")]
    pub health_interval: Option<PositiveSpan>,
    /// How long one check may take
    #[arg(long, value_name = "TIME")]
    pub health_timeout: Option<PositiveSpan>,
    /// How many checks in a row must fail
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u64>,
    /// How long after a start failures do not count
    #[arg(long, value_name = "TIME")]
    pub health_start_period: Option<PositiveSpan>,
    /// How long to wait between checks in that time (API 1.44)
    #[arg(long, value_name = "TIME")]
    pub health_start_interval: Option<PositiveSpan>,
    /// Switch the image's own check off
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub no_healthcheck: bool,
}

/// Flags about the image's registry.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryFlags {
    /// Give the nodes what docker's own configuration has to log in to the registry with
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub with_registry_auth: bool,
    /// Do not ask the registry for the image's digest and platforms
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub no_resolve_image: bool,
}

impl ServiceFlags {
    /// What they ask; lists that only one of the two commands has are left to it.
    pub(super) fn options(self) -> (Options, RegistryFlags) {
        let Self { container, tasks, rollout, health, registry } = self;
        let options = Options {
            entrypoint: container.entrypoint,
            hostname: container.hostname,
            workdir: container.workdir,
            user: container.user,
            credential_spec: container.credential_spec,
            init: container.init,
            isolation: container.isolation,
            tty: container.tty,
            read_only: container.read_only,
            stop_signal: container.stop_signal,
            stop_grace_period: container.stop_grace_period,
            cap_add: container.cap_add,
            cap_drop: container.cap_drop,
            log_driver: container.log_driver,
            log_options: container.log_opt,
            resources: Resources {
                limit_cpu: tasks.limit_cpu,
                limit_memory: tasks.limit_memory,
                limit_pids: tasks.limit_pids,
                reserve_cpu: tasks.reserve_cpu,
                reserve_memory: tasks.reserve_memory,
                generic: Vec::new(),
            },
            restart: Restart {
                condition: tasks.restart_condition,
                delay: tasks.restart_delay,
                max_attempts: tasks.restart_max_attempts,
                window: tasks.restart_window,
            },
            replicas_max_per_node: tasks.replicas_max_per_node,
            replicas: tasks.replicas,
            max_concurrent: tasks.max_concurrent,
            endpoint_mode: tasks.endpoint_mode,
            update: Rollout {
                parallelism: rollout.update_parallelism,
                delay: rollout.update_delay,
                monitor: rollout.update_monitor,
                failure_action: rollout.update_failure_action,
                max_failure_ratio: rollout.update_max_failure_ratio,
                order: rollout.update_order,
            },
            rollback: Rollout {
                parallelism: rollout.rollback_parallelism,
                delay: rollout.rollback_delay,
                monitor: rollout.rollback_monitor,
                failure_action: rollout.rollback_failure_action,
                max_failure_ratio: rollout.rollback_max_failure_ratio,
                order: rollout.rollback_order,
            },
            health: Health {
                test: health.health_cmd.map(Health::shell),
                interval: health.health_interval,
                timeout: health.health_timeout,
                retries: health.health_retries,
                start_period: health.health_start_period,
                start_interval: health.health_start_interval,
                none: health.no_healthcheck,
            },
            ..Options::default()
        };
        (options, registry)
    }
}
