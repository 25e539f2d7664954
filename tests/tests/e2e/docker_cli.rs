//! The docker CLI of the host, pointed at a machine.

use skep_tests::{Lab, Run, run};

pub(crate) fn the_real_cli_speaks_to_a_machine() {
    let lab = Lab::with_machines("dockercli");
    lab.up("--managers 1 --workers 1").succeeds();
    let skep = run::skep().display().to_string();
    let bash = |script: &str| {
        let mut run = Run::program("bash").args(["-euc", script]);
        for (name, value) in lab.environment() {
            run = run.env(name, value);
        }
        run.env("SKEP_CLUSTER", lab.cluster()).env("SKEP", &skep)
    };
    let eval = "eval \"$($SKEP env --shell bash manager1)\";";

    let list = bash(&format!("{eval} docker node ls --format '{{{{.Hostname}}}} {{{{.Status}}}}'"));
    let mut lines: Vec<_> = list.succeeds().lines().into_iter().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["manager1 Ready", "worker1 Ready"]);
    let name = bash(&format!("{eval} docker info --format '{{{{.Name}}}}'")).succeeds();
    assert_eq!(name.text(), "manager1");
    let unset = "eval \"$($SKEP env --shell bash --unset)\"; env | grep ^DOCKER_ || echo none";
    assert_eq!(bash(&format!("{eval} {unset}")).succeeds().text(), "none");

    // As a context, which goes with the cluster.
    let config = lab.files().join("docker-config").display().to_string();
    let used =
        "docker --context \"$($SKEP env --context manager1)\" node ls --format '{{.Hostname}}'";
    let ran = bash(&format!("{used} | sort")).env("DOCKER_CONFIG", &config).succeeds();
    assert!(ran.stdout.ends_with("manager1\nworker1\n"), "{ran}");
    let contexts = bash("docker context ls -q").env("DOCKER_CONFIG", &config);
    assert_eq!(contexts.succeeds().lines().len(), 2, "the default one and skep's");

    // An engine's invalid certificate is replaced, and the engine restarted.
    let spoil = "sudo sh -c 'echo spoilt > /var/lib/skep/seed/tls/server-cert.pem'";
    lab.skep("machine ssh worker1").args([spoil]).succeeds();
    lab.up("").succeeds();
    let version = "docker version --format '{{.Server.Os}}'";
    let version = bash(&format!("eval \"$($SKEP env --shell bash worker1)\"; {version}"));
    assert_eq!(version.succeeds().text(), "linux");
    let certificate =
        "openssl x509 -noout -in /var/lib/skep/seed/tls/server-cert.pem -checkend 86400";
    lab.skep("machine ssh worker1").args([certificate]).succeeds();

    // Clients without a certificate of the store's CA are refused, and so are those without TLS.
    let without = "docker --tlsverify=false --tls --tlscacert \"$DOCKER_CERT_PATH/ca.pem\" \
        --tlscert '' --tlskey '' -H \"$DOCKER_HOST\" version";
    let ran = bash(&format!(
        "{eval} cert=$DOCKER_CERT_PATH; unset DOCKER_TLS_VERIFY; \
        export DOCKER_CERT_PATH=$HOME/empty; mkdir -p $HOME/empty; cp $cert/ca.pem $HOME/empty; {without}"
    ));
    let ran = ran.ends();
    assert_ne!(ran.code, Some(0), "a client without a certificate was let in: {ran}");
    assert!(ran.stderr.contains("certificate"), "{ran}");
    let plain = bash(&format!(
        "{eval} host=$DOCKER_HOST; unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH; \
        docker -H \"$host\" version"
    ));
    let plain = plain.ends();
    assert_ne!(plain.code, Some(0), "a client without TLS was let in: {plain}");
    lab.down().env("DOCKER_CONFIG", &config).succeeds();
    let contexts = bash("docker context ls -q").env("DOCKER_CONFIG", &config);
    assert_eq!(contexts.succeeds().lines(), ["default"]);
    lab.is_clean();
}
