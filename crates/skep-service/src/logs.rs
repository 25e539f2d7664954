//! What the tasks of a service have written.
//!
//! A log that ends is asked for task by task, so that a task whose node is silent costs its own
//! part and nothing else, and is known by name. The parts are put in the order of their times,
//! which are those of the nodes' clocks. A log that is followed is one stream of the engine's,
//! which takes in new tasks by itself.
//!
//! Source: Docker Engine API, `ServiceLogs`, `TaskLogs`; the service's `details` carry the task and
//! the node.

mod entry;
mod frame;
pub mod since;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Mutex,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use skep_engine::{EngineError, EngineStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::frame::Frames;
pub use self::{entry::Entry, frame::Stream};
use crate::{
    Services,
    api::{Id, Node, NodeState, Service, Task},
    error::ServiceError,
};

/// How long a log that ends may stay silent. An engine asks a node it has not yet given up for
/// ever.
const SILENCE: Duration = Duration::from_secs(5);

const AT_ONCE: usize = 24;

/// How often, while a log is followed, the nodes are looked at.
const LOOK: Duration = Duration::from_secs(3);

/// The service or task whose log is read.
#[derive(Debug, Clone)]
pub enum LogSource {
    /// A service's, with its tasks, also those that are over.
    Service(Box<Service>, Vec<Task>),
    /// One task's, with its service.
    Task(Box<Task>, Box<Service>),
}

impl LogSource {
    /// The service whose log it is, or whose task it is of.
    pub fn service(&self) -> &Service {
        match self {
            LogSource::Service(service, _) | LogSource::Task(_, service) => service,
        }
    }

    /// All tasks of the service, or the one task.
    pub fn tasks(&self) -> &[Task] {
        match self {
            LogSource::Service(_, tasks) => tasks,
            LogSource::Task(task, _) => std::slice::from_ref(task),
        }
    }

    /// Whether it writes to a terminal: then its streams are one, and a line names no task.
    pub fn has_terminal(&self) -> bool {
        let spec = match self {
            LogSource::Service(service, _) => &service.spec.task_template,
            LogSource::Task(task, _) => &task.spec,
        };
        spec.container_spec.rest.get("TTY").and_then(serde_json::Value::as_bool) == Some(true)
    }

    fn path(&self) -> String {
        match self {
            LogSource::Service(service, _) => format!("/services/{}/logs", service.id),
            LogSource::Task(task, _) => format!("/tasks/{}/logs", task.id),
        }
    }
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Not before: seconds since 1970, with a fraction of up to nine digits.
    pub since: Option<String>,
    /// The last so many lines of each task; all, if it is left open.
    pub tail: Option<u64>,
}

impl LogQuery {
    fn parameters<'a>(&'a self, tail: &'a str, follow: bool) -> Vec<(&'static str, &'a str)> {
        let mut all = vec![("stdout", "true"), ("stderr", "true")];
        all.extend(self.since.as_deref().map(|since| ("since", since)));
        all.push(("tail", tail));
        if follow {
            all.push(("follow", "true"));
        }
        all
    }

    fn tail(&self) -> String {
        self.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string())
    }
}

/// Tasks whose log, or the rest of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    pub node: String,
    pub tasks: BTreeSet<Id>,
    /// Why: `it is down`, `it does not answer`, or what the engine says.
    pub reason: String,
}

/// What comes of reading a log.
#[derive(Debug, Clone)]
pub enum LogItem {
    Entry(Entry),
    /// Tasks that were made since: entries of theirs follow.
    Tasks(Vec<Task>),
    /// What a terminal's log is: bytes.
    Bytes(Vec<u8>),
    Missing(Missing),
}

impl Services {
    /// The service, or else the task, that `text` means.
    ///
    /// # Errors
    /// [`ServiceError::NoLog`], [`ServiceError::Ambiguous`], [`ServiceError::Engine`].
    pub async fn log_source(
        &self,
        text: &str,
        cancel: &CancellationToken,
    ) -> Result<LogSource, ServiceError> {
        match self.service(text, cancel).await {
            Ok(service) => {
                let filters = [("service", service.id.as_str())];
                let tasks = self.tasks(&filters, cancel).await?;
                Ok(LogSource::Service(Box::new(service), tasks))
            }
            Err(ServiceError::Unknown { .. }) => {
                let tasks = self.tasks(&[], cancel).await?;
                let begin = |task: &&Task| task.id.as_str().starts_with(text);
                let mut found = tasks.iter().filter(begin);
                let unknown = || ServiceError::NoLog { name: text.to_owned() };
                let (Some(task), None) = (found.next(), found.next()) else {
                    return Err(unknown());
                };
                let service = self.service(task.service_id.as_str(), cancel).await?;
                Ok(LogSource::Task(Box::new(task.clone()), Box::new(service)))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a log that ends: entries in the order of their times, then what is missing. All of it
    /// is held in memory until it is sorted.
    ///
    /// # Errors
    /// [`ServiceError::Engine`] if the nodes cannot be listed, or on cancellation. What goes wrong
    /// with a task's log is [`LogItem::Missing`].
    pub async fn log(
        &self,
        source: &LogSource,
        query: &LogQuery,
        cancel: &CancellationToken,
    ) -> Result<Vec<LogItem>, ServiceError> {
        let nodes = self.nodes(cancel).await?;
        let down = Down::of(&nodes);
        let silent = Mutex::new(HashSet::new());
        let placed = source.tasks().iter().filter(|task| !task.node_id.as_str().is_empty());
        let parts = stream::iter(placed).map(|task| {
            let (down, silent) = (&down, &silent);
            async move {
                if let Some(reason) = down.reason(&task.node_id) {
                    return Ok((task, Vec::new(), Some(reason)));
                }
                // With many tasks on a silent node each of them would be waited for anew.
                if lock(silent).contains(&task.node_id) {
                    return Ok((task, Vec::new(), Some(SILENT.to_owned())));
                }
                let (entries, wrong) = self.task_log(&task.id, query, SILENCE, cancel).await?;
                if wrong.as_deref() == Some(SILENT) {
                    lock(silent).insert(task.node_id.clone());
                }
                Ok((task, entries, wrong))
            }
        });
        let mut parts = parts.buffered(AT_ONCE);
        let mut all = Vec::new();
        let mut missing: BTreeMap<(String, String), BTreeSet<Id>> = BTreeMap::new();
        while let Some(part) = parts.next().await {
            let (task, entries, wrong) = part.map_err(ServiceError::of("read the logs"))?;
            all.extend(entries);
            if let Some(reason) = wrong {
                let key = (down.name(&task.node_id), reason);
                missing.entry(key).or_default().insert(task.id.clone());
            }
        }
        // The entries of one task stay in their order.
        all.sort_by(|a, b| a.at.cmp(&b.at));
        let missing = missing
            .into_iter()
            .map(|((node, reason), tasks)| LogItem::Missing(Missing { node, tasks, reason }));
        Ok(all.into_iter().map(LogItem::Entry).chain(missing).collect())
    }

    /// Reads a log that goes on, or a terminal's, and hands it out as it comes. It ends when the
    /// engine ends it; one that is not followed ends also when it has been silent for long.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn follow_log(
        &self,
        source: &LogSource,
        query: &LogQuery,
        (follow, times, details): (bool, bool, bool),
        cancel: &CancellationToken,
        mut sink: impl FnMut(LogItem),
    ) -> Result<(), ServiceError> {
        let wrong = ServiceError::of;
        let terminal = source.has_terminal();
        let tail = query.tail();
        let mut parameters = query.parameters(&tail, follow);
        // `Entry` is read from lines with times and details; a terminal's bytes are handed on as
        // they are.
        if !terminal || times {
            parameters.push(("timestamps", "true"));
        }
        if !terminal || details {
            parameters.push(("details", "true"));
        }
        let mut watch = DownWatch::default();
        watch.look(self, source, cancel, &mut sink).await?;
        let path = source.path();
        let stream = self.engine.get_stream(&path, &parameters, cancel).await;
        let mut stream = stream.map_err(wrong("read the logs"))?;
        let mut frames = Frames::default();
        let (mut heard, mut looked) = (Instant::now(), Instant::now());
        let mut known: HashSet<Id> = source.tasks().iter().map(|task| task.id.clone()).collect();
        loop {
            let piece = timeout(LOOK, stream.next()).await;
            // Others may have much to say while a node is gone.
            if looked.elapsed() >= LOOK {
                watch.look(self, source, cancel, &mut sink).await?;
                looked = Instant::now();
            }
            let Ok(piece) = piece else {
                if !follow && heard.elapsed() >= SILENCE {
                    return Ok(());
                }
                continue;
            };
            let Some(piece) = piece.map_err(wrong("read the logs"))? else { return Ok(()) };
            heard = Instant::now();
            if terminal {
                sink(LogItem::Bytes(piece.to_vec()));
                continue;
            }
            frames.push(&piece);
            while let Some((stream, frame)) = frames.next() {
                match read(stream, frame) {
                    Ok(entry) => {
                        // The engine adds new tasks to the stream by itself; their names are asked
                        // for once.
                        if known.insert(entry.task.clone()) {
                            let service = source.service().id.as_str();
                            let tasks = self.tasks(&[("service", service)], cancel).await?;
                            known.extend(tasks.iter().map(|task| task.id.clone()));
                            sink(LogItem::Tasks(tasks));
                        }
                        sink(LogItem::Entry(entry));
                    }
                    Err(reason) => sink(LogItem::Missing(Missing {
                        node: String::new(),
                        tasks: BTreeSet::new(),
                        reason,
                    })),
                }
            }
        }
    }

    /// The log of one task, and what went wrong before its end.
    pub(crate) async fn task_log(
        &self,
        task: &Id,
        query: &LogQuery,
        silence: Duration,
        cancel: &CancellationToken,
    ) -> Result<(Vec<Entry>, Option<String>), EngineError> {
        let tail = query.tail();
        let mut parameters = query.parameters(&tail, false);
        parameters.extend([("timestamps", "true"), ("details", "true")]);
        let path = format!("/tasks/{task}/logs");
        let open = self.engine.get_stream(&path, &parameters, cancel);
        let mut entries = Vec::new();
        let wrong = match timeout(silence, open).await {
            Err(_) => Some(SILENT.to_owned()),
            Ok(Err(error @ EngineError::Cancelled { .. })) => return Err(error),
            Ok(Err(error)) => Some(reason(&error)),
            Ok(Ok(stream)) => collect(stream, silence, &mut entries).await?,
        };
        Ok((entries, wrong))
    }
}

/// What is reported of a node that does not answer.
const SILENT: &str = "it does not answer";

/// Reads a stream to its end, or until it is silent for too long.
async fn collect(
    mut stream: EngineStream,
    silence: Duration,
    entries: &mut Vec<Entry>,
) -> Result<Option<String>, EngineError> {
    let mut frames = Frames::default();
    let mut wrong = None;
    loop {
        match timeout(silence, stream.next()).await {
            Err(_) => return Ok(Some(SILENT.to_owned())),
            Ok(Err(error @ EngineError::Cancelled { .. })) => return Err(error),
            Ok(Err(error)) => return Ok(Some(reason(&error))),
            Ok(Ok(None)) => return Ok(wrong),
            Ok(Ok(Some(piece))) => frames.push(&piece),
        }
        while let Some((stream, frame)) = frames.next() {
            match read(stream, frame) {
                Ok(entry) => entries.push(entry),
                Err(text) => wrong = Some(text),
            }
        }
    }
}

/// What a frame says: an entry, or why the engine could not go on.
fn read(stream: Stream, frame: &[u8]) -> Result<Entry, String> {
    let text = || String::from_utf8_lossy(frame).trim().to_owned();
    if stream == Stream::Engine {
        return Err(text());
    }
    Entry::read(stream, frame).ok_or_else(|| format!("the engine sent `{}`", text()))
}

fn reason(error: &EngineError) -> String {
    error.api().map_or_else(|| error.to_string(), |(_, message)| message.to_owned())
}

fn lock(set: &Mutex<HashSet<Id>>) -> std::sync::MutexGuard<'_, HashSet<Id>> {
    set.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The nodes by what they are called, and which of them cannot be asked.
struct Down<'a> {
    nodes: &'a [Node],
}

impl<'a> Down<'a> {
    fn of(nodes: &'a [Node]) -> Self {
        Self { nodes }
    }

    fn name(&self, id: &Id) -> String {
        let node = self.nodes.iter().find(|node| node.id == *id);
        node.map_or_else(|| id.to_string(), |node| node.hostname.clone())
    }

    fn reason(&self, id: &Id) -> Option<String> {
        match self.nodes.iter().find(|node| node.id == *id) {
            None => Some("it is no node of the swarm any more".to_owned()),
            Some(node) if node.state == NodeState::Ready => None,
            Some(node) => Some(format!("it is {}", node.state)),
        }
    }
}

/// Reports once of each node with tasks of the log that it cannot be asked.
#[derive(Default)]
struct DownWatch {
    said: HashSet<Id>,
}

impl DownWatch {
    async fn look(
        &mut self,
        services: &Services,
        source: &LogSource,
        cancel: &CancellationToken,
        sink: &mut impl FnMut(LogItem),
    ) -> Result<(), ServiceError> {
        let nodes = services.nodes(cancel).await?;
        let down = Down::of(&nodes);
        for node in &nodes {
            let Some(reason) = down.reason(&node.id) else {
                self.said.remove(&node.id);
                continue;
            };
            let here = source.tasks().iter().filter(|task| task.node_id == node.id);
            let tasks: BTreeSet<Id> = here.map(|task| task.id.clone()).collect();
            if !tasks.is_empty() && self.said.insert(node.id.clone()) {
                let node = node.hostname.clone();
                sink(LogItem::Missing(Missing { node, tasks, reason }));
            }
        }
        Ok(())
    }
}
