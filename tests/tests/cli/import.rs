//! docker-machine's store, taken over and left as it is.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use skep_tests::{
    Lab,
    vboxmanage::{Script, Settings},
};

use crate::nothing_was_touched;

/// What docker-machine 0.16.2 has written.
const GENERIC: &str = include_str!("fixtures/docker-machine/generic.json");
const NONE: &str = include_str!("fixtures/docker-machine/none.json");
const VIRTUALBOX: &str = include_str!("fixtures/docker-machine/virtualbox.json");

/// A key that opens nothing.
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";

/// A store of docker-machine's with one machine of each kind, and several that are broken.
fn old_store(lab: &Lab) -> PathBuf {
    let store = lab.files().join("old");
    let write = |name: &str, file: &str, text: &str| {
        let directory = store.join("machines").join(name);
        fs_err::create_dir_all(&directory).unwrap();
        fs_err::write(directory.join(file), text).unwrap();
    };
    write("gen1", "config.json", GENERIC);
    write("gen1", "id_rsa", KEY);
    write("lab1", "config.json", NONE);
    write("vb1", "config.json", VIRTUALBOX);
    write("vb1", "id_rsa", KEY);
    write("vb1", "id_rsa.pub", "ssh-rsa AAAA vb1\n");
    write("cut", "config.json", &NONE[..NONE.len() / 2]);
    write("empty", "config.json", "");
    write("half", "id_rsa", KEY);
    write("other", "config.json", NONE);
    write("old", "config.json", r#"{"ConfigVersion": 1}"#);
    write(
        "cloud",
        "config.json",
        &NONE.replace("\"none\"", "\"amazonec2\"").replace("lab1", "cloud"),
    );
    write("keyless", "config.json", &GENERIC.replace("gen1", "keyless"));
    write("Big", "config.json", &NONE.replace("lab1", "Big"));
    fs_err::write(store.join("no-error-report"), "").unwrap();
    store
}

/// Every file with its content, its mode and when it was written.
fn digest(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs_err::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs_err::metadata(&path).unwrap();
            let content = if meta.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else {
                fs_err::read(&path).unwrap()
            };
            found.insert(path, (content, meta.permissions().mode(), meta.modified().unwrap()));
        }
    }
    found
}

#[test]
fn what_can_be_is_taken_over_and_the_rest_is_named() {
    let lab = Lab::without_machines();
    let old = old_store(&lab);
    let before = digest(&old);
    let from = old.display().to_string();
    let ran = lab.bare(["machine", "import", "--from", &from]).env("PATH", "/nowhere").exits(5);
    assert_eq!(ran.lines(), ["gen1", "lab1"]);
    let ran = ran
        .says("Big: the machine name `Big` has 'B'")
        .says("cloud: its driver is amazonec2")
        .says("cut: its config.json is damaged at line")
        .says("empty: its config.json is empty")
        .says("half: it has no config.json")
        .says("keyless: its private key is neither at")
        .says("old: its config.json has version 1")
        .says("other: its config.json is that of a machine called lab1")
        .says("vb1: VirtualBox");
    assert!(!ran.stderr.contains("AAAA"), "a key is no part of a message: {ran}");
    assert_eq!(digest(&old), before, "the original is as it was");

    // Two drivers, so two clusters.
    let record = |cluster: &str| -> Value {
        let path = lab.store().join(format!("clusters/{cluster}/cluster.json"));
        serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
    };
    let host = &record("skep")["machines"][0];
    assert_eq!(host["name"], "gen1");
    assert_eq!(host["address"], "127.0.0.1");
    assert_eq!(host["options"]["ssh"]["ssh_port"], 22022);
    assert_eq!(host["options"]["ssh"]["engine_port"], 22376);
    assert_eq!(host["engine"]["labels"][0], "env=prod");
    let engine = &record("none")["machines"][0];
    assert_eq!(engine["options"]["none"], "tcp://127.0.0.1:23760");
    let key = lab.store().join("clusters/skep/machines/gen1/id_ed25519");
    assert_eq!(fs_err::read_to_string(&key).unwrap(), KEY);
    assert_eq!(fs_err::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    // What was taken over before is passed over as done.
    let again = lab.bare(["machine", "import", "--from", &from, "gen1", "lab1"]).succeeds();
    assert_eq!(again.lines(), ["gen1", "lab1"]);
    assert_eq!(record("skep")["machines"].as_array().unwrap().len(), 1);
    // Removal only drops it from the store; the host is not skep's.
    lab.bare(["machine", "rm", "-y", "lab1"]).succeeds();
    assert!(!lab.store().join("clusters/none").exists());
}

#[test]
fn a_rehearsal_touches_nothing() {
    let lab = Lab::without_machines();
    let from = old_store(&lab).display().to_string();
    let ran = lab.bare(["machine", "import", "--from", &from, "--dry-run", "gen1", "lab1"]);
    let ran = ran.succeeds().says("would be taken over");
    assert_eq!(ran.lines(), ["gen1", "lab1"]);
    lab.bare(["machine", "import", "--from", &from, "--dry-run"])
        .env("PATH", "/nowhere")
        .exits(5)
        .says("cut: its config.json is damaged");
    nothing_was_touched(&lab);
}

#[test]
fn what_is_no_store_is_refused() {
    let lab = Lab::without_machines();
    let empty = lab.files().join("empty");
    fs_err::create_dir_all(empty.join("machines")).unwrap();
    let empty = empty.display().to_string();
    lab.bare(["machine", "import", "--from", &empty]).succeeds().says("There are no machines in");
    lab.bare(["machine", "import", "--from", &empty, "web1"]).exits(2).says("no machine web1");
    lab.bare(["machine", "import", "--from", "/nowhere"]).exits(2).says("no directory `machines`");
    // docker-machine's default store is used.
    lab.bare(["machine", "import"]).exits(2).says(".docker/machine is no store");
    let run = lab.bare(["machine", "import"]).env("MACHINE_STORAGE_PATH", &empty);
    run.succeeds().says("There are no machines in");
    nothing_was_touched(&lab);
}

/// The machine itself is VirtualBox's: it is inspected, recorded, and not changed.
#[test]
fn a_machine_of_virtualbox_is_taken_over_by_its_name() {
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    let old = old_store(&lab);
    let folder = old.join("machines/vb1").display().to_string();
    script.call(["createvm", "--basefolder", &folder, "--name", "vb1", "--register"]).succeeds();
    let info = || script.call(["showvminfo", "vb1", "--machinereadable"]).succeeds().stdout;
    let (machine, files) = (info(), digest(&old));
    let made = script.calls().len();
    let from = old.display().to_string();
    let import = |words: &[&str]| {
        let words = [&["machine", "import", "--from", &from], words, &["vb1"]].concat();
        lab.bare(words).env("PATH", script.search_path()).succeeds()
    };
    assert_eq!(import(&["--dry-run"]).stdout, "vb1\n");
    nothing_was_touched(&lab);
    assert_eq!(import(&[]).stdout, "vb1\n");
    let reads = ["--version", "list", "showvminfo", "getextradata", "guestproperty get"];
    let calls = script.calls();
    let asked = calls[made..].iter().map(|call| call.trim_start_matches("VBoxManage "));
    let others: Vec<_> =
        asked.filter(|call| !reads.iter().any(|read| call.starts_with(read))).collect();
    assert_eq!(others, [""; 0], "nothing but questions");
    assert_eq!((info(), digest(&old)), (machine, files));

    let path = lab.store().join("clusters/skep/cluster.json");
    let record: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    assert_eq!(record["driver"], "virtualbox");
    assert_eq!(record["subnet"], "192.168.99.0/24");
    assert_eq!(record["machines"][0]["address"], "127.0.0.1");
    assert_eq!(record["machines"][0]["options"]["virtualbox"]["vm"], "vb1");
    let key = lab.store().join("clusters/skep/machines/vb1/id_ed25519");
    assert_eq!(fs_err::read_to_string(key).unwrap(), KEY, "and no key of skep's own");
    let listed = lab.bare(["machine", "ls", "-q"]).env("PATH", script.search_path()).succeeds();
    assert_eq!(listed.stdout, "vb1\n");
}

/// A store whose one machine is a host over SSH, with its configuration changed.
fn store_of(lab: &Lab, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let directory = lab.files().join(name).join("machines/gen1");
    fs_err::create_dir_all(&directory).unwrap();
    let mut config: Value = serde_json::from_str(GENERIC).unwrap();
    change(&mut config);
    fs_err::write(directory.join("config.json"), config.to_string()).unwrap();
    directory
}

#[test]
fn only_a_private_key_of_the_store_is_copied() {
    let lab = Lab::without_machines();
    let secret = lab.files().join("secret");
    fs_err::write(&secret, KEY).unwrap();
    let key_of = |directory: &Path| directory.join("id_rsa");
    let linked = store_of(&lab, "linked", |_| {});
    fs_err::os::unix::fs::symlink(&secret, key_of(&linked)).unwrap();
    let written = store_of(&lab, "written", |config| {
        config["Driver"]["SSHKeyPath"] = secret.display().to_string().into();
    });
    let no_key = store_of(&lab, "no-key", |_| {});
    fs_err::write(key_of(&no_key), "root:x:0:0:root\n").unwrap();
    let pipe = store_of(&lab, "pipe", |_| {});
    rustix::fs::mknodat(
        rustix::fs::CWD,
        key_of(&pipe),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let device = store_of(&lab, "device", |_| {});
    fs_err::os::unix::fs::symlink("/dev/zero", key_of(&device)).unwrap();
    let option = store_of(&lab, "option", |config| {
        config["Driver"]["SSHUser"] = "-oProxyCommand=touch pwned".into();
    });
    fs_err::write(key_of(&option), KEY).unwrap();
    for (directory, said) in [
        (linked, "lies outside the store"),
        (written, "lies outside the store"),
        (no_key, "it is no private key"),
        (pipe, "only a regular file is read"),
        (device, "lies outside the store"),
        (option, "begins with `-`"),
    ] {
        let store = directory.ancestors().nth(2).unwrap().display().to_string();
        let ran = lab.bare(["machine", "import", "--from", &store]).exits(1).prints_nothing();
        let ran = ran.says(said).says(&directory.display().to_string());
        assert!(!ran.stderr.contains("root:x:0"), "{ran}");
        nothing_was_touched(&lab);
    }
    // A link that stays in the store leads to the store's own.
    let inside = store_of(&lab, "inside", |_| {});
    fs_err::write(inside.join("real"), KEY).unwrap();
    fs_err::os::unix::fs::symlink("real", key_of(&inside)).unwrap();
    let store = lab.files().join("inside").display().to_string();
    lab.bare(["machine", "import", "--from", &store]).succeeds();
}

#[test]
fn a_machine_is_taken_over_under_another_name() {
    let lab = Lab::without_machines();
    let from = old_store(&lab).display().to_string();
    let import =
        |words: &[&str]| lab.bare([&["machine", "import", "--from", &from], words].concat());
    import(&["Big"]).exits(1).says("`--as Big=big` takes it over under that name");
    let ran = import(&["--as", "Big=big", "--as", "lab1=lab2", "Big", "lab1"]).succeeds();
    assert_eq!(ran.lines(), ["big", "lab2"]);
    // Asked again, it is done already; under another name it is another machine.
    import(&["--as", "Big=big", "Big"]).succeeds();
    import(&["--as", "gen1=big", "gen1"]).exits(1).says("`--as gen1=OTHER`");
    import(&["--as", "nosuch=a"]).exits(2).says("no machine nosuch");
    for wrong in ["Big", "=a", "Big=", "Big=Big", "Big=-x"] {
        import(&["--as", wrong]).exits(2);
    }
}

#[test]
fn what_is_no_machine_is_named_with_its_path_or_passed_over() {
    let lab = Lab::without_machines();
    let machines = lab.files().join("old/machines");
    fs_err::create_dir_all(machines.join(".hidden")).unwrap();
    fs_err::write(machines.join(".DS_Store"), "").unwrap();
    fs_err::write(machines.join("file"), "").unwrap();
    fs_err::os::unix::fs::symlink("circle", machines.join("circle")).unwrap();
    for (name, text) in [
        ("null", "null"),
        (
            "driver",
            r#"{"ConfigVersion": 3, "DriverName": "none", "Name": "driver", "Driver": null}"#,
        ),
    ] {
        fs_err::create_dir(machines.join(name)).unwrap();
        fs_err::write(machines.join(name).join("config.json"), text).unwrap();
    }
    let from = lab.files().join("old").display().to_string();
    let ran = lab.bare(["machine", "import", "--from", &from]).exits(1).prints_nothing();
    let ran = ran
        .says("4 machines were not taken over")
        .says("file: it is no directory")
        .says("circle: it cannot be looked into")
        .says("null: its config.json is not one of docker-machine's")
        .says("an unexpected null");
    for name in ["file", "circle", "null", "driver"] {
        let path = machines.join(name).display().to_string();
        assert!(ran.stderr.contains(&format!("({path})")), "{path}: {ran}");
    }
    assert!(!ran.stderr.contains(".hidden") && !ran.stderr.contains(".DS_Store"), "{ran}");
    nothing_was_touched(&lab);
}
