//! What the driver makes on the host's engine, how it is called and how it is found again.
//!
//! Names are for people. Everything is found by its labels, so nothing that merely has the name
//! is ever touched: `skep` is the store's id, `skep.cluster` and `skep.machine` name the owner.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig, Mount,
    MountType, MountVolumeOptions, NetworkCreateRequest, NetworkingConfig, VolumeCreateRequest,
};
use ipnet::Ipv4Net;
use skep_model::ClusterName;
use skep_store::Resource;

use super::privileges::Privileges;
use crate::{MachineId, MachinePlan, subnet};

pub(super) const STORE_LABEL: &str = "skep";
pub(super) const CLUSTER_LABEL: &str = "skep.cluster";
pub(super) const MACHINE_LABEL: &str = "skep.machine";
/// The label that carries a machine's address with its network's prefix, `192.168.99.100/24`: what
/// puts its container back where it was.
pub(super) const ADDRESS_LABEL: &str = "skep.address";

/// The kinds of [`Resource`] of this driver.
pub(super) mod kind {
    pub(crate) const CONTAINER: &str = "container";
    pub(crate) const VOLUME: &str = "volume";
    pub(crate) const NETWORK: &str = "network";
}

pub(super) fn container(id: &MachineId) -> Resource {
    Resource::new(kind::CONTAINER, format!("skep-{}-{}", id.cluster, id.machine))
}

/// The volume of a machine: its engine's data.
pub(super) fn volume(id: &MachineId) -> Resource {
    Resource::new(kind::VOLUME, format!("skep-{}-{}", id.cluster, id.machine))
}

pub(super) fn network(cluster: &ClusterName) -> Resource {
    Resource::new(kind::NETWORK, format!("skep-{cluster}"))
}

/// The labels of what belongs to a cluster as a whole.
pub(super) fn cluster_labels(store: &str, cluster: &ClusterName) -> HashMap<String, String> {
    HashMap::from([
        (STORE_LABEL.to_owned(), store.to_owned()),
        (CLUSTER_LABEL.to_owned(), cluster.to_string()),
    ])
}

pub(super) fn machine_labels(store: &str, id: &MachineId) -> HashMap<String, String> {
    let mut labels = cluster_labels(store, &id.cluster);
    labels.insert(MACHINE_LABEL.to_owned(), id.machine.to_string());
    labels
}

/// The engine's filter for everything of a cluster of this store.
pub(super) fn cluster_filter(store: &str, cluster: &ClusterName) -> HashMap<String, Vec<String>> {
    let labels = cluster_labels(store, cluster);
    let wanted = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    HashMap::from([("label".to_owned(), wanted)])
}

pub(super) fn network_request(
    store: &str,
    cluster: &ClusterName,
    subnet: Ipv4Net,
) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: network(cluster).name,
        driver: Some("bridge".into()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                gateway: Some(subnet::gateway(subnet).to_string()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        labels: Some(cluster_labels(store, cluster)),
        ..Default::default()
    }
}

pub(super) fn volume_request(store: &str, id: &MachineId) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(volume(id).name),
        labels: Some(machine_labels(store, id)),
        ..Default::default()
    }
}

pub(super) fn container_request(
    store: &str,
    plan: &MachinePlan,
    subnet: Option<Ipv4Net>,
    image: &str,
    privileges: &Privileges,
    kernel_modules: bool,
) -> ContainerCreateBody {
    let mut mounts = vec![Mount {
        target: Some(skep_os::container::STATE.into()),
        source: Some(volume(&plan.id).name),
        typ: Some(MountType::VOLUME),
        // The engine makes a volume that it misses by itself: one that was removed while a request
        // that no client waits for any more was on its way would come back without its labels, as
        // no store's, and be in the way for ever.
        volume_options: Some(MountVolumeOptions {
            labels: Some(machine_labels(store, &plan.id)),
            ..Default::default()
        }),
        ..Default::default()
    }];
    if kernel_modules {
        // So that the guest can load what the host's kernel has: ip_vs, vxlan.
        mounts.push(Mount {
            target: Some("/lib/modules".into()),
            source: Some("/lib/modules".into()),
            typ: Some(MountType::BIND),
            read_only: Some(true),
            ..Default::default()
        });
    }
    let tmpfs = ["/run", "/tmp"].map(|path| (path.to_owned(), "exec".to_owned()));
    let mut host_config = HostConfig {
        mounts: Some(mounts),
        tmpfs: Some(HashMap::from(tmpfs)),
        network_mode: Some(network(&plan.id.cluster).name),
        memory: plan.size.memory.and_then(|bytes| i64::try_from(bytes).ok()),
        nano_cpus: plan.size.cpus.map(|cpus| i64::from(cpus) * 1_000_000_000),
        ..Default::default()
    };
    privileges.apply(&mut host_config);
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(plan.address.to_string()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut labels = machine_labels(store, &plan.id);
    if let Some(own) = subnet.and_then(|net| Ipv4Net::new(plan.address, net.prefix_len()).ok()) {
        labels.insert(ADDRESS_LABEL.to_owned(), own.to_string());
    }
    ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some(plan.id.machine.to_string()),
        labels: Some(labels),
        host_config: Some(host_config),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network(&plan.id.cluster).name, endpoint)])),
        }),
        ..Default::default()
    }
}
