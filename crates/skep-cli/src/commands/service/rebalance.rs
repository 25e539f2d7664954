//! `skep service rebalance`: evening out a service's tasks after a node has come back.

use skep_service::{Services, api::Mode, rebalance::Spread};

use super::watch::until_converged;
use crate::{
    args::service::RebalanceArgs, commands::print, context::Context, failure::Failure, table::Table,
};

pub(super) async fn rebalance(context: &Context, args: &RebalanceArgs) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let mut found = Vec::new();
    // All names are understood before anything is changed.
    for name in &args.services {
        let service = services.service(name, &context.cancel).await?;
        if !matches!(service.spec.mode, Mode::Replicated { .. }) {
            return Err(Failure::usage(format!(
                "service {} cannot be rebalanced: its mode is {}, and only replicated services lie \
                 where the scheduler puts them",
                service.spec.name,
                service.spec.mode.as_str()
            )));
        }
        found.push(service);
    }
    let mut table = Table::new(["SERVICE", "NODE", "BEFORE", "AFTER"]);
    let mut moved = false;
    for service in found {
        let name = &service.spec.name;
        let before = services.spread(&service, &context.cancel).await?;
        if !before.uneven {
            context.say(&format!("Service {name} is even already: {}.", line(&before)));
            continue;
        }
        if !args.wait.quiet {
            context.events.warn("", format!(
                "service {name} is uneven ({}): each of its tasks is replaced, as its update settings say",
                line(&before)
            ));
        }
        services.replace_tasks(&service.id, &context.cancel).await?;
        until_converged(context, &services, &service.id, &args.wait).await?;
        if args.wait.detach {
            continue;
        }
        let after = services.spread(&service, &context.cancel).await?;
        moved = true;
        for (node, before_it) in &before.nodes {
            let now = after.nodes.iter().find(|(other, _)| other == node);
            let now = now.map_or(0, |(_, count)| *count);
            table.row([name.clone(), node.clone(), before_it.to_string(), now.to_string()]);
        }
        if after.uneven {
            context.events.warn(
                "",
                format!(
                    "service {name} is still uneven ({}): the scheduler has put its tasks there",
                    line(&after)
                ),
            );
        }
    }
    if moved { print(&table.to_string()) } else { Ok(()) }
}

/// `manager1 2, worker1 3`
fn line(spread: &Spread) -> String {
    let parts: Vec<String> =
        spread.nodes.iter().map(|(node, count)| format!("{node} {count}")).collect();
    parts.join(", ")
}
