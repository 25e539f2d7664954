//! `skep node …`: what `docker node` does, from the host.

pub(super) mod change;
mod drain;

use skep_service::Services;
use skep_swarm::{Change, NodeRow, NodeUpdate, Swarm, SwarmError};

use self::change::{Meant, change, partly, selector};
use super::{
    print, print_json, print_lines,
    service::view::{names, print_tasks},
};
use crate::{
    args::{Format, Listing, Node, Nodes, service::NodePsArgs},
    context::Context,
    failure::Failure,
    filters, node_ls,
    screens::{docker_json, node_pretty},
};

pub(super) async fn run(context: &Context, command: Node) -> Result<(), Failure> {
    match command {
        Node::Ls(listing) => ls(context, listing).await,
        Node::Inspect { nodes, pretty } => inspect(context, &nodes, pretty).await,
        Node::Ps(args) => ps(context, &args).await,
        Node::Update { node, availability, role, label_add, label_rm, force } => {
            let update = NodeUpdate {
                availability: availability.map(Into::into),
                role: role.map(Into::into),
                label_add: label_add.iter().map(|label| split_label(label)).collect(),
                label_rm: label_rm.into_iter().collect(),
            };
            let nodes = Nodes { nodes: vec![node], force };
            change(context, &nodes, &update, |name, _| name.to_owned()).await
        }
        Node::Drain(args) => drain::drain(context, &args).await,
        Node::Activate(nodes) => change(context, &nodes, &NodeUpdate::activate(), activated).await,
        Node::Promote(nodes) => change(context, &nodes, &NodeUpdate::promote(), promoted).await,
        Node::Demote(nodes) => change(context, &nodes, &NodeUpdate::demote(), demoted).await,
        Node::Rm(nodes) => rm(context, &nodes).await,
    }
}

fn activated(name: &str, changed: bool) -> String {
    if changed {
        format!("Node {name} is active.")
    } else {
        format!("Node {name} was active already.")
    }
}

/// The line of `docker node promote`.
fn promoted(name: &str, changed: bool) -> String {
    match changed {
        true => format!("Node {name} promoted to a manager in the swarm."),
        false => format!("Node {name} is already a manager."),
    }
}

/// The line of `docker node demote`.
fn demoted(name: &str, changed: bool) -> String {
    match changed {
        true => format!("Manager {name} demoted in the swarm."),
        false => format!("Node {name} is already a worker."),
    }
}

/// `key=value`; `key` alone has an empty value, as with docker.
fn split_label(label: &str) -> (String, String) {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    (key.to_owned(), value.to_owned())
}

async fn ls(context: &Context, listing: Listing) -> Result<(), Failure> {
    let rows = Swarm::new(&context.manager().await?).rows(&context.cancel).await?;
    if listing.quiet {
        return print_lines(rows.iter().map(|row| &row.id));
    }
    match listing.format {
        Format::Table => print(&node_ls::table(&rows)),
        Format::Json => print_json("nodes", rows.iter().map(json).collect::<Vec<_>>()),
    }
}

fn json(row: &NodeRow) -> serde_json::Value {
    serde_json::json!({
        "id": row.id,
        "hostname": row.hostname,
        "state": row.state,
        "availability": row.availability,
        "manager": row.manager.map(|rank| rank.to_string().to_lowercase()),
        "engine": row.engine_version,
        "self": row.is_self,
    })
}

async fn inspect(context: &Context, nodes: &[String], pretty: bool) -> Result<(), Failure> {
    let swarm = Swarm::new(&context.manager().await?);
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for node in nodes {
        match swarm.node(&selector(node), &context.cancel).await {
            Ok(node) => found.push(swarm.inspect(&node.id, &context.cancel).await?),
            Err(error) => unknown.push(not_there(error)?),
        }
    }
    if !pretty {
        print(&docker_json(&found))?;
    } else if unknown.is_empty() {
        print(&found.iter().map(node_pretty::screen).collect::<String>())?;
    }
    all_there(unknown)
}

async fn ps(context: &Context, args: &NodePsArgs) -> Result<(), Failure> {
    let mut filters = filters::parse(&args.tasks.filter, &filters::NODE_TASKS)?;
    let engine = context.manager().await?;
    let swarm = Swarm::new(&engine);
    let own = ["self".to_owned()];
    let nodes = if args.nodes.is_empty() { &own[..] } else { &args.nodes };
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for node in nodes {
        match swarm.node(&selector(node), &context.cancel).await {
            Ok(node) => found.push(node.id),
            Err(error) => unknown.push(not_there(error)?),
        }
    }
    if !found.is_empty() {
        filters.extend(found.iter().map(|node| ("node", node.as_str())));
        let services = Services::new(&engine);
        let rows = services.task_rows(&filters, names(&args.tasks), &context.cancel).await?;
        print_tasks(context, &rows, &args.tasks)?;
    }
    all_there(unknown)
}

/// The message about a node that is not there, or not the only one; another error is a failure.
fn not_there(error: SwarmError) -> Result<String, Failure> {
    match error {
        SwarmError::UnknownNode { .. } | SwarmError::AmbiguousNode { .. } => Ok(error.to_string()),
        error => Err(error.into()),
    }
}

fn all_there(unknown: Vec<String>) -> Result<(), Failure> {
    if unknown.is_empty() { Ok(()) } else { Err(Failure::failed(unknown.join("\n"))) }
}

async fn rm(context: &Context, nodes: &Nodes) -> Result<(), Failure> {
    let meant = Meant::by(context, nodes).await?;
    meant.judge(context, Change::Remove, nodes.force)?;
    for (place, (name, node)) in meant.names.iter().zip(&meant.targets).enumerate() {
        let removed = meant.swarm.remove(&node.id, nodes.force, &context.cancel).await;
        removed.map_err(|error| partly(error, place))?;
        print(&format!("{name}\n"))?;
    }
    Ok(())
}
