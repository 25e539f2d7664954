//! The docker CLI and skep, running the same commands on the same answers.

use std::{fmt::Write as _, path::Path};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Ran, Run, host::block, replay::Answers, run};

/// The commands for both, after `docker` and after `skep`. A new screen is one line here and a new
/// recording.
pub const COMMANDS: [&str; 67] = [
    "service ls",
    "service ls -q",
    "service ls --filter mode=global",
    "service ls --filter name=web",
    "service ls --filter label=tier=front",
    "service ls --filter name=nothing-of-that-name",
    "service ps web9",
    "service ps web10 web9",
    "service ps web9 no-such-service",
    "service ps no-such-service nor-this",
    "service ps odd-ports",
    "service ps own-port",
    "service ps everywhere",
    "service ps nowhere",
    "service ps idle",
    "service ps failing",
    "service ps failing --no-trunc",
    "service ps failing -q",
    "service ps missing",
    "service ps missing --no-trunc",
    "service ps no-image",
    "service ps job",
    "service ps job-everywhere",
    "service ps job-failing",
    "service ps updated",
    "service ps paused",
    "service ps rolled-back --no-resolve",
    "service ps everywhere --no-resolve",
    "service ps updated --filter desired-state=running",
    "service ps web10 --filter node=manager1",
    "service ps web10 --filter node=self",
    "service inspect full",
    "service inspect web10 job no-such-service",
    "service inspect no-such-service",
    "service inspect --pretty full",
    "service inspect --pretty some-limits",
    "service inspect --pretty web10",
    "service inspect --pretty odd-ports",
    "service inspect --pretty own-port",
    "service inspect --pretty everywhere",
    "service inspect --pretty nowhere",
    "service inspect --pretty spread",
    "service inspect --pretty few",
    "service inspect --pretty job",
    "service inspect --pretty job-everywhere",
    "service inspect --pretty updated",
    "service inspect --pretty paused",
    "service inspect --pretty rolled-back web9",
    "service inspect --pretty web9 no-such-service",
    "node ls",
    "node ls -q",
    "node ps",
    "node ps worker2",
    "node ps manager1 --no-trunc",
    "node ps worker1 --filter desired-state=running",
    "node inspect worker1",
    "node inspect --pretty manager1",
    "node inspect --pretty worker1 worker2",
    "stack ls",
    "stack services shop",
    "stack services shop -q",
    "stack services shop --filter name=shop_front",
    "stack services no-such-stack",
    "stack ps shop",
    "stack ps shop --no-resolve --no-trunc",
    "stack ps shop -q",
    "stack ps no-such-stack",
];

/// Commands where skep intentionally answers differently: `docs/differences.md`.
pub const DIFFERENT: [&str; 1] = ["node ps manager1 worker1"];

/// A docker CLI: a program, and what comes before its own arguments.
#[derive(Debug, Clone)]
pub struct DockerCli {
    pub program: String,
    /// Its first arguments.
    pub before: Vec<String>,
}

impl DockerCli {
    /// The docker CLI of a guest system, which needs nothing of the host but its kernel.
    /// `rootfs` is the guest's archive, `directory` where it is unpacked to.
    ///
    /// # Panics
    /// If it is not in the archive.
    pub fn of_guest(rootfs: &Path, directory: &Path) -> Self {
        fs_err::create_dir_all(directory).expect("a directory can be made");
        let wanted = [
            "*usr/bin/docker",
            "*/ld-linux*",
            "*/libc.so*",
            "*/libresolv.so*",
            "*/libdl.so*",
            "*/libpthread.so*",
        ];
        Run::program("tar")
            .args(["-xf".as_ref(), rootfs.as_os_str(), "-C".as_ref(), directory.as_os_str()])
            .args(["--wildcards"])
            .args(wanted)
            .succeeds();
        let libraries = fs_err::read_dir(directory.join("usr/lib")).expect("there are libraries");
        let libraries = libraries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.join("libc.so.6").exists())
            .expect("the guest has a C library");
        let loader = fs_err::read_dir(&libraries).expect("there are libraries");
        let loader = loader
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.display().to_string().contains("/ld-linux"))
            .expect("the guest has a loader");
        let text = |path: &Path| path.display().to_string();
        Self {
            program: text(&loader),
            before: vec![
                "--library-path".into(),
                text(&libraries),
                text(&directory.join("usr/bin/docker")),
            ],
        }
    }

    /// The docker CLI with these words, about the engine at `url`. Its settings are those of
    /// `config`, an empty directory.
    pub fn run(&self, words: &str, url: &str, config: &Path) -> Run {
        Run::program(&self.program)
            .args(&self.before)
            .args(words.split_whitespace())
            .env("DOCKER_HOST", url)
            .env("DOCKER_CONFIG", config)
            .env("HOME", config)
    }
}

/// skep with these words, about the engine at `url`, at the time `now` if it is to stand still.
pub fn skep(words: &str, url: &str, home: &Path, now: Option<Timestamp>) -> Run {
    let run = Run::program(run::skep())
        .args(words.split_whitespace())
        .env("SKEP_ENGINE", url)
        .env("SKEP_HOME", home)
        .env("HOME", home);
    match now {
        Some(now) => run.env("SKEP_NOW", now.to_string()),
        None => run,
    }
}

/// What a command printed, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Its words, without the program.
    pub words: String,
    pub stdout: String,
    pub succeeded: bool,
}

impl Screen {
    /// What it printed.
    pub fn of(words: &str, ran: Ran) -> Self {
        Self { words: words.into(), stdout: ran.stdout, succeeded: ran.code == Some(0) }
    }
}

/// Where two screens differ; nothing where they do not.
pub fn difference(docker: &Screen, skep: &Screen) -> Option<String> {
    if docker == skep {
        return None;
    }
    let mut text = format!("{}: docker (-) and skep (+) differ", docker.words);
    if docker.succeeded != skep.succeeded {
        let _ =
            write!(text, "\n  docker succeeded: {}, skep: {}", docker.succeeded, skep.succeeded);
    }
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (skep.stdout.lines().collect(), docker.stdout.lines().collect());
    for place in 0..ours.len().max(theirs.len()) {
        let (ours, theirs) = (ours.get(place), theirs.get(place));
        if ours != theirs {
            for (sign, line) in [('-', theirs), ('+', ours)] {
                if let Some(line) = line {
                    let _ = write!(text, "\n  {sign} {line:?}");
                }
            }
        }
    }
    Some(text)
}

/// Fails with every difference, if there is one.
///
/// # Panics
/// If there is one.
#[track_caller]
pub fn none_differ(differences: &[String]) {
    assert!(differences.is_empty(), "{} differ:{}", differences.len(), block(differences));
}

/// A swarm's answers at one time, and what the docker CLI printed of them then.
#[derive(Debug, Clone)]
pub struct Recording {
    pub now: Timestamp,
    pub answers: Answers,
    pub screens: Vec<Screen>,
}

impl Recording {
    /// Reads one.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(path: &Path) -> Self {
        let text = fs_err::read_to_string(path).expect("a recording can be read");
        let value: Value = serde_json::from_str(&text).expect("a recording is JSON");
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        let screen = |screen: &Value| Screen {
            words: text(&screen["words"]),
            stdout: text(&screen["stdout"]),
            succeeded: screen["succeeded"] == true,
        };
        Self {
            now: text(&value["now"]).parse().expect("it is a time"),
            answers: Answers::from_json(&value["answers"]),
            screens: value["screens"].as_array().expect("a list").iter().map(screen).collect(),
        }
    }

    /// Writes it, one answer and one screen a line.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: &Path) {
        let line = |screen: &Screen| {
            json!({"words": screen.words, "succeeded": screen.succeeded, "stdout": screen.stdout})
                .to_string()
        };
        let screens: Vec<_> = self.screens.iter().map(line).collect();
        let answers = self.answers.to_json();
        let answers = answers.as_object().into_iter().flatten();
        let answers: Vec<_> =
            answers.map(|(request, answer)| format!("{}: {answer}", json!(request))).collect();
        let text = format!(
            "{{\n\"now\": \"{}\",\n\"screens\": [\n{}\n],\n\"answers\": {{\n{}\n}}\n}}\n",
            self.now,
            screens.join(",\n"),
            answers.join(",\n")
        );
        fs_err::write(path, text).expect("a recording can be written");
    }
}
