//! `machine ip|url|status|active|config|version`: one line about a machine.

use skep_cluster::{ClusterError, find::everything, machines::engine_release};
use skep_engine::EngineError;
use skep_model::Reason;
use skep_pki::store::{AUTHORITY, CLIENT, CLIENT_KEY};

use super::{
    facts::Found,
    named::{named, named_one},
};
use crate::{
    commands::{print, print_lines},
    context::Context,
    failure::Failure,
    persona::Persona,
};

/// docker-machine's words where nothing answers.
const UNREACHABLE: &str = "Cannot connect to the docker engine endpoint";

/// Prints addresses in the order asked. A machine without one is reported after the others;
/// docker-machine prints none at all if it does not know one of the names.
pub(super) fn ip(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let mut failed = Vec::new();
    let mut addresses = Vec::new();
    for name in named(context, machines)? {
        let found = match Found::of(context, &name) {
            Err(failure) if context.persona == Persona::DockerMachine => return Err(failure),
            found => found,
        };
        let address = found.and_then(|found| match context.persona {
            Persona::Skep => Ok(found.address()?),
            Persona::DockerMachine => Ok(found.address_for_scripts()?),
        });
        match address {
            Ok(address) => addresses.push(address),
            Err(failure) => failed.push((name, failure)),
        }
    }
    let asked = addresses.len() + failed.len();
    print_lines(addresses)?;
    match failed.len() {
        0 => Ok(()),
        1 => Err(failed.remove(0).1),
        count => {
            let causes = failed.into_iter().map(|(name, failure)| Reason {
                text: format!("{name}: {}", failure.message.text),
                ..failure.message
            });
            Err(Failure::failed(format!("{count} of {asked} machines have no address to print"))
                .listing(causes.collect::<Vec<_>>()))
        }
    }
}

pub(super) async fn url(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let found = Found::of(context, &named_one(context, machines)?)?;
    print_lines([found.url()?])
}

pub(super) async fn status(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let found = Found::of(context, &named_one(context, machines)?)?;
    print_lines([found.state().await?])
}

/// Prints the first machine whose URL is what `DOCKER_HOST` says. Only the store is asked, so
/// there is nothing to wait for.
pub(super) async fn active(context: &Context, _seconds: u64) -> Result<(), Failure> {
    let host = context.environment("DOCKER_HOST").unwrap_or_default();
    let mut names = Vec::new();
    for cluster in everything(&context.home()?)?.clusters {
        for machine in cluster.record().machines.clone() {
            let found = Found { cluster: cluster.clone(), machine };
            if found.url().is_ok_and(|url| url == host) {
                names.push(found.machine.name);
            }
        }
    }
    names.sort_by(|a, b| skep_model::natural(a.as_str(), b.as_str()));
    match names.first() {
        Some(name) => print_lines([name]),
        None => {
            let none = Failure::failed("no machine is the active one: DOCKER_HOST is none's URL");
            Err(none.with_theirs("No active host found"))
        }
    }
}

/// Prints the docker CLI's options that lead to a machine's engine.
pub(super) async fn config(
    context: &Context,
    machines: &[String],
    swarm: bool,
) -> Result<(), Failure> {
    let found = Found::of(context, &named_one(context, machines)?)?;
    if swarm {
        return Err(no_swarm_master(&found, "Error running connection boilerplate"));
    }
    let access = found.access()?;
    let file = |name: &str| access.certificates.join(name).display().to_string();
    print(&format!(
        "--tlsverify\n--tlscacert=\"{}\"\n--tlscert=\"{}\"\n--tlskey=\"{}\"\n-H={}\n",
        file(AUTHORITY),
        file(CLIENT),
        file(CLIENT_KEY),
        access.host
    ))
}

/// The answer to `--swarm`, after docker-machine's words for where it came up.
pub(crate) fn no_swarm_master(found: &Found, before: &str) -> Failure {
    let text = format!(
        "\"{}\" is not a swarm master. The --swarm flag is intended for use with swarm masters",
        found.machine.name
    );
    let theirs = format!("{before}: {text}");
    Failure::failed(text)
        .with_fix("every manager's own engine answers for its swarm: leave --swarm out")
        .with_theirs(theirs)
}

/// Prints this program's version, or that of a machine's engine.
pub(super) async fn version(context: &Context, machines: &[String]) -> Result<(), Failure> {
    if machines.is_empty() {
        let version = env!("CARGO_PKG_VERSION");
        return match context.persona {
            Persona::Skep => print_lines([format!("skep {version}")]),
            Persona::DockerMachine => {
                print_lines([format!("docker-machine version {version}, build skep")])
            }
        };
    }
    let found = Found::of(context, &named_one(context, machines)?)?;
    let name = found.machine.name.as_str();
    let asked = engine_release(&found.cluster, name, &context.cancel).await;
    let logs_in = found.machine.system().has_login();
    let release = match asked {
        // What this host cannot reach over TCP may still be logged in to.
        Err(error) if logs_in && !error.is_cancelled() => {
            let engine = found.cluster.engine(&found.machine, &context.cancel).await;
            engine.map(|engine| engine.release().to_owned())
        }
        asked => asked,
    };
    match release {
        Ok(release) => print_lines([release]),
        Err(error) => {
            let theirs = version_error(&error);
            Err(Failure::from(error).with_theirs(theirs))
        }
    }
}

/// Why an engine's release is not known, as docker-machine's list has it.
pub(super) fn version_error(error: &ClusterError) -> String {
    let why = match error {
        ClusterError::Engine(EngineError::Refused { .. } | EngineError::NoSocket { .. }) => {
            UNREACHABLE.to_owned()
        }
        error => crate::failure::one_line(error),
    };
    format!("Unable to query docker version: {why}")
}

/// Whether a machine is nothing but an engine's URL.
pub(super) fn is_url(found: &Found) -> bool {
    !found.machine.system().has_login()
}
