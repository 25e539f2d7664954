//! A driver on the bench, with everything a term needs around it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ipnet::Ipv4Net;
use skep_context::Context;
use skep_guest::{Access, Guest, KeyPair, known_hosts_line};
use skep_machine::{
    Driver, DriverKind, DriverOptions, MachineError, MachineId, MachinePlan, Reach, Work, subnet,
};
use skep_model::{ClusterName, Events, MachineState, Size};
use skep_os::Seed;
use skep_store::{Journal, Resource};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// How long a machine with a kernel that runs already may take until it can be logged in to.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can be done to machines without asking the driver.
pub(crate) trait World: std::fmt::Debug {
    /// Takes a machine away.
    fn lose(&self, id: &MachineId);
    /// Ends a machine that runs as a power cut does, and waits until it has ended.
    fn cut_power(&self, id: &MachineId);
    /// Takes a machine off its cluster's network. Only where terms need it.
    fn unplug(&self, _: &MachineId) {
        panic!("this driver's terms do not ask for it")
    }
    /// Removes a cluster's network, which no machine uses.
    fn remove_network(&self, _: &ClusterName) {
        panic!("this driver's terms do not ask for it")
    }
    /// Removes everything the bench's drivers have made, whatever state it is in.
    fn clear(&self);
}

/// Names that are not the store's alone: others on this host may have something of the same name.
pub(crate) trait SharedNames: std::fmt::Debug {
    /// Creates an object of this kind and name without labels.
    fn plant(&self, resource: &Resource);
    /// Whether there is something of this kind and name.
    fn has(&self, resource: &Resource) -> bool;
    /// Removes what was planted.
    fn uproot(&self, resource: &Resource);
    /// A driver on the same host that works for another store.
    fn stranger(&self) -> Arc<dyn Driver>;
}

/// A driver on the bench. Dropping it removes what the term has made.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) journal: Journal,
    pub(crate) events: Events,
    pub(crate) cancel: CancellationToken,
    pub(crate) cluster: ClusterName,
    name: String,
    world: Option<Box<dyn World>>,
    names: Option<Box<dyn SharedNames>>,
    patience: Duration,
    options: DriverOptions,
    files: TempDir,
}

impl Bench {
    /// `name` must be unique: clusters are named after it.
    pub(crate) fn new(name: String, driver: Arc<dyn Driver>) -> Self {
        let files = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp").unwrap();
        let journal = Journal::open(&files.path().join("journal")).unwrap();
        Self {
            driver,
            journal,
            events: Events::none(),
            cancel: CancellationToken::new(),
            cluster: name.parse().unwrap(),
            name,
            world: None,
            names: None,
            patience: PATIENCE,
            options: DriverOptions::Container,
            files,
        }
    }

    /// For a driver whose machines can be got at from outside.
    pub(crate) fn with_world(mut self, world: impl World + 'static) -> Self {
        self.world = Some(Box::new(world));
        self
    }

    /// For a driver whose machines have names that others may have as well.
    pub(crate) fn with_names(mut self, names: impl SharedNames + 'static) -> Self {
        self.names = Some(Box::new(names));
        self
    }

    /// For a driver whose machines take this long until they can be logged in to.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// For another driver than the one of containers, and the fake in its place.
    pub(crate) fn with_driver(mut self, kind: DriverKind) -> Self {
        self.options = kind.into();
        self
    }

    /// A second cluster.
    pub(crate) fn other_cluster(&self) -> ClusterName {
        format!("{}-other", self.name).parse().unwrap()
    }

    /// What can be done behind the driver's back. Only terms that need it ask for it.
    pub(crate) fn world(&self) -> &dyn World {
        self.world.as_deref().unwrap()
    }

    /// What others may have called the same. Only terms that need it ask for it.
    pub(crate) fn names(&self) -> &dyn SharedNames {
        self.names.as_deref().unwrap()
    }

    /// Waits until SSH login to a machine works. The caller closes its connection.
    pub(crate) async fn logged_in(&self, access: &Access) -> Guest {
        let events = Events::none();
        let context = Context::new(&events, &self.cancel).within(self.patience);
        Guest::wait(access, context).await.unwrap()
    }

    pub(crate) fn files(&self) -> &Path {
        self.files.path()
    }

    pub(crate) fn work(&self) -> Work<'_> {
        Work { journal: &self.journal, context: Context::new(&self.events, &self.cancel) }
    }

    /// The same, ended by a token of the caller's.
    pub(crate) fn work_ended_by<'a>(&'a self, cancel: &'a CancellationToken) -> Work<'a> {
        Work { context: self.work().context.ended_by(cancel), ..self.work() }
    }

    /// Makes what the machines of the bench's cluster share.
    pub(crate) async fn prepare(&self) -> Ipv4Net {
        self.driver.prepare(&self.cluster, None, self.work()).await.unwrap().expect("a network")
    }

    pub(crate) fn id(&self, machine: &str) -> MachineId {
        MachineId { cluster: self.cluster.clone(), machine: machine.parse().unwrap() }
    }

    /// The plan of a machine, and how to log in to it once it runs. Each call makes new keys.
    pub(crate) fn plan(
        &self,
        network: Ipv4Net,
        machine: &str,
        place: usize,
    ) -> (MachinePlan, Access) {
        let address = subnet::machine_address(network, place).unwrap();
        let (login, host) =
            (KeyPair::generate("login").unwrap(), KeyPair::generate("host").unwrap());
        let reach = self.driver.reach(&self.id(machine), address, &self.options).unwrap();
        let access = self.access(machine, reach, &login, &host);
        let seed = Seed::new(machine.parse().unwrap(), login.public, host.private);
        let plan = MachinePlan {
            id: self.id(machine),
            address,
            seed,
            written: now(),
            size: Size::default(),
            publish: Vec::new(),
            options: self.options.clone(),
        };
        (plan, access)
    }

    fn access(&self, machine: &str, reach: Reach, login: &KeyPair, host: &KeyPair) -> Access {
        use secrecy::ExposeSecret as _;
        let directory = tempfile::tempdir_in(self.files()).unwrap().keep();
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            skep_store::write_private(&path, text.as_bytes()).unwrap();
            path
        };
        Access {
            machine: machine.into(),
            host: reach.host,
            port: reach.ssh,
            user: "docker".into(),
            key: write("id", login.private.expose_secret()),
            known_hosts: write("pin", &known_hosts_line(reach.host, reach.ssh, &host.public)),
            control: directory.join("ctl"),
            engine: directory.join("eng"),
        }
    }

    /// A machine that has been made, and is stopped.
    pub(crate) async fn made(&self, machine: &str) -> MachinePlan {
        let network = self.prepare().await;
        let (plan, _) = self.plan(network, machine, 0);
        self.driver.create(&plan, self.work()).await.unwrap();
        plan
    }

    /// A machine that runs.
    pub(crate) async fn running(&self, machine: &str) -> MachinePlan {
        let plan = self.made(machine).await;
        self.driver.start(&plan.id, &self.cancel).await.unwrap();
        plan
    }

    pub(crate) async fn state(&self, id: &MachineId) -> MachineState {
        let states = self.driver.states(&id.cluster).await.unwrap();
        states.get(&id.machine).copied().unwrap_or(MachineState::Absent)
    }

    pub(crate) async fn resources(&self) -> Vec<Resource> {
        self.driver.resources(&self.cluster).await.unwrap()
    }

    pub(crate) async fn remove(&self, id: &MachineId) -> Result<(), MachineError> {
        self.driver.remove(id, self.work()).await
    }

    /// Removes what the driver lists and what the journal announced, as `skep down` does.
    pub(crate) async fn tear_down(&self) {
        let mut all = self.resources().await;
        all.extend(self.journal.outstanding().unwrap());
        for resource in all {
            self.driver.remove_resource(&self.cluster, &resource, self.work()).await.unwrap();
        }
    }

    /// Nothing exists, and the journal knows it.
    pub(crate) async fn is_empty(&self) {
        assert_eq!(self.resources().await, []);
        assert_eq!(self.journal.outstanding().unwrap(), []);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(world) = &self.world {
            world.clear();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test program may look at the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
