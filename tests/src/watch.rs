//! Watching `skep` while it works, through the events it prints, and doing something to it, or
//! beside it, at a moment of the test's choice.

use std::os::unix::process::ExitStatusExt as _;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use crate::{Lab, lab, run};

/// A `skep` that was watched to its end.
#[derive(Debug)]
pub struct Watched {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Every line it printed.
    pub lines: Vec<String>,
    /// Whether the moment came.
    pub happened: bool,
}

/// Runs `skep` with these words on a lab's cluster until its end. When the step `step` begins for
/// the first time, on whichever machine, `act` is called with the number of its process.
///
/// # Panics
/// If it cannot be started, or takes longer than a few minutes.
pub fn watch(lab: &Lab, words: &str, step: &str, mut act: impl FnMut(Pid)) -> Watched {
    // The shell says its number and becomes skep, which has that number from then on.
    let words: Vec<_> = words.split_whitespace().collect();
    let mut program = Program::new("sh")
        .args(["-c", "echo $$ >&2; exec \"$@\"", "sh"])
        .arg(run::skep())
        .args(&words)
        .args(lab::driver(&words))
        .args(["--progress", "json", "--name", lab.cluster()])
        .deadline(std::time::Duration::from_secs(300));
    for (name, value) in lab.environment() {
        program = program.env(name, value);
    }
    let (mut pid, mut happened, mut lines) = (None, false, Vec::new());
    let look = |line: &str| {
        lines.push(line.to_owned());
        pid = pid.or_else(|| Pid::from_raw(line.parse().ok()?));
        let event = serde_json::from_str::<Value>(line).unwrap_or_default();
        let begins = event["event"] == "started" && event["step"] == step;
        if let (true, false, Some(pid)) = (begins, happened, pid) {
            happened = true;
            act(pid);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let cancel = CancellationToken::new();
    let code = match runtime.block_on(program.run_with(&cancel, look)) {
        Ok(_) => Some(0),
        Err(ProcessError::Failed { status, .. }) => status.signal().map_or(status.code(), |_| None),
        Err(error) => panic!("{error}"),
    };
    Watched { code, lines, happened }
}

/// As [`watch`], with a signal sent at that moment.
///
/// # Panics
/// As [`watch`], and if the moment never came.
#[track_caller]
pub fn interrupt(lab: &Lab, words: &str, step: &str, signal: Signal) -> Watched {
    let watched = watch(lab, words, step, |pid| {
        // If it has ended by itself, its status will show that.
        let _ = kill_process(pid, signal);
    });
    assert!(watched.happened, "`{step}` never began:\n{}", watched.lines.join("\n"));
    watched
}
