//! `skep stack …`: docker's flags, and a few of skep's own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use skep_service::stack::ResolveImage;

use super::{
    Format, Listing,
    service::{TaskListing, Wait},
};

/// `skep stack …`
#[derive(Debug, Subcommand)]
pub enum Stack {
    /// Make the swarm have what Compose files say, and wait until it runs
    #[command(visible_alias = "up")]
    Deploy(Box<DeployArgs>),
    /// List stacks
    Ls {
        /// How the list is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List the tasks of a stack
    Ps {
        /// The stack
        stack: String,
        #[command(flatten)]
        tasks: TaskListing,
    },
    /// List the services of a stack
    Services {
        /// The stack
        stack: String,
        /// Only those that match: id=, name=, label=, mode=
        #[arg(long, short, value_name = "FILTER")]
        filter: Vec<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Remove stacks with all they have, and wait until their tasks have gone
    #[command(visible_aliases = ["down", "remove"])]
    Rm {
        /// The stacks
        #[arg(required = true, value_name = "STACK")]
        stacks: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

/// `skep stack deploy`
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The stack's name
    pub stack: String,
    /// A Compose file, or - for standard input; may be repeated, later ones over earlier ones
    #[arg(long = "compose-file", short, required = true, value_name = "FILE")]
    pub compose_files: Vec<PathBuf>,
    /// Say what would be done, field by field, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// At the end, once all has converged, remove services that are not in the files any more
    #[arg(long, conflicts_with = "detach")]
    pub prune: bool,
    /// Give the nodes what docker's own configuration has to log in to the registries with
    #[arg(long)]
    pub with_registry_auth: bool,
    /// When the digests of images are asked for at their registries
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub resolve_image: ResolveImageArg,
    #[command(flatten)]
    pub wait: Wait,
}

/// When digests are asked for, on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ResolveImageArg {
    /// At each deployment.
    #[default]
    Always,
    /// If the file names another image than at the last deployment.
    Changed,
    /// Never.
    Never,
}

impl From<ResolveImageArg> for ResolveImage {
    fn from(arg: ResolveImageArg) -> Self {
        match arg {
            ResolveImageArg::Always => ResolveImage::Always,
            ResolveImageArg::Changed => ResolveImage::Changed,
            ResolveImageArg::Never => ResolveImage::Never,
        }
    }
}
