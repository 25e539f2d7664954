//! A service asked at every node where it should answer.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::SocketAddr,
    time::Duration,
};

use futures_util::future::join_all;
use skep_context::Context;
use skep_model::{Reason, natural};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Ask, Tally, Target,
    answerer::Answerers,
    count,
    port::{self, Place, PortError, Silent},
    steady,
};
use crate::{
    Services,
    api::{Node, NodeState, PublishedPort, Service, Task, UpdateState},
    error::ServiceError,
};

/// How long requests go on after an update has ended: old tasks are still leaving.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// How long the manager may take to list the tasks that are there afterwards.
const LIST: Duration = Duration::from_secs(5);

/// Why a service cannot be probed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A service that is to be probed: a port of it, and the nodes where that should answer.
#[derive(Debug)]
pub struct Probe<'a> {
    services: &'a Services,
    service: Service,
    port: PublishedPort,
    nodes: Vec<Node>,
    tasks: Vec<Task>,
}

/// What came of one node.
#[derive(Debug)]
pub struct Line {
    pub place: Place,
    /// What came of the requests, if it could be asked.
    pub tally: Option<Tally>,
    /// Why it could not be asked, though it should answer.
    pub closed: Option<String>,
    /// How often each task answered, as far as answers tell.
    pub tasks: BTreeMap<String, u64>,
}

impl Line {
    /// Whether it should answer and has not.
    pub fn is_silent(&self) -> bool {
        let answers = |tally: &Tally| tally.answered + tally.unexpected();
        self.place.port.is_some() && self.tally.as_ref().is_none_or(|tally| answers(tally) == 0)
    }
}

/// How a service was watched.
#[derive(Debug)]
pub struct Watched {
    /// For how long.
    pub time: Duration,
    /// How the update ended that was seen; or that the service is gone, or the manager.
    pub ended: Option<Result<UpdateState, ServiceError>>,
}

impl Watched {
    /// How the update ended that was seen.
    pub fn update(&self) -> Option<&UpdateState> {
        self.ended.as_ref()?.as_ref().ok()
    }
}

impl<'a> Probe<'a> {
    /// Finds the service, the port (the only one, unless one is named) and the nodes.
    ///
    /// # Errors
    /// [`ProbeError::Port`] if it is not clear which port is meant; as [`Services::service`].
    pub async fn of(
        services: &'a Services,
        service: &str,
        port: Option<u16>,
        cancel: &CancellationToken,
    ) -> Result<Self, ProbeError> {
        let service = services.service(service, cancel).await?;
        let port = port::published(&service, port)?;
        let mut nodes = alive(services.nodes(cancel).await?);
        nodes.sort_by(|one, other| natural(&one.hostname, &other.hostname));
        let tasks = services.tasks(&[("service", service.id.as_str())], cancel).await?;
        Ok(Self { services, service, port, nodes, tasks })
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service.spec.name
    }

    /// Why no node can answer: no task runs. `None` if one does.
    pub fn no_task(&self) -> Option<String> {
        port::no_task(&self.service, &self.tasks)
    }

    /// Sends `requests` to each node, `concurrency` at once. `reach` gives the address at which this
    /// host reaches a node's port, or why it does not. `None` if it was cancelled.
    pub async fn count(
        &self,
        ask: &Ask,
        requests: u64,
        concurrency: usize,
        reach: impl Fn(&Place, u16) -> Result<SocketAddr, String>,
        context: Context<'_>,
    ) -> Option<Vec<Line>> {
        let (mut lines, targets) = self.lines(reach);
        let tallies = count(&targets, ask, requests, concurrency, context).await;
        if context.cancel.is_cancelled() {
            return None;
        }
        self.fill(&mut lines, tallies).await;
        Some(lines)
    }

    /// Sends `rate` requests a second to each node until an update of the service has ended that is
    /// under way or begins meanwhile, `duration` is over, or it is cancelled.
    pub async fn watch(
        &self,
        ask: &Ask,
        rate: f64,
        duration: Option<Duration>,
        reach: impl Fn(&Place, u16) -> Result<SocketAddr, String>,
        context: Context<'_>,
    ) -> (Vec<Line>, Watched) {
        let (mut lines, targets) = self.lines(reach);
        let stop = context.cancel.child_token();
        let begin = Instant::now();
        let sending = steady(&targets, ask, rate, context.ended_by(&stop));
        let ending = async {
            let update = async {
                let ended = self.services.until_updated(&self.service, &stop).await;
                if ended.is_ok() {
                    tokio::time::sleep(AFTERWARDS).await;
                }
                ended
            };
            let update = stop.run_until_cancelled(update);
            let ended = tokio::time::timeout(duration.unwrap_or(Duration::MAX), update).await;
            stop.cancel();
            ended.ok().flatten()
        };
        let (tallies, ended) = tokio::join!(Box::pin(sending), Box::pin(ending));
        let watched = Watched { time: begin.elapsed(), ended };
        self.fill(&mut lines, tallies).await;
        (lines, watched)
    }

    /// A line for each node, and where requests are sent: to the nodes that are reached, in order.
    fn lines(
        &self,
        reach: impl Fn(&Place, u16) -> Result<SocketAddr, String>,
    ) -> (Vec<Line>, Vec<Target>) {
        let mut targets = Vec::new();
        let line = |place: Place| {
            let mut line = Line { place, tally: None, closed: None, tasks: BTreeMap::new() };
            match line.place.port.map(|port| reach(&line.place, port)) {
                Some(Ok(address)) => {
                    targets.push(Target { node: line.place.node.clone(), address });
                    line.tally = Some(Tally::default());
                }
                Some(Err(reason)) => line.closed = Some(reason),
                // It is not meant to answer.
                None => {}
            }
            line
        };
        let places = port::places(&self.port, &self.nodes, &self.tasks);
        (places.into_iter().map(line).collect(), targets)
    }

    async fn fill(&self, lines: &mut [Line], tallies: Vec<Tally>) {
        let answerers = self.answerers().await;
        let asked = lines.iter_mut().filter(|line| line.tally.is_some());
        for (line, tally) in asked.zip(tallies) {
            line.tasks = answerers.count(&tally.clues);
            line.tally = Some(tally);
        }
    }

    /// The tasks that were there before, and those that are there now, by what tells them.
    async fn answerers(&self) -> Answerers {
        let node = |id: &str| {
            let mut found = self.nodes.iter().filter(|node| node.id.as_str() == id);
            found.next().map_or_else(|| id.to_owned(), |node| node.hostname.clone())
        };
        let mut answerers = Answerers::default();
        answerers.add(&self.service, &self.tasks, node);
        // Also after a cancellation. Without an answer some of those who answered are not told.
        let uncancelled = CancellationToken::new();
        let filters = [("service", self.service.id.as_str())];
        let now = self.services.tasks(&filters, &uncancelled);
        if let Ok(Ok(now)) = tokio::time::timeout(LIST, now).await {
            answerers.add(&self.service, &now, node);
        }
        answerers
    }

    /// Why nodes do not answer that should. `has_ipvs` says, where it can, whether the kernel of a
    /// node that is ready has IPVS.
    pub async fn problems(
        &self,
        lines: &[Line],
        has_ipvs: impl AsyncFn(&str) -> Option<bool>,
    ) -> Vec<Reason> {
        let silent = lines.iter().filter(|line| line.is_silent());
        let problem = silent.map(async |line| {
            let (Some(tally), Some(at)) = (&line.tally, line.place.port) else {
                return line.closed.clone().unwrap_or_default().into();
            };
            let node = &line.place.node;
            let state = self.nodes.iter().find(|one| one.hostname == *node);
            let state = state.map(|node| node.state.clone());
            let ipvs = match &state {
                Some(NodeState::Ready) if port::is_mesh(&self.port) => has_ipvs(node).await,
                _ => None,
            };
            port::why(&Silent { node: node.clone(), state, ipvs }, &self.port, at, tally)
        });
        join_all(problem).await
    }
}

/// The nodes, without those whose machine has come back as another node.
fn alive(nodes: Vec<Node>) -> Vec<Node> {
    let mut alive: BTreeMap<String, Node> = BTreeMap::new();
    for node in nodes {
        match alive.entry(node.hostname.clone()) {
            Entry::Vacant(place) => drop(place.insert(node)),
            Entry::Occupied(mut other) => {
                if node.state == NodeState::Ready && other.get().state != NodeState::Ready {
                    other.insert(node);
                }
            }
        }
    }
    alive.into_values().collect()
}
