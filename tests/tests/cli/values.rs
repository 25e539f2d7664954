//! Values that a driver does not support: each is refused by name before anything is changed, by
//! every driver.

use skep_tests::{
    Lab,
    vboxmanage::{Script, Settings},
};

use crate::{fake_engine::FakeEngine, machines::docker_machine, nothing_was_touched};

/// Everything an engine on two processors and 4 GB of memory says of itself, whatever it is asked.
const ENGINE: &str = r#"{"Version":"28.2.2","ApiVersion":"1.50","ServerVersion":"28.2.2",
    "OSType":"linux","NCPU":2,"MemTotal":4294967296,"KernelVersion":"6.1.0",
    "DockerRootDir":"/var/lib/docker"}"#;

fn engine(lab: &Lab) -> FakeEngine {
    let headers = "Api-Version: 1.50\r\nContent-Type: application/json\r\n";
    FakeEngine::start(lab, "200 OK", headers, ENGINE)
}

#[test]
fn the_words_are_looked_at_before_anything_else() {
    let lab = Lab::without_machines();
    for words in [
        "up --timeout 0",
        "up --timeout 0s",
        "up --timeout 100000000000y",
        "up --publish 0",
        "up --publish 80 --publish 80:81",
        "up --publish 65536",
        "up --memory 0",
        "up --memory 99999999999999999999",
        "up --cpus 0",
        "up --disk-size 1.5G",
        "up --subnet garbage",
        "up --subnet fd00::/64",
        "up --managers 99 --workers 2",
        "up --accel steam",
        "up --network bridge=",
        "up --network=-x",
        "doctor --managers 0",
        "doctor --managers 99",
        "doctor --workers 18446744073709551615",
        "doctor --publish 80 --publish 80:81",
        "doctor --driver none",
        "doctor --driver fake",
        "machine create --timeout 0 a",
        "machine create --memory 0 a",
        "machine create --cpus -1 a",
        "machine create --publish 0 a",
        "machine create -d ssh --ssh-host 127.0.0.1 --ssh-port 0 a",
        "machine create -d ssh --ssh-host 127.0.0.1 --engine-port 0 a",
        "machine create -d virtualbox --virtualbox-memory x a",
        "machine create -d container --virtualbox-cpu-count 0 a",
        "machine create -d ssh --ssh-host 127.0.0.1 --ssh-user=-oProxyCommand=x a",
        "machine create -d ssh --ssh-host 127.0.0.1 --ssh-user=$(id) a",
        "machine create -d container --tls-san *.com a",
        "machine create -d container --tls-san a..b a",
        "machine create -d container --engine-registry-mirror mirror a",
        "machine create -d container --engine-insecure-registry=-x a",
        "machine create -d container --engine-storage-driver=-x a",
        "machine start --timeout 0 a",
        "machine ls --timeout 18446744073709551615",
    ] {
        let ran = lab.bare(words.split(' ')).exits(2).prints_nothing();
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        nothing_was_touched(&lab);
    }
}

#[test]
fn a_container_has_bounds() {
    let lab = Lab::without_machines();
    let engine = engine(&lab);
    for (words, said) in [
        ("up --memory 5", "give at least --memory 64"),
        ("up --memory 5G", "this host has no more: give at most --memory 4096"),
        ("up --memory 9000000T", "give at most --memory 4096"),
        ("up --cpus 3", "give --cpus 1 to 2"),
        ("up --cpus 4294967295", "give --cpus 1 to 2"),
        ("up --disk-size 30G", "leave --disk-size out"),
        ("up --publish 8080:80", "--publish 80/tcp"),
        ("doctor --memory 5", "give at least --memory 64"),
        ("doctor --cpus 3", "give --cpus 1 to 2"),
        ("machine create --memory 5 a", "give at least --memory 64"),
        ("machine create --cpus 3 a", "give --cpus 1 to 2"),
        ("machine create --virtualbox-memory 5 a", "give at least --memory 64"),
        ("machine create --virtualbox-cpu-count 3 a", "give --cpus 1 to 2"),
    ] {
        let words = words.split(' ').chain(["--driver", "container"]);
        let ran = lab.bare(words).env("DOCKER_HOST", engine.docker_host()).exits(3);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(said), "{said}: {ran}");
        nothing_was_touched(&lab);
    }
}

#[test]
fn a_virtual_machine_has_bounds() {
    let lab = Lab::without_machines();
    for (words, said) in [
        ("--memory 5", "give at least --memory 512"),
        ("--memory 9000000T", "give at most --memory"),
        ("--cpus 4294967295", "give --cpus 1"),
        ("--disk-size 5", "give at least --disk-size 2048"),
        ("--disk-size 16T", "give at most --disk-size 16777215"),
        ("--subnet 0.0.0.0/0", "give a /16 to /24"),
        ("--subnet 8.8.8.0/24", "not a private network"),
        ("--subnet 10.0.0.0/24", "overlay networks"),
        ("--subnet 192.168.7.5/24", "write 192.168.7.0/24"),
        ("--publish 2222", "SSH server or engine answers there"),
    ] {
        let words = format!("up --driver qemu {words}");
        let ran = lab.bare(words.split(' ')).env("PATH", qemu(&lab)).exits(3);
        ran.says(said);
        nothing_was_touched(&lab);
    }
}

/// A directory with a program that says of itself what QEMU does.
fn qemu(lab: &Lab) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = lab.files().join("bin");
    fs_err::create_dir_all(&directory).unwrap();
    let text = "#!/bin/sh\ncase $1 in\n--version) echo 'QEMU emulator version 9.2.0' ;;\n\
                *) printf 'Available netdev backend types:\\nsocket\\nuser\\n' ;;\nesac\n";
    let program = directory.join(format!("qemu-system-{}", std::env::consts::ARCH));
    fs_err::write(&program, text).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", directory.display())
}

#[test]
fn a_machine_of_virtualbox_has_bounds() {
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    for (words, said) in [
        ("--memory 5", "give at least --virtualbox-memory 512"),
        ("--virtualbox-memory 0", "give at least --virtualbox-memory 512"),
        ("--virtualbox-memory 18446744073709551615", "give at most --virtualbox-memory"),
        ("--virtualbox-cpu-count 65", "give --virtualbox-cpu-count 1"),
        ("--virtualbox-disk-size 5", "give at least --virtualbox-disk-size 2048"),
        ("--virtualbox-disk-size 18446744073709551615", "give at most --virtualbox-disk-size"),
        ("--virtualbox-hostonly-cidr 0.0.0.0/0", "give a /16 to /24"),
        ("--publish 8080:80", "--publish 80/tcp"),
    ] {
        let words = format!("machine create -d virtualbox {words} a");
        let ran = lab.bare(words.split(' ')).env("PATH", script.search_path()).exits(3);
        ran.says(said);
        nothing_was_touched(&lab);
    }
    let up = lab.bare(["up", "--driver", "virtualbox", "--memory", "5"]);
    up.env("PATH", script.search_path()).exits(3).says("give at least --memory 512");
}

#[test]
fn what_a_driver_ignores_is_said() {
    let lab = Lab::without_machines();
    let url = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"];
    let ran = docker_machine(&lab, [&url[..], &["--virtualbox-memory", "512", "a"]].concat());
    let said = "--virtualbox-memory is ignored by the driver none: it is for driver virtualbox";
    let ran = ran.succeeds();
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(said), "{ran}");
    // What the environment says is given, too; what is left at its default is not.
    let ran = docker_machine(&lab, [&url[..], &["b"]].concat()).env("VIRTUALBOX_MEMORY_SIZE", "1");
    let ran = ran.succeeds();
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(said), "{ran}");
    let ran = docker_machine(&lab, [&url[..], &["c"]].concat()).succeeds();
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("ignored"), "{ran}");

    let lab = Lab::without_machines();
    for verb in ["up", "doctor"] {
        let words = [verb, "--driver", "container", "--accel", "tcg", "--network", "bridge=br0"];
        lab.bare(words)
            .exits(3)
            .says("--accel is ignored by the driver container: it is for driver qemu")
            .says("--network is ignored by the driver container");
    }
}

#[test]
fn a_user_that_is_an_option_reaches_no_program() {
    let lab = Lab::without_machines();
    lab.bare(["machine", "create", "-d", "none", "--url", "tcp://127.0.0.1:1", "a"]).succeeds();
    let run = lab.bare(["machine", "create", "-d", "ssh", "--ssh-host", "127.0.0.1", "b"]);
    run.env("GENERIC_SSH_USER", "-oProxyCommand=x").exits(2).says("begins with `-`");
    let host = "-oProxyCommand=x";
    let create = ["machine", "create", "-d", "ssh", &format!("--ssh-host={host}"), "b"];
    lab.bare(create).exits(3).says("has no address");
}
