//! Why a task can be placed on a node, or cannot: the filters of the swarm's scheduler, each with
//! what it found.
//!
//! An engine says only how many nodes each filter let down (`no suitable node (insufficient
//! resources on 3 nodes)`). Here the same questions are asked again for each node by itself, of
//! API returns. Source: SwarmKit, `manager/scheduler/filter.go` and
//! `manager/constraint/constraint.go`. Plugins and cluster volumes are not looked at.

mod constraint;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use skep_model::natural;

use self::constraint::Constraint;
use crate::api::{
    Availability, Id, Mode, Node, NodeState, Platform, PublishMode, PublishedPort, Service, Task,
    TaskState,
};

/// One thing that keeps a task off a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The node is not there: `down`, `unknown`, `disconnected`.
    NotReady { state: NodeState },
    /// It takes no new tasks: `pause`, `drain`.
    Unavailable { availability: Availability },
    Constraint {
        /// As it was written.
        constraint: String,
        /// What the node has in its place, if anything.
        has: Option<String>,
    },
    /// The image does not exist for it.
    Platform { has: String, wants: Vec<String> },
    /// Too little is left of something that tasks reserve.
    Resource {
        /// `memory`, `CPUs`, or the name of a generic resource.
        what: String,
        /// How much a task reserves, with its unit.
        wants: String,
        /// How much no task has reserved.
        free: String,
        total: String,
    },
    /// It has as many tasks of the service as it may have.
    MaxReplicas { limit: u64 },
    /// A port that the task publishes on its own node is taken.
    Port {
        /// `8080/tcp`
        port: String,
        /// The identifier of the task that has it.
        holder: Id,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NotReady { state } => write!(f, "it is {state}"),
            Obstacle::Unavailable { availability } => match availability {
                Availability::Drain => f.write_str("it is drained"),
                Availability::Pause => f.write_str("it is paused"),
                other => write!(f, "its availability is {other}"),
            },
            Obstacle::Constraint { constraint, has: Some(has) } => {
                write!(f, "constraint {constraint} is not met: here it is {has}")
            }
            Obstacle::Constraint { constraint, has: None } => {
                write!(f, "constraint {constraint} is not met: it has nothing of that name")
            }
            Obstacle::Platform { has, wants } => {
                write!(f, "it is {has}, and the image is for {}", wants.join(", "))
            }
            Obstacle::Resource { what, wants, free, total } => {
                write!(f, "{wants} {what} wanted, {free} of {total} free")
            }
            Obstacle::MaxReplicas { limit } => {
                write!(f, "it has {limit} of the service's tasks already, and may have no more")
            }
            Obstacle::Port { port, holder } => {
                write!(f, "port {port} is taken by task {}", holder.short())
            }
        }
    }
}

/// A node, and what keeps a service's next task off it: nothing, if that is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub node: Id,
    pub name: String,
    pub obstacles: Vec<Obstacle>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if self.obstacles.is_empty() {
            return f.write_str("nothing that can be seen from here");
        }
        for (place, obstacle) in self.obstacles.iter().enumerate() {
            let comma = if place == 0 { "" } else { "; " };
            write!(f, "{comma}{obstacle}")?;
        }
        Ok(())
    }
}

/// Each node and what keeps the next task of `service` off it, in natural order of their names.
/// `tasks` are those of all services: what they reserve and publish is taken.
pub fn sites(service: &Service, nodes: &[Node], tasks: &[Task]) -> Vec<Site> {
    let mut sites: Vec<Site> = nodes
        .iter()
        .map(|node| {
            let here = |task: &&Task| task.node_id == node.id && holds_its_place(task);
            let tasks: Vec<&Task> = tasks.iter().filter(here).collect();
            let name = node.hostname.clone();
            Site { node: node.id.clone(), name, obstacles: obstacles(service, node, &tasks) }
        })
        .collect();
    sites.sort_by(|a, b| natural(&a.name, &b.name));
    sites
}

/// Whether a node may have tasks of the service at all: it is there, takes tasks or keeps those it
/// has, and meets the constraints. For a service with one task on each node, it has one if so.
pub fn is_eligible(service: &Service, node: &Node) -> bool {
    node.state == NodeState::Ready
        && node.availability == Availability::Active
        && unmet(service, node).next().is_none()
}

fn holds_its_place(task: &Task) -> bool {
    task.desired_state <= TaskState::Running && !task.status.state.is_over()
}

fn obstacles(service: &Service, node: &Node, tasks: &[&Task]) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if node.state != NodeState::Ready {
        found.push(Obstacle::NotReady { state: node.state.clone() });
    }
    if node.availability != Availability::Active {
        found.push(Obstacle::Unavailable { availability: node.availability.clone() });
    }
    found.extend(unmet(service, node));
    found.extend(platform(service, node));
    found.extend(resources(service, node, tasks));
    found.extend(max_replicas(service, tasks));
    found.extend(ports(service, tasks));
    found
}

fn unmet<'a>(service: &'a Service, node: &'a Node) -> impl Iterator<Item = Obstacle> + 'a {
    service.spec.task_template.placement.constraints.iter().filter_map(|text| {
        // What cannot be read the engine would have refused; it is no obstacle that we know of.
        let constraint = Constraint::parse(text)?;
        let has = constraint.subject(node);
        (!constraint.is_met(node)).then(|| Obstacle::Constraint { constraint: text.clone(), has })
    })
}

fn platform(service: &Service, node: &Node) -> Option<Obstacle> {
    let wants = &service.spec.task_template.placement.platforms;
    let has = &node.platform;
    let fits = |one: &Platform| {
        (one.os.is_empty() || one.os.eq_ignore_ascii_case(&has.os))
            && (one.architecture.is_empty()
                || constraint::architecture(&one.architecture)
                    == constraint::architecture(&has.architecture))
    };
    (!wants.is_empty() && !wants.iter().any(fits)).then(|| Obstacle::Platform {
        has: platform_text(has),
        wants: wants.iter().map(platform_text).collect(),
    })
}

fn platform_text(platform: &Platform) -> String {
    format!("{}/{}", platform.os, platform.architecture)
}

/// What a task reserves: billionths of processors, bytes, and counted things by their kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reserved {
    nano_cpus: i64,
    memory: i64,
    generic: BTreeMap<String, i64>,
}

impl Reserved {
    fn by(resources: &Value) -> Self {
        let reservations = &resources["Reservations"];
        let number = |name: &str| reservations[name].as_i64().unwrap_or_default();
        let mut generic = BTreeMap::new();
        for one in reservations["GenericResources"].as_array().into_iter().flatten() {
            // A named one counts one; a discrete one says how many.
            let discrete = &one["DiscreteResourceSpec"];
            let (kind, count) = match discrete["Kind"].as_str() {
                Some(kind) => (Some(kind), discrete["Value"].as_i64().unwrap_or_default()),
                None => (one["NamedResourceSpec"]["Kind"].as_str(), 1),
            };
            if let Some(kind) = kind {
                *generic.entry(kind.to_owned()).or_default() += count;
            }
        }
        Self { nano_cpus: number("NanoCPUs"), memory: number("MemoryBytes"), generic }
    }
}

fn resources(service: &Service, node: &Node, tasks: &[&Task]) -> Vec<Obstacle> {
    let wants = Reserved::by(&service.spec.task_template.resources);
    let taken: Vec<Reserved> =
        tasks.iter().map(|task| Reserved::by(&task.spec.resources)).collect();
    let mut found = Vec::new();
    let mut check = |what: &str, wants: i64, total: i64, taken: i64, text: fn(i64) -> String| {
        let free = (total - taken).max(0);
        if wants > free {
            found.push(Obstacle::Resource {
                what: what.to_owned(),
                wants: text(wants),
                free: text(free),
                total: text(total),
            });
        }
    };
    let sum = |of: fn(&Reserved) -> i64| taken.iter().map(of).sum();
    check("CPUs", wants.nano_cpus, node.nano_cpus, sum(|one| one.nano_cpus), cpus);
    check("of memory", wants.memory, node.memory, sum(|one| one.memory), bytes);
    for (kind, wants) in &wants.generic {
        let taken = taken.iter().filter_map(|one| one.generic.get(kind)).sum();
        check(kind, *wants, generic(node, kind), taken, |number| number.to_string());
    }
    found
}

/// How many of a kind a node has.
fn generic(node: &Node, kind: &str) -> i64 {
    let all = node.generic_resources.as_array();
    let of_kind = |one: &Value| {
        let discrete = &one["DiscreteResourceSpec"];
        if discrete["Kind"].as_str() == Some(kind) {
            return discrete["Value"].as_i64().unwrap_or_default();
        }
        i64::from(one["NamedResourceSpec"]["Kind"].as_str() == Some(kind))
    };
    all.into_iter().flatten().map(of_kind).sum()
}

fn max_replicas(service: &Service, tasks: &[&Task]) -> Option<Obstacle> {
    let limit = service.spec.task_template.placement.max_replicas;
    let counted = matches!(service.spec.mode, Mode::Replicated { .. } | Mode::ReplicatedJob { .. });
    let own = tasks.iter().filter(|task| task.service_id == service.id).count();
    let own = u64::try_from(own).unwrap_or(u64::MAX);
    (counted && limit > 0 && own >= limit).then_some(Obstacle::MaxReplicas { limit })
}

fn ports<'a>(service: &'a Service, tasks: &'a [&Task]) -> impl Iterator<Item = Obstacle> + 'a {
    let wants = service.spec.endpoint_spec.iter().flat_map(|spec| &spec.ports);
    let wants =
        wants.filter(|port| port.publish_mode == PublishMode::Host && port.published_port != 0);
    wants.filter_map(|port| {
        let same = |other: &PublishedPort| {
            other.published_port == port.published_port && other.protocol == port.protocol
        };
        let holder = tasks.iter().find(|task| task.status.port_status.ports.iter().any(same))?;
        let text = format!("{}/{}", port.published_port, port.protocol);
        Some(Obstacle::Port { port: text, holder: holder.id.clone() })
    })
}

/// Billionths of processors as a number of them: `0.5`.
fn cpus(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano.rem_euclid(1_000_000_000));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes with a unit that leaves few digits: `1.9 GiB`.
fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (i128::from(bytes) * 10, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;
