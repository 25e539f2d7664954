use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn node(name: &str, manager: bool, ready: bool) -> Node {
    let status = if ready { "ready" } else { "down" };
    let mut node = json!({
        "ID": format!("id-{name}"), "Version": {"Index": 1},
        "Spec": {"Role": if manager { "manager" } else { "worker" }, "Availability": "active"},
        "Description": {"Hostname": name},
        "Status": {"State": status, "Addr": "10.0.0.1"},
    });
    if manager {
        node["ManagerStatus"] = json!({"Reachability": "reachable", "Addr": "10.0.0.1:2377"});
    }
    serde_json::from_value(node).unwrap()
}

fn service(name: &str, mode: Value) -> Service {
    let service = json!({"ID": name, "Spec": {"Name": name, "Mode": mode}});
    serde_json::from_value(service).unwrap()
}

fn task(number: usize, service: &str, node: &str, state: &str) -> Task {
    serde_json::from_value(json!({
        "ID": format!("t{number}"), "ServiceID": service, "NodeID": format!("id-{node}"),
        "Status": {"State": state}, "DesiredState": "running",
    }))
    .unwrap()
}

fn names(names: &[&str]) -> Vec<MachineName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn four() -> Vec<Node> {
    let mut nodes: Vec<_> =
        ["manager1", "manager2", "manager3"].map(|name| node(name, true, true)).into();
    nodes.extend(["worker1", "worker2"].map(|name| node(name, false, true)));
    nodes
}

const ALL: [&str; 5] = ["manager1", "manager2", "manager3", "worker1", "worker2"];

fn batches(world: &World) -> Vec<Vec<&'static str>> {
    let machines = names(&ALL);
    let machines: Vec<_> = machines.iter().collect();
    let batches = world.batches(&machines);
    batches.into_iter().map(|batch| batch.into_iter().map(|place| ALL[place]).collect()).collect()
}

fn said(world: &World, how: How) -> Option<String> {
    let machines = names(&ALL);
    world.announcement(&machines.iter().collect::<Vec<_>>(), how)
}

#[test]
fn where_no_tasks_run_all_are_restarted_at_once() {
    let at_once = [ALL.to_vec()];
    assert_eq!(batches(&World::None), at_once);
    let web = service("web", json!({"Replicated": {"Replicas": 2}}));
    // What has ended does not run, and what is on a node that is down is not known.
    let mut nodes = four();
    nodes.push(node("worker3", false, false));
    let over = [task(1, "web", "worker1", "failed"), task(2, "web", "worker3", "running")];
    let world = world(&nodes, &[web], &over);
    assert_eq!(batches(&world), at_once);
    assert_eq!(said(&world, How { certain: true, drain: false }), None);
}

#[test]
fn where_tasks_run_each_node_with_some_waits_for_the_one_before() {
    let web = service("web", json!({"Replicated": {"Replicas": 2}}));
    let job = service("job", json!({"ReplicatedJob": {}}));
    let tasks = [
        task(1, "web", "manager2", "running"),
        task(2, "web", "worker1", "running"),
        task(3, "job", "worker1", "running"),
    ];
    let world = world(&four(), &[web, job], &tasks);
    let turns = batches(&world);
    let wanted = [&["worker2"], &["manager1"], &["manager3"], &["manager2"], &["worker1"]];
    assert_eq!(turns, wanted);
    let load = world.load(&"worker1".parse().unwrap()).unwrap();
    assert_eq!(load.services, BTreeMap::from([(Id::new("web"), 2)]), "a job ends by itself");
    insta::assert_snapshot!(said(&world, How { certain: true, drain: false }).unwrap(), @"the engines of manager2 and worker1 are restarted, one machine after the other; this interrupts 3 running tasks (1 of job, 2 of web)");
    insta::assert_snapshot!(said(&world, How { certain: false, drain: true }).unwrap(), @"the engines of manager2 and worker1 may be restarted, one machine after the other; 3 running tasks move to other nodes first (1 of job, 2 of web)");
}

#[test]
fn where_nobody_tells_what_runs_it_is_one_after_the_other() {
    let world = World::Silent { reason: "no manager answers".into() };
    assert!(batches(&world).iter().all(|batch| batch.len() == 1));
    assert!(said(&world, How::default()).unwrap().contains("one by one"));
}

#[test]
fn of_two_nodes_of_a_name_the_ready_one_counts() {
    let old = node("worker1", false, false);
    let new = Node { id: NodeId::new("new"), ..node("worker1", false, true) };
    for nodes in [[old.clone(), new.clone()], [new, old]] {
        let world = world(&nodes, &[], &[]);
        assert_eq!(world.load(&"worker1".parse().unwrap()).unwrap().node.as_str(), "new");
    }
}

proptest! {
    /// Wherever tasks run: every machine is in one batch, no two nodes with tasks are in the same,
    /// and as long as there are tasks no two managers have.
    #[test]
    fn no_service_loses_two_nodes_at_once(on in prop::collection::vec(0usize..5, 0..12)) {
        let web = service("web", json!({"Global": {}}));
        let tasks: Vec<_> =
            on.iter().enumerate().map(|(number, &place)| task(number, "web", ALL[place], "running")).collect();
        let turns = batches(&world(&four(), &[web], &tasks));
        let mut everyone: Vec<_> = turns.concat();
        everyone.sort_unstable();
        prop_assert_eq!(everyone, ALL.to_vec());
        if !on.is_empty() {
            for batch in turns {
                let busy = batch.iter().filter(|name| on.iter().any(|&place| ALL[place] == **name));
                prop_assert!(busy.count() == 0 || batch.len() == 1);
                prop_assert!(batch.iter().filter(|name| name.starts_with('m')).count() <= 1);
            }
        }
    }
}
