use std::net::SocketAddr;

use secrecy::SecretString;
use skep_context::Context;
use skep_model::{Events, Size, Verdict};
use skep_os::Seed;
use skep_store::Journal;
use tempfile::TempDir;

use super::probe::tests::{closed, greeter};
use super::*;

struct Bench {
    _home: TempDir,
    driver: SshDriver,
    journal: Journal,
    events: Events,
    cancel: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(&home.path().join("journal")).unwrap();
        let driver = SshDriver::new(Layout::new(home.path()));
        let (events, cancel) = (Events::none(), CancellationToken::new());
        Self { _home: home, driver, journal, events, cancel }
    }

    fn work(&self) -> Work<'_> {
        Work { journal: &self.journal, context: Context::new(&self.events, &self.cancel) }
    }

    async fn create(&self, name: &str, sshd: SocketAddr) -> MachineId {
        let id = id(name);
        let options = DriverOptions::Ssh(Some(host(sshd)));
        let plan = MachinePlan {
            id: id.clone(),
            address: Ipv4Addr::LOCALHOST,
            seed: Seed::new(id.machine.clone(), "ssh-ed25519 AAAA", SecretString::from("none")),
            written: std::time::SystemTime::UNIX_EPOCH,
            size: Size::default(),
            publish: Vec::new(),
            options,
        };
        self.driver.create(&plan, self.work()).await.unwrap();
        id
    }

    async fn checks(&self, options: DriverOptions) -> Vec<Check> {
        let request = Request {
            cluster: cluster(),
            new_machines: 1,
            subnet: None,
            new_network: false,
            size: Size::default(),
            publish: Vec::new(),
            options,
        };
        self.driver.preflight(&request, &self.cancel).await
    }
}

fn cluster() -> ClusterName {
    "demo".parse().unwrap()
}

fn id(name: &str) -> MachineId {
    MachineId { cluster: cluster(), machine: name.parse().unwrap() }
}

fn host(sshd: SocketAddr) -> Host {
    let SocketAddr::V4(sshd) = sshd else { panic!("{sshd}") };
    Host { address: *sshd.ip(), ssh_port: sshd.port(), engine_port: 2376, user: "root".into() }
}

#[tokio::test]
async fn a_host_is_remembered_looked_at_and_forgotten() {
    let bench = Bench::new();
    let (on, off) = (greeter(b"SSH-2.0-x\r\n").await, closed().await);
    let one = bench.create("one", on).await;
    let two = bench.create("two", off).await;
    let states = bench.driver.states(&cluster()).await.unwrap();
    let of = |id: &MachineId| states[&id.machine];
    assert_eq!((of(&one), of(&two)), (MachineState::Running, MachineState::Stopped));
    let reach = bench.driver.reach(&one, Ipv4Addr::UNSPECIFIED, &DriverOptions::Ssh(None)).unwrap();
    assert_eq!((reach.host, reach.ssh, reach.engine), (on.ip(), on.port(), 2376));
    let outstanding = bench.journal.outstanding().unwrap();
    assert_eq!(outstanding, bench.driver.resources(&cluster()).await.unwrap());
    assert_eq!(outstanding[0].to_string(), "host demo/one");

    bench.driver.remove(&one, bench.work()).await.unwrap();
    bench.driver.remove_resource(&cluster(), &outstanding[1], bench.work()).await.unwrap();
    assert!(bench.driver.states(&cluster()).await.unwrap().is_empty());
    assert!(bench.journal.outstanding().unwrap().is_empty());
}

#[tokio::test]
async fn a_hosts_power_is_its_owners() {
    let bench = Bench::new();
    let one = bench.create("one", greeter(b"SSH-2.0-x\r\n").await).await;
    let two = bench.create("two", closed().await).await;
    let (driver, cancel) = (&bench.driver, &bench.cancel);
    driver.start(&one, cancel).await.unwrap();
    let said = [
        driver.start(&two, cancel).await.unwrap_err().to_string(),
        driver.stop(&one, cancel).await.unwrap_err().to_string(),
        driver.kill(&one, cancel).await.unwrap_err().to_string(),
        driver.stop(&id("three"), cancel).await.unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    generic driver does not support start: two is a host that was there before; log in to it for that
    generic driver does not support stop: one is a host that was there before; log in to it for that
    generic driver does not support kill: one is a host that was there before; log in to it for that
    machine three does not exist
    ");
}

#[tokio::test]
async fn what_keeps_a_host_from_being_taken_is_known_before() {
    let bench = Bench::new();
    let verdict = async |options| bench.checks(options).await[0].verdict;
    let at = |sshd| DriverOptions::Ssh(Some(host(sshd)));
    assert_eq!(verdict(at(greeter(b"SSH-2.0-x\r\n").await)).await, Verdict::Pass);
    assert_eq!(verdict(at(greeter(b"220 mail\r\n").await)).await, Verdict::Fail);
    assert_eq!(verdict(at(closed().await)).await, Verdict::Fail);
    assert_eq!(verdict(at("0.0.0.0:22".parse().unwrap())).await, Verdict::Fail);
    assert_eq!(verdict(DriverOptions::Ssh(None)).await, Verdict::Fail);
}

#[tokio::test]
async fn a_record_of_another_program_is_a_failed_machine() {
    let bench = Bench::new();
    let one = bench.create("one", closed().await).await;
    let path = bench.driver.shelf.machine_record(&one);
    std::fs::write(path, "{\"schema\":99}").unwrap();
    let states = bench.driver.states(&cluster()).await.unwrap();
    assert_eq!(states[&one.machine], MachineState::Failed);
}

#[test]
fn an_sshd_that_turns_this_host_away_is_not_taken_for_another_program() {
    let host = Host {
        address: "192.0.2.7".parse().unwrap(),
        ssh_port: 22,
        engine_port: 2376,
        user: "ann".into(),
    };
    let fix = |line: &str| {
        let check = check(&host, Answer::NotSsh(line.into()));
        assert_eq!(check.verdict, Verdict::Fail);
        check.fix.words().unwrap().to_owned()
    };
    assert!(fix("Not allowed at this time").contains("try again in a minute"));
    assert!(fix("HTTP/1.1 400 Bad Request").starts_with("another program has this port"));
}
