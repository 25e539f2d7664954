//! `skep machine ls|ip|ssh|start|stop|restart|kill`.

use std::{ffi::OsString, io::IsTerminal as _, net::IpAddr, os::unix::process::CommandExt as _};

use skep_cluster::{
    ClusterError, MachineRecord,
    power::{Power, power as change},
    reach::Cluster,
    status::states,
};
use skep_model::MachineState;

use super::{print, print_json, print_lines};
use crate::{
    args::{Format, Listing, Switch},
    context::Context,
    failure::Failure,
    table::Table,
};

/// Lists the machines of one cluster, or of all if none is named.
pub(super) async fn ls(context: &Context, listing: Listing) -> Result<(), Failure> {
    let home = context.home()?;
    let names = match &context.global.name {
        Some(name) => vec![name.clone()],
        None => home.clusters()?,
    };
    let mut lines = Vec::new();
    let mut damaged = None;
    for name in names {
        let cluster = match Cluster::open(&home, &name) {
            Ok(cluster) => cluster,
            Err(error) if context.global.name.is_some() => return Err(error.into()),
            // It is being made, or being removed.
            Err(ClusterError::NoCluster { .. }) => continue,
            // One damaged record does not hide the other clusters.
            Err(error) => {
                damaged.get_or_insert(error);
                continue;
            }
        };
        // Names come from the store; only states are asked of the driver.
        let machines = if listing.quiet {
            let machines = cluster.record().machines.iter();
            machines.map(|machine| (machine.clone(), MachineState::Absent)).collect()
        } else {
            states(&cluster).await?
        };
        for (machine, state) in machines {
            lines.push((cluster.clone(), machine, state));
        }
    }
    if listing.quiet {
        print_lines(lines.iter().map(|(_, machine, _)| &machine.name))?;
        return damaged.map_or(Ok(()), |error| Err(error.into()));
    }
    match listing.format {
        Format::Table => {
            let mut table = Table::new(["NAME", "CLUSTER", "ROLE", "DRIVER", "STATE", "ADDRESS"]);
            for (cluster, machine, state) in &lines {
                let record = cluster.record();
                table.row([
                    machine.name.to_string(),
                    record.name.to_string(),
                    machine.role.to_string(),
                    record.driver.to_string(),
                    state.to_string(),
                    address(cluster, machine).map(|ip| ip.to_string()).unwrap_or_default(),
                ]);
            }
            print(&table.to_string())?;
        }
        Format::Json => {
            let machine = |(cluster, machine, state): &(Cluster, _, _)| {
                let record = cluster.record();
                let machine: &MachineRecord = machine;
                serde_json::json!({
                    "name": machine.name,
                    "cluster": record.name,
                    "role": machine.role,
                    "driver": record.driver,
                    "state": state,
                    "address": address(cluster, machine),
                    "cluster_address": record.address(machine),
                })
            };
            print_json("machines", lines.iter().map(machine).collect::<Vec<_>>())?;
        }
    }
    damaged.map_or(Ok(()), |error| Err(error.into()))
}

/// A machine's address for this host, once it has one.
fn address(cluster: &Cluster, machine: &MachineRecord) -> Option<IpAddr> {
    cluster.reach(machine).ok().map(|reach| reach.host)
}

/// Prints addresses in the order asked; nothing at all if one is unknown.
pub(super) fn ip(context: &Context, machines: &[String]) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let address = |name: &String| Ok(cluster.reach(cluster.machine(name)?)?.host);
    let addresses = machines.iter().map(address).collect::<Result<Vec<_>, ClusterError>>()?;
    print_lines(addresses)
}

/// Becomes `ssh`, so that terminal, standard input and exit status are its own.
pub(super) fn ssh(context: &Context, machine: &str, command: &[OsString]) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let access = cluster.access(cluster.machine(machine)?)?;
    let terminal = command.is_empty() && std::io::stdin().is_terminal();
    let argv = access.interactive(terminal, command)?;
    #[expect(clippy::disallowed_methods, reason = "nothing is started here: skep becomes ssh")]
    let error = std::process::Command::new(&argv[0]).args(&argv[1..]).exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let fix = "install the OpenSSH client (`apt install openssh-client`)";
        return Err(Failure::failed("there is no `ssh` on this host").with_fix(fix));
    }
    Err(error.into())
}

/// What is done to a machine's power.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// On.
    On,
    /// Off, after asking.
    Off,
    /// Off at once.
    Cut,
}

/// Takes machines through some steps, and prints their names.
pub(super) async fn switch(
    context: &Context,
    args: &Switch,
    steps: &[Step],
) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    for step in steps {
        let power = match step {
            Step::On => Power::On { timeout: args.timeout },
            Step::Off => Power::Off,
            Step::Cut => Power::Cut,
        };
        change(&cluster, &args.machines, power, &context.events, &context.cancel).await?;
    }
    print_lines(&args.machines)
}
