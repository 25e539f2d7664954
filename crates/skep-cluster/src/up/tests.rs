//! `up` and `down` over the fake driver: what they promise about the store, the journal and what
//! is left, without a machine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use skep_context::Context;
use skep_machine::{Driver, DriverKind, MachineError, fake::FakeDriver};
use skep_model::{Advice, Advise as _, ClusterName, Events, Size, Transition};
use skep_store::Journal;
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, Desired, Home, Settings,
    down::{Removed, down},
    reach::Cluster,
    unfinished::{Removal, removal},
    up::{Report, up},
};

struct Bench {
    _directory: tempfile::TempDir,
    driver: Arc<FakeDriver>,
    home: Home,
    name: ClusterName,
    cancel: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let driver = Arc::new(FakeDriver::new());
        let settings = Settings::of_test(directory.path());
        let home = Home::open(settings).unwrap().with_driver(driver.clone());
        let name = "demo".parse().unwrap();
        Self { _directory: directory, driver, home, name, cancel: CancellationToken::new() }
    }

    /// Machines of the fake driver have no SSH server, so `up` gets as far as waiting for one.
    async fn up(&self) -> Result<Report, ClusterError> {
        let desired =
            Desired { driver: Some(DriverKind::Container), workers: Some(1), ..Desired::default() };
        let events = Events::none();
        let timeout = Duration::ZERO;
        let context = Context::new(&events, &self.cancel).within(timeout);
        up(&self.home, &self.name, &desired, context).await
    }

    async fn down(&self) -> Result<Removed, ClusterError> {
        down(&self.home, &self.name, Context::new(&Events::none(), &self.cancel)).await
    }

    /// The settings it was opened with.
    fn settings(&self) -> Settings {
        self.home.settings().clone()
    }

    fn cluster_directory(&self) -> PathBuf {
        self.home.layout().cluster(&self.name).directory().to_owned()
    }
}

#[tokio::test]
async fn a_cancelled_up_touches_nothing() {
    let bench = Bench::new();
    bench.cancel.cancel();
    assert!(matches!(bench.up().await, Err(ClusterError::Cancelled)));
    assert!(!bench.cluster_directory().exists());
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_impossible_wish_touches_nothing() {
    let bench = Bench::new();
    let desired = Desired { managers: Some(0), ..Desired::default() };
    let events = Events::none();
    let context = Context::new(&events, &bench.cancel).within(Duration::ZERO);
    let ended = up(&bench.home, &bench.name, &desired, context).await;
    assert!(matches!(ended, Err(ClusterError::Request { .. })));
    assert!(!bench.cluster_directory().exists());
}

#[tokio::test]
async fn an_accelerator_that_cannot_be_had_leaves_no_cluster_and_takes_none() {
    let bench = Bench::new();
    bench.driver.refuse_to_prepare();
    let refused = |ended: Result<Report, ClusterError>| {
        let error = ended.unwrap_err();
        let is_it =
            matches!(error, ClusterError::Machine(MachineError::Acceleration { accel: "kvm", .. }));
        assert!(is_it, "{error:?}");
    };
    refused(bench.up().await);
    assert!(!bench.cluster_directory().exists());
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());

    bench.driver.clear_failure();
    bench.up().await.unwrap_err();
    let before = bench.driver.resources(&bench.name).await.unwrap();
    bench.driver.refuse_to_prepare();
    refused(bench.up().await);
    assert!(bench.cluster_directory().exists());
    assert_eq!(bench.driver.resources(&bench.name).await.unwrap(), before);
    bench.down().await.unwrap();
    assert!(!bench.cluster_directory().exists());
}

#[tokio::test]
async fn a_wish_of_which_no_machine_was_made_is_replaced_by_the_next() {
    let bench = Bench::new();
    bench.driver.refuse("manager1".parse().unwrap(), Transition::Create);
    let events = Events::none();
    let context = Context::new(&events, &bench.cancel).within(Duration::ZERO);
    let first = Desired {
        driver: Some(DriverKind::Container),
        workers: Some(0),
        size: Size { memory: Some(5 << 20), ..Size::default() },
        subnet: Some("192.168.77.0/24".parse().unwrap()),
        ..Desired::default()
    };
    let ended = up(&bench.home, &bench.name, &first, context).await;
    assert!(matches!(ended, Err(ClusterError::Partly { .. })));

    let second = Desired {
        managers: Some(1),
        size: Size { memory: Some(512 << 20), ..Size::default() },
        subnet: Some("192.168.78.0/24".parse().unwrap()),
        ..first
    };
    let ended = up(&bench.home, &bench.name, &second, context).await;
    assert!(matches!(ended, Err(ClusterError::Partly { .. })), "it is refused as before");
    let record = ClusterRecord::load(&bench.home, &bench.name).unwrap().unwrap();
    assert_eq!((record.size, record.subnet), (second.size, second.subnet));
    assert_eq!(bench.driver.resources(&bench.name).await.unwrap().len(), 1, "one network");
    bench.down().await.unwrap();
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn machines_that_were_never_made_are_dropped_with_what_the_store_has_of_them() {
    let bench = Bench::new();
    bench.driver.refuse("worker1".parse().unwrap(), Transition::Create);
    bench.up().await.unwrap_err();
    let events = Events::none();
    let context = Context::new(&events, &bench.cancel).within(Duration::ZERO);
    let none = Desired { workers: Some(0), ..Desired::default() };
    up(&bench.home, &bench.name, &none, context).await.unwrap_err();
    let record = ClusterRecord::load(&bench.home, &bench.name).unwrap().unwrap();
    let names: Vec<_> = record.machines.iter().map(|machine| machine.name.as_str()).collect();
    assert_eq!(names, ["manager1"]);
    assert!(!bench.cluster_directory().join("machines/worker1").exists());
    let other = Desired { size: Size { cpus: Some(1), ..Size::default() }, ..Desired::default() };
    let ended = up(&bench.home, &bench.name, &other, context).await;
    assert!(matches!(ended, Err(ClusterError::Request { .. })), "manager1 was made");
}

#[tokio::test]
async fn what_an_unfinished_up_made_is_all_taken_down() {
    let bench = Bench::new();
    let record = |bench: &Bench| ClusterRecord::load(&bench.home, &bench.name).unwrap();
    bench.cancel_after_creation().await;
    assert_eq!(record(&bench).unwrap().machines.len(), 2, "it is kept for the next `up`");
    let journal = Journal::open(&bench.home.layout().cluster(&bench.name).journal()).unwrap();
    assert!(!journal.outstanding().unwrap().is_empty());
    let bench = bench.again();
    assert!(matches!(bench.down().await.unwrap(), Removed::Machines(_)));
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());
    assert!(!bench.cluster_directory().exists());
    assert_eq!(bench.down().await.unwrap(), Removed::Nothing);
}

#[tokio::test]
async fn down_goes_on_after_an_error_and_says_what_is_left() {
    let bench = Bench::new();
    bench.cancel_after_creation().await;
    let bench = bench.again();
    bench.driver.refuse("manager1".parse().unwrap(), Transition::Remove);
    let Err(ClusterError::Leftovers { left, .. }) = bench.down().await else {
        panic!("a machine that stays is not passed over in silence");
    };
    let left: Vec<_> = left.iter().map(|left| left.resource.to_string()).collect();
    assert_eq!(left, ["machine demo/manager1"], "worker1 and the network are gone");
    assert!(bench.cluster_directory().exists(), "what is known of it is kept");
    bench.driver.clear_failure();
    assert_eq!(bench.down().await.unwrap(), Removed::Machines(1));
    assert!(!bench.cluster_directory().exists());
}

#[tokio::test]
async fn a_damaged_record_does_not_stand_in_the_way_of_down() {
    let bench = Bench::new();
    bench.cancel_after_creation().await;
    let bench = bench.again();
    let record = bench.home.layout().cluster(&bench.name).record();
    fs_err::write(skep_store::kept::place(&record), "{").unwrap();
    fs_err::write(record, "{").unwrap();
    assert!(matches!(bench.down().await.unwrap(), Removed::Machines(_)));
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_authority_that_machines_trust_is_never_replaced() {
    let bench = Bench::new();
    bench.cancel_after_creation().await;
    let bench = bench.again();
    bench.home.authority().unwrap();
    fs_err::remove_dir_all(bench.home.layout().certs()).unwrap();
    let error = bench.home.authority().unwrap_err();
    assert_eq!(error.advice(), Some(Advice::RestoreAuthority), "{error}");
    bench.down().await.unwrap();
    bench.home.authority().unwrap();
}

/// All files of the store but the second copies.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with(".kept") => {}
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Nothing is lost of a cluster whatever is done to one file of the store: empty, noise, gone.
#[tokio::test]
async fn every_file_of_the_store_may_be_damaged_or_lost() {
    let bench = Bench::new();
    bench.cancel_after_creation().await;
    let bench = bench.again();
    bench.home.authority().unwrap();
    let layout = bench.home.layout().clone();
    let before = Cluster::open(&bench.home, &bench.name).unwrap();
    let authority = fs_err::read(layout.certs().join("ca-key.pem")).unwrap();
    let journal = layout.cluster(&bench.name).journal();
    let mut all = Vec::new();
    files(layout.root(), &mut all);
    assert!(all.len() > 14, "{all:?}");
    for path in all {
        for damage in [Some(&b""[..]), Some(b"\xff\x00\x80\n{]\n"), None] {
            match damage {
                Some(bytes) => fs_err::write(&path, bytes).unwrap(),
                None => fs_err::remove_file(&path).unwrap(),
            }
            let home = Home::open(bench.settings()).unwrap().with_driver(bench.driver.clone());
            let cluster = Cluster::open(&home, &bench.name).unwrap();
            assert_eq!(cluster.record(), before.record(), "{}", path.display());
            for machine in &cluster.record().machines {
                let access = cluster.access(machine).unwrap();
                let key = fs_err::read(&access.key).unwrap();
                assert!(skep_guest::KeyPair::of_private(&key).is_some(), "{}", path.display());
                let pins = fs_err::read_to_string(&access.known_hosts).unwrap();
                assert!(skep_guest::is_known_hosts(&pins), "{}", path.display());
            }
            home.authority().unwrap();
            Journal::open(&journal).unwrap().outstanding().unwrap();
        }
    }
    assert_eq!(fs_err::read(layout.certs().join("ca-key.pem")).unwrap(), authority);
    assert!(matches!(bench.down().await.unwrap(), Removed::Machines(_)));
    assert!(bench.driver.resources(&bench.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_command_at_a_time_changes_a_cluster() {
    let bench = Bench::new();
    bench.cancel_after_creation().await;
    let bench = bench.again();
    let _held = bench.home.lock(&bench.name).unwrap();
    let error = bench.down().await.unwrap_err().to_string();
    assert!(error.contains("cluster demo is in use by another skep (a test)"), "{error}");
}

impl Bench {
    /// Runs `up` until its machines are made, then cancels it, as Ctrl-C does.
    async fn cancel_after_creation(&self) {
        let cancel = self.cancel.clone();
        let events = Events::new(move |event| {
            if let skep_model::Event::Started { step, .. } = event
                && step == "waiting for SSH"
            {
                cancel.cancel();
            }
        });
        let desired =
            Desired { driver: Some(DriverKind::Container), workers: Some(1), ..Desired::default() };
        let timeout = Duration::from_secs(60);
        let context = Context::new(&events, &self.cancel).within(timeout);
        let ended = up(&self.home, &self.name, &desired, context).await;
        assert!(ended.is_err(), "there is nothing to log in to");
    }

    /// The same bench for a command that is not cancelled.
    fn again(self) -> Self {
        Self { cancel: CancellationToken::new(), ..self }
    }
}

#[tokio::test]
async fn a_store_that_lost_its_id_gets_no_other_while_it_has_clusters() {
    let bench = Bench::new();
    let _ = bench.up().await;
    let record = bench.home.layout().store_record();
    let text = fs_err::read_to_string(&record).unwrap();
    skep_store::file::remove(&record).unwrap();
    let error = Home::open(bench.settings()).unwrap_err().to_string();
    assert!(error.contains("store.json is damaged: it is gone"), "{error}");
    assert!(!record.exists());
    fs_err::write(&record, text).unwrap();
    bench.down().await.unwrap();
    fs_err::remove_file(&record).unwrap();
    Home::open(bench.settings()).unwrap();
}

/// Interrupts a `down` whose machine `stays` cannot be removed, and everything else can.
async fn half_down(bench: &Bench, stays: &str) {
    bench.driver.refuse(stays.parse().unwrap(), Transition::Remove);
    assert!(bench.down().await.is_err());
    bench.driver.clear_failure();
}

#[tokio::test]
async fn a_removal_that_was_begun_is_known_until_it_is_finished_or_given_up() {
    let bench = Bench::new();
    // Its machines are not waited for, since they cannot be logged in to; they are made.
    let _ = bench.up().await;
    assert_eq!(removal(&bench.home, &bench.name), None, "it is an `up` that is unfinished");
    half_down(&bench, "manager1").await;
    assert_eq!(removal(&bench.home, &bench.name), Some(Removal::Interrupted));
    let held = bench.home.lock(&bench.name).unwrap();
    assert_eq!(removal(&bench.home, &bench.name), Some(Removal::UnderWay("a test".into())));
    drop(held);
    let _ = bench.up().await;
    assert_eq!(removal(&bench.home, &bench.name), None);
    half_down(&bench, "manager1").await;
    // Both count, though one was gone before.
    assert_eq!(bench.down().await.unwrap(), Removed::Machines(2));
    assert_eq!(removal(&bench.home, &bench.name), None);
}

#[tokio::test]
async fn what_is_left_of_a_lost_swarm_is_removed_before_it_is_made_anew() {
    let bench = Bench::new();
    // Its machines are not waited for, since they cannot be logged in to; they are made.
    let _ = bench.up().await;
    half_down(&bench, "worker1").await;
    let files = bench.home.layout().cluster(&bench.name);
    let journal = || Journal::open(&files.journal()).unwrap();
    assert_eq!(journal().leaving().unwrap().len(), 1, "worker1 was asked to go");
    // As far as an `up` of machines that cannot be logged in to gets.
    let _ = bench.up().await;
    assert_eq!(journal().leaving().unwrap(), []);
    assert_eq!(journal().uncertain().unwrap(), []);
    assert_eq!(bench.driver.states(&bench.name).await.unwrap().len(), 2);
}
