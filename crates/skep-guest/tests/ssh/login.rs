//! Logging in: cold, resumed, at once, late, and not at all.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use skep_context::Context;
use skep_guest::{Command, Guest, GuestError, KeyPair, Obstacle, known_hosts_line};
use skep_process::Program;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use crate::sshd::{SOON, Sshd, write};

#[track_caller]
fn obstacle(result: Result<Guest, GuestError>) -> Obstacle {
    match result {
        Err(GuestError::Unreachable { obstacle, .. }) => obstacle,
        Err(error) => panic!("not about reaching the machine: {error}"),
        Ok(_) => panic!("the machine let us in"),
    }
}

#[tokio::test]
async fn the_second_connect_resumes_what_the_first_started() {
    let (sshd, _first) = Sshd::connected().await;
    let master = sshd.master().await.expect("the first left a master");
    let second = Guest::connect(&sshd.access, &sshd.cancel).await.unwrap();
    second.run(&Command::new("true"), &sshd.cancel).await.unwrap();
    assert_eq!(sshd.master().await, Some(master));
}

#[tokio::test]
async fn many_at_once_share_one_master() {
    let (sshd, first) = Sshd::connected().await;
    drop(first);
    Guest::close_master(&sshd.access, &sshd.cancel).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (access, cancel) = (sshd.access.clone(), sshd.cancel.clone());
        tasks.spawn(async move {
            let guest = Guest::connect(&access, &cancel).await?;
            // Who logged in is the parent of the shell's parent: one connection, one sshd.
            let ask = Command::script("asking", "ps -o ppid= -p $(ps -o ppid= -p $PPID)");
            guest.run(&ask, &cancel).await.map(|output| output.text())
        });
    }
    let answers = tasks.join_all().await;
    let first = answers[0].as_ref().unwrap();
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap(), first);
    }
}

#[tokio::test]
async fn a_wait_begins_before_the_machine_is_up() {
    let mut sshd = Sshd::prepared().await;
    let (access, cancel) = (sshd.access.clone(), sshd.cancel.clone());
    let (reached, mut refused) = tokio::sync::mpsc::unbounded_channel();
    let events = skep_model::Events::new(move |event| {
        // The listener goes away when the first refusal was seen.
        let _ = reached.send(event);
    });
    let waiting = tokio::spawn(async move {
        Guest::wait(&access, Context::new(&events, &cancel).within(SOON)).await
    });
    loop {
        let event = refused.recv().await.expect("the wait says why it waits");
        if matches!(&event, skep_model::Event::Progress { detail, .. } if detail == "TCP refused") {
            break;
        }
    }
    sshd.start();
    let guest = waiting.await.unwrap().unwrap();
    guest.run(&Command::new("true"), &sshd.cancel).await.unwrap();
}

#[tokio::test]
async fn a_wait_says_at_its_deadline_what_stood_in_the_way() {
    let sshd = Sshd::prepared().await;
    let error = sshd.wait(Duration::from_millis(100)).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(obstacle(Err(error)), Obstacle::Refused);
    assert!(text.contains("worker1") && text.contains("TCP refused after 0.1"), "{text}");
    let error = Guest::connect(&sshd.access, &sshd.cancel).await;
    assert_eq!(obstacle(error), Obstacle::Refused);
}

#[tokio::test]
async fn a_foreign_host_key_is_refused_without_waiting() {
    let sshd = Sshd::started().await;
    let (host, port) = (sshd.access.host, sshd.access.port);
    let other = KeyPair::generate("").unwrap().public;
    write(&sshd.access.known_hosts, &known_hosts_line(host, port, &other));
    assert_eq!(obstacle(sshd.wait(SOON).await), Obstacle::HostKeyDiffers);
    write(&sshd.access.known_hosts, "");
    assert_eq!(obstacle(sshd.wait(SOON).await), Obstacle::HostKeyUnknown);
}

#[tokio::test]
async fn an_open_key_is_unusable_and_a_foreign_one_rejected() {
    let sshd = Sshd::started().await;
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&sshd.access.key, permissions).unwrap();
    };
    mode(0o644);
    assert!(matches!(obstacle(sshd.wait(SOON).await), Obstacle::KeyUnusable(_)));
    mode(0o600);
    let others = KeyPair::generate("").unwrap().public;
    write(&sshd.path("authorized_keys"), &others);
    let result = Guest::connect(&sshd.access, &sshd.cancel).await;
    assert_eq!(obstacle(result), Obstacle::KeyRejected);
}

#[tokio::test]
async fn an_interactive_login_goes_with_and_without_a_master() {
    let (sshd, _guest) = Sshd::connected().await;
    let argv = sshd.access.interactive(false, &["echo $((6 * 7)); cat".into()]).unwrap();
    for _ in 0..2 {
        let ssh = Program::new(&argv[0]).args(&argv[1..]).stdin("in\n");
        assert_eq!(ssh.run(&sshd.cancel).await.unwrap().text(), "42\nin");
        Guest::close_master(&sshd.access, &sshd.cancel).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_master_is_replaced() {
    let (sshd, guest) = Sshd::connected().await;
    let first = sshd.master().await.unwrap();
    sshd.kill_master().await;
    assert!(sshd.access.control.exists(), "a killed master leaves its socket behind");
    let error = guest.run(&Command::new("true"), &sshd.cancel).await.unwrap_err();
    assert!(matches!(error, GuestError::Lost { .. }), "{error}");
    let guest = Guest::connect(&sshd.access, &sshd.cancel).await.unwrap();
    guest.run(&Command::new("true"), &sshd.cancel).await.unwrap();
    assert_ne!(sshd.master().await, Some(first));
}

#[tokio::test]
async fn closing_leaves_nothing_and_may_be_repeated() {
    let (mut sshd, _guest) = Sshd::connected().await;
    assert!(sshd.access.engine_socket_alive().await);
    sshd.stop_listening();
    for _ in 0..2 {
        Guest::close_master(&sshd.access, &sshd.cancel).await.unwrap();
        assert_eq!(sshd.master().await, None);
        assert!(!sshd.access.control.exists() && !sshd.access.engine.exists());
        assert!(!sshd.access.engine_socket_alive().await);
    }
    let mut nowhere = sshd.access.clone();
    nowhere.control = sshd.path("gone/ctl");
    Guest::close_master(&nowhere, &sshd.cancel).await.unwrap();
}

#[tokio::test]
async fn a_socket_of_the_machine_is_forwarded_privately() {
    let (sshd, guest) = Sshd::connected().await;
    let (here, there) = (sshd.path("here"), sshd.path("there"));
    let listener = UnixListener::bind(&there).unwrap();
    let echo = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.unwrap();
        }
    });
    // A file that no process listens on, then none, then one that works: each time it works.
    drop(std::os::unix::net::UnixListener::bind(&here).unwrap());
    for lost in [true, false] {
        guest.forward(&here, &there, &sshd.cancel).await.unwrap();
        let mode = std::fs::metadata(&here).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mut stream = UnixStream::connect(&here).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "hello");
        if lost {
            std::fs::remove_file(&here).unwrap();
        }
    }
    echo.abort();
}
