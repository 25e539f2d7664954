//! Operations on a swarm as conversations with an engine, the unhappy ones among them. The
//! messages are those that engines 20.10 and 26.1 send.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use skep_model::Role;
use skep_swarm::{
    Cause, Expected, InitOptions, JoinOptions, NodeId, NodeUpdate, Selector, Swarm, SwarmError,
};
use tokio_util::sync::CancellationToken;

use fake::Fake;

mod fake;
mod leftovers;
mod locking;
mod roles;

const IN_SWARM: &str = "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.";
const STILL_JOINING: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the background.";
const REFUSED: &str = "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 172.31.0.2:2377: connect: connection refused\"";
const OUT_OF_SEQUENCE: &str = "rpc error: code = Unknown desc = update out of sequence";
const NO_LEADER: &str = "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.";

const SOON: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

fn refusal(status: u16, message: &str) -> (u16, Value) {
    (status, json!({"message": message}))
}

fn info(state: &str, node: &str) -> (u16, Value) {
    let managers = json!([{"NodeID": "m1", "Addr": "172.31.0.2:2377"}]);
    (
        200,
        json!({"Swarm": {"LocalNodeState": state, "NodeID": node, "NodeAddr": "172.31.0.3",
        "ControlAvailable": false, "RemoteManagers": managers}}),
    )
}

fn done() -> (u16, Value) {
    (200, Value::Null)
}

fn address() -> IpAddr {
    "172.31.0.3".parse().unwrap()
}

fn options() -> JoinOptions {
    let token = SecretString::from("SWMTKN-1-aaaa-bbbb");
    JoinOptions {
        deadline: SOON,
        ..JoinOptions::new("172.31.0.2:2377".parse().unwrap(), token, address())
    }
}

fn cancel() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test]
async fn a_join_says_who_joined_and_keeps_the_token_to_itself() {
    let fake =
        Fake::start(&[("POST /swarm/join", &[done()]), ("GET /info", &[info("active", "w1")])])
            .await;
    let joined = fake.swarm.join(&options(), &cancel()).await.unwrap();
    assert_eq!((joined.node, joined.already), (NodeId::new("w1"), false));
    let (request, body) = &fake.bodies()[0];
    assert_eq!(request, "POST /swarm/join");
    assert_eq!(body["JoinToken"], "SWMTKN-1-aaaa-bbbb");
    assert_eq!(
        (&body["AdvertiseAddr"], &body["DataPathAddr"]),
        (&json!("172.31.0.3"), &json!("172.31.0.3"))
    );
}

#[tokio::test]
async fn a_node_that_is_in_the_swarm_has_nothing_to_do_and_one_of_another_is_refused() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, IN_SWARM)]),
        ("GET /info", &[info("active", "w1")]),
    ])
    .await;
    let members = Some(vec![NodeId::new("m1"), NodeId::new("w1")]);
    let joined = fake.swarm.join(&JoinOptions { members, ..options() }, &cancel()).await.unwrap();
    assert!(joined.already);
    let members = Some(vec![NodeId::new("m1"), NodeId::new("w2")]);
    let error =
        fake.swarm.join(&JoinOptions { members, ..options() }, &cancel()).await.unwrap_err();
    assert!(
        matches!(&error, SwarmError::OtherSwarm { node } if node.as_str() == "w1"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_join_that_goes_on_inside_the_engine_is_waited_for() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, STILL_JOINING)]),
        ("GET /info", &[info("pending", ""), info("pending", ""), info("active", "w1")]),
    ])
    .await;
    let joined = fake.swarm.join(&options(), &cancel()).await.unwrap();
    assert_eq!((joined.node, joined.already), (NodeId::new("w1"), false));
}

#[tokio::test]
async fn the_next_manager_is_tried_where_one_does_not_answer() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, REFUSED), done()]),
        ("GET /info", &[info("active", "w1")]),
    ])
    .await;
    let remotes = vec!["172.31.0.2:2377".parse().unwrap(), "172.31.0.9:2377".parse().unwrap()];
    fake.swarm.join(&JoinOptions { remotes, ..options() }, &cancel()).await.unwrap();
    let tried: Vec<Value> =
        fake.bodies().into_iter().map(|(_, body)| body["RemoteAddrs"].clone()).collect();
    assert_eq!(tried[..2], [json!(["172.31.0.2:2377"]), json!(["172.31.0.9:2377"])]);
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, "rpc error: code = FailedPrecondition desc = raft: failed to process the request: node lost leader status"), done()]),
        ("GET /info", &[info("active", "w1")]),
    ])
    .await;
    assert!(fake.swarm.join(&options(), &cancel()).await.is_ok());

    let fake =
        Fake::start(&[("POST /swarm/join", &[refusal(500, "invalid join token"), done()])]).await;
    let error = fake.swarm.join(&options(), &cancel()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::BadToken));
    assert_eq!(fake.asked(), ["POST /swarm/join"]);
}

#[tokio::test]
async fn a_swarm_is_made_once() {
    let manager = json!({"Swarm": {"LocalNodeState": "active", "NodeID": "m1", "NodeAddr": "172.31.0.3", "ControlAvailable": true}});
    let fake = Fake::start(&[
        ("POST /swarm/init", &[(200, json!("m1")), refusal(503, IN_SWARM)]),
        ("GET /info", &[(200, manager)]),
    ])
    .await;
    let here = InitOptions::new(address());
    assert!(!fake.swarm.init(&here, &cancel()).await.unwrap().already);
    let again = fake.swarm.init(&here, &cancel()).await.unwrap();
    assert_eq!((again.node, again.already), (NodeId::new("m1"), true));
    let elsewhere = InitOptions::new("172.31.0.4".parse().unwrap());
    let error = fake.swarm.init(&elsewhere, &cancel()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::AlreadyInSwarm));
}

#[tokio::test]
async fn a_pool_that_cannot_be_used_is_refused_before_the_engine_is_asked() {
    let fake = Fake::start(&[]).await;
    let pools = vec!["10.0.0.0/16".parse().unwrap(), "10.0.1.0/24".parse().unwrap()];
    let options = InitOptions { pools, ..InitOptions::new(address()) };
    let error = fake.swarm.init(&options, &cancel()).await.unwrap_err();
    assert!(matches!(error, SwarmError::Pool(_)), "{error:?}");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn leaving_and_removing_twice_is_no_error() {
    let fake = Fake::start(&[
        ("POST /swarm/leave", &[done(), refusal(503, "This node is not part of a swarm")]),
        ("DELETE /nodes/w1", &[done(), refusal(404, "node w1 not found")]),
    ])
    .await;
    assert!(fake.swarm.leave(false, &cancel()).await.unwrap());
    assert!(!fake.swarm.leave(false, &cancel()).await.unwrap());
    assert!(fake.swarm.remove(&NodeId::new("w1"), false, &cancel()).await.unwrap());
    assert!(!fake.swarm.remove(&NodeId::new("w1"), true, &cancel()).await.unwrap());
    assert_eq!(fake.asked()[3], "DELETE /nodes/w1?force=true");
}

#[tokio::test]
async fn an_update_is_made_on_what_the_engine_last_said() {
    let object = |version: u64, spec: Value| {
        (200, json!({"ID": "w1", "Version": {"Index": version}, "Spec": spec}))
    };
    let fake = Fake::start(&[
        ("GET /nodes/w1", &[
            object(7, json!({"Availability": "active", "Role": "worker"})),
            object(9, json!({"Availability": "active", "Role": "worker", "Labels": {"theirs": "1"}, "New": true})),
        ]),
        ("POST /nodes/w1/update", &[refusal(500, OUT_OF_SEQUENCE), done()]),
    ])
    .await;
    let node = NodeId::new("w1");
    assert!(fake.swarm.update(&node, &NodeUpdate::drain(), &cancel()).await.unwrap());
    let asked = fake.bodies();
    assert_eq!(asked[1].0, "POST /nodes/w1/update?version=7");
    assert_eq!(asked[3].0, "POST /nodes/w1/update?version=9");
    assert_eq!(
        asked[3].1,
        json!({"Availability": "drain", "Role": "worker", "Labels": {"theirs": "1"}, "New": true})
    );
    assert!(!fake.swarm.update(&node, &NodeUpdate::activate(), &cancel()).await.unwrap());
    assert_eq!(fake.asked().len(), 5, "a node that is so already is not written to");
}

#[tokio::test]
async fn a_rotation_gives_the_new_tokens() {
    let swarm = |version: u64, worker: &str| {
        (
            200,
            json!({"Version": {"Index": version}, "Spec": {"Name": "default", "New": 1},
            "JoinTokens": {"Worker": worker, "Manager": "SWMTKN-1-c-m"}}),
        )
    };
    let fake = Fake::start(&[
        ("GET /swarm", &[swarm(3, "SWMTKN-1-c-old"), swarm(4, "SWMTKN-1-c-new")]),
        ("POST /swarm/update", &[done()]),
    ])
    .await;
    let tokens = fake.swarm.rotate(Role::Worker, &cancel()).await.unwrap();
    assert_eq!(tokens.of(Role::Worker).expose_secret(), "SWMTKN-1-c-new");
    assert!(!format!("{tokens:?}").contains("SWMTKN"));
    let (request, body) = &fake.bodies()[1];
    assert_eq!(request, "POST /swarm/update?version=3&rotateWorkerToken=true");
    assert_eq!(body, &json!({"Name": "default", "New": 1}));
}

fn listed(id: &str, state: &str) -> Value {
    json!({"ID": id, "Version": {"Index": 1}, "Spec": {"Role": "worker", "Availability": "active"},
        "Description": {"Hostname": format!("host-{id}")}, "Status": {"State": state}})
}

#[tokio::test]
async fn nodes_are_waited_for_through_an_election() {
    let fake = Fake::start(&[(
        "GET /nodes",
        &[
            (200, json!([])),
            refusal(500, NO_LEADER),
            (200, json!([listed("w1", "down")])),
            (200, json!([listed("w1", "ready")])),
        ],
    )])
    .await;
    let nodes =
        fake.swarm.wait_until_ready(&[Expected::host("host-w1")], SOON, &cancel()).await.unwrap();
    assert_eq!((nodes.len(), fake.asked().len()), (1, 4));
}

#[tokio::test]
async fn a_wait_ends_with_what_is_missing() {
    let fake = Fake::start(&[(
        "GET /nodes",
        &[(200, json!([listed("w1", "ready"), listed("w2", "down")]))],
    )])
    .await;
    let expected =
        [Expected::host("host-w1"), Expected::host("host-w2"), Expected::host("host-w3")];
    let error = fake.swarm.wait_until_ready(&expected, SHORT, &cancel()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not ready within 0.2 s: host-w2: its state is Down; host-w3: the manager does not list it"
    );
    let stop = cancel();
    stop.cancel();
    let error = fake.swarm.wait_until_ready(&expected, SOON, &stop).await.unwrap_err();
    assert!(matches!(error, SwarmError::Cancelled { .. }), "{error:?}");

    let worker = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.";
    let fake = Fake::start(&[("GET /nodes", &[refusal(503, worker)])]).await;
    let error = fake.swarm.wait_until_ready(&expected, SOON, &cancel()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::NotAManager), "waiting does not mend it");
}

#[tokio::test]
async fn the_node_itself_is_found() {
    let fake = Fake::start(&[
        ("GET /nodes", &[(200, json!([listed("w1", "ready"), listed("w2", "ready")]))]),
        ("GET /info", &[info("active", "w2")]),
    ])
    .await;
    assert_eq!(fake.swarm.node(&Selector::Own, &cancel()).await.unwrap().id.as_str(), "w2");
    let named = Selector::Named("host-w1".to_owned());
    assert_eq!(fake.swarm.node(&named, &cancel()).await.unwrap().id.as_str(), "w1");
    let rows = fake.swarm.rows(&cancel()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.is_self).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn operations_can_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    async fn all(swarm: Swarm) {
        let (stop, node) = (cancel(), NodeId::new("w1"));
        stop.cancel();
        assert!(is_send(swarm.join(&options(), &stop)).await.is_err());
        assert!(is_send(swarm.init(&InitOptions::new(address()), &stop)).await.is_err());
        assert!(is_send(swarm.rotate(Role::Worker, &stop)).await.is_err());
        assert!(is_send(swarm.update(&node, &NodeUpdate::drain(), &stop)).await.is_err());
        assert!(is_send(swarm.rows(&stop)).await.is_err());
    }
    let fake = Fake::start(&[]).await;
    tokio::spawn(all(fake.swarm.clone())).await.unwrap();
    assert!(fake.asked().is_empty(), "what is cancelled is not asked");
}
