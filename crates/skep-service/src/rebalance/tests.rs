use serde_json::json;

use super::*;

fn lies(template: &Value, nodes: &[(&str, &str)], counts: &[(&str, usize)]) -> Spread {
    let service: Service = serde_json::from_value(json!({"ID": "s", "Spec": {"Name": "web",
        "Mode": {"Replicated": {"Replicas": 4}}, "TaskTemplate": template}}))
    .unwrap();
    let node = |(name, more): &(&str, &str)| {
        let (availability, zone) = more.split_once(' ').unwrap_or((more, ""));
        serde_json::from_value(
            json!({"ID": name, "Description": {"Hostname": name}, "Status": {"State": "ready"},
            "Spec": {"Availability": availability, "Labels": {"zone": zone}}}),
        )
        .unwrap()
    };
    let nodes: Vec<Node> = nodes.iter().map(node).collect();
    let task = |name: &str| {
        serde_json::from_value(json!({"ID": "t", "ServiceID": "s", "NodeID": name, "DesiredState": "running", "Status": {"State": "running"}}))
            .unwrap()
    };
    let tasks: Vec<Task> =
        counts.iter().flat_map(|(name, count)| (0..*count).map(move |_| task(name))).collect();
    spread(&service, &nodes, &tasks)
}

#[test]
fn a_node_that_came_back_makes_it_uneven() {
    let nodes = [("a", "active"), ("b", "active"), ("c", "active")];
    let none = json!({});
    let back = lies(&none, &nodes, &[("a", 2), ("b", 2)]);
    assert_eq!(back.nodes, [("a".to_owned(), 2), ("b".to_owned(), 2), ("c".to_owned(), 0)]);
    assert!(back.uneven);
    assert!(!lies(&none, &nodes, &[("a", 2), ("b", 1), ("c", 1)]).uneven);
    assert!(!lies(&none, &nodes, &[("a", 1)]).uneven);
    assert!(!lies(&none, &nodes, &[]).uneven);
}

#[test]
fn a_node_that_may_have_none_does_not_count() {
    let nodes = [("a", "active"), ("b", "drain")];
    assert!(!lies(&json!({}), &nodes, &[("a", 4)]).uneven);
    let only = json!({"Placement": {"Constraints": ["node.hostname==a"]}});
    assert!(!lies(&only, &[("a", "active"), ("b", "active")], &[("a", 4)]).uneven);
}

#[test]
fn preferences_spread_over_groups_first() {
    let by_zone = json!({"Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}]}});
    let nodes = [("a", "active north"), ("b", "active south"), ("c", "active south")];
    assert!(!lies(&by_zone, &nodes, &[("a", 2), ("b", 1), ("c", 1)]).uneven);
    assert!(lies(&by_zone, &nodes, &[("b", 2), ("c", 2)]).uneven);
    assert!(lies(&by_zone, &nodes, &[("a", 2), ("b", 2)]).uneven);
}
