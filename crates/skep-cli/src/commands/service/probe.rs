//! Requests to a service at every machine.

mod report;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use skep_cluster::{ClusterError, reach::Cluster};
use skep_model::natural;
use skep_service::{
    Services,
    api::{Node, NodeState, PublishedPort, Service, Task},
    probe::{
        self, Ask, AskError, Tally, Target,
        answerer::Answerers,
        port::{self, Place, PortError, Silent},
    },
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::report::{Line, Report, Watched};
use crate::{
    advice::worded,
    args::{Format, service::ProbeArgs},
    commands::{print, print_json_with},
    context::Context,
    failure::{Exit, Failure, one_line},
    persona::Persona,
};

/// How long requests go on after an update has ended: old tasks are still leaving.
const AFTERWARDS: Duration = Duration::from_secs(5);

pub(super) async fn probe(context: &Context, args: &ProbeArgs) -> Result<(), Failure> {
    let ask = ask(args)?;
    let cluster = match &context.global.engine {
        None => Some(context.cluster()?),
        Some(_) => None,
    };
    let services = Services::new(&context.manager().await?);
    let service = services.service(&args.service, &context.cancel).await?;
    let port = port::published(&service, args.port).map_err(|error| no_port(&error))?;
    let mut nodes = alive(services.nodes(&context.cancel).await?);
    nodes.sort_by(|one, other| natural(&one.hostname, &other.hostname));
    let filters = [("service", service.id.as_str())];
    let tasks = services.tasks(&filters, &context.cancel).await?;
    if !args.watch
        && let Some(reason) = port::no_task(&service, &tasks)
    {
        return Err(Failure::new(Exit::NotConverged, reason)
            .with_fix(format!("`skep service ps {}` says what became of them", args.service)));
    }

    let places = port::places(&port, &nodes, &tasks);
    let addresses: Vec<_> = places.iter().map(|place| published(cluster.as_ref(), place)).collect();
    let with_address = places.iter().zip(&addresses);
    let target = |(place, address): (&Place, &Published)| match address {
        Published::At(address) => Some(Target { node: place.node.clone(), address: *address }),
        Published::Nowhere | Published::Unreachable(_) => None,
    };
    let targets: Vec<Target> = with_address.filter_map(target).collect();
    let (tallies, watched) = if args.watch {
        let (tallies, watched) =
            Box::pin(watch(context, args, &services, &service, &targets, &ask)).await?;
        (tallies, Some(watched))
    } else {
        let concurrency = usize::try_from(args.concurrency).unwrap_or(usize::MAX);
        let sent =
            probe::count(&targets, &ask, args.requests, concurrency, context.operation()).await;
        if context.cancel.is_cancelled() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        (sent, None)
    };

    let answerers = answerers(&services, &service, &nodes, &tasks).await;
    let mut tallies = tallies.into_iter();
    let mut lines = Vec::new();
    for (place, address) in places.into_iter().zip(addresses) {
        let (tally, closed) = match address {
            Published::At(_) => (tallies.next(), None),
            Published::Unreachable(reason) => (None, Some(reason)),
            Published::Nowhere => (None, None),
        };
        let tasks = tally.as_ref().map(|tally| answerers.count(&tally.clues)).unwrap_or_default();
        lines.push(Line { place, tally, closed, tasks });
    }
    let mut report = Report {
        service: service.spec.name.clone(),
        header: args.header.clone(),
        lines,
        watched,
        problems: Vec::new(),
    };
    report.problems = problems(cluster.as_ref(), &nodes, &port, &report.lines).await;
    match args.format {
        Format::Table => print(&report.text())?,
        Format::Json => print_json_with(report.json())?,
    }
    report.verdict()
}

/// What is sent, from what was written.
fn ask(args: &ProbeArgs) -> Result<Ask, Failure> {
    let wrong = |error: AskError| Failure::usage(error.to_string());
    let ask = Ask::new(&args.method, &args.path, &args.header, args.timeout).map_err(wrong)?;
    let ask = match &args.host {
        Some(host) => ask.with_host(host).map_err(wrong)?,
        None => ask,
    };
    args.expect.iter().try_fold(ask, |ask, text| ask.expecting(text).map_err(wrong))
}

fn no_port(error: &PortError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        PortError::None { service } => failure.with_fix(format!(
            "publish one: `skep service update --publish-add 8080:80 {service}`"
        )),
        PortError::Several { .. } | PortError::Unknown { .. } => {
            failure.with_fix("say which with --port")
        }
    }
}

/// The nodes, without those whose machine has come back as another node.
fn alive(nodes: Vec<Node>) -> Vec<Node> {
    let mut alive: BTreeMap<String, Node> = BTreeMap::new();
    for node in nodes {
        let name = node.hostname.clone();
        match alive.get(&name) {
            Some(other) if other.state == NodeState::Ready || node.state != NodeState::Ready => {}
            _ => {
                alive.insert(name, node);
            }
        }
    }
    alive.into_values().collect()
}

/// Where a node is asked.
enum Published {
    At(SocketAddr),
    /// It cannot be asked from here; why.
    Unreachable(String),
    /// It is not meant to answer.
    Nowhere,
}

fn published(cluster: Option<&Cluster>, place: &Place) -> Published {
    let Some(port) = place.port else { return Published::Nowhere };
    let address = match cluster {
        Some(cluster) => cluster
            .machine(&place.node)
            .and_then(|machine| cluster.published_address(machine, port))
            .map_err(|error: ClusterError| one_line(&error)),
        // A lone manager may know itself by no address.
        None => match place.address.parse().map(|ip: std::net::IpAddr| ip.is_unspecified()) {
            Ok(true) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
            Ok(false) => {
                place.address.parse().map(|ip| SocketAddr::new(ip, port)).map_err(|_| String::new())
            }
            Err(_) => Err(format!("{}: the swarm knows no address of it", place.node)),
        },
    };
    address.map_or_else(Published::Unreachable, Published::At)
}

/// Sends at a steady rate until something ends it.
async fn watch(
    context: &Context,
    args: &ProbeArgs,
    services: &Services,
    service: &Service,
    targets: &[Target],
    ask: &Ask,
) -> Result<(Vec<Tally>, Watched), Failure> {
    let stop = context.cancel.child_token();
    let begin = Instant::now();
    let sending =
        probe::steady(targets, ask, args.rate.into(), context.operation().ended_by(&stop));
    let ending = async {
        let update = async {
            let ended = services.until_updated(service, &stop).await;
            // A service that is gone, or a manager, ends it as well: what was seen is reported.
            if ended.is_ok() {
                tokio::time::sleep(AFTERWARDS).await;
            }
            ended
        };
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            () = tokio::time::sleep(args.duration.unwrap_or(Duration::MAX)) => None,
            ended = update => Some(ended),
        };
        stop.cancel();
        ended
    };
    let (tallies, ended) = tokio::join!(Box::pin(sending), Box::pin(ending));
    let update = match ended {
        Some(Ok(state)) => Some(state),
        Some(Err(error)) if !error.is_cancelled() => {
            context.events.warn("", format!("the probe has ended: {}", one_line(&error)));
            None
        }
        _ => None,
    };
    Ok((tallies, Watched { time: begin.elapsed(), update }))
}

/// The tasks that were there before, and those that are there now, by what identifies them.
async fn answerers(
    services: &Services,
    service: &Service,
    nodes: &[Node],
    before: &[Task],
) -> Answerers {
    let node = |id: &str| {
        let mut found = nodes.iter().filter(|node| node.id.as_str() == id);
        found.next().map_or_else(|| id.to_owned(), |node| node.hostname.clone())
    };
    let mut answerers = Answerers::default();
    answerers.add(service, before, node);
    // Also after Ctrl-C. Without an answer some of those who answered are not named.
    let unhurried = CancellationToken::new();
    let filters = [("service", service.id.as_str())];
    let now = services.tasks(&filters, &unhurried);
    if let Ok(Ok(now)) = tokio::time::timeout(Duration::from_secs(5), now).await {
        answerers.add(service, &now, node);
    }
    answerers
}

/// Why nodes do not answer that should; their machines are asked about their kernels.
async fn problems(
    cluster: Option<&Cluster>,
    nodes: &[Node],
    port: &PublishedPort,
    lines: &[Line],
) -> Vec<String> {
    let silent = lines.iter().filter(|line| line.is_silent());
    let problem = silent.map(|line| async move {
        let (Some(tally), Some(at)) = (&line.tally, line.place.port) else {
            return line.closed.clone().unwrap_or_default();
        };
        let node = &line.place.node;
        let state = nodes.iter().find(|one| one.hostname == *node);
        let state = state.map(|node| node.state.clone());
        let ipvs = match cluster.and_then(|cluster| Some((cluster, cluster.machine(node).ok()?))) {
            Some((cluster, machine)) if state == Some(NodeState::Ready) && port::is_mesh(port) => {
                cluster.has_ipvs(machine, &CancellationToken::new()).await.ok()
            }
            _ => None,
        };
        worded(
            &port::why(&Silent { node: node.clone(), state, ipvs }, port, at, tally),
            Persona::Skep,
        )
    });
    join_all(problem).await
}
