//! From a machine's name to its guest, its engine, and a manager of its swarm.
//!
//! The fast way first: the engine's forwarded socket, which an earlier command's SSH master keeps
//! alive. Only where nothing answers there is a new master started.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use skep_engine::{Engine, EngineError};
use skep_guest::{Access, Guest};
use skep_machine::{DriverOptions, Login, MachineId, Reach, System, first_sight};
use skep_model::{Advice, ClusterName, MachineName, Reason, Role};
use skep_store::layout::MachineLayout;
use skep_swarm::Swarm;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, Home, MachineFailure, MachineRecord};

/// How long a manager is asked alone before the next one is asked as well.
const HEAD_START: Duration = Duration::from_millis(500);
/// How long one engine may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(10);

/// One cluster of a store, for commands that use it and do not change what it is.
#[derive(Debug, Clone)]
pub struct Cluster {
    home: Home,
    record: ClusterRecord,
}

impl Cluster {
    /// Opens a cluster by name.
    ///
    /// # Errors
    /// [`ClusterError::NoCluster`], [`ClusterError::Store`].
    pub fn open(home: &Home, name: &ClusterName) -> Result<Self, ClusterError> {
        match ClusterRecord::load(home, name)? {
            Some(record) => Ok(Self { home: home.clone(), record }),
            None => Err(ClusterError::NoCluster { name: name.clone() }),
        }
    }

    pub(crate) fn new(home: &Home, record: ClusterRecord) -> Self {
        Self { home: home.clone(), record }
    }

    /// Its store.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The record it was opened with.
    pub fn record(&self) -> &ClusterRecord {
        &self.record
    }

    /// Where the files of one of its machines are.
    pub(crate) fn files(&self, machine: &MachineName) -> MachineLayout {
        self.home.layout().cluster(&self.record.name).machine(machine)
    }

    /// Its machine of a name.
    ///
    /// # Errors
    /// [`ClusterError::NoMachine`], naming the machines there are.
    pub fn machine(&self, name: &str) -> Result<&MachineRecord, ClusterError> {
        self.record.machine(name).ok_or_else(|| ClusterError::NoMachine {
            cluster: self.record.name.clone(),
            machine: name.into(),
            known: self.record.machines.iter().map(|machine| machine.name.clone()).collect(),
        })
    }

    /// A machine's address among the nodes: what it advertises in the swarm.
    ///
    /// # Errors
    /// [`ClusterError::Request`] while the cluster has no network yet.
    pub fn address(&self, machine: &MachineRecord) -> Result<IpAddr, ClusterError> {
        self.cluster_address(machine).map(IpAddr::V4)
    }

    /// What its driver knows a machine by.
    pub(crate) fn id(&self, machine: &MachineRecord) -> MachineId {
        MachineId { cluster: self.record.name.clone(), machine: machine.name.clone() }
    }

    /// How one of its machines is logged in to.
    pub(crate) fn login(&self, machine: &MachineRecord) -> Login {
        self.home.login(&self.id(machine))
    }

    pub(crate) fn cluster_address(
        &self,
        machine: &MachineRecord,
    ) -> Result<Ipv4Addr, ClusterError> {
        self.record.address(machine).ok_or_else(|| ClusterError::Request {
            reason: Reason::new(
                format!("machine {} has not been made yet", machine.name),
                Advice::GoOnMaking(self.record.name.clone()),
            ),
        })
    }

    /// Where this host reaches a machine.
    ///
    /// # Errors
    /// As [`Cluster::address`]; [`ClusterError::Machine`].
    pub fn reach(&self, machine: &MachineRecord) -> Result<Reach, ClusterError> {
        let address = match machine.system() {
            System::Nothing => Ipv4Addr::UNSPECIFIED,
            _ => self.cluster_address(machine)?,
        };
        let driver = self.home.driver(self.record.driver);
        Ok(driver.reach(&self.id(machine), address, &machine.options)?)
    }

    /// How to log in to a machine.
    ///
    /// # Errors
    /// As [`Cluster::reach`].
    pub fn access(&self, machine: &MachineRecord) -> Result<Access, ClusterError> {
        if !machine.system().has_login() {
            return Err(ClusterError::Request {
                reason: format!(
                    "machine {} is an engine's URL and nothing else: there is nothing to log in to",
                    machine.name
                )
                .into(),
            });
        }
        let reach = self.reach(machine)?;
        let login = self.login(machine);
        login.mend(reach, machine.system())?;
        let access = login.access(Some(reach));
        Ok(match &machine.options {
            DriverOptions::Ssh(Some(host)) => Access { user: host.user.clone(), ..access },
            _ => access,
        })
    }

    /// The guest of a machine that runs.
    ///
    /// # Errors
    /// [`ClusterError::Guest`].
    pub async fn guest(
        &self,
        machine: &MachineRecord,
        cancel: &CancellationToken,
    ) -> Result<Guest, ClusterError> {
        let access = self.access(machine)?;
        match machine.system() {
            System::Found | System::Boot2docker => {
                let connected = first_sight::connect(&access, machine.system(), cancel);
                Ok(Box::pin(connected).await?)
            }
            System::Skep | System::Nothing => Ok(Guest::connect(&access, cancel).await?),
        }
    }

    /// The engine of a machine that runs.
    ///
    /// # Errors
    /// [`ClusterError::Guest`], [`ClusterError::Engine`].
    pub async fn engine(
        &self,
        machine: &MachineRecord,
        cancel: &CancellationToken,
    ) -> Result<Engine, ClusterError> {
        let access = self.access(machine)?;
        match Engine::connect(&access.engine, GREETING, cancel).await {
            Ok(engine) => Ok(engine),
            Err(EngineError::Cancelled { .. }) => Err(ClusterError::Cancelled),
            // No master, or one whose machine is gone: begin again from the machine.
            Err(_) => {
                let guest = self.guest(machine, cancel).await?;
                let socket = guest.engine_socket(cancel).await?;
                Ok(Engine::connect(socket, GREETING, cancel).await?)
            }
        }
    }

    /// The engine of a manager that answers and has a say in the swarm, and its machine: the
    /// managers of the record are tried in order, then all other machines, for roles may have been
    /// changed since; each a moment after the one before, if that has not answered.
    ///
    /// # Errors
    /// [`ClusterError::NoManager`], with what was tried and why each failed.
    pub async fn manager(
        &self,
        cancel: &CancellationToken,
    ) -> Result<(Engine, &MachineRecord), ClusterError> {
        let mut tried = Vec::new();
        let (managers, workers): (Vec<_>, Vec<_>) =
            self.record.machines.iter().partition(|machine| machine.role == Some(Role::Manager));
        let mut next = managers.into_iter().chain(workers);
        let mut asked = FuturesUnordered::new();
        loop {
            let more = next.next().map(|machine| {
                asked.push(async move { (machine, self.manager_engine(machine, cancel).await) });
            });
            let answer = match more {
                // One that stays silent, as a machine does that is off, delays the rest by this
                // much only.
                Some(()) => match tokio::time::timeout(HEAD_START, asked.next()).await {
                    Ok(answer) => answer,
                    Err(_elapsed) => continue,
                },
                None => asked.next().await,
            };
            match answer {
                Some((machine, Ok(engine))) => return Ok((engine, machine)),
                Some((_, Err(error))) if error.is_cancelled() => {
                    return Err(ClusterError::Cancelled);
                }
                Some((machine, Err(error))) => {
                    tried.push(MachineFailure { machine: machine.name.clone(), error });
                }
                None => break,
            }
        }
        let place = |name: &MachineName| {
            self.record.machines.iter().position(|machine| machine.name == *name)
        };
        tried.sort_by_key(|failure: &MachineFailure| place(&failure.machine));
        Err(ClusterError::NoManager { name: self.record.name.clone(), tried })
    }

    async fn manager_engine(
        &self,
        machine: &MachineRecord,
        cancel: &CancellationToken,
    ) -> Result<Engine, ClusterError> {
        let engine = self.engine(machine, cancel).await?;
        let local = Swarm::new(&engine).local(cancel).await?;
        if local.answers_for_swarm() {
            return Ok(engine);
        }
        Err(ClusterError::NotManager { machine: machine.name.clone(), local: Box::new(local) })
    }
}
