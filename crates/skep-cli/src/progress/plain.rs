//! A line for each start and end of a step, for logs and pipes.
//!
//! ```text
//! worker1: waiting for the engine
//! worker1: waiting for the engine: done (1.2 s)
//! ```

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use skep_model::{Event, StepId, event::Outcome};

use crate::{advice::after, persona::Persona, visible};

use super::{Look, board::Board, elapsed, ink::Ink, one_line};

/// How often a step that goes on shows what it is at: a log is read afterwards.
const DETAIL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Plain {
    ink: Ink,
    board: Board,
    /// When each step that is under way last had a line.
    said: HashMap<StepId, Instant>,
}

impl Plain {
    pub(super) fn new(look: Look) -> Self {
        Self { ink: Ink::new(look.colors), board: Board::default(), said: HashMap::new() }
    }

    pub(super) fn event(&mut self, event: &Event, at: Instant) -> String {
        let ended = self.board.take_in(event, at);
        match event {
            Event::Started { id, subject, step } => {
                self.said.insert(*id, at);
                format!("{}{}\n", prefix(subject), one_line(step))
            }
            Event::Progress { id, .. } => self.detail(*id, at).unwrap_or_default(),
            Event::Ended { id, outcome } => {
                self.said.remove(id);
                let Some((subject, step)) = ended else { return String::new() };
                let took = elapsed(at.saturating_duration_since(step.started));
                let how = match outcome {
                    Outcome::Done => format!("done ({took})"),
                    Outcome::Skipped { reason } => format!("skipped, {}", one_line(reason)),
                    Outcome::Failed { reason, advice } => {
                        let reason = after(reason, advice.as_ref(), Persona::Skep);
                        self.ink.red(&format!("failed after {took}: {}", one_line(&reason)))
                    }
                    Outcome::Abandoned => format!("given up after {took}"),
                };
                format!("{}{}: {how}\n", prefix(&subject), step.name)
            }
            Event::Warning { .. } => warning(event, self.ink, Persona::Skep),
        }
    }

    fn detail(&mut self, id: StepId, at: Instant) -> Option<String> {
        let said = self.said.get_mut(&id)?;
        if at.saturating_duration_since(*said) < DETAIL {
            return None;
        }
        *said = at;
        let (subject, step) = self.board.find(id)?;
        let percent = step.percent.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
        Some(format!("{}{}: {}{percent}\n", prefix(subject), step.name, step.detail))
    }
}

/// A warning's line, or nothing for another event.
///
/// `warning: worker1: text`; further lines of the text are indented.
pub(super) fn warning(event: &Event, ink: Ink, persona: Persona) -> String {
    let Event::Warning { subject, text, advice } = event else { return String::new() };
    let text = after(text, advice.as_ref(), persona);
    let lines: Vec<_> = text.trim().lines().map(visible::line).collect();
    format!("{} {}{}\n", ink.yellow("warning:"), prefix(subject), lines.join("\n  "))
}

fn prefix(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!("{}: ", one_line(subject)) }
}
