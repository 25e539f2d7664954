//! Machines by themselves, over the fake driver and the one of URLs: what is promised about names,
//! clusters, locks and what is left.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use skep_context::Context;
use skep_machine::{
    Driver, DriverKind, DriverOptions, MachineId, fake::FakeDriver, none::EngineUrl,
};
use skep_model::{
    Advice, Advise as _, ClusterName, Event, Events, MachineName, Reason, Size, Transition,
};
use skep_store::layout::ClusterLayout;
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, EngineOptions, Home, MachineRecord, Settings,
    down::down,
    environment::{host, url},
    find::{cluster_of, clusters_of, everything},
    guard::{Loss, guard},
    locks,
    machines::{NewMachine, Stage, create, place_for, provision, remove as take_away},
    power::{Power, power},
    reach::Cluster,
    status::status,
};

struct Bench {
    _directory: tempfile::TempDir,
    driver: Arc<FakeDriver>,
    home: Home,
    cancel: CancellationToken,
}

impl Bench {
    /// A store whose machines of every kind but `none` are the fake driver's.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::of_test(directory.path());
        let home = Home::open(settings).unwrap();
        let driver = Arc::new(FakeDriver::new());
        Self { _directory: directory, driver, home, cancel: CancellationToken::new() }
    }

    /// The same store with the fake driver in place of every other.
    fn fake(&self) -> Home {
        self.home.clone().with_driver(self.driver.clone())
    }

    fn context<'a>(&'a self, events: &'a Events) -> Context<'a> {
        Context::new(events, &self.cancel).within(Duration::from_secs(60))
    }

    async fn make(&self, home: &Home, machine: NewMachine) -> Result<Cluster, ClusterError> {
        create(home, machine, |_| {}, self.context(&Events::none())).await
    }

    /// Makes an engine that is known by its URL.
    async fn engine(&self, name: &str, at: &str) -> Result<Cluster, ClusterError> {
        self.make(&self.home, engine(name, at)).await
    }

    /// Begins to make a fake machine, which cannot be logged in to, and interrupts it there.
    async fn interrupted(&self, name: &str) -> ClusterError {
        let cancel = self.cancel.clone();
        let events = Events::new(move |event| {
            if let Event::Started { step, .. } = event
                && step == "waiting for SSH"
            {
                cancel.cancel();
            }
        });
        let made = create(&self.fake(), machine(name), |_| {}, self.context(&events)).await;
        made.expect_err("there is nothing to log in to")
    }

    fn record(&self, cluster: &str) -> Option<ClusterRecord> {
        ClusterRecord::load(&self.home, &cluster.parse().unwrap()).unwrap()
    }

    fn write(&self, cluster: &str, driver: DriverKind, machines: &[&str]) {
        let mut record = ClusterRecord::new(cluster.parse().unwrap(), driver);
        for (place, name) in machines.iter().enumerate() {
            record.machines.push(MachineRecord::new(name.parse().unwrap(), None, place, driver));
        }
        record.save(&self.home).unwrap();
    }

    fn files(&self, cluster: &str) -> ClusterLayout {
        self.home.layout().cluster(&cluster.parse().unwrap())
    }

    fn cluster(&self, home: &Home, name: &str) -> Cluster {
        Cluster::open(home, &name.parse().unwrap()).unwrap()
    }
}

fn machine(name: &str) -> NewMachine {
    NewMachine {
        name: name.parse().unwrap(),
        cluster: None,
        default_cluster: "skep".parse().unwrap(),
        driver: Some(DriverOptions::Container),
        size: Size::default(),
        engine: EngineOptions::default(),
        publish: Vec::new(),
        ca_certificates: Vec::new(),
        key: None,
        install_engine: false,
        force: false,
    }
}

fn engine(name: &str, at: &str) -> NewMachine {
    NewMachine { driver: Some(DriverOptions::None(Some(EngineUrl(at.into())))), ..machine(name) }
}

/// Asks whether machines may be removed, and removes them.
async fn remove(
    cluster: &Cluster,
    names: &[MachineName],
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let cleared = guard(cluster, names, Loss::Remove, force, context).await?;
    take_away(cluster, &cleared, force, context).await
}

fn names(names: &[&str]) -> Vec<MachineName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn an_engine_is_taken_by_its_url_and_forgotten() {
    let bench = Bench::new();
    let cluster = bench.engine("web1", "tcp://127.0.0.1:1").await.unwrap();
    assert_eq!(cluster.record().name.as_str(), "skep");
    let web1 = cluster.machine("web1").unwrap();
    assert_eq!(url(&cluster, web1).unwrap(), "tcp://127.0.0.1:1");
    assert_eq!(host(&cluster, web1).unwrap(), "127.0.0.1:1");
    assert_eq!(web1.role, None);
    let refused = cluster.access(web1).unwrap_err().to_string();
    assert!(refused.contains("nothing to log in to"), "{refused}");
    bench.engine("web2", "tcp://127.0.0.1:1").await.unwrap();
    let cluster = bench.cluster(&bench.home, "skep");
    let options = Events::none();
    remove(&cluster, &names(&["web1"]), false, bench.context(&options)).await.unwrap();
    let left = bench.record("skep").unwrap();
    assert_eq!(left.machines.len(), 1, "the other one stays");
    let cluster = bench.cluster(&bench.home, "skep");
    remove(&cluster, &names(&["web2"]), false, bench.context(&options)).await.unwrap();
    assert!(!bench.files("skep").directory().exists(), "the last one was that");
}

#[tokio::test]
async fn what_cannot_be_done_to_a_url_is_said() {
    let bench = Bench::new();
    let cluster = bench.engine("web1", "tcp://127.0.0.1:1").await.unwrap();
    let events = Events::none();
    let said = provision(&cluster, &["web1".into()], false, bench.context(&events)).await;
    let Err(ClusterError::Partly { failures, .. }) = said else { panic!("{said:?}") };
    assert!(failures[0].error.to_string().contains("nothing to log in to"));
    let web1 = ["web1".to_owned()];
    let stopped = power(&cluster, &web1, Power::Off, false, bench.context(&events)).await;
    let Err(ClusterError::Partly { failures, .. }) = stopped else { panic!("{stopped:?}") };
    let text = failures[0].error.to_string();
    assert!(text.contains("hosts without a driver cannot be stopped"), "{text}");
    let now = bench.context(&events).within(Duration::ZERO);
    power(&cluster, &web1, Power::On, false, now).await.unwrap();
    // No process listens there, which is all that is wrong with it.
    let status = status(&cluster, &bench.cancel).await.unwrap();
    assert!(status.are_alone() && !status.is_as_desired());
    assert!(status.machines[0].engine.is_err());
}

#[tokio::test]
async fn what_is_refused_touches_nothing() {
    let bench = Bench::new();
    let refused = [
        bench.engine("web1", "garbage").await.unwrap_err(),
        bench
            .make(
                &bench.home,
                NewMachine { driver: Some(DriverOptions::None(None)), ..engine("web1", "") },
            )
            .await
            .unwrap_err(),
        bench
            .make(
                &bench.fake(),
                NewMachine {
                    engine: EngineOptions { env: vec!["FOO=1".into()], ..EngineOptions::default() },
                    ..machine("a")
                },
            )
            .await
            .unwrap_err(),
        bench
            .make(&bench.fake(), NewMachine { key: Some("/nowhere/id".into()), ..machine("a") })
            .await
            .unwrap_err(),
    ];
    for error in &refused {
        assert!(
            matches!(error, ClusterError::Request { .. } | ClusterError::Preflight { .. }),
            "{error:?}"
        );
    }
    assert!(!bench.home.layout().clusters().exists());
    assert!(!bench.home.layout().certs().exists());
}

#[tokio::test]
async fn a_name_is_taken_in_every_cluster() {
    let bench = Bench::new();
    bench.write("lab", DriverKind::Container, &["manager1"]);
    let error = bench.engine("manager1", "tcp://127.0.0.1:1").await.unwrap_err();
    assert!(error.to_string().contains("in cluster lab"), "{error}");
    assert_eq!(error.advice(), Some(Advice::OtherMachine("manager1".parse().unwrap())));
    assert_eq!(everything(&bench.home).unwrap().clusters.len(), 1);
}

#[tokio::test]
async fn a_cluster_has_one_driver() {
    let bench = Bench::new();
    bench.write("skep", DriverKind::Qemu, &["a"]);
    let default: ClusterName = "skep".parse().unwrap();
    let place = |kind| place_for(&bench.home, kind, &default).unwrap().to_string();
    assert_eq!(place(DriverKind::Qemu), "skep");
    assert_eq!(place(DriverKind::None), "none");
    bench.write("none", DriverKind::Container, &["b"]);
    assert_eq!(place(DriverKind::None), "none-2");
    let cluster = bench.engine("web1", "tcp://127.0.0.1:1").await.unwrap();
    assert_eq!(cluster.record().name.as_str(), "none-2");
    let named = NewMachine {
        cluster: Some("skep".parse().unwrap()),
        ..engine("web2", "tcp://127.0.0.1:1")
    };
    let error = bench.make(&bench.home, named).await.unwrap_err().to_string();
    assert!(error.contains("cluster skep are of driver qemu"), "{error}");
}

#[tokio::test]
async fn two_drivers_that_choose_at_once_get_a_cluster_each() {
    let bench = Bench::new();
    let held = bench.home.lock(&"skep".parse().unwrap()).unwrap();
    let events = Events::none();
    let making = tokio::sync::Notify::new();
    let told = |stage| {
        if stage == Stage::Making {
            making.notify_one();
        }
    };
    let wanted = engine("web1", "tcp://127.0.0.1:1");
    let made = create(&bench.home, wanted, told, bench.context(&events));
    let other = async {
        making.notified().await;
        // It has chosen `skep`, and another one is first.
        bench.write("skep", DriverKind::Qemu, &["a"]);
        drop(held);
    };
    let (made, ()) = tokio::join!(made, other);
    assert_eq!(made.unwrap().record().name.as_str(), "none");
    assert_eq!(bench.record("skep").unwrap().machines.len(), 1);
}

#[tokio::test]
async fn a_name_that_is_taken_meanwhile_leaves_no_cluster_behind() {
    let bench = Bench::new();
    let held = bench.home.lock(&"skep".parse().unwrap()).unwrap();
    let events = Events::none();
    let making = tokio::sync::Notify::new();
    let told = |stage| {
        if stage == Stage::Making {
            making.notify_one();
        }
    };
    let wanted = engine("web1", "tcp://127.0.0.1:1");
    let made = create(&bench.home, wanted, told, bench.context(&events));
    let other = async {
        making.notified().await;
        bench.write("lab", DriverKind::Qemu, &["web1"]);
        drop(held);
    };
    let (made, ()) = tokio::join!(made, other);
    assert!(matches!(made, Err(ClusterError::MachineExists { .. })), "{made:?}");
    assert!(!bench.files("skep").directory().exists());
}

#[tokio::test]
async fn an_interrupted_create_leaves_nothing() {
    let bench = Bench::new();
    let error = bench.interrupted("a").await;
    assert!(error.is_cancelled(), "{error:?}");
    let cluster = "skep".parse().unwrap();
    assert!(bench.driver.resources(&cluster).await.unwrap().is_empty());
    assert!(!bench.files("skep").directory().exists());
}

#[tokio::test]
async fn an_interrupted_create_leaves_the_others_alone() {
    let bench = Bench::new();
    bench.write("skep", DriverKind::Container, &["b"]);
    bench.interrupted("a").await;
    let record = bench.record("skep").unwrap();
    assert_eq!(record.machines.len(), 1);
    assert_eq!(record.machines[0].name.as_str(), "b");
    assert!(!bench.files("skep").machine(&"a".parse().unwrap()).directory().exists());
}

#[tokio::test]
async fn what_an_interrupted_create_cannot_remove_stays_known() {
    let bench = Bench::new();
    bench.driver.refuse("a".parse().unwrap(), Transition::Remove);
    bench.interrupted("a").await;
    assert!(bench.record("skep").unwrap().machine("a").is_some());
    let bench = Bench { cancel: CancellationToken::new(), ..bench };
    let cluster = bench.cluster(&bench.fake(), "skep");
    let events = Events::none();
    let left = remove(&cluster, &names(&["a"]), false, bench.context(&events)).await;
    let Err(error @ ClusterError::NotRemoved { .. }) = left else { panic!("{left:?}") };
    assert_eq!(error.to_string(), "a could not be removed");
    assert!(bench.record("skep").is_some(), "what is known of it is kept");
    bench.driver.clear_failure();
    remove(&cluster, &names(&["a"]), false, bench.context(&events)).await.unwrap();
    assert!(bench.record("skep").is_none());
    assert!(bench.driver.resources(&"skep".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_is_forgotten_by_force() {
    let bench = Bench::new();
    bench.driver.refuse("a".parse().unwrap(), Transition::Remove);
    bench.interrupted("a").await;
    let bench = Bench { cancel: CancellationToken::new(), ..bench };
    // Another machine, so that the cluster stays.
    let mut record = bench.record("skep").unwrap();
    record.machines.push(MachineRecord::new("b".parse().unwrap(), None, 1, record.driver));
    record.save(&bench.home).unwrap();
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = said.clone();
    let events = Events::new(move |event| {
        if let Event::Warning { text, .. } = event {
            heard.lock().unwrap().push(text);
        }
    });
    let cluster = bench.cluster(&bench.fake(), "skep");
    remove(&cluster, &names(&["a"]), true, bench.context(&events)).await.unwrap();
    assert!(bench.record("skep").unwrap().machine("a").is_none());
    let said = said.lock().unwrap().join("\n");
    assert!(said.contains("may still be there"), "{said}");
}

/// The fake driver's machines have no engines, so none can be asked about these.
#[tokio::test]
async fn a_manager_that_nobody_can_ask_about_is_kept() {
    let bench = Bench::new();
    bench.write("skep", DriverKind::Container, &["a", "b"]);
    let mut record = bench.record("skep").unwrap();
    record.machines[0].role = Some(skep_model::Role::Manager);
    record.machines[0].node = Some(skep_swarm::NodeId::new("n1"));
    record.machines[1].role = Some(skep_model::Role::Worker);
    record.save(&bench.home).unwrap();
    let events = Events::none();
    let cluster = bench.cluster(&bench.fake(), "skep");
    for both in [&["a"][..], &["b", "a"]] {
        let kept = remove(&cluster, &names(both), false, bench.context(&events)).await;
        let Err(ClusterError::Guarded { reason, fix }) = kept else { panic!("{kept:?}") };
        assert!(
            reason.text.contains("a is not running") && reason.text.contains("gone for good"),
            "{reason:?}"
        );
        assert_eq!(fix, Advice::First(vec![Advice::Start(names(&["a"]))]));
        assert_eq!(bench.record("skep").unwrap(), record, "nothing was touched");
    }
    remove(&cluster, &names(&["b"]), false, bench.context(&events)).await.unwrap();
    let cluster = bench.cluster(&bench.fake(), "skep");
    remove(&cluster, &names(&["a"]), true, bench.context(&events)).await.unwrap();
    assert!(bench.record("skep").is_none());
}

#[tokio::test]
async fn several_are_made_in_one_cluster_at_the_same_time() {
    let bench = Bench::new();
    let make = |name: &'static str| bench.engine(name, "tcp://127.0.0.1:1");
    let (a, b, c) = tokio::join!(make("a"), make("b"), make("c"));
    for made in [a, b, c] {
        made.unwrap();
    }
    let record = bench.record("skep").unwrap();
    let mut places: Vec<_> = record.machines.iter().map(|machine| machine.place).collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
}

/// One create waits in the middle of its work while another one begins and ends in its cluster.
#[tokio::test]
async fn a_create_does_not_wait_for_another_ones_machine() {
    let bench = Bench::new();
    let home = bench.fake();
    let (reached, waits) = tokio::sync::oneshot::channel();
    let reached = std::sync::Mutex::new(Some(reached));
    let events = Events::new(move |event| {
        if let Event::Started { step, .. } = event
            && step == "waiting for SSH"
            && let Some(reached) = reached.lock().unwrap().take()
        {
            let _ = reached.send(());
        }
    });
    let context = bench.context(&events);
    let slow = create(&home, machine("slow"), |_| {}, context);
    let meanwhile = async {
        waits.await.unwrap();
        // Its lock is its own, and the cluster's is free.
        let cluster = bench.cluster(&home, "skep");
        let fast = NewMachine { driver: None, ..machine("fast") };
        let looking = std::cell::Cell::new(0);
        let told = |stage| {
            if stage == Stage::Making {
                looking.set(looking.get() + 1);
            }
        };
        let none = Events::none();
        let timeout = Duration::ZERO;
        let made = create(&home, fast, told, Context { timeout, ..bench.context(&none) }).await;
        assert!(made.is_err(), "there is nothing to log in to");
        assert_eq!(looking.get(), 1, "it was not kept from beginning");
        let error = down(&home, &cluster.record().name, bench.context(&none)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("machine slow is in use by another skep"), "{text}");
        let error = remove(&cluster, &names(&["slow"]), true, bench.context(&none)).await;
        assert!(matches!(error, Err(ClusterError::Store(_))), "{error:?}");
        bench.cancel.cancel();
    };
    let (made, ()) = tokio::join!(slow, meanwhile);
    assert!(made.unwrap_err().is_cancelled());
    assert!(bench.driver.states(&"skep".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_waits_for_a_cluster_gets_it_or_says_who_has_it() {
    let bench = Bench::new();
    let name: ClusterName = "skep".parse().unwrap();
    let held = bench.home.lock(&name).unwrap();
    let events = Events::none();
    let short = Context { timeout: Duration::ZERO, ..bench.context(&events) };
    let error = locks::cluster(&bench.home, &name, short).await.unwrap_err().to_string();
    assert!(error.contains("in use by another skep (a test)"), "{error}");
    let waiting = Arc::new(tokio::sync::Notify::new());
    let heard = waiting.clone();
    let events = Events::new(move |event| {
        if let Event::Progress { .. } = event {
            heard.notify_one();
        }
    });
    let waits = locks::cluster(&bench.home, &name, bench.context(&events));
    let frees = async {
        waiting.notified().await;
        drop(held);
    };
    let (got, ()) = tokio::join!(waits, frees);
    got.unwrap();
}

#[tokio::test]
async fn machines_are_found_in_whatever_cluster_they_are() {
    let bench = Bench::new();
    bench.write("a", DriverKind::Container, &["manager1", "one"]);
    bench.write("b", DriverKind::Container, &["manager1", "two"]);
    let of = |name: &str, preferred: Option<&str>| {
        let preferred = preferred.map(|name| name.parse().unwrap());
        cluster_of(&bench.home, name, preferred.as_ref())
            .map(|cluster| cluster.record().name.to_string())
            .map_err(|error| Reason::of(&error))
    };
    assert_eq!(of("two", None).unwrap(), "b");
    assert!(of("three", None).unwrap_err().text.contains("no machine three"));
    let several = of("manager1", None).unwrap_err();
    assert!(several.text.contains("a and in b"), "{several:?}");
    assert_eq!(several.advice(), Some(Advice::NameCluster));
    assert_eq!(of("manager1", Some("b")).unwrap(), "b");
    assert!(of("manager1", Some("c")).is_err());
    let asked = ["two", "one", "manager1"].map(str::to_owned);
    let found = clusters_of(&bench.home, &asked, Some(&"a".parse().unwrap())).unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|(cluster, names)| (cluster.record().name.to_string(), names))
        .collect();
    assert_eq!(
        found,
        [
            ("b".to_owned(), vec!["two".to_owned()]),
            ("a".to_owned(), vec!["one".to_owned(), "manager1".to_owned()])
        ]
    );
    // A machine may be in a record that cannot be read: that is reported, not that there is none.
    let record = bench.files("b").record();
    fs_err::write(skep_store::kept::place(&record), "{").unwrap();
    fs_err::write(record, "{").unwrap();
    assert_eq!(of("one", None).unwrap(), "a");
    assert!(of("two", None).unwrap_err().text.contains("damaged"));
}

#[tokio::test]
async fn a_machine_that_is_gone_already_is_removed() {
    let bench = Bench::new();
    bench.driver.refuse("a".parse().unwrap(), Transition::Remove);
    bench.interrupted("a").await;
    let bench = Bench { cancel: CancellationToken::new(), ..bench };
    bench.driver.clear_failure();
    let id = MachineId { cluster: "skep".parse().unwrap(), machine: "a".parse().unwrap() };
    bench.driver.lose(&id);
    let events = Events::none();
    let cluster = bench.cluster(&bench.fake(), "skep");
    remove(&cluster, &names(&["a"]), false, bench.context(&events)).await.unwrap();
    assert!(bench.record("skep").is_none());
}

#[tokio::test]
async fn a_release_is_asked_of_the_url() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.unwrap();
        let body = r#"{"Version": "24.0.7", "ApiVersion": "1.43"}"#;
        let head = "HTTP/1.1 200 OK\r\nServer: Docker/24.0.7 (linux)\r\nApi-Version: 1.43\r\n";
        let text =
            format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await.unwrap();
    };
    let bench = Bench::new();
    let cluster = bench.engine("web1", &format!("http://{address}")).await.unwrap();
    let (status, ()) = tokio::join!(status(&cluster, &bench.cancel), answer);
    let status = status.unwrap();
    assert_eq!(status.machines[0].engine.as_deref().ok(), Some("24.0.7"));
    assert!(status.is_as_desired(), "it is in no swarm, and need not be");
}

#[tokio::test]
async fn a_create_that_was_killed_is_made_anew_by_the_same_and_a_whole_machine_is_not() {
    let bench = Bench::new();
    let home = bench.fake();
    // As a killed create leaves it: written down, and marked.
    bench.write("skep", DriverKind::Container, &["web1"]);
    let mark = bench.files("skep").making(&"web1".parse().unwrap());
    skep_store::write_private(&mark, b"{\"schema\": 1}").unwrap();
    {
        let name = "skep".parse().unwrap();
        let _maker = locks::machine(&home, &name, &"web1".parse().unwrap()).unwrap();
        let error = bench.make(&home, machine("web1")).await.unwrap_err();
        assert!(matches!(error, ClusterError::MachineExists { .. }), "its maker lives: {error}");
    }
    let error = bench.interrupted("web1").await;
    assert!(error.is_cancelled(), "it was made anew until nobody could log in: {error}");
    assert!(bench.record("skep").is_none() && !mark.exists());

    let bench = Bench::new();
    bench.write("skep", DriverKind::Container, &["web1"]);
    let error = bench.make(&bench.fake(), machine("web1")).await.unwrap_err();
    assert!(matches!(error, ClusterError::MachineExists { .. }), "{error}");
}

#[tokio::test]
async fn the_last_machine_is_named_until_its_cluster_is_gone() {
    let bench = Bench::new();
    let home = bench.fake();
    bench.write("skep", DriverKind::Container, &["web1", "web2"]);
    let cluster = bench.cluster(&home, "skep");
    let (events, cancelled) = (Events::none(), CancellationToken::new());
    cancelled.cancel();
    let context = Context { cancel: &cancelled, ..bench.context(&events) };
    // Interrupted, both are still listed, and the same command finds them.
    assert!(remove(&cluster, &names(&["web1", "web2"]), false, context).await.is_err());
    assert_eq!(bench.record("skep").unwrap().machines.len(), 2);
    remove(&cluster, &names(&["web1"]), false, bench.context(&events)).await.unwrap();
    let locks = bench.files("skep").machine_lock(&"web1".parse().unwrap());
    assert!(!locks.exists(), "the lock of a machine that is gone stays");
    remove(&bench.cluster(&home, "skep"), &names(&["web2"]), false, bench.context(&events))
        .await
        .unwrap();
    assert!(!bench.files("skep").directory().exists());
}
