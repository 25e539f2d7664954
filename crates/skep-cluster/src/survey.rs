//! What the engines of a cluster's machines say of their own part in a swarm, all asked at once.
//!
//! The record says what was asked for. A command that is about to change it, found a swarm, take a
//! manager away or give advice asks the engines first: machines may have been made nodes by hand
//! (`docker swarm init` inside them, as the walkthrough does), or promoted, or have left.
//!
//! A machine is matched with its node by the node's ID, which its engine reports, and by nothing
//! else as long as it answers: several nodes may have one name.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use skep_engine::Engine;
use skep_model::{ClusterName, MachineName, MachineState, Role};
use skep_store::StoreError;
use skep_swarm::{LocalNodeState, LocalState, Node, NodeId, Swarm};
use tokio_util::sync::CancellationToken;

pub use crate::swarms::Found;
use crate::{ClusterError, ClusterRecord, Home, MachineRecord, reach::Cluster, swarms::Doubt};

/// How long one engine may take to answer. An emulated machine on a busy host takes seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// One machine's part, as far as it is known.
#[derive(Debug)]
pub enum Part {
    /// The machine does not run, so its engine cannot be asked.
    Off(MachineState),
    Silent(Box<ClusterError>),
    Known(Box<LocalState>),
}

impl Part {
    /// What the engine said, if it answered.
    pub fn local(&self) -> Option<&LocalState> {
        match self {
            Part::Known(local) => Some(local),
            Part::Off(_) | Part::Silent(_) => None,
        }
    }
}

/// What all machines said.
#[derive(Debug, Default)]
pub struct Survey {
    /// Each machine's part, in the record's order.
    pub parts: Vec<(MachineName, Part)>,
    /// The swarms they are in; more than one is a fault that the user has to decide about.
    pub swarms: Vec<Found>,
    engines: BTreeMap<MachineName, Engine>,
}

/// Asks the engines of all machines that run. Takes as long as the slowest, and not longer than
/// a deadline of its own; an engine that does not answer is [`Part::Silent`].
///
/// # Errors
/// [`ClusterError::Machine`] if the driver cannot say which run; [`ClusterError::Cancelled`].
pub async fn survey(cluster: &Cluster, cancel: &CancellationToken) -> Result<Survey, ClusterError> {
    let record = cluster.record();
    let states = cluster.home().driver(record.driver).states(&record.name).await?;
    survey_with(cluster, &states, cancel).await
}

/// Writes down what the engines say now, for a command that has just changed it: roles and
/// nodes of machines that may be off the next time. While another command changes the cluster, that
/// one will.
///
/// # Errors
/// As [`survey`]; [`ClusterError::Store`].
pub async fn remember(cluster: &Cluster, cancel: &CancellationToken) -> Result<(), ClusterError> {
    let found = survey(cluster, cancel).await?;
    let (home, name) = (cluster.home(), &cluster.record().name);
    let Ok(_lock) = home.lock(name) else { return Ok(()) };
    Ok(found.save_in(home, name, |_| {})?)
}

/// As [`survey`], with the states that the driver has just given.
///
/// # Errors
/// [`ClusterError::Cancelled`].
pub(crate) async fn survey_with(
    cluster: &Cluster,
    states: &BTreeMap<MachineName, MachineState>,
    cancel: &CancellationToken,
) -> Result<Survey, ClusterError> {
    let asked = join_all(cluster.record().machines.iter().map(|machine| async move {
        let state = states.get(&machine.name).copied().unwrap_or(MachineState::Absent);
        if state != MachineState::Running || !machine.system().has_login() {
            return (machine.name.clone(), Part::Off(state), None, None);
        }
        match tokio::time::timeout(PATIENCE, ask(cluster, machine, cancel)).await {
            Ok(Ok((engine, local, nodes))) => {
                (machine.name.clone(), Part::Known(Box::new(local)), Some(engine), nodes)
            }
            Ok(Err(error)) => (machine.name.clone(), Part::Silent(Box::new(error)), None, None),
            Err(_elapsed) => {
                let reason = format!("no answer within {} s", PATIENCE.as_secs());
                let error = ClusterError::Request { reason: reason.into() };
                (machine.name.clone(), Part::Silent(Box::new(error)), None, None)
            }
        }
    }))
    .await;
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    let mut survey = Survey::default();
    let mut lists = Vec::new();
    for (name, part, engine, nodes) in asked {
        lists.extend(nodes.map(|nodes| (name.clone(), nodes)));
        survey.engines.extend(engine.map(|engine| (name.clone(), engine)));
        survey.parts.push((name, part));
    }
    survey.swarms = group(cluster.record(), &survey.parts, &lists);
    Ok(survey)
}

/// The role that an engine says it has. None for one that is in no swarm, or not yet again.
pub fn role_in(local: &LocalState) -> Option<Role> {
    match local.state {
        LocalNodeState::Locked => Some(Role::Manager),
        LocalNodeState::Active if local.is_manager => Some(Role::Manager),
        LocalNodeState::Active => Some(Role::Worker),
        LocalNodeState::Inactive | LocalNodeState::Pending | LocalNodeState::Error => None,
    }
}

async fn ask(
    cluster: &Cluster,
    machine: &MachineRecord,
    cancel: &CancellationToken,
) -> Result<(Engine, LocalState, Option<Vec<Node>>), ClusterError> {
    let engine = cluster.engine(machine, cancel).await?;
    let swarm = Swarm::new(&engine);
    let local = swarm.local(cancel).await?;
    // Without a quorum a manager refuses, which shows as there being no list.
    let nodes = if local.is_manager { swarm.nodes(cancel).await.ok() } else { None };
    Ok((engine, local, nodes))
}

impl Survey {
    /// One machine's part.
    pub fn part(&self, machine: &MachineName) -> Option<&Part> {
        self.parts.iter().find(|(name, _)| name == machine).map(|(_, part)| part)
    }

    /// What a machine's engine said.
    pub fn local(&self, machine: &MachineName) -> Option<&LocalState> {
        self.part(machine).and_then(Part::local)
    }

    /// The engine of a machine that answered.
    pub fn engine(&self, machine: &MachineName) -> Option<&Engine> {
        self.engines.get(machine)
    }

    /// The swarm a machine is in, if it is known to be in one.
    pub(crate) fn swarm_of(&self, machine: &MachineName) -> Option<&Found> {
        self.swarms.iter().find(|swarm| swarm.machines.contains(machine))
    }

    /// A machine's node in its swarm's list.
    pub(crate) fn node_of(&self, machine: &MachineName) -> Option<&Node> {
        let own = self.local(machine)?.node.as_ref()?;
        self.swarm_of(machine)?.nodes.as_ref()?.iter().find(|node| node.id == *own)
    }

    /// The role a machine has: what its swarm's list says, else what its engine does. None for a
    /// machine that is in no swarm, or cannot be asked.
    pub fn role_of(&self, machine: &MachineName) -> Option<Role> {
        if let Some(node) = self.node_of(machine) {
            return if node.manager.is_some() { Some(Role::Manager) } else { node.role.known() };
        }
        role_in(self.local(machine)?)
    }

    /// The machines whose engines need the swarm's unlock key.
    pub fn locked(&self) -> Vec<MachineName> {
        let is_locked =
            |part: &Part| part.local().is_some_and(|local| local.state == LocalNodeState::Locked);
        let locked = self.parts.iter().filter(|(_, part)| is_locked(part));
        locked.map(|(name, _)| name.clone()).collect()
    }

    /// Writes what was found into the record: which machines are nodes, and of which role.
    pub fn update(&self, record: &mut ClusterRecord) {
        if let [only] = self.swarms.as_slice()
            && only.id.is_some()
        {
            record.swarm.clone_from(&only.id);
        }
        for machine in &mut record.machines {
            if let Some(role) = self.role_of(&machine.name) {
                machine.role = Some(role);
            }
            let local = self.local(&machine.name);
            if let Some(node) = local.and_then(|local| local.node.clone()) {
                machine.node = Some(node);
            }
        }
    }

    /// Writes what was found into the record of a cluster, with what else changes there. The cluster's
    /// lock is held.
    pub(crate) fn save_in(
        &self,
        home: &Home,
        name: &ClusterName,
        also: impl FnOnce(&mut ClusterRecord),
    ) -> Result<(), StoreError> {
        let Some(before) = ClusterRecord::load(home, name)? else { return Ok(()) };
        let mut record = before.clone();
        self.update(&mut record);
        also(&mut record);
        if record == before { Ok(()) } else { record.save(home) }
    }

    /// Refuses to let `machine` found a swarm while another machine is in one, or may be. A machine
    /// that is in one itself is for its engine to refuse.
    ///
    /// # Errors
    /// [`ClusterError::SwarmExists`], [`ClusterError::NoSwarm`].
    pub fn may_found(
        &self,
        machine: &MachineName,
        record: &ClusterRecord,
    ) -> Result<(), ClusterError> {
        if self.swarm_of(machine).is_some() {
            return Ok(());
        }
        let cluster = record.name.clone();
        if let Some(swarm) = self.swarms.first() {
            let (machine, members) = (machine.clone(), swarm.machines.clone());
            return Err(ClusterError::SwarmExists { cluster, machine, members });
        }
        let others = |wanted: &dyn Fn(&Part) -> bool| -> Vec<MachineName> {
            let others = self.parts.iter().filter(|(name, part)| name != machine && wanted(part));
            others.map(|(name, _)| name.clone()).collect()
        };
        let locked = self.locked();
        // One that is off and was never seen as a node has at most a swarm of its own, which its
        // user has left on purpose.
        let was_node = |name: &MachineName| {
            record.machine(name.as_str()).is_some_and(|machine| machine.node.is_some())
        };
        let mut unasked = others(&|part| part.local().is_none());
        unasked.retain(was_node);
        let doubt = match (locked.is_empty(), unasked.is_empty()) {
            (true, true) => return Ok(()),
            (false, _) => Doubt::Locked(locked),
            (true, false) => Doubt::Unasked(unasked),
        };
        Err(ClusterError::NoSwarm { cluster, doubt, untouched: true, failures: Vec::new() })
    }

    /// Refuses a cluster whose machines are in more than one swarm. Nodes whose managers do not
    /// answer do not count: with these back, they may turn out to be in the other one.
    ///
    /// # Errors
    /// [`ClusterError::SeveralSwarms`], with the machines in each.
    pub(crate) fn only_one_swarm(&self, record: &ClusterRecord) -> Result<(), ClusterError> {
        let own = record.addresses();
        let counts = |swarm: &&Found| !swarm.lacks_its_managers(&own);
        if self.swarms.iter().filter(counts).count() < 2 {
            return Ok(());
        }
        Err(ClusterError::SeveralSwarms {
            cluster: record.name.clone(),
            swarms: self.swarms.clone(),
        })
    }
}

/// Sorts the machines into the swarms they are in.
///
/// Managers that know their swarm's ID decide first. Any other machine belongs where a list has its
/// node, or where a manager it knows of is; one that fits nowhere is in a swarm of its own, whose
/// managers are not among the machines that answered.
fn group(
    record: &ClusterRecord,
    parts: &[(MachineName, Part)],
    lists: &[(MachineName, Vec<Node>)],
) -> Vec<Found> {
    let mut swarms: Vec<Group> = Vec::new();
    let member = |part: &Part| -> Option<LocalState> {
        part.local().filter(|local| local.node.is_some()).cloned()
    };
    let members: Vec<(&MachineName, LocalState)> =
        parts.iter().filter_map(|(name, part)| Some((name, member(part)?))).collect();
    let (knowing, others): (Vec<_>, Vec<_>) =
        members.iter().partition(|(_, local)| local.cluster.is_some());
    // Managers without a quorum before workers: they know each other.
    let (managers, workers): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|(_, local)| local.is_manager);
    for (name, local) in knowing.into_iter().chain(managers).chain(workers) {
        let place = match swarms.iter().position(|swarm| swarm.has(local)) {
            Some(place) => place,
            None => {
                swarms.push(Group::default());
                swarms.len() - 1
            }
        };
        let nodes = lists.iter().find(|(asked, _)| asked == *name).map(|(_, nodes)| nodes);
        swarms[place].add(name, local, nodes);
    }
    let place = |name: &MachineName| record.machines.iter().position(|one| one.name == *name);
    let mut found: Vec<Found> = swarms.into_iter().map(|group| group.found).collect();
    for swarm in &mut found {
        swarm.machines.sort_by_key(place);
        swarm.managers.sort_by_key(place);
    }
    found.sort_by_key(|swarm| swarm.machines.first().and_then(place));
    found
}

/// A swarm while its machines are being collected.
#[derive(Debug, Default)]
struct Group {
    found: Found,
    /// The nodes that are in it for sure.
    known: Vec<NodeId>,
}

impl Group {
    fn has(&self, local: &LocalState) -> bool {
        if let (Some(own), Some(other)) = (&self.found.id, &local.cluster) {
            return own == other;
        }
        let is_known = |node: &NodeId| self.known.contains(node);
        local.node.as_ref().is_some_and(is_known)
            || local.managers.iter().any(|manager| is_known(&manager.node))
    }

    fn add(&mut self, name: &MachineName, local: &LocalState, nodes: Option<&Vec<Node>>) {
        self.found.machines.push(name.clone());
        if local.is_manager {
            self.found.managers.push(name.clone());
        }
        if self.found.id.is_none() {
            self.found.id.clone_from(&local.cluster);
        }
        self.known.extend(local.node.clone());
        // An address that was never spoken with has an empty ID, which is no node's.
        let managers = local.managers.iter().map(|manager| &manager.node);
        self.known.extend(managers.filter(|node| !node.as_str().is_empty()).cloned());
        let hosts = local.managers.iter().filter_map(|manager| manager.address.rsplit_once(':'));
        self.found.manager_hosts.extend(hosts.map(|(host, _)| host.to_owned()));
        if self.found.nodes.is_none() {
            self.found.known_managers = self.found.known_managers.max(local.managers.len());
        }
        if let (None, Some(nodes)) = (&self.found.nodes, nodes) {
            self.known.extend(nodes.iter().map(|node| node.id.clone()));
            self.found.known_managers = nodes.iter().filter(|node| node.manager.is_some()).count();
            self.found.nodes = Some(nodes.clone());
        }
    }
}

#[cfg(test)]
mod tests;
