//! `skep swarm ca`: the swarm's root certificate, shown and replaced.

use std::time::Duration;

use secrecy::SecretString;
use skep_swarm::{CaRotation, Swarm, SwarmError};

use super::settings::{external_cas, pem};
use crate::{
    args::swarm::CaArgs,
    commands::print,
    context::Context,
    failure::{Exit, Failure},
};

/// How long all nodes may take to follow. docker waits for ever, for nodes that are off too.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub(super) async fn ca(context: &Context, args: &CaArgs) -> Result<(), Failure> {
    let external = external_cas(&args.external_ca)?;
    check(args, external.is_some())?;
    let ca_cert = args.ca_cert.as_deref().map(|path| pem("--ca-cert", path)).transpose()?;
    let ca_key = args.ca_key.as_deref().map(|path| pem("--ca-key", path)).transpose()?;
    let rotation = CaRotation {
        ca_cert,
        ca_key: ca_key.map(SecretString::from),
        cert_expiry: args.cert_expiry,
        external_cas: external,
    };
    let swarm = Swarm::new(&context.manager().await?);
    if args.rotate {
        swarm.rotate_ca(&rotation, &context.cancel).await?;
        if args.detach {
            return Ok(());
        }
        follow(context, args, &swarm).await?;
        if args.quiet {
            return Ok(());
        }
    }
    let root = swarm.trust_root(&context.cancel).await?;
    let root = root.ok_or_else(|| Failure::failed("no CA information available"))?;
    print(&format!("{root}\n"))
}

/// What does not go together, in docker's words.
fn check(args: &CaArgs, has_external: bool) -> Result<(), Failure> {
    if !args.rotate {
        for (flag, given) in [
            ("ca-cert", args.ca_cert.is_some()),
            ("ca-key", args.ca_key.is_some()),
            ("cert-expiry", args.cert_expiry.is_some()),
            ("external-ca", has_external),
        ] {
            if given {
                return Err(Failure::usage(format!(
                    "`--{flag}` flag requires the `--rotate` flag to update the CA"
                )));
            }
        }
    }
    if has_external && args.ca_cert.is_none() {
        return Err(Failure::usage(
            "rotating to an external CA requires the `--ca-cert` flag to specify the external \
             CA's cert - to add an external CA with the current root CA certificate, use the \
             `update` command instead",
        ));
    }
    if args.ca_cert.is_some() && !has_external && args.ca_key.is_none() {
        return Err(Failure::usage(
            "the --ca-cert flag requires that a --ca-key flag and/or --external-ca flag be \
             provided as well",
        ));
    }
    if args.ca_key.is_some() && args.ca_cert.is_none() {
        return Err(Failure::usage("the --ca-key flag requires the --ca-cert flag as well"));
    }
    Ok(())
}

/// Waits until every node has followed, and shows how far they are.
async fn follow(context: &Context, args: &CaArgs, swarm: &Swarm) -> Result<(), Failure> {
    let events = if args.quiet { skep_model::Events::none() } else { context.events.clone() };
    let step = events.step("", "rotating the swarm's CA");
    let on_look = |rotation: &skep_swarm::Rotation| {
        let done = rotation.certificates + rotation.roots;
        let detail = format!(
            "{} of {} nodes have new certificates, {} the new root alone",
            rotation.certificates, rotation.nodes, rotation.roots
        );
        step.progress_of(
            detail,
            u64::try_from(done).unwrap_or_default(),
            u64::try_from(2 * rotation.nodes).unwrap_or_default(),
        );
    };
    let ended = swarm.until_rotated(PATIENCE, on_look, &context.cancel).await;
    match step.end_with(ended) {
        Ok(()) => Ok(()),
        Err(SwarmError::Cancelled { .. }) => {
            Err(Failure::new(Exit::Interrupted, "interrupted; the rotation goes on by itself"))
        }
        Err(error @ SwarmError::NotReady { .. }) => Err(Failure::from(error).with_fix(
            "the rotation goes on by itself: start the nodes that are off, or remove those that \
             are gone",
        )),
        Err(error) => Err(error.into()),
    }
}
