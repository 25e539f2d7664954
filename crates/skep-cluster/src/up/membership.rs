//! The machines of a cluster become the nodes of one swarm.
//!
//! Each machine calls [`Membership::join`] when its engine answers, in whatever order that
//! happens. One manager founds the swarm, or is found to have it already; the others wait for that
//! and for nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_engine::Engine;
use skep_model::{Events, MachineName, MachineState, Role};
use skep_swarm::{
    Expected, InitOptions, JoinOptions, Joined, Node, NodeId, NodeUpdate, Swarm, SwarmError,
    Tokens, options::MANAGER_PORT, select::old_selves,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineFailure, MachineRecord, reach::Cluster};

/// How long a manager that is gone may take to be dropped from the managers.
const DROPPED: Duration = Duration::from_secs(10);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// What joining needs: a manager that can be asked, its address, and the tokens.
#[derive(Debug)]
struct Entry {
    machine: MachineName,
    engine: Engine,
    address: SocketAddr,
    tokens: Tokens,
    nodes: Vec<Node>,
}

/// Where the swarm stands while machines arrive.
#[derive(Debug, Clone, Default)]
enum Swarmed {
    /// Nobody has it yet.
    #[default]
    Waiting,
    /// It is there.
    Ready(Arc<Entry>),
    /// No manager came up, so there will be none.
    Lost,
}

/// What is known of one manager.
#[derive(Debug, Clone)]
enum Arrival {
    Here { engine: Box<Engine>, has_it: bool },
    GaveUp,
}

/// Brings nodes together; see the module.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    cluster: &'a Cluster,
    existed: BTreeSet<MachineName>,
    events: &'a Events,
    cancel: &'a CancellationToken,
    arrivals: Mutex<BTreeMap<MachineName, Arrival>>,
    /// Which node each machine that has joined says it is.
    selves: Mutex<BTreeMap<MachineName, NodeId>>,
    founding: tokio::sync::Mutex<()>,
    swarmed: watch::Sender<Swarmed>,
}

impl<'a> Membership<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        before: &BTreeMap<MachineName, MachineState>,
        events: &'a Events,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            cluster,
            existed: before.keys().cloned().collect(),
            events,
            cancel,
            arrivals: Mutex::default(),
            selves: Mutex::default(),
            founding: tokio::sync::Mutex::default(),
            swarmed: watch::Sender::default(),
        }
    }

    /// Makes the machine whose engine this is a node of the swarm, founding it if need be.
    pub(super) async fn join(
        &self,
        machine: &MachineRecord,
        engine: Engine,
    ) -> Result<(), ClusterError> {
        let Some(role) = machine.role else { return Ok(()) };
        let swarm = Swarm::new(&engine);
        if role == Role::Manager {
            // A machine made just now is no manager yet; asking costs 10 ms.
            let existed = self.existed.contains(&machine.name);
            let has_it = existed && swarm.local(self.cancel).await?.is_manager;
            self.arrived(&machine.name, Arrival::Here { engine: Box::new(engine), has_it });
            self.found().await?;
        }
        let entry = self.entry().await?;
        if entry.machine == machine.name {
            return Ok(());
        }
        let step = self.events.step(&machine.name, format!("joining as {role}"));
        let joined = match self.join_one(&swarm, machine, role, &entry).await {
            Ok(joined) if joined.already => {
                step.skipped("in the swarm already");
                joined
            }
            other => step.end_with(other)?,
        };
        let mut selves = self.selves.lock().unwrap_or_else(PoisonError::into_inner);
        selves.insert(machine.name.clone(), joined.node);
        Ok(())
    }

    /// A machine will not come. Without any manager nobody waits for a swarm.
    pub(super) fn gave_up(&self, machine: &MachineRecord) {
        if machine.role != Some(Role::Manager) {
            return;
        }
        self.arrived(&machine.name, Arrival::GaveUp);
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let none_left = self
            .managers()
            .all(|manager| matches!(arrivals.get(&manager.name), Some(Arrival::GaveUp)));
        drop(arrivals);
        if none_left {
            self.swarmed.send_replace(Swarmed::Lost);
        } else {
            // Another manager that waited for this one may found the swarm now.
            self.swarmed.send_modify(|_| {});
        }
    }

    /// The machine whose engine is asked about the swarm, once there is one.
    pub(super) fn entry_machine(&self) -> Option<MachineName> {
        match &*self.swarmed.borrow() {
            Swarmed::Ready(entry) => Some(entry.machine.clone()),
            _ => None,
        }
    }

    /// Waits until every machine that did not fail is a ready node, and clears away nodes that
    /// machines of the same name left behind.
    pub(super) async fn settle(
        &self,
        failed: &[MachineFailure],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let Swarmed::Ready(entry) = self.swarmed.borrow().clone() else { return Ok(()) };
        let swarm = Swarm::new(&entry.engine);
        let machines = self.cluster.record().machines.iter();
        let expected: Vec<_> = machines
            .filter(|machine| machine.role.is_some())
            .filter(|machine| !failed.iter().any(|failure| failure.machine == machine.name))
            .map(|machine| Expected::host(machine.name.as_str()))
            .collect();
        // Before the wait: a machine's old self may pass for it until it is noticed to be down.
        self.clear_old_selves(&swarm).await;
        let step = self.events.step("", "waiting until every node is ready");
        let waited = swarm.wait_until_ready(&expected, timeout, self.cancel).await;
        step.end_with(waited)?;
        Ok(())
    }

    /// A machine that was made anew is a new node; its old self stays in the list for ever, and a
    /// manager's counts against the quorum, unless somebody removes it. The swarm works meanwhile,
    /// so what cannot be removed is shown by its step and no failure.
    async fn clear_old_selves(&self, swarm: &Swarm) {
        let Ok(nodes) = swarm.nodes(self.cancel).await else { return };
        for old in nodes.iter().filter(|node| self.is_old_self(node, &nodes)) {
            let step = self.events.step(&old.hostname, "removing its former node");
            let removed = async {
                if old.manager.is_some() {
                    swarm.update(&old.id, &NodeUpdate::demote(), self.cancel).await?;
                    self.see_dropped(swarm, &old.id).await?;
                }
                swarm.remove(&old.id, true, self.cancel).await
            };
            let _ = step.end_with(removed.await);
        }
    }

    /// Whether a node is one that a machine of the record used to be: it has its name and its
    /// address, and is not the one the machine says it is now, or is down while another of its
    /// name is ready. A host of that name elsewhere, which somebody else has joined, is not ours.
    fn is_old_self(&self, node: &Node, nodes: &[Node]) -> bool {
        let record = self.cluster.record();
        let Some(machine) = record.machine(&node.hostname) else { return false };
        if !record.address(machine).is_some_and(|address| is_at(node, address)) {
            return false;
        }
        let selves = self.selves.lock().unwrap_or_else(PoisonError::into_inner);
        match selves.get(&machine.name) {
            Some(own) => *own != node.id,
            None => old_selves(nodes).iter().any(|old| old.id == node.id),
        }
    }

    /// Waits until a node that was demoted is no manager any more.
    async fn see_dropped(&self, swarm: &Swarm, node: &NodeId) -> Result<(), SwarmError> {
        let end = Instant::now() + DROPPED;
        while Instant::now() < end {
            let nodes = swarm.nodes(self.cancel).await?;
            if !nodes.iter().any(|other| other.id == *node && other.manager.is_some()) {
                break;
            }
            let _ = tokio::time::timeout(INTERVAL, self.cancel.cancelled()).await;
        }
        Ok(())
    }

    fn managers(&self) -> impl Iterator<Item = &MachineRecord> {
        self.cluster.record().machines.iter().filter(|machine| machine.role == Some(Role::Manager))
    }

    fn arrived(&self, machine: &MachineName, arrival: Arrival) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.insert(machine.clone(), arrival);
    }

    /// Founds the swarm, or finds it, if what has arrived so far allows to decide that.
    async fn found(&self) -> Result<(), ClusterError> {
        let _one_at_a_time = self.founding.lock().await;
        if matches!(*self.swarmed.borrow(), Swarmed::Ready(_)) {
            return Ok(());
        }
        let Some((machine, engine, has_it)) = self.founder() else { return Ok(()) };
        let swarm = Swarm::new(&engine);
        let address = self.address_of(&machine)?;
        if !has_it {
            let step = self.events.step(&machine, "founding the swarm");
            let options = InitOptions::new(address);
            step.end_with(swarm.init(&options, self.cancel).await)?;
        }
        let tokens = swarm.tokens(self.cancel).await?;
        let nodes = swarm.nodes(self.cancel).await?;
        let address = SocketAddr::new(address, MANAGER_PORT);
        let entry = Entry { machine, engine, address, tokens, nodes };
        self.swarmed.send_replace(Swarmed::Ready(Arc::new(entry)));
        Ok(())
    }

    /// Which manager founds the swarm, or has it, and whether it has it; see [`choose`].
    fn founder(&self) -> Option<(MachineName, Engine, bool)> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let managers = self.managers().map(|manager| {
            let arrival = arrivals.get(&manager.name);
            let seen = match arrival {
                None => Seen::Awaited { existed: self.existed.contains(&manager.name) },
                Some(Arrival::GaveUp) => Seen::GaveUp,
                Some(Arrival::Here { has_it, .. }) => Seen::Here { has_it: *has_it },
            };
            (manager, seen)
        });
        let (managers, seen): (Vec<_>, Vec<_>) = managers.unzip();
        let place = choose(&seen)?;
        match arrivals.get(&managers[place].name) {
            Some(Arrival::Here { engine, has_it }) => {
                Some((managers[place].name.clone(), (**engine).clone(), *has_it))
            }
            Some(Arrival::GaveUp) | None => None,
        }
    }

    /// The way in, once there is one.
    async fn entry(&self) -> Result<Arc<Entry>, ClusterError> {
        let mut swarmed = self.swarmed.subscribe();
        loop {
            // Whoever waits founds the swarm if a manager that was waited for has given up.
            self.found().await?;
            let now = swarmed.borrow_and_update().clone();
            match now {
                Swarmed::Ready(entry) => return Ok(entry),
                Swarmed::Lost => {
                    return Err(ClusterError::Request {
                        reason: "no manager came up, so there is no swarm to join".into(),
                    });
                }
                Swarmed::Waiting => {}
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(ClusterError::Cancelled),
                changed = swarmed.changed() => changed.map_err(|_| ClusterError::Cancelled)?,
            }
        }
    }

    async fn join_one(
        &self,
        swarm: &Swarm,
        machine: &MachineRecord,
        role: Role,
        entry: &Entry,
    ) -> Result<Joined, ClusterError> {
        let token = entry.tokens.of(role).clone();
        let mut options = JoinOptions::new(entry.address, token, self.address_of(&machine.name)?);
        let is_member = |id: &NodeId| entry.nodes.iter().any(|node| node.id == *id);
        options.members = Some(entry.nodes.iter().map(|node| node.id.clone()).collect());
        options.discard_leftover =
            !entry.nodes.iter().any(|node| node.hostname == machine.name.as_str());
        if self.existed.contains(&machine.name) {
            let local = swarm.local(self.cancel).await?;
            if local.node.is_some_and(|node| !is_member(&node)) {
                let text = "its node is of a swarm that is gone: it leaves that and joins anew";
                self.events.warn(&machine.name, text);
                swarm.leave(true, self.cancel).await?;
            }
        }
        Ok(swarm.join(&options, self.cancel).await?)
    }

    fn address_of(&self, machine: &MachineName) -> Result<IpAddr, ClusterError> {
        self.cluster.address(self.cluster.machine(machine.as_str())?)
    }
}

/// Whether a node is reached at an address. A manager's own is in its status as a manager; what it
/// says as a node may be `0.0.0.0`.
fn is_at(node: &Node, address: Ipv4Addr) -> bool {
    let address = address.to_string();
    let of_manager = node.manager.as_ref().and_then(|manager| manager.addr.rsplit_once(':'));
    node.address == address || of_manager.is_some_and(|(host, _)| host == address)
}

/// What is known of one manager when a founder is to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It has not come yet; one that existed before may be a manager of a swarm.
    Awaited { existed: bool },
    /// It answers; `has_it` if it is a manager of a swarm.
    Here { has_it: bool },
    /// It will not come.
    GaveUp,
}

/// The place of the manager whose swarm this is: one that has it already, whoever that is; else
/// the first in the record's order, once nobody who is still awaited may have it. A second swarm
/// beside a living one would be the worst outcome, so that is waited for.
fn choose(managers: &[Seen]) -> Option<usize> {
    if let Some(place) = managers.iter().position(|seen| *seen == Seen::Here { has_it: true }) {
        return Some(place);
    }
    if managers.contains(&Seen::Awaited { existed: true }) {
        return None;
    }
    let first = managers.iter().position(|seen| *seen != Seen::GaveUp)?;
    // A fresh manager that comes first in the record is worth the wait: its name is the one that
    // people look for. Fresh ones behind it are not.
    (managers[first] == Seen::Here { has_it: false }).then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Seen::*, *};

    #[test]
    fn the_first_fresh_manager_founds_without_waiting_for_the_others() {
        let awaited = Awaited { existed: false };
        assert_eq!(choose(&[awaited, Here { has_it: false }]), None);
        assert_eq!(choose(&[Here { has_it: false }, awaited, awaited]), Some(0));
        assert_eq!(choose(&[GaveUp, Here { has_it: false }, awaited]), Some(1));
    }

    #[test]
    fn a_living_swarm_is_waited_for_and_joined() {
        let fresh = Here { has_it: false };
        assert_eq!(choose(&[fresh, Awaited { existed: true }]), None);
        assert_eq!(choose(&[fresh, Here { has_it: true }, Awaited { existed: true }]), Some(1));
        assert_eq!(choose(&[fresh, GaveUp]), Some(0));
        assert_eq!(choose(&[GaveUp, GaveUp]), None);
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            any::<bool>().prop_map(|existed| Awaited { existed }),
            any::<bool>().prop_map(|has_it| Here { has_it }),
            Just(GaveUp),
        ]
    }

    proptest! {
        #[test]
        fn nobody_founds_beside_one_who_has_or_may_have_it(seen in prop::collection::vec(any_seen(), 0..8)) {
            match choose(&seen) {
                Some(place) if seen[place] == (Here { has_it: true }) => {}
                Some(place) => {
                    prop_assert_eq!(seen[place], Here { has_it: false });
                    let has_or_may =
                        [Here { has_it: true }, Awaited { existed: true }].map(|one| seen.contains(&one));
                    prop_assert_eq!(has_or_may, [false, false]);
                }
                None => {
                    let somebody_has_it = seen.contains(&Here { has_it: true });
                    prop_assert!(!somebody_has_it);
                }
            }
        }

        #[test]
        fn once_all_have_come_or_given_up_it_is_decided(seen in prop::collection::vec(any_seen(), 1..8)) {
            prop_assume!(!seen.iter().any(|one| matches!(one, Awaited { .. })));
            prop_assert_eq!(choose(&seen).is_none(), seen.iter().all(|one| *one == GaveUp));
        }
    }
}
