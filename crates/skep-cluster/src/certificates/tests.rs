//! Certificates over the fake driver, whose machines run or are off and cannot be logged in to:
//! what is promised about the desired certificates, and about which machines are waited for.

use std::{sync::Arc, time::Duration};

use skep_context::Context;
use skep_machine::{Driver, DriverKind, MachineId, fake::FakeDriver};
use skep_model::{Events, MachineName, MachineState};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Desired, Home, Settings, reach::Cluster, trust::behind, trust::tests::roots, up::up};

struct Bench {
    _directory: tempfile::TempDir,
    driver: Arc<FakeDriver>,
    home: Home,
    cancel: CancellationToken,
}

impl Bench {
    /// A manager and a worker, which `up` has made and not reached; both have two roots.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let driver = Arc::new(FakeDriver::new());
        let mut settings = Settings::of_test(directory.path());
        settings.now = std::time::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let home = Home::open(settings).unwrap().with_driver(driver.clone());
        let cancel = CancellationToken::new();
        let desired = Desired {
            driver: Some(DriverKind::Container),
            workers: Some(1),
            ca_certificates: roots()[..2].to_vec(),
            ..Desired::default()
        };
        let events = Events::none();
        let context = Context::new(&events, &cancel).within(Duration::ZERO);
        up(&home, &"demo".parse().unwrap(), &desired, context).await.unwrap_err();
        Self { _directory: directory, driver, home, cancel }
    }

    async fn stop(&self, machine: &str) {
        let id = MachineId { cluster: "demo".parse().unwrap(), machine: machine.parse().unwrap() };
        self.driver.stop(&id, &self.cancel).await.unwrap();
    }

    fn cluster(&self) -> Cluster {
        Cluster::open(&self.home, &"demo".parse().unwrap()).unwrap()
    }

    async fn install(&self, root: usize, machines: &[String]) -> Answers<Installed> {
        let (cluster, events) = (self.cluster(), Events::none());
        let scope =
            Scope { cluster: &cluster, machines, context: Context::new(&events, &self.cancel) };
        install(scope, &roots()[root..=root], None, false).await.unwrap()
    }

    async fn remove(&self, selector: &str) -> Result<Removal, ClusterError> {
        let (cluster, events) = (self.cluster(), Events::none());
        let scope = Scope {
            cluster: &cluster,
            machines: &[],
            context: Context::new(&events, &self.cancel),
        };
        remove(scope, &[selector.to_owned()], None, false).await
    }

    /// The machines that lack a certificate or still have one.
    fn behind(&self) -> Vec<String> {
        let behind = behind(&self.home, self.cluster().record());
        let line = |one: trust::Behind| {
            let has = one.still_has.iter().map(|digits| digits[..4].to_owned());
            let has = has.collect::<Vec<_>>();
            format!("{} -{} +{}", one.machine, one.lacks.join(","), has.join(","))
        };
        behind.into_iter().map(line).collect()
    }

    fn desired(&self, machine: &str) -> usize {
        let cluster = self.cluster();
        let machine = cluster.machine(machine).unwrap();
        cluster.record().anchors_of(machine).len()
    }
}

fn names(off: &[(MachineName, MachineState)]) -> Vec<String> {
    off.iter().map(|(name, state)| format!("{name} {state}")).collect()
}

#[tokio::test]
async fn nobody_waits_for_what_is_off_and_it_is_known_to_be_behind() {
    let bench = Bench::new().await;
    bench.stop("manager1").await;
    bench.stop("worker1").await;
    assert_eq!(bench.behind(), [""; 0], "they have what they were made with");
    let installed = bench.install(2, &[]).await;
    assert!(installed.answers.is_empty(), "{installed:?}");
    assert_eq!(names(&installed.off), ["manager1 Stopped", "worker1 Stopped"]);
    assert_eq!(bench.desired("worker1"), 3);
    assert_eq!(bench.behind(), ["manager1 -CN=RootC +", "worker1 -CN=RootC +"]);

    // By a part of its name, though no machine can be asked; what it had is remembered.
    let removal = bench.remove("roota").await.unwrap();
    assert_eq!(removal.named.len(), 1);
    assert_eq!(bench.desired("worker1"), 2);
    let had = &roots()[0].fingerprint()[..4];
    assert_eq!(
        bench.behind(),
        [format!("manager1 -CN=RootC +{had}"), format!("worker1 -CN=RootC +{had}")]
    );
    // It is known by its fingerprint still, and takes that back.
    assert_eq!(bench.remove(roots()[0].fingerprint()).await.unwrap().named.len(), 1);
    bench.remove("rootc").await.unwrap();
    bench.install(0, &[]).await;
    assert_eq!(bench.behind(), [""; 0], "nothing is left to do");

    let error = bench.remove("root").await.unwrap_err().to_string();
    assert!(error.contains("may be any of these"), "{error}");
    assert!(bench.remove("nobody").await.unwrap().named.is_empty());
}

#[tokio::test]
async fn what_is_wished_of_one_machine_is_that_ones() {
    let bench = Bench::new().await;
    bench.stop("manager1").await;
    bench.stop("worker1").await;
    let installed = bench.install(2, &["worker1".to_owned()]).await;
    assert_eq!(names(&installed.off), ["worker1 Stopped"]);
    assert_eq!((bench.desired("manager1"), bench.desired("worker1")), (2, 3));
    assert_eq!(bench.behind(), ["worker1 -CN=RootC +"]);
}

/// A machine that runs and cannot be reached fails, and the record stays as desired.
#[tokio::test]
async fn the_wish_is_recorded_before_any_machine_is_asked() {
    let bench = Bench::new().await;
    bench.stop("worker1").await;
    let installed = bench.install(2, &[]).await;
    assert_eq!(names(&installed.off), ["worker1 Stopped"]);
    assert!(matches!(installed.answers.as_slice(), [Answer { result: Err(_), .. }]));
    assert_eq!(bench.desired("manager1"), 3);
    assert_eq!(bench.behind().len(), 2);
}

/// What a machine was begun to be given counts as given, for a removal; a damaged file says nothing.
#[tokio::test]
async fn a_damaged_note_is_no_dead_end() {
    let bench = Bench::new().await;
    bench.stop("manager1").await;
    bench.stop("worker1").await;
    bench.install(2, &[]).await;
    let path = bench
        .home
        .layout()
        .cluster(&"demo".parse().unwrap())
        .machine(&"worker1".parse().unwrap())
        .trust();
    std::fs::write(&path, "not json").unwrap();
    assert_eq!(bench.behind().len(), 2);
    bench.remove("rootc").await.unwrap();
    assert_eq!(bench.desired("worker1"), 2);
}
