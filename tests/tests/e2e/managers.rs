//! A swarm of three managers.

use skep_tests::{Lab, host};

use crate::seen::{all_ready, container, ids, nodes, nodes_in, until};

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

    // Of three, one is lost: without another, nobody could decide anything.
    let refused = lab.skep("node demote").args([left[0]]).exits(3).prints_nothing();
    refused.says(&format!("demoting {} leaves 1 of 2 managers reachable and 2 needed", left[0]));
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
        .says("Locked")
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

    lab.skep("machine restart").args(THREE).succeeds();
    lab.skep("swarm status").exits(1).says("quorum lost: 0 of 3 managers reachable, 2 needed");
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

    // The managers need a moment between two of them.
    let others: Vec<_> = THREE.into_iter().filter(|name| *name != one).collect();
    lab.skep("node demote").args(&others).succeeds();
    lab.skep("node promote").args([others[0]]).succeeds();
    lab.skep("node demote").args([others[0]]).succeeds();
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
    // Its old self would count against the quorum for ever.
    let after = all_ready(&lab, &THREE);
    assert!(after.values().all(|node| node.manager.is_some()), "{after:?}");
    assert_ne!(after["manager2"].id, before["manager2"].id);
    lab.skep("status").succeeds();
    lab.finish();
}
