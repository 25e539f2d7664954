//! Services that converge, services that cannot, and nodes that die while skep waits.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use skep_tests::{Lab, Ran, Run, host, watch::watch};

use crate::seen::{container, nodes, until};

/// Makes an image of the guest's own shell, so that no registry is needed.
const IMAGE: &str = "cd / && tar -ch bin/sh bin/sleep bin/echo \
    $(for program in sh sleep; do ldd /bin/$program | grep -o '/[^ ]*' | grep -v :; done | sort -u) \
    2>/dev/null | docker import - app:1";

/// `docker` on the first manager.
fn docker(lab: &Lab, words: &str) -> Run {
    lab.skep("machine ssh manager1").args([format!("docker {words}")])
}

fn create(lab: &Lab, name: &str, options: &str, command: &str) {
    let create = format!(
        "service create --detach --quiet --no-resolve-image --stop-grace-period 1s --name {name} \
         {options} app:1 {command}"
    );
    docker(lab, &create).succeeds();
}

fn update(lab: &Lab, words: &str) {
    docker(lab, &format!("service update --detach --quiet --no-resolve-image {words}")).succeeds();
}

fn with_images(lab: &Lab, machines: &[&str]) {
    for machine in machines {
        lab.skep("machine ssh").args([machine, &IMAGE]).succeeds();
    }
}

pub(crate) fn what_does_not_converge_says_why() {
    let lab = Lab::with_machines("cause");
    lab.up("--workers 1").succeeds();
    with_images(&lab, &["manager1", "worker1"]);

    create(&lab, "bad", "--restart-delay 200ms", "sh -c 'echo cannot open /etc/x >&2; exit 7'");
    let bad = lab.skep("service watch bad").exits(4).prints_nothing();
    bad.says("its tasks keep failing")
        .says("task: non-zero exit (7); exit code 7")
        .says("its last lines: cannot open /etc/x");

    create(&lab, "once", "--restart-condition none", "sh -c 'exit 3'");
    lab.skep("service watch once").exits(4).says("is not started again").says("exit code 3");

    create(&lab, "far", "--constraint node.labels.zone==a --reserve-memory 900T", "sleep 1000");
    let far = lab.skep("service watch far").exits(4).says("no node can take its tasks");
    for node in ["manager1", "worker1"] {
        let says = format!("{node}: constraint node.labels.zone==a is not met");
        assert!(far.stderr.contains(&says), "{far}");
    }
    far.says("900 TiB of memory wanted");

    let short = lab.skep("service watch --timeout 1s far").exits(4);
    short.says("has not converged within 1s (0 out of 1 tasks)").says("service watch");

    // Ctrl-C leaves the service as it is.
    let stopped = watch(&lab, "service watch far", "waiting for service far", |pid| {
        kill_process(pid, Signal::INT).unwrap();
    });
    assert_eq!(stopped.code, Some(130), "{:?}", stopped.lines);
    assert!(stopped.lines.iter().any(|line| line.contains("service far is left as it is")));
    docker(&lab, "service inspect far").succeeds();

    updates(&lab);
    lab.finish();
}

fn updates(lab: &Lab) {
    let fast = "--replicas 2 --update-monitor 1s --rollback-monitor 1s --update-delay 0s";
    create(lab, "up", fast, "sleep 1000");
    lab.skep("service watch up").succeeds().prints_nothing();

    update(lab, "--env-add A=b up");
    lab.skep("service watch up").succeeds();
    assert_eq!(update_state(lab), "completed", "converged is not said before the engine says so");

    update(lab, "--update-failure-action rollback --args \"sh -c 'echo no config; exit 9'\" up");
    let back = lab.skep("service watch up").exits(4).says("was rolled back");
    back.says("task: non-zero exit (9)").says("its last lines: no config");

    update(lab, "--update-failure-action pause --args nosuchprogram up");
    let paused = lab.skep("service watch up").exits(4);
    paused.says("was paused").says("nosuchprogram").says("exit code 127");

    docker(lab, "service rollback --detach --quiet up").succeeds();
    lab.skep("service watch up").succeeds();
}

fn update_state(lab: &Lab) -> String {
    let ran = docker(lab, "service inspect --format '{{.UpdateStatus.State}}' up").succeeds();
    ran.text().to_owned()
}

pub(crate) fn a_node_dies_while_skep_waits() {
    let lab = Lab::with_machines("dead");
    lab.up("--workers 2").succeeds();
    with_images(&lab, &["manager1", "worker1", "worker2"]);
    create(&lab, "talk", "--replicas 3", "sh -c 'echo hello; echo trouble >&2; exec sleep 1000'");
    lab.skep("service watch talk").succeeds();
    let all = logs(&lab);
    assert_eq!(all.lines().len(), 3, "{all}");
    assert!(all.stdout.contains("@worker2    | hello"), "{all}");
    assert_eq!(all.stderr.matches("    | trouble").count(), 3, "{all}");
    assert!(!all.stdout.contains("trouble"), "{all}");

    let lost = container(&lab, "worker2");
    host::docker(["pause", &lost]).succeeds();
    let partly = logs(&lab);
    assert!(partly.stdout.contains("@worker1    | hello"), "{partly}");
    assert!(!partly.stdout.contains("@worker2"), "{partly}");
    partly.says("worker2: it").says("the log of talk.");

    until("worker2 known as down", || (nodes(&lab)["worker2"].state == "down").then_some(()));
    logs(&lab).says("worker2: it is down");
    // Its task runs elsewhere, and the dead one is not counted.
    lab.skep("service watch talk").succeeds();
    let drained = lab.skep("node drain worker2 --wait").succeeds();
    assert_eq!(drained.text(), "Node worker2 is drained.");

    host::docker(["unpause", &lost]).succeeds();
    lab.skep("node activate worker2").succeeds();
    until("worker2 back", || (nodes(&lab)["worker2"].state == "ready").then_some(()));
    moves(&lab);
    lab.finish();
}

fn moves(lab: &Lab) {
    let drained = lab.skep("node drain worker1 --wait").within(Duration::from_secs(120));
    drained.succeeds();
    let left = docker(lab, "node ps --filter desired-state=running --quiet worker1").succeeds();
    assert_eq!(left.text(), "", "{left}");
    assert_eq!(spread(lab).iter().sum::<usize>(), 3);

    lab.skep("node activate worker1").succeeds();
    let table = lab.skep("service rebalance talk").within(Duration::from_secs(120)).succeeds();
    assert!(table.stdout.starts_with("SERVICE   NODE       BEFORE    AFTER\n"), "{table}");
    assert_eq!(spread(lab), [1, 1, 1], "{table}");
    lab.skep("service rebalance talk").succeeds().prints_nothing().says("is even already");

    create(lab, "solo", "--constraint node.hostname==worker1", "sleep 1000");
    lab.skep("service watch solo").succeeds();
    let stuck = lab.skep("node drain worker1 --wait").exits(4);
    stuck
        .says("service solo is interrupted: its only task runs here")
        .says("service solo: no other node can take 1 of its tasks")
        .says("service solo: 0 out of 1 tasks run")
        .says("worker1: it is drained");
    // Nothing is forgotten because it was drained before.
    let again = lab.skep("node drain worker1 --wait").exits(4);
    again.says("service solo: 0 out of 1 tasks run");
}

fn logs(lab: &Lab) -> Ran {
    lab.skep("service logs talk").within(Duration::from_secs(20)).succeeds()
}

/// How many running tasks of the service each node has.
fn spread(lab: &Lab) -> Vec<usize> {
    let words = "service ps --filter desired-state=running --format '{{.Node}}' talk";
    let ran = docker(lab, words).succeeds();
    let count = |node: &str| ran.lines().iter().filter(|line| **line == node).count();
    ["manager1", "worker1", "worker2"].map(count).to_vec()
}
