//! The swarm commands, on an engine that answers from a script: locked, without a quorum, and
//! with docker's messages about keys and settings.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skep_tests::{
    Lab,
    replay::{Answer, Answers, Replay},
};

use crate::nothing_was_touched;

const KEY: &str = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8";

fn engine(lab: &Lab, answers: &[(&str, u16, Value)]) -> Replay {
    let answer = |(request, status, body): &(&str, u16, Value)| {
        ((*request).to_owned(), Answer { status: *status, body: body.clone() })
    };
    let answers: BTreeMap<_, _> = answers.iter().map(answer).collect();
    Replay::serve(&lab.runtime().join("engine.sock"), Answers(answers))
}

fn info(state: &str, is_manager: bool) -> Value {
    json!({"Swarm": {"LocalNodeState": state, "NodeID": "m1", "NodeAddr": "192.168.99.100",
        "ControlAvailable": is_manager, "Error": "", "RemoteManagers": [
            {"NodeID": "m1", "Addr": "192.168.99.100:2377"},
            {"NodeID": "m2", "Addr": "192.168.99.101:2377"},
            {"NodeID": "m3", "Addr": "192.168.99.102:2377"}]}})
}

fn swarm(autolock: bool) -> Value {
    json!({"ID": "s1", "Version": {"Index": 7}, "TLSInfo": {"TrustRoot": "-----BEGIN ROOT-----\n"},
        "JoinTokens": {"Worker": "SWMTKN-1-w", "Manager": "SWMTKN-1-m"},
        "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": autolock}}})
}

/// The lab's `skep` on that engine.
fn skep(lab: &Lab, engine: &Replay, words: &str) -> skep_tests::Run {
    lab.bare(words.split(' ')).env("SKEP_ENGINE", engine.url())
}

#[test]
fn a_key_is_read_from_standard_input_and_only_where_one_is_needed() {
    let lab = Lab::without_machines();
    let locked =
        [("GET /info", 200, info("locked", false)), ("POST /swarm/unlock", 200, json!(null))];
    let unlocked = engine(&lab, &locked);
    skep(&lab, &unlocked, "swarm unlock").stdin(format!("{KEY}\n")).succeeds().prints_nothing();
    assert_eq!(unlocked.asked(), ["GET /info", "POST /swarm/unlock"]);
    let none = skep(&lab, &unlocked, "swarm unlock").stdin("\n").exits(2);
    none.says("no unlock key was given");
    skep(&lab, &unlocked, &format!("swarm unlock --key {KEY}")).exits(2);
    drop(unlocked);

    for (state, text) in
        [("active", "swarm is not locked"), ("inactive", "this node is not part of a swarm")]
    {
        let other = engine(&lab, &[("GET /info", 200, info(state, state == "active"))]);
        skep(&lab, &other, "swarm unlock").stdin(KEY).exits(1).says(text).prints_nothing();
        assert_eq!(other.asked(), ["GET /info"], "nothing is sent");
    }

    let refused = json!({"message": "swarm could not be unlocked: invalid key provided"});
    let wrong = [locked[0].clone(), ("POST /swarm/unlock", 401, refused)];
    let wrong = engine(&lab, &wrong);
    let ran = skep(&lab, &wrong, "swarm unlock").stdin(KEY).exits(1);
    assert!(!ran.stderr.contains("SWMKEY"), "{ran}");
    ran.says("error: swarm could not be unlocked: invalid key provided");
}

#[test]
fn the_unlock_key_is_shown_on_request() {
    let lab = Lab::without_machines();
    let manager = engine(
        &lab,
        &[
            ("GET /swarm", 200, swarm(true)),
            ("POST /swarm/update?version=7&rotateManagerUnlockKey=true", 200, json!(null)),
            ("GET /swarm/unlockkey", 200, json!({"UnlockKey": KEY})),
        ],
    );
    let text = format!(
        "To unlock a swarm manager after it restarts, run the `docker swarm unlock`\n\
         command and provide the following key:\n\n    {KEY}\n\n\
         Remember to store this key in a password manager, since without it you\n\
         will not be able to restart the manager.\n"
    );
    assert_eq!(skep(&lab, &manager, "swarm unlock-key").succeeds().stdout, text);
    assert_eq!(skep(&lab, &manager, "swarm unlock-key -q").succeeds().stdout, format!("{KEY}\n"));
    let rotated = skep(&lab, &manager, "swarm unlock-key --rotate").succeeds().stdout;
    assert_eq!(rotated, format!("Successfully rotated manager unlock key.\n\n{text}"));
    drop(manager);

    let open = engine(
        &lab,
        &[
            ("GET /swarm", 200, swarm(false)),
            ("GET /swarm/unlockkey", 200, json!({"UnlockKey": ""})),
            ("POST /swarm/update?version=7", 200, json!(null)),
        ],
    );
    skep(&lab, &open, "swarm unlock-key").exits(1).says("no unlock key is set").prints_nothing();
    skep(&lab, &open, "swarm unlock-key --rotate")
        .exits(1)
        .says("cannot rotate because autolock is not turned on");
    let updated = skep(&lab, &open, "swarm update --task-history-limit 3").succeeds();
    assert_eq!(updated.stdout, "Swarm updated.\n");
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_asked() {
    let lab = Lab::without_machines();
    let engine = engine(&lab, &[]);
    for (words, says) in [
        ("swarm update", "Usage"),
        ("swarm update --cert-expiry 5m", "1h at least"),
        ("swarm update --cert-expiry soon", "no duration"),
        ("swarm update --autolock=perhaps", "true or false"),
        ("swarm update --external-ca protocol=acme,url=x", "unrecognized external CA protocol"),
        ("swarm ca --cert-expiry 2h", "`--cert-expiry` flag requires the `--rotate` flag"),
        ("swarm ca --rotate --external-ca protocol=cfssl,url=x", "requires the `--ca-cert` flag"),
        ("swarm ca --rotate --ca-key /dev/null", "requires the --ca-cert flag"),
        ("swarm init --data-path-port 80", "in the range 1024 - 49151"),
        ("swarm init --data-path-addr eth0:1", "leave :1 out"),
        ("swarm init --advertise-addr eth0:x", "its port is not a number"),
        ("swarm init --default-addr-pool 10.0.0.0/28", "smaller than one subnet"),
        ("swarm init --cert-expiry 1m", "1h at least"),
        ("swarm init --force", "--force-new-cluster"),
        ("swarm init --availability asleep", "possible values: active, pause, drain"),
        ("swarm join --advertise-addr 10.0.0.1 a b", "several machines cannot have one address"),
    ] {
        skep(&lab, &engine, words).exits(2).says(says).prints_nothing();
    }
    assert!(engine.asked().is_empty(), "{:?}", engine.asked());
    nothing_was_touched(&lab);
}

#[test]
fn a_lost_quorum_is_the_first_thing_that_status_says() {
    let lab = Lab::without_machines();
    let leaderless = json!({"message": "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online."});
    let alone =
        engine(&lab, &[("GET /info", 200, info("active", true)), ("GET /nodes", 500, leaderless)]);
    skep(&lab, &alone, "swarm status")
        .exits(1)
        .prints_nothing()
        .says("error: quorum lost: 1 of 3 managers reachable, 2 needed");
    drop(alone);

    // A leader that has not noticed yet still lists the nodes.
    let manager = |id: &str, reachability: &str| {
        json!({"ID": id, "Spec": {"Role": "manager", "Availability": "active"},
            "Description": {"Hostname": id}, "Status": {"State": "ready"},
            "ManagerStatus": {"Leader": id == "m1", "Reachability": reachability, "Addr": "x"}})
    };
    let nodes = json!([
        manager("m1", "reachable"),
        manager("m2", "unreachable"),
        manager("m3", "unreachable")
    ]);
    let late =
        engine(&lab, &[("GET /info", 200, info("active", true)), ("GET /nodes", 200, nodes)]);
    let ran = skep(&lab, &late, "swarm status").exits(1);
    assert!(ran.stdout.contains("3 (1 reachable, 2 needed, 0 may be lost)"), "{ran}");
    ran.says("quorum lost: 1 of 3 managers reachable, 2 needed");
}

#[test]
fn a_join_token_comes_with_the_managers_own_address() {
    let lab = Lab::without_machines();
    let manager = engine(
        &lab,
        &[("GET /info", 200, info("active", true)), ("GET /swarm", 200, swarm(false))],
    );
    let ran = skep(&lab, &manager, "swarm join-token worker").succeeds();
    assert!(ran.stdout.contains("--token SWMTKN-1-w 192.168.99.100:2377\n"), "{ran}");
    let root = skep(&lab, &manager, "swarm ca").succeeds();
    assert_eq!(root.stdout, "-----BEGIN ROOT-----\n");
}
