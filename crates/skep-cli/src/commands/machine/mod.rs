//! docker-machine's verbs: `skep machine …`, and `docker-machine …` under that name.
//!
//! What is printed is the same under both names, but for where messages go: see
//! [`Persona`](crate::persona::Persona).

mod create;
mod inspect;
mod keep;
mod ls;
mod power;
mod remote;
mod where_is;

use self::power::Step::{Cut, Off, On};
use crate::{args::machine::Machine, context::Context, failure::Failure};

pub(super) async fn run(context: &Context, verb: Machine) -> Result<(), Failure> {
    match verb {
        Machine::Active { timeout } => where_is::active(context, timeout).await,
        Machine::Config { machine } => where_is::config(context, &machine).await,
        Machine::Create(args) => create::create(context, *args).await,
        Machine::Env(args) => super::env::env(context, &args).await,
        Machine::Inspect { machines, format } => {
            inspect::inspect(context, &machines, format.as_deref()).await
        }
        Machine::Ip { machines } => where_is::ip(context, &machines),
        Machine::Kill(args) => power::switch(context, &args, &[Cut]).await,
        Machine::Ls(args) => ls::ls(context, &args).await,
        Machine::Mount { source, mountpoint, unmount } => {
            remote::mount(context, &source, mountpoint.as_deref(), unmount).await
        }
        Machine::Provision(args) => keep::provision(context, &args).await,
        Machine::RegenerateCerts { machines, force, client_certs } => {
            keep::regenerate(context, &machines, force, client_certs).await
        }
        Machine::Restart(args) => power::switch(context, &args, &[Off, On]).await,
        Machine::Rm { machines, force, yes } => keep::rm(context, &machines, force, yes).await,
        Machine::Scp { source, destination, recursive, delta, quiet } => {
            let copy = remote::Copy {
                source: &source,
                destination: &destination,
                recursive,
                delta,
                quiet,
            };
            remote::scp(context, copy).await
        }
        Machine::Ssh { machine, command } => {
            remote::ssh(context, machine.as_deref().unwrap_or("default"), &command)
        }
        Machine::Start(args) => power::switch(context, &args, &[On]).await,
        Machine::Status { machine } => where_is::status(context, &machine).await,
        Machine::Stop(args) => power::switch(context, &args, &[Off]).await,
        Machine::Upgrade(args) => keep::upgrade(context, &args).await,
        Machine::Url { machine } => where_is::url(context, &machine).await,
        Machine::Version { machine } => where_is::version(context, machine.as_deref()).await,
        Machine::Import { from, machines, dry_run } => {
            keep::import(context, from.as_deref(), &machines, dry_run).await
        }
    }
}
