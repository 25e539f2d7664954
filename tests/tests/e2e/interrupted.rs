//! The kill matrix: commands that create or remove something are interrupted, by every signal that
//! ends a program, sent to it alone or to its whole process group, at moments all over the time
//! they take and at each of their steps. Afterwards the same command is run again. It must succeed,
//! the result must be correct, and in the end nothing may be left.
//!
//! Points share clusters, since it is the states in between that matter: the next
//! `down` is interrupted after an `up` that was interrupted and repaired. Only the host's speed varies:
//! signals, targets and fractions follow from a point's number.

mod machines;
mod standing;
mod up_down;

use std::{fmt::Write as _, io::Write as _, time::Duration};

use rustix::process::Signal;
use skep_tests::{
    Lab, Ran,
    cut::{Cut, Moment, cut},
};

use crate::{Need, Test};

/// What ends a program.
const SIGNALS: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL];

/// Steps of a sequence that comes near every fraction soon, in any part of it.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// How long a command that repairs may take.
const HEAL: Duration = Duration::from_secs(180);

/// 300 points in all: 120 of `up` and `down`, 80 of machines, 30 of certificates, whose engines are
/// restarted each time, and 70 of images.
pub(crate) fn tests() -> Vec<Test> {
    let needs = [Need::Engine, Need::DockerCli];
    let test = |name: &str, run: fn()| Test::new(format!("interrupted::{name}"), &needs, run);
    vec![
        test("up_and_down_first_half", || up_down::rounds(0..30)),
        test("up_and_down_second_half", || up_down::rounds(30..60)),
        test("machine_create_and_rm", || machines::rounds(0..40)),
        test("cert_install_and_rm", || standing::certificates(0..15)),
        test("image_load", || standing::images(0..70)),
    ]
}

/// A command that is cut again and again.
struct Subject {
    words: String,
    /// The number of the next point.
    number: u32,
    /// How long it takes without an interruption.
    took: Duration,
    /// Its steps, in their order.
    steps: Vec<String>,
}

impl Subject {
    /// Lets the command end once.
    #[track_caller]
    fn measure(lab: &Lab, words: &str, number: u32) -> Self {
        let ended = cut(lab, words, &Cut::never());
        assert_eq!(ended.code, Some(0), "uncut: {}", ended.lines.join("\n"));
        Self { words: words.to_owned(), number, took: ended.took, steps: ended.steps }
    }

    /// Where and how it is cut next.
    fn next(&mut self) -> Cut {
        let number = self.number;
        self.number += 1;
        let place = number as usize;
        let moment = match self.steps.get((place / 3) % self.steps.len().max(1)) {
            Some(step) if place % 3 == 2 => Moment::Begins(step.clone()),
            _ => Moment::After(self.took.mul_f64((f64::from(number) * GOLDEN).fract())),
        };
        Cut { moment, signal: SIGNALS[place % SIGNALS.len()], group: (place / 4) % 2 == 1 }
    }
}

/// What came of the points of one test.
#[derive(Default)]
struct Matrix {
    points: usize,
    /// How many ended before the signal came, or with all their work done.
    in_time: usize,
    failures: Vec<String>,
}

impl Matrix {
    /// One point: the command is interrupted and run again, and the result is checked. `is_done`
    /// says whether a command that a signal ended had done all its work before. Returns whether
    /// all is well.
    fn point(
        &mut self,
        lab: &Lab,
        subject: &mut Subject,
        is_done: impl Fn(&Lab) -> bool,
        is_right: impl Fn(&Lab) -> Result<(), String>,
    ) -> bool {
        let words = subject.words.clone();
        self.point_healed_by(lab, subject, &words, is_done, is_right)
    }

    /// As [`Matrix::point`], with another command that must continue from there.
    fn point_healed_by(
        &mut self,
        lab: &Lab,
        subject: &mut Subject,
        heal: &str,
        is_done: impl Fn(&Lab) -> bool,
        is_right: impl Fn(&Lab) -> Result<(), String>,
    ) -> bool {
        let plan = subject.next();
        let ended = cut(lab, &subject.words, &plan);
        self.points += 1;
        let mut faults = String::new();
        // A command that was asked to end says that it was; a killed one says nothing.
        if !matches!(ended.code, None | Some(0 | 130)) {
            let _ = writeln!(faults, "it ended with status {:?}", ended.code);
        }
        let same = heal == subject.words;
        let mut healed: Option<Ran> = None;
        if same && (ended.code == Some(0) || is_done(lab)) {
            self.in_time += 1;
        } else {
            let ran = lab.skep(heal).within(HEAL).ends();
            if ran.code != Some(0) {
                let _ = writeln!(faults, "`{heal}` did not heal it");
            }
            healed = Some(ran);
        }
        if let Err(wrong) = is_right(lab) {
            let _ = writeln!(faults, "afterwards: {wrong}");
        }
        if faults.is_empty() {
            return true;
        }
        let again = healed.map_or_else(|| "(it had ended)".to_owned(), |ran| ran.to_string());
        self.failures.push(format!(
            "`{}`, {plan}: {faults}-- it said\n{}\n-- then\n{again}\n-- left\n{}",
            subject.words,
            ended.lines.join("\n"),
            lab.traces().join("\n"),
        ));
        false
    }

    /// Prints the counts; fails with every point that failed.
    #[track_caller]
    fn close(self, what: &str, lab: Lab) {
        // The next command cleans up what the last one has left.
        lab.down().ends();
        let left = unswept(&lab);
        lab.finish();
        let Self { points, in_time, failures } = self;
        let _ = writeln!(
            std::io::stderr(),
            "{what}: {points} points, {in_time} of them done before the signal; {} healed, {} not; \
             0 leaks",
            points - failures.len(),
            failures.len()
        );
        assert!(left.is_empty(), "not swept: {left:?}");
        assert!(
            failures.is_empty(),
            "{} of {points}:\n\n{}",
            failures.len(),
            failures.join("\n\n")
        );
    }
}

/// What killed commands have left half written or half removed in a store.
fn unswept(lab: &Lab) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![lab.store()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".new-") || name.starts_with(".gone-") {
                found.push(entry.path().display().to_string());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Whether the store knows nothing of the lab's cluster and the host has nothing of it.
fn is_gone(lab: &Lab) -> Result<(), String> {
    let directory = lab.store().join("clusters").join(lab.cluster());
    let left = lab.traces();
    if left.is_empty() && !directory.exists() {
        return Ok(());
    }
    Err(format!("{left:?} is left, and the cluster is {}", directory.exists()))
}

/// A command's output, if it has succeeded.
fn asked(ran: Ran) -> Result<Ran, String> {
    if ran.code == Some(0) { Ok(ran) } else { Err(ran.to_string()) }
}
