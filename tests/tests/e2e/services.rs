//! The walkthrough's chapters about services, command by command, on four virtual machines with a
//! real mesh: helloping from one task to ten, off a drained manager and removed; nginx updated from
//! one real version to the next while every request is counted.

use std::{collections::BTreeSet, thread, time::Duration};

use serde_json::Value;
use skep_tests::{Lab, Ran, Run, images::archive};

use crate::seen::{all_ready, until_within};

const FOUR: [&str; 4] = ["manager1", "worker1", "worker2", "worker3"];

/// How long one command may take where everything is emulated.
const LONG: Duration = Duration::from_secs(420);

pub(crate) fn the_walkthrough_on_virtual_machines() {
    let lab = Lab::with_machines("services");
    lab.up("--driver qemu --publish 8080").succeeds();
    all_ready(&lab, &FOUR);
    let archives = ["ping-latest", "nginx-1.22", "nginx-1.26"].map(archive);
    lab.skep("image load").args(archives).within(LONG).succeeds();

    helloping(&lab);
    nginx(&lab);
    lab.finish();
}

/// Runs a command line given as words, none of which has a space.
fn skep(lab: &Lab, words: &str) -> Ran {
    lab.skep(words).within(LONG).succeeds()
}

fn helloping(lab: &Lab) {
    // The task itself stands in for docker.com: these machines have no outbound network.
    let create = "service create --replicas 1 --name helloping --host docker.com:127.0.0.1 \
                  --stop-grace-period 1s ping ping docker.com";
    let id = skep(lab, create).text().to_owned();
    assert_eq!(id.len(), 25, "{id}");
    let list = skep(lab, "service ls");
    let line = "helloping   replicated   1/1        ping:latest";
    assert!(list.stdout.contains(line), "{list}");
    let pretty = skep(lab, "service inspect --pretty helloping");
    for line in [
        "Service Mode:\tReplicated\n Replicas:\t1\n",
        "UpdateConfig:\n Parallelism:\t1\n On failure:\tpause\n",
        " Args:\t\tping docker.com",
        "Endpoint Mode:\tvip",
    ] {
        assert!(pretty.stdout.contains(line), "{line:?} is not in {pretty}");
    }
    running(lab, "helloping", 1);

    let scaled = skep(lab, "service scale helloping=10");
    assert!(scaled.stdout.contains("helloping scaled to 10"), "{scaled}");
    // A node that missed heartbeats for a moment gets no tasks, and none are moved to it when it is back.
    all_ready(lab, &FOUR);
    skep(lab, "service rebalance helloping");
    let nodes = running(lab, "helloping", 10);
    assert!(FOUR.iter().all(|node| nodes.iter().any(|at| at == node)), "{nodes:?}");

    skep(lab, "node drain --wait manager1");
    let nodes = running(lab, "helloping", 10);
    assert!(!nodes.contains(&"manager1".to_owned()), "{nodes:?}");
    let history = skep(lab, "service ps helloping");
    assert!(history.stdout.contains(" \\_ helloping."), "{history}");

    assert_eq!(skep(lab, "service rm helloping").stdout, "helloping\n");
    lab.skep("service ps helloping").exits(1).says("no such service: helloping");
}

fn nginx(lab: &Lab) {
    skep(
        lab,
        "service create --replicas 10 --name nginx --update-delay 1s --update-parallelism 2 \
         --update-order start-first --publish 8080:80 nginx:1.22",
    );
    // The manager is drained: its answers cross the mesh.
    assert!(!running(lab, "nginx", 10).contains(&"manager1".to_owned()));
    // It takes some time until every node's mesh knows every task.
    let whole = || {
        let probed = probe(lab, "service probe nginx -n 20").ends();
        (probed.code == Some(0)).then_some(probed)
    };
    answered(&until_within(LONG, "every node answers", whole), &["nginx/1.22.1"]);
    let logs = skep(lab, "service logs --tail 5 nginx");
    // Requests were answered on the workers only, also those that were sent to the manager.
    assert!(logs.stdout.contains("\"GET / HTTP/1.1\" 200"), "{logs}");
    assert!(!logs.stdout.contains("@manager1"), "{logs}");

    let watched = thread::scope(|scope| {
        let watch = scope.spawn(|| probe(lab, "service probe nginx --watch --rate 5").ends());
        assert_eq!(skep(lab, "service update --image nginx:1.26 nginx").stdout, "nginx\n");
        watch.join().expect("the probe ends")
    });
    rolled(&watched);

    let pretty = skep(lab, "service inspect --pretty nginx");
    for line in ["UpdateStatus:\n State:\t\tcompleted\n", "PublishedPort = 8080", "nginx:1.26"] {
        assert!(pretty.stdout.contains(line), "{line:?} is not in {pretty}");
    }
    let history = skep(lab, "service ps nginx");
    assert!(history.stdout.matches("nginx:1.26").count() >= 10, "{history}");
    // Old tasks keep answering for a while, for nodes whose mesh still routes to them.
    let only_new = || {
        let probed = probe(lab, "service probe nginx -n 10").ends();
        (versions(&probed) == ["nginx/1.26.3"]).then_some(())
    };
    until_within(LONG, "only the new version answers", only_new);

    skep(lab, "node activate manager1");
    skep(lab, "service rebalance nginx");
    assert!(running(lab, "nginx", 10).contains(&"manager1".to_owned()));
    skep(lab, "service rm nginx");
}

/// A probe of the service, with a report for programs.
fn probe(lab: &Lab, words: &str) -> Run {
    lab.skep(words).args(["--format", "json", "--header", "Server"]).within(LONG)
}

/// An update was watched to its end: lost requests are counted and set the exit code. The mesh of
/// four emulated machines on a busy host may learn too late that a task has gone and lose a request
/// or two; an update that stops its tasks before it starts others loses hundreds.
#[track_caller]
fn rolled(watched: &Ran) {
    let report: Value = serde_json::from_str(&watched.stdout).unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let (sent, lost) = (number(&report["sent"]), number(&report["lost"]));
    assert_eq!(watched.code, Some(if lost == 0 { 0 } else { 4 }), "{watched}");
    assert!(lost * 100 <= sent, "more than one in a hundred was lost: {watched}");
    let nodes = report["nodes"].as_array().unwrap();
    let answers: u64 = nodes.iter().map(|node| number(&node["answered"])).sum();
    assert_eq!(answers + lost, sent, "{watched}");
    assert_eq!(report["watched"]["update"], "completed", "{watched}");
    versions_are(watched, &["nginx/1.22.1", "nginx/1.26.3"]);
}

/// Each of the four machines has answered everything, and the answers were of these versions and
/// no other.
#[track_caller]
fn answered(probed: &Ran, versions: &[&str]) {
    let report: Value = serde_json::from_str(&probed.stdout).unwrap();
    assert_eq!(report["lost"], 0, "{probed}");
    versions_are(probed, versions);
}

/// Each of the four machines has answered, with these versions and no other.
#[track_caller]
fn versions_are(probed: &Ran, wanted: &[&str]) {
    let report: Value = serde_json::from_str(&probed.stdout).unwrap();
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().map(|node| &node["node"]).collect::<Vec<_>>(), FOUR, "{probed}");
    assert!(nodes.iter().all(|node| node["answered"].as_u64().unwrap() > 0), "{probed}");
    assert_eq!(versions(probed), wanted, "{probed}");
}

/// All versions that answered.
fn versions(probed: &Ran) -> Vec<String> {
    let report: Value = serde_json::from_str(&probed.stdout).unwrap();
    let nodes = report["nodes"].as_array().unwrap().iter();
    let seen: BTreeSet<_> =
        nodes.flat_map(|node| node["values"].as_object().unwrap().keys().cloned()).collect();
    seen.into_iter().collect()
}

/// The nodes that run tasks of a service, one for each task, once so many run.
fn running(lab: &Lab, service: &str, count: usize) -> Vec<String> {
    let words = format!("service ps {service} --filter desired-state=running --format json");
    until_within(LONG, "so many tasks that run", || {
        let list: Value = serde_json::from_str(&skep(lab, &words).stdout).unwrap();
        let tasks = list["tasks"].as_array().unwrap();
        let all_run = tasks.iter().all(|task| task["state"] == "running");
        let node = |task: &Value| task["node"].as_str().unwrap().to_owned();
        (all_run && tasks.len() == count).then(|| tasks.iter().map(node).collect())
    })
}
