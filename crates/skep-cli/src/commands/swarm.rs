//! `skep swarm …`: membership, for those who do by hand what `up` does by itself.

use secrecy::ExposeSecret as _;
use skep_cluster::{ClusterError, MachineRecord, reach::Cluster};
use skep_model::Role;
use skep_swarm::{
    Change, InitOptions, JoinOptions, ManagerRank, Swarm as Member,
    options::MANAGER_PORT,
    quorum::{judge, needed, tolerated},
};

use super::{node::heed, print};
use crate::{
    args::{RoleArg, Swarm},
    context::Context,
    failure::Failure,
};

pub(super) async fn run(context: &Context, command: Swarm) -> Result<(), Failure> {
    // A machine that is named says which cluster is meant.
    let named = match &command {
        Swarm::Init { machine } => machine.as_ref(),
        Swarm::Join { machines, .. } | Swarm::Leave { machines, .. } => machines.first(),
        Swarm::JoinToken { .. } | Swarm::Status => None,
    };
    let cluster = match named {
        Some(machine) => context.cluster_of(machine)?,
        None => context.cluster()?,
    };
    match command {
        Swarm::Init { machine } => init(context, &cluster, machine.as_deref()).await,
        Swarm::Join { machines, manager } => join(context, &cluster, &machines, manager).await,
        Swarm::JoinToken { role, rotate, quiet } => {
            join_token(context, &cluster, role, rotate, quiet).await
        }
        Swarm::Leave { machines, force } => leave(context, &cluster, &machines, force).await,
        Swarm::Status => status(context, &cluster).await,
    }
}

async fn member(
    context: &Context,
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<Member, ClusterError> {
    Ok(Member::new(&cluster.engine(machine, &context.cancel).await?))
}

async fn init(context: &Context, cluster: &Cluster, machine: Option<&str>) -> Result<(), Failure> {
    let mut managers = cluster.record().machines.iter();
    let machine = match machine {
        Some(name) => cluster.machine(name)?,
        None => managers
            .find(|machine| machine.role == Some(Role::Manager))
            .ok_or_else(|| Failure::usage("the cluster has no manager: say which machine"))?,
    };
    let address = cluster.address(machine)?;
    let member = member(context, cluster, machine).await?;
    let joined = member.init(&InitOptions::new(address), &context.cancel).await?;
    let how = if joined.already { "was a manager already" } else { "is now a manager" };
    context.say("Add machines with `skep swarm join MACHINE…`, managers with --manager.");
    print(&format!("Swarm initialized: current node ({}) {how}.\n", joined.node))
}

async fn join(
    context: &Context,
    cluster: &Cluster,
    machines: &[String],
    manager: bool,
) -> Result<(), Failure> {
    let (engine, leader) = cluster.manager(&context.cancel).await?;
    let swarm = Member::new(&engine);
    let remote = std::net::SocketAddr::new(cluster.address(leader)?, MANAGER_PORT);
    let tokens = swarm.tokens(&context.cancel).await?;
    let nodes: Vec<_> =
        swarm.nodes(&context.cancel).await?.into_iter().map(|node| node.id).collect();
    let role = if manager { Role::Manager } else { Role::Worker };
    let machines: Vec<_> =
        machines.iter().map(|name| cluster.machine(name)).collect::<Result<_, _>>()?;
    for machine in machines {
        let member = member(context, cluster, machine).await?;
        let mut options =
            JoinOptions::new(remote, tokens.of(role).clone(), cluster.address(machine)?);
        options.members = Some(nodes.clone());
        let joined = member.join(&options, &context.cancel).await?;
        print(&match joined.already {
            true => format!("{} is in the swarm already.\n", machine.name),
            false => format!("{} joined the swarm as a {role}.\n", machine.name),
        })?;
    }
    Ok(())
}

async fn join_token(
    context: &Context,
    cluster: &Cluster,
    role: RoleArg,
    rotate: bool,
    quiet: bool,
) -> Result<(), Failure> {
    let (engine, manager) = cluster.manager(&context.cancel).await?;
    let swarm = Member::new(&engine);
    let role = Role::from(role);
    let tokens = match rotate {
        true => swarm.rotate(role, &context.cancel).await?,
        false => swarm.tokens(&context.cancel).await?,
    };
    // Printing the token is what was asked for; nothing else ever shows it.
    let token = tokens.of(role).expose_secret();
    if quiet {
        return print(&format!("{token}\n"));
    }
    let rotated =
        if rotate { format!("Successfully rotated {role} join token.\n\n") } else { String::new() };
    print(&format!(
        "{rotated}To add a {role} to this swarm, run the following command:\n\n    \
         docker swarm join --token {token} {}:{MANAGER_PORT}\n\n",
        cluster.address(manager)?,
    ))
}

async fn leave(
    context: &Context,
    cluster: &Cluster,
    machines: &[String],
    force: bool,
) -> Result<(), Failure> {
    let machines: Vec<_> =
        machines.iter().map(|name| cluster.machine(name)).collect::<Result<_, _>>()?;
    if let Ok((engine, _)) = cluster.manager(&context.cancel).await {
        let all = Member::new(&engine).nodes(&context.cancel).await?;
        let named = |name: &str| machines.iter().any(|machine| machine.name.as_str() == name);
        let targets: Vec<_> =
            all.iter().filter(|node| named(&node.hostname)).map(|node| node.id.clone()).collect();
        heed(context, judge(&all, Change::Leave, &targets), force)?;
    }
    for machine in machines {
        let member = member(context, cluster, machine).await?;
        print(&match member.leave(force, &context.cancel).await? {
            true => format!("{} left the swarm.\n", machine.name),
            false => format!("{} is in no swarm.\n", machine.name),
        })?;
    }
    Ok(())
}

async fn status(context: &Context, cluster: &Cluster) -> Result<(), Failure> {
    let (engine, _) = cluster.manager(&context.cancel).await?;
    let swarm = Member::new(&engine);
    let local = swarm.local(&context.cancel).await?;
    let rows = swarm.rows(&context.cancel).await?;
    let managers: Vec<_> = rows.iter().filter(|row| row.manager.is_some()).collect();
    let heard = |row: &&&skep_swarm::NodeRow| {
        matches!(row.manager, Some(ManagerRank::Leader | ManagerRank::Reachable))
    };
    let leader = rows.iter().find(|row| row.manager == Some(ManagerRank::Leader));
    let reachable = managers.iter().filter(heard).count();
    print(&format!(
        "Swarm:      {}\nLeader:     {}\nManagers:   {} ({reachable} reachable, {} needed, {} may be lost)\n\
         Workers:    {}\n",
        local.cluster.unwrap_or_default(),
        leader.map_or("none", |row| row.hostname.as_str()),
        managers.len(),
        needed(managers.len()),
        tolerated(managers.len()),
        rows.len() - managers.len(),
    ))
}
