//! Swarms created with docker's own commands inside the machines: `up` recognises them, and creates
//! no second one beside them.

use serde_json::Value;
use skep_tests::{Lab, Ran};

use crate::seen::{all_ready, inside};

/// A machine's address among the nodes.
fn address(lab: &Lab, machine: &str) -> String {
    let ran = lab.bare(["machine", "inspect", machine, "--format", "{{.Driver.IPAddress}}"]);
    ran.succeeds().text().to_owned()
}

fn swarm_init(lab: &Lab, machine: &str) {
    let address = address(lab, machine);
    inside(lab, machine, &format!("docker swarm init --advertise-addr {address}")).succeeds();
}

fn swarm_join(lab: &Lab, machine: &str, manager: &str) {
    let token = inside(lab, manager, "docker swarm join-token --quiet worker").succeeds();
    let (token, address) = (token.text(), address(lab, manager));
    inside(lab, machine, &format!("docker swarm join --token {token} {address}:2377")).succeeds();
}

/// The services that a machine's own engine knows.
fn services(lab: &Lab, machine: &str) -> Ran {
    inside(lab, machine, "docker service ls --quiet").succeeds()
}

fn roles(lab: &Lab) -> Vec<String> {
    let status = lab.skep("status --format json").ends();
    let document: Value = serde_json::from_str(&status.stdout).unwrap();
    let machines = document["machines"].as_array().unwrap();
    let mut roles: Vec<_> = machines
        .iter()
        .map(|one| {
            format!("{} {}", one["name"].as_str().unwrap(), one["role"].as_str().unwrap_or("-"))
        })
        .collect();
    roles.sort();
    roles
}

pub(crate) fn a_swarm_made_by_hand_is_the_clusters() {
    let lab = Lab::with_machines("byhand");
    for machine in ["manager1", "worker1", "worker2"] {
        lab.skep("machine create --driver container").args([machine]).succeeds();
    }
    assert_eq!(roles(&lab), ["manager1 -", "worker1 -", "worker2 -"]);
    swarm_init(&lab, "manager1");
    swarm_join(&lab, "worker1", "manager1");
    assert_eq!(roles(&lab), ["manager1 manager", "worker1 worker", "worker2 -"]);
    inside(&lab, "manager1", "docker service create --detach --name web --quiet busybox")
        .succeeds();
    let before = services(&lab, "manager1");

    // Initialising another swarm would cost the first.
    lab.skep("swarm init worker2").exits(3).says("has a swarm: manager1, worker1 are in it");

    lab.skep("node update --label-add k=v --availability pause worker1").succeeds();
    for _again in 0..2 {
        inside(&lab, "worker1", "docker swarm leave").succeeds();
        swarm_join(&lab, "worker1", "manager1");
    }
    // One of them is there and takes the role that its name says; the other one is made.
    lab.up("--workers 3").succeeds().says("1 made, 1 joined: 1 manager, 3 workers");
    let nodes = all_ready(&lab, &["manager1", "worker1", "worker2", "worker3"]);
    assert_eq!(nodes["worker1"].availability, "pause");
    let labels = lab.bare(["node", "inspect", "worker1"]).env("SKEP_CLUSTER", lab.cluster());
    assert!(labels.succeeds().stdout.contains("\"k\": \"v\""));
    assert_eq!(services(&lab, "manager1").stdout, before.stdout);

    two_swarms_are_shown_and_neither_is_touched(&lab);
    assert_eq!(services(&lab, "manager1").stdout, before.stdout);
    lab.finish();
}

fn two_swarms_are_shown_and_neither_is_touched(lab: &Lab) {
    lab.skep("machine create --driver container manager2").succeeds();
    swarm_init(lab, "manager2");
    for words in ["up --managers 2", "up --managers 1", "up --workers 4", "up"] {
        let refused = lab.skep(words).exits(3).prints_nothing();
        refused.says("in 2 swarms").says("managed by manager1").says("managed by manager2");
    }
    lab.skep("status").exits(4).says("manager2 is in another swarm");
    for manager in ["manager1", "manager2"] {
        inside(lab, manager, "docker node ls").succeeds();
    }
    // The advised command: it says what it ends, and asks for confirmation.
    lab.skep("swarm leave manager2").exits(3).says("gone for good");
    lab.skep("swarm leave --force manager2").succeeds();
    lab.up("--managers 2").succeeds();
    let names = ["manager1", "manager2", "worker1", "worker2", "worker3"];
    assert!(all_ready(lab, &names)["manager2"].manager.is_some());
}
