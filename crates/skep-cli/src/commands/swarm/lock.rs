//! `skep swarm unlock` and `unlock-key`.

use std::io::{self, IsTerminal as _, Write as _};

use futures_util::future::join_all;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use secrecy::{ExposeSecret as _, SecretString};
use skep_cluster::survey::survey;
use skep_swarm::{Cause, LocalNodeState, Swarm, SwarmError, Unlocked, lock::UNLOCK_PATIENCE};

use super::member;
use crate::{
    cluster_name::name_option,
    commands::print,
    context::Context,
    failure::{Exit, Failure},
    input,
};

/// docker's text about a key, to be kept with it.
pub(super) fn unlock_text(key: &SecretString) -> String {
    format!(
        "To unlock a swarm manager after it restarts, run the `docker swarm unlock`\n\
         command and provide the following key:\n\n    {}\n\n\
         Remember to store this key in a password manager, since without it you\n\
         will not be able to restart the manager.\n",
        key.expose_secret()
    )
}

pub(super) async fn unlock_key(
    context: &Context,
    rotate: bool,
    quiet: bool,
) -> Result<(), Failure> {
    let swarm = Swarm::new(&context.manager().await?);
    if rotate {
        swarm.rotate_unlock_key(&context.cancel).await?;
        if !quiet {
            print("Successfully rotated manager unlock key.\n\n")?;
        }
    }
    // Printing the key is what was asked for; nothing else ever shows it.
    match swarm.unlock_key(&context.cancel).await? {
        None => Err(Failure::failed("no unlock key is set")
            .with_fix("`skep swarm update --autolock` sets one, and locks managers that restart")),
        Some(key) if quiet => print(&format!("{}\n", key.expose_secret())),
        Some(key) => print(&unlock_text(&key)),
    }
}

/// A locked node and what it is called; the node of `--engine` has no name.
type Target = (Option<String>, Swarm);

pub(super) async fn unlock(context: &Context, names: &[String]) -> Result<(), Failure> {
    let targets = targets(context, names).await?;
    // As docker does: no key is asked for that nothing needs.
    let key = read_key(context).await?;
    let given =
        targets.iter().map(|(_, swarm)| swarm.unlock(&key, UNLOCK_PATIENCE, &context.cancel));
    let ended = join_all(given).await;
    let (mut failed, mut waiting) = (Vec::new(), false);
    let of = targets.len();
    for ((name, _), ended) in targets.into_iter().zip(ended) {
        match (name, ended) {
            (Some(name), Ok(Unlocked::Ready)) => print(&format!("{name} is unlocked.\n"))?,
            (Some(name), Ok(Unlocked::Waiting)) => {
                waiting = true;
                print(&format!("{name} is unlocked, and waits for the other managers.\n"))?;
            }
            (None, Ok(unlocked)) => waiting |= unlocked == Unlocked::Waiting,
            // Another client was faster.
            (Some(name), Err(error)) if error.cause() == Some(Cause::NotLocked) => {
                print(&format!("{name} is unlocked.\n"))?;
            }
            (name, Err(error)) => failed.push((name, error)),
        }
    }
    if waiting {
        context.say("They elect a leader once enough of them take part: unlock or start the others, if any are left.");
    }
    refused(failed, of)
}

fn refused(failed: Vec<(Option<String>, SwarmError)>, of: usize) -> Result<(), Failure> {
    let count = failed.len();
    let mut failures = failed.into_iter();
    let Some((name, error)) = failures.next() else { return Ok(()) };
    let cause = error.cause();
    let mut failure = Failure::from(error);
    if let Some(cause @ Cause::WrongKey) = cause {
        // In docker's words, with the advice apart.
        failure.message = cause.to_string().into();
        failure.causes.clear();
        failure.fix = Some(
            "give the key that `skep swarm unlock-key` prints while a manager is not locked; a \
             manager that was away while it was rotated needs the one before"
                .into(),
        );
    }
    let names: Vec<String> =
        name.into_iter().chain(failures.filter_map(|(name, _)| name)).collect();
    if !names.is_empty() {
        failure.message.text = format!("{}: {}", names.join(", "), failure.message.text);
    }
    if count < of {
        failure.exit = Exit::Partly;
    }
    Err(failure)
}

/// The nodes that are to be unlocked, all of which are locked.
async fn targets(context: &Context, names: &[String]) -> Result<Vec<Target>, Failure> {
    if context.global.engine.is_some() && names.is_empty() {
        let swarm = Swarm::new(&context.manager().await?);
        return match swarm.local(&context.cancel).await?.state {
            LocalNodeState::Locked => Ok(vec![(None, swarm)]),
            state => Err(not_locked("", state)),
        };
    }
    let cluster = super::named(context, names)?;
    let mut targets = Vec::new();
    if !names.is_empty() {
        for name in names {
            let swarm = member(context, &cluster, cluster.machine(name)?).await?;
            match swarm.local(&context.cancel).await?.state {
                LocalNodeState::Locked => targets.push((Some(name.clone()), swarm)),
                // A node that needs no key is no reason to keep it from one that does.
                LocalNodeState::Active if names.len() > 1 => {
                    context.events.warn(name, "swarm is not locked");
                }
                state => return Err(not_locked(&format!("{name}: "), state)),
            }
        }
        if targets.is_empty() {
            return Err(not_locked("", LocalNodeState::Active));
        }
        return Ok(targets);
    }
    let found = survey(&cluster, &context.cancel).await?;
    for name in found.locked() {
        if let Some(engine) = found.engine(&name) {
            targets.push((Some(name.to_string()), Swarm::new(engine)));
        }
    }
    if targets.is_empty() {
        let name = &cluster.record().name;
        let text = format!("no machine of cluster {name} is locked");
        return Err(Failure::failed(text)
            .with_fix(format!("`skep status{}` shows how each stands", name_option(name))));
    }
    Ok(targets)
}

/// In docker's words.
fn not_locked(before: &str, state: LocalNodeState) -> Failure {
    let text = match state {
        LocalNodeState::Inactive => "this node is not part of a swarm",
        _ => "swarm is not locked",
    };
    Failure::failed(format!("{before}{text}"))
}

/// Reads the key: a line of standard input, unseen where that is a terminal.
async fn read_key(context: &Context) -> Result<SecretString, Failure> {
    // An interrupted user finds the terminal as it was: this is dropped when the wait ends.
    let _unseen = io::stdin().is_terminal().then(Unseen::begin);
    let line = input::answer(&context.cancel).await?.unwrap_or_default();
    let key = line.trim();
    if key.is_empty() {
        return Err(Failure::usage("no unlock key was given, and nothing was touched")
            .with_fix("type it, or give it on standard input: `skep swarm unlock < FILE`"));
    }
    Ok(SecretString::from(key))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen {
    before: Option<Termios>,
}

impl Unseen {
    fn begin() -> Self {
        let mut stderr = io::stderr().lock();
        // A user who does not see the question can still answer it.
        let _ = stderr.write_all(b"Enter unlock key: ").and_then(|()| stderr.flush());
        let before = termios::tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut unseen = before.clone();
            unseen.local_modes.remove(LocalModes::ECHO);
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &unseen);
        }
        Self { before }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        let _ = io::stderr().lock().write_all(b"\n");
    }
}
