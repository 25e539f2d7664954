//! `skep node drain`: docker's `node update --availability drain`, with a warning before
//! and, where it is wanted, a wait behind.

use std::fmt::Write as _;

use skep_service::{
    Services,
    api::Id,
    drain::{DrainOutcome, DrainPlan},
};
use skep_swarm::NodeUpdate;

use super::change::{Meant, change};
use crate::{
    args::DrainArgs,
    commands::service::watch::options,
    context::Context,
    failure::{Exit, Failure},
};

pub(super) async fn drain(context: &Context, args: &DrainArgs) -> Result<(), Failure> {
    let meant = Meant::by(context, &args.nodes).await?;
    let services = Services::new(&context.manager().await?);
    let targets: Vec<Id> = meant.targets.iter().map(|node| Id::new(node.id.as_str())).collect();
    let (plan, before) = services.before_drain(&targets, &context.cancel).await?;
    warn(context, &plan);
    change(context, &args.nodes, &NodeUpdate::drain(), drained).await?;
    if !args.wait {
        return Ok(());
    }
    let watched = services.until_drained(&before, context.operation().within(args.timeout)).await;
    let names = args.nodes.nodes.join(" ");
    let option = options(context);
    match watched {
        Ok(DrainOutcome::Drained) => Ok(()),
        Ok(DrainOutcome::NotDrained(stuck)) => {
            let text = format!("{names}: drained, but not everything has found another place");
            let mut failure = Failure::new(Exit::NotConverged, text);
            failure.causes = stuck.iter().map(|one| one.to_string().into()).collect();
            Err(failure.with_fix(format!(
                "give the same command again to go on waiting; `skep node activate{option} \
                 {names}` gives the node tasks again"
            )))
        }
        Err(error) if error.is_cancelled() => Err(Failure::new(
            Exit::Interrupted,
            format!("interrupted; {names} stays drained, and tasks go on moving"),
        )
        .with_fix(format!(
            "`skep node drain{option} --wait {names}` goes on waiting, `skep node activate{option} \
             {names}` takes it back"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Warns of what the drain will cost.
fn warn(context: &Context, plan: &DrainPlan) {
    for (service, tasks) in &plan.interrupted {
        let text = match tasks {
            1 => format!("service {service} is interrupted: its only task runs here"),
            all => format!("service {service} is interrupted: all {all} of its tasks run here"),
        };
        context.events.warn("", text);
    }
    for unplaceable in &plan.unplaceable {
        let mut text = format!(
            "service {}: no other node can take {} of its tasks",
            unplaceable.service, unplaceable.tasks
        );
        for site in &unplaceable.sites {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{site}");
        }
        context.events.warn("", text);
    }
}

fn drained(name: &str, changed: bool) -> String {
    if changed {
        format!("Node {name} is drained.")
    } else {
        format!("Node {name} was drained already.")
    }
}
