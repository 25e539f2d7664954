//! Which machines a verb is about.

use skep_cluster::{find::everything, reach::Cluster};

use crate::{context::Context, failure::Failure, persona::Persona};

/// The machine that is meant if none is named.
const DEFAULT_MACHINE: &str = "default";

/// The machines a verb is about: those named, else the one called `default`.
///
/// # Errors
/// docker-machine's words if there is no such machine.
pub(crate) fn named(context: &Context, machines: &[String]) -> Result<Vec<String>, Failure> {
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
pub(crate) fn named_one(context: &Context, machines: &[String]) -> Result<String, Failure> {
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
