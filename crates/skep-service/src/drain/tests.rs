use serde_json::{Value, json};

use super::*;

fn nodes(names: &[&str]) -> Vec<Node> {
    let node = |name: &&str| {
        json!({"ID": name, "Description": {"Hostname": name, "Resources": {"MemoryBytes": 1 << 30}},
            "Status": {"State": "ready"}, "Spec": {"Availability": "active"}})
    };
    names.iter().map(|name| serde_json::from_value(node(name)).unwrap()).collect()
}

fn service(name: &str, template: &Value) -> Service {
    serde_json::from_value(json!({"ID": name, "Spec": {"Name": name,
        "Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": template}}))
    .unwrap()
}

fn task(service: &str, slot: u64, node: &str, template: &Value) -> Task {
    serde_json::from_value(json!({"ID": format!("{service}{slot}"), "ServiceID": service, "Slot": slot,
        "NodeID": node, "Spec": template, "DesiredState": "running", "Status": {"State": "running"}}))
    .unwrap()
}

#[test]
fn a_service_that_is_here_only_is_interrupted() {
    let none = json!({});
    let services = [service("solo", &none), service("web", &none), service("away", &none)];
    let tasks = [
        task("solo", 1, "a", &none),
        task("web", 1, "a", &none),
        task("web", 2, "b", &none),
        task("away", 1, "b", &none),
    ];
    let plan = plan(&[Id::new("a")], &services, &nodes(&["a", "b"]), &tasks);
    assert_eq!(plan.interrupted, [("solo".to_owned(), 1)]);
    assert_eq!(plan.unplaceable, []);
}

#[test]
fn what_finds_no_place_is_told_with_what_is_in_the_way() {
    // Two of them fit on a node, of which one is left and has one already.
    let large = json!({"Resources": {"Reservations": {"MemoryBytes": 500 << 20}}});
    let tasks =
        [task("web", 1, "a", &large), task("web", 2, "a", &large), task("db", 1, "b", &large)];
    let services = [service("web", &large), service("db", &large)];
    let plan = plan(&[Id::new("a")], &services, &nodes(&["a", "b"]), &tasks);
    assert_eq!(plan.interrupted, [("web".to_owned(), 2)]);
    let [unplaceable] = plan.unplaceable.as_slice() else { panic!("{plan:?}") };
    assert_eq!((unplaceable.service.as_str(), unplaceable.tasks), ("web", 1));
    let sites: Vec<String> = unplaceable.sites.iter().map(ToString::to_string).collect();
    assert_eq!(sites, ["b: 500 MiB of memory wanted, 24 MiB of 1 GiB free"]);
}

#[test]
fn two_nodes_at_once_leave_no_way_between_them() {
    let one = json!({"Placement": {"MaxReplicas": 1}});
    let services = [service("web", &one)];
    let tasks = [task("web", 1, "a", &one), task("web", 2, "b", &one)];
    let all = nodes(&["a", "b", "c"]);
    assert_eq!(plan(&[Id::new("a")], &services, &all, &tasks).unplaceable, []);
    let both = plan(&[Id::new("a"), Id::new("b")], &services, &all, &tasks);
    assert_eq!(both.unplaceable[0].tasks, 1);
    assert_eq!(both.unplaceable[0].sites.len(), 1, "what is drained is no news: {both:?}");
}
