//! The operations of every driver, and what they take.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::SystemTime,
};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use skep_context::{Context, cancellable};
use skep_model::{Check, ClusterName, MachineName, MachineState, Port, Reason, Size};
use skep_os::{Builder, OsError, Seed};
use skep_store::{Journal, Resource};
use tokio_util::sync::CancellationToken;

use crate::{DriverOptions, MachineError};

/// How a driver gets at the builder of guest systems: only when one is needed, since a host that
/// cannot build one can still list and remove machines.
pub type GuestSystems = Box<dyn Fn() -> Result<Builder, OsError> + Send + Sync>;

/// Which machine: names are unique within a cluster, clusters within a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId {
    pub cluster: ClusterName,
    pub machine: MachineName,
}

impl MachineId {
    pub(crate) fn refuse(&self, action: &'static str, reason: impl ToString) -> MachineError {
        self.refuse_for(action, reason.to_string().into())
    }

    pub(crate) fn refuse_for(&self, action: &'static str, reason: Reason) -> MachineError {
        MachineError::Driver { machine: self.machine.clone(), action, reason }
    }

    pub(crate) fn missing(&self) -> MachineError {
        MachineError::NoSuchMachine { machine: self.machine.clone() }
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.machine)
    }
}

/// What is about to be asked of a driver, for its preflight.
#[derive(Debug, Clone)]
pub struct Request {
    pub cluster: ClusterName,
    /// How many machines will be made that are not there yet.
    pub new_machines: usize,
    /// The network asked for, or `None` to choose a free one.
    pub subnet: Option<Ipv4Net>,
    /// Whether the cluster's network is to be made (and so must not overlap anything yet).
    pub new_network: bool,
    pub size: Size,
    /// The ports each machine is to answer on at its host address, besides SSH and the engine.
    pub publish: Vec<Port>,
    pub options: DriverOptions,
}

/// A machine to be made.
#[derive(Debug, Clone)]
pub struct MachinePlan {
    /// Its name; the host name too.
    pub id: MachineId,
    /// Its address on the cluster's network, kept for life.
    pub address: Ipv4Addr,
    /// What it reads at its first boot; a driver adds what only it knows, its network interfaces.
    pub seed: Seed,
    /// When the seed was written.
    pub written: SystemTime,
    /// How big it is to be.
    pub size: Size,
    /// The ports it answers on at its host address, besides SSH and the engine.
    pub publish: Vec<Port>,
    pub options: DriverOptions,
}

impl MachinePlan {
    /// A machine of the usual size that publishes nothing.
    pub fn new(id: MachineId, address: Ipv4Addr, seed: Seed, options: DriverOptions) -> Self {
        let (written, size, publish) = (SystemTime::UNIX_EPOCH, Size::default(), Vec::new());
        Self { id, address, seed, written, size, publish, options }
    }
}

/// Where this host reaches a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The machine's address for this host; another than the one it has among the nodes where the
    /// host is not on their network.
    pub host: IpAddr,
    /// The port of its SSH server there.
    pub ssh: u16,
    /// The port of its engine there, with TLS.
    pub engine: u16,
}

impl Reach {
    /// A machine that this host reaches directly: at its own address, on the usual ports.
    pub fn direct(address: Ipv4Addr) -> Self {
        Self { host: address.into(), ssh: 22, engine: 2376 }
    }
}

/// What an operation that makes or removes something takes besides its subject.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Where intent is written before an effect and the outcome after it.
    pub journal: &'a Journal,
    /// Where its steps are shown, and what ends it.
    pub context: Context<'a>,
}

impl Work<'_> {
    /// Makes a resource, with its intent in the journal before and the outcome after.
    pub(crate) async fn make<T>(
        self,
        resource: &Resource,
        make: impl Future<Output = Result<T, MachineError>>,
    ) -> Result<T, MachineError> {
        let made = cancellable(self.context.cancel, async {
            self.journal.intent(resource)?;
            let made = make.await?;
            self.journal.made(resource)?;
            Ok(made)
        });
        let made = made.await;
        if made.as_ref().is_err_and(MachineError::is_refusal) {
            // Nothing came of the intent.
            self.journal.gone(resource)?;
        }
        made
    }

    /// Removes a resource: the journal hears of it before, so that the next command goes on.
    pub(crate) async fn remove(
        self,
        resource: &Resource,
        remove: impl Future<Output = Result<(), MachineError>>,
    ) -> Result<(), MachineError> {
        let removed = cancellable(self.context.cancel, async {
            self.journal.going(resource)?;
            remove.await
        });
        removed.await?;
        Ok(self.journal.gone(resource)?)
    }
}

/// A driver: it creates machines, or adopts what is there.
///
/// Every operation can be asked for again: what is already so is success. Operations on different
/// machines may run at the same time. An operation that is cancelled leaves what the journal
/// says, no more.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync {
    /// Looks at everything `request` needs, without touching anything.
    async fn preflight(&self, request: &Request, cancel: &CancellationToken) -> Vec<Check>;

    /// Makes what the machines of a cluster share: the guest's image and a network. Returns the
    /// network's subnet, `wanted` or a free one; none if its machines are not on one network, and
    /// share nothing.
    async fn prepare(
        &self,
        _cluster: &ClusterName,
        _wanted: Option<Ipv4Net>,
        _work: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        Ok(None)
    }

    /// Where this host reaches a machine of a cluster that has been prepared. No program is asked:
    /// it is the same whether the machine runs or not. Directly, where the host is on its network.
    fn reach(
        &self,
        _id: &MachineId,
        address: Ipv4Addr,
        _options: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        Ok(Reach::direct(address))
    }

    /// What a machine is called in the journal: the one of its resources without which it is no
    /// machine.
    fn resource(&self, id: &MachineId) -> Resource;

    /// Makes a machine answer on `ports` at its host address, from now on and after each start.
    /// Ports it answers on already, or as a machine that is reached directly on all of them, are
    /// success.
    async fn publish(
        &self,
        _id: &MachineId,
        _ports: &[Port],
        _cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        Ok(())
    }

    /// Makes a machine, stopped. A whole one that is there already stays as it is; one that has
    /// never been started is made anew, since its seed may be missing.
    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError>;

    /// Powers a machine on, back on its cluster's network where it was disconnected. Does not
    /// wait for its guest.
    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError>;

    /// Asks the guest to power off and waits until it has; after half a minute it is not
    /// asked any more.
    async fn stop(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError>;

    /// Powers a machine off at once.
    async fn kill(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError>;

    /// The state of every machine of a cluster that exists, by name. One that is being removed does
    /// not.
    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError>;

    /// The machines of a cluster whose disk is there, and with it what they know of a swarm, whether
    /// or not there is anything else of them.
    async fn disks(&self, cluster: &ClusterName) -> Result<BTreeSet<MachineName>, MachineError> {
        Ok(self.states(cluster).await?.into_keys().collect())
    }

    /// The end of what a machine printed to its console, for an error's text; nothing where it has
    /// none.
    async fn console(&self, _id: &MachineId) -> Result<String, MachineError> {
        Ok(String::new())
    }

    /// Removes a machine with everything that is its own.
    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError>;

    /// Everything that exists for a cluster, found by its labels, machines before what they use.
    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError>;

    /// Removes one resource of a cluster of this store; one that is gone, or was never this
    /// store's, is success.
    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError>;
}
