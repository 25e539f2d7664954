//! A machine that is there, put back on its cluster's network at its own address.
//!
//! While machines are stopped, their network is a network without users, and `docker network prune`
//! takes it. A container remembers the network by an id that nothing has any more, and does not
//! start; so it is taken off the network of that name and put on the one there is now. One that
//! a user has disconnected, whether it runs or not, is put back as well, and a network that is
//! gone is made again.

use std::net::Ipv4Addr;

use bollard::{
    models::{
        ContainerSummary, EndpointIpamConfig, EndpointSettings, NetworkConnectRequest,
        NetworkDisconnectRequest,
    },
    query_parameters::InspectNetworkOptions,
};
use ipnet::Ipv4Net;
use skep_engine::EngineError;
use skep_model::ClusterName;

use super::{
    ContainerDriver,
    api::{api, is_status},
    objects,
};
use crate::{MachineError, MachineId};

/// A machine's address in its network, which its container carries as a label.
pub(super) fn labelled(container: &ContainerSummary) -> Option<Ipv4Net> {
    container.labels.as_ref()?.get(objects::ADDRESS_LABEL)?.parse().ok()
}

/// What the engine says of a container on its cluster's network.
fn endpoint<'a>(
    container: &'a ContainerSummary,
    cluster: &ClusterName,
) -> Option<&'a EndpointSettings> {
    container.network_settings.as_ref()?.networks.as_ref()?.get(&objects::network(cluster).name)
}

/// Whether an endpoint of a container that runs has an address; nothing has one at rest.
fn is_at(endpoint: &EndpointSettings, address: Ipv4Addr) -> bool {
    endpoint
        .ip_address
        .as_deref()
        .is_none_or(|found| found.is_empty() || found.parse() == Ok(address))
}

/// Whether a container that runs is on its cluster's network, at its own address where that is
/// known (containers of earlier releases have no label with it).
pub(super) fn is_attached(container: &ContainerSummary, cluster: &ClusterName) -> bool {
    endpoint(container, cluster)
        .is_some_and(|endpoint| labelled(container).is_none_or(|own| is_at(endpoint, own.addr())))
}

impl ContainerDriver {
    /// Puts a machine that is about to be started back on its network, which is made again if it is
    /// gone.
    pub(super) async fn restore(
        &self,
        id: &MachineId,
        container: &ContainerSummary,
    ) -> Result<(), MachineError> {
        // Without the label only `create` knows the address.
        let Some(own) = labelled(container) else { return Ok(()) };
        let refuse = |source| super::refused(id, "start", source);
        let name = objects::network(&id.cluster).name;
        let docker = self.docker(id, "start").await?;
        match docker.inspect_network(&name, None::<InspectNetworkOptions>).await {
            Ok(_) => {}
            // The journal has known of it since it was made the first time.
            Err(error) if is_status(&error, 404) => {
                self.make_network(&id.cluster, Some(own.trunc())).await?;
            }
            Err(error) => return Err(refuse(api("inspect the network")(error))),
        }
        self.attach(id, container, own.addr()).await.map_err(refuse)
    }

    /// Puts a machine's container on the cluster's network at its address, unless it is.
    pub(super) async fn attach(
        &self,
        id: &MachineId,
        container: &ContainerSummary,
        address: Ipv4Addr,
    ) -> Result<(), EngineError> {
        let docker = self.client().await?;
        let network = objects::network(&id.cluster).name;
        let inspected = docker.inspect_network(&network, None::<InspectNetworkOptions>).await;
        let now = inspected.map_err(api("inspect the network"))?.id;
        let attached = endpoint(container, &id.cluster);
        if attached.is_some_and(|found| found.network_id == now && is_at(found, address)) {
            return Ok(());
        }
        let id = container.id.clone().unwrap_or_default();
        if attached.is_some() {
            let request = NetworkDisconnectRequest { container: id.clone(), force: Some(true) };
            let gone = docker.disconnect_network(&network, request).await;
            gone.map_err(api("disconnect from the network"))?;
        }
        let address =
            EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..Default::default() };
        let endpoint = EndpointSettings { ipam_config: Some(address), ..Default::default() };
        let request = NetworkConnectRequest { container: id, endpoint_config: Some(endpoint) };
        docker.connect_network(&network, request).await.map_err(api("connect to the network"))
    }
}
