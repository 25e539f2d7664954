//! What needs root.

use std::{fs, os::unix::fs::MetadataExt as _, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::run::{Work, find_program};

/// An installation of many packages over a slow line.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Whether this is root.
pub(super) fn is_root() -> Result<bool> {
    let own = fs::metadata("/proc/self").context("cannot read /proc/self")?;
    Ok(own.uid() == 0)
}

/// Runs a command as root, through sudo if need be, on this terminal: sudo may ask.
pub(super) async fn as_root(work: &Work, command: &[&str]) -> Result<()> {
    let line = command.join(" ");
    let mut words = command.to_vec();
    if !is_root()? {
        if find_program("sudo").is_none() {
            bail!("this needs root, and there is no sudo\n  fix: run as root: {line}");
        }
        words.insert(0, "sudo");
    }
    println!("   $ {}", words.join(" "));
    let status = work.watched(words[0], &words[1..], LONGEST).await?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}
