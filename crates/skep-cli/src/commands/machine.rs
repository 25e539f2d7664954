//! docker-machine's verbs: `skep machine …`, and `docker-machine …` under that name.
//!
//! What is printed is the same under both names, but for where messages go: see
//! [`Persona`](crate::persona::Persona).

mod columns;
mod create;
pub(crate) mod facts;
mod flags;
mod inspect;
mod keep;
mod ls;
pub(super) mod named;
mod power;
mod remote;
pub(super) mod where_is;

use self::power::Step::{Again, Cut, Off, On};
use crate::{args::machine::Machine, context::Context, failure::Failure};

/// Whether a verb changes machines, and so says what it is at.
pub(super) fn changes(verb: &Machine) -> bool {
    matches!(
        verb,
        Machine::Create(_)
            | Machine::Import { .. }
            | Machine::Kill(_)
            | Machine::Provision(_)
            | Machine::RegenerateCerts { .. }
            | Machine::Restart(_)
            | Machine::Rm { .. }
            | Machine::Start(_)
            | Machine::Stop(_)
            | Machine::Upgrade(_)
    )
}

pub(super) async fn run(context: &Context, verb: Machine) -> Result<(), Failure> {
    match verb {
        Machine::Active { timeout } => where_is::active(context, timeout).await,
        Machine::Config { machine, swarm } => where_is::config(context, &machine, swarm).await,
        Machine::Create(args) => Box::pin(create::create(context, *args)).await,
        Machine::Env(args) => super::env::env(context, &args).await,
        Machine::Inspect { machines, format } => {
            inspect::inspect(context, &machines, format.as_deref()).await
        }
        Machine::Ip { machines } => where_is::ip(context, &machines),
        Machine::Kill(args) => power::switch(context, &args.switch, Cut, args.force).await,
        Machine::Ls(args) => ls::ls(context, &args).await,
        Machine::Mount { source, mountpoint, unmount } => {
            remote::mount(context, &source, mountpoint.as_deref(), unmount).await
        }
        Machine::Provision(args) => keep::provision(context, &args).await,
        Machine::RegenerateCerts { machines, force, client_certs } => {
            keep::regenerate(context, &machines, force, client_certs).await
        }
        Machine::Restart(args) => power::switch(context, &args.switch, Again, args.force).await,
        Machine::Rm { machines, force, yes } => keep::rm(context, &machines, force, yes).await,
        Machine::Scp { source, destination, recursive, delta, quiet } => {
            let (source, destination) = (source.as_os_str(), destination.as_os_str());
            remote::scp(context, remote::Copy { source, destination, recursive, delta, quiet })
                .await
        }
        Machine::Ssh { machine, command } => {
            remote::ssh(context, machine.as_deref(), &command).await
        }
        Machine::Start(args) => power::switch(context, &args, On, false).await,
        Machine::Status { machine } => where_is::status(context, &machine).await,
        Machine::Stop(args) => power::switch(context, &args.switch, Off, args.force).await,
        Machine::Upgrade(args) => keep::upgrade(context, &args).await,
        Machine::Url { machine } => where_is::url(context, &machine).await,
        Machine::Version { machine } => where_is::version(context, &machine).await,
        Machine::Import { from, machines, renamed, dry_run } => {
            keep::import(context, from.as_deref(), &machines, &renamed, dry_run).await
        }
    }
}
