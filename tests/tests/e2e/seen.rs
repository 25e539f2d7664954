//! What can be seen of a cluster: its nodes as skep lists them, its containers as the host's
//! engine does, an engine's age from inside its machine.

use std::{collections::BTreeMap, time::Duration, time::Instant};

use serde_json::Value;
use skep_tests::{Lab, Ran, Run, host};

/// A node of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) availability: String,
    pub(crate) manager: Option<String>,
}

/// The nodes by the names of their hosts.
///
/// # Panics
/// If two have one name.
#[track_caller]
pub(crate) fn nodes(lab: &Lab) -> BTreeMap<String, Node> {
    nodes_in(&lab.skep("node ls --format json").succeeds())
}

#[track_caller]
pub(crate) fn nodes_in(ran: &Ran) -> BTreeMap<String, Node> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut nodes = BTreeMap::new();
    for node in document["nodes"].as_array().unwrap() {
        let seen = Node {
            id: text(&node["id"]).unwrap(),
            state: text(&node["state"]).unwrap(),
            availability: text(&node["availability"]).unwrap(),
            manager: text(&node["manager"]),
        };
        let name = text(&node["hostname"]).unwrap();
        assert!(nodes.insert(name, seen).is_none(), "two nodes have one name: {ran}");
    }
    nodes
}

/// The nodes must be these, all ready.
#[track_caller]
pub(crate) fn all_ready(lab: &Lab, names: &[&str]) -> BTreeMap<String, Node> {
    let nodes = nodes(lab);
    assert_eq!(nodes.keys().collect::<Vec<_>>(), names, "{nodes:?}");
    assert!(nodes.values().all(|node| node.state == "ready"), "{nodes:?}");
    nodes
}

/// The identifiers of nodes, by name.
pub(crate) fn ids(nodes: &BTreeMap<String, Node>) -> BTreeMap<&str, &str> {
    nodes.iter().map(|(name, node)| (name.as_str(), node.id.as_str())).collect()
}

/// The names of a lab's containers with the engine's identifiers.
#[track_caller]
pub(crate) fn containers(lab: &Lab) -> BTreeMap<String, String> {
    let label = lab.label().unwrap();
    let found = host::labelled(&label);
    let names = found.iter().filter_map(|line| line.strip_prefix("container "));
    names.map(|name| (name.to_owned(), host::inspect("container", name, "{{.Id}}"))).collect()
}

/// The name of a machine's container, found by its labels.
#[track_caller]
pub(crate) fn container(lab: &Lab, machine: &str) -> String {
    let label = format!("label={}", lab.label().unwrap());
    let machine = format!("label=skep.machine={machine}");
    let words = ["ps", "--all", "--filter", &label, "--filter", &machine];
    let found = host::docker(words).args(["--format", "{{.Names}}"]).succeeds();
    assert_eq!(found.lines().len(), 1, "{found}");
    found.text().to_owned()
}

/// When a machine's engine was started, in whatever its kernel counts: the same text means that
/// it has not been restarted.
#[track_caller]
pub(crate) fn engine_start(lab: &Lab, machine: &str) -> String {
    let script = "pid=$(cat /run/docker.pid) && echo $pid && cut -d' ' -f22 /proc/$pid/stat";
    let ran = inside(lab, machine, script).succeeds();
    assert_eq!(ran.lines().len(), 2, "{ran}");
    ran.stdout
}

/// A command for a machine's shell.
pub(crate) fn inside(lab: &Lab, machine: &str, script: &str) -> Run {
    lab.bare(["machine", "ssh", machine, script])
}

/// Asks again and again until the answer is there. Asking starts a program each time, so it needs
/// no pause.
#[track_caller]
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(60), what, ask)
}

/// As [`until`], for what takes longer.
#[track_caller]
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < patience, "within {patience:?} it did not come: {what}");
    }
}
