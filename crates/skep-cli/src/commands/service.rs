//! `skep service …`: what `docker service` does, from the host, and what it leaves open.

mod logs;
pub(super) mod make;
mod probe;
mod rebalance;
pub(super) mod view;
pub(super) mod watch;

use crate::{args::service::Service, context::Context, failure::Failure};

pub(super) async fn run(context: &Context, command: Service) -> Result<(), Failure> {
    match command {
        Service::Create(args) => Box::pin(make::create(context, *args)).await,
        Service::Update(args) => Box::pin(make::update(context, *args)).await,
        Service::Rollback(args) => make::rollback(context, args).await,
        Service::Scale(args) => make::scale(context, args).await,
        Service::Rm { services } => make::rm(context, &services).await,
        Service::Ls(args) => view::ls(context, &args).await,
        Service::Ps(args) => view::ps(context, &args).await,
        Service::Inspect(args) => view::inspect(context, &args).await,
        Service::Rebalance(args) => rebalance::rebalance(context, &args).await,
        Service::Watch(args) => watch::watch(context, &args).await,
        Service::Logs(args) => logs::logs(context, &args).await,
        Service::Probe(args) => probe::probe(context, &args).await,
    }
}
