//! The owner of a host, its engine's settings, and when its key is trusted.

use std::time::Duration;

use skep_guest::{GuestError, KeyPair, adopt::Membership, known_hosts_line};
use skep_machine::{DriverKind, DriverOptions, ssh::Host};
use skep_model::{Advise as _, Events};
use tempfile::TempDir;

use super::*;
use crate::{Home, Settings};

struct Bench {
    _directory: TempDir,
    cluster: Cluster,
    cancel: CancellationToken,
}

impl Bench {
    /// A cluster with one machine, a host on loopback at which no process listens.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::of_test(directory.path());
        let home = Home::open(settings).unwrap();
        let mut record = ClusterRecord::new("demo".parse().unwrap(), DriverKind::Ssh);
        let mut machine = MachineRecord::new("box".parse().unwrap(), None, 0, record.driver);
        // No process listens on port 1 of this address.
        let address = "127.81.0.1".parse().unwrap();
        let user = "root".into();
        let host = Host { address, ssh_port: 1, engine_port: 2376, user };
        machine.options = DriverOptions::Ssh(Some(host));
        machine.address = Some(address);
        record.machines.push(machine);
        record.save(&home).unwrap();
        let cluster = Cluster::new(&home, record);
        Self { _directory: directory, cluster, cancel: CancellationToken::new() }
    }

    fn machine(&self) -> &MachineRecord {
        self.cluster.machine("box").unwrap()
    }

    async fn refusal(&self, found: &Found, allowed: Allowed) -> Option<String> {
        let refused = refuse(&self.cluster, self.machine(), found, allowed, &self.cancel);
        let said = |error: ClusterError| match error.advice() {
            Some(advice) => format!("{error} | {advice:?}"),
            None => error.to_string(),
        };
        refused.await.err().map(said)
    }

    async fn pinned(&self) -> Result<String, ClusterError> {
        let access = self.cluster.access(self.machine()).unwrap();
        let events = Events::none();
        let context = Context::new(&events, &self.cancel).within(Duration::ZERO);
        first_sight::pin(&access, self.machine().system(), context).await?;
        Ok(std::fs::read_to_string(&access.known_hosts).unwrap())
    }
}

fn owned(store: &str, cluster: &str, machine: &str) -> Found {
    let mut found = Found::default();
    let owner = Owner { store: store.into(), cluster: cluster.into(), machine: machine.into() };
    found.owner = Some(owner);
    found
}

#[tokio::test]
async fn a_host_that_is_somebodys_is_not_taken() {
    let bench = Bench::new();
    let store = bench.cluster.home().id();
    let mut in_swarm = Found::default();
    in_swarm.swarm = Some(Membership { swarm: "s1".into(), node: "n1".into() });
    let others = [
        owned("elsewhere", "demo", "box"),
        // Another name of this store's for the same host.
        owned(store, "demo", "box2"),
        in_swarm.clone(),
    ];
    // The second one is not recorded, so it has no owner.
    let mut said = Vec::new();
    for found in &others {
        said.push(bench.refusal(found, Allowed::default()).await.unwrap_or("taken".into()));
        let force = Allowed { take_over: true, ..Allowed::default() };
        assert_eq!(bench.refusal(found, force).await, None);
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    box is machine box of cluster demo in another store: remove it there | TakeOver(None)
    taken
    box is a node of another swarm (s1): `docker swarm leave` there takes it out | TakeOver(None)
    ");
    let free = Found::default();
    assert_eq!(bench.refusal(&free, Allowed::default()).await, None);
    // Once it is ours, the swarm it is in is what we put it in.
    let mut ours = owned(store, "demo", "box");
    ours.swarm = in_swarm.swarm;
    assert_eq!(bench.refusal(&ours, Allowed::default()).await, None);
}

#[tokio::test]
async fn a_host_has_one_name_in_a_store() {
    let bench = Bench::new();
    let store = bench.cluster.home().id();
    let mut record = bench.cluster.record().clone();
    record.machines.push(MachineRecord::new("box2".parse().unwrap(), None, 1, record.driver));
    record.save(bench.cluster.home()).unwrap();
    let said = bench.refusal(&owned(store, "demo", "box2"), Allowed::default()).await;
    assert_eq!(
        said.unwrap(),
        "box is machine box2 of cluster demo already | TakeOver(Some(MachineName(\"box2\")))"
    );
}

#[tokio::test]
async fn a_key_that_is_pinned_is_not_looked_at_again() {
    let bench = Bench::new();
    // No process listens there, so there is no key to trust.
    let error = bench.pinned().await.unwrap_err();
    assert!(matches!(error, ClusterError::Guest(GuestError::Unreachable { .. })), "{error}");
    let access = bench.cluster.access(bench.machine()).unwrap();
    let key = KeyPair::generate("").unwrap().public;
    let line = known_hosts_line(access.host, access.port, &key);
    skep_store::write_private(&access.known_hosts, line.as_bytes()).unwrap();
    assert_eq!(bench.pinned().await.unwrap(), line);
}

#[test]
fn variables_and_options_go_separate_ways() {
    let options = EngineOptions {
        env: vec!["FOO=a b".into(), "HTTP_PROXY=http://p:1".into()],
        labels: vec!["env=prod".into()],
        ..EngineOptions::default()
    };
    let (env, daemon) = engine_settings(&options).unwrap();
    assert_eq!(env, options.env);
    assert_eq!(daemon.keys().collect::<Vec<_>>(), ["labels"]);
    for wrong in ["FOO", "=x", "A B=c", "1A=b", "A=b\nexport C=d"] {
        let env = vec![wrong.to_owned()];
        let refused = engine_settings(&EngineOptions { env, ..EngineOptions::default() });
        assert!(refused.is_err(), "{wrong:?}");
    }
}
