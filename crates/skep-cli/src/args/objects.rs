//! `skep secret …`, `skep config …`, `skep network …`

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand};
use ipnet::IpNet;
use skep_service::spec::{KeyValue, Label, value::truth};

use super::Listing;

/// `skep secret …`
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Make a secret of a file, or of what comes on standard input
    Create {
        #[command(flatten)]
        create: CreateObject,
        /// Who keeps it, if not the swarm itself
        #[arg(long, short, conflicts_with = "file")]
        driver: Option<String>,
    },
    /// List secrets
    Ls(LsObjects),
    /// Show secrets as the engine knows them, without what is in them
    Inspect(Objects),
    /// Remove secrets
    Rm(Objects),
}

/// `skep config …`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Make a config of a file, or of what comes on standard input
    Create {
        #[command(flatten)]
        create: CreateObject,
    },
    /// List configs
    Ls(LsObjects),
    /// Show configs as the engine knows them
    Inspect(Objects),
    /// Remove configs
    Rm(Objects),
}

/// A secret or a config to be made.
#[derive(Debug, Args)]
pub struct CreateObject {
    /// Its name
    pub name: String,
    /// The file that is to be in it; - is standard input
    pub file: Option<PathBuf>,
    /// A label; may be repeated
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub label: Vec<Label>,
    /// Who fills in what is written as a template: golang
    #[arg(long, value_name = "DRIVER")]
    pub template_driver: Option<String>,
}

/// A list of secrets, configs or networks.
#[derive(Debug, Args)]
pub struct LsObjects {
    /// Only those that match: id=, label=, name=
    #[arg(long, short, value_name = "FILTER")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// Some that are there.
#[derive(Debug, Args)]
pub struct Objects {
    /// Names or IDs
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// `skep network …`
#[derive(Debug, Subcommand)]
pub enum Network {
    /// Make a network
    Create(Box<CreateNetwork>),
    /// List networks
    Ls(LsNetworks),
    /// Show networks as the engine knows them
    Inspect(Objects),
    /// Remove networks
    Rm {
        /// Names or IDs
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
        /// Also if there is no such network
        #[arg(long, short)]
        force: bool,
        /// Even the routing mesh's
        #[arg(long)]
        ingress: bool,
    },
}

/// `skep network ls`
#[derive(Debug, Args)]
pub struct LsNetworks {
    /// Only those that match: driver=, id=, label=, name=, scope=, type=
    #[arg(long, short, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Do not cut IDs
    #[arg(long)]
    pub no_trunc: bool,
    #[command(flatten)]
    pub listing: Listing,
}

/// `skep network create`
#[derive(Debug, Args)]
pub struct CreateNetwork {
    /// Its name
    pub name: String,
    /// What kind it is; services need overlay
    #[arg(long, short, default_value = "overlay")]
    pub driver: String,
    /// An option of the driver, as encrypted; may be repeated
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub opt: Vec<KeyValue>,
    /// A label; may be repeated
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub label: Vec<Label>,
    /// A subnet; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub subnet: Vec<IpNet>,
    /// The part of a subnet that addresses are taken from; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub ip_range: Vec<IpNet>,
    /// The gateway of a subnet; may be repeated
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub gateway: Vec<IpAddr>,
    /// Without a way out of it
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub internal: bool,
    /// Containers that are no service's may join it
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub attachable: bool,
    /// It is to be the routing mesh's
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub ingress: bool,
    /// With IPv6
    #[arg(long, value_parser = truth, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set, default_value = "false", hide_default_value = true)]
    pub ipv6: bool,
    /// Where it is: swarm or local [default: the driver's own]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub scope: String,
}
