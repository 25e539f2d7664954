//! Watching a service until it is what it is meant to be, or cannot become it.
//!
//! Tasks have no events, so the tasks of the one service are asked for again and again: every
//! 50 ms, or less often where an answer takes long. [`judge`] says where it stands at one moment;
//! here is what only several looks show.
//!
//! A service that was made or scaled has converged when its tasks have all run for the monitor
//! window of its update settings (5 s unless set), as with docker. An update has converged when
//! the engine says that it is completed: it has kept the window itself.
//!
//! It is given up before the deadline when:
//! - an update or a rollback was paused, or what was there before runs again;
//! - a task is over and its restart policy allows no other, for [`EXHAUSTED`];
//! - [`FAILURES`] tasks of one slot have failed, unless an update is under way that is to be paused
//!   or rolled back by itself;
//! - no node can take a task, and nothing else moves that could make room, for [`NO_ROOM`];
//! - the service was removed.

mod judge;
mod show;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::Duration,
};

use jiff::Timestamp;
use skep_context::{Context, pause};
use skep_engine::EngineError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::judge::{Picture, Slot, Verdict, is_refused, judge};
use self::show::Show;
use crate::{
    Services,
    api::{FailureAction, Id, Mode, Node, NodeState, Service, Task, TaskState, UpdateState},
    cause::{Cause, telling},
    error::ServiceError,
};

/// The monitor window where a service names none.
const MONITOR: Duration = Duration::from_secs(5);

/// Between two looks, if an answer comes at once.
const LOOK: Duration = Duration::from_millis(50);

/// How old what is known of the nodes, and of tasks that are on their way out, may be.
const STALE: Duration = Duration::from_secs(1);

/// How long a task without a successor stays without one before that is believed.
pub const EXHAUSTED: Duration = Duration::from_secs(2);

/// How many tasks of one slot may fail.
pub const FAILURES: usize = 3;

/// How long no node may be found for a task before the watch is given up.
pub const NO_ROOM: Duration = Duration::from_secs(10);

/// How long the managers may be without a leader, or the engine may be silent. A new leader is
/// elected within some seconds of the old one's end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How watching a service ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Converged,
    NotConverged(Box<Shortfall>),
}

/// What a service that has not converged lacks, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    pub service: String,
    pub reason: Reason,
    /// How many tasks run, or of a job, have ended well.
    pub good: u64,
    pub wanted: u64,
    pub cause: Option<Cause>,
}

/// Why watching a service was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Late(Duration),
    /// Its update was paused: the engine's words.
    UpdatePaused(String),
    /// Its rollback was paused: the engine's words.
    RollbackPaused(String),
    /// Its update failed and was rolled back: the engine's words.
    RolledBack(String),
    Failing,
    /// A task is over, and its restart policy allows no other.
    Exhausted,
    NoNode,
    Removed,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, good, wanted, .. } = self;
        let said = |text: &str| {
            if text.is_empty() { String::new() } else { format!(": {text}") }
        };
        match &self.reason {
            Reason::Late(time) => {
                write!(f, "service {service} has not converged within {time:?}")?;
            }
            Reason::UpdatePaused(text) => {
                return write!(f, "the update of service {service} was paused{}", said(text));
            }
            Reason::RollbackPaused(text) => {
                return write!(f, "the rollback of service {service} was paused{}", said(text));
            }
            Reason::RolledBack(text) => {
                return write!(
                    f,
                    "the update of service {service} failed and was rolled back{}",
                    said(text)
                );
            }
            Reason::Removed => return write!(f, "service {service} was removed meanwhile"),
            Reason::Failing => {
                write!(f, "service {service} does not converge: its tasks keep failing")?;
            }
            Reason::Exhausted => {
                write!(
                    f,
                    "service {service} does not converge: a task is over and is not started again"
                )?;
            }
            Reason::NoNode => {
                write!(f, "service {service} does not converge: no node can take its tasks")?;
            }
        }
        write!(f, " ({good} out of {wanted} tasks)")
    }
}

/// What is known of a service at a moment.
struct Known {
    service: Service,
    tasks: Vec<Task>,
    nodes: Vec<Node>,
    nodes_at: Instant,
}

/// What only several looks show.
pub(crate) struct Memory {
    /// From then on failures are this watch's own: when the service was last changed.
    since: Option<Timestamp>,
    /// Failed tasks of each slot.
    failed: HashMap<Slot, HashSet<Id>>,
    stable: Option<Instant>,
    exhausted: Option<Instant>,
    no_room: Option<Instant>,
    /// Whether the rollback was asked for, and is no failure.
    rollback_wanted: bool,
    first: bool,
}

impl Services {
    /// Watches a service until it has converged, or until that is known to be out of reach.
    ///
    /// # Errors
    /// [`ServiceError::Engine`], also on cancellation, which leaves the service as it is. For a
    /// while an engine that does not answer, or has no leader, is asked again.
    pub async fn converge(
        &self,
        service: &Id,
        context: Context<'_>,
    ) -> Result<Outcome, ServiceError> {
        let Context { events, cancel, timeout } = context;
        let deadline = context.deadline();
        let mut memory = Memory::new();
        let mut known: Option<Known> = None;
        let mut show: Option<Show> = None;
        let mut heard = Instant::now();
        loop {
            let asked = Instant::now();
            match self.look(service, known.as_ref(), cancel).await {
                Ok(Some(now)) => {
                    heard = Instant::now();
                    let show = show.get_or_insert_with(|| Show::new(events, &now.service));
                    let judged = self.step(&mut memory, &now, show, cancel).await?;
                    let late = Instant::now() >= deadline;
                    let ended = judged.or_else(|| late.then_some(Err(Reason::Late(timeout))));
                    match ended {
                        Some(Ok(())) => {
                            show.end(Ok(()));
                            return Ok(Outcome::Converged);
                        }
                        Some(Err(reason)) => {
                            let short = self.shortfall(&memory, &now, reason, cancel).await?;
                            show.end(Err(&short));
                            return Ok(Outcome::NotConverged(Box::new(short)));
                        }
                        None => known = Some(now),
                    }
                }
                Ok(None) => {
                    let name =
                        known.map_or_else(|| service.to_string(), |known| known.service.spec.name);
                    let reason = Reason::Removed;
                    let short =
                        Shortfall { service: name, reason, good: 0, wanted: 0, cause: None };
                    return Ok(Outcome::NotConverged(Box::new(short)));
                }
                Err(error)
                    if may_pass(&error) && heard.elapsed() < PATIENCE && asked < deadline =>
                {
                    if let Some(show) = &show {
                        show.say("the swarm does not answer; asking again");
                    }
                }
                Err(error) => return Err(error),
            }
            // At most half of the time is spent asking, however slowly an engine answers.
            pause(cancel, LOOK.max(asked.elapsed())).await;
        }
    }

    /// What is known now; `None` if the service is gone.
    async fn look(
        &self,
        id: &Id,
        before: Option<&Known>,
        cancel: &CancellationToken,
    ) -> Result<Option<Known>, ServiceError> {
        let path = format!("/services/{id}");
        // The docker CLI's filter for tasks of the present specification
        // (`cli/command/service/progress`).
        let filters = [("service", id.as_str()), ("_up-to-date", "true")];
        let fresh = before.filter(|known| known.nodes_at.elapsed() < STALE);
        let nodes = async {
            match fresh {
                Some(known) => Ok((known.nodes.clone(), known.nodes_at)),
                None => self.nodes(cancel).await.map(|nodes| (nodes, Instant::now())),
            }
        };
        let (service, tasks, nodes) = tokio::join!(
            self.engine.get_json::<Service>(&path, &[], cancel),
            self.tasks(&filters, cancel),
            nodes,
        );
        let service = match service {
            Ok(service) => service,
            Err(error) if error.api().is_some_and(|(status, _)| status == 404) => return Ok(None),
            Err(error) => return Err(ServiceError::of("look at the service")(error)),
        };
        let (tasks, (nodes, nodes_at)) = (tasks?, nodes?);
        Ok(Some(Known { service, tasks, nodes, nodes_at }))
    }

    /// Judges what is known now: `None` while it has to be looked at again.
    async fn step(
        &self,
        memory: &mut Memory,
        known: &Known,
        show: &mut Show,
        cancel: &CancellationToken,
    ) -> Result<Option<Result<(), Reason>>, ServiceError> {
        let Known { service, tasks, nodes, .. } = known;
        let picture = judge(service, tasks, nodes);
        memory.take_in(service, tasks);
        show.picture(service, &picture, nodes);
        let ended = memory.verdict(service, &picture);
        // A task that is ending may make room for one without a node.
        if matches!(ended, Some(Err(Reason::NoNode)))
            && self.is_leaving(service, nodes, cancel).await?
        {
            memory.no_room = None;
            return Ok(None);
        }
        // What is only shown waits until the decision is known.
        if ended.is_none() && show.wants_old_tasks(STALE) {
            let all = self.tasks(&[("service", service.id.as_str())], cancel).await?;
            show.old_tasks(all, tasks);
            show.picture(service, &picture, nodes);
        }
        if let Some(stable) = memory.stable {
            show.verifying(monitor(service).saturating_sub(stable.elapsed()));
        }
        Ok(ended)
    }

    /// Whether a task of the service is on its way out, so that room is made for another.
    pub(crate) async fn is_leaving(
        &self,
        service: &Service,
        nodes: &[Node],
        cancel: &CancellationToken,
    ) -> Result<bool, ServiceError> {
        let tasks = self.tasks(&[("service", service.id.as_str())], cancel).await?;
        let there =
            |id: &Id| nodes.iter().any(|node| node.id == *id && node.state == NodeState::Ready);
        Ok(tasks.iter().any(|task| {
            task.desired_state > TaskState::Running
                && (TaskState::Assigned..=TaskState::Running).contains(&task.status.state)
                && there(&task.node_id)
        }))
    }

    async fn shortfall(
        &self,
        memory: &Memory,
        known: &Known,
        reason: Reason,
        cancel: &CancellationToken,
    ) -> Result<Shortfall, ServiceError> {
        let Known { service, tasks, nodes, .. } = known;
        let (good, wanted) = {
            let picture = judge(service, tasks, nodes);
            (picture.good, picture.wanted)
        };
        let mut short =
            Shortfall { service: service.spec.name.clone(), reason, good, wanted, cause: None };
        let all = self.tasks(&[("service", service.id.as_str())], cancel).await?;
        // A failed task may be of either specification, a task without a node only of the present
        // one.
        let from = if short.reason == Reason::NoNode { tasks } else { &all };
        let is_new = |task: &Task| {
            short.reason != Reason::NoNode
                && memory
                    .since
                    .is_some_and(|since| task.created_at.is_some_and(|created| created >= since))
        };
        if let Some(task) = telling(from, is_new) {
            short.cause = Some(self.cause(service, task, nodes, cancel).await?);
        } else if short.reason == Reason::NoNode {
            let sites = crate::placement::sites(service, nodes, &[]);
            short.cause = Some(Cause::without_a_task(service, sites));
        }
        Ok(short)
    }
}

impl Memory {
    fn new() -> Self {
        Self {
            since: None,
            failed: HashMap::new(),
            stable: None,
            exhausted: None,
            no_room: None,
            rollback_wanted: false,
            first: true,
        }
    }

    /// A memory of what fails from a moment on.
    pub(crate) fn since(since: Option<Timestamp>) -> Self {
        Self { since, first: false, ..Self::new() }
    }

    /// Counts what has failed.
    pub(crate) fn take_in(&mut self, service: &Service, tasks: &[Task]) {
        let update = service.update_status.as_ref();
        let state = update.map(|update| update.state.clone()).unwrap_or_default();
        if self.first {
            self.first = false;
            // The start of an update that goes on; its status counts as a change of the service.
            let started = update.and_then(|update| update.started_at);
            self.since = started.filter(|_| state != UpdateState::Completed).or(service.updated_at);
            // One that is there at the first look was asked for, or is an old story.
            self.rollback_wanted = state == UpdateState::RollbackCompleted;
        }
        // Only the message distinguishes a rollback that was asked for from one after a failure.
        if state == UpdateState::RollbackStarted
            && update.is_some_and(|update| update.message.starts_with("manually requested"))
        {
            self.rollback_wanted = true;
        }
        let failed = tasks.iter().filter(|task| {
            matches!(task.status.state, TaskState::Failed | TaskState::Rejected)
                && task.created_at >= self.since
        });
        for task in failed {
            self.failed.entry(Slot::of(service, task)).or_default().insert(task.id.clone());
        }
    }

    fn verdict(&mut self, service: &Service, picture: &Picture<'_>) -> Option<Result<(), Reason>> {
        let now = Instant::now();
        let update = service.update_status.as_ref();
        let message = || update.map(|update| update.message.clone()).unwrap_or_default();
        let state = update.map(|update| update.state.clone()).unwrap_or_default();
        let verdict = match picture.verdict {
            Verdict::RolledBack if self.rollback_wanted => Verdict::Done,
            other => other,
        };
        self.stable = match verdict {
            Verdict::Stable => self.stable.or(Some(now)),
            _ => None,
        };
        match verdict {
            Verdict::Done => return Some(Ok(())),
            Verdict::RolledBack => return Some(Err(Reason::RolledBack(message()))),
            Verdict::Paused if state == UpdateState::RollbackPaused => {
                return Some(Err(Reason::RollbackPaused(message())));
            }
            Verdict::Paused => return Some(Err(Reason::UpdatePaused(message()))),
            Verdict::Stable => {
                let watched = self.stable.is_some_and(|since| since.elapsed() >= monitor(service));
                return watched.then_some(Ok(()));
            }
            Verdict::Going => {}
        }
        self.stuck(service, picture).map(Err)
    }

    /// Why a service that is not whole will not become so.
    pub(crate) fn stuck(&mut self, service: &Service, picture: &Picture<'_>) -> Option<Reason> {
        let now = Instant::now();
        let state = service.update_status.as_ref().map(|update| &update.state);
        if !state.is_some_and(|state| is_left_to_the_engine(service, state)) {
            let any = picture.exhausted(service).next().is_some();
            if lasts(&mut self.exhausted, any, now, EXHAUSTED) {
                return Some(Reason::Exhausted);
            }
            if self.fails(picture, service) {
                return Some(Reason::Failing);
            }
        }
        let nowhere =
            !picture.without_a_node().is_empty() || (picture.good == 0 && picture.wanted == 0);
        lasts(&mut self.no_room, nowhere, now, NO_ROOM).then_some(Reason::NoNode)
    }

    /// Whether a slot that is not as it should be has failed too often.
    fn fails(&self, picture: &Picture<'_>, service: &Service) -> bool {
        let too_often = self.failed.iter().filter(|(_, tasks)| tasks.len() >= FAILURES);
        let good = |slot: &Slot| {
            picture.slots.get(slot).is_some_and(|task| {
                let done = if service.spec.mode.is_job() {
                    TaskState::Complete
                } else {
                    TaskState::Running
                };
                task.status.state == done
            })
        };
        too_often.map(|(slot, _)| slot).any(|slot| !good(slot))
    }
}

/// Whether something is so now and has been for a time.
fn lasts(since: &mut Option<Instant>, is_so: bool, now: Instant, time: Duration) -> bool {
    *since = is_so.then(|| since.unwrap_or(now));
    since.is_some_and(|since| now.duration_since(since) >= time)
}

/// Whether the engine itself will say that an update has failed.
fn is_left_to_the_engine(service: &Service, state: &UpdateState) -> bool {
    let settings = match state {
        UpdateState::Updating => &service.spec.update_config,
        UpdateState::RollbackStarted => &service.spec.rollback_config,
        _ => return false,
    };
    // The engine pauses unless the settings say otherwise.
    settings.as_ref().is_none_or(|settings| settings.failure_action != FailureAction::Continue)
}

/// How long tasks are watched before they are believed.
fn monitor(service: &Service) -> Duration {
    let window = service.spec.update_config.as_ref().map_or(0, |settings| settings.monitor);
    if window == 0 { MONITOR } else { Duration::from_nanos(window) }
}

fn may_pass(error: &ServiceError) -> bool {
    match error {
        ServiceError::Engine { source: EngineError::Cancelled { .. }, .. } => false,
        ServiceError::Engine { source, .. } => source.may_pass(),
        _ => false,
    }
}

/// How many slots are shown one by one.
pub(crate) const SHOWN: usize = 20;

/// Whether slots of a service are shown one by one.
fn is_small(service: &Service, slots: usize) -> bool {
    let wanted = match service.spec.mode {
        Mode::Replicated { replicas } => replicas.unwrap_or(1),
        Mode::ReplicatedJob { total_completions, .. } => total_completions.unwrap_or(1),
        Mode::Global {} | Mode::GlobalJob {} => 0,
    };
    slots <= SHOWN && wanted <= 20
}
