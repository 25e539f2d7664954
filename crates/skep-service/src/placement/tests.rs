use serde_json::json;

use super::*;

fn node(name: &str, more: &Value) -> Node {
    let mut node = json!({
        "ID": format!("id-{name}"),
        "Spec": {"Role": "worker", "Availability": "active", "Labels": {"zone": "north", "Disk": "ssd"}},
        "Description": {
            "Hostname": name,
            "Platform": {"Architecture": "x86_64", "OS": "linux"},
            "Resources": {"NanoCPUs": 2_000_000_000u64, "MemoryBytes": 1 << 30,
                "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]},
            "Engine": {"Labels": {"kind": "fast"}}
        },
        "Status": {"State": "ready", "Addr": "192.168.99.7"}
    });
    merge(&mut node, more);
    serde_json::from_value(node).unwrap()
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn service(template: &Value) -> Service {
    let service = json!({
        "ID": "web", "Spec": {"Name": "web", "Mode": {"Replicated": {"Replicas": 2}},
        "TaskTemplate": template,
        "EndpointSpec": {"Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]}}
    });
    serde_json::from_value(service).unwrap()
}

fn task(service: &str, node: &str, more: &Value) -> Task {
    let mut task = json!({
        "ID": "taskidentifier", "ServiceID": service, "NodeID": format!("id-{node}"),
        "DesiredState": "running", "Status": {"State": "running"}
    });
    merge(&mut task, more);
    serde_json::from_value(task).unwrap()
}

fn told(template: &Value, node: Node, tasks: &[Task]) -> String {
    sites(&service(template), &[node], tasks)[0].to_string()
}

fn constraint(text: &str) -> String {
    told(&json!({"Placement": {"Constraints": [text]}}), node("n", &json!({})), &[])
}

const NOTHING: &str = "n: nothing that can be seen from here";

#[test]
fn constraints_are_met_as_the_scheduler_meets_them() {
    for met in [
        "node.labels.zone==north",
        "node.labels.zone == NORTH",
        "node.labels.zone != south",
        "node.labels.none != north",
        "node.labels.Disk==ssd",
        "engine.labels.kind==fast",
        "node.role==worker",
        "node.hostname!=other",
        "node.id==id-n",
        "node.platform.os==linux",
        "node.platform.arch==amd64",
        "node.ip==192.168.99.7",
        "node.ip==192.168.99.0/24",
    ] {
        assert_eq!(constraint(met), NOTHING, "{met}");
    }
}

#[test]
fn an_unmet_constraint_says_what_is_there() {
    insta::assert_snapshot!(constraint("node.labels.zone==south"), @"n: constraint node.labels.zone==south is not met: here it is north");
    insta::assert_snapshot!(constraint("node.labels.rack==7"), @"n: constraint node.labels.rack==7 is not met: it has nothing of that name");
    insta::assert_snapshot!(constraint("node.labels.disk==ssd"), @"n: constraint node.labels.disk==ssd is not met: it has nothing of that name");
    insta::assert_snapshot!(constraint("node.role!=worker"), @"n: constraint node.role!=worker is not met: here it is worker");
    insta::assert_snapshot!(constraint("node.ip!=192.168.99.0/24"), @"n: constraint node.ip!=192.168.99.0/24 is not met: here it is 192.168.99.7");
}

#[test]
fn a_node_that_is_away_or_set_aside_says_so() {
    let down = node("n", &json!({"Status": {"State": "down"}, "Spec": {"Availability": "drain"}}));
    assert_eq!(told(&json!({}), down, &[]), "n: it is down; it is drained");
    let paused = node("n", &json!({"Spec": {"Availability": "pause"}}));
    assert_eq!(told(&json!({}), paused, &[]), "n: it is paused");
}

#[test]
fn resources_count_what_others_have_reserved() {
    let wants = json!({"Resources": {"Reservations": {"NanoCPUs": 1_500_000_000u64, "MemoryBytes": 600 << 20,
        "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]}}});
    let other = json!({"Spec": {"Resources": {"Reservations": {"NanoCPUs": 1_000_000_000u64, "MemoryBytes": 500 << 20,
        "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]}}}});
    assert_eq!(told(&wants, node("n", &json!({})), &[]), NOTHING);
    insta::assert_snapshot!(
        told(&wants, node("n", &json!({})), &[task("db", "n", &other)]),
        @"n: 1.5 CPUs wanted, 1 of 2 free; 600 MiB of memory wanted, 524 MiB of 1 GiB free; 2 gpu wanted, 1 of 2 free"
    );
    let mut gone = other.clone();
    merge(&mut gone, &json!({"Status": {"State": "failed"}}));
    assert_eq!(told(&wants, node("n", &json!({})), &[task("db", "n", &gone)]), NOTHING);
    assert_eq!(told(&wants, node("n", &json!({})), &[task("db", "m", &other)]), NOTHING);
}

#[test]
fn replicas_platforms_and_ports_have_their_limits() {
    let placement = json!({"Placement": {"MaxReplicas": 1,
        "Platforms": [{"Architecture": "arm64", "OS": "linux"}]}});
    let holds = json!({"Status": {"PortStatus": {"Ports":
        [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]}}});
    insta::assert_snapshot!(
        told(&placement, node("n", &json!({})), &[task("web", "n", &holds)]),
        @"n: it is linux/x86_64, and the image is for linux/arm64; it has 1 of the service's tasks already, and may have no more; port 8080/tcp is taken by task taskidentifi"
    );
    let amd = json!({"Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}]}});
    assert_eq!(told(&amd, node("n", &json!({})), &[]), NOTHING);
}

#[test]
fn figures_are_short() {
    assert_eq!(
        [0, 1023, 1024, 1536, 500 << 30].map(bytes),
        ["0 B", "1023 B", "1 KiB", "1.5 KiB", "500 GiB"]
    );
    assert_eq!([500_000_000, 2_000_000_000, 10_000_000_000].map(cpus), ["0.5", "2", "10"]);
}
