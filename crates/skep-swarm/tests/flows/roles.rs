//! Roles of several nodes, one after another: the managers need a moment in between.

use serde_json::{Value, json};
use skep_swarm::{Cause, NodeId, NodeUpdate, Selector};

use crate::{cancel, done, fake::Fake, refusal};

const QUORUM: &str = "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum";
const NOT_YET: &str = "rpc error: code = NotFound desc = can't find manager in raft memberlist";

/// A node: whether it is to be a manager, and how its member of the Raft group is heard.
fn node(id: &str, role: &str, member: Option<&str>) -> Value {
    let mut node = json!({"ID": id, "Version": {"Index": 1},
        "Spec": {"Role": role, "Availability": "active"},
        "Description": {"Hostname": id}, "Status": {"State": "ready"}});
    if let Some(reachability) = member {
        node["ManagerStatus"] = json!({"Reachability": reachability, "Leader": id == "m1"});
    }
    node
}

fn three(first: Value) -> Value {
    json!([
        first,
        node("m2", "manager", Some("reachable")),
        node("m1", "manager", Some("reachable"))
    ])
}

#[tokio::test]
async fn a_demotion_waits_for_the_one_before() {
    let leaving = three(node("m3", "worker", Some("unreachable")));
    let fake = Fake::start(&[
        ("GET /nodes/m2", &[(200, node("m2", "manager", Some("reachable")))]),
        ("POST /nodes/m2/update", &[refusal(400, QUORUM), refusal(400, QUORUM), done()]),
        ("GET /nodes", &[(200, leaving)]),
    ])
    .await;
    let demote = NodeUpdate::demote();
    assert!(fake.swarm.update(&NodeId::new("m2"), &demote, &cancel()).await.unwrap());
    let tries = fake.asked().iter().filter(|asked| asked.contains("update")).count();
    assert_eq!(tries, 3);
}

#[tokio::test]
async fn a_demotion_that_would_lose_the_quorum_is_refused_at_once() {
    let lost = three(node("m3", "manager", Some("unreachable")));
    let fake = Fake::start(&[
        ("GET /nodes/m2", &[(200, node("m2", "manager", Some("reachable")))]),
        ("POST /nodes/m2/update", &[refusal(400, QUORUM), done()]),
        ("GET /nodes", &[(200, lost)]),
    ])
    .await;
    let demote = NodeUpdate::demote();
    let error = fake.swarm.update(&NodeId::new("m2"), &demote, &cancel()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::QuorumLoss));
}

#[tokio::test]
async fn who_was_just_promoted_can_be_demoted() {
    let fake = Fake::start(&[
        ("GET /nodes/w1", &[(200, node("w1", "manager", None))]),
        ("POST /nodes/w1/update", &[refusal(404, NOT_YET), refusal(404, NOT_YET), done()]),
    ])
    .await;
    let demote = NodeUpdate::demote();
    assert!(fake.swarm.update(&NodeId::new("w1"), &demote, &cancel()).await.unwrap());
}

#[tokio::test]
async fn a_role_is_settled_once_the_managers_have_carried_it_out() {
    let leaving = three(node("m3", "worker", Some("reachable")));
    let gone = three(node("m3", "worker", None));
    let leaderless =
        refusal(500, "rpc error: code = Unknown desc = The swarm does not have a leader.");
    let script = [("GET /nodes", &[(200, leaving), leaderless, (200, gone)][..])];
    let fake = Fake::start(&script).await;
    fake.swarm.until_role_settled(&NodeId::new("m3"), &cancel()).await.unwrap();
    assert_eq!(fake.asked().len(), 3);

    let script = [(
        "GET /nodes",
        &[
            (200, three(node("m3", "worker", Some("reachable")))),
            (200, three(node("m3", "worker", None))),
        ][..],
    )];
    let fake = Fake::start(&script).await;
    let nodes = fake.swarm.settled_nodes(&cancel()).await.unwrap();
    assert!(nodes.iter().all(|node| node.id.as_str() != "m3" || node.manager.is_none()));
    let one = Selector::Named("m3".to_owned());
    assert!(fake.swarm.node(&one, &cancel()).await.unwrap().manager.is_none());
}
