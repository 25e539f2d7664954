//! `machine ssh|scp|mount`: other programs, told how to get there.

use std::{ffi::OsString, io::IsTerminal as _, os::unix::process::CommandExt as _, path::Path};

use crate::{context::Context, failure::Failure};

/// Becomes `ssh`, so that terminal, standard input and exit status are its own.
pub(super) fn ssh(context: &Context, machine: &str, command: &[OsString]) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let access = cluster.access(cluster.machine(machine)?)?;
    let terminal = command.is_empty() && std::io::stdin().is_terminal();
    let argv = access.interactive(terminal, command)?;
    #[expect(clippy::disallowed_methods, reason = "nothing is started here: skep becomes ssh")]
    let error = std::process::Command::new(&argv[0]).args(&argv[1..]).exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let fix = "install the OpenSSH client (`apt install openssh-client`)";
        return Err(Failure::failed("there is no `ssh` on this host").with_fix(fix));
    }
    Err(error.into())
}

/// What `machine scp` is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy<'a> {
    /// From where.
    pub(super) source: &'a str,
    /// Where to.
    pub(super) destination: &'a str,
    /// Directories, too.
    pub(super) recursive: bool,
    /// Differences only.
    pub(super) delta: bool,
    /// Without a word.
    pub(super) quiet: bool,
}

/// Copies between this host and machines.
pub(super) async fn scp(context: &Context, copy: Copy<'_>) -> Result<(), Failure> {
    let _ = (context, copy);
    todo!("D")
}

/// Mounts a directory of a machine, or unmounts it.
pub(super) async fn mount(
    context: &Context,
    source: &str,
    mountpoint: Option<&Path>,
    unmount: bool,
) -> Result<(), Failure> {
    let _ = (context, source, mountpoint, unmount);
    todo!("D")
}
