//! Damage to a cluster from outside: `status` reports it and `up` repairs it.

use std::path::{Path, PathBuf};

use skep_tests::{Lab, host};

use crate::seen::{all_ready, container, containers, ids, nodes};

const THREE: [&str; 3] = ["manager1", "worker1", "worker2"];

pub(crate) fn machines_removed_behind_our_back_are_made_again() {
    let lab = Lab::with_machines("removed");
    lab.up("--workers 2").succeeds();
    let (before, machines) = (nodes(&lab), containers(&lab));
    // One of them with its disk, which is what makes it a node of the swarm.
    let (first, second) = (container(&lab, "worker1"), container(&lab, "worker2"));
    host::docker(["rm", "--force", &first, &second]).succeeds();
    host::docker(["volume", "rm", &second]).succeeds();

    let status = lab.skep("status").exits(4);
    assert_eq!(status.stdout.matches("Not Found").count(), 2, "{status}");
    status.says("worker1").says("worker2").says("skep up");
    lab.up("").succeeds();
    lab.skep("status").succeeds();
    // Exactly three: the node that is gone for ever is not in the list any more.
    let after = all_ready(&lab, &THREE);
    assert_eq!(after["manager1"].id, before["manager1"].id);
    assert_eq!(after["worker1"].id, before["worker1"].id, "its disk was there");
    assert_ne!(after["worker2"].id, before["worker2"].id, "its disk was gone");
    let now = containers(&lab);
    assert_eq!(now.keys().collect::<Vec<_>>(), machines.keys().collect::<Vec<_>>());
    let changed = now.iter().filter(|(name, id)| machines.get(*name) != Some(*id)).count();
    assert_eq!(changed, 2, "others were made anew");
    lab.finish();
}

pub(crate) fn machines_stopped_and_killed_behind_our_back_come_back() {
    let lab = Lab::with_machines("stopped");
    lab.up("--workers 2").succeeds();
    let (before, machines) = (nodes(&lab), containers(&lab));
    host::docker(["stop", &container(&lab, "worker1")]).succeeds();
    host::docker(["kill", &container(&lab, "manager1")]).succeeds();

    let status = lab.skep("status").exits(4);
    assert_eq!(status.stdout.matches("Stopped").count(), 2, "{status}");
    status.says("manager1");
    lab.up("").succeeds();
    assert_eq!(ids(&all_ready(&lab, &THREE)), ids(&before));
    assert_eq!(containers(&lab), machines);
    lab.finish();
}

pub(crate) fn machines_are_switched_by_name() {
    let lab = Lab::with_machines("power");
    lab.up("--workers 1").succeeds();
    let before = nodes(&lab);
    let state = |machine: &str| {
        let list = lab.skep("machine ls").succeeds();
        let line = list.lines().into_iter().find(|line| line.starts_with(machine)).unwrap();
        line.split_whitespace().nth(3).unwrap().to_owned()
    };
    lab.skep("machine stop worker1 worker9").exits(1).says("worker9").prints_nothing();
    assert_eq!(state("worker1"), "Running", "a name that is unknown changes nothing");
    assert_eq!(lab.skep("machine stop worker1").succeeds().text(), "worker1");
    assert_eq!(state("worker1"), "Stopped");
    lab.skep("machine stop worker1").succeeds();
    lab.skep("machine start worker1").succeeds();
    crate::seen::inside(&lab, "worker1", "docker version").succeeds();
    lab.skep("machine kill worker1").succeeds();
    assert_eq!((state("worker1"), state("manager1")), ("Stopped".into(), "Running".into()));
    lab.skep("machine restart worker1 manager1").succeeds();
    lab.up("").succeeds();
    assert_eq!(ids(&all_ready(&lab, &["manager1", "worker1"])), ids(&before));
    lab.finish();
}

pub(crate) fn a_machine_with_another_host_key_is_not_talked_to() {
    let lab = Lab::with_machines("hostkey");
    lab.up("--workers 0").succeeds();
    let machine = lab.store().join(format!("clusters/{}/machines/manager1", lab.cluster()));
    let pin = machine.join("known_hosts");
    let right = fs_err::read_to_string(&pin).unwrap();
    let public = fs_err::read_to_string(machine.join("id_ed25519.pub")).unwrap();
    let key = public.split(' ').nth(1).unwrap();
    let (front, _) = right.trim_end().rsplit_once(' ').unwrap();
    fs_err::write(&pin, format!("{front} {key}\n")).unwrap();
    end_masters(&lab);

    for words in ["node ls", "status", "up"] {
        let ran = lab.skep(words).ends();
        assert_ne!(ran.code, Some(0), "{ran}");
        ran.says("host key");
    }
    fs_err::write(&pin, right).unwrap();
    lab.skep("node ls").succeeds();
    lab.finish();
}

/// Ends the lab's SSH masters, which an earlier command left for the next.
fn end_masters(lab: &Lab) {
    let runtime = lab.runtime().display().to_string();
    for process in host::processes_with(&runtime) {
        let pid = process.split(' ').next().and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            // One that has just ended needs no ending.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
    crate::seen::until("the end of the SSH masters", || {
        host::processes_with(&runtime).is_empty().then_some(())
    });
}

/// The files of a store that are no guest system and no second copy.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with(".kept") || path.ends_with("os") => {}
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

pub(crate) fn every_file_of_the_store_may_be_damaged_or_lost() {
    let lab = Lab::with_machines("damaged");
    lab.up("--workers 0").succeeds();
    let node = lab.skep("node ls -q").succeeds().stdout;
    let mut all = Vec::new();
    files(&lab.store(), &mut all);
    assert!(all.len() > 10, "{all:?}");
    for path in &all {
        for damage in [Some(&b""[..]), Some(b"\xff\x00\x80\n{]\n"), None] {
            match damage {
                Some(bytes) => fs_err::write(path, bytes).unwrap(),
                None => fs_err::remove_file(path).unwrap(),
            }
            let ran = lab.skep("node ls -q").succeeds();
            assert_eq!(ran.stdout, node, "{}: {ran}", path.display());
        }
        // A login of its own, with whatever is there now.
        lab.skep("machine restart manager1").succeeds();
        lab.up("--workers 0").succeeds();
        assert_eq!(lab.skep("node ls -q").succeeds().stdout, node, "{}", path.display());
    }
    let record = lab.store().join(format!("clusters/{}/cluster.json", lab.cluster()));
    let whole = fs_err::read_to_string(&record).unwrap();
    let newer = whole.replace("\"schema\": 1", "\"schema\": 99");
    fs_err::write(&record, newer).unwrap();
    for words in ["status", "up", "node ls"] {
        lab.skep(words).exits(1).says("schema 99").prints_nothing();
    }
    assert_eq!(containers(&lab).len(), 1);
    lab.finish();
}
