//! Finding what a cluster has, and removing it. Both go by labels and by the engine's own ids:
//! a name may be another owner's as well.

use std::collections::HashMap;

use bollard::{
    Docker,
    errors::Error as ApiError,
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{
        ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveContainerOptions,
        RemoveVolumeOptions,
    },
};
use skep_engine::EngineError;
use skep_model::ClusterName;
use skep_store::{Journal, Resource};
use tokio::time::Instant;

use super::{
    ContainerDriver, POLL, REQUEST,
    api::{api, gone_is_fine, is_status},
    objects::{self, kind},
};
use crate::MachineError;

/// Something of a cluster's on the host's engine.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) resource: Resource,
    id: String,
}

impl Found {
    fn new(kind: &str, name: impl Into<String>, id: impl Into<String>) -> Self {
        Self { resource: Resource::new(kind, name), id: id.into() }
    }
}

impl ContainerDriver {
    /// Everything of a cluster, found by its labels, machines before what they use.
    pub(super) async fn list(&self, cluster: &ClusterName) -> Result<Vec<Found>, EngineError> {
        let docker = self.client().await?;
        let filters = Some(objects::cluster_filter(&self.store, cluster));
        let containers =
            ListContainersOptions { all: true, filters: filters.clone(), ..Default::default() };
        let (containers, volumes, networks) = tokio::try_join!(
            docker.list_containers(Some(containers)),
            docker.list_volumes(Some(ListVolumesOptions { filters: filters.clone() })),
            docker.list_networks(Some(ListNetworksOptions { filters })),
        )
        .map_err(api("list what is there"))?;
        let containers = containers.into_iter().filter_map(|found| {
            let name = found.names?.into_iter().next()?;
            Some(Found::new(kind::CONTAINER, name.trim_start_matches('/'), found.id?))
        });
        let volumes = volumes.volumes.unwrap_or_default().into_iter();
        let volumes = volumes.map(|found| Found::new(kind::VOLUME, &found.name, &found.name));
        let networks = networks.into_iter();
        let networks =
            networks.filter_map(|found| Some(Found::new(kind::NETWORK, found.name?, found.id?)));
        Ok(containers.chain(volumes).chain(networks).collect())
    }

    /// Removes what is wanted of what was found by its labels; the journal hears of each before. What
    /// the engine is removing already, for a command that was interrupted, is waited for.
    pub(super) async fn remove_labelled(
        &self,
        wanted: impl Fn(&Resource) -> bool,
        found: Vec<Found>,
        journal: &Journal,
    ) -> Result<(), MachineError> {
        let shared = |resource: &Resource| {
            let action = format!("remove {resource}");
            move |source| MachineError::Shared { action, source }
        };
        for Found { resource, id } in found.iter().filter(|found| wanted(&found.resource)) {
            journal.going(resource)?;
            let docker = self.client().await.map_err(shared(resource))?;
            patiently(docker, &resource.kind, id).await.map_err(shared(resource))?;
        }
        Ok(())
    }
}

/// Whether the engine is removing a container, or has failed to: it can only be removed.
pub(super) fn is_leaving(container: &ContainerSummary) -> bool {
    use ContainerSummaryStateEnum::{DEAD, REMOVING};
    matches!(container.state, Some(REMOVING | DEAD))
}

/// Removes a container with its anonymous volumes, whatever it does; one that is gone is success.
pub(super) async fn remove_container(docker: &Docker, id: &str) -> Result<(), EngineError> {
    patiently(docker, kind::CONTAINER, id).await
}

/// Asks for a removal until it is done, refused for good, or has taken as long as a request may.
async fn patiently(docker: &Docker, what: &str, id: &str) -> Result<(), EngineError> {
    let end = Instant::now() + REQUEST;
    loop {
        match remove(docker, what, id).await {
            Err(error) if Instant::now() < end && passes(docker, what, id, &error).await => {
                tokio::time::sleep(POLL).await;
            }
            ended => return gone_is_fine(ended).map_err(api("remove it")),
        }
    }
}

async fn remove(docker: &Docker, what: &str, id: &str) -> Result<(), ApiError> {
    match what {
        kind::CONTAINER => {
            let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
            docker.remove_container(id, Some(options)).await
        }
        kind::VOLUME => docker.remove_volume(id, Some(RemoveVolumeOptions { force: true })).await,
        _ => docker.remove_network(id).await,
    }
}

/// Whether a refusal passes by itself: the engine is removing the thing already, for a command that
/// was interrupted, or the last that uses it.
async fn passes(docker: &Docker, what: &str, id: &str, error: &ApiError) -> bool {
    match what {
        kind::CONTAINER => is_status(error, 409),
        kind::VOLUME => is_status(error, 409) && !is_used(docker, "volume", id).await,
        // Engines before 28 say that it is forbidden while a container is on it.
        _ => {
            (is_status(error, 403) || is_status(error, 409))
                && !is_used(docker, "network", id).await
        }
    }
}

/// Whether a container has a volume, or is on a network, that is not being removed itself. What
/// cannot be known is taken for a yes: the engine's own refusal says more.
async fn is_used(docker: &Docker, what: &str, name: &str) -> bool {
    let filters = Some(HashMap::from([(what.to_owned(), vec![name.to_owned()])]));
    let options = ListContainersOptions { all: true, filters, ..Default::default() };
    match docker.list_containers(Some(options)).await {
        Ok(users) => users.iter().any(|user| !is_leaving(user)),
        Err(_) => true,
    }
}
