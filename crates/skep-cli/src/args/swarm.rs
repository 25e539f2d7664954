//! `skep swarm …`: docker's flags, for machines.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;
use skep_service::spec::value::PositiveSpan;
use skep_swarm::NodeAddress;

use super::{AvailabilityArg, RoleArg};

/// `skep swarm …`
#[derive(Debug, Subcommand)]
pub enum Swarm {
    /// Make a machine the first manager of a swarm
    Init(Box<InitArgs>),
    /// Join machines to the swarm
    Join(JoinArgs),
    /// Print how to join, or the token alone
    JoinToken {
        /// worker or manager
        #[arg(value_enum)]
        role: RoleArg,
        /// Make a new token; the old one is worth nothing from then on
        #[arg(long)]
        rotate: bool,
        /// Print the token only
        #[arg(long, short)]
        quiet: bool,
    },
    /// Make machines leave the swarm
    Leave {
        /// The machines
        #[arg(required = true)]
        machines: Vec<String>,
        /// Even if the swarm loses its quorum, or its last manager
        #[arg(long, short)]
        force: bool,
    },
    /// Say what the swarm looks like from its managers
    Status,
    /// Give locked managers the swarm's unlock key, which is read from the terminal or standard input
    Unlock {
        /// The machines [default: every one that is locked]
        machines: Vec<String>,
    },
    /// Print the key that unlocks the swarm's managers, or replace it
    UnlockKey {
        /// Make a new key; managers that are away need the old one until they have been back
        #[arg(long)]
        rotate: bool,
        /// Print the key only
        #[arg(long, short)]
        quiet: bool,
    },
    /// Change the swarm's settings
    #[command(arg_required_else_help = true)]
    Update {
        /// Change manager autolocking
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "TRUE|FALSE", value_parser = skep_service::spec::value::truth)]
        autolock: Option<bool>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print the swarm's root CA certificate, or replace it
    Ca(CaArgs),
}

/// `skep swarm init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The machine [default: the first manager]
    pub machine: Option<String>,
    /// The address the other nodes reach it at [default: the machine's own]
    #[arg(long, value_name = "IP|INTERFACE[:PORT]")]
    pub advertise_addr: Option<NodeAddress>,
    /// Encrypt the managers' keys, so that a manager needs the unlock key to start
    #[arg(long)]
    pub autolock: bool,
    /// The node's availability
    #[arg(long, value_enum, ignore_case = true, default_value = "active")]
    pub availability: AvailabilityArg,
    /// The address that overlay traffic goes through [default: the advertised one]
    #[arg(long, value_name = "IP|INTERFACE", value_parser = without_port)]
    pub data_path_addr: Option<NodeAddress>,
    /// The UDP port of overlay traffic, 1024 to 49151 [default: 4789]
    #[arg(long, value_name = "PORT", value_parser = data_path_port)]
    pub data_path_port: Option<u16>,
    /// Where overlay networks get their subnets from; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub default_addr_pool: Vec<Ipv4Net>,
    /// The prefix length of such a subnet [default: 24]
    #[arg(long, value_name = "BITS")]
    pub default_addr_pool_mask_length: Option<u8>,
    /// Make a manager the only one of the swarm it is in: for managers that are gone for good
    #[arg(long)]
    pub force_new_cluster: bool,
    /// With --force-new-cluster, even if other managers answer: there are two swarms then
    #[arg(long, short, requires = "force_new_cluster")]
    pub force: bool,
    /// Where it listens [default: 0.0.0.0:2377]
    #[arg(long, value_name = "IP|INTERFACE[:PORT]")]
    pub listen_addr: Option<NodeAddress>,
    #[command(flatten)]
    pub settings: Settings,
}

/// `skep swarm join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The machines
    #[arg(required = true)]
    pub machines: Vec<String>,
    /// As managers
    #[arg(long)]
    pub manager: bool,
    /// The address the other nodes reach it at [default: the machine's own]
    #[arg(long, value_name = "IP|INTERFACE[:PORT]")]
    pub advertise_addr: Option<NodeAddress>,
    /// The node's availability
    #[arg(long, value_enum, ignore_case = true, default_value = "active")]
    pub availability: AvailabilityArg,
    /// The address that overlay traffic goes through [default: the advertised one]
    #[arg(long, value_name = "IP|INTERFACE", value_parser = without_port)]
    pub data_path_addr: Option<NodeAddress>,
    /// Where it listens once it is a manager [default: 0.0.0.0:2377]
    #[arg(long, value_name = "IP|INTERFACE[:PORT]")]
    pub listen_addr: Option<NodeAddress>,
}

/// What a swarm's settings are, but for autolock.
#[derive(Debug, Args)]
pub struct Settings {
    /// How long nodes' certificates are valid [default: 2160h]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub cert_expiry: Option<Duration>,
    /// How often nodes tell a manager that they are there [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub dispatcher_heartbeat: Option<Duration>,
    /// An external signing authority: protocol=cfssl,url=URL[,cacert=FILE]; may be repeated
    #[arg(long, value_name = "SPECIFICATION")]
    pub external_ca: Vec<String>,
    /// How many Raft snapshots are kept besides the current one [default: 0]
    #[arg(long, value_name = "N")]
    pub max_snapshots: Option<u64>,
    /// How many log entries lie between two Raft snapshots [default: 10000]
    #[arg(long, value_name = "N")]
    pub snapshot_interval: Option<u64>,
    /// How many former tasks are kept [default: 5]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub task_history_limit: Option<i64>,
}

/// `skep swarm ca`
#[derive(Debug, Args)]
pub struct CaArgs {
    /// Replace the root CA; without a certificate or key the managers make new ones
    #[arg(long)]
    pub rotate: bool,
    /// The new root certificate, as PEM
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Its key, as PEM
    #[arg(long, value_name = "FILE")]
    pub ca_key: Option<PathBuf>,
    /// How long nodes' certificates are valid [default: 2160h]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub cert_expiry: Option<Duration>,
    /// Return at once, without waiting until every node has followed
    #[arg(long, short)]
    pub detach: bool,
    /// An external signing authority: protocol=cfssl,url=URL[,cacert=FILE]; may be repeated
    #[arg(long, value_name = "SPECIFICATION")]
    pub external_ca: Vec<String>,
    /// Do not show progress
    #[arg(long, short)]
    pub quiet: bool,
}

fn span(text: &str) -> Result<Duration, String> {
    let span: PositiveSpan = text.parse().map_err(|error| format!("{error}"))?;
    let nanoseconds = u64::try_from(span.0.as_nanoseconds()).unwrap_or_default();
    Ok(Duration::from_nanos(nanoseconds))
}

fn without_port(text: &str) -> Result<NodeAddress, String> {
    let address: NodeAddress = text.parse().map_err(|error| format!("{error}"))?;
    match address.port() {
        None => Ok(address),
        Some(port) => Err(format!("overlay traffic has a port of its own: leave :{port} out")),
    }
}

/// 0 is docker's way to leave it to the engine.
fn data_path_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port == 0 || (1024..=49151).contains(&port) => Ok(port),
        _ => Err("must be in the range 1024 - 49151".to_owned()),
    }
}
