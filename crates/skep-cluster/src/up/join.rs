//! The machines of a cluster become the nodes of one swarm.
//!
//! Each machine calls [`Membership::join`] when its engine answers, in whatever order that
//! happens. What its engine says of its own part is asked first; [`super::founding`] decides from
//! all of that which swarm this is. The others wait for that and for nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use skep_context::{Context, Polled, after, poll_until};
use skep_engine::Engine;
use skep_model::{MachineName, MachineState, Role};
use skep_swarm::{
    Expected, InitOptions, JoinOptions, Joined, LocalNodeState, LocalState, Node, NodeId, Quorum,
    Swarm, SwarmError, Tokens, options::MANAGER_PORT,
};
use tokio::sync::watch;

use super::{
    founding::{Decision, Part, Seen, decide},
    observed::part,
};
use crate::{ClusterError, MachineFailure, MachineRecord, reach::Cluster, swarms::Doubt};

/// How often an engine is asked whether it has found its way back into its swarm.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long an engine that was just started may take to find out what it is in its swarm.
const PENDING: Duration = Duration::from_secs(15);
/// How long managers that are all there may take to elect a leader: 10 to 20 s after a loss, more
/// where engines are emulated.
const ELECTION: Duration = Duration::from_secs(60);

/// What joining needs: a manager that can be asked, its address, and the tokens.
#[derive(Debug)]
struct Entry {
    machine: MachineName,
    engine: Engine,
    address: SocketAddr,
    tokens: Tokens,
    nodes: Vec<Node>,
    /// The swarm's ID; none where the engine did not say.
    swarm: Option<String>,
}

/// The state of the swarm while machines arrive.
#[derive(Debug, Clone, Default)]
enum Standing {
    /// No machine has it yet.
    #[default]
    Open,
    Ready(Arc<Entry>),
    /// There is none to join, and none was founded.
    Refused(Doubt),
}

#[derive(Debug, Clone)]
enum Arrival {
    Here { engine: Box<Engine>, local: Option<Box<LocalState>> },
    GaveUp,
}

/// Brings nodes together; see the module.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    cluster: &'a Cluster,
    existed: BTreeSet<MachineName>,
    /// Whether a swarm whose managers are gone is given up for a new one.
    replace: bool,
    context: Context<'a>,
    arrivals: Mutex<BTreeMap<MachineName, Arrival>>,
    /// Which node each machine that has joined says it is.
    selves: Mutex<BTreeMap<MachineName, NodeId>>,
    /// Those that were in no swarm, or another one, before.
    joined: Mutex<BTreeSet<MachineName>>,
    founding: tokio::sync::Mutex<()>,
    standing: watch::Sender<Standing>,
}

impl<'a> Membership<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        before: &BTreeMap<MachineName, MachineState>,
        replace: bool,
        context: Context<'a>,
    ) -> Self {
        // One whose disk may be back: the driver has lost the machine, and the record knows that it
        // was a node.
        let was_node = cluster.record().machines.iter().filter(|machine| machine.node.is_some());
        let was_node = was_node.map(|machine| machine.name.clone());
        Self {
            cluster,
            existed: before.keys().cloned().chain(was_node).collect(),
            replace,
            context,
            arrivals: Mutex::default(),
            selves: Mutex::default(),
            joined: Mutex::default(),
            founding: tokio::sync::Mutex::default(),
            standing: watch::Sender::default(),
        }
    }

    /// Makes the machine whose engine this is a node of the swarm, founding it if need be.
    pub(super) async fn join(
        &self,
        machine: &MachineRecord,
        engine: Engine,
    ) -> Result<(), ClusterError> {
        let swarm = Swarm::new(&engine);
        // A machine made just now is no node yet; asking costs 10 ms.
        let local = match self.existed.contains(&machine.name) {
            true => Some(self.observe(&swarm).await?),
            false => None,
        };
        let here = Arrival::Here { engine: Box::new(engine), local: local.clone().map(Box::new) };
        self.arrived(&machine.name, here);
        self.standing.send_modify(|_| {});
        // A machine without a role joins nothing, but what its engine says counts for the decision.
        let Some(role) = machine.role else { return Ok(()) };
        let entry = self.entry().await?;
        if entry.machine == machine.name {
            return Ok(());
        }
        let step = self.context.events.step(&machine.name, format!("joining as {role}"));
        let joined = match self.join_one(&swarm, machine, role, local, &entry).await {
            Ok(joined) if joined.already => {
                step.skipped("in the swarm already");
                joined
            }
            other => {
                let joined = step.end_with(other)?;
                self.has_joined(&machine.name);
                joined
            }
        };
        self.is_node(&machine.name, joined.node);
        Ok(())
    }

    /// What an engine says of its part, once it knows: one that was just started is pending until
    /// it has found its managers.
    async fn observe(&self, swarm: &Swarm) -> Result<LocalState, ClusterError> {
        let polled = poll_until(self.context.cancel, INTERVAL, after(PENDING), async || {
            let local = swarm.local(self.context.cancel).await?;
            Ok::<_, SwarmError>(match is_on_its_way(&local) {
                true => ControlFlow::Continue(local),
                false => ControlFlow::Break(local),
            })
        });
        match polled.await? {
            Polled::Met(local) | Polled::Late(local) => Ok(local),
            Polled::Cancelled(_) => Err(ClusterError::Cancelled),
        }
    }

    pub(super) fn gave_up(&self, machine: &MachineRecord) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.entry(machine.name.clone()).or_insert(Arrival::GaveUp);
        drop(arrivals);
        // Another manager that waited for this one may found the swarm now.
        self.standing.send_modify(|_| {});
    }

    /// Why there is no swarm to join, if that is what came out.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        match &*self.standing.borrow() {
            Standing::Refused(doubt) => Some(doubt.clone()),
            Standing::Open | Standing::Ready(_) => None,
        }
    }

    /// The machine whose engine is asked about the swarm, once there is one.
    pub(super) fn entry_machine(&self) -> Option<MachineName> {
        match &*self.standing.borrow() {
            Standing::Ready(entry) => Some(entry.machine.clone()),
            Standing::Open | Standing::Refused(_) => None,
        }
    }

    /// The swarm's ID, once there is one, and which node each machine in it is.
    pub(super) fn members(&self) -> (Option<String>, BTreeMap<MachineName, NodeId>) {
        let swarm = match &*self.standing.borrow() {
            Standing::Ready(entry) => entry.swarm.clone(),
            Standing::Open | Standing::Refused(_) => None,
        };
        (swarm, self.selves.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Waits until every machine that did not fail is a ready node, and clears away nodes that
    /// machines of the same name left behind.
    pub(super) async fn until_ready(
        &self,
        failed: &[MachineFailure],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let Standing::Ready(entry) = self.standing.borrow().clone() else { return Ok(()) };
        let swarm = Swarm::new(&entry.engine);
        let machines = self.cluster.record().machines.iter();
        let expected: Vec<_> = machines
            .filter(|machine| machine.role.is_some())
            .filter(|machine| !failed.iter().any(|failure| failure.machine == machine.name))
            .map(|machine| Expected::host(machine.name.as_str()))
            .collect();
        // Before the wait: a machine's old self may pass for it until it is noticed to be down.
        let (_, selves) = self.members();
        for (machine, own) in &selves {
            let replacing = self.cluster.replace_former_nodes(&swarm, machine, own, self.context);
            replacing.await?;
        }
        let step = self.context.events.step("", "waiting until every node is ready");
        let waited = swarm.wait_until_ready(&expected, timeout, self.context.cancel).await;
        step.end_with(waited)?;
        Ok(())
    }

    fn arrived(&self, machine: &MachineName, arrival: Arrival) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.insert(machine.clone(), arrival);
    }

    fn has_joined(&self, machine: &MachineName) {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).insert(machine.clone());
    }

    /// The machines that became nodes just now, in the record's order.
    pub(super) fn newcomers(&self) -> Vec<MachineName> {
        let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let machines = self.cluster.record().machines.iter().map(|machine| &machine.name);
        machines.filter(|name| joined.contains(*name)).cloned().collect()
    }

    fn is_node(&self, machine: &MachineName, node: NodeId) {
        let mut selves = self.selves.lock().unwrap_or_else(PoisonError::into_inner);
        selves.insert(machine.clone(), node);
    }

    /// Founds the swarm, or finds it, if what has arrived so far allows to decide that.
    async fn found(&self) -> Result<(), ClusterError> {
        let _one_at_a_time = self.founding.lock().await;
        if !matches!(*self.standing.borrow(), Standing::Open) {
            return Ok(());
        }
        match decide(&self.seen(), self.replace) {
            Decision::Wait => {}
            Decision::Refuse(doubt) => {
                self.standing.send_replace(Standing::Refused(doubt));
            }
            Decision::Join(place) => self.open(place, false).await?,
            Decision::AwaitQuorum(place) => self.await_quorum(place).await?,
            Decision::Found(place) => self.open(place, true).await?,
        }
        Ok(())
    }

    /// What is known of each machine, in the record's order.
    fn seen(&self) -> Vec<(MachineName, bool, Seen)> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let machines = self.cluster.record().machines.iter().map(|machine| {
            let existed = self.existed.contains(&machine.name);
            let seen = match arrivals.get(&machine.name) {
                None => Seen::Awaited { existed },
                Some(Arrival::GaveUp) => Seen::GaveUp { existed },
                Some(Arrival::Here { local, .. }) => {
                    Seen::Here(part(local.as_deref(), machine.role))
                }
            };
            (machine.name.clone(), machine.role == Some(Role::Manager), seen)
        });
        machines.collect()
    }

    fn engine_at(&self, place: usize) -> Option<(MachineName, Engine)> {
        let name = &self.cluster.record().machines.get(place)?.name;
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        match arrivals.get(name)? {
            Arrival::Here { engine, .. } => Some((name.clone(), (**engine).clone())),
            Arrival::GaveUp => None,
        }
    }

    /// Lets all machines in through the manager at a place, which founds the swarm first if need
    /// be.
    async fn open(&self, place: usize, founds: bool) -> Result<(), ClusterError> {
        let Some((machine, engine)) = self.engine_at(place) else { return Ok(()) };
        let swarm = Swarm::new(&engine);
        let address = self.address_of(&machine)?;
        if founds {
            self.leave_what_is_gone(&machine, &swarm).await?;
            let step = self.context.events.step(&machine, "founding the swarm");
            let options = InitOptions::new(address);
            step.end_with(swarm.init(&options, self.context.cancel).await)?;
            self.has_joined(&machine);
        }
        let local = swarm.local(self.context.cancel).await?;
        let tokens = swarm.tokens(self.context.cancel).await?;
        let nodes = swarm.nodes(self.context.cancel).await?;
        if let Some(node) = local.node {
            self.is_node(&machine, node);
        }
        // Where a manager that was made by hand listens is its own to say.
        let advertised = local.address.parse().unwrap_or(address);
        let address = SocketAddr::new(advertised, MANAGER_PORT);
        let entry = Entry { machine, engine, address, tokens, nodes, swarm: local.cluster };
        self.standing.send_replace(Standing::Ready(Arc::new(entry)));
        Ok(())
    }

    /// Waits until the managers that are there have a leader again.
    async fn await_quorum(&self, place: usize) -> Result<(), ClusterError> {
        let Some((machine, engine)) = self.engine_at(place) else { return Ok(()) };
        let swarm = Swarm::new(&engine);
        let seen = self.seen();
        let named = |wanted: &dyn Fn(&Seen) -> bool| -> Vec<MachineName> {
            let seen = seen.iter().filter(|(_, _, seen)| wanted(seen));
            seen.map(|(name, _, _)| name.clone()).collect()
        };
        let locked = named(&|seen| *seen == Seen::Here(Part::Locked));
        let reachable =
            named(&|seen| matches!(seen, Seen::Here(Part::NoQuorum | Part::Manager { .. })));
        let reachable = reachable.len();
        let members = swarm.local(self.context.cancel).await?.managers.len();
        // Without the key they never become enough.
        let quorum = Quorum { members, reachable };
        let is_hopeless = !locked.is_empty() && !quorum.is_there();
        let doubt = Standing::Refused(Doubt::NoQuorum { quorum, locked });
        if is_hopeless {
            self.standing.send_replace(doubt);
            return Ok(());
        }
        let step = self.context.events.step(&machine, "waiting for the managers to elect a leader");
        match swarm.nodes_once_led(ELECTION, self.context.cancel).await {
            Ok(_) => {
                step.done();
                return self.open(place, false).await;
            }
            Err(error) if error.may_pass() => step.failed(error.to_string()),
            Err(error) => return step.end_with(Err(error.into())),
        }
        self.standing.send_replace(doubt);
        Ok(())
    }

    /// The way in, once there is one.
    async fn entry(&self) -> Result<Arc<Entry>, ClusterError> {
        // Subscribed before the first decision: one that is made meanwhile must not be missed.
        let mut standing = self.standing.subscribe();
        loop {
            // A waiting machine founds the swarm if a manager that was waited for has given up.
            self.found().await?;
            let now = standing.borrow_and_update().clone();
            match now {
                Standing::Ready(entry) => return Ok(entry),
                Standing::Refused(doubt) => {
                    let cluster = self.cluster.record().name.clone();
                    return Err(ClusterError::NoSwarm {
                        cluster,
                        doubt,
                        untouched: false,
                        failures: Vec::new(),
                    });
                }
                Standing::Open => {}
            }
            tokio::select! {
                () = self.context.cancel.cancelled() => return Err(ClusterError::Cancelled),
                changed = standing.changed() => changed.map_err(|_| ClusterError::Cancelled)?,
            }
        }
    }

    async fn join_one(
        &self,
        swarm: &Swarm,
        machine: &MachineRecord,
        role: Role,
        local: Option<LocalState>,
        entry: &Entry,
    ) -> Result<Joined, ClusterError> {
        let token = entry.tokens.of(role).clone();
        let mut options = JoinOptions::new(entry.address, token, self.address_of(&machine.name)?);
        let is_member = |id: &NodeId| entry.nodes.iter().any(|node| node.id == *id);
        options.members = Some(entry.nodes.iter().map(|node| node.id.clone()).collect());
        options.discard_leftover = machine.node.is_none()
            && !entry.nodes.iter().any(|node| node.hostname == machine.name.as_str());
        if options.discard_leftover
            && local.as_ref().is_some_and(|local| local.state == LocalNodeState::Error)
        {
            // A manager of whatever swarm that cannot start looks like a join that got nowhere.
            let identity =
                self.cluster.has_identity(machine, swarm.engine(), self.context.cancel).await;
            options.discard_leftover = matches!(identity, Ok(false));
        }
        let node = local.as_ref().and_then(|local| local.node.clone());
        if let (Some(local), Some(node)) = (local, node)
            && !is_member(&node)
        {
            if !self.is_of_this_swarm(machine, &node, entry) && !self.is_given_up(&local) {
                return Err(SwarmError::OtherSwarm { node }.into());
            }
            let text = if self.replace {
                "it leaves the swarm whose managers are gone"
            } else {
                "the swarm does not list its node any more: it joins anew"
            };
            self.context.events.warn(&machine.name, text);
            swarm.leave(true, self.context.cancel).await?;
        }
        Ok(swarm.join(&options, self.context.cancel).await?)
    }

    /// Whether a node that the swarm does not list was seen to be one of this very swarm: then it
    /// was taken off the list while its machine was away, and has nothing that the swarm has not.
    fn is_of_this_swarm(&self, machine: &MachineRecord, node: &NodeId, entry: &Entry) -> bool {
        let recorded = &self.cluster.record().swarm;
        recorded.is_some() && *recorded == entry.swarm && machine.node.as_ref() == Some(node)
    }

    /// Whether a node may leave its swarm because the user gives that swarm up, with all its
    /// managers. A manager is one of those, and a locked node may be.
    fn is_given_up(&self, local: &LocalState) -> bool {
        let own = self.cluster.record().addresses();
        let is_ours =
            |address: &str| address.rsplit_once(':').is_some_and(|(host, _)| own.contains(host));
        self.replace
            && !local.is_manager
            && local.state != LocalNodeState::Locked
            && local.managers.iter().all(|manager| is_ours(&manager.address))
    }

    /// A founder that is still a node of the swarm that is given up leaves it first.
    async fn leave_what_is_gone(
        &self,
        machine: &MachineName,
        swarm: &Swarm,
    ) -> Result<(), ClusterError> {
        if !self.existed.contains(machine) {
            return Ok(());
        }
        let local = swarm.local(self.context.cancel).await?;
        if local.node.is_some() && self.is_given_up(&local) {
            self.context.events.warn(machine, "it leaves the swarm that has no managers any more");
            swarm.leave(true, self.context.cancel).await?;
        }
        Ok(())
    }

    fn address_of(&self, machine: &MachineName) -> Result<IpAddr, ClusterError> {
        self.cluster.address(self.cluster.machine(machine.as_str())?)
    }
}

/// Whether an engine has not come to where it is going: it looks for its managers, or is the manager
/// of a swarm that it is just founding, which it knows of before it has a say in it.
fn is_on_its_way(local: &LocalState) -> bool {
    let is_own =
        |address: &str| address.rsplit_once(':').is_some_and(|(host, _)| host == local.address);
    match local.state {
        LocalNodeState::Pending => true,
        LocalNodeState::Active => {
            !local.is_manager && local.managers.iter().all(|manager| is_own(&manager.address))
        }
        LocalNodeState::Inactive | LocalNodeState::Locked | LocalNodeState::Error => false,
    }
}
