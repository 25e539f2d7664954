//! The command line: what may be written, and nothing about what it does.

pub mod given;
pub mod image;
pub mod machine;
pub mod objects;
pub mod service;
pub mod stack;
pub mod swarm;

use std::{path::PathBuf, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell as CompletionShell;
use ipnet::Ipv4Net;
use skep_model::{Bytes, ClusterName, Port};
use skep_os::import::{Digest, Name, Origin};
use skep_swarm::Availability;

use crate::progress::Progress;

/// skep gives a Docker Swarm its machines
#[derive(Debug, Parser)]
#[command(
    name = "skep",
    version,
    about = "Gives a Docker Swarm its machines",
    after_help = "Begin with `skep up`: one manager and three workers, joined into one swarm.",
    infer_subcommands = false,
    propagate_version = false
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The cluster to work on [default: the only one there is; `up` makes `skep`] [env: SKEP_CLUSTER]
    // The environment is read in `context`: there an empty variable is none, as for every shell.
    #[arg(
        id = "cluster",
        long = "name",
        short = 'n',
        visible_alias = "cluster",
        global = true,
        value_name = "CLUSTER"
    )]
    pub name: Option<ClusterName>,

    /// Whether it is `SKEP_CLUSTER` that says which, for all that a session does.
    #[arg(skip)]
    pub named_by_environment: bool,
    /// The Docker Engine of a manager, for commands about services, nodes and stacks: unix://PATH,
    /// in place of a cluster of skep's [env: SKEP_ENGINE]
    #[arg(long, global = true, value_name = "URL")]
    pub engine: Option<String>,
    /// Where skep keeps its state [default: $XDG_DATA_HOME/skep] [env: SKEP_HOME]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub home: Option<PathBuf>,
    /// How progress is shown, on standard error
    #[arg(long, global = true, value_parser = progress(), default_value = "auto", value_name = "STYLE")]
    pub progress: Progress,
    /// Whether colours are used
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// The cluster, for commands in which `--name` or `-n` means something else, as with docker: there
/// it is said with `--cluster` only.
// An argument with the ID of a global one takes its place.
#[derive(Debug, Clone, Args)]
pub struct OtherName {
    /// The cluster to work on [default: the only one there is] [env: SKEP_CLUSTER]
    #[arg(id = "cluster", long = "cluster", value_name = "CLUSTER", help_heading = "Everywhere")]
    pub name: Option<ClusterName>,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Listing {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Print names or IDs only
    #[arg(long, short)]
    pub quiet: bool,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document with `schema`.
    Json,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the cluster's machines and join them into one swarm, or finish what was begun
    Up(Up),
    /// Remove the cluster with everything it has
    Down,
    /// Show the status of every machine
    Status(StatusArgs),
    /// Look at everything `up` needs of this host, touching nothing
    Doctor(DoctorArgs),
    /// Print the environment that points the docker CLI at a machine
    Env(EnvArgs),
    /// Print shell functions and completions: `dminit NAME` is `eval "$(skep env NAME)"`
    ShellInit {
        /// The shell [default: the one that runs]
        shell: Option<String>,
    },
    /// Machines
    #[command(subcommand)]
    Machine(machine::Machine),
    /// CA certificates on every machine
    #[command(subcommand)]
    Cert(Cert),
    /// The swarm itself
    #[command(subcommand)]
    Swarm(swarm::Swarm),
    /// Nodes of the swarm
    #[command(subcommand)]
    Node(Node),
    /// Services
    #[command(subcommand)]
    Service(service::Service),
    /// Secrets, which only the tasks they are given to can read
    #[command(subcommand)]
    Secret(objects::Secret),
    /// Configs: files that are given to tasks
    #[command(subcommand)]
    Config(objects::Config),
    /// Networks that services are attached to
    #[command(subcommand)]
    Network(objects::Network),
    /// Stacks: services and what they need, from Compose files
    #[command(subcommand)]
    Stack(stack::Stack),
    /// Images on every machine, without a registry
    #[command(subcommand)]
    Image(image::Image),
    /// The guest system of the machines
    #[command(subcommand)]
    Os(Os),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: CompletionShell,
    },
    /// Print the manual page
    Man,
}

/// What machines are wanted.
#[derive(Debug, Args)]
pub struct MachineOptions {
    #[command(flatten)]
    pub given: given::Given,
    /// How many managers [default: 1, or as many as there are]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub managers: Option<usize>,
    /// How many workers [default: 3, or as many as there are]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub workers: Option<usize>,
    /// The driver that creates the machines: auto, container, qemu or virtualbox
    #[arg(long, default_value = "auto")]
    pub driver: String,
    /// The network of the machines [default: a free one in 192.168.0.0/16]
    #[arg(long, value_name = "CIDR")]
    pub subnet: Option<Ipv4Net>,
    /// A port that every machine answers on at its address, besides SSH and the engine; may be repeated
    #[arg(long, short, value_name = "[HOST:]PORT[/udp]")]
    pub publish: Vec<Port>,
    /// Memory of each machine, in megabytes or with a unit [default: qemu 1G, container no limit]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Processors of each machine [default: qemu 1 emulated or 2, container no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: Option<u32>,
    /// The most a machine's disk may hold (qemu) [default: 20G]
    #[arg(long, value_name = "SIZE")]
    pub disk_size: Option<Bytes>,
    /// The QEMU to run [default: qemu-system-… on the PATH]
    #[arg(long, value_name = "PATH", help_heading = "Driver qemu")]
    pub qemu_binary: Option<PathBuf>,
    /// How QEMU runs the machines' code: auto, kvm, hvf or tcg (emulation)
    #[arg(long, default_value = "auto", help_heading = "Driver qemu")]
    pub accel: String,
    /// The segment between the machines: private, or bridge=NAME for a bridge of the host's [default: private]
    #[arg(long, value_name = "SEGMENT", help_heading = "Driver qemu")]
    pub network: Option<String>,
}

/// `skep up`
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub machines: MachineOptions,
    /// A CA certificate (PEM, bundle or DER) that every machine is to trust; may be repeated
    #[arg(long = "ca-certificate", value_name = "FILE")]
    pub ca_certificates: Vec<PathBuf>,
    /// How long machines may take to be ready
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
    pub timeout: Duration,
    /// Make a new swarm in place of one whose managers are all gone for good; the nodes that are
    /// left leave it, which ends what they run
    #[arg(long)]
    pub new_swarm: bool,
}

/// `skep doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub machines: MachineOptions,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `skep status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `skep env`
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The machine [default: default]
    pub machine: Vec<String>,
    /// The shell to print for [default: the one that runs]
    #[arg(long)]
    pub shell: Option<String>,
    /// Take the variables away again
    #[arg(long, short)]
    pub unset: bool,
    /// Add the machine's address to NO_PROXY
    #[arg(long)]
    pub no_proxy: bool,
    /// Make a context of the docker CLI instead, and print its name
    #[arg(long, conflicts_with_all = ["unset", "shell", "no_proxy"])]
    pub context: bool,
    /// Refused: Docker Swarm is part of every engine by now
    #[arg(long, hide = true)]
    pub swarm: bool,
}

/// `skep cert …`
#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Make machines trust CA certificates
    Install {
        /// The certificates: PEM, bundles or DER
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        target: Target,
        /// Move a node's tasks to others before its engine is restarted, and give it its availability back
        #[arg(long)]
        drain: bool,
    },
    /// List the CA certificates that were installed
    Ls {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        listing: Listing,
    },
    /// Prove from inside each machine that a server is trusted: a TLS handshake whose chain ends in an installed root
    Verify {
        /// The roots to prove it with [default: every installed one]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The server to shake hands with
        #[arg(long, default_value = "registry-1.docker.io:443", value_name = "HOST:PORT")]
        server: String,
        /// The machine [default: all]
        #[arg(long, value_name = "MACHINE")]
        machine: Vec<String>,
    },
    /// Remove installed CA certificates
    Rm {
        /// The certificates: a file, the beginning of a fingerprint, or a part of the subject
        #[arg(required = true, value_name = "CERTIFICATE")]
        certificates: Vec<String>,
        #[command(flatten)]
        target: Target,
        /// Move a node's tasks to others before its engine is restarted, and give it its
        /// availability back
        #[arg(long)]
        drain: bool,
    },
}

/// Where certificates are meant.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// For this registry only, in the engine's certs.d
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: Option<String>,
    /// On this machine only; may be repeated [default: all]
    #[arg(long, value_name = "MACHINE")]
    pub machine: Vec<String>,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// worker
    Worker,
    /// manager
    Manager,
}

/// `skep node …`
#[derive(Debug, Subcommand)]
pub enum Node {
    /// List nodes
    Ls(Listing),
    /// Show nodes as the engine knows them, as JSON
    Inspect {
        /// The nodes: names, IDs, or self
        #[arg(required = true)]
        nodes: Vec<String>,
        /// For people, in place of JSON
        #[arg(long)]
        pretty: bool,
    },
    /// List the tasks on nodes
    Ps(service::NodePsArgs),
    /// Change availability, role or labels
    Update {
        /// The node
        node: String,
        /// active, pause or drain
        #[arg(long, value_enum)]
        availability: Option<AvailabilityArg>,
        /// worker or manager
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// Add or change a label; may be repeated
        #[arg(long, value_name = "KEY[=VALUE]")]
        label_add: Vec<String>,
        /// Remove a label; may be repeated
        #[arg(long, value_name = "KEY")]
        label_rm: Vec<String>,
        /// Even if the swarm loses its quorum
        #[arg(long)]
        force: bool,
    },
    /// Move tasks away and give it no new ones
    Drain(DrainArgs),
    /// Give it tasks again
    Activate(Nodes),
    /// Make workers managers
    Promote(Nodes),
    /// Make managers workers
    Demote(Nodes),
    /// Remove nodes from the swarm's list
    Rm(Nodes),
}

/// Nodes to change.
#[derive(Debug, Args)]
pub struct Nodes {
    /// The nodes: names, IDs, or self
    #[arg(required = true)]
    pub nodes: Vec<String>,
    /// Even if the swarm loses its quorum, or the node still runs
    #[arg(long, short)]
    pub force: bool,
}

/// `skep node drain`
#[derive(Debug, Args)]
pub struct DrainArgs {
    #[command(flatten)]
    pub nodes: Nodes,
    /// Wait until no task runs there, and every service has as many elsewhere as it had
    #[arg(long)]
    pub wait: bool,
    /// How long that may take
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "TIME")]
    pub timeout: Duration,
}

/// An availability on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AvailabilityArg {
    /// New tasks are placed here
    Active,
    /// Running tasks stay, no new ones come
    Pause,
    /// Running tasks are moved away
    Drain,
}

impl From<AvailabilityArg> for Availability {
    fn from(arg: AvailabilityArg) -> Self {
        match arg {
            AvailabilityArg::Active => Availability::Active,
            AvailabilityArg::Pause => Availability::Pause,
            AvailabilityArg::Drain => Availability::Drain,
        }
    }
}

impl From<RoleArg> for skep_model::Role {
    fn from(arg: RoleArg) -> Self {
        match arg {
            RoleArg::Worker => skep_model::Role::Worker,
            RoleArg::Manager => skep_model::Role::Manager,
        }
    }
}

/// `skep os …`
#[derive(Debug, Subcommand)]
pub enum Os {
    /// Build the guest system, unless it is built
    Build {
        /// Also pack it for virtual machines, as driver qemu does when it needs it
        #[arg(long)]
        vm: bool,
        /// Also pack it as a bootable ISO, for BIOS and UEFI; `skep os ls --format json` tells where
        #[arg(long)]
        iso: bool,
    },
    /// List guest systems, built and imported
    Ls(Listing),
    /// Take over an ISO image made elsewhere: boot2docker.iso, say
    Import {
        /// The image: a file, or an http or https address
        #[arg(value_name = "PATH|URL")]
        origin: Origin,
        /// The sha256 it must have
        #[arg(long, value_name = "HEX")]
        sha256: Option<Digest>,
        /// The name to list it under [default: its file's]
        // `--name` is the cluster's.
        #[arg(id = "as", long, value_name = "NAME")]
        name: Option<Name>,
    },
    /// Remove guest systems, and their images from the Docker Engine
    Rm {
        /// The beginnings of their digests, or the names of imported ones
        #[arg(required = true, value_name = "DIGEST|NAME")]
        systems: Vec<String>,
    },
}

fn progress() -> impl TypedValueParser<Value = Progress> {
    PossibleValuesParser::new(Progress::WORDS).try_map(|word| word.parse::<Progress>())
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it is not a number of machines: write 0, 1, 2, …".to_owned())
}

/// The longest that anything is waited for, in seconds: a year. A longer one is a slip of the hand,
/// and the clock has an end.
pub(crate) const MOST_SECONDS: u64 = 366 * 24 * 3600;

/// How long something may take.
fn duration(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("{error}: write 90s, 5m or 1h"))?;
    match duration {
        Duration::ZERO => Err("nothing is done in no time: write 90s, 5m or 1h".into()),
        long if long > Duration::from_secs(MOST_SECONDS) => {
            Err("it is more than a year: write 90s, 5m or 1h".into())
        }
        fine => Ok(fine),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_time_is_more_than_none_and_less_than_for_ever() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["0", "0s", "0ms", "-1s", "5", "", "500y", "99999999999999999999s"] {
            let said = duration(wrong).unwrap_err();
            assert!(said.ends_with("write 90s, 5m or 1h"), "{wrong}: {said}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
