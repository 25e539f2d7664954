//! Moving the tasks of nodes away: what stands against it, and watching until it is done.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use skep_context::{Context, pause};
use skep_model::{Events, Span};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Availability, Id, Mode, Node, NodeState, Service, Task, TaskState},
    cause::{Cause, task_name, telling},
    converge::{Memory, Reason, SHOWN, judge},
    error::ServiceError,
    placement::{Obstacle, Site, sites},
};

/// Between two looks, if an answer comes at once.
const LOOK: Duration = Duration::from_millis(150);

/// How old what is known of nodes and services may be.
const STALE: Duration = Duration::from_secs(1);

/// What draining nodes will do to the services that have tasks there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainPlan {
    /// Services all of whose running tasks are there: they are interrupted. With how many that is.
    pub interrupted: Vec<(String, usize)>,
    /// Services of which some tasks find no other node.
    pub unplaceable: Vec<Unplaceable>,
}

/// A service of which some tasks find no other node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaceable {
    pub service: String,
    pub tasks: usize,
    /// What is in the way, node by node.
    pub sites: Vec<Site>,
}

/// What watched services were before their nodes were drained.
#[derive(Debug, Clone)]
pub struct Before {
    targets: Vec<Id>,
    /// Each service with tasks there, and how many of its tasks were as they should be.
    services: BTreeMap<Id, u64>,
    /// The newest task of that time.
    since: Option<Timestamp>,
}

/// How a drain ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrainOutcome {
    /// No task is there any more, and every service has again as many as it had.
    Drained,
    NotDrained(Vec<Stuck>),
}

/// Something that a drain waits for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    Stays {
        task: String,
        node: String,
    },
    Service {
        name: String,
        /// How many of its tasks are as they should be.
        good: u64,
        wanted: u64,
        cause: Option<Box<Cause>>,
    },
}

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stuck::Stays { task, node } => write!(f, "task {task} still runs on {node}"),
            Stuck::Service { name, good, wanted, cause } => {
                write!(f, "service {name}: {good} out of {wanted} tasks run")?;
                cause.iter().try_for_each(|cause| write!(f, "\n{cause}"))
            }
        }
    }
}

/// What draining `targets` will do: each task there is placed elsewhere in a simulation, one after the
/// other, where the fewest of its service are.
pub fn plan(targets: &[Id], services: &[Service], nodes: &[Node], tasks: &[Task]) -> DrainPlan {
    let live: Vec<&Task> = tasks.iter().filter(|task| is_live(task)).collect();
    let mut nodes = nodes.to_vec();
    for node in nodes.iter_mut().filter(|node| targets.contains(&node.id)) {
        node.availability = Availability::Drain;
    }
    let mut placed: Vec<Task> = live
        .iter()
        .filter(|task| !targets.contains(&task.node_id))
        .map(|&task| task.clone())
        .collect();
    let mut plan = DrainPlan::default();
    for service in services.iter().filter(|service| !is_global(service)) {
        let own = |task: &&&Task| task.service_id == service.id;
        let leaving: Vec<&Task> = live
            .iter()
            .filter(own)
            .filter(|task| targets.contains(&task.node_id))
            .copied()
            .collect();
        if leaving.is_empty() {
            continue;
        }
        if live.iter().filter(own).count() == leaving.len() && !service.spec.mode.is_job() {
            plan.interrupted.push((service.spec.name.clone(), leaving.len()));
        }
        let mut unplaceable = 0;
        for task in leaving {
            let sites = sites(service, &nodes, &placed);
            let free = sites.iter().filter(|site| site.obstacles.is_empty());
            let own_on = |site: &&Site| {
                placed
                    .iter()
                    .filter(|t| t.node_id == site.node && t.service_id == service.id)
                    .count()
            };
            match free.min_by_key(own_on) {
                Some(site) => placed.push(Task { node_id: site.node.clone(), ..task.clone() }),
                None => unplaceable += 1,
            }
        }
        if unplaceable > 0 {
            let mut sites = sites(service, &nodes, &placed);
            // That a node that is drained takes no tasks is what was asked for.
            let drained = |site: &Site| {
                site.obstacles.iter().any(|one| matches!(one, Obstacle::Unavailable { .. }))
                    && targets.contains(&site.node)
            };
            sites.retain(|site| !drained(site));
            let service = service.spec.name.clone();
            plan.unplaceable.push(Unplaceable { service, tasks: unplaceable, sites });
        }
    }
    plan
}

fn is_global(service: &Service) -> bool {
    matches!(service.spec.mode, Mode::Global {} | Mode::GlobalJob {})
}

fn is_live(task: &Task) -> bool {
    task.desired_state <= TaskState::Running
        && (TaskState::Assigned..=TaskState::Running).contains(&task.status.state)
}

impl Services {
    /// What draining nodes will do, and what is to be remembered so that it can be watched. Nothing
    /// is changed.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn before_drain(
        &self,
        targets: &[Id],
        cancel: &CancellationToken,
    ) -> Result<(DrainPlan, Before), ServiceError> {
        let nodes = self.nodes(cancel).await?;
        let all = self.list(cancel).await?;
        let tasks = self.tasks(&[], cancel).await?;
        let mut before = Before {
            targets: targets.to_vec(),
            services: BTreeMap::new(),
            since: tasks.iter().filter_map(|task| task.created_at).max(),
        };
        let there = |task: &&Task| targets.contains(&task.node_id) && !task.status.state.is_over();
        for task in tasks.iter().filter(there) {
            let Some(service) = all.iter().find(|service| service.id == task.service_id) else {
                continue;
            };
            before.services.entry(service.id.clone()).or_insert_with(|| {
                let own: Vec<Task> =
                    tasks.iter().filter(|task| task.service_id == service.id).cloned().collect();
                judge(service, &own, &nodes).good
            });
        }
        // A drain that was not waited for, or in vain: what was there and is nowhere yet.
        for service in all.iter().filter(|service| !is_global(service)) {
            let own: Vec<Task> =
                tasks.iter().filter(|task| task.service_id == service.id).cloned().collect();
            let was_there = |new: &Task| {
                let same = |old: &Task| old.slot == new.slot && targets.contains(&old.node_id);
                own.iter().any(|old| old.id != new.id && same(old))
            };
            let waits = |task: &Task| {
                task.desired_state <= TaskState::Running && task.status.state < TaskState::Running
            };
            if own.iter().any(|task| waits(task) && was_there(task)) {
                // All it wants: how many it had before that drain is not known any more.
                before.services.insert(service.id.clone(), u64::MAX);
            }
        }
        Ok((plan(targets, &all, &nodes, &tasks), before))
    }

    /// Watches until no task is on the nodes and every service that had some there has again as
    /// many as before, elsewhere.
    ///
    /// # Errors
    /// [`ServiceError::Engine`], also on cancellation.
    pub async fn until_drained(
        &self,
        before: &Before,
        context: Context<'_>,
    ) -> Result<DrainOutcome, ServiceError> {
        let Context { events, cancel, .. } = context;
        let deadline = context.deadline();
        let whole = events.step("", "waiting until the tasks have moved");
        let mut show = Show { events, lines: HashMap::new() };
        let mut memories: HashMap<Id, Memory> = HashMap::new();
        let mut warned = false;
        let mut world: Option<(Vec<Service>, Vec<Node>, Instant)> = None;
        loop {
            let asked = Instant::now();
            let (all, nodes) = match &world {
                Some((all, nodes, at)) if at.elapsed() < STALE => (all, nodes),
                _ => {
                    let all = self.list(cancel).await?;
                    let nodes = self.nodes(cancel).await?;
                    let (all, nodes, _) = world.insert((all, nodes, asked));
                    (&*all, &*nodes)
                }
            };
            let services: Vec<&Service> =
                all.iter().filter(|service| before.services.contains_key(&service.id)).collect();
            if services.is_empty() {
                whole.done();
                return Ok(DrainOutcome::Drained);
            }
            let filters: Vec<(&str, &str)> =
                services.iter().map(|service| ("service", service.id.as_str())).collect();
            let tasks = self.tasks(&filters, cancel).await?;
            if !warned {
                warned = warn_of_the_dead(before, nodes, &tasks, events);
            }
            let stays = leaving(before, nodes, &tasks);
            let mut lacking = Vec::new();
            let mut moving = !stays.is_empty();
            for service in services {
                let own: Vec<Task> =
                    tasks.iter().filter(|task| task.service_id == service.id).cloned().collect();
                let picture = judge(service, &own, nodes);
                show.service(service, &own, nodes, before);
                let had = before.services.get(&service.id).copied().unwrap_or_default();
                if is_global(service)
                    || service.spec.mode.is_job()
                    || picture.good >= picture.wanted.min(had)
                {
                    continue;
                }
                let memory = memories
                    .entry(service.id.clone())
                    .or_insert_with(|| Memory::since(before.since));
                memory.take_in(service, &own);
                let stuck = memory.stuck(service, &picture);
                let room = stuck == Some(Reason::NoNode)
                    && self.is_leaving(service, nodes, cancel).await?;
                moving |= stuck.is_none() || room;
                let (good, wanted) = (picture.good, picture.wanted);
                lacking.push((service, own, good, wanted));
            }
            let left = stays.len() + lacking.len();
            if left == 0 {
                show.end();
                whole.done();
                return Ok(DrainOutcome::Drained);
            }
            whole.progress(format!(
                "{} tasks still there, {} services not whole",
                stays.len(),
                lacking.len()
            ));
            // As long as anything moves, the rest is not decided yet.
            if !moving || asked >= deadline {
                let mut stuck: Vec<Stuck> =
                    stays.iter().map(|task| stays_on(task, all, nodes)).collect();
                for (service, own, good, wanted) in lacking {
                    let is_new = |task: &Task| task.created_at > before.since;
                    let cause = match telling(&own, is_new) {
                        Some(task) => {
                            Some(Box::new(self.cause(service, task, nodes, cancel).await?))
                        }
                        None => None,
                    };
                    stuck.push(Stuck::Service {
                        name: service.spec.name.clone(),
                        good,
                        wanted,
                        cause,
                    });
                }
                whole.failed("not everything has moved");
                return Ok(DrainOutcome::NotDrained(stuck));
            }
            // At most a third of the time is spent asking.
            pause(cancel, LOOK.max(2 * asked.elapsed())).await;
        }
    }
}

fn stays_on(task: &Task, all: &[Service], nodes: &[Node]) -> Stuck {
    let service = all.iter().find(|service| service.id == task.service_id);
    let name = service.map_or_else(|| task.id.to_string(), |service| task_name(service, task));
    Stuck::Stays { task: name, node: host(nodes, &task.node_id).to_owned() }
}

fn host<'a>(nodes: &'a [Node], id: &'a Id) -> &'a str {
    let node = nodes.iter().find(|node| node.id == *id);
    node.map_or(id.as_str(), |node| node.hostname.as_str())
}

fn is_down(nodes: &[Node], id: &Id) -> bool {
    nodes.iter().any(|node| node.id == *id && node.state == NodeState::Down)
}

/// Tasks that are still on the nodes. Of a node that is down nothing is known.
fn leaving<'a>(before: &Before, nodes: &[Node], tasks: &'a [Task]) -> Vec<&'a Task> {
    let there = |task: &&Task| {
        before.targets.contains(&task.node_id)
            && (TaskState::Assigned..=TaskState::Running).contains(&task.status.state)
            && !is_down(nodes, &task.node_id)
    };
    tasks.iter().filter(there).collect()
}

fn warn_of_the_dead(before: &Before, nodes: &[Node], tasks: &[Task], events: &Events) -> bool {
    let mut warned = false;
    for id in before.targets.iter().filter(|id| is_down(nodes, id)) {
        let there = tasks.iter().filter(|task| task.node_id == *id && !task.status.state.is_over());
        if there.count() > 0 {
            warned = true;
            let text = "it is down: whether its tasks have stopped cannot be seen";
            events.warn(host(nodes, id), text);
        }
    }
    warned
}

/// A step for each task that moves, if they are few.
struct Show<'a> {
    events: &'a Events,
    lines: HashMap<Id, (Option<Span>, String)>,
}

impl Show<'_> {
    fn service(&mut self, service: &Service, own: &[Task], nodes: &[Node], before: &Before) {
        let there = |task: &&Task| before.targets.contains(&task.node_id);
        for old in own.iter().filter(there) {
            let over = old.status.state.is_over();
            if !self.lines.contains_key(&old.id) && (over || self.lines.len() >= SHOWN) {
                continue;
            }
            let new = own.iter().find(|task| {
                !is_global(service)
                    && task.slot == old.slot
                    && task.id != old.id
                    && task.desired_state <= TaskState::Running
            });
            let from = host(nodes, &old.node_id);
            let does = if over { old.status.state.as_str() } else { "leaving" };
            let mut detail =
                format!("{does} {} {from}", if over { "on" } else { "" }).replace("  ", " ");
            if let Some(new) = new {
                detail += &format!("; new task {}", new.status.state.as_str());
                if !new.node_id.as_str().is_empty() {
                    detail += &format!(" on {}", host(nodes, &new.node_id));
                }
            }
            let (span, said) = self.lines.entry(old.id.clone()).or_insert_with(|| {
                let name = if is_global(service) {
                    service.spec.name.clone()
                } else {
                    task_name(service, old)
                };
                (Some(self.events.step(name, format!("leaving {from}"))), String::new())
            });
            if *said != detail {
                if let Some(span) = span {
                    span.progress(detail.clone());
                }
                *said = detail;
            }
            let arrived =
                is_global(service) || new.is_some_and(|new| new.status.state == TaskState::Running);
            if over
                && arrived
                && let Some(span) = span.take()
            {
                span.done();
            }
        }
    }

    /// Ends the steps of tasks whose place was taken by others.
    fn end(&mut self) {
        for (span, _) in self.lines.values_mut() {
            if let Some(span) = span.take() {
                span.done();
            }
        }
    }
}

#[cfg(test)]
mod tests;
