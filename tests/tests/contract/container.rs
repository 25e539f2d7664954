//! The driver `container`, on the engine of this host.

use std::{path::Path, sync::Arc};

use libtest_mimic::Trial;
use skep_machine::{Driver, MachineId, container::ContainerDriver};
use skep_model::ClusterName;
use skep_os::{Builder, Source};
use skep_store::Resource;
use skep_tests::{host, lab};

use crate::{
    Needs,
    bench::{Bench, SharedNames, World},
    trials,
};

const SOCKET: &str = "/var/run/docker.sock";

pub(crate) fn terms() -> impl Iterator<Item = Trial> {
    trials(
        "container",
        &[Needs::World, Needs::SharedNames, Needs::Guests, Needs::Unplugging],
        |name| {
            let host = Host { own: format!("{name}-own"), other: format!("{name}-other") };
            Bench::new(name, driver(&host.own)).with_world(host.clone()).with_names(host)
        },
    )
}

/// A driver for the store with this id.
fn driver(store: &str) -> Arc<dyn Driver> {
    let guests = || Ok(Builder::new(lab::guest_systems(), Source::detect(Path::new("/"))?));
    Arc::new(ContainerDriver::new("/", Ok(SOCKET.into()), store, Box::new(guests)))
}

/// This host, through the docker CLI, with the ids of two stores that nobody else has.
#[derive(Debug, Clone)]
struct Host {
    own: String,
    other: String,
}

/// The engine's id of a machine's container.
fn container(id: &MachineId) -> String {
    let label = format!("label=skep.machine={}", id.machine);
    let cluster = format!("label=skep.cluster={}", id.cluster);
    let found = host::docker(["ps", "-aq", "--filter", &label, "--filter", &cluster]);
    let container = found.succeeds().text().to_owned();
    assert!(!container.is_empty(), "{id} has no container");
    container
}

impl World for Host {
    fn lose(&self, id: &MachineId) {
        host::docker(["rm", "--force", &container(id)]).succeeds();
    }

    fn cut_power(&self, id: &MachineId) {
        host::docker(["kill", &container(id)]).succeeds();
    }

    fn unplug(&self, id: &MachineId) {
        let network = format!("skep-{}", id.cluster);
        host::docker(["network", "disconnect", "--force", &network, &container(id)]).succeeds();
    }

    fn remove_network(&self, cluster: &ClusterName) {
        host::docker(["network", "rm", &format!("skep-{cluster}")]).succeeds();
    }

    fn clear(&self) {
        for store in [&self.own, &self.other] {
            host::remove_labelled(&format!("skep={store}"));
        }
    }
}

impl SharedNames for Host {
    fn plant(&self, resource: &Resource) {
        let name = &*resource.name;
        match &*resource.kind {
            "container" => {
                // Its image is whichever is there; it is never started.
                let images = host::docker(["images", "--quiet"]).succeeds();
                host::docker(["create", "--name", name, images.lines()[0], "true"]).succeeds()
            }
            "network" => host::docker(["network", "create", name]).succeeds(),
            kind => host::docker([kind, "create", name]).succeeds(),
        };
    }

    fn has(&self, resource: &Resource) -> bool {
        host::has(&resource.kind, &resource.name)
    }

    fn uproot(&self, resource: &Resource) {
        host::remove(&resource.kind, &resource.name);
    }

    fn stranger(&self) -> Arc<dyn Driver> {
        driver(&self.other)
    }
}
