//! A cluster's network: finding it, and making it where nothing else is.

use std::collections::HashMap;

use bollard::{
    models::{ContainerSummary, NetworkCreateRequest},
    query_parameters::{ListContainersOptions, ListNetworksOptions},
};
use ipnet::Ipv4Net;
use skep_engine::{Engine, EngineError};
use skep_model::{Advice, ClusterName, Reason};
use tokio_util::sync::CancellationToken;

use super::{ContainerDriver, api::api, attach::labelled, objects};
use crate::{MachineError, subnet};

impl ContainerDriver {
    /// The cluster's network, if it is there, and every network that another may not overlap: the
    /// engine's, the host's routes, and those that machines of other clusters go back to. A cluster at
    /// rest has no more than its machines' addresses after a `docker network prune`.
    pub(super) async fn networks(
        &self,
        cluster: &ClusterName,
    ) -> Result<(Option<Ipv4Net>, Vec<subnet::Taken>), EngineError> {
        let docker = self.client().await?;
        let networks = docker.list_networks(None::<ListNetworksOptions>);
        let networks = networks.await.map_err(api("list networks"))?;
        // After the networks: one that goes in between leaves the addresses of its machines.
        let filters = [("label".to_owned(), vec![objects::ADDRESS_LABEL.to_owned()])].into();
        let machines =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let machines = docker.list_containers(Some(machines)).await;
        let machines = machines.map_err(api("list containers"))?;
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
        taken.extend(claims(&machines, &labels));
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
                // Another client took it between the look and the request.
                Err(EngineError::Api { message, .. }) if message.contains("overlaps") => {
                    taken.push(subnet::Taken { subnet, by: "a network made just now".into() });
                }
                Err(EngineError::Api { status: 409, .. }) => {
                    // A request that an interrupted command left on its way, or another client's.
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

/// The networks that machines have their addresses in, but for a cluster that has machines itself:
/// it goes back to its own network, whether or not another cluster is about to take it.
fn claims(machines: &[ContainerSummary], own: &HashMap<String, String>) -> Vec<subnet::Taken> {
    let label =
        |machine: &ContainerSummary, name: &str| machine.labels.as_ref()?.get(name).cloned();
    let is_own = |machine: &ContainerSummary| {
        own.iter().all(|(name, value)| label(machine, name).as_ref() == Some(value))
    };
    if machines.iter().any(is_own) {
        return Vec::new();
    }
    let claim = |machine: &ContainerSummary| {
        let cluster = label(machine, objects::CLUSTER_LABEL)?;
        let by = format!("the network of the machines of cluster {cluster}");
        Some(subnet::Taken { subnet: labelled(machine)?.trunc(), by })
    };
    machines.iter().filter_map(claim).collect()
}

/// Makes a network, unless one of its name is there. Engines before 25 take two networks of one
/// name, which then does not identify either of them, unless they are asked with `CheckDuplicate`,
/// which newer interfaces do not know any more.
async fn create(engine: &Engine, request: &NetworkCreateRequest) -> Result<(), EngineError> {
    let mut request = serde_json::json!(request);
    request["CheckDuplicate"] = true.into();
    // The caller gives this up by dropping it.
    let cancel = CancellationToken::new();
    engine.post_json("/networks/create", &[], &request, &cancel).await.map(drop)
}
