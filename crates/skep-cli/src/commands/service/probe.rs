//! Requests to a service at every machine.

mod report;

use std::net::{IpAddr, SocketAddr};

use skep_cluster::reach::Cluster;
use skep_service::{
    Services,
    probe::{Ask, AskError, Place, PortError, Probe, ProbeError},
};
use tokio_util::sync::CancellationToken;

use self::report::Report;
use crate::{
    advice::worded,
    args::{Format, service::ProbeArgs},
    commands::{print, print_json_with},
    context::Context,
    failure::{Exit, Failure, one_line},
    persona::Persona,
};

pub(super) async fn probe(context: &Context, args: &ProbeArgs) -> Result<(), Failure> {
    let ask = ask(args)?;
    let cluster = match &context.global.engine {
        None => Some(context.cluster()?),
        Some(_) => None,
    };
    let cluster = cluster.as_ref();
    let services = Services::new(&context.manager().await?);
    let probe = Probe::of(&services, &args.service, args.port, &context.cancel).await;
    let probe = probe.map_err(|error| match error {
        ProbeError::Service(error) => error.into(),
        ProbeError::Port(error) => no_port(&error),
    })?;
    if !args.watch
        && let Some(reason) = probe.no_task()
    {
        return Err(Failure::new(Exit::NotConverged, reason)
            .with_fix(format!("`skep service ps {}` says what became of them", args.service)));
    }
    let reach = |place: &Place, port| address(cluster, place, port);
    let operation = context.operation();
    let (lines, watched) = if args.watch {
        let watch = probe.watch(&ask, args.rate.into(), args.duration, reach, operation);
        let (lines, watched) = Box::pin(watch).await;
        if let Some(Err(error)) = &watched.ended
            && !error.is_cancelled()
        {
            context.events.warn("", format!("the probe has ended: {}", one_line(error)));
        }
        (lines, Some(watched))
    } else {
        let concurrency = usize::try_from(args.concurrency).unwrap_or(usize::MAX);
        let lines = probe.count(&ask, args.requests, concurrency, reach, operation).await;
        (lines.ok_or_else(|| Failure::new(Exit::Interrupted, "interrupted"))?, None)
    };
    let problems = probe.problems(&lines, async |node| has_ipvs(cluster?, node).await).await;
    let problems = problems.iter().map(|one| worded(one, Persona::Skep)).collect();
    let report = Report {
        service: probe.service().to_owned(),
        header: args.header.clone(),
        lines,
        watched,
        problems,
    };
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
        _ => failure,
    }
}

/// Where this host reaches a port of a node.
fn address(cluster: Option<&Cluster>, place: &Place, port: u16) -> Result<SocketAddr, String> {
    let Some(cluster) = cluster else {
        let unknown = |_| format!("{}: the swarm knows no address of it", place.node);
        let address: IpAddr = place.address.parse().map_err(unknown)?;
        // A lone manager may know itself by no address.
        let address = if address.is_unspecified() { [127, 0, 0, 1].into() } else { address };
        return Ok(SocketAddr::new(address, port));
    };
    let machine = cluster.machine(&place.node);
    let address = machine.and_then(|machine| cluster.published_address(machine, port));
    address.map_err(|error| one_line(&error))
}

async fn has_ipvs(cluster: &Cluster, node: &str) -> Option<bool> {
    let machine = cluster.machine(node).ok()?;
    cluster.has_ipvs(machine, &CancellationToken::new()).await.ok()
}
