//! What a swarm runs where, and in which order its engines can be restarted.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::{MachineName, MachineState};
use skep_service::{
    ServiceError, Services,
    api::{Id, Mode, Service, Task, TaskState},
};
use skep_swarm::{Availability, Node, NodeId, NodeState, Swarm};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, reach::Cluster};

/// How engines are restarted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Tasks are moved to other nodes before their node's engine is restarted.
    pub drain: bool,
    /// Whether each of them is restarted; else it turns out one by one.
    pub certain: bool,
}

/// What is known of the swarm that machines are in.
#[derive(Debug)]
pub(super) enum World {
    None,
    /// They are in one, and no manager of it answers.
    Silent {
        reason: String,
    },
    /// They are in one that can be asked.
    Swarm {
        /// What runs on each machine, by its name.
        loads: BTreeMap<String, Load>,
        any_tasks: bool,
    },
}

/// A machine's node, and what runs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) node: NodeId,
    pub(super) is_manager: bool,
    pub(super) was_ready: bool,
    pub(super) availability: Availability,
    /// How many tasks of each service run there, by its name.
    pub(super) tasks: BTreeMap<String, usize>,
    pub(super) ids: BTreeSet<Id>,
    /// How many tasks the services that have some there have anywhere; of jobs, which end by
    /// themselves, nothing is said.
    pub(super) services: BTreeMap<Id, usize>,
}

pub(super) async fn look(
    cluster: &Cluster,
    machines: &[&MachineRecord],
    cancel: &CancellationToken,
) -> Result<World, ClusterError> {
    if machines.iter().all(|machine| !machine.system().has_login()) {
        return Ok(World::None);
    }
    let asked = async {
        let (engine, _) = cluster.manager(cancel).await?;
        let services = Services::new(&engine);
        let nodes = Swarm::new(&engine).nodes(cancel).await?;
        let all = services.list(cancel).await.map_err(error)?;
        let tasks = services.tasks(&[], cancel).await.map_err(error)?;
        let mut world = world(&nodes, &all, &tasks);
        // Managers notice only seconds later that a machine was switched off; that is not waited
        // for.
        let record = cluster.record();
        let states = cluster.home().driver(record.driver).states(&record.name).await?;
        let is_off =
            |machine: &&MachineRecord| states.get(&machine.name) != Some(&MachineState::Running);
        world.are_off(record.machines.iter().filter(is_off).map(|machine| &machine.name));
        Ok::<_, ClusterError>(world)
    };
    let reason = match asked.await {
        Ok(world) => return Ok(world),
        Err(error) if error.is_cancelled() => return Err(ClusterError::Cancelled),
        Err(error) => error.to_string(),
    };
    // There is no swarm, or one that cannot be asked: the machines' own engines know.
    let asked = machines.iter().map(|machine| async {
        let engine = cluster.engine(machine, cancel).await.ok()?;
        let state = engine.info(cancel).await.ok()?.swarm.local_node_state;
        Some(!matches!(state.as_str(), "inactive" | ""))
    });
    let in_one = futures_util::future::join_all(asked).await;
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if in_one.contains(&Some(true)) { Ok(World::Silent { reason }) } else { Ok(World::None) }
}

/// A failed question about services, in this crate's words.
pub(super) fn error(error: ServiceError) -> ClusterError {
    match error {
        ServiceError::Engine { source, .. } => source.into(),
        other => ClusterError::Request { reason: other.to_string().into() },
    }
}

/// The tasks that run, and should.
pub(super) fn running(tasks: &[Task]) -> impl Iterator<Item = &Task> {
    tasks.iter().filter(|task| {
        task.status.state == TaskState::Running && task.desired_state <= TaskState::Running
    })
}

/// How many tasks a service should have, where it says a number.
pub(super) fn replicas(service: &Service) -> Option<usize> {
    match service.spec.mode {
        Mode::Replicated { replicas } => replicas.and_then(|count| usize::try_from(count).ok()),
        _ => None,
    }
}

/// What runs where. Of several nodes of a name, the one that is ready is the machine's.
pub(super) fn world(nodes: &[Node], services: &[Service], tasks: &[Task]) -> World {
    let ready: BTreeSet<&str> = nodes
        .iter()
        .filter(|node| node.state == NodeState::Ready)
        .map(|node| node.id.as_str())
        .collect();
    // What a node that is down last said of its tasks is no news.
    let live: Vec<&Task> =
        running(tasks).filter(|task| ready.contains(task.node_id.as_str())).collect();
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    for node in nodes {
        let was_ready = node.state == NodeState::Ready;
        if loads.get(&node.hostname).is_some_and(|other| other.was_ready || !was_ready) {
            continue;
        }
        let mut load = Load {
            node: node.id.clone(),
            is_manager: node.manager.is_some(),
            was_ready,
            availability: node.availability.clone(),
            tasks: BTreeMap::new(),
            ids: BTreeSet::new(),
            services: BTreeMap::new(),
        };
        for task in live.iter().filter(|task| task.node_id.as_str() == node.id.as_str()) {
            let service = services.iter().find(|service| service.id == task.service_id);
            let name = service.map_or(task.service_id.as_str(), |service| &service.spec.name);
            *load.tasks.entry(name.to_owned()).or_default() += 1;
            load.ids.insert(task.id.clone());
            if service.is_some_and(|service| !service.spec.mode.is_job()) {
                let all = live.iter().filter(|other| other.service_id == task.service_id).count();
                load.services.insert(task.service_id.clone(), all);
            }
        }
        loads.insert(node.hostname.clone(), load);
    }
    World::Swarm { loads, any_tasks: !live.is_empty() }
}

impl World {
    /// A machine's node and what runs there.
    pub(super) fn load(&self, machine: &MachineName) -> Option<&Load> {
        self.of(machine.as_str())
    }

    pub(super) fn of(&self, name: &str) -> Option<&Load> {
        match self {
            World::Swarm { loads, .. } => loads.get(name),
            World::None | World::Silent { .. } => None,
        }
    }

    /// These machines do not run, so their nodes are not ready, whatever the swarm believes.
    fn are_off<'m>(&mut self, machines: impl Iterator<Item = &'m MachineName>) {
        let World::Swarm { loads, .. } = self else { return };
        for machine in machines {
            if let Some(load) = loads.get_mut(machine.as_str()) {
                load.was_ready = false;
            }
        }
    }

    /// The names of all nodes that are ready.
    pub(super) fn ready(&self) -> Vec<&str> {
        match self {
            World::Swarm { loads, .. } => {
                let ready = loads.iter().filter(|(_, load)| load.was_ready);
                ready.map(|(name, _)| name.as_str()).collect()
            }
            World::None | World::Silent { .. } => Vec::new(),
        }
    }

    pub(super) fn has_tasks(&self) -> bool {
        matches!(self, World::Swarm { any_tasks: true, .. })
    }

    /// Which machines are restarted together, by their places, one batch after the other.
    pub(super) fn batches(&self, machines: &[&MachineName]) -> Vec<Vec<usize>> {
        let all: Vec<usize> = (0..machines.len()).collect();
        let World::Swarm { loads, any_tasks } = self else {
            return match self {
                World::Silent { .. } => all.into_iter().map(|place| vec![place]).collect(),
                _ => vec![all],
            };
        };
        if !any_tasks {
            return vec![all];
        }
        let mut idle = Vec::new();
        let (mut managers, mut busy) = (Vec::new(), Vec::new());
        for place in all {
            let load = machines.get(place).and_then(|name| loads.get(name.as_str()));
            match load {
                Some(load) if !load.tasks.is_empty() => busy.push(vec![place]),
                Some(load) if load.is_manager => managers.push(vec![place]),
                _ => idle.push(place),
            }
        }
        let idle = (!idle.is_empty()).then_some(idle);
        idle.into_iter().chain(managers).chain(busy).collect()
    }

    /// What the restarts will interrupt, if anything.
    pub(super) fn announcement(&self, machines: &[&MachineName], how: How) -> Option<String> {
        if let World::Silent { reason } = self {
            return Some(format!(
                "no manager tells what runs on {} ({reason}): their engines are restarted one by one",
                list(machines)
            ));
        }
        let mut tasks: BTreeMap<&str, usize> = BTreeMap::new();
        let mut busy = Vec::new();
        for name in machines {
            let Some(load) = self.load(name).filter(|load| !load.tasks.is_empty()) else {
                continue;
            };
            busy.push(*name);
            for (service, count) in &load.tasks {
                *tasks.entry(service).or_default() += count;
            }
        }
        if busy.is_empty() {
            return None;
        }
        let count: usize = tasks.values().sum();
        let services: Vec<_> =
            tasks.iter().map(|(service, count)| format!("{count} of {service}")).collect();
        let (what, verb) = match (busy.len(), how.certain) {
            (1, true) => ("the engine", "is"),
            (_, true) => ("the engines", "are"),
            (1, false) => ("the engine", "may be"),
            (_, false) => ("the engines", "may be"),
        };
        let turns = if busy.len() > 1 { ", one machine after the other" } else { "" };
        let does = match (count, how.drain) {
            (1, true) => "1 running task moves to another node first".to_owned(),
            (1, false) => "this interrupts 1 running task".to_owned(),
            (count, true) => format!("{count} running tasks move to other nodes first"),
            (count, false) => format!("this interrupts {count} running tasks"),
        };
        Some(format!(
            "{what} of {} {verb} restarted{turns}; {does} ({})",
            list(&busy),
            services.join(", ")
        ))
    }
}

fn list(names: &[&MachineName]) -> String {
    match names {
        [] => String::new(),
        [one] => one.to_string(),
        [some @ .., last] => {
            let some: Vec<_> = some.iter().map(ToString::to_string).collect();
            format!("{} and {last}", some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
