//! Engines that are known by their URL and by nothing else, as docker-machine's `none`.
//!
//! There is nothing to make, to switch or to log in to: a record (`none.json`, schema 1) in the
//! machine's directory says that the machine is there, and removing the machine forgets it.

pub(crate) mod options;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use skep_model::{Advice, Check, ClusterName, MachineName, MachineState};
use skep_store::{Layout, Resource};
use tokio_util::sync::CancellationToken;

pub use self::options::{Authority, EngineUrl, UrlError};
use crate::{
    Driver, DriverOptions, MachineError, MachineId, MachinePlan, Reach, Request, Work,
    record::Record, shelf::Shelf,
};

/// Engines by URL.
#[derive(Debug)]
pub struct NoneDriver {
    shelf: Shelf,
}

/// `none.json`
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    url: EngineUrl,
}

impl Record for Known {}

impl NoneDriver {
    /// A driver of the machines of a store.
    pub fn new(layout: Layout) -> Self {
        Self { shelf: Shelf::new(layout, "none") }
    }

    fn refused(id: &MachineId, action: &'static str, done: &str) -> MachineError {
        id.refuse(action, format!("hosts without a driver cannot be {done}"))
    }
}

/// By the machine's name alone, as journals have it.
fn resource(id: &MachineId) -> Resource {
    Resource::new("engine", id.machine.as_str())
}

#[async_trait]
impl Driver for NoneDriver {
    async fn preflight(&self, request: &Request, _: &CancellationToken) -> Vec<Check> {
        let check = match &request.options {
            DriverOptions::None(Some(url)) => match url.authority() {
                Ok(_) => Check::pass("engine's URL", url.0.clone()),
                Err(error) => Check::fail("engine's URL", error.to_string(), options::FORM),
            },
            _ => Check::fail(
                "engine's URL",
                "there is none, and this driver makes no machines",
                Advice::NameEngine,
            ),
        };
        vec![check]
    }

    fn reach(
        &self,
        id: &MachineId,
        _: Ipv4Addr,
        options: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        let cannot = |reason: String| id.refuse("reach", reason);
        let DriverOptions::None(Some(url)) = options else {
            return Err(cannot("its engine's URL is not known".into()));
        };
        let authority = url.authority().map_err(|error| cannot(error.to_string()))?;
        let host: IpAddr = authority.host.parse().map_err(|_| {
            cannot(format!("`{}` is a name, and addresses are not asked for here", authority.host))
        })?;
        Ok(Reach { host, ssh: 22, engine: authority.port })
    }

    fn resource(&self, id: &MachineId) -> Resource {
        resource(id)
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let DriverOptions::None(Some(url)) = &plan.options else {
            return Err(plan.id.refuse("create", "its engine's URL is not known"));
        };
        let known = Known { url: url.clone() };
        self.shelf.adopt(&plan.id, &resource(&plan.id), &known, work)
    }

    async fn start(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        self.shelf.load::<Known>(id).map(drop)
    }

    async fn stop(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        Err(Self::refused(id, "stop", "stopped"))
    }

    async fn kill(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        Err(Self::refused(id, "kill", "killed"))
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let machines = self.shelf.recorded(cluster)?.into_iter();
        Ok(machines.map(|id| (id.machine, MachineState::Running)).collect())
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        self.shelf.forget(id, &resource(id), work)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        Ok(self.shelf.recorded(cluster)?.iter().map(resource).collect())
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        // A name that is none would lead out of the machines' directory.
        match resource.name.parse() {
            Ok(machine) if resource.kind == "engine" => {
                let id = MachineId { cluster: cluster.clone(), machine };
                self.shelf.forget(&id, resource, work)
            }
            _ => Ok(work.journal.gone(resource)?),
        }
    }
}
