//! Waiting for services, visibly.

use std::time::Duration;

use skep_model::Events;
use skep_service::{
    Services,
    api::Id,
    converge::{Outcome, Reason, Shortfall},
};

use crate::{
    args::service::{Wait, WatchArgs},
    cluster_name::name_option,
    context::Context,
    failure::{Exit, Failure},
};

/// Waits until a service has converged, as `wait` says, and prints that; if it does not, or goes
/// back, that is a failure with the cause and exit code 4.
pub(in crate::commands) async fn until_converged(
    context: &Context,
    services: &Services,
    service: &Id,
    wait: &Wait,
) -> Result<(), Failure> {
    if wait.detach {
        return Ok(());
    }
    converge(context, services, service, wait.quiet, wait.timeout).await
}

/// `skep service watch`: the services at once, each reported by itself.
pub(super) async fn watch(context: &Context, args: &WatchArgs) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let mut found = Vec::new();
    // All names are understood before the waiting begins.
    for name in &args.services {
        found.push(services.service(name, &context.cancel).await?.id);
    }
    let watched = found.iter().map(|id| converge(context, &services, id, args.quiet, args.timeout));
    let failures: Vec<Failure> =
        futures_util::future::join_all(watched).await.into_iter().filter_map(Result::err).collect();
    together(failures)
}

/// Several failures as one: the text of each becomes a cause.
pub(in crate::commands) fn together(mut failures: Vec<Failure>) -> Result<(), Failure> {
    match failures.len() {
        0 => Ok(()),
        1 => failures.pop().map_or(Ok(()), Err),
        several => {
            let exit = failures.iter().map(|one| one.exit).max_by_key(|exit| *exit as u8);
            let mut all = Failure::new(
                exit.unwrap_or(Exit::NotConverged),
                format!("{several} services have not converged"),
            );
            for failure in failures {
                all.causes.push(failure.message);
                all.causes.extend(failure.causes);
                all.fix = all.fix.or(failure.fix);
            }
            Err(all)
        }
    }
}

async fn converge(
    context: &Context,
    services: &Services,
    service: &Id,
    quiet: bool,
    timeout: Duration,
) -> Result<(), Failure> {
    let silent = Events::none();
    let events = if quiet { &silent } else { &context.events };
    let operation = skep_context::Context { events, ..context.operation() }.within(timeout);
    match services.converge(service, operation).await {
        Ok(Outcome::Converged) => Ok(()),
        Ok(Outcome::NotConverged(short)) => Err(fallen_short(context, &short)),
        Err(error) if error.is_cancelled() => Err(left_alone(context, services, service).await),
        Err(error) => Err(error.into()),
    }
}

/// A service that has not converged, as a failure.
fn fallen_short(context: &Context, short: &Shortfall) -> Failure {
    let mut failure = Failure::new(Exit::NotConverged, short.to_string());
    failure.causes.extend(short.cause.as_ref().map(|cause| cause.to_string().into()));
    let option = options(context);
    let name = &short.service;
    match short.reason {
        Reason::Removed => failure,
        Reason::RolledBack(_) => failure.with_fix(format!(
            "what was there before runs again; `skep service ps{option} {name}` shows the tasks"
        )),
        Reason::UpdatePaused(_) | Reason::RollbackPaused(_) => failure.with_fix(format!(
            "`skep service update{option} …` tries again with another setting, `skep service \
             rollback{option} {name}` takes it back"
        )),
        Reason::Late(_) => failure.with_fix(format!(
            "the swarm goes on by itself; `skep service watch{option} {name}` watches again"
        )),
        Reason::Failing | Reason::Exhausted | Reason::NoNode => failure.with_fix(format!(
            "mend what is said above; `skep service ps{option} {name}` shows the tasks, `skep \
             service watch{option} {name}` watches again"
        )),
    }
}

/// Ctrl-C: the service is left as it is.
async fn left_alone(context: &Context, services: &Services, service: &Id) -> Failure {
    let fresh = tokio_util::sync::CancellationToken::new();
    let asked = services.service(service.as_str(), &fresh);
    let name = match tokio::time::timeout(Duration::from_secs(1), asked).await {
        Ok(Ok(service)) => service.spec.name,
        Ok(Err(_)) | Err(_) => service.short().to_owned(),
    };
    let option = options(context);
    let message = format!("interrupted; service {name} is left as it is, and the swarm goes on");
    Failure::new(Exit::Interrupted, message).with_fix(format!(
        "`skep service ps{option} {name}` shows how far it is, `skep service watch{option} {name}` \
         watches again"
    ))
}

/// The options to repeat so that the same cluster, or engine, is meant.
pub(in crate::commands) fn options(context: &Context) -> String {
    match (&context.global.engine, &context.global.name) {
        (Some(engine), _) => format!(" --engine {engine}"),
        (None, Some(name)) => name_option(name),
        (None, None) => String::new(),
    }
}
