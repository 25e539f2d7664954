//! Cutting `skep` short: a signal, to it or to all of its process group, at a moment of the test's
//! choice.

use std::{
    cell::{Cell, RefCell},
    fmt,
    os::unix::process::ExitStatusExt as _,
    pin::pin,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use crate::{Lab, lab, run};

/// How long a command may take, cut short or not.
const DEADLINE: Duration = Duration::from_secs(300);

/// When it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Not at all.
    Never,
    /// This long after it was started.
    After(Duration),
    /// When this step begins, on whichever machine.
    Begins(String),
}

/// What is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    pub moment: Moment,
    pub signal: Signal,
    /// Whether every process of its group gets it, as from a terminal, or itself alone.
    pub group: bool,
}

impl Cut {
    /// A cut that does not come.
    pub fn never() -> Self {
        Self { moment: Moment::Never, signal: Signal::INT, group: false }
    }

    fn send(&self, pid: Pid) {
        // If it has ended by itself, its status shows that.
        let _ = match self.group {
            true => kill_process_group(pid, self.signal),
            false => kill_process(pid, self.signal),
        };
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self.signal {
            Signal::INT => "INT",
            Signal::TERM => "TERM",
            Signal::HUP => "HUP",
            _ => "KILL",
        };
        let target = if self.group { "the group" } else { "the process" };
        match &self.moment {
            Moment::Never => f.write_str("not cut"),
            Moment::After(time) => write!(f, "{signal} to {target} after {} ms", time.as_millis()),
            Moment::Begins(step) => write!(f, "{signal} to {target} at `{step}`"),
        }
    }
}

/// A `skep` that has ended, by itself or not.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Every line it printed.
    pub lines: Vec<String>,
    /// The steps it began, each once, in their order.
    pub steps: Vec<String>,
    pub took: Duration,
}

/// Runs `skep` with these words on a lab's cluster, in a process group of its own, and cuts it
/// short.
///
/// # Panics
/// If it cannot be started, or takes longer than a few minutes.
pub fn cut(lab: &Lab, words: &str, cut: &Cut) -> Ended {
    // The shell prints its process id and executes skep, which keeps that id.
    let words: Vec<_> = words.split_whitespace().collect();
    let mut program = Program::new("sh")
        .args(["-c", "echo $$ >&2; exec \"$@\"", "sh"])
        .arg(run::skep())
        .args(&words)
        .args(lab::driver(&words))
        .args(["--progress", "json", "--name", lab.cluster()])
        .deadline(DEADLINE);
    for (name, value) in lab.environment() {
        program = program.env(name, value);
    }
    let (pid, begun) = (Cell::new(None), Cell::new(false));
    let (lines, steps) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let look = |line: &str| {
        lines.borrow_mut().push(line.to_owned());
        pid.set(pid.get().or_else(|| Pid::from_raw(line.parse().ok()?)));
        let event = serde_json::from_str::<Value>(line).unwrap_or_default();
        let Some(step) = event["step"].as_str().filter(|_| event["event"] == "started") else {
            return;
        };
        if cut.moment == Moment::Begins(step.to_owned()) && !begun.replace(true) {
            pid.get().into_iter().for_each(|pid| cut.send(pid));
        }
        let mut steps = steps.borrow_mut();
        if !steps.iter().any(|other| other == step) {
            steps.push(step.to_owned());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let cancel = CancellationToken::new();
    let begin = Instant::now();
    let ended = runtime.block_on(async {
        let mut run = pin!(program.run_with(&cancel, look));
        if let Moment::After(time) = cut.moment {
            match tokio::time::timeout(time, &mut run).await {
                Ok(ended) => return ended,
                Err(_) => pid.get().into_iter().for_each(|pid| cut.send(pid)),
            }
        }
        run.await
    });
    let code = match ended {
        Ok(_) => Some(0),
        Err(ProcessError::Failed { status, .. }) => status.signal().map_or(status.code(), |_| None),
        Err(error) => panic!("{error}"),
    };
    Ended { code, took: begin.elapsed(), lines: lines.into_inner(), steps: steps.into_inner() }
}
