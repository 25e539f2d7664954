//! The state of a cluster, by its driver, its engines and its swarm, all asked at once.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::future::join_all;
use skep_model::{MachineName, MachineState, Role};
use skep_swarm::{LocalNodeState, NodeId, NodeRow, NodeState, Quorum, Swarm, quorum};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, MachineRecord,
    machines::engine_release,
    reach::Cluster,
    survey::{Found, Part, Survey, survey_with},
    up::Doubt,
};

/// How long the swarm may take to say how it is. An emulated machine on a busy host takes seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A cluster as it is.
#[derive(Debug)]
pub struct Status {
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
    pub name: MachineName,
    /// The role it was made for, or was last seen to have.
    pub role: Option<Role>,
    pub state: MachineState,
    /// Its address for this host, once it has one.
    pub address: Option<IpAddr>,
    /// Its address among the nodes, once it has one.
    pub cluster_address: Option<Ipv4Addr>,
    /// Its engine's release, or why there is no telling.
    pub engine: Result<String, ClusterError>,
    /// How its engine stands to swarm mode, if it answers.
    pub membership: Option<LocalNodeState>,
    /// The swarm it is in, where that is another one than the cluster's.
    pub other_swarm: Option<String>,
    /// Its node in the swarm, if it is one.
    pub node: Option<NodeRow>,
}

impl Status {
    /// Whether none of them was made to be in a swarm, or is in one. Then there need not be one.
    pub fn are_alone(&self) -> bool {
        self.machines.iter().all(|machine| {
            machine.role.is_none()
                && machine.membership.is_none_or(|state| state == LocalNodeState::Inactive)
        })
    }

    /// Whether the managers cannot decide anything.
    pub fn quorum_is_lost(&self) -> bool {
        matches!(&self.swarm, Err(ClusterError::NoSwarm { doubt: Doubt::NoQuorum { .. }, .. }))
    }

    /// Whether every machine runs, its engine answers, and its node is ready if it has one or should.
    pub fn is_as_desired(&self) -> bool {
        (self.swarm.is_ok() || self.are_alone())
            && self.machines.iter().all(|machine| {
                machine.state == MachineState::Running
                    && machine.engine.is_ok()
                    && machine.other_swarm.is_none()
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
    let states = cluster.home().driver(record.driver).states(&record.name).await?;
    let urls = record.machines.iter().filter(|one| !one.system().has_login());
    let releases = join_all(urls.map(|machine| async {
        let release = engine_release(cluster, machine.name.as_str(), cancel).await;
        (machine.name.clone(), release)
    }));
    let (survey, releases) = tokio::join!(survey_with(cluster, &states, cancel), releases);
    let survey = survey?;
    let main = main_swarm(record, &survey);
    let (mut nodes, swarm) = match rows(record, &survey, main, cancel).await {
        Ok(nodes) => (nodes, Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    };
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    // Of two nodes of one name, the one that is up is the machine's.
    nodes.sort_by_key(|node| !is_ready(node));
    let other = |machine: &MachineRecord| {
        let own = survey.swarm_of(&machine.name)?;
        main.is_some_and(|main| main != own).then(|| own.id.clone().unwrap_or_default())
    };
    let seen: Vec<_> = record
        .machines
        .iter()
        .map(|one| (survey.role_of(&one.name), other(one), survey.engine(&one.name).cloned()))
        .collect();
    let mut parts: BTreeMap<MachineName, Part> = survey.parts.into_iter().collect();
    let mut releases: BTreeMap<MachineName, _> = releases.into_iter().collect();
    let mut machines = Vec::new();
    for (machine, (role, other_swarm, engine)) in record.machines.iter().zip(seen) {
        let part = parts.remove(&machine.name);
        let place = place_of(&nodes, machine, part.as_ref());
        machines.push(MachineStatus {
            name: machine.name.clone(),
            role: role.or(machine.role),
            state: states.get(&machine.name).copied().unwrap_or(MachineState::Absent),
            address: cluster.reach(machine).ok().map(|reach| reach.host),
            cluster_address: record.address(machine),
            membership: part.as_ref().and_then(Part::local).map(|local| local.state),
            other_swarm,
            node: place.map(|place| nodes.remove(place)),
            engine: match (releases.remove(&machine.name), engine, part) {
                (Some(asked), _, _) => asked,
                (None, Some(engine), _) => Ok(engine.release().to_owned()),
                (None, None, Some(Part::Silent(error))) => Err(*error),
                (None, None, Some(Part::Off(state))) => Err(is_off(state)),
                (None, None, Some(Part::Known(_)) | None) => Err(is_off(MachineState::Absent)),
            },
        });
    }
    Ok(Status { machines, strays: nodes, swarm })
}

/// The swarm that is the cluster's: the one it was last seen in, else the first that has managers
/// among its machines.
fn main_swarm<'a>(record: &ClusterRecord, survey: &'a Survey) -> Option<&'a Found> {
    let known = survey.swarms.iter().find(|swarm| swarm.id.is_some() && swarm.id == record.swarm);
    known
        .or_else(|| survey.swarms.iter().find(|swarm| !swarm.managers.is_empty()))
        .or_else(|| survey.swarms.first())
}

/// The swarm's list of nodes, or why there is none.
async fn rows(
    record: &ClusterRecord,
    survey: &Survey,
    main: Option<&Found>,
    cancel: &CancellationToken,
) -> Result<Vec<NodeRow>, ClusterError> {
    let no_swarm = |doubt| {
        Err(ClusterError::NoSwarm {
            cluster: record.name.clone(),
            doubt,
            untouched: true,
            failures: Vec::new(),
        })
    };
    // Managers that are enough and have no list are electing a leader: in seconds they have one.
    let asked = main.and_then(|found| {
        let answers = found.nodes.is_some() || found.quorum().is_there();
        let engine = || found.managers.iter().find_map(|name| survey.engine(name));
        Some((found, answers.then(engine)??))
    });
    if let Some((found, engine)) = asked {
        let swarm = Swarm::new(engine);
        let rows = async {
            if found.nodes.is_none() {
                swarm.nodes_once_led(PATIENCE, cancel).await?;
            }
            swarm.rows(cancel).await
        };
        match tokio::time::timeout(2 * PATIENCE, rows).await {
            // They have not come to agree.
            Ok(Err(error)) if error.may_pass() => {}
            Ok(ended) => return Ok(ended?),
            Err(_elapsed) => return Err(silent()),
        }
    }
    let locked = survey.locked();
    match main {
        Some(swarm) if !swarm.managers.is_empty() => {
            let reachable = swarm.managers.len();
            let members = swarm.known_managers.max(quorum::needed(reachable));
            no_swarm(Doubt::NoQuorum { quorum: Quorum { members, reachable }, locked })
        }
        _ if !locked.is_empty() => no_swarm(Doubt::Locked(locked)),
        Some(swarm) => no_swarm(Doubt::ManagersAway(swarm.machines.clone())),
        None => Err(ClusterError::NoManager { name: record.name.clone(), tried: Vec::new() }),
    }
}

/// Where in the list a machine's node is: by the ID that its engine reports, or by the one it was
/// last seen to have; a machine that was never seen as a node by its name.
fn place_of(nodes: &[NodeRow], machine: &MachineRecord, part: Option<&Part>) -> Option<usize> {
    let local = part.and_then(Part::local);
    if let Some(local) = local {
        let own = local.node.as_ref()?;
        return nodes.iter().position(|node| node.id == *own);
    }
    let by_id = |own: &NodeId| nodes.iter().position(|node| node.id == *own);
    let by_name = || nodes.iter().position(|node| node.hostname == machine.name.as_str());
    machine.node.as_ref().and_then(by_id).or_else(by_name)
}

fn is_off(state: MachineState) -> ClusterError {
    ClusterError::Request {
        reason: format!("machine is {}", state.to_string().to_lowercase()).into(),
    }
}

fn is_ready(node: &NodeRow) -> bool {
    node.state == NodeState::Ready
}

fn silent() -> ClusterError {
    ClusterError::Request {
        reason: format!("no answer within {} s", 2 * PATIENCE.as_secs()).into(),
    }
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
