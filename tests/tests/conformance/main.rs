//! skep's output for a real engine's answers, compared with that of the docker CLI 26.1.5 for the
//! same answers at the same moment.
//!
//! `fixtures/recorded.json` was written by the test `conformance::the_docker_cli_and_skep_print_the_same`,
//! which runs both again; `docs/testing.md` says how to record again.

mod docker_machine;
mod engine;

use std::path::Path;

use serde_json::Value;
use skep_tests::{
    Lab, Run,
    conformance::{COMMANDS, Recording, Screen, difference, none_differ, skep},
    replay::Replay,
};

/// skep before a recorded swarm.
struct Stage {
    lab: Lab,
    recording: Recording,
    engine: Replay,
}

impl Stage {
    /// With an engine that speaks no newer version of the API than `api`.
    fn new(api: &str) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recording = Recording::read(&fixture.join("tests/conformance/fixtures/recorded.json"));
        let lab = Lab::without_machines();
        let socket = lab.runtime().join("e.sock");
        let engine = Replay::serve_as(&socket, recording.answers.clone(), api);
        Self { lab, recording, engine }
    }

    fn skep(&self, words: &str) -> Run {
        skep(words, &self.engine.url(), &self.lab.store(), Some(self.recording.now))
    }

    #[track_caller]
    fn conforms(&self) {
        let differences = self.recording.screens.iter().filter_map(|docker| {
            let ran = self.skep(&docker.words).ends();
            difference(docker, &Screen::of(&docker.words, ran))
        });
        none_differ(&differences.collect::<Vec<_>>());
    }

    fn json(&self, words: &str) -> Value {
        let ran = self.skep(words).succeeds();
        serde_json::from_str(&ran.stdout).expect("it is JSON")
    }
}

#[test]
fn skep_prints_what_the_docker_cli_printed() {
    let stage = Stage::new("1.45");
    let recorded: Vec<_> =
        stage.recording.screens.iter().map(|screen| screen.words.as_str()).collect();
    assert_eq!(recorded, COMMANDS, "the recording is older than the table: record again");
    stage.conforms();
}

#[test]
fn an_engine_of_api_1_41_is_shown_alike() {
    Stage::new("1.41").conforms();
}

#[test]
fn what_is_not_there_is_named_and_the_rest_shown() {
    let stage = Stage::new("1.45");
    let ran = stage.skep("service ps web9 no-such-service nor-this").exits(1);
    let ran = ran.says("error: no such service: no-such-service no such service: nor-this");
    assert!(ran.stdout.contains("web9.1"), "{ran}");
    stage.skep("service ps no-such-service").exits(1).prints_nothing();
    let ran = stage.skep("service inspect no-such-service").exits(1);
    assert_eq!(ran.says("no such service: no-such-service").stdout, "[]\n");
    let ran = stage.skep("node ps no-such-node").exits(1).prints_nothing();
    ran.says("no-such-node");
}

#[test]
fn a_filter_that_filters_nothing_is_refused_before_anything_is_asked() {
    let stage = Stage::new("1.45");
    for (words, said) in [
        ("service ls --filter colour=red", "--filter colour=red: there is no such filter"),
        ("service ls --filter mode=many", "`many` is none of replicated, global"),
        ("service ps web9 --filter name", "--filter name: there is no `=` in it"),
        ("node ps --filter mode=global", "--filter mode=global: there is no such filter"),
    ] {
        stage.skep(words).exits(2).prints_nothing().says(said);
    }
    assert!(stage.engine.asked().is_empty(), "{:?}", stage.engine.asked());
}

#[test]
fn programs_get_the_same_facts() {
    let stage = Stage::new("1.45");
    let services = stage.json("service ls --format json");
    assert_eq!(services["schema"], 1);
    let services = services["services"].as_array().expect("a list");
    let job = services.iter().find(|service| service["name"] == "job").expect("it is there");
    assert_eq!(job["mode"], "replicated-job");
    assert_eq!(job["completed"], 4);
    let tasks = stage.json("service ps failing --format json");
    let tasks = tasks["tasks"].as_array().expect("a list");
    assert_eq!(tasks[0]["error"], "task: non-zero exit (3)");
    assert_eq!((&tasks[0]["previous"], &tasks[1]["previous"]), (&false.into(), &true.into()));
}
