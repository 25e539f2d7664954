//! `machine rm|provision|regenerate-certs|upgrade|import`: what changes machines that are there.

use std::path::Path;

use crate::{args::machine::Switch, context::Context, failure::Failure};

pub(super) async fn rm(
    context: &Context,
    machines: &[String],
    force: bool,
    yes: bool,
) -> Result<(), Failure> {
    let _ = (context, machines, force, yes);
    todo!("C")
}

pub(super) async fn provision(context: &Context, args: &Switch) -> Result<(), Failure> {
    let _ = (context, args);
    todo!("C")
}

pub(super) async fn regenerate(
    context: &Context,
    machines: &[String],
    force: bool,
    client: bool,
) -> Result<(), Failure> {
    let _ = (context, machines, force, client);
    todo!("C")
}

pub(super) async fn upgrade(context: &Context, args: &Switch) -> Result<(), Failure> {
    let _ = (context, args);
    todo!("C")
}

pub(super) async fn import(
    context: &Context,
    from: Option<&Path>,
    machines: &[String],
    dry_run: bool,
) -> Result<(), Failure> {
    let _ = (context, from, machines, dry_run);
    todo!("C")
}
