//! `machine ls`.

use std::net::IpAddr;

use skep_cluster::{ClusterError, MachineRecord, reach::Cluster, status::states};
use skep_model::MachineState;

use crate::{
    args::machine::Ls,
    commands::{print, print_json, print_lines},
    context::Context,
    failure::Failure,
    table::Table,
};

/// Lists the machines of one cluster, or of all if none is named.
pub(super) async fn ls(context: &Context, listing: &Ls) -> Result<(), Failure> {
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
    match listing.format.as_str() {
        "table" => {
            let mut table = Table::new(["NAME", "CLUSTER", "ROLE", "DRIVER", "STATE", "ADDRESS"]);
            for (cluster, machine, state) in &lines {
                let record = cluster.record();
                table.row([
                    machine.name.to_string(),
                    record.name.to_string(),
                    machine.role.map(|role| role.to_string()).unwrap_or_default(),
                    record.driver.to_string(),
                    state.to_string(),
                    address(cluster, machine).map(|ip| ip.to_string()).unwrap_or_default(),
                ]);
            }
            print(&table.to_string())?;
        }
        _ => {
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
