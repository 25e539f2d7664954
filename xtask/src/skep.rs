//! The `skep` binary: building it, and its path.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, bail};

use crate::run::Work;

/// How the binary is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As for the tests, so that their build is reused.
    Dev,
    /// As it is shipped.
    Release,
}

/// Builds `skep` and returns its path.
pub(crate) async fn build(work: &Work, profile: Profile) -> Result<PathBuf> {
    let mut args = vec!["build", "--locked", "--package", "skep-cli", "--bin", "skep"];
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            args.push("--release");
            "release"
        }
    };
    work.shown(work.cargo(args), Duration::from_secs(30 * 60), |_| {}).await?;
    let binary = work.target().join(folder).join("skep");
    if !binary.is_file() {
        bail!("cargo built skep, but {} is not there", binary.display());
    }
    Ok(binary)
}
