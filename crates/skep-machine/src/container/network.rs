//! A cluster's network: finding it, and making it where nothing else is.

use bollard::{models::NetworkCreateRequest, query_parameters::ListNetworksOptions};
use ipnet::Ipv4Net;
use skep_engine::{Engine, EngineError};
use skep_model::{Advice, ClusterName, Reason};
use tokio_util::sync::CancellationToken;

use super::{ContainerDriver, api::api, objects};
use crate::{MachineError, subnet};

impl ContainerDriver {
    /// The cluster's network, if it is there, and every network of the engine.
    pub(super) async fn networks(
        &self,
        cluster: &ClusterName,
    ) -> Result<(Option<Ipv4Net>, Vec<subnet::Taken>), EngineError> {
        let networks = self.engine().await?.docker().list_networks(None::<ListNetworksOptions>);
        let networks = networks.await.map_err(api("list networks"))?;
        let labels = objects::cluster_labels(&self.store, cluster);
        let mut own = None;
        let mut taken = Vec::new();
        for network in networks {
            let name = network.name.unwrap_or_default();
            let mine = network.labels.is_some_and(|found| found == labels);
            for config in network.ipam.and_then(|ipam| ipam.config).unwrap_or_default() {
                let Some(subnet) = config.subnet.and_then(|text| text.parse().ok()) else {
                    continue;
                };
                if mine {
                    own = Some(subnet);
                }
                taken.push(subnet::Taken { subnet, by: format!("the Docker network {name}") });
            }
        }
        // After the engine's own, which has better names for what it has made routes for.
        taken.extend(self.host.routes());
        Ok((own, taken))
    }

    pub(super) async fn make_network(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
    ) -> Result<Ipv4Net, MachineError> {
        let network = objects::network(cluster);
        let action = || format!("make the network {}", network.name);
        let shared = |source| MachineError::Shared { action: action(), source };
        let (own, mut taken) = self.networks(cluster).await.map_err(shared)?;
        if let Some(subnet) = own {
            return Ok(subnet);
        }
        let engine = self.engine().await.map_err(shared)?;
        loop {
            let subnet = match wanted {
                Some(wanted) => match subnet::accept(wanted, &taken) {
                    Ok(subnet) => subnet,
                    Err(refused) => return Err(self.kept_from(cluster, wanted, refused).await),
                },
                None => subnet::choose(&taken)?,
            };
            let request = objects::network_request(&self.store, cluster, subnet);
            match create(engine, &request).await {
                Ok(()) => return Ok(subnet),
                // Somebody took it between the look and the grab.
                Err(EngineError::Api { message, .. }) if message.contains("overlaps") => {
                    taken.push(subnet::Taken { subnet, by: "a network made just now".into() });
                }
                Err(EngineError::Api { status: 409, .. }) => {
                    // A request that an interrupted command left on its way, or somebody else's.
                    let (own, _) = self.networks(cluster).await.map_err(shared)?;
                    let foreign =
                        || MachineError::Foreign { resource: network, cluster: cluster.clone() };
                    return own.ok_or_else(foreign);
                }
                Err(error) => return Err(shared(error)),
            }
        }
    }

    /// Why a network that is gone cannot be made again, where machines have their addresses in it; or
    /// just why a new one cannot be made.
    async fn kept_from(
        &self,
        cluster: &ClusterName,
        wanted: Ipv4Net,
        refused: MachineError,
    ) -> MachineError {
        let (MachineError::Subnet { reason, .. }, Ok(found)) = (&refused, self.list(cluster).await)
        else {
            return refused;
        };
        if !found.iter().any(|found| found.resource.kind == objects::kind::CONTAINER) {
            return refused;
        }
        MachineError::Host {
            action: format!("make the network {} again", objects::network(cluster).name),
            reason: Reason::new(
                format!("{reason}, and the machines keep their addresses in {wanted}"),
                Advice::ThenUp(
                    "remove what is in the way (`docker network ls` shows the engine's networks, \
                     `docker network rm NAME` removes one)"
                        .to_owned(),
                    cluster.clone(),
                ),
            ),
        }
    }
}

/// Makes a network, unless one of its name is there. Engines before 25 take two networks of one
/// name, and then neither can be told by it, unless they are asked with `CheckDuplicate`, which
/// newer interfaces do not know any more.
async fn create(engine: &Engine, request: &NetworkCreateRequest) -> Result<(), EngineError> {
    let mut request = serde_json::json!(request);
    request["CheckDuplicate"] = true.into();
    // Whoever waits for this gives it up by dropping it.
    let cancel = CancellationToken::new();
    engine.post_json("/networks/create", &[], &request, &cancel).await.map(drop)
}
