//! Files that are no CA certificate a machine could trust: each gets its own answer, from `up` and
//! from `cert install` alike, before a machine or an engine is looked for.

use std::path::Path;

use skep_tests::{Lab, certificates::Root};

use crate::nothing_was_touched;

fn refused(lab: &Lab, file: &Path, answer: &str) {
    let file = file.to_str().unwrap();
    lab.bare(["up", "--ca-certificate", file]).exits(2).says(answer).says(file).prints_nothing();
    lab.bare(["cert", "install", file]).exits(2).says(answer).says(file).prints_nothing();
    nothing_was_touched(lab);
}

#[test]
fn what_is_not_a_certificate() {
    let lab = Lab::without_machines();
    refused(&lab, &lab.file("note.txt", "do not forget the milk"), "it is not a certificate");
    refused(&lab, &lab.file("image.bin", [0xff, 0xd8, 0, 1, 2]), "it is not a certificate");
    refused(&lab, &lab.file("empty.crt", ""), "it is empty");
    refused(&lab, &lab.files().join("missing.crt"), "No such file");
    refused(&lab, lab.files(), "it is a directory");
    let pem = Root::new("a root").pem();
    let broken = pem.replace("MII", "M!!");
    refused(&lab, &lab.file("broken.crt", broken), "it is not a certificate");
    let cut = &pem[..pem.len() / 2];
    refused(&lab, &lab.file("cut.crt", cut), "it is not a certificate");
}

#[test]
fn what_is_not_valid_today() {
    let lab = Lab::without_machines();
    let expired = Root::valid("an old root", 1990, 2001).pem();
    refused(&lab, &lab.file("old.crt", expired), "\"CN=an old root\" has expired on 2001-01-01");
    let future = Root::valid("a root to be", 3000, 3010).pem();
    let answer = "\"CN=a root to be\" is not valid before 3000-01-01";
    refused(&lab, &lab.file("new.crt", future), answer);
}

#[test]
fn a_servers_own_certificate() {
    let lab = Lab::without_machines();
    let leaf = Root::new("a root").server(&["registry.example.com"]).pem;
    refused(&lab, &lab.file("leaf.crt", leaf), "\"CN=a server\" is not a CA");
}

#[test]
fn a_private_key_is_refused_and_never_shown() {
    let lab = Lab::without_machines();
    let root = Root::new("a root");
    let secret = root.key_pem();
    let both = lab.file("both.pem", format!("{}{secret}", root.pem()));
    refused(&lab, &both, "it holds a private key");
    refused(&lab, &lab.file("key.pem", &secret), "it holds a private key");
    let ran = lab.bare(["up", "--ca-certificate", both.to_str().unwrap()]).exits(2);
    let inside = secret.lines().nth(1).unwrap();
    assert!(!ran.stderr.contains(inside), "the key is in the error output");
}

#[test]
fn a_file_of_ten_megabytes_is_not_read() {
    let lab = Lab::without_machines();
    let large = lab.file("large.crt", vec![b'A'; 10 << 20]);
    refused(&lab, &large, "has 10485760 bytes; at most 1000000 bytes are read");
}

#[test]
fn one_bad_file_among_good_ones_is_the_one_that_is_named() {
    let lab = Lab::without_machines();
    let good = lab.file("good.crt", Root::new("a good root").pem());
    let bad = lab.file("bad.crt", "nothing");
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let words = ["up", "--ca-certificate", good, "--ca-certificate", bad];
    let ran = lab.bare(words).exits(2).says(bad).prints_nothing();
    assert!(!ran.stderr.contains(good), "{ran}");
    nothing_was_touched(&lab);
}

#[test]
fn the_same_certificate_twice_is_said_and_no_error() {
    let lab = Lab::without_machines();
    let root = Root::new("a root");
    let pem = lab.file("root.crt", format!("{}{}", root.pem(), root.pem()));
    let der = lab.file("root.der", root.der());
    let (pem, der) = (pem.to_str().unwrap(), der.to_str().unwrap());
    // They are good, so it gets as far as the engine that is not there.
    let words = ["up", "--ca-certificate", pem, "--ca-certificate", der];
    lab.bare(words).exits(3).says("warning:").says("same certificate").says("no Docker Engine");
    nothing_was_touched(&lab);
}
