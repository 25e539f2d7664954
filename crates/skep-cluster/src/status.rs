//! What is true of a cluster, asked of everybody at once.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::future::join_all;
use skep_machine::System;
use skep_model::{MachineName, MachineState, Role};
use skep_swarm::{NodeRow, NodeState, Swarm};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, machines::engine_release, reach::Cluster};

/// How long one machine, or the swarm, may take to say how it is. An emulated machine on a busy
/// host takes seconds; one that is switched off is known to be, and not waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// A cluster as it is.
#[derive(Debug)]
pub struct Status {
    /// Its machines, in the record's order.
    pub machines: Vec<MachineStatus>,
    /// Nodes of the swarm that run on no machine of the record, or on one of the same name that
    /// was made anew.
    pub strays: Vec<NodeRow>,
    /// Why the swarm could not be asked, if it could not.
    pub swarm: Result<(), ClusterError>,
}

/// One machine as it is.
#[derive(Debug)]
pub struct MachineStatus {
    /// Which machine.
    pub name: MachineName,
    /// The role it was made for.
    pub role: Option<Role>,
    /// What its driver says.
    pub state: MachineState,
    /// Its address for this host, once it has one.
    pub address: Option<IpAddr>,
    /// Its address among the nodes, once it has one.
    pub cluster_address: Option<Ipv4Addr>,
    /// Its engine's release, or why there is no telling.
    pub engine: Result<String, ClusterError>,
    /// Its node in the swarm, if it is one.
    pub node: Option<NodeRow>,
}

impl Status {
    /// Whether none of them was made to be in a swarm. Then there need not be one.
    pub fn are_alone(&self) -> bool {
        self.machines.iter().all(|machine| machine.role.is_none())
    }

    /// Whether every machine runs, its engine answers, and its node is ready if it has one or should.
    pub fn is_as_desired(&self) -> bool {
        (self.swarm.is_ok() || self.are_alone())
            && self.machines.iter().all(|machine| {
                machine.state == MachineState::Running
                    && machine.engine.is_ok()
                    && machine.node.as_ref().map_or(machine.role.is_none(), is_ready)
            })
    }
}

/// Looks at every machine, its engine and the swarm, all at once.
///
/// # Errors
/// [`ClusterError::Machine`] if the driver cannot be asked. A machine or a swarm that does not
/// answer is no error: that is what [`Status`] says.
pub async fn status(cluster: &Cluster, cancel: &CancellationToken) -> Result<Status, ClusterError> {
    let record = cluster.record();
    let driver = cluster.home().driver(record.driver);
    let states = driver.states(&record.name).await?;
    let state = |machine: &MachineRecord| {
        states.get(&machine.name).copied().unwrap_or(MachineState::Absent)
    };
    let engines = join_all(record.machines.iter().map(|machine| async {
        match state(machine) {
            MachineState::Running => release(cluster, machine, cancel).await,
            other => Err(ClusterError::Request {
                reason: format!("machine is {}", other.to_string().to_lowercase()),
            }),
        }
    }));
    let any_runs = record.machines.iter().any(|machine| state(machine) == MachineState::Running);
    let nodes = async {
        if !any_runs {
            return Err(ClusterError::NoManager { name: record.name.clone(), tried: Vec::new() });
        }
        let asked = async {
            let (engine, _) = cluster.manager(cancel).await?;
            Ok(Swarm::new(&engine).rows(cancel).await?)
        };
        let in_time = tokio::time::timeout(PATIENCE, asked).await;
        in_time.unwrap_or_else(|_| Err(silent()))
    };
    let (engines, nodes) = tokio::join!(engines, nodes);
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    let (mut nodes, swarm) = match nodes {
        Ok(nodes) => (nodes, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    // Of two nodes of one name, the one that is up is the machine's.
    nodes.sort_by_key(|node| !is_ready(node));
    let machines = record.machines.iter().zip(engines).map(|(machine, engine)| {
        let place = nodes.iter().position(|node| node.hostname == machine.name.as_str());
        MachineStatus {
            name: machine.name.clone(),
            role: machine.role,
            state: state(machine),
            address: cluster.reach(machine).ok().map(|reach| reach.host),
            cluster_address: record.address(machine),
            engine,
            node: place.map(|place| nodes.remove(place)),
        }
    });
    let machines = machines.collect();
    Ok(Status { machines, strays: nodes, swarm })
}

fn is_ready(node: &NodeRow) -> bool {
    node.state == NodeState::Ready
}

async fn release(
    cluster: &Cluster,
    machine: &MachineRecord,
    cancel: &CancellationToken,
) -> Result<String, ClusterError> {
    if machine.options.system() == System::Nothing {
        return engine_release(cluster, machine.name.as_str(), cancel).await;
    }
    let in_time = tokio::time::timeout(PATIENCE, cluster.engine(machine, cancel)).await;
    let engine = in_time.unwrap_or_else(|_| Err(silent()))?;
    Ok(engine.release().to_owned())
}

fn silent() -> ClusterError {
    ClusterError::Request { reason: format!("no answer within {} s", PATIENCE.as_secs()) }
}

/// The machines of a cluster with a state each, without asking the machines themselves.
///
/// # Errors
/// [`ClusterError::Machine`].
pub async fn states(cluster: &Cluster) -> Result<Vec<(MachineRecord, MachineState)>, ClusterError> {
    let record = cluster.record();
    let states = cluster.home().driver(record.driver).states(&record.name).await?;
    let state = |machine: &MachineRecord| states.get(&machine.name).copied();
    let machines = record.machines.iter();
    Ok(machines
        .map(|machine| (machine.clone(), state(machine).unwrap_or(MachineState::Absent)))
        .collect())
}
