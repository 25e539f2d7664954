//! docker-machine's verbs where no recording of docker-machine's answers them.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};
use skep_tests::{Lab, Run, run};

use crate::store_files::store_with_a_cluster;

/// skep under the name `docker-machine`, with the programs of `lab/bin` and no others.
fn docker_machine(lab: &Lab, words: &[&str]) -> Run {
    let programs = lab.files().join("bin");
    fs_err::create_dir_all(&programs).unwrap();
    let link = programs.join("docker-machine");
    if !link.exists() {
        symlink(run::skep(), &link).unwrap();
    }
    let run = Run::program(link).args(words).env("PATH", programs);
    let nowhere = format!("unix://{}", lab.runtime().join("no-docker.sock").display());
    let run = lab.environment().into_iter().fold(run, |run, (name, value)| run.env(name, value));
    run.env("DOCKER_HOST", nowhere)
}

/// A program that prints its arguments, one per line.
fn program(lab: &Lab, name: &str) {
    let programs = lab.files().join("bin");
    fs_err::create_dir_all(&programs).unwrap();
    let path = programs.join(name);
    fs_err::write(&path, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Engines that do not answer.
fn with_engines(names: &[&str]) -> Lab {
    let lab = Lab::without_machines();
    for name in names {
        let words = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"];
        let label = format!("name={name}");
        docker_machine(&lab, &[&words[..], &["--engine-label", &label, name]].concat()).succeeds();
    }
    lab
}

#[test]
fn filters_of_one_key_are_alternatives_and_keys_are_conditions() {
    let lab = with_engines(&["web10", "web9", "db1"]);
    let names = |filters: &[&str]| {
        let filters: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        let words = [&["ls", "-q"][..], &filters].concat();
        docker_machine(&lab, &words).succeeds().stdout.replace('\n', " ")
    };
    assert_eq!(names(&[]), "db1 web9 web10 ");
    assert_eq!(names(&["name=^web"]), "web9 web10 ");
    assert_eq!(names(&["name=9$", "name=db"]), "db1 web9 ");
    assert_eq!(names(&["name=web", "label=name=web9"]), "web9 ");
    assert_eq!(names(&["driver=NONE", "state=running"]), "db1 web9 web10 ");
    assert_eq!(names(&["state=stopped"]), "");
    assert_eq!(names(&["swarm=lab"]), "");
    docker_machine(&lab, &["ls", "--filter", "label=x"]).exits(2).says("label=KEY=VALUE");
}

#[test]
fn a_machine_of_a_cluster_is_listed_with_its_role() {
    let lab = store_with_a_cluster();
    let ran = lab.bare(["machine", "ls"]).succeeds();
    let row = |name: &str| ran.lines().into_iter().find(|line| line.starts_with(name)).unwrap();
    assert!(row("manager1").contains("lab (manager)"), "{ran}");
    assert!(!row("worker1").contains("(manager)") && row("worker1").contains(" lab "), "{ran}");
    // Its driver cannot be queried: that is reported, and the list is printed.
    assert!(row("worker1").contains("Error") && row("worker1").contains("no such socket"), "{ran}");
    let quiet = lab.bare(["machine", "ls", "-q", "--filter", "swarm=lab"]).succeeds();
    assert_eq!(quiet.stdout, "manager1\nworker1\n");
}

#[test]
fn a_broken_record_does_not_hide_the_rest() {
    let lab = with_engines(&["web1"]);
    let broken = lab.store().join("clusters/broken");
    fs_err::create_dir_all(broken.join("machines/lost1")).unwrap();
    fs_err::write(broken.join("cluster.json"), "{").unwrap();
    let ran = docker_machine(&lab, &["ls"]).succeeds();
    let [_, lost, web] = ran.lines()[..] else { panic!("{ran}") };
    assert!(lost.starts_with("lost1 ") && lost.contains("not found   Error"), "{ran}");
    assert!(lost.contains("cluster.json is damaged"), "{ran}");
    assert!(web.starts_with("web1 "), "{ran}");
    let ran = lab.bare(["machine", "ls"]).exits(1).says("cluster.json is damaged");
    assert_eq!(ran.lines().len(), 3, "{ran}");
}

#[test]
fn programs_get_the_same_facts() {
    let lab = with_engines(&["web1"]);
    let ran = docker_machine(&lab, &["ls", "--format", "json"]).succeeds();
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let error = list["machines"][0]["error"].as_str().unwrap();
    assert!(error.contains("Cannot connect to the docker engine endpoint"), "{ran}");
    let expected = json!({
        "name": "web1",
        "cluster": "skep",
        "role": null,
        "driver": "none",
        "state": "running",
        "address": "127.0.0.1",
        "cluster_address": null,
        "url": "tcp://127.0.0.1:1",
        "docker_version": null,
        "error": error,
    });
    assert_eq!(list, json!({"schema": 1, "machines": [expected]}));
}

#[test]
fn the_machine_called_default_is_meant_if_none_is_named() {
    let lab = with_engines(&["default", "web1"]);
    assert_eq!(docker_machine(&lab, &["ip"]).succeeds().stdout, "127.0.0.1:1\n");
    assert_eq!(docker_machine(&lab, &["status"]).succeeds().stdout, "Running\n");
    assert_eq!(lab.bare(["machine", "url"]).succeeds().stdout, "tcp://127.0.0.1:1\n");
    let lab = with_engines(&[]);
    lab.bare(["machine", "url"]).exits(2).says("there is none called `default`");
}

#[test]
fn the_store_is_below_the_storage_path() {
    let lab = Lab::without_machines();
    let path = lab.files().join("old").display().to_string();
    let create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "web1"];
    docker_machine(&lab, &create).env("MACHINE_STORAGE_PATH", &path).succeeds();
    assert!(lab.files().join("old/skep/store.json").is_file());
    assert_eq!(docker_machine(&lab, &["-s", &path, "ls", "-q"]).succeeds().stdout, "web1\n");
    let empty = docker_machine(&lab, &["ls", "-q"]).env("MACHINE_STORAGE_PATH", "").succeeds();
    assert_eq!(empty.stdout, "", "an empty variable is none");
}

#[test]
fn an_empty_variable_is_none() {
    let lab = Lab::without_machines();
    let create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "web1"];
    docker_machine(&lab, &create)
        .env("VIRTUALBOX_MEMORY_SIZE", "")
        .env("GENERIC_SSH_PORT", "")
        .succeeds();
}

#[test]
fn files_are_copied_by_scp_with_the_machines_own_key_and_pin() {
    let lab = store_with_a_cluster();
    program(&lab, "scp");
    let ran = docker_machine(&lab, &["scp", "-r", "-q", "root@manager1:/etc/a b", "x"]).succeeds();
    let words = ran.lines();
    let tail = &words[words.len() - 5..];
    assert_eq!(tail, ["-r", "-q", "--", "scp://root@192.168.99.100:22//etc/a%20b", "x"]);
    let machine = lab.store().join("clusters/lab/machines/manager1");
    let pin = format!("-oUserKnownHostsFile=\"{}\"", machine.join("known_hosts").display());
    assert!(words.contains(&pin.as_str()), "{ran}");
    assert!(words.contains(&machine.join("id_ed25519").to_str().unwrap()), "{ran}");

    let ran = docker_machine(&lab, &["scp", "manager1:a", "worker1:b"]).succeeds();
    let words = ran.lines();
    let ends = ["scp://docker@192.168.99.100:22/a", "scp://docker@192.168.99.101:22/b"];
    assert_eq!(words[words.len() - 2..], ends);
    assert_eq!(words[0], "-3", "between two machines it goes through this host");
}

#[test]
fn differences_are_copied_by_rsync() {
    let lab = store_with_a_cluster();
    program(&lab, "rsync");
    let ran = docker_machine(&lab, &["scp", "-d", "x", "manager1:y"]).succeeds();
    let words = ran.lines();
    assert!(words[1].starts_with("ssh -F none "), "{ran}");
    assert_eq!(words[words.len() - 2..], ["x", "docker@192.168.99.100:y"]);
    let ran = docker_machine(&lab, &["scp", "-d", "manager1:x", "worker1:y"]).exits(2);
    ran.says("not between two machines").prints_nothing();
}

#[test]
fn directories_are_mounted_by_sshfs() {
    let lab = store_with_a_cluster();
    program(&lab, "sshfs");
    let ran = docker_machine(&lab, &["mount", "manager1:/srv", "/mnt"]).succeeds();
    let words = ran.lines();
    assert!(words[1].starts_with("ssh_command=ssh -F none "), "{ran}");
    assert_eq!(words[2..], ["docker@192.168.99.100:/srv", "/mnt"]);
    docker_machine(&lab, &["mount", "/srv"]).exits(2).says("names no machine");
    program(&lab, "fusermount");
    let ran = docker_machine(&lab, &["mount", "-u", "manager1:/srv"]).succeeds();
    assert_eq!(ran.lines(), ["-u", "/srv"]);
}

#[test]
fn errors_have_no_prefix_and_steps_go_to_standard_output() {
    let lab = Lab::without_machines();
    let ran = docker_machine(&lab, &["create", "-d", "bees", "web1"]).ends();
    assert!(!ran.stderr.starts_with("error:") && ran.stderr.contains("bees"), "{ran}");
    let words = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1", "web1"];
    let ran = docker_machine(&lab, &words).succeeds();
    assert_eq!(ran.stderr, "", "{ran}");
    assert!(ran.stdout.starts_with("Running pre-create checks...\nCreating machine...\n"), "{ran}");
}

#[test]
fn without_a_verb_it_says_how_it_is_used() {
    let lab = Lab::without_machines();
    for words in [&[] as &[&str], &["help"], &["--help"], &["-D"]] {
        let ran = docker_machine(&lab, words).succeeds();
        assert!(ran.stdout.contains("Usage: docker-machine"), "{ran}");
        assert!(ran.stdout.contains("regenerate-certs"), "{ran}");
    }
    docker_machine(&lab, &["help", "ls"]).succeeds();
}

#[test]
fn login_to_a_machine_that_does_not_run_is_refused() {
    let lab = store_with_a_cluster();
    // Of a virtual machine its driver knows by itself whether it is there.
    let record = lab.store().join("clusters/lab/cluster.json");
    let text = fs_err::read_to_string(&record).unwrap().replace("\"container\"", "\"qemu\"");
    fs_err::write(&record, text).unwrap();
    program(&lab, "ssh");
    let ran = docker_machine(&lab, &["ssh", "worker1", "true"]).exits(1).prints_nothing();
    ran.says("Error: Cannot run SSH command: Host \"worker1\" is not running");
    let ran = lab.bare(["machine", "ssh", "worker1", "true"]).exits(1).prints_nothing();
    ran.says("cannot log in to worker1: it is not found").says("skep machine start worker1");
}
