//! An existing host, adopted over SSH: refused while there is an obstacle, with
//! nothing touched; an engine installed from packages; its TLS endpoint; a root it trusts; given back
//! as it was.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use skep_tests::{
    Lab, Run,
    certificates::Root,
    host::docker,
    hosts::{Host, USER},
    server::Server,
};

/// How long adopting a host may take, an engine's packages included.
const ADOPTION: Duration = Duration::from_secs(300);

/// `skep machine create` of the host as `box`, with its own key.
fn create(lab: &Lab, host: &Host, more: &[&str]) -> Run {
    create_with(lab, host, &host.key, more)
}

fn create_with(lab: &Lab, host: &Host, key: &Path, more: &[&str]) -> Run {
    lab.bare(["machine", "create", "-d", "ssh", "--ssh-host", &host.address])
        .args(["--ssh-user", USER, "--ssh-key", &key.display().to_string()])
        .args(more)
        .args(["box"])
        .env("SKEP_CLUSTER", lab.cluster())
        .within(ADOPTION)
}

/// Everything that skep may change on a host, as text.
fn state(host: &Host) -> String {
    let script = "hostname; cat /etc/hosts /etc/hostname; id ann; ls -A /etc/skep /etc/docker \
        /usr/local/share/ca-certificates 2>&1 || :; cat /etc/docker/daemon.json 2>&1 || :";
    host.sh(script).succeeds().stdout
}

/// The process of the host's engine.
fn engine(host: &Host) -> String {
    host.sh("cat /run/docker.pid").succeeds().stdout
}

pub(crate) fn a_host_is_taken_over_ssh_and_given_back() {
    let lab = Lab::with_machines("hosts");
    // The store comes to be, and with it the label of what belongs to the test.
    lab.bare(["machine", "ls"]).succeeds();
    let host = Host::start(&lab);
    refused_untouched(&lab, &host);
    taken(&lab, &host);
    kept_from_others(&lab, &host);
    another_key(&lab, &host);
    given_back(&lab, &host);
    in_another_swarm(&lab, &host);
    host.remove();
    lab.is_clean();
}

fn refused_untouched(lab: &Lab, host: &Host) {
    let before = state(host);
    create(lab, host, &[]).exits(3).says("has no Docker Engine: --install-engine installs one");
    let stranger = lab.files().join("stranger");
    let file = stranger.display().to_string();
    Run::program("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f", &file]).succeeds();
    create_with(lab, host, &stranger, &["--install-engine"]).exits(1).says("key rejected");
    host.sh("echo 'ann ALL=(ALL) ALL' >/etc/sudoers.d/ann").succeeds();
    create(lab, host, &["--install-engine"]).exits(3).says("asks ann on box for a password");
    host.sh("echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann").succeeds();
    assert_eq!(state(host), before, "a host that was refused was touched");
    lab.bare(["machine", "ls", "-q"]).succeeds().prints_nothing();
}

fn taken(lab: &Lab, host: &Host) {
    let root = Root::new("skep test root");
    let file = lab.file("root.crt", root.pem()).display().to_string();
    let more = ["--install-engine", "--engine-label", "env=prod", "--ca-certificate", &file];
    create(lab, host, &more).succeeds();

    // The docker CLI gets access with the client's certificate, and only with it.
    let config = lab.bare(["machine", "config", "box"]).succeeds();
    let options: Vec<_> =
        config.text().split_whitespace().map(|word| word.replace('"', "")).collect();
    let label = "{{range .Labels}}{{.}}{{end}} {{.Name}}";
    let info = docker([]).args(&options).args(["info", "--format", label]).succeeds();
    assert_eq!(info.text(), "env=prod box");
    let address = format!("tcp://{}:2376", host.address);
    docker(["-H", &address, "info"]).exits(1);
    docker(["--tls", "-H", &address, "info"]).exits(1);

    let [a, b, c, _] = host.address.parse::<Ipv4Addr>().unwrap().octets();
    let server = Server::start(&root, IpAddr::from([a, b, c, 1]));
    let verify = format!("cert verify --server {} {file}", server.address());
    lab.skep(&verify).succeeds();

    // Everything is as it should be: nothing is written, nothing restarted.
    let (before, old) = (state(host), engine(host));
    lab.bare(["machine", "provision", "box"]).within(ADOPTION).succeeds();
    assert_eq!((state(host), engine(host)), (before, old), "provisioning changed something");
    assert_eq!(lab.bare(["machine", "ssh", "box", "id", "-un"]).succeeds().text(), USER);
}

fn kept_from_others(lab: &Lab, host: &Host) {
    let other = lab.namesake();
    let before = state(host);
    create(&other, host, &["--install-engine"]).exits(3).says("in another store: remove it there");
    assert_eq!(state(host), before);
    other.is_clean();
}

/// Another host answers at the address.
fn another_key(lab: &Lab, host: &Host) {
    // Until it shows the key that it has now.
    let restart =
        "kill -HUP $(cat /run/sshd.pid); read -r _ key _ </etc/ssh/ssh_host_ed25519_key.pub
        until ssh-keyscan -t ed25519 localhost 2>/dev/null | grep -qF \"$key\"; do sleep 0.3; done";
    let other = "cd /etc/ssh; mkdir old; mv ssh_host_* old/; ssh-keygen -A >/dev/null";
    host.sh(&format!("{other}; {restart}")).succeeds();
    // What was logged in before is not asked again.
    let masters = ["-name", "*.ssh", "-exec", "ssh", "-O", "exit", "-S", "{}", "any", ";"];
    Run::program("find").args([lab.runtime()]).args(masters).succeeds();
    let ran = lab.bare(["machine", "provision", "box"]).within(ADOPTION).ends();
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says("shows the host key ED25519 SHA256:").says("and had ED25519 SHA256:");
    host.sh(&format!("mv -f /etc/ssh/old/* /etc/ssh/; {restart}")).succeeds();
}

fn given_back(lab: &Lab, host: &Host) {
    lab.bare(["machine", "rm", "-y", "box"]).within(ADOPTION).succeeds();
    let after = state(host);
    assert!(after.starts_with("old-name\n"), "{after}");
    for trace in ["box", "(docker)", "tlsverify", "owner.json", "skep-"] {
        assert!(!after.contains(trace), "{trace} is still there: {after}");
    }
    // The engine stays, and is not reachable from outside.
    host.sh("docker version >/dev/null").succeeds();
    docker(["--tls", "-H", &format!("tcp://{}:2376", host.address), "version"]).exits(1);
}

fn in_another_swarm(lab: &Lab, host: &Host) {
    host.sh("docker swarm init >/dev/null").succeeds();
    let before = state(host);
    create(lab, host, &[]).exits(3).says("is a node of another swarm");
    assert_eq!(state(host), before);
    create(lab, host, &["--force"]).succeeds();
    lab.bare(["machine", "rm", "-y", "box"]).within(ADOPTION).succeeds();
    host.sh("docker node ls >/dev/null").succeeds();
}
