//! `machine ip|url|status|active|config|version`: one line about a machine.

use skep_cluster::ClusterError;

use crate::{commands::print_lines, context::Context, failure::Failure};

/// Prints addresses in the order asked; nothing at all if one is unknown.
pub(super) fn ip(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let address = |name: &String| Ok(cluster.reach(cluster.machine(name)?)?.host);
    let addresses = machines.iter().map(address).collect::<Result<Vec<_>, ClusterError>>()?;
    print_lines(addresses)
}

pub(super) async fn url(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let _ = (context, machines);
    todo!("D")
}

pub(super) async fn status(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let _ = (context, machines);
    todo!("D")
}

pub(super) async fn active(context: &Context, seconds: u64) -> Result<(), Failure> {
    let _ = (context, seconds);
    todo!("D")
}

pub(super) async fn config(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let _ = (context, machines);
    todo!("D")
}

pub(super) async fn version(context: &Context, machine: Option<&str>) -> Result<(), Failure> {
    let _ = (context, machine);
    todo!("D")
}
