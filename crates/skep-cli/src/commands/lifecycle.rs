//! `skep up`, `skep down`, `skep status`.

use skep_cluster::{
    ClusterError, ClusterRecord, Home,
    down::{Removed, down as take_down},
    reach::Cluster,
    status::{MachineStatus, Status, status as look},
    trust::behind,
    unfinished::{Removal, removal},
    up::{Doubt, Report, up as bring_up},
};
use skep_model::{ClusterName, MachineState, Reason, Role};
use skep_pki::Purpose;
use skep_swarm::{LocalNodeState, SwarmError, quorum};

use super::{machine_options, print, print_json};
use crate::{
    args::{Format, StatusArgs, Up},
    cluster_name::name_option,
    context::Context,
    failure::{Exit, Failure, line_of, one_line, way_out_of},
    table::Table,
};

pub(super) async fn up(context: &Context, args: Up) -> Result<(), Failure> {
    let mut desired = machine_options::desired(&args.machines)?;
    desired.replace_swarm = args.new_swarm;
    let home = context.home()?;
    let name = context.cluster_name(&home)?;
    // One that is chosen is known afterwards only.
    let driver = match desired.driver {
        None => ClusterRecord::load(&home, &name).ok().flatten().map(|record| record.driver),
        named => named,
    };
    if let Some(driver) = driver {
        machine_options::warn_of_ignored(context, driver, &args.machines);
    }
    let ca_certificates =
        super::cert::read(&home, &args.ca_certificates, Purpose::System, &context.events)?;
    desired.ca_certificates = ca_certificates;
    if let Some(advice) = args.machines.managers.filter(|&count| count > 0).and_then(quorum::advice)
    {
        context.events.warn("", advice);
    }
    let operation = context.operation().within(args.timeout);
    let report = bring_up(&home, &name, &desired, operation).await.map_err(|error| {
        let resumable = error.is_cancelled()
            || matches!(
                error,
                ClusterError::Partly { .. }
                    | ClusterError::Swarm(SwarmError::NotReady { .. })
                    | ClusterError::NoSwarm { doubt: Doubt::NoManager, .. }
            );
        let failure = Failure::from(error);
        if resumable { failure.with_fix(resume(&name)) } else { failure }
    })?;
    if driver.is_none() {
        machine_options::warn_of_ignored(context, report.record.driver, &args.machines);
    }
    context.say(&summary(&home, &report));
    Ok(())
}

/// The command that goes on, and the one that gives up.
fn resume(name: &ClusterName) -> String {
    let option = name_option(name);
    format!("`skep up{option}` goes on where it stopped; `skep down{option}` removes everything")
}

/// What there is now, and what to type next.
fn summary(home: &Home, report: &Report) -> String {
    let record = &report.record;
    let option = name_option(&record.name);
    let count = |role| record.machines.iter().filter(|machine| machine.role == Some(role)).count();
    let (managers, workers) = (count(Role::Manager), count(Role::Worker));
    let joined = report.joined.iter().filter(|name| !report.created.contains(name)).count();
    let parts =
        [(report.created.len(), "made"), (report.started.len(), "started"), (joined, "joined")];
    let parts: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).collect();
    let listed: Vec<_> = parts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    let did = match parts.as_slice() {
        [] if report.resumed => "is up: what an earlier command had begun is finished".to_owned(),
        [] => "was there already".to_owned(),
        [(_, "started")] => format!("is up again, {}", listed.join(", ")),
        _ => format!("is up, {}", listed.join(", ")),
    };
    let manager = record.machines.iter().find(|machine| machine.role == Some(Role::Manager));
    let manager = manager.map_or("manager1", |machine| machine.name.as_str());
    let several = home.clusters().is_ok_and(|clusters| clusters.len() > 1);
    let option = if several { option } else { String::new() };
    format!(
        "Swarm {} {did}: {managers} manager{}, {workers} worker{}.\n\
         Look at it:         skep node ls{option}\n\
         Use its engine:     eval \"$(skep env{option} {manager})\"\n\
         Log in:             skep machine ssh{option} {manager}\n\
         Remove everything:  skep down{option}",
        record.name,
        plural(managers),
        plural(workers),
    )
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

pub(super) async fn down(context: &Context) -> Result<(), Failure> {
    let home = context.home()?;
    let name = context.cluster_name(&home)?;
    let removed = take_down(&home, &name, context.operation()).await;
    let removed = removed.map_err(|error| {
        let cancelled = error.is_cancelled();
        let failure = Failure::from(error);
        if cancelled {
            failure.with_fix(format!("`skep down{}` goes on with what is left", name_option(&name)))
        } else {
            failure
        }
    })?;
    context.say(&match removed {
        // No cluster was named, and there is none: that is what was asked for.
        Removed::Nothing
            if context.global.name.is_none() || context.global.named_by_environment =>
        {
            format!("There is no cluster {name}: nothing to remove.")
        }
        Removed::Nothing => return Err(no_such_cluster(&home, &name)),
        Removed::Machines(count) => {
            format!("Cluster {name} is gone: {count} machine{} removed.", plural(count))
        }
    });
    Ok(())
}

/// A cluster was named that does not exist: a typing error, by which nothing was removed.
fn no_such_cluster(home: &Home, name: &ClusterName) -> Failure {
    let there = home.clusters().unwrap_or_default();
    let names: Vec<_> = there.iter().map(ClusterName::as_str).collect();
    let failure = Failure::usage(format!("there is no cluster {name}: nothing was removed"));
    match names.as_slice() {
        [] => failure.with_fix("there are none at all, so there is nothing to remove"),
        names => failure.with_fix(format!("there are: {}", names.join(", "))),
    }
}

pub(super) async fn status(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let status = look(&cluster, &context.cancel).await?;
    match args.format {
        Format::Table => print(&table(&status))?,
        Format::Json => print_json("machines", json(&status))?,
    }
    let behind = behind(cluster.home(), cluster.record());
    if status.is_as_desired() && behind.is_empty() {
        return Ok(());
    }
    let mut failure = not_as_desired(&cluster, &status);
    failure.causes.extend(behind.iter().map(|one| format!("{}: {one}", one.machine).into()));
    Err(failure)
}

fn table(status: &Status) -> String {
    let mut table =
        Table::new(["MACHINE", "ROLE", "STATE", "ADDRESS", "ENGINE", "NODE", "AVAILABILITY"]);
    for machine in &status.machines {
        let node = machine.node.as_ref();
        table.row([
            machine.name.to_string(),
            node.map(role_now).or(machine.role).map(|role| role.to_string()).unwrap_or_default(),
            machine.state.to_string(),
            machine.address.map(|address| address.to_string()).unwrap_or_default(),
            machine.engine.as_ref().map_or_else(|_| String::new(), String::clone),
            node.map_or_else(
                || membership(status, machine).to_owned(),
                |one| one.state.capitalized(),
            ),
            node.map(|node| node.availability.capitalized()).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

/// What stands in the place of a node's state where the swarm lists none for the machine.
fn membership(status: &Status, machine: &MachineStatus) -> &'static str {
    match machine.membership {
        _ if machine.other_swarm.is_some() => "Other swarm",
        Some(LocalNodeState::Locked) => "Locked",
        Some(LocalNodeState::Pending) => "Pending",
        Some(LocalNodeState::Error) => "Error",
        Some(LocalNodeState::Active) if status.swarm.is_ok() => "Unlisted",
        Some(LocalNodeState::Active) => "Unknown",
        Some(LocalNodeState::Inactive) | None => "",
    }
}

/// What a node is by now, which may be changed since its machine was made.
fn role_now(node: &skep_swarm::NodeRow) -> Role {
    if node.manager.is_some() { Role::Manager } else { Role::Worker }
}

fn json(status: &Status) -> Vec<serde_json::Value> {
    let machine = |machine: &MachineStatus| {
        let node = machine.node.as_ref();
        serde_json::json!({
            "name": machine.name,
            "role": machine.role,
            "state": machine.state,
            "address": machine.address,
            "cluster_address": machine.cluster_address,
            "engine": machine.engine.as_ref().ok(),
            "membership": machine.membership.map(|state| state.to_string()),
            "other_swarm": machine.other_swarm,
            "problem": machine.engine.as_ref().err().map(|error| one_line(error)),
            "node": node.map(|node| serde_json::json!({
                "id": node.id,
                "role": role_now(node),
                "state": node.state,
                "availability": node.availability,
            })),
        })
    };
    status.machines.iter().map(machine).collect()
}

/// What is not as it should be, each with its reason.
fn not_as_desired(cluster: &Cluster, status: &Status) -> Failure {
    let option = name_option(&cluster.record().name);
    let mends = format!("`skep up{option}` mends what can be mended");
    let mut failure = match &status.swarm {
        // Machines by themselves need be in no swarm.
        _ if status.are_alone() => {
            Failure::new(Exit::NotConverged, "not every machine is as it should be").with_fix(mends)
        }
        Ok(()) => {
            Failure::new(Exit::NotConverged, "not every machine is as it should be").with_fix(mends)
        }
        Err(ClusterError::NoSwarm { doubt, .. }) => {
            let exit = if status.quorum_is_lost() { Exit::Failed } else { Exit::NotConverged };
            // Whatever is off is started before anything else is thought of.
            let any_is_off =
                status.machines.iter().any(|machine| machine.state != MachineState::Running);
            let fix = if any_is_off {
                format!("`skep up{option}` starts what is off")
            } else {
                way_out_of(doubt, &option)
            };
            Failure::new(exit, doubt.to_string()).with_fix(fix)
        }
        Err(error) => {
            let mut failure =
                Failure::new(Exit::NotConverged, "the swarm does not answer").with_fix(mends);
            failure.causes.push(line_of(error));
            failure
        }
    };
    for machine in &status.machines {
        let name = &machine.name;
        if let Err(error) = &machine.engine {
            let line = line_of(error);
            failure.causes.push(Reason { text: format!("{name}: {}", line.text), ..line });
        } else if let Some(other) = &machine.other_swarm {
            failure.causes.push(format!("{name} is in another swarm, {other}").into());
            let fix = format!("`skep up{option}` shows both swarms, and the ways out");
            failure.fix = Some(fix.into());
        } else if status.swarm.is_ok() {
            match (&machine.node, machine.membership) {
                (None, Some(LocalNodeState::Locked)) => {
                    failure.causes.push(format!("{name} is locked").into());
                    let fix = way_out_of(&Doubt::Locked(vec![name.clone()]), &option);
                    failure.fix = Some(fix.into());
                }
                (None, _) if machine.role.is_none() => {}
                (None, _) => {
                    failure.causes.push(format!("{name} is no node of the swarm").into());
                }
                (Some(node), _) if node.state != skep_swarm::NodeState::Ready => {
                    let state = &node.state;
                    failure.causes.push(format!("{name}: its node is {state}").into());
                }
                (Some(_), _) => {}
            }
        }
    }
    // Nothing is mended while a command removes the cluster.
    match removal(cluster.home(), &cluster.record().name) {
        Some(Removal::UnderWay(_)) => failure.with_fix("it is being removed: wait for that to end"),
        Some(Removal::Interrupted) => failure.with_fix(format!(
            "`skep down{option}` goes on removing it; `skep up{option}` gives that up"
        )),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use skep_swarm::{Availability, ManagerRank, NodeId, NodeRow, NodeState, TlsStatus};

    use super::*;

    fn machine(name: &str, state: MachineState, node: Option<NodeRow>) -> MachineStatus {
        MachineStatus {
            name: name.parse().unwrap(),
            role: Some(Role::Worker),
            state,
            address: Some([192, 168, 99, 100].into()),
            cluster_address: None,
            engine: Ok("26.1.5".into()),
            membership: None,
            other_swarm: None,
            node,
        }
    }

    #[test]
    fn a_node_is_shown_as_docker_shows_it() {
        let node = NodeRow {
            id: NodeId::new("m".repeat(25)),
            is_self: true,
            hostname: "manager1".into(),
            state: NodeState::Ready,
            availability: Availability::Drain,
            manager: Some(ManagerRank::Leader),
            engine_version: "26.1.5".into(),
            tls: TlsStatus::Unknown,
        };
        let down = NodeRow { state: NodeState::Down, manager: None, ..node.clone() };
        let machines = vec![
            machine("manager1", MachineState::Running, Some(node)),
            machine("worker1", MachineState::Stopped, Some(down)),
        ];
        let status = Status { machines, strays: Vec::new(), swarm: Ok(()) };
        assert_eq!(
            table(&status),
            "MACHINE    ROLE      STATE     ADDRESS          ENGINE    NODE      AVAILABILITY\n\
             manager1   manager   Running   192.168.99.100   26.1.5    Ready     Drain\n\
             worker1    worker    Stopped   192.168.99.100   26.1.5    Down      Drain\n"
        );
    }
}
