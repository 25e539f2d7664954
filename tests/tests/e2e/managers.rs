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
    lab.finish();
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
