//! Machines without a cluster, created from an engine's URL: under skep's name and under
//! docker-machine's.

use std::path::Path;

use serde_json::Value;
use skep_tests::{Lab, Run, run::skep};

use crate::{nothing_was_touched, store_files::store_with_a_cluster};

/// Nothing listens there.
const UNREACHABLE: &str = "tcp://127.0.0.1:1";

/// The same program under docker-machine's name, on a lab's store.
pub(crate) fn docker_machine<'a>(lab: &Lab, args: impl IntoIterator<Item = &'a str>) -> Run {
    let link = lab.files().join("docker-machine");
    if !link.exists() {
        fs_err::os::unix::fs::symlink(skep(), &link).expect("a link can be made");
    }
    let run = Run::program(&link).args(args);
    lab.environment().into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

fn create(lab: &Lab, name: &str) {
    lab.bare(["machine", "create", "--driver", "none", "--url", UNREACHABLE, name]).succeeds();
}

fn machines(lab: &Lab, cluster: &str) -> Vec<String> {
    let path = lab.store().join(format!("clusters/{cluster}/cluster.json"));
    let Ok(text) = fs_err::read_to_string(path) else { return Vec::new() };
    let record: Value = serde_json::from_str(&text).unwrap();
    let machines = record["machines"].as_array().unwrap().iter();
    machines.map(|machine| machine["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_machine_is_made_and_removed() {
    let lab = Lab::without_machines();
    let made = lab.bare(["machine", "create", "--driver", "none", "--url", UNREACHABLE, "web1"]);
    assert_eq!(made.succeeds().stdout, "web1\n");
    assert_eq!(machines(&lab, "skep"), ["web1"]);
    lab.bare(["machine", "create", "--driver", "none", "--url", UNREACHABLE, "web1"])
        .exits(1)
        .prints_nothing()
        .says("machine web1 exists already, in cluster skep");
    let removed = lab.bare(["machine", "rm", "-y", "web1"]).succeeds();
    assert_eq!(removed.stdout, "web1\n");
    assert!(!lab.store().join("clusters/skep").exists(), "it went with its last machine");
}

#[test]
fn docker_machine_says_it_in_its_own_words() {
    let lab = Lab::without_machines();
    let made =
        docker_machine(&lab, ["create", "-d", "none", "--url", UNREACHABLE, "web1"]).succeeds();
    assert_eq!(
        made.stdout,
        "Running pre-create checks...\n\
         Creating machine...\n\
         To see how to connect your Docker Client to the Docker Engine running on this virtual \
         machine, run: docker-machine env web1\n"
    );
    assert_eq!(made.stderr, "");
    let again =
        docker_machine(&lab, ["create", "-d", "none", "--url", UNREACHABLE, "web1"]).exits(1);
    assert_eq!(
        (again.stdout.as_str(), again.stderr.as_str()),
        ("", "Docker machine \"web1\" already exists\n")
    );
    for (verb, begun, said) in [
        ("start", "Starting", "Machine \"web1\" is already running."),
        ("stop", "Stopping", "hosts without a driver cannot be stopped"),
        ("restart", "Restarting", "hosts without a driver cannot be restarted"),
        ("kill", "Killing", "hosts without a driver cannot be killed"),
    ] {
        let ran = docker_machine(&lab, [verb, "web1"]).exits(1);
        assert_eq!(ran.stdout, format!("{begun} \"web1\"...\n"));
        assert_eq!(ran.stderr, format!("{said}\n"));
    }
    let removed = docker_machine(&lab, ["rm", "-y", "web1", "nosuch"]).exits(1);
    assert_eq!(
        removed.stdout,
        "About to remove web1, nosuch\n\
         WARNING: This action will delete both local reference and remote instance.\n\
         Successfully removed web1\n"
    );
    assert_eq!(
        removed.stderr,
        "Error removing host \"nosuch\": Docker machine \"nosuch\" does not exist. Use \
         \"docker-machine ls\" to list machines. Use \"docker-machine create\" to add a new one.\n"
    );
    let forced = docker_machine(&lab, ["rm", "-f", "nosuch"]).succeeds();
    forced.says("Can't remove \"nosuch\"");
}

#[test]
fn removing_asks_and_takes_only_a_yes_for_one() {
    let lab = Lab::without_machines();
    create(&lab, "web1");
    for (answer, left) in [("", 1), ("n\n", 1), ("maybe yes\n", 1), (" Yes\n", 0)] {
        let ran = docker_machine(&lab, ["rm", "web1"]).stdin(answer).succeeds();
        assert!(ran.stdout.contains("Are you sure? (y/n): "), "{ran}");
        assert_eq!(machines(&lab, "skep").len(), left, "after {answer:?}");
    }
    create(&lab, "web1");
    let ran = lab.bare(["machine", "rm", "web1"]).stdin("no\n").succeeds().prints_nothing();
    ran.says("About to remove web1").says("Are you sure? (y/n):");
    // The end of the input is no answer: a script must not assume that the removal is done.
    let ran = lab.bare(["machine", "rm", "web1"]).stdin("").exits(1).prints_nothing();
    ran.says("nobody answered, so nothing was removed").says("-y does not ask");
    assert_eq!(machines(&lab, "skep"), ["web1"]);
}

#[test]
fn certificates_are_not_made_anew_without_an_answer() {
    let lab = Lab::without_machines();
    create(&lab, "web1");
    let ran = docker_machine(&lab, ["regenerate-certs", "web1"]).exits(1);
    assert_eq!(ran.stderr, "EOF\n");
    docker_machine(&lab, ["regenerate-certs", "web1"]).stdin("n\n").succeeds();
    let client = || fs_err::read_to_string(lab.store().join("certs/cert.pem")).unwrap();
    let before = client();
    lab.bare(["machine", "regenerate-certs", "--force", "web1"])
        .exits(1)
        .says("nothing to log in to");
    assert_eq!(client(), before);
    lab.bare(["machine", "regenerate-certs", "--force", "--client-certs", "web1"]).exits(1);
    assert_ne!(client(), before, "the one of the store is made anew when that is asked for");
}

#[test]
fn what_a_driver_needs_is_asked_for_before_anything_is_touched() {
    let lab = Lab::without_machines();
    for (words, code, said) in [
        ("create", 2, "say what the machine is to be called"),
        ("create -d none a", 2, "--url"),
        ("create -d none --url garbage a", 2, "`garbage` is no engine's URL"),
        ("create -d none --url unix:///x a", 2, "neither tcp nor http"),
        ("create -d ssh a", 2, "--ssh-host"),
        ("create -d generic --generic-ip-address 127.0.0.1 a", 2, "--ssh-key"),
        ("create -d ssh --ssh-host 127.0.0.1 --ssh-key /nowhere/id a", 3, "there is no such file"),
        ("create -d nothing a", 2, "there is no driver `nothing`"),
        ("create -d fake a", 2, "there is no driver `fake`"),
        ("create -d none --url tcp://h:1 Web1", 2, "try `web1`"),
        ("create -d none --url tcp://h:1 --swarm-master a", 2, "skep swarm init"),
        ("create -d none --url tcp://h:1 --swarm-discovery token://x a", 2, "which is gone"),
        ("create -d container --engine-env FOO=1 a", 2, "no other variable"),
        ("create -d container --engine-opt hosts=x a", 2, "skep sets `hosts` itself"),
        ("create -d virtualbox --virtualbox-cpu-count 0 a", 2, "0 processors"),
        ("create -d virtualbox --virtualbox-hostonly-cidr x a", 2, "192.168.99.1/24"),
        ("create -d virtualbox --virtualbox-share-folder x a", 2, "DIRECTORY:NAME"),
        ("up --driver none", 2, "makes no machines"),
        ("up --driver ssh", 2, "machine create --driver ssh"),
    ] {
        let words =
            if words.starts_with("up") { words.to_owned() } else { format!("machine {words}") };
        lab.bare(words.split(' ')).exits(code).prints_nothing().says(said);
        nothing_was_touched(&lab);
    }
}

#[test]
fn a_name_is_taken_whichever_cluster_has_it() {
    let lab = store_with_a_cluster();
    let ran =
        lab.bare(["machine", "create", "-d", "none", "--url", UNREACHABLE, "manager1"]).exits(1);
    ran.says("exists already, in cluster lab");
    create(&lab, "web1");
    assert_eq!(machines(&lab, "skep"), ["web1"]);
    // Found without naming the cluster, as long as only one has it.
    let removed = lab.bare(["machine", "rm", "-y", "web1"]).succeeds();
    assert_eq!(removed.stdout, "web1\n");
    assert_eq!(machines(&lab, "lab"), ["manager1", "worker1"]);
}

#[test]
fn what_is_set_in_the_environment_need_not_be_said() {
    let lab = Lab::without_machines();
    let run = docker_machine(&lab, ["create", "web1"]);
    run.env("MACHINE_DRIVER", "none").env("MACHINE_URL", UNREACHABLE).succeeds();
    let run = lab.bare(["machine", "create", "web2"]);
    run.env("MACHINE_DRIVER", "none").env("MACHINE_URL", UNREACHABLE).succeeds();
    assert_eq!(machines(&lab, "skep"), ["web1", "web2"]);
}

#[test]
fn machines_by_themselves_are_no_swarm_and_need_be_none() {
    let lab = Lab::without_machines();
    create(&lab, "web1");
    lab.bare(["up"]).exits(2).says("made by themselves (web1)").prints_nothing();
    let up = Run::program(skep()).args(["up"]);
    let up = lab.environment().into_iter().fold(up, |up, (name, value)| up.env(name, value));
    up.exits(2).says("driver none makes no machines");
    // The problem is its unreachable engine, and not a swarm.
    let status = lab.bare(["status"]).exits(4);
    assert!(!status.stderr.contains("swarm"), "{status}");
    status.says("web1:");
    lab.bare(["down"]).succeeds().says("1 machine removed");
    assert!(!lab.store().join("clusters/skep").exists());
}

#[test]
fn several_creates_at_once_share_a_cluster() {
    let lab = Lab::without_machines();
    let names = ["a", "b", "c", "d"];
    std::thread::scope(|scope| {
        for name in names {
            let lab = &lab;
            scope.spawn(move || create(lab, name));
        }
    });
    let mut there = machines(&lab, "skep");
    there.sort_unstable();
    assert_eq!(there, names);
    std::thread::scope(|scope| {
        for name in names {
            let lab = &lab;
            scope.spawn(move || lab.bare(["machine", "rm", "-y", name]).succeeds());
        }
    });
    assert!(!Path::new(&lab.store().join("clusters/skep")).exists());
}
