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
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_model::{Advice, Check, ClusterName, MachineName, MachineState, Port};
use skep_store::{Layout, Resource, StoreError, file, read_json, write_record};
use tokio_util::sync::CancellationToken;

pub use self::options::{Authority, EngineUrl, UrlError};
use crate::{
    Driver, DriverOptions, MachineError, MachineId, MachinePlan, Reach, Request, Work, shelf::Shelf,
};

/// The newest schema of `none.json` this program knows.
const SCHEMA: u64 = 1;

/// Engines by URL.
#[derive(Debug)]
pub struct NoneDriver {
    shelf: Shelf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: u64,
    url: EngineUrl,
}

impl NoneDriver {
    /// A driver of the machines of a store.
    pub fn new(layout: Layout) -> Self {
        Self { shelf: Shelf::new(layout, "none") }
    }

    /// The machines that have a record, whole or not.
    fn machines(&self, cluster: &ClusterName) -> Result<Vec<MachineId>, StoreError> {
        let mut machines = self.shelf.machines(cluster)?;
        machines.retain(|id| self.shelf.machine_record(id).exists());
        Ok(machines)
    }

    fn forget(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        let resource = resource(id);
        work.journal.going(&resource)?;
        file::remove(&self.shelf.machine_record(id))?;
        Ok(work.journal.gone(&resource)?)
    }

    fn refused(id: &MachineId, action: &'static str, done: &str) -> MachineError {
        MachineError::Driver {
            machine: id.machine.clone(),
            action,
            reason: format!("hosts without a driver cannot be {done}").into(),
        }
    }
}

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

    async fn prepare(
        &self,
        _: &ClusterName,
        _: Option<Ipv4Net>,
        _: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        Ok(None)
    }

    fn reach(
        &self,
        id: &MachineId,
        _: Ipv4Addr,
        options: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        let cannot = |reason: String| MachineError::Driver {
            machine: id.machine.clone(),
            action: "reach",
            reason: reason.into(),
        };
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

    async fn publish(
        &self,
        _: &MachineId,
        _: &[Port],
        _: &CancellationToken,
    ) -> Result<(), MachineError> {
        Ok(())
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let DriverOptions::None(Some(url)) = &plan.options else {
            return Err(MachineError::Driver {
                machine: plan.id.machine.clone(),
                action: "create",
                reason: "its engine's URL is not known".into(),
            });
        };
        let resource = resource(&plan.id);
        work.journal.intent(&resource)?;
        let path = self.shelf.machine_record(&plan.id);
        write_record(&path, &Record { schema: SCHEMA, url: url.clone() })?;
        Ok(work.journal.made(&resource)?)
    }

    async fn start(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        let path = self.shelf.machine_record(id);
        match read_json::<Record>(&path, SCHEMA)? {
            Some(_) => Ok(()),
            None => Err(MachineError::NoSuchMachine { machine: id.machine.clone() }),
        }
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
        let machines = self.machines(cluster)?.into_iter();
        Ok(machines.map(|id| (id.machine, MachineState::Running)).collect())
    }

    async fn console(&self, _: &MachineId) -> Result<String, MachineError> {
        Ok(String::new())
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        self.forget(id, work)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        Ok(self.machines(cluster)?.iter().map(resource).collect())
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
                self.forget(&MachineId { cluster: cluster.clone(), machine }, work)
            }
            _ => Ok(work.journal.gone(resource)?),
        }
    }
}
