//! Real virtual machines, emulated where there is no KVM, without privileges: the routing mesh,
//! power cuts at any moment, and conditions that prevent a start.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, TcpListener, TcpStream},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use skep_tests::{Lab, Run, host, watch};

use crate::seen::{all_ready, ids, inside, until, until_within};

const FOUR: [&str; 4] = ["manager1", "worker1", "worker2", "worker3"];

/// The walkthrough's climax, on four kernels: a service of two replicas answers at all four
/// machines, so at least two answers cross the mesh; a machine whose power is cut comes back as
/// the same node.
pub(crate) fn a_mesh_over_four_machines() {
    let lab = Lab::with_machines("mesh");
    // The driver that prepares the cluster keeps its own options, for the machines made later.
    let qemu = which_qemu();
    let up = format!("--driver qemu --publish 8080 --qemu-binary {qemu}");
    lab.up(&up).succeeds().prints_nothing();
    let record = lab.store().join("clusters").join(lab.cluster()).join("qemu.json");
    let record = fs_err::read_to_string(record).expect("the cluster has a record of QEMU's");
    assert!(record.contains(&format!("\"{qemu}\"")), "{record}");
    let before = all_ready(&lab, &FOUR);
    lab.skep("status").succeeds();
    only_qemu_runs(&lab);
    disks_are_small(&lab);

    for machine in FOUR {
        let image = "sudo tar -C / -c bin/busybox | docker import - web";
        inside(&lab, machine, image).within(Duration::from_secs(120)).succeeds();
    }
    let create = "docker service create --name web --replicas 2 --publish 8080:80 --detach \
                  --no-resolve-image web /bin/busybox sh -c '/bin/busybox hostname >/index.html; \
                  exec /bin/busybox httpd -f -p 80'";
    inside(&lab, "manager1", create).succeeds();
    every_machine_answers(&lab, 8080);

    // A port that was not published when the machines were created.
    lab.up("--driver qemu --publish 9090:8080").succeeds().says("was there already");
    every_machine_answers(&lab, 9090);

    pull_plugs(&lab, "worker2");
    let status = lab.skep("status").exits(4);
    assert_eq!(status.stdout.matches("Error").count(), 1, "{status}");
    status.says("worker2");
    lab.up("--driver qemu").succeeds().says("1 started");
    assert_eq!(ids(&all_ready(&lab, &FOUR)), ids(&before));
    // Forwarded again after the start, the later port too.
    every_machine_answers(&lab, 9090);
    lab.finish();
}

/// The QEMU of this host, by its whole path.
fn which_qemu() -> String {
    let name = format!("qemu-system-{}", std::env::consts::ARCH);
    let path = skep_tests::run::search_path();
    let found = path.split(':').map(|directory| format!("{directory}/{name}"));
    found.into_iter().find(|file| std::path::Path::new(file).is_file()).expect("QEMU is there")
}

/// A program creates a virtual machine with an engine from `skep-machine` and `skep-guest` alone, as
/// the example of `skep-machine` does, and nothing of it stays.
pub(crate) fn a_program_creates_one_without_a_cluster() {
    let lab = Lab::with_machines("example");
    let example = skep_tests::run::skep().with_file_name("examples").join("virtual_machine");
    let ran = Run::program(example).args([lab.store()]).within(Duration::from_secs(400));
    assert!(ran.succeeds().text().starts_with("one ran Docker "));
    assert_eq!(host::processes_with(&lab.store().display().to_string()), [""; 0]);
    lab.is_clean();
}

/// The power fails while a machine boots for the first time, and while it joins: each time `up`
/// says so soon, and the next one finishes the work.
pub(crate) fn power_that_fails_on_the_way_up() {
    let lab = Lab::with_machines("power");
    for step in ["waiting for SSH", "waiting until ready", "joining as worker"] {
        let up = "up --driver qemu --workers 1";
        let watched = watch::watch(&lab, up, step, |_| pull_plugs(&lab, ""));
        assert!(watched.happened, "{step} never came: {:#?}", watched.lines);
        assert_ne!(watched.code, Some(0), "{step}: {:#?}", watched.lines);
        let status = lab.skep("status").exits(4);
        assert_eq!(status.stdout.matches("Running").count(), 0, "{status}");
    }
    lab.up("--driver qemu --workers 1").succeeds();
    all_ready(&lab, &["manager1", "worker1"]);
    lab.finish();
}

/// Whatever prevents a machine's start is named, with what to do.
pub(crate) fn what_stands_in_the_way() {
    let lab = Lab::with_machines("way");
    lab.up("--driver qemu --workers 0 --memory 768").succeeds();
    let address = address(&lab, "manager1");
    lab.up("--driver qemu --memory 2G").exits(2).says("keep the size");

    // A port used by another process, while the machine runs and when it is to start.
    let other = TcpListener::bind((address, 7070)).unwrap();
    let ran = lab.up("--driver qemu --publish 7070").ends();
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says("7070").says("--publish");
    drop(other);
    lab.up("--driver qemu --publish 7070").succeeds();
    pull_plugs(&lab, "manager1");
    // The kernel may close what an ended QEMU held a moment after its name has gone.
    let ssh = until("the free SSH port", || TcpListener::bind((address, 2222)).ok());
    let ran = lab.up("--driver qemu").ends();
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says("2222").says(&address.to_string());
    drop(ssh);

    // A second cluster of the same store beside it.
    let second = lab.skep("up --driver qemu --workers 0 --name beside").within(UP).succeeds();
    second.prints_nothing();
    lab.up("--driver qemu").succeeds();
    let beside = lab.skep("machine ip --name beside manager1").succeeds().text().to_owned();
    assert_ne!(beside, address.to_string());
    lab.skep("down --name beside").within(UP).succeeds();

    // The configuration disk gone, while the machine is off.
    pull_plugs(&lab, "manager1");
    let machine = lab.store().join(format!("clusters/{}/machines/manager1", lab.cluster()));
    fs_err::remove_file(machine.join("qemu/config.img")).unwrap();
    lab.up("--driver qemu").succeeds();
    all_ready(&lab, &["manager1"]);
    lab.finish();
}

/// How long making one more machine may take.
const UP: Duration = Duration::from_secs(300);

fn address(lab: &Lab, machine: &str) -> IpAddr {
    lab.skep("machine ip").args([machine]).succeeds().text().parse().unwrap()
}

/// Ends a machine's QEMU, or for an empty name every one of the lab's, and returns once all have
/// ended.
fn pull_plugs(lab: &Lab, machine: &str) {
    let directory = format!("clusters/{}/machines/{machine}", lab.cluster());
    let mut text = lab.store().join(directory).display().to_string();
    if !machine.is_empty() {
        text.push('/');
    }
    let qemu = || {
        let found = host::processes_with(&text).into_iter();
        found.filter(|line| line.contains("qemu-system")).collect::<Vec<_>>()
    };
    let found = qemu();
    assert!(!found.is_empty(), "no QEMU runs for {text}");
    for line in found {
        let pid = line.split(' ').next().and_then(|pid| pid.parse().ok()).unwrap();
        // One that is still becoming a daemon may be two for a moment.
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    }
    until("the end of QEMU", || qemu().is_empty().then_some(()));
}

/// While the cluster runs, there is no process of skep's own: its SSH masters are OpenSSH's, and
/// end by themselves.
fn only_qemu_runs(lab: &Lab) {
    let store = lab.files().display().to_string();
    let runtime = lab.runtime().display().to_string();
    let mut processes = host::processes_with(&store);
    processes.extend(host::processes_with(&runtime));
    let other = |line: &String| {
        let program = line.split(' ').nth(1).unwrap_or_default();
        !program.contains("qemu-system") && !program.starts_with("ssh")
    };
    processes.retain(other);
    assert!(processes.is_empty(), "more than QEMU runs:{}", host::block(&processes));
}

/// What a machine has written until it is a node: less than 60 MB.
fn disks_are_small(lab: &Lab) {
    use std::os::unix::fs::MetadataExt as _;
    for machine in FOUR {
        let directory = format!("clusters/{}/machines/{machine}/qemu/data.img", lab.cluster());
        let disk = fs_err::metadata(lab.store().join(directory)).unwrap();
        let megabytes = disk.blocks() * 512 / 1_000_000;
        assert!(megabytes < 60, "{machine} has written {megabytes} MB");
    }
}

/// Each machine answers on the port, and over all of them both replicas do.
fn every_machine_answers(lab: &Lab, port: u16) {
    let addresses: BTreeMap<_, _> =
        FOUR.into_iter().map(|machine| (machine, address(lab, machine))).collect();
    // Tasks start when they have been scheduled, pulled nowhere, and their node's rules are set.
    let all_answer = "an answer from every machine and both replicas";
    let answers = until_within(UP, all_answer, || {
        let mut answers = BTreeMap::new();
        for (machine, address) in &addresses {
            // Connections go round between the replicas.
            let seen: BTreeSet<_> = (0..4).map(|_| get(*address, port)).collect();
            if seen.contains(&None) {
                return None;
            }
            answers.insert(*machine, seen);
        }
        let all: BTreeSet<_> = answers.values().flatten().cloned().collect();
        (all.len() == 2).then_some(answers)
    });
    assert_eq!(answers.len(), 4);
}

/// The body of what a web server answers; `None` if it does not.
fn get(address: IpAddr, port: u16) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let patience = Duration::from_secs(3);
    let mut stream = TcpStream::connect_timeout(&(address, port).into(), patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.contains("200 OK").then(|| body.trim().to_owned())
}
