//! `machine ssh|scp|mount`: other programs, with the options to get there.

use std::{
    ffi::{OsStr, OsString},
    io::IsTerminal as _,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::Path,
};

use skep_guest::{
    Access,
    transfer::{Copying, End, plain, rsync, scp as scp_to, sshfs},
};
use skep_machine::System;
use skep_model::MachineState;

use super::{facts::Found, named::named_one, where_is::is_url};
use crate::{context::Context, failure::Failure};

/// Becomes `ssh`, so that terminal, standard input and exit status are its own.
pub(super) async fn ssh(
    context: &Context,
    machine: Option<&str>,
    command: &[OsString],
) -> Result<(), Failure> {
    let names: Vec<String> = machine.into_iter().map(str::to_owned).collect();
    let found = Found::of(context, &named_one(context, &names)?)?;
    let access = login(context, &found).await;
    // An earlier login that is still there says that it runs; else its driver is asked, which knows
    // at once what would take a connection's whole patience to find out.
    let logged_in = access.as_ref().is_ok_and(|access| access.control.exists());
    if !logged_in && !is_url(&found) {
        let state = found.state().await?;
        if state != MachineState::Running {
            let name = &found.machine.name;
            let failure = Failure::failed(format!(
                "cannot log in to {name}: it is {}",
                state.to_string().to_lowercase()
            ));
            return Err(failure
                .with_fix(format!("start it with `{} start {name}`", context.persona.verbs()))
                .with_theirs(format!(
                    "Error: Cannot run SSH command: Host \"{name}\" is not running"
                )));
        }
    }
    let terminal = command.is_empty() && std::io::stdin().is_terminal();
    // `--` ends this program's own options; docker-machine's users write it behind the machine.
    let command = match command.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => command,
    };
    become_program(&access?.interactive(terminal, command)?, "apt install openssh-client")
}

/// How a machine is logged in to. The key of a host that was never talked to is taken first.
async fn login(context: &Context, found: &Found) -> Result<Access, Failure> {
    if is_url(found) {
        let name = &found.machine.name;
        return Err(Failure::failed(format!(
            "nobody can log in to {name}: it is an engine's URL, and no machine is known behind it"
        )));
    }
    let access = found.cluster.access(&found.machine)?;
    if !access.known_hosts.exists() && found.machine.system() != System::Skep {
        found.cluster.guest(&found.machine, &context.cancel).await?;
    }
    Ok(access)
}

/// Becomes another program; comes back only if that cannot be.
fn become_program(argv: &[OsString], install: &str) -> Result<(), Failure> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(()) };
    #[expect(clippy::disallowed_methods, reason = "nothing is started here: skep becomes it")]
    let error = std::process::Command::new(program).args(arguments).exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let message = format!("there is no `{}` on this host", program.to_string_lossy());
        return Err(Failure::failed(message).with_fix(format!("install it: `{install}`")));
    }
    Err(error.into())
}

/// Looks for a program before anything else is looked for, as docker-machine does.
fn find(context: &Context, program: &str, purpose: &str, install: &str) -> Result<(), Failure> {
    let path = context.environment("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
        return Ok(());
    }
    let text = format!("You must have a copy of the {program} binary locally to use the {purpose}");
    Err(Failure::failed(text).with_fix(format!("install it: `{install}`")))
}

/// The arguments of `machine scp`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy<'a> {
    pub(super) source: &'a OsStr,
    pub(super) destination: &'a OsStr,
    pub(super) recursive: bool,
    pub(super) delta: bool,
    pub(super) quiet: bool,
}

/// Copies between this host and machines.
pub(super) async fn scp(context: &Context, copy: Copy<'_>) -> Result<(), Failure> {
    if copy.delta {
        find(context, "rsync", "--delta option", "apt install rsync")?;
    }
    let ends = [Place::parse(copy.source), Place::parse(copy.destination)];
    let mut ways = Vec::new();
    for end in &ends {
        ways.push(end.way(context).await?);
    }
    let [from, to] = [0, 1].map(|place| ends[place].end(copy, place, ways[place].as_ref()));
    let how = Copying { recursive: copy.recursive, quiet: copy.quiet };
    if !copy.delta {
        return become_program(&scp_to(from, to, how)?, "apt install openssh-client");
    }
    match rsync(from, to, how)? {
        Some(argv) => become_program(&argv, "apt install rsync"),
        None => {
            Err(Failure::usage("--delta copies to or from this host, not between two machines")
                .with_fix("leave --delta out, or copy by way of this host"))
        }
    }
}

/// One end of a copy as it was written: `[[USER@]MACHINE:]PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Here,
    There { user: Option<&'a str>, machine: &'a str, path: &'a str },
}

impl<'a> Place<'a> {
    fn parse(text: &'a OsStr) -> Self {
        let there = text.to_str().and_then(|text| text.split_once(':'));
        match there {
            Some((host, path)) if !host.is_empty() && !host.contains('/') => {
                let (user, machine) = match host.split_once('@') {
                    Some((user, machine)) => (Some(user), machine),
                    None => (None, host),
                };
                // docker-machine has this name for this host, but its path is the whole text.
                if machine == "localhost" {
                    return Place::Here;
                }
                Place::There { user, machine, path }
            }
            _ => Place::Here,
        }
    }

    async fn way(self, context: &Context) -> Result<Option<Access>, Failure> {
        match self {
            Place::Here => Ok(None),
            Place::There { machine, .. } => {
                login(context, &Found::of(context, machine)?).await.map(Some)
            }
        }
    }

    fn end<'b>(self, copy: Copy<'b>, place: usize, way: Option<&'b Access>) -> End<'b>
    where
        'a: 'b,
    {
        let text = if place == 0 { copy.source } else { copy.destination };
        match (self, way) {
            (Place::There { user, path, .. }, Some(access)) => End::There { access, user, path },
            _ => End::Here(local(text)),
        }
    }
}

/// A path of this host, without docker-machine's `localhost:` before it.
fn local(text: &OsStr) -> &OsStr {
    text.as_bytes().strip_prefix(b"localhost:").map_or(text, OsStr::from_bytes)
}

/// Mounts a directory of a machine, or unmounts it.
pub(super) async fn mount(
    context: &Context,
    source: &str,
    mountpoint: Option<&Path>,
    unmount: bool,
) -> Result<(), Failure> {
    let place = Place::parse(OsStr::new(source));
    if unmount {
        find(context, "fusermount", "unmount option", "apt install fuse3")?;
        let where_to = match (mountpoint, place) {
            (Some(mountpoint), _) => mountpoint,
            (None, Place::There { path, .. }) => Path::new(path),
            (None, Place::Here) => Path::new(source),
        };
        let argv = ["fusermount".into(), "-u".into(), plain(where_to.as_os_str())];
        return become_program(&argv, "apt install fuse3");
    }
    find(context, "sshfs", "mount feature", "apt install sshfs")?;
    let Place::There { user, machine, path } = place else {
        return Err(
            Failure::usage(format!("`{source}` names no machine")).with_fix("write MACHINE:PATH")
        );
    };
    let access = login(context, &Found::of(context, machine)?).await?;
    let mountpoint = mountpoint.unwrap_or(Path::new(path));
    become_program(&sshfs(&access, user, path, mountpoint.as_os_str())?, "apt install sshfs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stands_before_the_colon() {
        let parse = |text| Place::parse(OsStr::new(text));
        let there = |user, machine, path| Place::There { user, machine, path };
        assert_eq!(parse("web1:/etc/hosts"), there(None, "web1", "/etc/hosts"));
        assert_eq!(parse("root@web1:"), there(Some("root"), "web1", ""));
        for here in ["/etc/hosts", "./a:b", "/a:b", "localhost:/a", ":x", "x"] {
            assert_eq!(parse(here), Place::Here, "{here}");
        }
        assert_eq!(local(OsStr::new("localhost:/a")), "/a");
    }
}
