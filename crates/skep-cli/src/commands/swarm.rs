//! `skep swarm …`: membership and the swarm's own settings, for users who do by hand what `up`
//! does by itself.

mod authority;
mod init;
mod lock;
mod settings;
mod status;

use secrecy::ExposeSecret as _;
use skep_cluster::{
    ClusterError, MachineRecord,
    reach::Cluster,
    survey::{remember, survey},
};
use skep_model::Role;
use skep_swarm::{
    Change, JoinOptions, LocalNodeState, LocalState, Swarm as Member, options::MANAGER_PORT,
    quorum::judge,
};

use super::{node::change::enforce, print};
use crate::{
    args::{
        RoleArg,
        swarm::{JoinArgs, Swarm},
    },
    cluster_name::name_option,
    context::Context,
    failure::{Exit, Failure},
};

pub(super) async fn run(context: &Context, command: Swarm) -> Result<(), Failure> {
    match command {
        Swarm::Init(args) => init::init(context, &args).await,
        Swarm::Join(args) => join(context, &args).await,
        Swarm::JoinToken { role, rotate, quiet } => join_token(context, role, rotate, quiet).await,
        Swarm::Leave { machines, force } => leave(context, &machines, force).await,
        Swarm::Status => status::status(context).await,
        Swarm::Unlock { machines } => lock::unlock(context, &machines).await,
        Swarm::UnlockKey { rotate, quiet } => lock::unlock_key(context, rotate, quiet).await,
        Swarm::Update { autolock, settings } => {
            settings::update(context, autolock, &settings).await
        }
        Swarm::Ca(args) => authority::ca(context, &args).await,
    }
}

/// The cluster of the machines that are named, and these.
fn named(context: &Context, names: &[String]) -> Result<Cluster, Failure> {
    let cluster = match names.first() {
        Some(machine) => context.cluster_of(machine)?,
        None => context.cluster()?,
    };
    // All names are understood before anything is changed.
    for name in names {
        cluster.machine(name)?;
    }
    Ok(cluster)
}

async fn member(
    context: &Context,
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<Member, ClusterError> {
    Ok(Member::new(&cluster.engine(machine, &context.cancel).await?))
}

async fn join(context: &Context, args: &JoinArgs) -> Result<(), Failure> {
    for (flag, address) in [
        ("--advertise-addr", &args.advertise_addr),
        ("--data-path-addr", &args.data_path_addr),
        ("--listen-addr", &args.listen_addr),
    ] {
        let ip = address.as_ref().and_then(skep_swarm::NodeAddress::ip);
        if args.machines.len() > 1 && ip.is_some_and(|ip| !ip.is_unspecified()) {
            return Err(Failure::usage(format!(
                "{flag}: several machines cannot have one address: name one machine, or an \
                 interface that each of them has"
            )));
        }
    }
    let cluster = named(context, &args.machines)?;
    let (engine, leader) = cluster.manager(&context.cancel).await?;
    let swarm = Member::new(&engine);
    let remote = std::net::SocketAddr::new(cluster.address(leader)?, MANAGER_PORT);
    let tokens = swarm.tokens(&context.cancel).await?;
    let nodes: Vec<_> =
        swarm.nodes(&context.cancel).await?.into_iter().map(|node| node.id).collect();
    let role = if args.manager { Role::Manager } else { Role::Worker };
    for name in &args.machines {
        let machine = cluster.machine(name)?;
        let member = member(context, &cluster, machine).await?;
        let mut options =
            JoinOptions::new(remote, tokens.of(role).clone(), cluster.address(machine)?);
        options.availability = args.availability.into();
        options.addresses = options.addresses.with(
            args.advertise_addr.as_ref(),
            args.data_path_addr.as_ref(),
            args.listen_addr.as_ref(),
        );
        options.members = Some(nodes.clone());
        let joined = member.join(&options, &context.cancel).await?;
        print(&match joined.already {
            true => format!("{} is in the swarm already.\n", machine.name),
            false => format!("{} joined the swarm as a {role}.\n", machine.name),
        })?;
        let (own, operation) = (&joined.node, context.operation());
        cluster.replace_former_nodes(&swarm, &machine.name, own, operation).await?;
    }
    Ok(remember(&cluster, &context.cancel).await?)
}

async fn join_token(
    context: &Context,
    role: RoleArg,
    rotate: bool,
    quiet: bool,
) -> Result<(), Failure> {
    let swarm = Member::new(&context.manager().await?);
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
    let local = swarm.local(&context.cancel).await?;
    print(&format!(
        "{rotated}To add a {role} to this swarm, run the following command:\n\n    \
         docker swarm join --token {token} {}\n\n",
        manager_address(&local),
    ))
}

/// Where the others reach a manager: as it says to them, else at the usual port.
fn manager_address(local: &LocalState) -> String {
    let own = local.managers.iter().find(|manager| Some(&manager.node) == local.node.as_ref());
    own.map_or_else(|| format!("{}:{MANAGER_PORT}", local.address), |own| own.address.clone())
}

async fn leave(context: &Context, names: &[String], force: bool) -> Result<(), Failure> {
    let cluster = named(context, names)?;
    let mut members = Vec::new();
    for name in names {
        let machine = cluster.machine(name)?;
        let member = member(context, &cluster, machine).await?;
        let local = member.local(&context.cancel).await?;
        members.push((machine, member, local));
    }
    // The engine itself lets one in error go unasked, though it may have all there is of a swarm.
    for (machine, _, local) in &members {
        if local.state != LocalNodeState::Active && local.may_be_manager() && !force {
            return Err(keeps(&cluster, machine, local));
        }
    }
    // Each is judged on its own swarm's list, for they may be of two. Where the managers have no
    // quorum there is none; the engine refuses a manager without --force.
    let found = survey(&cluster, &context.cancel).await?;
    for swarm in &found.swarms {
        let Some(nodes) = &swarm.nodes else { continue };
        let is_here = |machine: &MachineRecord| swarm.machines.contains(&machine.name);
        let leaving = members.iter().filter(|(machine, ..)| is_here(machine));
        let targets: Vec<_> = leaving.filter_map(|(_, _, local)| local.node.clone()).collect();
        enforce(context, judge(nodes, Change::Leave, &targets), force)?;
    }
    for (machine, member, _) in members {
        print(&match member.leave(force, &context.cancel).await? {
            true => format!("{} left the swarm.\n", machine.name),
            false => format!("{} is in no swarm.\n", machine.name),
        })?;
    }
    Ok(())
}

/// A node is not let go that may have more of its swarm than any other.
fn keeps(cluster: &Cluster, machine: &MachineRecord, local: &LocalState) -> Failure {
    let (name, option) = (&machine.name, name_option(&cluster.record().name));
    let (is, first) = match local.state {
        LocalNodeState::Locked => (
            "is locked, so it is a manager".to_owned(),
            format!("`skep swarm unlock{option} {name}` gives it the key"),
        ),
        state => {
            let error = match local.problem().as_str() {
                "" => String::new(),
                error => format!(": {error}"),
            };
            (
                format!("may be a manager (state {state}{error})"),
                format!("`skep status{option}` shows what it waits for"),
            )
        }
    };
    Failure::new(
        Exit::Preflight,
        format!("{name} {is}, and what it has of the swarm would go with it"),
    )
    .with_fix(format!("{first}; --force lets it go all the same"))
}
