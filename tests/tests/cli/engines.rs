//! Engines that cannot be used: each is said, with what to do, before anything is touched.

use std::os::unix::fs::PermissionsExt as _;

use skep_tests::{Lab, Run, run};

use crate::{fake_engine::FakeEngine, nothing_was_touched};

#[test]
fn none_at_all() {
    let lab = Lab::without_machines();
    let ran = lab.skep("up").exits(3).prints_nothing();
    ran.says("nothing was touched").says("no such socket").says("install Docker Engine");
    let looked = lab.skep("doctor").exits(3).says("driver container cannot be used");
    assert!(looked.stdout.contains("no such socket"), "{looked}");
    nothing_was_touched(&lab);
}

#[test]
fn a_socket_without_a_listener() {
    let lab = Lab::without_machines();
    let socket = lab.runtime().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let host = format!("unix://{}", socket.display());
    lab.skep("up").env("DOCKER_HOST", host).exits(3).says("refused").prints_nothing();
    nothing_was_touched(&lab);
}

#[test]
fn one_on_another_host() {
    let lab = Lab::without_machines();
    for host in ["tcp://192.0.2.1:2376", "ssh://me@192.0.2.1", "https://192.0.2.1:2376"] {
        let ran = lab.skep("up").env("DOCKER_HOST", host).exits(3).prints_nothing();
        ran.says("not reached through a unix socket").says("unset DOCKER_HOST");
    }
    lab.skep("up").env("DOCKER_HOST", "bees://hive").exits(3).says("`bees` is not a scheme");
    nothing_was_touched(&lab);
}

#[test]
fn one_that_is_too_old() {
    let lab = Lab::without_machines();
    let headers = "Api-Version: 1.30\r\nServer: Docker/17.06.0-ce (linux)\r\n";
    let old = FakeEngine::start(&lab, "200 OK", headers, "OK");
    let ran = lab.skep("up").env("DOCKER_HOST", old.docker_host()).exits(3).prints_nothing();
    ran.says("1.30").says("nothing was touched");
    nothing_was_touched(&lab);
}

#[test]
fn something_else_that_speaks_http() {
    let lab = Lab::without_machines();
    let other = FakeEngine::start(&lab, "200 OK", "Server: bees/1.0\r\n", "welcome");
    let ran = lab.skep("up").env("DOCKER_HOST", other.docker_host()).exits(3).prints_nothing();
    ran.says("without an API version");
}

#[test]
fn podman_which_has_no_swarm() {
    let lab = Lab::without_machines();
    let headers = "Api-Version: 1.41\r\nLibpod-Api-Version: 5.4.0\r\n";
    let podman = FakeEngine::start(&lab, "200 OK", headers, "OK");
    let ran = lab.skep("up").env("DOCKER_HOST", podman.docker_host()).exits(3);
    ran.says("Podman").prints_nothing();
}

/// Root may use every socket, so the test runs skep as another user.
#[test]
fn one_that_may_not_be_used() {
    let lab = Lab::without_machines();
    let engine = FakeEngine::start(&lab, "200 OK", "Api-Version: 1.41\r\n", "OK");
    let open = |path: &std::path::Path, mode| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&lab.runtime().join("fake.sock"), 0o600);
    open(lab.runtime(), 0o777);
    open(lab.files(), 0o777);
    let skep = lab.files().join("skep");
    fs_err::copy(run::skep(), &skep).unwrap();
    let root = rustix::process::getuid().is_root();
    let unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let (program, words): (&str, &[&str]) =
        if root { (unprivileged[0], &unprivileged[1..]) } else { ("env", &[]) };
    if !root {
        open(&lab.runtime().join("fake.sock"), 0o000);
    }
    let mut run =
        Run::program(program).args(words).args([&skep]).args(["up", "--driver", "container"]);
    for (name, value) in lab.environment() {
        run = run.env(name, value);
    }
    let ran = run.env("DOCKER_HOST", engine.docker_host()).exits(3).prints_nothing();
    ran.says("permission").says("docker");
}

#[test]
fn one_that_keeps_an_image_which_machines_use() {
    let lab = Lab::without_machines();
    let digest = "ab".repeat(32);
    let unfinished = lab.store().join("os").join(&digest);
    fs_err::create_dir_all(&unfinished).unwrap();
    let headers = "Api-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n";
    let body = r#"{"message": "image is being used by running container 4711"}"#;
    let engine = FakeEngine::start(&lab, "409 Conflict", headers, body);
    let ran = lab.bare(["os", "rm", "abab"]).env("DOCKER_HOST", engine.docker_host()).succeeds();
    assert_eq!(ran.text(), digest);
    ran.says("skep-os:abababababab").says("used by running container 4711");
    assert!(!unfinished.exists());
}
