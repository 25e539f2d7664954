//! What a join that was interrupted, or did not succeed, leaves in an engine, and how it differs
//! from a member in error. A member must never be made to leave: it may be the manager that has
//! everything.

use std::time::Duration;

use serde_json::{Value, json};
use skep_swarm::{Cause, InitOptions, JoinOptions, LocalNodeState, SwarmError};

use crate::{
    IN_SWARM, SHORT, STILL_JOINING, address, cancel, done, fake::Fake, info, options, refusal,
};

/// An engine that shows no identity: one that has not got any, or whose node could not start.
fn nobody(state: &str, error: &str) -> (u16, Value) {
    (
        200,
        json!({"Swarm": {"LocalNodeState": state, "NodeID": "", "NodeAddr": "172.31.0.3",
        "ControlAvailable": false, "Error": error, "RemoteManagers": null}}),
    )
}

fn has_left(fake: &Fake) -> bool {
    fake.asked().iter().any(|asked| asked.contains("leave"))
}

#[tokio::test]
async fn a_join_that_got_nowhere_is_undone_and_not_by_force() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, STILL_JOINING)]),
        ("GET /info", &[nobody("pending", "")]),
        ("POST /swarm/leave", &[done()]),
    ])
    .await;
    let short = JoinOptions { deadline: SHORT, ..options() };
    let error = fake.swarm.join(&short, &cancel()).await.unwrap_err();
    assert!(matches!(error, SwarmError::JoinDeadline { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("at 172.31.0.2:2377: no success within 0.2 s"), "{text}");
    assert!(text.contains("2377/tcp, 7946/tcp, 7946/udp and 4789/udp"), "{text}");
    assert_eq!(fake.asked().last().unwrap(), "POST /swarm/leave");
}

#[tokio::test]
async fn a_join_that_has_an_identity_goes_on_by_itself() {
    // The managers may count it already: two that need each other would lose the quorum.
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, STILL_JOINING)]),
        ("GET /info", &[info("pending", "m2")]),
        ("POST /swarm/leave", &[done()]),
    ])
    .await;
    let short = JoinOptions { deadline: SHORT, ..options() };
    let error = fake.swarm.join(&short, &cancel()).await.unwrap_err();
    assert!(matches!(error, SwarmError::Stuck { state: LocalNodeState::Pending, .. }), "{error:?}");
    assert!(error.to_string().contains("it is m2"), "{error}");
    assert!(!has_left(&fake), "{:?}", fake.asked());
}

#[tokio::test]
async fn a_node_that_is_locked_or_ill_stays_whatever_is_allowed() {
    let expired =
        "Swarm certificates have expired. To replace them, leave the swarm and join again.";
    let all = [
        info("locked", ""),
        nobody("locked", "Swarm is encrypted and needs to be unlocked"),
        info("error", "m1"),
        nobody("error", expired),
        info("error", ""),
        info("pending", "m1"),
    ];
    for discard_leftover in [false, true] {
        for one in &all {
            // An engine without any identity in error is the caller's to know about.
            if discard_leftover && *one == all[3] {
                continue;
            }
            let fake = Fake::start(&[
                ("POST /swarm/join", &[refusal(503, IN_SWARM)]),
                ("GET /info", std::slice::from_ref(one)),
                ("POST /swarm/leave", &[done()]),
            ])
            .await;
            let short = JoinOptions { deadline: SHORT, discard_leftover, ..options() };
            let error = fake.swarm.join(&short, &cancel()).await.unwrap_err();
            assert!(matches!(error, SwarmError::Stuck { .. }), "{one:?}: {error:?}");
            assert!(!has_left(&fake), "{one:?}");
            let text = error.to_string();
            assert!(!text.contains("leave"), "{one:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_member_that_was_ill_for_a_moment_only_is_waited_for() {
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, IN_SWARM)]),
        ("GET /info", &[nobody("error", ""), nobody("error", ""), info("active", "w1")]),
    ])
    .await;
    assert!(fake.swarm.join(&options(), &cancel()).await.unwrap().already);
    assert!(!has_left(&fake));
}

#[tokio::test]
async fn what_an_interrupted_join_left_is_thrown_away() {
    let joins = [refusal(503, IN_SWARM), done()];
    // One that tries for ever, elsewhere, has no identity for as long as it is looked at.
    let looks = vec![nobody("pending", ""); 12];
    let looks = [looks, vec![info("active", "w1")]].concat();
    let fake = Fake::start(&[
        ("POST /swarm/join", &joins),
        ("GET /info", &looks),
        ("POST /swarm/leave", &[done()]),
    ])
    .await;
    assert!(!fake.swarm.join(&options(), &cancel()).await.unwrap().already);
    assert!(has_left(&fake));

    // One that gave up looks as a member in error does, so that is for the caller to know.
    let looks = vec![nobody("error", "no route to host"); 12];
    let looks = [looks, vec![info("active", "w1")]].concat();
    let script = [
        ("POST /swarm/join", &joins[..]),
        ("GET /info", &looks[..]),
        ("POST /swarm/leave", &[done()][..]),
    ];
    let fake = Fake::start(&script).await;
    let allowed = JoinOptions { discard_leftover: true, ..options() };
    assert!(!fake.swarm.join(&allowed, &cancel()).await.unwrap().already);
    assert!(has_left(&fake));

    // An engine that only starts has its identity a moment later.
    let fake = Fake::start(&[
        ("POST /swarm/join", &[refusal(503, IN_SWARM)]),
        ("GET /info", &[nobody("pending", ""), info("pending", "w1"), info("active", "w1")]),
    ])
    .await;
    assert!(fake.swarm.join(&allowed, &cancel()).await.unwrap().already);
    assert!(!has_left(&fake));
}

#[tokio::test]
async fn founding_a_swarm_says_how_the_node_stands() {
    let options = InitOptions::new(address());
    for (state, says) in [
        ("locked", "needs the swarm's unlock key"),
        ("error", "has failed"),
        ("pending", "has not found the managers"),
    ] {
        let fake = Fake::start(&[
            ("POST /swarm/init", &[refusal(503, IN_SWARM)]),
            ("GET /info", &[nobody(state, "")]),
        ])
        .await;
        let error = fake.swarm.init(&options, &cancel()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(says) && !text.contains("leave"), "{state}: {text}");
        assert_eq!(error.cause() == Some(Cause::Locked), state == "locked");
    }
    let error = JoinOptions { deadline: Duration::ZERO, ..crate::options() };
    assert!(!format!("{error:?}").contains("SWMTKN"));
}
