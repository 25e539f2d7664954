//! Standard output is data, everything else is error output; colours are for terminals.

use skep_tests::{Lab, Ran};

use crate::store_files::store_with_a_cluster;

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error} in {ran}"))
}

#[test]
fn lists_in_json_carry_their_schema() {
    let lab = Lab::without_machines();
    for (words, list) in [("machine ls", "machines"), ("os ls", "systems")] {
        let ran = lab.bare(words.split(' ').chain(["--format", "json"])).succeeds();
        let document = json(&ran);
        assert_eq!(document["schema"], 1, "{ran}");
        assert_eq!(document[list], serde_json::json!([]), "{ran}");
    }
}

#[test]
fn an_empty_list_is_its_header_and_quietly_nothing() {
    let lab = Lab::without_machines();
    let ran = lab.bare(["machine", "ls"]).succeeds();
    assert!(ran.stdout.starts_with("NAME "), "{ran}");
    assert_eq!(ran.lines().len(), 1, "{ran}");
    assert_eq!(lab.bare(["machine", "ls", "-q"]).succeeds().stdout, "");
}

#[test]
fn names_are_listed_without_an_engine() {
    let lab = store_with_a_cluster();
    let ran = lab.bare(["machine", "ls", "-q"]).succeeds();
    assert_eq!(ran.stdout, "manager1\nworker1\n");
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let lab = Lab::without_machines();
    let escape = '\u{1b}';
    for words in [&["up"] as &[&str], &["up", "--color", "never"]] {
        let ran = lab.bare(words.iter().copied()).exits(3);
        assert!(!ran.stderr.contains(escape), "{ran}");
    }
    let ran = lab.bare(["up", "--color", "always"]).exits(3);
    assert!(ran.stderr.contains(escape), "{ran}");
    let ran = lab.bare(["up"]).env("NO_COLOR", "1").exits(3);
    assert!(!ran.stderr.contains(escape), "{ran}");
}

#[test]
fn progress_in_json_is_json_line_by_line() {
    let lab = Lab::without_machines();
    let ran = lab.bare(["up", "--progress", "json", "--managers", "2"]).exits(3).prints_nothing();
    let events: Vec<serde_json::Value> =
        ran.stderr.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
    assert!(!events.is_empty(), "{ran}");
    for event in &events {
        assert_eq!(event["schema"], 1, "{event}");
        assert!(event["event"].is_string(), "{event}");
    }
    assert!(events.iter().any(|event| event["event"] == "warning"), "{ran}");
}

#[test]
fn progress_can_be_left_out() {
    let lab = Lab::without_machines();
    let ran = lab.bare(["up", "--progress", "none"]).exits(3).prints_nothing();
    assert!(ran.stderr.starts_with("error: "), "{ran}");
}

#[test]
fn misuse_ends_with_2() {
    let lab = Lab::without_machines();
    let misuse: [&[&str]; 9] = [
        &[],
        &["bees"],
        &["up", "--bees"],
        &["machine"],
        &["node", "rm"],
        &["node", "update", "x", "--availability", "asleep"],
        &["swarm", "join-token", "queen"],
        &["machine", "ls", "--format", "yaml"],
        &["cert", "verify", "--server", "https://example.com/"],
    ];
    for words in misuse {
        lab.bare(words.iter().copied()).exits(2).prints_nothing();
    }
}

#[test]
fn the_documented_codes_are_these() {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exit-codes.md");
    let text = fs_err::read_to_string(text).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let codes: Vec<i32> = rows.filter_map(|row| row.split(' ').next()?.parse().ok()).collect();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 130]);
}
