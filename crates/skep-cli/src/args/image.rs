//! `skep image …`

use clap::Subcommand;

use super::Listing;

/// `skep image …`
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Put images on machines, from this host's engine or from archives: read once, brought to all
    /// at the same time, only where they are not
    Load {
        /// Images of this host's engine, or archives as `docker save` writes them or in the OCI's
        /// layout
        #[arg(required = true, value_name = "IMAGE|FILE")]
        sources: Vec<String>,
        /// On this machine only; may be repeated [default: all]
        #[arg(long, value_name = "MACHINE")]
        machine: Vec<String>,
    },
    /// List the images of machines, and who has them
    Ls {
        /// On this machine only; may be repeated [default: all]
        #[arg(long, value_name = "MACHINE")]
        machine: Vec<String>,
        #[command(flatten)]
        listing: Listing,
    },
}
