//! CA certificates, proven from inside each machine by a TLS server behind a private root, which
//! listens where the machines reach their host.

use std::net::{IpAddr, Ipv4Addr};

use skep_tests::{Lab, certificates::Root, server::Server};

use crate::seen::{all_ready, engine_start, ids, inside, nodes};

const TWO: [&str; 2] = ["manager1", "worker1"];

/// A server at the address the host has on the cluster's network.
fn serve(lab: &Lab, root: &Root) -> Server {
    let machine = lab.skep("machine ip manager1").succeeds();
    let [a, b, c, _] = machine.text().parse::<Ipv4Addr>().unwrap().octets();
    Server::start(root, IpAddr::from([a, b, c, 1]))
}

fn starts(lab: &Lab) -> Vec<String> {
    TWO.iter().map(|machine| engine_start(lab, machine)).collect()
}

pub(crate) fn installed_on_machines_that_run() {
    let lab = Lab::with_machines("certrun");
    lab.up("--workers 1").succeeds();
    let root = Root::new("skep test root");
    let file = lab.file("root.crt", root.pem()).display().to_string();
    let server = serve(&lab, &root);
    let verify = format!("cert verify --server {} {file}", server.address());
    let untrusted = |when: &str| {
        let ran = lab.skep(&verify).exits(1);
        assert_eq!(ran.stdout.matches("untrusted").count(), 2, "{when}: {ran}");
    };
    let (before, old) = (nodes(&lab), starts(&lab));
    untrusted("before it is installed");
    assert_eq!(lab.skep("cert ls -q").succeeds().stdout, "");

    lab.skep(&format!("cert install {file}")).succeeds();
    lab.skep(&verify).succeeds();
    let restarted = starts(&lab);
    assert!(old.iter().zip(&restarted).all(|(old, new)| old != new), "an engine does not know it");
    assert_eq!(ids(&all_ready(&lab, &TWO)), ids(&before), "the swarm was lost");
    lab.skep("status").succeeds();

    lab.skep(&format!("cert install {file}")).succeeds().says("nothing to do");
    assert_eq!(starts(&lab), restarted, "an engine was restarted for nothing");
    assert_eq!(lab.skep("cert ls -q").succeeds().lines().len(), 1);
    let list = lab.skep("cert ls").succeeds();
    assert_eq!(list.stdout.matches("CN=skep test root").count(), 2, "{list}");

    lab.skep(&format!("cert rm {file}")).succeeds();
    untrusted("after it was removed");
    assert_eq!(lab.skep("cert ls -q").succeeds().stdout, "");
    assert_eq!(ids(&all_ready(&lab, &TWO)), ids(&before), "the swarm was lost");
    lab.finish();
}

pub(crate) fn given_at_creation() {
    let lab = Lab::with_machines("certnew");
    let root = Root::new("skep test root");
    let other = Root::new("another root");
    let bundle = format!("{}{}", root.pem(), other.pem());
    let file = lab.file("roots.pem", bundle).display().to_string();
    lab.up(&format!("--workers 1 --ca-certificate {file}")).succeeds();
    let server = serve(&lab, &root);
    let started = starts(&lab);
    // Nothing is named: what was given at creation is what it is proven with.
    let verified = lab.skep(&format!("cert verify --server {}", server.address())).succeeds();
    assert!(!verified.stderr.contains("warning"), "{verified}");
    lab.skep(&format!("cert install {file}")).succeeds().says("nothing to do");
    assert_eq!(starts(&lab), started, "an engine was restarted for nothing");

    // A machine that joins later has it from its first moment, too.
    lab.up("--workers 2").succeeds();
    lab.skep(&format!("cert verify --machine worker2 --server {}", server.address())).succeeds();
    // One that is behind neither root is not trusted.
    let stranger = serve(&lab, &Root::new("a stranger"));
    lab.skep(&format!("cert verify --server {}", stranger.address())).exits(1);
    lab.finish();
}

pub(crate) fn for_one_registry_only() {
    let lab = Lab::with_machines("certreg");
    lab.up("--workers 1").succeeds();
    let root = Root::new("skep test root");
    let file = lab.file("root.crt", root.pem()).display().to_string();
    let (server, other) = (serve(&lab, &root), serve(&lab, &root));
    let pull = |server: &Server| {
        let ran = inside(&lab, "worker1", &format!("docker pull {}/bees:1", server.address()));
        let ran = ran.ends();
        assert_ne!(ran.code, Some(0), "the registry has no image: {ran}");
        ran.stderr
    };
    let untrusted = "x509: certificate signed by unknown authority";
    let started = starts(&lab);
    assert!(pull(&server).contains(untrusted), "{}", pull(&server));

    let registry = format!("--registry {}", server.address());
    lab.skep(&format!("cert install {registry} {file}")).succeeds();
    let answer = pull(&server);
    assert!(answer.contains("manifest unknown"), "{answer}");
    assert!(pull(&other).contains(untrusted), "another registry is trusted as well");
    let list = lab.skep("cert ls").succeeds();
    assert_eq!(list.stdout.matches(&server.address()).count(), 2, "{list}");
    lab.skep(&format!("cert install {registry} {file}")).succeeds().says("nothing to do");

    lab.skep(&format!("cert rm {registry} {file}")).succeeds();
    assert!(pull(&server).contains(untrusted), "it is trusted after it was removed");
    assert_eq!(starts(&lab), started, "an engine was restarted, which registries do not need");
    lab.finish();
}
