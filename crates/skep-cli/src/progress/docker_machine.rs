//! docker-machine's display: a line for each step that starts, as
//! `(worker1) Starting the VM...`, and nothing when it ends.

use skep_model::Event;

use super::{ink::Ink, one_line, plain};
use crate::persona::Persona;

/// The line for an event, with its end; empty where docker-machine says nothing.
pub fn line(event: &Event) -> String {
    match event {
        Event::Started { subject, step, .. } => {
            let who = match one_line(subject) {
                subject if subject.is_empty() => subject,
                subject => format!("({subject}) "),
            };
            format!("{who}{}...\n", capital(one_line(step).trim_end_matches('.')))
        }
        Event::Warning { .. } => plain::warning(event, Ink::new(false), Persona::DockerMachine),
        Event::Progress { .. } | Event::Ended { .. } => String::new(),
    }
}

/// A fragment as the beginning of a sentence.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use skep_model::{StepId, event::Outcome};

    use super::*;

    #[test]
    fn a_step_is_told_when_it_starts() {
        let started = |subject: &str, step: &str| {
            line(&Event::Started { id: StepId(1), subject: subject.into(), step: step.into() })
        };
        assert_eq!(started("vb1", "starting the VM"), "(vb1) Starting the VM...\n");
        assert_eq!(started("", "building the guest..."), "Building the guest...\n");
        assert_eq!(line(&Event::Ended { id: StepId(1), outcome: Outcome::Done }), "");
    }

    #[test]
    fn a_warning_is_told() {
        let warning =
            Event::Warning { subject: "vb1".into(), text: "its clock is off".into(), advice: None };
        assert_eq!(line(&warning), "warning: vb1: its clock is off\n");
    }
}
