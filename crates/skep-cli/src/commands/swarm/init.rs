//! `skep swarm init`

use skep_cluster::{
    ClusterError, MachineRecord,
    reach::Cluster,
    survey::{Part, Survey, remember, survey},
};
use skep_model::{MachineName, Role};
use skep_swarm::{InitOptions, LocalNodeState};

use super::{lock::unlock_text, member, settings};
use crate::{
    args::swarm::InitArgs,
    cluster_name::name_option,
    commands::print,
    context::Context,
    failure::{Exit, Failure, cannot_be_asked},
};

pub(super) async fn init(context: &Context, args: &InitArgs) -> Result<(), Failure> {
    let mut settings = settings::read(&args.settings)?;
    settings.autolock = args.autolock.then_some(true);
    settings.check()?;
    skep_swarm::pool::check(&args.default_addr_pool, args.default_addr_pool_mask_length, &[])
        .map_err(skep_swarm::SwarmError::from)?;
    let names: Vec<String> = args.machine.iter().cloned().collect();
    let cluster = super::named(context, &names)?;
    let mut machines = cluster.record().machines.iter();
    let machine = match &args.machine {
        Some(name) => cluster.machine(name)?,
        None => machines
            .find(|machine| machine.role == Some(Role::Manager))
            .ok_or_else(|| Failure::usage("the cluster has no manager: say which machine"))?,
    };
    let mut options = InitOptions::new(cluster.address(machine)?);
    options.availability = args.availability.into();
    options.addresses = options.addresses.with(
        args.advertise_addr.as_ref(),
        args.data_path_addr.as_ref(),
        args.listen_addr.as_ref(),
    );
    options.data_path_port = args.data_path_port.filter(|port| *port > 0);
    options.pools.clone_from(&args.default_addr_pool);
    options.subnet_size = args.default_addr_pool_mask_length;
    options.settings = settings;
    options.force_new_cluster = args.force_new_cluster;
    let found = survey(&cluster, &context.cancel).await?;
    is_able(machine, &found, args.force_new_cluster)?;
    if args.force_new_cluster {
        may_force(context, &cluster, machine, &found, args.force)?;
    } else {
        found.may_found(&machine.name, cluster.record())?;
    }
    let member = member(context, &cluster, machine).await?;
    let joined = member.init(&options, &context.cancel).await?;
    let how = if joined.already { "was a manager already" } else { "is now a manager" };
    if args.force_new_cluster {
        context.say(
            "It is the only manager now. Managers that come back are still those of the swarm of \
             before: `skep status` tells them apart.",
        );
    } else {
        context.say("Add machines with `skep swarm join MACHINE…`, managers with --manager.");
    }
    print(&format!("Swarm initialized: current node ({}) {how}.\n", joined.node))?;
    remember(&cluster, &context.cancel).await?;
    // Of a swarm that was there already the key is `unlock-key`'s to print.
    if args.autolock && !joined.already {
        let key = member.unlock_key(&context.cancel).await?;
        print(&key.map(|key| format!("\n{}", unlock_text(&key))).unwrap_or_default())?;
    }
    Ok(())
}

/// Refuses a machine whose engine has a part in a swarm that it cannot take: that may be all there
/// is of that swarm. A manager that only lacks the others may still go on alone.
fn is_able(
    machine: &MachineRecord,
    found: &Survey,
    force_new_cluster: bool,
) -> Result<(), Failure> {
    let Some(local) = found.local(&machine.name) else { return Ok(()) };
    let may_go_on = local.state == LocalNodeState::Active
        || !local.may_be_manager()
        || (force_new_cluster && local.is_manager);
    if may_go_on {
        return Ok(());
    }
    let error =
        ClusterError::NotManager { machine: machine.name.clone(), local: Box::new(local.clone()) };
    Err(cannot_be_asked(error, Exit::Preflight))
}

/// Refuses a new cluster beside managers that live: it is for those that are gone for good.
fn may_force(
    context: &Context,
    cluster: &Cluster,
    machine: &MachineRecord,
    found: &Survey,
    force: bool,
) -> Result<(), Failure> {
    let option = name_option(&cluster.record().name);
    let name = &machine.name;
    let others = |wanted: &dyn Fn(&MachineName, &Part) -> bool| -> Vec<String> {
        let others =
            found.parts.iter().filter(|(other, part)| other != name && wanted(other, part));
        others.map(|(other, _)| other.to_string()).collect()
    };
    let living = others(&|other, part| {
        let says_so = |local: &skep_swarm::LocalState| {
            local.is_manager || local.state == LocalNodeState::Locked
        };
        part.local().is_some_and(says_so) || found.role_of(other) == Some(Role::Manager)
    });
    let unasked = others(&|other, part| {
        part.local().is_none()
            && cluster.machine(other.as_str()).is_ok_and(|one| one.role == Some(Role::Manager))
    });
    if !living.is_empty() {
        let verb = if living.len() == 1 { "is a manager" } else { "are managers" };
        let text = format!(
            "{} {verb} too, and would go on as the managers of another swarm beside the new one",
            living.join(", ")
        );
        if !force {
            return Err(Failure::new(Exit::Preflight, text).with_fix(format!(
                "start, or unlock, the managers that are missing (`skep status{option}` shows \
                 them); --force makes the new cluster all the same"
            )));
        }
        context.events.warn("", text);
    }
    if !unasked.is_empty() {
        let text = format!(
            "{} cannot be asked: whoever comes back is still a manager of the swarm of before",
            unasked.join(", ")
        );
        context.events.warn("", text);
    }
    Ok(())
}
