//! What is shown while a service converges: a step for the service, and one for each of its slots
//! if they are few.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use skep_model::{Events, Span};
use tokio::time::Instant;

use super::{Picture, Shortfall, Slot, is_small};
use crate::{
    api::{Id, Mode, Node, Service, Task, TaskState, UpdateState},
    cause::task_name,
};

/// The steps under way.
pub(super) struct Show {
    events: Events,
    name: String,
    whole: Span,
    said: String,
    lines: HashMap<Slot, Line>,
    verify: Option<(Span, u64)>,
    old: BTreeMap<Slot, Task>,
    old_at: Option<Instant>,
    /// Tasks that were seen alive: only their end is news.
    alive: HashSet<Id>,
    is_small: bool,
}

struct Line {
    span: Option<Span>,
    task: Id,
    said: String,
}

impl Show {
    pub(super) fn new(events: &Events, service: &Service) -> Self {
        let name = service.spec.name.clone();
        Self {
            events: events.clone(),
            whole: events.step("", format!("waiting for service {name}")),
            name,
            said: String::new(),
            lines: HashMap::new(),
            verify: None,
            old: BTreeMap::new(),
            old_at: None,
            alive: HashSet::new(),
            is_small: is_small(service, 0),
        }
    }

    pub(super) fn say(&self, text: &str) {
        self.whole.progress(text);
    }

    /// Whether the tasks that are replaced are shown, and what is known of them is out of date.
    pub(super) fn wants_old_tasks(&self, age: Duration) -> bool {
        self.is_small && self.old_at.is_none_or(|at| at.elapsed() >= age)
    }

    /// Takes in all tasks of the service, of which those of `new` are of its present
    /// specification.
    pub(super) fn old_tasks(&mut self, all: Vec<Task>, new: &[Task]) {
        self.old_at = Some(Instant::now());
        let new: HashSet<&Id> = new.iter().map(|task| &task.id).collect();
        self.alive.extend(
            all.iter().filter(|task| !task.status.state.is_over()).map(|task| task.id.clone()),
        );
        self.old.clear();
        for task in all.into_iter().filter(|task| !new.contains(&task.id)) {
            let slot = if task.slot == 0 {
                Slot::Node(task.node_id.clone())
            } else {
                Slot::Replica(task.slot)
            };
            let newer = |known: &Task| known.created_at < task.created_at;
            if self.alive.contains(&task.id) && self.old.get(&slot).is_none_or(newer) {
                self.old.insert(slot, task);
            }
        }
    }

    /// Shows where the service stands.
    pub(super) fn picture(&mut self, service: &Service, picture: &Picture<'_>, nodes: &[Node]) {
        let said = overall(service, picture);
        if said != self.said {
            self.whole.progress_of(said.clone(), picture.good, picture.wanted);
            self.said = said;
        }
        self.is_small = is_small(service, picture.slots.len());
        if !self.is_small {
            return;
        }
        let names = Names { nodes };
        for (slot, task) in &picture.slots {
            let old = self.old.get(slot).filter(|old| old.id != task.id);
            let detail = detail(task, old, &names);
            let good =
                if service.spec.mode.is_job() { TaskState::Complete } else { TaskState::Running };
            let name = || label(service, task, &names);
            let line = self.lines.entry(slot.clone()).or_insert_with(|| Line {
                span: Some(self.events.step(name(), "starting")),
                task: task.id.clone(),
                said: String::new(),
            });
            if line.task != task.id || (line.span.is_none() && task.status.state < good) {
                // Another try: the end of the one before is shown where it ended.
                if line.span.is_none() {
                    line.span = Some(self.events.step(name(), "starting again"));
                }
                line.task = task.id.clone();
            }
            if let Some(span) = &line.span
                && line.said != detail
            {
                span.progress(detail.clone());
            }
            line.said = detail;
            if task.status.state == good {
                if let Some(span) = line.span.take() {
                    span.done();
                }
            } else if task.status.state.is_over()
                && let Some(span) = line.span.take()
            {
                span.failed(line.said.as_str());
            }
        }
    }

    /// Shows for how long the tasks are still watched.
    pub(super) fn verifying(&mut self, left: Duration) {
        let seconds = left.as_secs() + 1;
        let (span, said) = self.verify.get_or_insert_with(|| {
            (self.events.step("", "verifying that the tasks are stable"), 0)
        });
        if *said != seconds {
            *said = seconds;
            span.progress(format!("{} runs; {seconds} s more", self.name));
        }
    }

    pub(super) fn end(&mut self, outcome: Result<(), &Shortfall>) {
        for line in self.lines.values_mut() {
            line.span = None;
        }
        if let Some((span, _)) = self.verify.take()
            && outcome.is_ok()
        {
            span.done();
        }
        let name = &self.name;
        let whole = std::mem::replace(&mut self.whole, Events::none().step("", ""));
        match outcome {
            Ok(()) => {
                whole.progress(format!("service {name} has converged"));
                whole.done();
            }
            Err(short) => whole.failed(short.to_string()),
        }
    }
}

/// `2 out of 3 tasks: 1 preparing`.
fn overall(service: &Service, picture: &Picture<'_>) -> String {
    let back =
        service.update_status.as_ref().is_some_and(|u| u.state == UpdateState::RollbackStarted);
    let mut states: BTreeMap<&TaskState, usize> = BTreeMap::new();
    for task in picture.slots.values() {
        *states.entry(&task.status.state).or_default() += 1;
    }
    let done = if service.spec.mode.is_job() { TaskState::Complete } else { TaskState::Running };
    states.remove(&done);
    let others: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    format!(
        "{}{} out of {} tasks{}{}",
        if back { "rolling back: " } else { "" },
        picture.good,
        picture.wanted,
        if others.is_empty() { "" } else { "; " },
        others.join(", ")
    )
}

struct Names<'a> {
    nodes: &'a [Node],
}

impl Names<'_> {
    fn of<'b>(&'b self, id: &'b Id) -> &'b str {
        let node = self.nodes.iter().find(|node| node.id == *id);
        node.map_or(id.short(), |node| node.hostname.as_str())
    }
}

/// `web.3`; for a service with a task on each node, `web@worker1`.
fn label(service: &Service, task: &Task, names: &Names<'_>) -> String {
    match service.spec.mode {
        Mode::Global {} | Mode::GlobalJob {} => {
            format!("{}@{}", service.spec.name, names.of(&task.node_id))
        }
        _ => task_name(service, task),
    }
}

/// `preparing on worker2 (old task running on worker3)`.
fn detail(task: &Task, old: Option<&Task>, names: &Names<'_>) -> String {
    let mut text = task.status.state.as_str().to_owned();
    if !task.node_id.as_str().is_empty() {
        text += &format!(" on {}", names.of(&task.node_id));
    }
    if !task.status.err.is_empty() {
        text += &format!(": {}", task.status.err);
    }
    if let Some(old) = old {
        let does = match &old.status.state {
            TaskState::Running if old.desired_state > TaskState::Running => "stopping",
            TaskState::Shutdown => "shut down",
            state => state.as_str(),
        };
        text += &format!(" (old task {does} on {})", names.of(&old.node_id));
    }
    text
}
