//! Why a service is not what it is meant to be: the most telling task, in full.

use std::{fmt, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, Mode, Node, Service, Task, TaskState},
    converge::is_refused,
    error::ServiceError,
    logs::LogQuery,
    placement::{Site, sites},
};

/// How many of its last lines a failed task is quoted with.
const LINES: u64 = 10;

/// How long they may take: without them the cause is still a cause.
const PATIENCE: Duration = Duration::from_secs(3);

/// One task's state, error and last lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The task's name: `web.3`.
    pub task: String,
    pub id: Id,
    /// Its node's name; empty if it has none.
    pub node: String,
    pub state: TaskState,
    /// Its error in full, or the engine's message where there is none.
    pub error: String,
    /// How its container ended, if it did.
    pub exit_code: Option<i64>,
    /// The last lines it has written, without their ends, oldest first.
    pub log: Vec<String>,
    /// Why these lines, or some of them, are missing.
    pub log_missing: Option<String>,
    /// For a task without a node: what keeps it off each.
    pub sites: Vec<Site>,
}

impl Cause {
    /// For a service that is to have a task on each node and finds none.
    pub(crate) fn without_a_task(service: &Service, sites: Vec<Site>) -> Self {
        Self { task: service.spec.name.clone(), sites, ..Self::default() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.as_str().is_empty() {
            write!(f, "{} has a task on no node", self.task)?;
            return self.sites.iter().try_for_each(|site| write!(f, "\n  {site}"));
        }
        write!(f, "task {} ({})", self.task, self.id.short())?;
        if !self.node.is_empty() {
            write!(f, " on {}", self.node)?;
        }
        match &self.state {
            TaskState::Failed => f.write_str(" failed")?,
            TaskState::Rejected => f.write_str(" was rejected")?,
            TaskState::Complete => f.write_str(" ended well")?,
            state => write!(f, " is {}", state.as_str())?,
        }
        if !self.error.is_empty() {
            write!(f, ": {}", self.error)?;
        }
        if let Some(code) = self.exit_code {
            write!(f, "; exit code {code}")?;
        }
        for site in &self.sites {
            write!(f, "\n  {site}")?;
        }
        if !self.log.is_empty() {
            f.write_str("\nits last lines:")?;
        }
        for line in &self.log {
            write!(f, "\n  {line}")?;
        }
        if let Some(reason) = &self.log_missing {
            write!(f, "\nits log cannot be had: {reason}")?;
        }
        Ok(())
    }
}

/// The task that says most about why a service is not whole: of those that failed since then the
/// last one, and if none did, one that has no node, or any that is not there yet.
///
/// `is_new` says whether a failure belongs to what is being watched; if none does, an old one is
/// better than nothing.
pub(crate) fn telling<'a>(tasks: &'a [Task], is_new: impl Fn(&Task) -> bool) -> Option<&'a Task> {
    let failed = |task: &&Task| {
        matches!(task.status.state, TaskState::Failed | TaskState::Rejected)
            || (task.status.state == TaskState::Complete
                && task.desired_state > TaskState::Complete)
    };
    let latest =
        |tasks: &mut dyn Iterator<Item = &'a Task>| tasks.max_by_key(|task| task.status.timestamp);
    let live = |task: &&Task| task.desired_state <= TaskState::Running;
    latest(&mut tasks.iter().filter(failed).filter(|task| is_new(task)))
        .or_else(|| tasks.iter().filter(live).find(|task| is_refused(task)))
        .or_else(|| latest(&mut tasks.iter().filter(failed)))
        .or_else(|| {
            let waits = |task: &&Task| live(task) && task.status.state != TaskState::Running;
            latest(&mut tasks.iter().filter(waits))
        })
}

/// A task's name as lists have it: `web.3`, or for one on each node `web.` and the node's
/// identifier.
pub fn task_name(service: &Service, task: &Task) -> String {
    match service.spec.mode {
        Mode::Global {} | Mode::GlobalJob {} => format!("{}.{}", service.spec.name, task.node_id),
        _ => format!("{}.{}", service.spec.name, task.slot),
    }
}

impl Services {
    /// Everything known of one task. What cannot be asked is left out: this is called when
    /// something has failed already.
    pub(crate) async fn cause(
        &self,
        service: &Service,
        task: &Task,
        nodes: &[Node],
        cancel: &CancellationToken,
    ) -> Result<Cause, ServiceError> {
        let node = nodes.iter().find(|node| node.id == task.node_id);
        let over = task.status.state.is_over();
        let container = task.status.container_status.as_ref();
        // A container that was never made has no exit code.
        let container = container.filter(|container| !container.container_id.is_empty());
        let status = &task.status;
        let mut cause = Cause {
            task: task_name(service, task),
            id: task.id.clone(),
            node: node.map(|node| node.hostname.clone()).unwrap_or_default(),
            state: status.state.clone(),
            error: if status.err.is_empty() { &status.message } else { &status.err }.clone(),
            exit_code: container.filter(|_| over).map(|container| container.exit_code),
            ..Cause::default()
        };
        if is_refused(task) {
            let filters = [("desired-state", "running"), ("desired-state", "accepted")];
            let tasks = self.tasks(&filters, cancel).await?;
            cause.sites = sites(service, nodes, &tasks);
        }
        let has_terminal = task.spec.container_spec.rest.get("TTY").is_some_and(|tty| tty == true);
        if container.is_some() && !has_terminal {
            let query = LogQuery { since: None, tail: Some(LINES) };
            let log = self.task_log(&task.id, &query, PATIENCE, cancel).await;
            let (mut entries, wrong) = log.map_err(ServiceError::of("read the logs"))?;
            entries.sort_by(|a, b| a.at.cmp(&b.at));
            let text: Vec<u8> = entries.into_iter().flat_map(|entry| entry.text).collect();
            cause.log = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
            cause.log_missing = wrong;
        }
        Ok(cause)
    }
}
