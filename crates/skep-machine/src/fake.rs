//! A driver with nothing behind it, for tests of code that uses drivers.
//!
//! It keeps machines in memory, holds them to the state machine of [`skep_model::machine`], and
//! can be made to fail. The contract suite runs over it as over the real drivers.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use skep_model::{Check, ClusterName, MachineName, MachineState, Port, Transition};
use skep_store::Resource;
use tokio_util::sync::CancellationToken;

use crate::{Driver, MachineError, MachineId, MachinePlan, Request, Work, shelf, subnet};

/// Machines in memory.
#[derive(Debug, Default)]
pub struct FakeDriver {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    networks: BTreeMap<ClusterName, Ipv4Net>,
    machines: BTreeMap<MachineId, MachineState>,
    refuses: Option<(MachineName, Transition)>,
    refuses_clusters: bool,
}

impl Inner {
    fn check_refusal(&self, id: &MachineId, transition: Transition) -> Result<(), MachineError> {
        if self.refuses.as_ref() != Some(&(id.machine.clone(), transition)) {
            return Ok(());
        }
        Err(MachineError::Driver {
            machine: id.machine.clone(),
            action: "change",
            reason: "the fake driver was told to refuse".into(),
        })
    }
}

impl FakeDriver {
    /// A driver without machines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `transition` fail on machines called `machine` from now on.
    pub fn refuse(&self, machine: MachineName, transition: Transition) {
        self.lock().refuses = Some((machine, transition));
    }

    /// Refuses to prepare any cluster from now on, as where virtual machines cannot be accelerated.
    pub fn refuse_to_prepare(&self) {
        self.lock().refuses_clusters = true;
    }

    /// Lets everything succeed again.
    pub fn clear_failure(&self) {
        let mut inner = self.lock();
        inner.refuses = None;
        inner.refuses_clusters = false;
    }

    /// Takes a machine away, as if it had been removed outside of skep.
    pub fn lose(&self, id: &MachineId) {
        self.lock().machines.remove(id);
    }

    fn check(cancel: &CancellationToken) -> Result<(), MachineError> {
        if cancel.is_cancelled() { Err(MachineError::Cancelled) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, id: &MachineId, transition: Transition) -> Result<(), MachineError> {
        let mut inner = self.lock();
        inner.check_refusal(id, transition)?;
        let state = inner.machines.get(id).copied().unwrap_or(MachineState::Absent);
        match state.after(transition) {
            Some(MachineState::Absent) => {
                inner.machines.remove(id);
            }
            Some(next) => {
                inner.machines.insert(id.clone(), next);
            }
            None => return Err(id.missing()),
        }
        Ok(())
    }
}

/// The first free network of loopback addresses: a connection to a fake machine is refused
/// by this very host, and nothing leaves it.
fn on_loopback(taken: &[subnet::Taken]) -> Result<Ipv4Net, MachineError> {
    (0..=255)
        .map(|third| Ipv4Net::new_assert(Ipv4Addr::new(127, 77, third, 0), 24))
        .find(|net| !taken.iter().any(|other| other.subnet == *net))
        .ok_or(MachineError::NoFreeSubnet)
}

fn resource(id: &MachineId) -> Resource {
    shelf::of_machine(shelf::kind::MACHINE, id)
}

#[async_trait]
impl Driver for FakeDriver {
    async fn preflight(&self, _: &Request, _: &CancellationToken) -> Vec<Check> {
        vec![Check::pass("memory", "this process's own")]
    }

    async fn prepare(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
        work: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        if self.lock().refuses_clusters {
            let (why, fix) = ("the fake driver was told to refuse".into(), "ask for less".into());
            return Err(MachineError::Acceleration { accel: "kvm", why, fix });
        }
        let network = Resource::new("network", cluster.as_str());
        work.journal.intent(&network)?;
        Self::check(work.context.cancel)?;
        let chosen = {
            let mut inner = self.lock();
            let taken: Vec<_> = inner
                .networks
                .iter()
                .filter(|(other, _)| *other != cluster)
                .map(|(other, &subnet)| subnet::Taken { subnet, by: format!("cluster {other}") })
                .collect();
            let is_free = |own| !taken.iter().any(|one| one.subnet == own);
            let chosen = match (inner.networks.get(cluster), wanted) {
                (Some(&existing), _) => existing,
                // One of its own, which is made again.
                (None, Some(own)) if own.network().is_loopback() && is_free(own) => own,
                (None, Some(wanted)) => subnet::accept(wanted, &taken)?,
                (None, None) => on_loopback(&taken)?,
            };
            inner.networks.insert(cluster.clone(), chosen);
            chosen
        };
        work.journal.made(&network)?;
        Ok(Some(chosen))
    }

    fn resource(&self, id: &MachineId) -> Resource {
        resource(id)
    }

    async fn publish(
        &self,
        id: &MachineId,
        _: &[Port],
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        Self::check(cancel)?;
        match self.lock().machines.get(id) {
            Some(_) => Ok(()),
            None => Err(id.missing()),
        }
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let resource = resource(&plan.id);
        work.journal.intent(&resource)?;
        Self::check(work.context.cancel)?;
        if let Err(refused) = self.apply(&plan.id, Transition::Create) {
            // Nothing came of the intent.
            work.journal.gone(&resource)?;
            return Err(refused);
        }
        Ok(work.journal.made(&resource)?)
    }

    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        Self::check(cancel)?;
        self.apply(id, Transition::Start)
    }

    async fn stop(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        Self::check(cancel)?;
        self.apply(id, Transition::Stop)
    }

    async fn kill(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        Self::check(cancel)?;
        self.apply(id, Transition::Kill)
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let inner = self.lock();
        let of_cluster = inner.machines.iter().filter(|(id, _)| id.cluster == *cluster);
        Ok(of_cluster.map(|(id, &state)| (id.machine.clone(), state)).collect())
    }

    async fn console(&self, id: &MachineId) -> Result<String, MachineError> {
        match self.lock().machines.get(id) {
            Some(_) => Ok("a fake machine says nothing".into()),
            None => Err(id.missing()),
        }
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        Self::check(work.context.cancel)?;
        work.journal.going(&resource(id))?;
        self.apply(id, Transition::Remove)?;
        Ok(work.journal.gone(&resource(id))?)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        let inner = self.lock();
        let machines = inner.machines.keys().filter(|id| id.cluster == *cluster).map(resource);
        let networks = inner.networks.keys().filter(|name| *name == cluster);
        Ok(machines.chain(networks.map(|name| Resource::new("network", name.as_str()))).collect())
    }

    async fn remove_resource(
        &self,
        _: &ClusterName,
        found: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        Self::check(work.context.cancel)?;
        work.journal.going(found)?;
        {
            let mut inner = self.lock();
            let machine = inner.machines.keys().find(|id| resource(id) == *found);
            machine.map_or(Ok(()), |id| inner.check_refusal(id, Transition::Remove))?;
            inner.machines.retain(|id, _| resource(id) != *found);
            inner.networks.retain(|name, _| found.kind != "network" || name.as_str() != found.name);
        }
        Ok(work.journal.gone(found)?)
    }
}
