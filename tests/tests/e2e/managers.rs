//! A swarm of three managers.

use std::{collections::BTreeMap, time::Duration};

use skep_tests::{Lab, host, images};

use crate::seen::{
    Node, all_ready, container, containers, ids, nodes, nodes_in, until, until_within,
};

/// How long a node may take to be a manager again that was one a moment before: 15 s on a quiet host.
const ENTERED: Duration = Duration::from_secs(240);

const THREE: [&str; 3] = ["manager1", "manager2", "manager3"];

pub(crate) fn three_managers_survive_one() {
    let lab = Lab::with_machines("three");
    lab.up("--managers 3 --workers 0").succeeds();
    let before = all_ready(&lab, &THREE);
    assert!(before.values().all(|node| node.manager.is_some()), "{before:?}");
    let leader = before.iter().find(|(_, node)| node.manager.as_deref() == Some("leader"));
    let leader = leader.unwrap().0.as_str();
    let left: Vec<_> = THREE.into_iter().filter(|name| *name != leader).collect();

    host::docker(["kill", &container(&lab, leader)]).succeeds();
    let after = until("another leader, and the lost one as lost", || {
        let ran = lab.skep("node ls --format json").ends();
        let nodes = (ran.code == Some(0)).then(|| nodes_in(&ran))?;
        let manager = |name: &str| nodes[name].manager.as_deref();
        let led = left.iter().any(|name| manager(name) == Some("leader"));
        (led && manager(leader) == Some("unreachable")).then_some(nodes)
    });
    assert_eq!(ids(&after), ids(&before));
    lab.skep("status").exits(4).says(leader);

    // One of three is lost: without another one there would be no quorum.
    let refused = lab.skep("node demote").args([left[0]]).exits(3).prints_nothing();
    refused.says(&format!("demoting {} leaves 1 of 2 managers reachable and 2 needed", left[0]));
    // Every command that removes a manager is refused, before anything is changed or asked.
    for verb in ["machine rm", "machine rm -y", "machine stop", "machine kill", "machine restart"] {
        let refused = lab.skep(verb).args([left[0]]).exits(3).prints_nothing();
        refused.says("leaves 1 of 3 managers reachable and 2 needed");
    }
    lab.skep("machine regenerate-certs").args([left[0]]).exits(3).says("leaves 1 of 3 managers");
    assert_eq!(containers(&lab).len(), 3);
    lab.skep("node update --label-add still=here").args([left[1]]).succeeds();

    lab.up("").succeeds();
    assert_eq!(ids(&all_ready(&lab, &THREE)), ids(&before));
    until("all three managers heard again", || {
        nodes(&lab)
            .values()
            .all(|node| node.manager.as_deref() != Some("unreachable"))
            .then_some(())
    });
    a_locked_swarm_stays_alive(&lab, leader);
    // One after the other, so that the others keep the quorum; and then none is missing.
    lab.skep("machine restart").args(THREE).succeeds();
    assert_eq!(ids(&ready_soon(&lab, &THREE)), ids(&before));
    managers_are_taken_away_one_by_one(&lab);
    lab.finish();
}

/// The nodes once they are these, all ready: a new leader takes some seconds to hear from all nodes.
fn ready_soon(lab: &Lab, names: &[&str]) -> BTreeMap<String, Node> {
    until("all nodes ready, and no others", || {
        let ran = lab.skep("node ls --format json").ends();
        let nodes = (ran.code == Some(0)).then(|| nodes_in(&ran))?;
        let ready = nodes.values().all(|node| node.state == "ready");
        (ready && nodes.keys().eq(names)).then_some(nodes)
    })
}

/// Three healthy managers become two and one, each swarm as good as new; the last stays.
fn managers_are_taken_away_one_by_one(lab: &Lab) {
    // The engine of the second has not noticed yet that the first is gone, or cannot say anything
    // before another leader is elected in its place: it is needed either way.
    lab.skep("machine stop manager3").succeeds();
    lab.skep("machine stop manager2").exits(3).says("manager2");
    until("a leader", || (lab.skep("node ls -q").ends().code == Some(0)).then_some(()));
    lab.skep("machine stop manager2").exits(3).says("leaves 1 of 3 managers");
    lab.skep("machine rm -y manager3").succeeds();
    let two = ready_soon(lab, &["manager1", "manager2"]);
    assert!(two.values().all(|node| node.manager.is_some()), "{two:?}");
    lab.skep("machine rm -y manager2").succeeds();
    ready_soon(lab, &["manager1"]);
    lab.skep("swarm status").succeeds();
    for (verb, text) in [
        ("machine rm -y manager1", "skep down --name"),
        ("machine stop manager1", "the swarm's only managers"),
        ("machine kill manager1", "the swarm's only managers"),
    ] {
        lab.skep(verb).exits(3).prints_nothing().says(text);
    }
    assert_eq!(containers(lab).len(), 1);
    lab.skep("machine stop --force manager1").succeeds();
    let text = "skep machine start manager1";
    lab.skep("machine rm -y manager1").exits(3).prints_nothing().says(text);
    // The advice is followed, and the swarm is the same.
    lab.skep(text.trim_start_matches("skep ")).succeeds();
    assert_eq!(ids(&ready_soon(lab, &["manager1"]))["manager1"], two["manager1"].id);
    lab.skep("machine rm -y --force manager1").succeeds();
    assert_eq!(containers(lab).len(), 0);
}

/// Workers that are removed leave nothing behind in the swarm's list, whether they run or not.
pub(crate) fn removed_workers_leave_no_node() {
    let lab = Lab::with_machines("ghosts");
    lab.up("--managers 1 --workers 3").succeeds();
    let image = images::archive("nginx-1.22").display().to_string();
    lab.skep("image load").args([image.as_str()]).succeeds();
    lab.skep("service create --name web --replicas 4 --no-resolve-image nginx:1.22").succeeds();

    // Its task runs elsewhere before the machine goes.
    let ran = lab.skep("machine rm -y worker1").succeeds();
    ran.says("web.").says("waiting until the tasks have moved: done");
    all_ready(&lab, &["manager1", "worker2", "worker3"]);
    let running = lab.skep("service ps web --filter desired-state=running").succeeds();
    assert_eq!(running.stdout.matches(" Running ").count() / 2, 4, "{running}");

    // One that cannot be asked any more, and one that is gone but for its place in the record.
    lab.skep("machine kill worker2").succeeds();
    lab.skep("machine rm -y worker2").succeeds();
    let lost = container(&lab, "worker3");
    host::docker(["rm", "--force", &lost]).succeeds();
    host::docker(["volume", "rm", &lost]).succeeds();
    lab.skep("machine rm -y worker3").succeeds();
    all_ready(&lab, &["manager1"]);

    // Removing everything with the swarm's last manager is another command's job.
    lab.up("--managers 1 --workers 1").succeeds();
    lab.skep("machine rm -y manager1 worker1").exits(3).says("gone for good").says("skep down");
    assert_eq!(containers(&lab).len(), 2);
    lab.skep("machine rm -f manager1 worker1").succeeds();
    assert_eq!(containers(&lab).len(), 0);
    lab.finish();
}

/// Of a swarm with autolock a manager is restarted, then all of them: nothing that is said or done
/// about it costs the swarm anything, and the key brings it back with its services.
fn a_locked_swarm_stays_alive(lab: &Lab, one: &str) {
    let before = nodes(lab);
    lab.skep("service create -d --no-resolve-image --name kept --replicas 0 kept:1").succeeds();
    let locking = lab.skep("swarm update --autolock").succeeds();
    let printed = locking.lines().into_iter().find(|line| line.contains("SWMKEY-")).unwrap();
    let key = lab.skep("swarm unlock-key -q").succeeds().stdout;
    assert_eq!(printed.trim(), key.trim());

    lab.skep("machine restart").args([one]).succeeds();
    lab.skep("status")
        .exits(4)
        .says(&format!("{one} is locked"))
        .says(&format!("skep swarm unlock --name {} {one}", lab.cluster()));
    for words in ["swarm init", "swarm leave", "swarm init --force-new-cluster"] {
        let refused = lab.skep(words).args([one]).exits(3).prints_nothing();
        refused.says("locked").says("skep swarm unlock");
    }
    lab.skep("swarm unlock")
        .args([one])
        .stdin("SWMKEY-1-no\n")
        .exits(1)
        .says("invalid key provided");
    lab.skep("swarm unlock").args([one]).stdin(key.as_str()).succeeds();
    until("the manager that was unlocked heard again", || {
        (nodes(lab)[one].manager.as_deref() != Some("unreachable")).then_some(())
    });

    let all: Vec<_> = THREE.iter().map(|name| container(lab, name)).collect();
    host::docker(["restart", "--time", "0"].into_iter().chain(all.iter().map(String::as_str)))
        .succeeds();
    until("all managers locked", || {
        let locked = lab.skep("status --format json").ends().stdout.matches("\"locked\"").count();
        (locked == THREE.len()).then_some(())
    });
    lab.skep("swarm status").exits(1).says("manager1 is locked: it needs the swarm's unlock key");
    for words in ["status", "node ls", "up", "swarm status", "swarm join manager1", "service ls"] {
        let ran = lab.skep(words).ends();
        assert!(!matches!(ran.code, Some(0)), "{words}: {ran}");
        assert!(ran.stderr.contains("skep swarm unlock"), "{words}: {ran}");
        for harm in ["leave", "skep down", "force-new-cluster"] {
            assert!(!ran.stderr.contains(harm), "{words} advises {harm}: {ran}");
        }
    }
    lab.skep("swarm unlock").stdin(key.as_str()).succeeds();
    until("the managers with a leader", || {
        (lab.skep("swarm status").ends().code == Some(0)).then_some(())
    });
    assert_eq!(ids(&all_ready(lab, &THREE)), ids(&before));
    assert!(lab.skep("service ls").succeeds().stdout.contains("kept"));

    lab.skep("swarm update --autolock=false").succeeds();

    // The managers need a moment between two of them.
    let others: Vec<_> = THREE.into_iter().filter(|name| *name != one).collect();
    lab.skep("node demote").args(&others).succeeds();
    lab.skep("node promote").args(&others).succeeds();
    lab.skep("node demote").args([others[0]]).succeeds();
    lab.skep("node promote").args([others[0]]).succeeds();
    // The engines take a node that was just demoted into the managers again when they come to it.
    until_within(ENTERED, "three managers again", || {
        let heard = |node: &Node| matches!(node.manager.as_deref(), Some("leader" | "reachable"));
        nodes(lab).values().all(heard).then_some(())
    });
    assert_eq!(ids(&all_ready(lab, &THREE)), ids(&before));
}

pub(crate) fn a_manager_that_lost_its_disk_is_replaced() {
    let lab = Lab::with_machines("disk");
    lab.up("--managers 3 --workers 0").succeeds();
    let before = all_ready(&lab, &THREE);
    let lost = container(&lab, "manager2");
    host::docker(["rm", "--force", &lost]).succeeds();
    host::docker(["volume", "rm", &lost]).succeeds();
    lab.up("").succeeds();
    // Its old node would count against the quorum for ever.
    let after = all_ready(&lab, &THREE);
    assert!(after.values().all(|node| node.manager.is_some()), "{after:?}");
    assert_ne!(after["manager2"].id, before["manager2"].id);
    lab.skep("status").succeeds();
    lab.finish();
}
