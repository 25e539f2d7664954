//! The driver over a small scripted VBoxManage: what it asks for, in which order, and what it makes
//! of the answers.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use ipnet::Ipv4Net;
use skep_context::Context;
use skep_model::{ClusterName, Events, MachineState, Size, Verdict};
use skep_os::{OsError, Seed};
use skep_store::{Journal, Layout};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Host, Iso, Options, Os, VirtualBoxDriver};
use crate::{Driver, DriverOptions, MachineError, MachineId, MachinePlan, Request, Work};

/// A host with a VBoxManage, and a store.
struct Bench {
    home: TempDir,
    driver: VirtualBoxDriver,
    journal: Journal,
    events: Events,
    cancel: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("VBoxManage");
        // A link, since a program that was only just written may be busy still.
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/virtualbox/fixtures/VBoxManage");
        symlink(script, &program).unwrap();
        fs_err::create_dir_all(home.path().join("etc/vbox")).unwrap();
        fs_err::create_dir(home.path().join("vms")).unwrap();
        fs_err::write(home.path().join("etc/vbox/networks.conf"), "* 192.168.0.0/16\n").unwrap();
        fs_err::write(home.path().join("b2d.iso"), "an image").unwrap();
        let driver = driver(home.path()).with_program(program);
        let journal = Journal::open(&home.path().join("journal")).unwrap();
        Self { home, driver, journal, events: Events::none(), cancel: CancellationToken::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.path(name), text).unwrap();
    }

    fn work(&self) -> Work<'_> {
        Work { journal: &self.journal, context: Context::new(&self.events, &self.cancel) }
    }

    /// What VBoxManage was asked since the last time, with what differs from run to run left out.
    fn asked(&self) -> String {
        let asked = fs_err::read_to_string(self.path("asked")).unwrap_or_default();
        let _ = fs_err::remove_file(self.path("asked"));
        let asked = in_order(&asked.replace(&self.home.path().display().to_string(), "/HOME"));
        let Some((before, rest)) = asked.split_once(",tcp,127.0.0.1,") else { return asked };
        let (_, after) = rest.split_once(',').unwrap();
        format!("{before},tcp,127.0.0.1,PORT,{after}")
    }

    fn files(&self, machine: &str) -> PathBuf {
        Layout::new(self.path("store"))
            .cluster(&cluster())
            .machine(&machine.parse().unwrap())
            .directory()
            .join("virtualbox")
    }

    async fn prepare(&self) -> Ipv4Net {
        let wanted = Some("192.168.99.0/24".parse().unwrap());
        self.driver.prepare(&cluster(), wanted, self.work()).await.unwrap().unwrap()
    }

    async fn running(&self, machine: &str) -> MachinePlan {
        self.prepare().await;
        let plan = plan(machine, DriverOptions::Virtualbox(None));
        self.driver.create(&plan, self.work()).await.unwrap();
        self.driver.start(&plan.id, &self.cancel).await.unwrap();
        plan
    }

    async fn state(&self, machine: &str) -> MachineState {
        let states = self.driver.states(&cluster()).await.unwrap();
        states.get(machine).copied().unwrap_or(MachineState::Absent)
    }
}

/// Disks are written while the machine is registered: here they come before it.
fn in_order(asked: &str) -> String {
    let makes_disks = |line: &str| {
        ["convertfromraw", "createmedium", "clonemedium"].iter().any(|verb| line.starts_with(verb))
    };
    let lines: Vec<&str> = asked.lines().collect();
    let registered = lines.iter().position(|line| line.starts_with("createvm")).unwrap_or(0);
    let listed = lines[..registered].iter().rposition(|line| line.starts_with("list vms"));
    let (mut disks, rest): (Vec<&str>, Vec<&str>) =
        lines.iter().partition(|line| makes_disks(line));
    disks.sort_unstable();
    let before =
        listed.map_or(0, |listed| lines[..listed].iter().filter(|line| !makes_disks(line)).count());
    let all = rest[..before].iter().chain(&disks).chain(&rest[before..]);
    all.map(|line| format!("{line}\n")).collect()
}

fn driver(home: &Path) -> VirtualBoxDriver {
    let host = Host {
        root: home.to_owned(),
        os: Os::Linux,
        runtime: home.join("run"),
        holder: "process 1, a test".into(),
    };
    let os = || Err(OsError::Cancelled);
    VirtualBoxDriver::new(Layout::new(home.join("store")), "store1", Box::new(os), host)
        .with_iso(home.join("b2d.iso"))
}

fn cluster() -> ClusterName {
    "skep".parse().unwrap()
}

fn plan(machine: &str, options: DriverOptions) -> MachinePlan {
    let name = || machine.parse().unwrap();
    MachinePlan {
        id: MachineId { cluster: cluster(), machine: name() },
        address: [192, 168, 99, 100].into(),
        seed: Seed::new(name(), "ssh-ed25519 AAAA me", "a host key".into()),
        written: UNIX_EPOCH,
        size: Size::default(),
        publish: Vec::new(),
        options,
    }
}

fn request(options: Options) -> Request {
    Request {
        cluster: cluster(),
        new_machines: 1,
        subnet: None,
        new_network: true,
        size: Size::default(),
        publish: Vec::new(),
        options: DriverOptions::Virtualbox(Some(Box::new(options))),
    }
}

#[tokio::test]
async fn a_machine_is_made_started_stopped_and_removed() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    insta::assert_snapshot!("made_and_started", bench.asked());
    // Twice is once.
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Running);
    bench.asked();
    bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Stopped);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    assert!(!bench.files("web1").exists());
    let [network] = &bench.journal.outstanding().unwrap()[..] else { panic!("more is left") };
    bench.driver.remove_resource(&cluster(), network, bench.work()).await.unwrap();
    assert_eq!(bench.driver.resources(&cluster()).await.unwrap(), []);
    assert_eq!(bench.journal.outstanding().unwrap(), []);
    insta::assert_snapshot!("stopped_and_removed", bench.asked());
}

#[tokio::test]
async fn the_seed_is_on_the_configuration_disk_and_in_no_argument() {
    let bench = Bench::new();
    bench.running("web1").await;
    assert!(!bench.asked().contains("a host key"));
    let disk = fs_err::read(bench.files("web1").join("config.vdi")).unwrap();
    assert_eq!(disk.len() % (1 << 20), 0);
    let text = String::from_utf8_lossy(&disk);
    assert!(text.contains("a host key") && text.contains(" 192.168.99.100/24 -"), "its network");
    assert!(text.contains(" 10.0.2.15/24 10.0.2.2 10.0.2.3"), "the way out");
}

/// docker-machine's own words, recorded, and those for a VirtualBox of its time.
#[tokio::test]
async fn boot2docker_is_told_what_docker_machine_told_it() {
    let bench = Bench::new();
    bench.write("version", "6.1.50r161033\n");
    bench.prepare().await;
    let options = Options {
        iso: Iso::Boot2docker(bench.path("b2d.iso")),
        host_only_nic: "Am79C973".into(),
        ..Options::default()
    };
    let plan = plan("vb1", DriverOptions::Virtualbox(Some(Box::new(options))));
    fs_err::create_dir(bench.path("home")).unwrap();
    bench.asked();
    bench.driver.create(&plan, bench.work()).await.unwrap();
    let asked = bench.asked();
    let recorded = include_str!("fixtures/docker-machine-create.log");
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("modifyvm"));
        let words =
            lines.flat_map(|line| line.split(' ').skip_while(|word| !word.starts_with("--")));
        words.map(str::to_owned).collect()
    };
    let ours = words(&asked);
    // The port is another one, and there is no earlier rule to delete.
    let theirs = words(recorded)
        .into_iter()
        .filter(|word| !word.contains("127.0.0.1") && !["delete", "ssh"].contains(&word.as_str()));
    for word in theirs {
        assert!(ours.contains(&word), "{word} is not in {ours:?}");
    }
    insta::assert_snapshot!("boot2docker_made", asked);
    let disk = fs_err::read(bench.files("vb1").join("disk.vmdk")).unwrap();
    assert!(disk.starts_with(b"boot2docker, please format-me"));
    assert!(String::from_utf8_lossy(&disk).contains("ssh-ed25519 AAAA me\n"));
}

#[tokio::test]
async fn a_name_that_virtualbox_has_is_refused_and_that_machine_kept() {
    let bench = Bench::new();
    bench.prepare().await;
    bench.write("vms/1", "name=web1 settings=/elsewhere/web1.vbox state='powered off' adapter=\n");
    let plan = plan("web1", DriverOptions::Virtualbox(None));
    let error = bench.driver.create(&plan, bench.work()).await.unwrap_err().to_string();
    insta::assert_snapshot!(error, @"cannot make machine web1: VirtualBox has a machine web1 already, which is none of skep's (/elsewhere/web1.vbox): choose another name, or remove that one with `VBoxManage unregistervm 1 --delete`");
    assert_eq!(bench.state("web1").await, MachineState::Absent);
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    assert!(bench.path("vms/1").exists());
}

#[tokio::test]
async fn another_clusters_machine_of_the_name_is_no_obstacle() {
    let bench = Bench::new();
    bench.prepare().await;
    let other = bench.path("store/clusters/other/machines/web1/virtualbox/web1/web1.vbox");
    let vm = format!("name=web1 settings={} state='powered off' adapter=\n", other.display());
    bench.write("vms/1", &vm);
    bench
        .driver
        .create(&plan("web1", DriverOptions::Virtualbox(None)), bench.work())
        .await
        .unwrap();
    assert!(bench.asked().contains("--name skep-web1 --register"));
}

#[tokio::test]
async fn one_removed_in_virtualbox_is_absent_and_made_again() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    fs_err::remove_dir_all(bench.path("vms")).unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Absent);
    let answer = bench.driver.start(&plan.id, &bench.cancel).await;
    assert!(matches!(answer, Err(MachineError::NoSuchMachine { .. })), "{answer:?}");
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Running);
}

#[tokio::test]
async fn a_service_that_comes_up_is_waited_for() {
    let bench = Bench::new();
    bench.write("busy", "1\n2\n");
    bench.prepare().await;
    assert_eq!(fs_err::read_to_string(bench.path("busy")).unwrap(), "");
}

#[tokio::test]
async fn one_that_hangs_is_killed_and_said_to_hang() {
    let mut bench = Bench::new();
    bench.write("hang", "");
    bench.driver = bench.driver.with_deadline(Duration::from_millis(300));
    let answer = bench.driver.prepare(&cluster(), None, bench.work()).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("did not end within 0.3 s and was killed"), "{error}");
    assert!(error.contains("end the program VBoxSVC"), "{error}");
}

#[tokio::test]
async fn a_network_that_is_not_allowed_is_refused_with_the_line_to_add() {
    let bench = Bench::new();
    bench.write("etc/vbox/networks.conf", "* 10.0.0.0/8\n");
    let wanted = Some("192.168.99.0/24".parse().unwrap());
    let answer = bench.driver.prepare(&cluster(), wanted, bench.work()).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("add the line `* 192.168.99.0/24` to "), "{error}");
    assert_eq!(bench.journal.outstanding().unwrap(), []);
    let checks = bench.driver.preflight(&request(Options::default()), &bench.cancel).await;
    let check = checks.iter().find(|check| check.what == "host-only network").unwrap();
    assert_eq!(check.verdict, Verdict::Fail);
    let fix = check.fix.words().unwrap();
    assert!(fix.starts_with("add the line `* 192.168.99.0/24` to "), "{fix}");
    assert!(!bench.asked().contains("create"), "nothing was touched");
}

#[tokio::test]
async fn without_a_wish_a_network_is_chosen_that_is_allowed() {
    let bench = Bench::new();
    fs_err::remove_file(bench.path("etc/vbox/networks.conf")).unwrap();
    let chosen = bench.driver.prepare(&cluster(), None, bench.work()).await.unwrap();
    assert_eq!(chosen, Some("192.168.63.0/24".parse().unwrap()));
}

#[tokio::test]
async fn an_interface_is_removed_with_its_cluster_unless_somebody_is_on_it() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    bench.write("vms/1", "name=guest settings=/elsewhere/g.vbox state=running adapter=vboxnet0\n");
    let record = bench.path("store/clusters/skep/virtualbox.json");
    let before = fs_err::read(&record).unwrap();
    let [network] = &bench.driver.resources(&cluster()).await.unwrap()[..] else { panic!() };
    bench.driver.remove_resource(&cluster(), network, bench.work()).await.unwrap();
    assert!(bench.path("interfaces").exists(), "another machine is on it");
    fs_err::write(&record, before).unwrap();
    fs_err::remove_file(bench.path("vms/1")).unwrap();
    bench.driver.remove_resource(&cluster(), network, bench.work()).await.unwrap();
    assert!(!bench.path("interfaces").exists());
}

#[tokio::test]
async fn what_one_skep_does_with_interfaces_another_waits_for() {
    let bench = Bench::new();
    let other = driver(bench.home.path()).with_program(bench.path("VBoxManage"));
    let held = other.vbox.lock(&bench.cancel).await.unwrap();
    let prepared = bench.prepare();
    tokio::pin!(prepared);
    let first = futures_util::poll!(&mut prepared);
    assert!(first.is_pending() && bench.asked().is_empty(), "nothing is asked meanwhile");
    drop(held);
    prepared.await;
    assert!(bench.asked().contains("hostonlyif create"));
}

#[tokio::test]
async fn an_interface_that_is_there_is_used_and_stays() {
    let bench = Bench::new();
    let interface = "Name: vboxnet7\nIPAddress: 192.168.99.1\nNetworkMask: 255.255.255.0\n";
    bench.write("interfaces", interface);
    bench.prepare().await;
    assert!(!bench.asked().contains("hostonlyif create"));
    let [network] = &bench.driver.resources(&cluster()).await.unwrap()[..] else { panic!() };
    bench.driver.remove_resource(&cluster(), network, bench.work()).await.unwrap();
    assert_eq!(fs_err::read_to_string(bench.path("interfaces")).unwrap(), interface);
}

#[tokio::test]
async fn interfaces_in_the_way_are_named() {
    let bench = Bench::new();
    let refused = async |interfaces: &str| {
        bench.write("interfaces", interfaces);
        let wanted = Some("192.168.99.0/24".parse().unwrap());
        let answer = bench.driver.prepare(&cluster(), wanted, bench.work()).await;
        answer.unwrap_err().to_string()
    };
    let one = |name: &str, address: &str, mask: &str| {
        format!("Name: {name}\nIPAddress: {address}\nNetworkMask: {mask}\n")
    };
    let wide = refused(&one("vboxnet0", "192.168.98.1", "255.255.254.0")).await;
    assert!(
        wide.contains("it overlaps 192.168.98.0/23, the host-only interface vboxnet0"),
        "{wide}"
    );
    let node = refused(&one("vboxnet0", "192.168.99.100", "255.255.255.0")).await;
    assert!(node.contains("the host itself has 192.168.99.100 there"), "{node}");
    let usual = |name| one(name, "192.168.99.1", "255.255.255.0");
    let two = refused(&(usual("vboxnet0") + &usual("vboxnet1"))).await;
    assert!(two.contains("both vboxnet0 and vboxnet1 have it"), "{two}");
}

#[tokio::test]
async fn a_start_mends_a_network_that_lost_its_address() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    bench.write("interfaces", "Name: vboxnet0\nIPAddress: \nNetworkMask: \n");
    bench.asked();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let ip = "hostonlyif ipconfig vboxnet0 --ip 192.168.99.1 --netmask 255.255.255.0";
    assert!(bench.asked().contains(ip));
    // Another one in its place: the machine is joined with it.
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    let other = "Name: vboxnet3\nIPAddress: 192.168.99.1\nNetworkMask: 255.255.255.0\n";
    bench.write("interfaces", other);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert!(bench.asked().contains("--host-only-adapter2 vboxnet3"));
}

#[tokio::test]
async fn a_machine_that_is_held_goes_on() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    let vm = fs_err::read_to_string(bench.path("vms/00000000-0000-0000-0000-000000000000"));
    let vm = vm.unwrap().replace("running", "paused");
    bench.write("vms/00000000-0000-0000-0000-000000000000", &vm);
    assert_eq!(bench.state("web1").await, MachineState::Stopped);
    bench.asked();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert!(bench.asked().ends_with("resume\n"));
    assert_eq!(bench.state("web1").await, MachineState::Running);
}

#[tokio::test]
async fn why_it_does_not_start_is_told_with_what_to_do() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    bench.write(
        "refuse",
        "startvm 00000000-0000-0000-0000-000000000000\nVT-x is disabled in the BIOS for all CPU \
         modes (VERR_VMX_MSR_ALL_VMX_DISABLED)\n",
    );
    let error = bench.driver.start(&plan.id, &bench.cancel).await.unwrap_err().to_string();
    insta::assert_snapshot!(error, @"cannot start machine web1: VirtualBox says: VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED): switch VT-x or AMD-V on in the firmware's settings; in a virtual machine its host must allow nested virtualization");
}

#[tokio::test]
async fn a_machine_of_docker_machines_is_taken_over_as_it_is() {
    let bench = Bench::new();
    bench.write("vms/1", "name=old settings=/elsewhere/old.vbox state=running adapter=vboxnet0\n");
    let options = Options { vm: Some("1".into()), ..Options::default() };
    let plan = plan("old", DriverOptions::Virtualbox(Some(Box::new(options))));
    bench.driver.create(&plan, bench.work()).await.unwrap();
    assert_eq!(bench.state("old").await, MachineState::Running);
    bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let asked = bench.asked();
    assert!(!asked.contains("modifyvm") && !asked.contains("setextradata"), "{asked}");
    // As a leftover it is forgotten; by its name it is removed.
    let resources = bench.driver.resources(&cluster()).await.unwrap();
    bench.driver.remove_resource(&cluster(), &resources[0], bench.work()).await.unwrap();
    assert_eq!(bench.state("old").await, MachineState::Absent);
    assert!(bench.path("vms/1").exists());
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    assert!(!bench.path("vms/1").exists());
    let missing = Options { vm: Some("2".into()), ..Options::default() };
    let plan = self::plan("new", DriverOptions::Virtualbox(Some(Box::new(missing))));
    let error = bench.driver.create(&plan, bench.work()).await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot take over machine new: VirtualBox has no machine 2"),
        "{error}"
    );
}

#[tokio::test]
async fn an_imported_machines_disk_is_copied() {
    let bench = Bench::new();
    bench.prepare().await;
    bench.write("disk.vdi", "what it has written");
    bench.write("vms/1", "name=b2d settings=/elsewhere/b2d.vbox state='powered off' adapter=\n");
    let options = Options {
        iso: Iso::Boot2docker(bench.path("b2d.iso")),
        import_vm: Some("1".into()),
        ..Options::default()
    };
    let plan = plan("web1", DriverOptions::Virtualbox(Some(Box::new(options))));
    bench.driver.create(&plan, bench.work()).await.unwrap();
    let copy = fs_err::read(bench.files("web1").join("disk.vmdk")).unwrap();
    assert_eq!(copy, b"what it has written");
}

#[tokio::test]
async fn a_machine_whose_making_was_cut_short_is_no_machine_and_is_made_anew() {
    let bench = Bench::new();
    bench.prepare().await;
    bench.write("refuse", "storagectl 00000000-0000-0000-0000-000000000000\nno\n");
    let plan = plan("web1", DriverOptions::Virtualbox(None));
    let error = bench.driver.create(&plan, bench.work()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot make machine web1: VirtualBox says: no");
    assert_eq!(bench.state("web1").await, MachineState::Absent);
    let resources = bench.driver.resources(&cluster()).await.unwrap();
    assert_eq!(resources[0].to_string(), "machine skep/web1");
    fs_err::remove_file(bench.path("refuse")).unwrap();
    bench.driver.create(&plan, bench.work()).await.unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Stopped);
    assert_eq!(fs_err::read_dir(bench.path("vms")).unwrap().count(), 1);
}

#[tokio::test]
async fn one_whose_files_are_gone_is_still_found_and_removed() {
    let bench = Bench::new();
    let plan = bench.running("web1").await;
    fs_err::remove_dir_all(bench.files("web1")).unwrap();
    assert_eq!(bench.state("web1").await, MachineState::Absent);
    let resources = bench.driver.resources(&cluster()).await.unwrap();
    assert_eq!(resources[0].to_string(), "machine skep/web1");
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    assert_eq!(fs_err::read_dir(bench.path("vms")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_virtualbox_that_will_not_do_is_refused_beforehand() {
    let bench = Bench::new();
    let mut volume = vec![0; 40_000];
    volume[32_769..32_774].copy_from_slice(b"CD001");
    fs_err::write(bench.path("b2d.iso"), &volume).unwrap();
    let first = async |version: &str| {
        let fresh = driver(bench.home.path()).with_program(bench.path("VBoxManage"));
        bench.write("version", version);
        let checks = fresh.preflight(&request(Options::default()), &bench.cancel).await;
        let failed = checks.into_iter().find(|check| check.verdict == Verdict::Fail);
        failed.map_or(String::new(), |check| format!("{}: {}", check.what, check.found))
    };
    assert_eq!(first("7.0.20r163906\n").await, "");
    let old = first("6.0.24r139119\n").await;
    assert!(old.starts_with("VirtualBox: ") && old.ends_with("VBoxManage 6.0.24"), "{old}");
    let warning = super::parse::stdout(include_str!("fixtures/001-version.txt"));
    let module = first(warning).await;
    assert!(module.starts_with("VirtualBox's kernel module: The character device"), "{module}");
    let other = first("bash: no such thing\n").await;
    assert_eq!(other, "VirtualBox: VBoxManage does not answer");
}

#[tokio::test]
async fn without_virtualbox_its_machines_are_gone_and_can_be_removed() {
    let mut bench = Bench::new();
    let plan = bench.running("web1").await;
    bench.driver = driver(bench.home.path()).with_program(bench.path("no-such-program"));
    let checks = bench.driver.preflight(&request(Options::default()), &bench.cancel).await;
    assert_eq!(checks.len(), 1);
    assert_eq!(checks[0].found, "there is no VBoxManage");
    assert!(bench.driver.states(&cluster()).await.is_err());
    bench.driver.remove(&plan.id, bench.work()).await.unwrap();
    assert_eq!(bench.driver.resources(&cluster()).await.unwrap().len(), 1, "its network");
}
