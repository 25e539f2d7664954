//! Hosts whose key skep did not make: trusted once, and looked at.

use std::time::Duration;

use skep_context::Context;
use skep_guest::{
    KeyPair,
    adopt::{self, AdoptError},
    known_hosts_line,
};
use skep_model::Events;

use crate::sshd::{SOON, Sshd, write};

#[tokio::test]
async fn a_host_is_believed_at_first_sight() {
    let sshd = Sshd::started().await;
    let known = std::fs::read_to_string(&sshd.access.known_hosts).unwrap();
    write(&sshd.access.known_hosts, "");
    let events = Events::none();
    let context = Context::new(&events, &sshd.cancel).within(SOON);
    let pinned = adopt::pin(&sshd.access, context).await.unwrap();
    assert_eq!(pinned, known);
    write(&sshd.access.known_hosts, &pinned);
    let guest = sshd.wait(SOON).await.unwrap();
    if sshd.access.user == "root" {
        // It is this very host, of which a test knows no more than that it is one.
        let found = adopt::look(&guest, &sshd.cancel).await.unwrap();
        assert!(!found.name.is_empty() && !found.hostname.is_empty(), "{found:?}");
    }
}

#[tokio::test]
async fn another_key_than_the_one_believed_is_named_with_it() {
    let sshd = Sshd::started().await;
    let (host, port) = (sshd.access.host, sshd.access.port);
    let other = KeyPair::generate("").unwrap().public;
    let pinned = known_hosts_line(host, port, &other);
    write(&sshd.access.known_hosts, &pinned);
    let error = sshd.wait(SOON).await.unwrap_err();
    let error = adopt::explain(&sshd.access, &pinned, error, &sshd.cancel).await;
    let AdoptError::HostKeyChanged { pinned, shown, .. } = &error else { panic!("{error}") };
    assert!(pinned.starts_with("ED25519 SHA256:") && shown.starts_with("ED25519 SHA256:"));
    assert_ne!(pinned, shown);
}

#[tokio::test]
async fn a_host_that_does_not_answer_has_no_key() {
    let sshd = Sshd::prepared().await;
    let events = Events::none();
    let context = Context::new(&events, &sshd.cancel).within(Duration::ZERO);
    let error = adopt::pin(&sshd.access, context).await.unwrap_err();
    assert!(matches!(error, AdoptError::Guest(_)), "{error}");
}
