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
mod power;
mod remote;
mod where_is;

use self::power::Step::{Again, Cut, Off, On};
pub(super) use self::{facts::Found, where_is::no_swarm_master};
use skep_cluster::{find::everything, reach::Cluster};

use crate::{args::machine::Machine, context::Context, failure::Failure, persona::Persona};

/// The machine that is meant if none is named.
const DEFAULT_MACHINE: &str = "default";

/// The machines a verb is about: those named, else the one called `default`.
///
/// # Errors
/// docker-machine's words if there is no such machine.
pub(super) fn named(context: &Context, machines: &[String]) -> Result<Vec<String>, Failure> {
    if !machines.is_empty() {
        return Ok(machines.to_vec());
    }
    let everything = everything(&context.home()?)?;
    let is_in = |cluster: &Cluster| cluster.record().machine(DEFAULT_MACHINE).is_some();
    if everything.clusters.iter().any(is_in) {
        return Ok(vec![DEFAULT_MACHINE.to_owned()]);
    }
    let text = "Error: No machine name(s) specified and no \"default\" machine exists";
    Err(match context.persona {
        Persona::DockerMachine => Failure::failed(text),
        Persona::Skep => Failure::usage("say which machine: there is none called `default`")
            .with_fix("`skep machine ls` lists those there are"),
    })
}

/// The one machine a verb is about: the one named, else the one called `default`.
///
/// # Errors
/// As [`named`], and docker-machine's words if there are several.
pub(super) fn named_one(context: &Context, machines: &[String]) -> Result<String, Failure> {
    match named(context, machines)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(match context.persona {
            Persona::DockerMachine => {
                Failure::failed("Error: Expected one machine name as an argument")
            }
            Persona::Skep => Failure::usage("one machine, please: this is asked of one at a time"),
        }),
    }
}

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
