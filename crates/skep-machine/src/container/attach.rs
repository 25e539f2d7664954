//! A machine that is there, put back on its cluster's network at its own address.
//!
//! While machines are stopped, their network is a network nobody uses, and `docker network prune`
//! takes it. A container remembers the network by an id that nothing has any more, and does not
//! start; so it is taken off the network of that name and put on the one there is now.

use bollard::{
    models::{
        ContainerSummary, EndpointIpamConfig, EndpointSettings, NetworkConnectRequest,
        NetworkDisconnectRequest,
    },
    query_parameters::InspectNetworkOptions,
};
use skep_engine::EngineError;

use super::{ContainerDriver, api::api, objects};
use crate::MachinePlan;

impl ContainerDriver {
    /// Puts a stopped machine's container on the cluster's network, unless it is.
    pub(super) async fn attach(
        &self,
        container: &ContainerSummary,
        plan: &MachinePlan,
    ) -> Result<(), EngineError> {
        let docker = self.engine().await?.docker();
        let network = objects::network(&plan.id.cluster).name;
        let inspected = docker.inspect_network(&network, None::<InspectNetworkOptions>).await;
        let now = inspected.map_err(api("inspect the network"))?.id;
        let settings = container.network_settings.as_ref();
        let attached = settings.and_then(|settings| settings.networks.as_ref()?.get(&network));
        if attached.is_some_and(|endpoint| endpoint.network_id == now) {
            return Ok(());
        }
        let id = container.id.clone().unwrap_or_default();
        if attached.is_some() {
            let request = NetworkDisconnectRequest { container: id.clone(), force: Some(true) };
            let gone = docker.disconnect_network(&network, request).await;
            gone.map_err(api("disconnect from the network"))?;
        }
        let address = EndpointIpamConfig {
            ipv4_address: Some(plan.address.to_string()),
            ..Default::default()
        };
        let endpoint = EndpointSettings { ipam_config: Some(address), ..Default::default() };
        let request = NetworkConnectRequest { container: id, endpoint_config: Some(endpoint) };
        docker.connect_network(&network, request).await.map_err(api("connect to the network"))
    }
}
