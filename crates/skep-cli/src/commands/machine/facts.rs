//! What a machine is to docker-machine's users: its address, its URL, its driver's name.

use std::path::PathBuf;

use skep_cluster::{
    ClusterError, MachineRecord,
    environment::{self, EngineAccess},
    reach::Cluster,
    status::states,
};
use skep_machine::DriverKind;
use skep_model::MachineState;

use crate::{context::Context, failure::Failure, persona::Persona};

/// One machine with its cluster, found by its name.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) cluster: Cluster,
    pub(crate) machine: MachineRecord,
}

impl Found {
    /// The machine of a name.
    ///
    /// # Errors
    /// A [`Failure`] if there is none.
    pub(crate) fn of(context: &Context, name: &str) -> Result<Self, Failure> {
        let cluster = context.cluster_of(name)?;
        let machine = cluster.machine(name)?.clone();
        Ok(Self { cluster, machine })
    }

    /// The address that this host reaches it at; of an engine that is known by its URL, what stands
    /// in that.
    ///
    /// # Errors
    /// [`ClusterError`] while it has none.
    pub(crate) fn address(&self) -> Result<String, ClusterError> {
        environment::host(&self.cluster, &self.machine)
    }

    /// The address that docker-machine's scripts expect of `ip`: they hand it to `docker swarm init`
    /// and `join` inside machines. So where machines have other addresses among themselves than for
    /// this host, it is those; elsewhere there is only one.
    ///
    /// # Errors
    /// As [`Found::address`].
    pub(crate) fn address_for_scripts(&self) -> Result<String, ClusterError> {
        if self.machine.options.features().forwards_ports {
            return Ok(self.cluster.address(&self.machine)?.to_string());
        }
        self.address()
    }

    /// Where its engine answers: `tcp://192.168.99.100:2376`.
    ///
    /// # Errors
    /// As [`Found::address`].
    pub(crate) fn url(&self) -> Result<String, ClusterError> {
        environment::url(&self.cluster, &self.machine)
    }

    /// The options the docker CLI needs to get there.
    ///
    /// # Errors
    /// As [`environment::engine_access`].
    pub(crate) fn access(&self) -> Result<EngineAccess, ClusterError> {
        environment::engine_access(&self.cluster, &self.machine)
    }

    /// Its state, as its driver reports it.
    ///
    /// # Errors
    /// [`ClusterError`] if the driver cannot be asked.
    pub(crate) async fn state(&self) -> Result<MachineState, ClusterError> {
        let states = states(&self.cluster).await?;
        let own = states.into_iter().find(|(machine, _)| machine.name == self.machine.name);
        Ok(own.map_or(MachineState::Absent, |(_, state)| state))
    }
}

/// A driver's name, as docker-machine's users know it.
pub(crate) fn driver_name(persona: Persona, driver: DriverKind) -> String {
    match (persona, driver) {
        (Persona::DockerMachine, DriverKind::Ssh) => "generic".to_owned(),
        _ => driver.to_string(),
    }
}

/// A path as text, with what is no UTF-8 in it replaced.
pub(crate) fn text(path: impl Into<PathBuf>) -> String {
    path.into().to_string_lossy().into_owned()
}
