//! Services and their tasks, as docker shows them.

use std::collections::HashMap;

use serde_json::Value;
use skep_service::{
    Kind, ServiceError, Services,
    find::find,
    rows::{Names, TaskRow},
};
use skep_swarm::Swarm;

use crate::{
    args::{
        Format,
        service::{InspectArgs, LsArgs, PsArgs, TaskListing},
    },
    commands::{print, print_json, print_lines},
    context::Context,
    failure::Failure,
    filters,
    screens::{docker_json, service_ls, service_pretty, task_ps},
};

/// The filter that means the node that is asked.
const OWN: (&str, &str) = ("node", "self");

pub(super) async fn ls(context: &Context, args: &LsArgs) -> Result<(), Failure> {
    let filters = filters::parse(&args.filter, &filters::SERVICES)?;
    let services = Services::new(&context.manager().await?);
    let rows = services.service_rows(&filters, &context.cancel).await?;
    if args.listing.quiet {
        return print_lines(rows.iter().map(|row| row.id.short()));
    }
    match args.listing.format {
        Format::Table => print(&service_ls::table(&rows)),
        Format::Json => {
            print_json("services", rows.iter().map(service_ls::json).collect::<Vec<_>>())
        }
    }
}

pub(super) async fn ps(context: &Context, args: &PsArgs) -> Result<(), Failure> {
    let mut filters = filters::parse(&args.tasks.filter, &filters::TASKS)?;
    let engine = context.manager().await?;
    let own = match filters.contains(&OWN) {
        true => Swarm::new(&engine).local(&context.cancel).await?.node,
        false => None,
    };
    if let Some(node) = &own {
        for filter in filters.iter_mut().filter(|filter| **filter == OWN) {
            filter.1 = node.as_str();
        }
    }
    let services = Services::new(&engine);
    let found = services
        .task_rows_of(&args.services, &filters, names(&args.tasks), &context.cancel)
        .await?;
    let (rows, unknown) = found;
    if unknown.len() < args.services.len() {
        print_tasks(context, &rows, &args.tasks)?;
    }
    all_known(unknown)
}

/// Whether a list of tasks names services and nodes.
pub(in crate::commands) fn names(listing: &TaskListing) -> Names {
    if listing.no_resolve { Names::Ids } else { Names::Resolved }
}

pub(in crate::commands) fn print_tasks(
    context: &Context,
    rows: &[TaskRow],
    how: &TaskListing,
) -> Result<(), Failure> {
    if how.listing.quiet {
        return print_lines(rows.iter().map(|row| &row.id));
    }
    let texts = if how.no_trunc { task_ps::Texts::Whole } else { task_ps::Texts::Cut };
    match how.listing.format {
        Format::Table => print(&task_ps::table(rows, texts, context.now())),
        Format::Json => print_json("tasks", rows.iter().map(task_ps::json).collect::<Vec<_>>()),
    }
}

pub(super) async fn inspect(context: &Context, args: &InspectArgs) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let all = services.list(&context.cancel).await?;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for text in &args.services {
        match find(Kind::Service, &all, text) {
            Ok(service) => found.push(services.inspect(&service.id, &context.cancel).await?),
            Err(error) => unknown.push(error),
        }
    }
    if !args.pretty {
        print(&docker_json(&found))?;
    } else if unknown.is_empty() {
        print(&pretty(context, &services, &found).await?)?;
    }
    all_known(unknown)
}

async fn pretty(
    context: &Context,
    services: &Services,
    found: &[Value],
) -> Result<String, Failure> {
    let on_networks = |service: &Value| {
        service.pointer("/Spec/TaskTemplate/Networks/0").is_some_and(|network| !network.is_null())
    };
    let networks = match found.iter().any(on_networks) {
        true => services.network_names(&context.cancel).await?,
        false => HashMap::new(),
    };
    let screen = |service| service_pretty::screen(service, &networks, context.now());
    Ok(found.iter().map(screen).collect())
}

/// Fails with all that is not there, one a line.
fn all_known(unknown: Vec<ServiceError>) -> Result<(), Failure> {
    let lines: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    if lines.is_empty() { Ok(()) } else { Err(Failure::failed(lines.join("\n"))) }
}
