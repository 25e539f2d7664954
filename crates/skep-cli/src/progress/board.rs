//! What is known at a moment: which subject is at which step, since when.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use skep_model::{Event, StepId, event::Outcome};

use super::one_line;
use crate::{advice::after, persona::Persona};

#[derive(Debug, Clone)]
pub(super) struct Step {
    id: StepId,
    pub(super) name: String,
    pub(super) started: Instant,
    /// What it is at: `unpacking docker.io`.
    pub(super) detail: String,
    /// How far it is, in percent.
    pub(super) percent: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Failed(String),
    Abandoned,
}

/// A machine, or for the empty name the cluster and the host, with its steps.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) name: String,
    /// Steps under way, outermost first.
    pub(super) steps: Vec<Step>,
    /// The last step that ended, how, and how long it took.
    pub(super) last: Option<(String, Ending, Duration)>,
    first: Instant,
    latest: Instant,
}

impl Subject {
    /// From its first step's start to its last step's end, or `now` if one is under way.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let end = if self.steps.is_empty() { self.latest } else { now };
        end.saturating_duration_since(self.first)
    }

    pub(super) fn current(&self) -> Option<&Step> {
        self.steps.last()
    }
}

/// An outermost step of the cluster or the host that has ended, kept for the summary.
#[derive(Debug, Clone)]
pub(super) struct Milestone {
    pub(super) name: String,
    pub(super) ending: Ending,
    pub(super) took: Duration,
}

/// Everything known at a moment. Holds no more than the steps under way, one record a machine
/// and the milestones, however many events there were.
#[derive(Debug, Default)]
pub(super) struct Board {
    subjects: Vec<Subject>,
    owners: HashMap<StepId, usize>,
    pub(super) milestones: Vec<Milestone>,
}

impl Board {
    /// The machines, in natural order of their names.
    pub(super) fn machines(&self) -> Vec<&Subject> {
        let mut machines: Vec<_> =
            self.subjects.iter().filter(|subject| !subject.name.is_empty()).collect();
        machines.sort_by(|a, b| skep_model::natural(&a.name, &b.name));
        machines
    }

    /// The cluster and the host, if they had a step.
    pub(super) fn whole(&self) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name.is_empty())
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Takes in an event; gives the step it ended, as it was, with its subject's name.
    pub(super) fn take_in(&mut self, event: &Event, at: Instant) -> Option<(String, Step)> {
        match event {
            Event::Started { id, subject, step } => {
                self.start(*id, subject, step, at);
                None
            }
            Event::Progress { id, detail, done, total } => {
                if let Some(step) = self.step(*id) {
                    step.detail = one_line(detail);
                    step.percent = percent(*done, *total);
                }
                None
            }
            Event::Ended { id, outcome } => self.end(*id, outcome, at),
            Event::Warning { .. } => None,
        }
    }

    /// A step under way with its subject's name.
    pub(super) fn find(&self, id: StepId) -> Option<(&str, &Step)> {
        let subject = &self.subjects[*self.owners.get(&id)?];
        let step = subject.steps.iter().find(|step| step.id == id)?;
        Some((&subject.name, step))
    }

    fn step(&mut self, id: StepId) -> Option<&mut Step> {
        let subject = &mut self.subjects[*self.owners.get(&id)?];
        subject.steps.iter_mut().find(|step| step.id == id)
    }

    fn start(&mut self, id: StepId, subject: &str, step: &str, at: Instant) {
        let name = one_line(subject);
        let index = self.subjects.iter().position(|known| known.name == name);
        let index = index.unwrap_or_else(|| {
            let (steps, last) = (Vec::new(), None);
            self.subjects.push(Subject { name, steps, last, first: at, latest: at });
            self.subjects.len() - 1
        });
        self.owners.insert(id, index);
        self.subjects[index].steps.push(Step {
            id,
            name: one_line(step),
            started: at,
            detail: String::new(),
            percent: None,
        });
    }

    fn end(&mut self, id: StepId, outcome: &Outcome, at: Instant) -> Option<(String, Step)> {
        let subject = &mut self.subjects[self.owners.remove(&id)?];
        let position = subject.steps.iter().position(|step| step.id == id)?;
        let step = subject.steps.remove(position);
        let took = at.saturating_duration_since(step.started);
        let ending = match outcome {
            Outcome::Done | Outcome::Skipped { .. } => Ending::Done,
            Outcome::Failed { reason, advice } => {
                Ending::Failed(one_line(&after(reason, advice.as_ref(), Persona::Skep)))
            }
            Outcome::Abandoned => Ending::Abandoned,
        };
        subject.latest = at;
        let skipped = matches!(outcome, Outcome::Skipped { .. });
        if subject.name.is_empty() && subject.steps.is_empty() && !skipped {
            let (name, ending) = (step.name.clone(), ending.clone());
            self.milestones.push(Milestone { name, ending, took });
        }
        subject.last = Some((step.name.clone(), ending, took));
        Some((subject.name.clone(), step))
    }
}

fn percent(done: Option<u64>, total: Option<u64>) -> Option<u64> {
    let (done, total) = (u128::from(done?), u128::from(total?));
    let percent = (done * 100).checked_div(total)?;
    u64::try_from(percent.min(100)).ok()
}
