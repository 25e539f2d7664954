//! CA certificates, proven from inside each machine by a TLS server behind a private root, which
//! listens where the machines reach their host.

use std::net::{IpAddr, Ipv4Addr};

use rustix::process::Signal;
use skep_tests::{Lab, certificates::Root, images, server::Server, watch};

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

    killed_in_the_middle(&lab, &file);
    with_one_machine_off(&lab, &file);
    under_running_tasks(&lab, &file);
    assert_eq!(ids(&all_ready(&lab, &TWO)), ids(&before), "the swarm was lost");
    lab.finish();
}

/// How many certificates a machine's bundle has, and how many different ones.
fn bundle(lab: &Lab, machine: &str) -> Vec<String> {
    let count = "awk '/-----BEGIN/ { all++; block = \"\" } { block = block $0 } \
                 /-----END/ && !seen[block]++ { some++ } END { print all, some }' \
                 /etc/ssl/certs/ca-certificates.crt";
    let text = inside(lab, machine, count).succeeds().stdout;
    text.split_whitespace().map(str::to_owned).collect()
}

/// What the killed command has left running in the machines does not write beside the next one.
fn killed_in_the_middle(lab: &Lab, file: &str) {
    let bundles = || TWO.map(|machine| bundle(lab, machine));
    lab.skep(&format!("cert install {file}")).succeeds();
    let whole = bundles();
    assert!(whole.iter().all(|counts| counts[0] == counts[1]), "{whole:?}");
    lab.skep(&format!("cert rm {file}")).succeeds();
    for step in ["installing CA certificates", "restarting the engine"] {
        let killed = watch::interrupt(lab, &format!("cert install {file}"), step, Signal::KILL);
        assert!(killed.code.is_none(), "it ended before: {}", killed.lines.join("\n"));
        lab.skep(&format!("cert install {file}")).succeeds();
        assert_eq!(bundles(), whole, "after a kill at {step}");
        lab.skep(&format!("cert rm {file}")).succeeds();
    }
    // As the fault left it: everything twice.
    let twice = "sudo sh -c 'cd /etc/ssl/certs; cp ca-certificates.crt x; cat x >>ca-certificates.crt; rm x'";
    inside(lab, "worker1", twice).succeeds();
    lab.skep(&format!("cert install {file}")).succeeds();
    assert_eq!(bundles(), whole, "it was not repaired");
    inside(lab, "worker1", twice).succeeds();
    lab.up("").succeeds();
    assert_eq!(bundles(), whole, "up did not repair it");
    lab.skep(&format!("cert rm {file}")).succeeds();
}

/// skep does not wait for a machine that is off, which gets everything once it is started.
fn with_one_machine_off(lab: &Lab, file: &str) {
    let one = Root::new("one more root");
    let one = lab.file("one.crt", one.pem()).display().to_string();
    lab.skep(&format!("cert install {one}")).succeeds();
    lab.skep("machine stop worker1").succeeds();
    lab.skep(&format!("cert install {file}")).succeeds().says("takes this when it is started");
    lab.skep("cert rm one").succeeds().says("takes this when it is started");
    let list = lab.skep("cert ls").succeeds().says("it lacks CN=skep test root and still trusts");
    assert_eq!(list.lines().len(), 2, "{list}");
    lab.skep("machine start worker1").succeeds();
    let list = lab.skep("cert ls").succeeds();
    assert_eq!(list.stdout.matches("CN=skep test root").count(), 2, "{list}");
    assert!(!list.stdout.contains("one more root") && !list.stderr.contains("lacks"), "{list}");
    lab.up("").succeeds();
    assert!(!lab.skep("cert ls").succeeds().stdout.contains("one more root"), "it came back");
    lab.skep(&format!("cert rm {file}")).succeeds();
}

/// Tasks are listed before they are interrupted, or moved, one node after the other.
fn under_running_tasks(lab: &Lab, file: &str) {
    let image = images::archive("ping-latest").display().to_string();
    lab.skep("image load").args([image]).succeeds();
    let create = "service create --quiet --no-resolve-image --stop-grace-period 1s --name web \
                  --replicas 2 ping:latest sleep 1d";
    lab.skep(create).succeeds();
    let ran = lab.skep(&format!("cert install --drain {file}")).succeeds();
    let ran = ran.says("one machine after the other; 2 running tasks move to other nodes first");
    let place = |text: &str| ran.stderr.find(text).unwrap_or_else(|| panic!("{text}: {ran}"));
    assert!(place("worker1: draining: done") > place("manager1: availability active again: done"));
    let rows = lab.skep("node ls").succeeds();
    assert_eq!(rows.stdout.matches("Active").count(), 2, "{rows}");
    let ran = lab.skep(&format!("cert rm {file}")).succeeds();
    let ran =
        ran.says("interrupts 2 running tasks (2 of web)").says("waiting until the tasks run again");
    assert!(!ran.stderr.contains("draining"), "{ran}");
    let list = lab.skep("service ls").succeeds();
    assert!(list.stdout.contains("2/2"), "{list}");
    lab.skep("service rm web").succeeds();
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
