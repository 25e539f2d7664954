//! Settings written below a directory that stands for a host's root.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use skep_process::{Output, ProcessError, Program};
use tempfile::TempDir;

use super::{
    super::look::tests::{look_below, put},
    *,
};

fn settings(env: &[&str]) -> Settings {
    let options = json!({"labels": ["env=prod"]});
    Settings {
        owner: Owner { store: "s".into(), cluster: "c".into(), machine: "m".into() },
        port: 2376,
        tls: Some(Tls {
            ca: "the ca\n".into(),
            certificate: "the certificate\n".into(),
            key: SecretString::from("the key\n"),
        }),
        env: env.iter().map(|&variable| variable.to_owned()).collect(),
        options: options.as_object().unwrap().clone(),
    }
}

async fn place(
    root: &Path,
    places: Places,
    change: &Change,
    archive: Vec<u8>,
) -> Result<Output, ProcessError> {
    let sh = Program::new("sh").args(["-euc", PLACE, "sh"]).arg(root);
    let sh = sh.args(change.arguments(places));
    sh.stdin(archive).run(&CancellationToken::new()).await
}

async fn apply_below(root: &Path, settings: &Settings) -> Vec<String> {
    let found = look_below(root).await;
    let change = plan("box", &found, settings).unwrap();
    let placed = place(root, found.places(), &change, archive(&change.files)).await.unwrap();
    placed.text().lines().map(str::to_owned).collect()
}

async fn release_below(root: &Path) {
    let found = look_below(root).await;
    let (change, places) = (plan_release("box", &found).unwrap(), found.places());
    place(root, places, &change, archive(&change.files)).await.unwrap();
    let sh = Program::new("sh").args(["-euc", FORGET, "sh"]).arg(root);
    let sh = sh.args([places.state, places.ca, places.certificate, places.key]);
    sh.run(&CancellationToken::new()).await.unwrap();
}

/// Every file below a directory with its text.
fn tree(root: &Path) -> BTreeMap<String, String> {
    fn walk(directory: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn host(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(root.path(), path, text);
    }
    root
}

const DEBIAN: [(&str, &str); 4] = [
    ("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 13\"\n"),
    ("etc/init.d/docker", ""),
    ("etc/default/docker", "# DOCKER_OPTS=\"-H tcp://0.0.0.0:2375\"\nexport TMPDIR=/srv\n"),
    (
        "etc/docker/daemon.json",
        "{\n  \"log-driver\": \"journald\",\n  \"labels\": [\n    \"rack=1\"\n  ]\n}\n",
    ),
];

#[tokio::test]
async fn a_host_is_told_once_and_given_back_as_it_was() {
    let root = host(&DEBIAN);
    let root = root.path();
    let before = tree(root);
    let settings = settings(&["HTTP_PROXY=http://p.example:3128"]);
    let changed = apply_below(root, &settings).await;
    insta::assert_snapshot!(changed.join("\n"), @r"
    /etc/skep/owner.json
    /etc/skep/tls/server-key.pem
    /etc/skep/tls/ca.pem
    /etc/skep/tls/server-cert.pem
    /etc/skep/before.json
    /etc/docker/daemon.json
    /etc/default/docker
    ");
    let after = tree(root);
    insta::assert_snapshot!(after["etc/docker/daemon.json"], @r#"
    {
      "log-driver": "journald",
      "labels": [
        "rack=1",
        "env=prod"
      ],
      "hosts": [
        "unix:///var/run/docker.sock",
        "tcp://0.0.0.0:2376"
      ],
      "tlsverify": true,
      "tlscacert": "/etc/skep/tls/ca.pem",
      "tlscert": "/etc/skep/tls/server-cert.pem",
      "tlskey": "/etc/skep/tls/server-key.pem"
    }
    "#);
    insta::assert_snapshot!(after["etc/default/docker"], @r#"
    # DOCKER_OPTS="-H tcp://0.0.0.0:2375"
    export TMPDIR=/srv
    # skep: the engine's environment
    export 'HTTP_PROXY=http://p.example:3128'
    # skep: end
    "#);
    let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode();
    assert_eq!(mode("etc/skep/tls/server-key.pem") & 0o777, 0o600);
    assert_eq!(mode("etc/skep/tls/server-cert.pem") & 0o777, 0o644);
    let key = "the key\n";
    assert_eq!(after.values().filter(|text| text.contains(key)).count(), 1, "the key is elsewhere");

    // The restart is due until it has happened, and nothing is written twice.
    assert!(look_below(root).await.restart_due);
    std::fs::remove_file(root.join("etc/skep/restart-due")).unwrap();
    assert_eq!(apply_below(root, &settings).await, Vec::<String>::new());
    assert!(!look_below(root).await.restart_due);
    // The key was made readable for all users: it is closed again.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(root.join("etc/skep/tls/server-key.pem"), open).unwrap();
    assert_eq!(apply_below(root, &settings).await, Vec::<String>::new());
    assert_eq!(mode("etc/skep/tls/server-key.pem") & 0o777, 0o600);

    release_below(root).await;
    assert_eq!(tree(root), before);
}

#[tokio::test]
async fn certificates_that_are_not_due_stay() {
    let root = host(&DEBIAN);
    let root = root.path();
    apply_below(root, &settings(&[])).await;
    let settings = Settings { tls: None, ..settings(&[]) };
    assert_eq!(apply_below(root, &settings).await, Vec::<String>::new());
    let found = look_below(root).await;
    assert_eq!(found.certificate.as_deref(), Some("the certificate\n"));
    assert_eq!(found.ca.as_deref(), Some("the ca\n"));
}

#[tokio::test]
async fn with_systemd_a_drop_in_takes_the_addresses_off_the_command() {
    let systemctl = "#!/bin/sh\nroot=${0%/bin/systemctl}\necho '# /lib/systemd/system/docker.service'\n\
        echo 'ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS'\n\
        file=/etc/systemd/system/docker.service.d/90-skep.conf\n\
        if [ -f \"$root$file\" ]; then echo \"# $file\"; cat \"$root$file\"; fi\n";
    let root = host(&[
        ("etc/os-release", "ID=fedora\n"),
        ("run/systemd/system/x", ""),
        ("bin/systemctl", systemctl),
    ]);
    let root = root.path();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(root.join("bin/systemctl"), executable).unwrap();
    let before = tree(root);
    let settings = settings(&["NO_PROXY=10.0.0.0/8"]);
    apply_below(root, &settings).await;
    let drop_in = &tree(root)["etc/systemd/system/docker.service.d/90-skep.conf"];
    insta::assert_snapshot!(drop_in, @r#"
    # Written by skep.
    [Service]
    # daemon.json has the addresses: an engine refuses them in two places.
    ExecStart=
    ExecStart=/usr/sbin/dockerd $DOCKER_OPTS
    Environment="NO_PROXY=10.0.0.0/8"
    "#);
    assert_eq!(apply_below(root, &settings).await, Vec::<String>::new());
    release_below(root).await;
    assert_eq!(tree(root), before);
}

#[tokio::test]
async fn boot2docker_is_told_by_its_profile() {
    let root = host(&[
        ("etc/os-release", "ID=boot2docker\nPRETTY_NAME=\"Boot2Docker 19.03.12 (TCL 10.1)\"\n"),
        ("etc/init.d/docker", ""),
        ("var/lib/boot2docker/profile", "DOCKER_TLS=no\n"),
    ]);
    let root = root.path();
    let changed = apply_below(root, &settings(&[])).await;
    insta::assert_snapshot!(changed.join("\n"), @r"
    /var/lib/boot2docker/skep/owner.json
    /var/lib/boot2docker/server-key.pem
    /var/lib/boot2docker/ca.pem
    /var/lib/boot2docker/server.pem
    /var/lib/boot2docker/skep/profile.before
    /var/lib/boot2docker/profile
    ");
    let after = tree(root);
    assert_eq!(after["var/lib/boot2docker/skep/profile.before"], "DOCKER_TLS=no\n");
    assert!(after["var/lib/boot2docker/profile"].contains("--label=env=prod"));
    assert_eq!(apply_below(root, &settings(&[])).await, Vec::<String>::new());
    release_below(root).await;
    assert!(!root.join("var/lib/boot2docker/server-key.pem").exists());
}

#[tokio::test]
async fn a_part_of_the_settings_changes_nothing() {
    let root = host(&DEBIAN);
    let root = root.path();
    let before = tree(root);
    let found = look_below(root).await;
    let change = plan("box", &found, &settings(&[])).unwrap();
    let whole = archive(&change.files);
    // Cut between two files, where tar sees no harm, and in the middle of one.
    for length in [1024, 700] {
        let cut = whole[..length].to_vec();
        place(root, found.places(), &change, cut).await.unwrap_err();
        assert_eq!(tree(root), before, "{length}");
    }
}

#[tokio::test]
async fn what_would_keep_the_engine_from_starting_is_refused_before() {
    let said = async |files: &[(&str, &str)]| {
        let root = host(files);
        let found = look_below(root.path()).await;
        let error = plan("box", &found, &settings(&[])).unwrap_err();
        error.to_string()
    };
    let release = ("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 13\"\n");
    let script = ("etc/init.d/docker", "");
    let flags = ("etc/default/docker", "DOCKER_OPTS=\"--debug --host=tcp://0.0.0.0:2375\"\n");
    let daemon = ("etc/docker/daemon.json", "{\"debug\": true,}");
    let errors = [
        said(&[release, script, flags]).await,
        said(&[release, script, daemon]).await,
        said(&[release]).await,
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    /etc/default/docker on box cannot be added to: it gives the engine --host, which skep is to set: take it out
    /etc/docker/daemon.json on box cannot be added to: it is no JSON object (trailing comma at line 1 column 16); mend or remove it, and try again
    nothing on box (Debian 13) starts services in a way skep knows: systemd, OpenRC, runit, or scripts in /etc/init.d
    ");
}

#[test]
fn a_block_of_variables_comes_and_goes() {
    let env = ["A=b c".to_owned()];
    let with = with_block("X=1\n", &env);
    assert_eq!(with, "X=1\n# skep: the engine's environment\nexport 'A=b c'\n# skep: end\n");
    assert_eq!(with_block(&with, &env), with);
    assert_eq!(with_block(&with, &[]), "X=1\n");
}
