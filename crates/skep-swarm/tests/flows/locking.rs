//! Locked managers, the swarm's settings and its CA.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use skep_swarm::{CaRotation, Cause, SwarmError, SwarmUpdate, Unlocked};
use tokio_util::sync::CancellationToken;

use crate::{OUT_OF_SEQUENCE, SHORT, SOON, cancel, done, fake::Fake, info, refusal};

const NO_KEY: &str = "swarm could not be unlocked: invalid key provided";

fn swarm(version: u64, autolock: bool) -> (u16, Value) {
    (
        200,
        json!({"Version": {"Index": version}, "TLSInfo": {"TrustRoot": "ROOT\n"},
            "Spec": {"Name": "default", "New": [1], "Raft": {"SnapshotInterval": 10000},
                "EncryptionConfig": {"AutoLockManagers": autolock}}}),
    )
}

#[tokio::test]
async fn a_key_unlocks_and_goes_nowhere_else() {
    let fake = Fake::start(&[("POST /swarm/unlock", &[done(), refusal(401, NO_KEY)])]).await;
    let key = SecretString::from("SWMKEY-1-abc");
    assert_eq!(fake.swarm.unlock(&key, SOON, &cancel()).await.unwrap(), Unlocked::Ready);
    assert_eq!(fake.bodies()[0].1, json!({"UnlockKey": "SWMKEY-1-abc"}));
    let error = fake.swarm.unlock(&key, SOON, &cancel()).await.unwrap_err();
    assert_eq!(error.cause(), Some(Cause::WrongKey));
    assert!(!format!("{error:?} {error}").contains("abc"));
}

#[tokio::test]
async fn a_manager_that_needs_others_is_unlocked_all_the_same() {
    use skep_engine::fake::{Answer, FakeEngine};
    let unlocked = |state: (u16, Value)| async move {
        let script = vec![
            ("POST /swarm/unlock", vec![Answer::Silence]),
            ("GET /info", vec![Answer::Json(state.0, state.1)]),
        ];
        let fake = FakeEngine::start(script).await;
        let swarm = skep_swarm::Swarm::new(&fake.engine);
        let key = SecretString::from("SWMKEY-1-abc");
        swarm.unlock(&key, SHORT, &CancellationToken::new()).await
    };
    assert_eq!(unlocked(info("pending", "m1")).await.unwrap(), Unlocked::Waiting);
    assert_eq!(unlocked(info("active", "m1")).await.unwrap(), Unlocked::Ready);
    assert!(matches!(unlocked(info("locked", "")).await, Err(SwarmError::Engine { .. })));
    assert!(matches!(unlocked(info("pending", "")).await, Err(SwarmError::Engine { .. })));
}

#[tokio::test]
async fn a_key_is_rotated_only_where_there_is_one() {
    let fake = Fake::start(&[
        ("GET /swarm", &[swarm(3, false), swarm(4, true)]),
        ("POST /swarm/update", &[done()]),
        (
            "GET /swarm/unlockkey",
            &[(200, json!({"UnlockKey": ""})), (200, json!({"UnlockKey": "SWMKEY-1-new"}))],
        ),
    ])
    .await;
    let error = fake.swarm.rotate_unlock_key(&cancel()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot rotate because autolock is not turned on");
    assert!(fake.swarm.unlock_key(&cancel()).await.unwrap().is_none());
    fake.swarm.rotate_unlock_key(&cancel()).await.unwrap();
    let (request, body) = fake.bodies().pop().unwrap();
    assert_eq!(request, "POST /swarm/update?version=4&rotateManagerUnlockKey=true");
    assert_eq!(body, swarm(4, true).1["Spec"], "nothing in it is lost");
    let key = fake.swarm.unlock_key(&cancel()).await.unwrap().unwrap();
    assert_eq!(key.expose_secret(), "SWMKEY-1-new");
}

#[tokio::test]
async fn settings_are_changed_in_what_the_engine_last_said() {
    let fake = Fake::start(&[
        ("GET /swarm", &[swarm(3, false), swarm(5, false)]),
        ("POST /swarm/update", &[refusal(500, OUT_OF_SEQUENCE), done()]),
    ])
    .await;
    let update = SwarmUpdate { autolock: Some(true), ..SwarmUpdate::default() };
    assert!(fake.swarm.update_swarm(&update, &cancel()).await.unwrap(), "there is a key now");
    let (request, body) = fake.bodies().pop().unwrap();
    assert_eq!(request, "POST /swarm/update?version=5");
    assert_eq!(body, swarm(5, true).1["Spec"]);
    let short = SwarmUpdate { cert_expiry: Some(Duration::from_secs(60)), ..update };
    let asked = fake.asked().len();
    let error = fake.swarm.update_swarm(&short, &cancel()).await.unwrap_err();
    assert!(matches!(error, SwarmError::Setting { .. }), "{error:?}");
    assert_eq!(fake.asked().len(), asked, "before the engine is asked");
}

#[tokio::test]
async fn a_rotated_ca_is_waited_for_until_every_node_has_it() {
    let root = |root: &str, busy: bool| {
        (
            200,
            json!({"Version": {"Index": 1}, "Spec": {"CAConfig": {"ForceRotate": 0}},
                "TLSInfo": {"TrustRoot": root, "CertIssuerPublicKey": root},
                "RootRotationInProgress": busy}),
        )
    };
    let node = |root: &str| {
        (
            200,
            json!([{"ID": "w1", "Spec": {"Role": "worker", "Availability": "active"},
                "Description": {"Hostname": "worker1",
                    "TLSInfo": {"TrustRoot": root, "CertIssuerPublicKey": root}}}]),
        )
    };
    let fake = Fake::start(&[
        ("GET /swarm", &[root("old", false), root("new", true), root("new", false)]),
        ("POST /swarm/update", &[done()]),
        ("GET /nodes", &[node("old"), node("new")]),
    ])
    .await;
    fake.swarm.rotate_ca(&CaRotation::default(), &cancel()).await.unwrap();
    assert_eq!(fake.bodies()[1].1["CAConfig"]["ForceRotate"], 1);
    let seen = std::sync::Mutex::new(Vec::new());
    let told = |rotation: &skep_swarm::Rotation| seen.lock().unwrap().push(rotation.is_done);
    fake.swarm.until_rotated(SOON, told, &cancel()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [false, true]);
    assert_eq!(fake.swarm.trust_root(&cancel()).await.unwrap().as_deref(), Some("new"));

    let fake =
        Fake::start(&[("GET /swarm", &[root("new", true)]), ("GET /nodes", &[node("old")])]).await;
    let error = fake.swarm.until_rotated(SHORT, |_| {}, &cancel()).await.unwrap_err();
    assert!(error.to_string().contains("worker1: its certificate is an old one"), "{error}");
}
