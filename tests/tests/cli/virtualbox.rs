//! `machine create -d virtualbox` on a fake VirtualBox: problems are reported, with what
//! to do, before anything is changed.

use std::path::Path;

use skep_tests::{
    Lab, Ran, Run, run,
    vboxmanage::{Failure, Fault, Script, Settings},
};

use crate::nothing_was_touched;

/// A network that VirtualBox allows by default.
const ALLOWED: [&str; 2] = ["--virtualbox-hostonly-cidr", "192.168.61.1/24"];

fn create(lab: &Lab, script: &Script, words: &[&str]) -> Run {
    let words = ["machine", "create", "-d", "virtualbox"].iter().chain(words).copied();
    lab.bare(words).env("PATH", script.search_path())
}

/// Refused by the preflight; neither skep nor VirtualBox knows of anything.
#[track_caller]
fn refused(settings: &Settings, words: &[&str]) -> Ran {
    let (lab, script) = (Lab::without_machines(), Script::new(settings));
    let words = [&ALLOWED, words, &["m1"]].concat();
    let ran = create(&lab, &script, &words).exits(3).prints_nothing();
    nothing_was_touched(&lab);
    let state = script.state();
    assert_eq!((state.machines.len(), state.interfaces.len(), state.media.len()), (0, 0, 0));
    ran
}

#[test]
fn a_network_card_that_is_none() {
    for option in ["--virtualbox-hostonly-nictype", "--virtualbox-nat-nictype"] {
        let ran = refused(&Settings::default(), &[option, "nosuch"]);
        ran.says("`nosuch`")
            .says(option)
            .says("Am79C973, Am79C970A, 82540EM, 82543GC, 82545EM, virtio, usbnet");
    }
}

#[test]
fn a_promiscuous_mode_that_is_none() {
    let ran = refused(&Settings::default(), &["--virtualbox-hostonly-nicpromisc", "sometimes"]);
    ran.says("`sometimes`").says("allow-vms");
}

#[test]
fn memory_that_is_none_and_more_than_there_is() {
    refused(&Settings::default(), &["--virtualbox-memory", "0"]).says("--virtualbox-memory 512");
    refused(&Settings::default(), &["--virtualbox-memory", "64"]).says("at least");
    refused(&Settings::default(), &["--virtualbox-memory", "99999999"]).says("this host has");
}

#[test]
fn a_virtualbox_that_is_too_old() {
    let old = Settings { version: "5.2.44r139111".into(), ..Settings::default() };
    refused(&old, &[]).says("5.2.44").says("6.1 or newer is needed");
}

#[test]
fn one_without_its_kernel_module() {
    let bare = Settings { modules: false, warning: true, ..Settings::default() };
    refused(&bare, &[]).says("/dev/vboxdrv does not exist").says("vboxconfig");
}

#[test]
fn a_processor_that_cannot() {
    let slow = Settings { vtx: false, ..Settings::default() };
    refused(&slow, &[]).says("--virtualbox-no-vtx-check");
}

#[test]
fn an_iso_that_is_missing() {
    let ran = refused(&Settings::default(), &["--virtualbox-boot2docker-url", "/no/such.iso"]);
    ran.says("/no/such.iso");
}

#[test]
fn none_at_all() {
    // On a host that has VirtualBox where its installer puts it, it is found there.
    if Path::new("/usr/lib/virtualbox/VBoxManage").exists() {
        return;
    }
    let lab = Lab::without_machines();
    let empty = lab.files().join("empty");
    fs_err::create_dir_all(&empty).unwrap();
    let words = ["machine", "create", "-d", "virtualbox", "m1"];
    let ran = lab.bare(words).env("PATH", &empty).exits(3).prints_nothing();
    ran.says("there is no VBoxManage");
    nothing_was_touched(&lab);
}

/// Most ranges, docker-machine's own too, have to be allowed since 6.1.28; the line is printed.
#[test]
fn a_range_that_is_not_allowed() {
    if Path::new("/etc/vbox/networks.conf").exists() {
        return;
    }
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    // One that no test gives to anything on this host.
    let words = ["--virtualbox-hostonly-cidr", "192.168.213.1/24", "m1"];
    let ran = create(&lab, &script, &words).exits(3).prints_nothing();
    ran.says("* 192.168.213.0/24").says("/etc/vbox/networks.conf");
    nothing_was_touched(&lab);
}

#[test]
fn a_name_that_the_store_has() {
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    let none = ["machine", "create", "-d", "none", "--url", "tcp://127.0.0.1:2376", "m1"];
    lab.bare(none).succeeds();
    let ran = create(&lab, &script, &[&ALLOWED[..], &["m1"]].concat()).ends();
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says("m1").says("already");
    assert_eq!(script.calls(), [""; 0]);
}

/// VirtualBox itself would silently accept a second machine of the same name.
#[test]
fn a_name_that_virtualbox_has_and_the_store_has_not() {
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    let folder = script.directory().join("theirs").display().to_string();
    script.call(["createvm", "--basefolder", &folder, "--name", "m1", "--register"]).succeeds();
    let mut image = vec![0; 17 * 2048];
    image[0x8000..0x8006].copy_from_slice(b"\x01CD001");
    image[0x8050] = 17;
    image[0x8081] = 8;
    let iso = lab.file("boot2docker.iso", image).display().to_string();
    let words = [&ALLOWED[..], &["--virtualbox-boot2docker-url", &iso, "m1"]].concat();
    let ran = create(&lab, &script, &words).ends();
    assert_ne!(ran.code, Some(0), "{ran}");
    ran.says("VirtualBox has a machine m1 already").says("unregistervm");
    let machines = script.state().machines;
    assert_eq!(machines.len(), 1);
    assert!(machines[0].folder.starts_with(&folder));
}

#[test]
fn as_docker_machine_the_words_are_its_own() {
    let (lab, script) = (Lab::without_machines(), Script::new(&Settings::default()));
    let link = lab.files().join("docker-machine");
    fs_err::os::unix::fs::symlink(run::skep(), &link).unwrap();
    let mut run = Run::program(&link)
        .args(["create", "-d", "virtualbox", "--virtualbox-nat-nictype", "nosuch", "m1"])
        .env("PATH", script.search_path());
    for (name, value) in lab.environment() {
        run = run.env(name, value);
    }
    let ran = run.exits(3);
    assert!(ran.stdout.starts_with("Running pre-create checks...\n"), "{ran}");
    ran.says("Error with pre-create check: \"type of the NAT card: there is no `nosuch`\"");
}

/// It refuses for a reason without a text of our own: its message is passed on.
#[test]
fn what_virtualbox_says_is_passed_on() {
    let lines = "VBoxManage: error: The bees have left\nVBoxManage: error: Details: code NS_ERROR \
                 (0x80000000), component HiveWrap, interface IHive";
    let failures = vec![Failure {
        call: "list hostonlyifs".into(),
        times: None,
        how: Fault::Says(lines.into()),
    }];
    refused(&Settings { failures, ..Settings::default() }, &[]).says("The bees have left");
}
