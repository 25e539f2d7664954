//! `skep up` ended in the middle, at several steps, politely and not: the next `up` completes it,
//! and `down` removes everything.

use rustix::process::Signal;
use skep_tests::{Lab, watch};

use crate::{Need, Test, seen::all_ready};

/// Steps of `up`, in the order in which they begin.
const STEPS: [(&str, &str); 5] = [
    ("creating", "creating"),
    ("ssh", "waiting for SSH"),
    ("founding", "founding the swarm"),
    ("joining", "joining as worker"),
    ("settling", "waiting until every node is ready"),
];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (at, step) in STEPS {
        for (how, signal) in [("asked", Signal::INT), ("killed", Signal::KILL)] {
            let name = |then: &str| format!("interrupted::{how}_at_{at}_then_{then}");
            let needs = [Need::Engine, Need::DockerCli];
            tests.push(Test::new(name("up"), &needs, move || then_up(step, signal)));
            tests.push(Test::new(name("down"), &needs, move || then_down(step, signal)));
        }
    }
    tests
}

fn interrupted(step: &str, signal: Signal) -> Lab {
    let lab = Lab::with_machines("cut");
    let watched = watch::interrupt(&lab, "up --workers 1", step, signal);
    let said = watched.lines.join("\n");
    // The last step takes a millisecond or two: `up` may have ended well before a signal, of either
    // kind, gets there. No other step can end like that.
    let done = watched.code == Some(0) && step == STEPS[STEPS.len() - 1].1;
    if signal == Signal::INT {
        assert!(watched.code == Some(130) || done, "status {:?}:\n{said}", watched.code);
        if !done {
            assert!(said.contains("skep up") && said.contains("skep down"), "no way on:\n{said}");
        }
    } else {
        assert!(watched.code.is_none() || done, "it ended before it was killed:\n{said}");
    }
    lab
}

fn then_up(step: &str, signal: Signal) {
    let lab = interrupted(step, signal);
    lab.up("").succeeds();
    all_ready(&lab, &["manager1", "worker1"]);
    lab.skep("status").succeeds();
    lab.finish();
}

fn then_down(step: &str, signal: Signal) {
    interrupted(step, signal).finish();
}
