//! Clusters and machines that are not there.

use skep_tests::Lab;

use crate::store_files::store_with_a_cluster;

#[test]
fn without_a_cluster_every_command_says_how_to_make_one() {
    let lab = Lab::without_machines();
    let commands =
        ["status", "env manager1", "machine ip manager1", "machine ssh manager1", "cert ls"];
    for words in commands.into_iter().chain(["node ls", "swarm status", "cert verify"]) {
        let ran = lab.bare(words.split(' ')).exits(1).prints_nothing();
        ran.says("there is no cluster yet").says("skep up");
    }
    lab.bare(["status", "--name", "bees"]).exits(1).says("there is no cluster bees");
}

#[test]
fn without_a_cluster_there_is_nothing_to_take_down() {
    let lab = Lab::without_machines();
    lab.bare(["down"]).succeeds().says("nothing to remove").prints_nothing();
    // A name on the command line is a typo; the session's name is only a default.
    lab.bare(["down", "--name", "bees"]).exits(2).says("no cluster bees").prints_nothing();
    lab.bare(["down"]).env("SKEP_CLUSTER", "bees").succeeds().says("nothing to remove");
    assert!(!lab.store().join("clusters").exists());
}

#[test]
fn an_unknown_machine_is_answered_with_those_there_are() {
    let lab = store_with_a_cluster();
    for words in ["machine ip worker7", "env worker7", "machine ssh worker7 true"] {
        let ran = lab.bare(words.split(' ')).exits(1).prints_nothing();
        ran.says("has no machine worker7").says("manager1").says("worker1");
    }
    lab.bare(["machine", "ip", "../manager1"]).exits(1).says("has no machine ../manager1");
    lab.bare(["machine", "ip"]).exits(2).prints_nothing();
}

#[test]
fn addresses_come_in_the_order_asked() {
    let lab = store_with_a_cluster();
    let ran = lab.bare(["machine", "ip", "worker1", "manager1", "worker1"]).succeeds();
    assert_eq!(ran.stdout, "192.168.99.101\n192.168.99.100\n192.168.99.101\n");
    // A missing one does not prevent output for the others, as it does in docker-machine.
    let ran = lab.bare(["machine", "ip", "worker7", "manager1"]).exits(1);
    assert_eq!(ran.stdout, "192.168.99.100\n");
    ran.says("worker7");
    let ran = lab.bare(["machine", "ip", "worker7", "manager1", "worker8"]).exits(1);
    assert_eq!(ran.stdout, "192.168.99.100\n");
    ran.says("worker7:").says("worker8:");
    crate::machines::docker_machine(&lab, ["ip", "manager1", "worker7"]).exits(1).prints_nothing();
}

#[test]
fn the_only_cluster_is_the_one_that_is_meant() {
    let lab = store_with_a_cluster();
    lab.bare(["machine", "ip", "manager1"]).succeeds();
    lab.bare(["machine", "ip", "manager1", "--name", "lab"]).succeeds();
    lab.bare(["machine", "ip", "manager1"]).env("SKEP_CLUSTER", "lab").succeeds();
    lab.bare(["machine", "ip", "manager1", "--name", "other"]).exits(1).prints_nothing();
}
