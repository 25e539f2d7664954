//! What is reported while work goes on: one enum, sent through one handle.
//!
//! A library opens a [`Span`] for each step with [`Events::step`] and ends it with its outcome;
//! who listens (a terminal, JSON lines, a test) decides how it looks. Events carry no time: the
//! listener stamps them on arrival, so a test sees the same stream each run.
//!
//! Secrets never enter an event. Texts are lower-case fragments.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use crate::advice::{Advice, Advise, Reason};

/// Identifies one step from its start to its end within one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct StepId(pub u64);

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// There was nothing to do; the text says why.
    Skipped {
        reason: String,
    },
    /// It failed; the error itself travels by return value.
    Failed {
        /// The error, in one line.
        reason: String,
        /// What may be done about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<Advice>,
    },
    /// It was given up: cancelled, or the work around it failed.
    Abandoned,
}

/// Something a listener may want to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started {
        id: StepId,
        /// What it works on: a machine's name, or `""` for the cluster or the host as a whole.
        subject: String,
        /// What is being done: `starting`, `waiting for the engine`.
        step: String,
    },
    Progress {
        id: StepId,
        /// What it is at now: `unpacking docker.io`.
        detail: String,
        /// Done so far, in the unit of `total`, if that is known.
        done: Option<u64>,
        /// How much there is in all, if that is known.
        total: Option<u64>,
    },
    Ended {
        id: StepId,
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// Something the user should know, without a step of its own.
    Warning {
        /// What it is about: a machine's name, or `""`.
        subject: String,
        /// What should be known.
        text: String,
        /// What may be done about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<Advice>,
    },
}

/// The handle through which events are sent. Cloning it gives another handle to the same stream.
#[derive(Clone)]
pub struct Events {
    send: Arc<dyn Fn(Event) + Send + Sync>,
    next: Arc<AtomicU64>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// A stream whose events go to `send`, which must not block.
    pub fn new(send: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send), next: Arc::new(AtomicU64::new(1)) }
    }

    /// A stream without a listener.
    pub fn none() -> Self {
        Self::new(|_| {})
    }

    /// Starts a step on `subject`; the returned span ends it.
    #[must_use = "a span that is dropped at once says that the step was abandoned"]
    pub fn step(&self, subject: impl fmt::Display, step: impl Into<String>) -> Span {
        let id = StepId(self.next.fetch_add(1, Ordering::Relaxed));
        (self.send)(Event::Started { id, subject: subject.to_string(), step: step.into() });
        Span { events: self.clone(), id, ended: false }
    }

    /// Reports something the user should know.
    pub fn warn(&self, subject: impl fmt::Display, what: impl Into<Reason>) {
        let Reason { text, advice } = what.into();
        let advice = advice.map(|advice| *advice);
        (self.send)(Event::Warning { subject: subject.to_string(), text, advice });
    }
}

/// One step under way. Dropped without an outcome, it is reported as abandoned, so that every
/// start has an end, whichever way the code is left.
#[derive(Debug)]
pub struct Span {
    events: Events,
    id: StepId,
    ended: bool,
}

impl Span {
    /// Reports what the step is at now.
    pub fn progress(&self, detail: impl Into<String>) {
        self.send_progress(detail.into(), None, None);
    }

    /// Reports how far the step is.
    pub fn progress_of(&self, detail: impl Into<String>, done: u64, total: u64) {
        self.send_progress(detail.into(), Some(done), Some(total));
    }

    /// The step is done.
    pub fn done(self) {
        self.end(Outcome::Done);
    }

    /// There was nothing to do.
    pub fn skipped(self, reason: impl Into<String>) {
        self.end(Outcome::Skipped { reason: reason.into() });
    }

    /// The step failed.
    pub fn failed(self, why: impl Into<Reason>) {
        let why = why.into();
        self.end(Outcome::Failed { advice: why.advice(), reason: why.text });
    }

    /// Ends the step by a result: done if it is `Ok`, failed with the error's text if not.
    pub fn end_with<T, E: Advise>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.done(),
            Err(error) => self.failed(Reason::of(error)),
        }
        result
    }

    fn send_progress(&self, detail: String, done: Option<u64>, total: Option<u64>) {
        (self.events.send)(Event::Progress { id: self.id, detail, done, total });
    }

    fn end(mut self, outcome: Outcome) {
        self.ended = true;
        (self.events.send)(Event::Ended { id: self.id, outcome });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.ended {
            (self.events.send)(Event::Ended { id: self.id, outcome: Outcome::Abandoned });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn recorded() -> (Events, Arc<Mutex<Vec<Event>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = log.clone();
        (Events::new(move |event| sink.lock().unwrap().push(event)), log)
    }

    #[test]
    fn a_dropped_span_is_abandoned() {
        let (events, log) = recorded();
        drop(events.step("worker1", "starting"));
        assert!(matches!(
            log.lock().unwrap().as_slice(),
            [
                Event::Started { id: StepId(1), .. },
                Event::Ended { id: StepId(1), outcome: Outcome::Abandoned }
            ]
        ));
    }

    #[test]
    fn a_failed_result_ends_its_step_with_the_reason() {
        let (events, log) = recorded();
        let result: Result<(), &str> = events.step("", "building").end_with(Err("disk full"));
        assert_eq!(result, Err("disk full"));
        let last = serde_json::to_value(log.lock().unwrap().last()).unwrap();
        assert_eq!(
            last,
            serde_json::json!({"event": "ended", "id": 1, "outcome": "failed", "reason": "disk full"})
        );
    }
}
