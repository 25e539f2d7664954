//! `skep service …`: docker's flags, and a few of skep's own.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Format, Listing, OtherName, duration};

pub mod create;
pub mod flags;
pub mod update;

pub use create::CreateArgs;
pub use update::{RollbackArgs, ScaleArgs, UpdateArgs};

/// `skep service …`
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Make a service
    Create(Box<CreateArgs>),
    /// List services
    Ls(LsArgs),
    /// Show services as the engine knows them
    Inspect(InspectArgs),
    /// List the tasks of services
    Ps(PsArgs),
    /// Change how many tasks replicated services have
    Scale(ScaleArgs),
    /// Change a service
    Update(Box<UpdateArgs>),
    /// Take the last update of a service back
    Rollback(RollbackArgs),
    /// Even out a service's tasks over the nodes, after one has come back
    Rebalance(RebalanceArgs),
    /// Watch a service until it has converged: all its tasks run, or it is known why not
    Watch(WatchArgs),
    /// Show what the tasks of a service, or one task, have written
    Logs(LogsArgs),
    /// Send requests to a published port of every machine, and show who answered how fast
    Probe(ProbeArgs),
    /// Remove services
    Rm {
        /// The services: names or IDs
        #[arg(required = true, value_name = "SERVICE")]
        services: Vec<String>,
    },
}

/// Whether, how long and how visibly to wait until a service has converged.
#[derive(Debug, Clone, Args)]
pub struct Wait {
    /// Return at once, without waiting for the tasks
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true)]
    pub detach: bool,
    /// Do not show progress
    #[arg(long, short)]
    pub quiet: bool,
    /// How long the tasks may take
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "TIME")]
    pub timeout: Duration,
}

/// `skep service rebalance`
#[derive(Debug, Args)]
pub struct RebalanceArgs {
    /// The services: names or IDs
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    pub wait: Wait,
}

/// `skep service ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Only those that match: id=, name=, label=, mode=
    #[arg(long, short, value_name = "FILTER")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `skep service ps`
#[derive(Debug, Args)]
pub struct PsArgs {
    /// The services: names or IDs
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    pub tasks: TaskListing,
}

/// `skep node ps`
#[derive(Debug, Args)]
pub struct NodePsArgs {
    /// The nodes: names, IDs, or self [default: self]
    #[arg(value_name = "NODE")]
    pub nodes: Vec<String>,
    #[command(flatten)]
    pub tasks: TaskListing,
}

/// How tasks are listed.
#[derive(Debug, Args)]
pub struct TaskListing {
    /// Only those that match: id=, name=, node=, desired-state=
    #[arg(long, short, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Do not cut long texts
    #[arg(long)]
    pub no_trunc: bool,
    /// Show IDs in place of names
    #[arg(long)]
    pub no_resolve: bool,
    #[command(flatten)]
    pub listing: Listing,
}

/// `skep service inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The services: names or IDs
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// For people, in place of JSON
    #[arg(long)]
    pub pretty: bool,
}

/// `skep service watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The services: names or IDs
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Do not show progress
    #[arg(long, short)]
    pub quiet: bool,
    /// How long the tasks may take
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "TIME")]
    pub timeout: Duration,
}

/// `skep service logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The service or task: name or ID
    #[arg(value_name = "SERVICE|TASK")]
    pub target: String,
    /// Show extra details provided to logs
    #[arg(long)]
    pub details: bool,
    /// Follow log output
    #[arg(long, short)]
    pub follow: bool,
    /// Do not map IDs to names
    #[arg(long)]
    pub no_resolve: bool,
    /// Do not include task IDs
    #[arg(long)]
    pub no_task_ids: bool,
    /// Do not cut IDs
    #[arg(long)]
    pub no_trunc: bool,
    /// Print what was written and nothing else
    #[arg(long)]
    pub raw: bool,
    /// Only what was written since: 2026-01-02T13:23:37Z, or so long ago: 42m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How many of the last lines of each task to show, or all
    #[arg(long, short = 'n', value_parser = tail, default_value = "all", value_name = "LINES")]
    pub tail: Tail,
    /// Show timestamps
    #[arg(long, short)]
    pub timestamps: bool,
    #[command(flatten)]
    pub other_name: OtherName,
}

/// How many of the last lines; all, if none is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail(pub Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => number
            .parse()
            .map(|lines| Tail(Some(lines)))
            .map_err(|_| "it is no number of lines: write 0, 1, 2, … or all".to_owned()),
    }
}

/// `skep service probe`
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// The service: name or ID
    pub service: String,
    /// How many requests to each machine
    #[arg(long, short = 'n', default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..), value_name = "N", conflicts_with = "watch")]
    pub requests: u64,
    /// What is asked for
    #[arg(long, default_value = "/", value_name = "PATH")]
    pub path: String,
    /// How it is asked: GET, HEAD or another method without a body
    #[arg(long, default_value = "GET", value_name = "METHOD")]
    pub method: String,
    /// The name that is asked for, in the request's Host header [default: the machine's address]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The header of the answers whose values are counted
    #[arg(long, default_value = "Server", value_name = "HEADER")]
    pub header: String,
    /// What an answer must be: a status as 204, or a text that its body has; may be repeated
    /// [default: a status below 400]
    #[arg(long, value_name = "STATUS|TEXT")]
    pub expect: Vec<String>,
    /// The published port, where there are several; or the container's
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Requests at once to each machine
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N", conflicts_with = "watch")]
    pub concurrency: u32,
    /// How long each of connecting, waiting for an answer and reading it may take
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "TIME")]
    pub timeout: Duration,
    /// Send requests at a steady rate until Ctrl-C, or until an update of the service has ended
    /// that is under way or begins meanwhile; say what was lost
    #[arg(long, short)]
    pub watch: bool,
    /// Requests a second to each machine
    #[arg(long, requires = "watch", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub rate: u32,
    /// End after this time at the latest
    #[arg(long, requires = "watch", value_parser = duration, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub other_name: OtherName,
}
