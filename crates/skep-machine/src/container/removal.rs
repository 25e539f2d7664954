//! Finding what a cluster has, and removing it. Both go by labels and by the engine's own ids:
//! a name may be somebody else's as well.

use bollard::{
    Docker,
    query_parameters::{
        ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveContainerOptions,
        RemoveVolumeOptions,
    },
};
use skep_engine::EngineError;
use skep_model::ClusterName;
use skep_store::Resource;

use super::{
    ContainerDriver, POLL, REQUEST,
    api::{api, gone_is_fine, is_status},
    objects::{self, kind},
};

/// Something of a cluster's on the host's engine.
#[derive(Debug)]
pub(super) struct Found {
    /// What it is called.
    pub(super) resource: Resource,
    /// What the engine knows it by.
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
        let docker = self.engine().await?.docker();
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

    /// Removes what is wanted of what was found by its labels.
    pub(super) async fn remove_labelled(
        &self,
        wanted: impl Fn(&Resource) -> bool,
        found: Vec<Found>,
    ) -> Result<(), EngineError> {
        let docker = self.engine().await?.docker();
        for Found { resource, id } in found.iter().filter(|found| wanted(&found.resource)) {
            match resource.kind.as_str() {
                kind::CONTAINER => remove_container(docker, id).await?,
                kind::VOLUME => {
                    let options = RemoveVolumeOptions { force: true };
                    let removed = docker.remove_volume(id, Some(options)).await;
                    gone_is_fine(removed).map_err(api("remove the volume"))?;
                }
                _ => {
                    let removed = docker.remove_network(id).await;
                    gone_is_fine(removed).map_err(api("remove the network"))?;
                }
            }
        }
        Ok(())
    }
}

/// Removes a container with its anonymous volumes, whatever it does; one that is gone is success.
pub(super) async fn remove_container(docker: &Docker, id: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
    let remove = async {
        loop {
            match docker.remove_container(id, Some(options.clone())).await {
                // It is being removed: an interrupted command has asked for it.
                Err(error) if is_status(&error, 409) => tokio::time::sleep(POLL).await,
                removed => return removed,
            }
        }
    };
    let removed = match tokio::time::timeout(REQUEST, remove).await {
        Ok(removed) => removed,
        Err(_) => docker.remove_container(id, Some(options.clone())).await,
    };
    gone_is_fine(removed).map_err(api("remove the container"))
}
