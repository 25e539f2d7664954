//! Four machines, one swarm: every command of the walkthrough on one cluster, from nothing to
//! nothing.

use serde_json::Value;
use skep_tests::{Lab, certificates::Root};

use crate::seen::{all_ready, containers, ids, inside, nodes};

const FOUR: [&str; 4] = ["manager1", "worker1", "worker2", "worker3"];

pub(crate) fn four_nodes_from_nothing_to_nothing() {
    let lab = Lab::with_machines("four");
    let root = lab.file("root.crt", Root::new("skep test root").pem());
    let up = format!("--ca-certificate {}", root.display());
    lab.up(&up).succeeds().prints_nothing();

    a_swarm_of_four(&lab);
    again_changes_nothing(&lab, &up);
    machines(&lab);
    from_inside(&lab);
    availability_and_labels(&lab);
    roles(&lab);
    lab.finish();
}

fn a_swarm_of_four(lab: &Lab) {
    let nodes = all_ready(lab, &FOUR);
    assert_eq!(nodes["manager1"].manager.as_deref(), Some("leader"));
    assert!(FOUR[1..].iter().all(|worker| nodes[*worker].manager.is_none()), "{nodes:?}");
    let table = lab.skep("node ls").succeeds();
    assert!(table.stdout.starts_with("ID                            HOSTNAME   STATUS"), "{table}");
    assert_eq!(table.lines().len(), 5, "{table}");
    let quiet = lab.skep("node ls -q").succeeds();
    assert_eq!(quiet.lines(), ids(&nodes).into_values().collect::<Vec<_>>());
    let status = lab.skep("status").succeeds();
    assert_eq!(status.lines().len(), 5, "{status}");
    let status = lab.skep("status --format json").succeeds();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert!(status["machines"].as_array().unwrap().iter().all(|one| one["state"] == "running"));
    lab.skep("swarm status").succeeds();
}

fn again_changes_nothing(lab: &Lab, up: &str) {
    let (before, machines) = (nodes(lab), containers(lab));
    lab.up(up).succeeds().prints_nothing().says("was there already");
    assert_eq!((nodes(lab), containers(lab)), (before, machines));
}

fn machines(lab: &Lab) {
    let list = lab.skep("machine ls").succeeds();
    assert_eq!(list.lines().len(), 5, "{list}");
    assert!(list.stdout.matches("Running").count() == 4, "{list}");
    let one = |name: &str| {
        let ip = lab.skep("machine ip").args([name]).succeeds();
        ip.text().parse::<std::net::Ipv4Addr>().unwrap().to_string()
    };
    let (first, last) = (one("manager1"), one("worker3"));
    let both = lab.skep("machine ip worker3 manager1").succeeds();
    assert_eq!(both.lines(), [&last, &first], "addresses come in the order asked");

    inside(lab, "worker2", "exit 7").exits(7);
    let bytes = "first\nlast, without an end";
    let echoed = inside(lab, "worker2", "cat; echo spoken >&2").stdin(bytes).succeeds();
    assert_eq!(echoed.stdout, bytes);
    assert_eq!(echoed.stderr.trim(), "spoken");
    let user = inside(lab, "worker2", "hostname; id -un; sudo id -un").succeeds();
    assert_eq!(user.lines(), ["worker2", "docker", "root"]);
}

/// The walkthrough's own lines, typed into the machines.
fn from_inside(lab: &Lab) {
    let info = lab.skep("machine ssh manager1 docker info").succeeds();
    let address = lab.skep("machine ip manager1").succeeds().text().to_owned();
    for line in ["Swarm: active", "Is Manager: true", "Managers: 1", "Nodes: 4"] {
        assert!(info.stdout.contains(line), "{line} is not in {info}");
    }
    assert!(info.stdout.contains(&format!("Node Address: {address}")), "{info}");
    let listed = lab.skep("machine ssh manager1 docker node ls").succeeds();
    let ours = lab.skep("node ls").succeeds();
    // The CLI pads as its own release does: the words are the same.
    let words = |text: &str| {
        let mut lines: Vec<Vec<String>> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(words(&ours.stdout), words(&listed.stdout));

    let token = lab.skep("machine ssh manager1 docker swarm join-token -q worker").succeeds();
    assert!(token.text().starts_with("SWMTKN-1-"));
    assert_eq!(lab.skep("swarm join-token -q worker").succeeds().text(), token.text());
    let how = lab.skep("swarm join-token worker").succeeds();
    assert!(how.stdout.contains(&format!("{} {address}:2377", token.text())));
    let manager = lab.skep("swarm join-token -q manager").succeeds();
    assert_ne!(manager.text(), token.text());
    let rotated = lab.skep("swarm join-token -q --rotate worker").succeeds();
    assert_ne!(rotated.text(), token.text());
    assert_eq!(lab.skep("swarm join-token -q worker").succeeds().text(), rotated.text());
}

fn availability_and_labels(lab: &Lab) {
    let availability = |node: &str| nodes(lab)[node].availability.clone();
    let changed = lab.skep("node update --availability drain manager1").succeeds();
    assert_eq!(changed.stdout, "manager1\n");
    assert_eq!(availability("manager1"), "drain");
    lab.skep("node activate manager1").succeeds();
    assert_eq!(availability("manager1"), "active");
    lab.skep("node drain worker1 worker2").succeeds();
    assert_eq!(
        (availability("worker1"), availability("worker2")),
        ("drain".into(), "drain".into())
    );
    lab.skep("node update --availability active worker1").succeeds();
    lab.skep("node activate worker2").succeeds();

    lab.skep("node update --label-add zone=a --label-add fast worker1").succeeds();
    let labels = || {
        let text = lab.skep("node inspect worker1").succeeds().stdout;
        let nodes: Value = serde_json::from_str(&text).unwrap();
        nodes[0]["Spec"]["Labels"].clone()
    };
    assert_eq!(labels(), serde_json::json!({"zone": "a", "fast": ""}));
    lab.skep("node update --label-rm fast --label-add zone=b worker1").succeeds();
    assert_eq!(labels(), serde_json::json!({"zone": "b"}));
    let unknown = lab.skep("node inspect worker9").exits(1).says("worker9");
    assert_eq!(unknown.stdout, "[]\n", "as docker does");
}

fn roles(lab: &Lab) {
    let before = nodes(lab);
    let last = lab.skep("node demote manager1").exits(3).prints_nothing();
    last.says("manager").says("manager1");
    let forced = lab.skep("node demote --force manager1").ends();
    assert_ne!(forced.code, Some(0), "the last manager cannot be given up: {forced}");
    lab.skep("node rm worker3").exits(1).prints_nothing().says("is not down").says("--force");
    lab.skep("swarm leave manager1").exits(3).prints_nothing();
    assert_eq!(nodes(lab), before, "what was refused has changed something");

    lab.skep("node promote worker1").succeeds();
    let promoted = crate::seen::until("worker1 as a manager that is heard", || {
        let nodes = nodes(lab);
        (nodes["worker1"].manager.as_deref() == Some("reachable")).then_some(nodes)
    });
    assert_eq!(ids(&promoted), ids(&before));
    lab.skep("node demote worker1").succeeds();
    crate::seen::until("worker1 as a worker", || {
        nodes(lab)["worker1"].manager.is_none().then_some(())
    });
    all_ready(lab, &FOUR);

    lab.skep("swarm leave worker3").succeeds();
    crate::seen::until("worker3's node as down", || {
        (nodes(lab)["worker3"].state == "down").then_some(())
    });
    lab.skep("node rm worker3").succeeds();
    assert!(!nodes(lab).contains_key("worker3"));
    lab.skep("status").exits(4).says("worker3 is no node of the swarm");
    lab.skep("swarm join worker3").succeeds();
    crate::seen::until("worker3's node as ready", || {
        nodes(lab).get("worker3").filter(|node| node.state == "ready").map(drop)
    });
    lab.skep("status").succeeds();
}
