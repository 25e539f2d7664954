//! Events as JSON lines, for programs.
//!
//! ```text
//! {"schema":1,"t":0,"event":"started","id":1,"subject":"worker1","step":"starting"}
//! {"schema":1,"t":840,"event":"progress","id":1,"detail":"…","done":3,"total":9}
//! {"schema":1,"t":1240,"event":"ended","id":1,"outcome":"failed","reason":"…"}
//! {"schema":1,"t":1250,"event":"warning","subject":"","text":"…"}
//! {"event":"summary","schema":1,"text":"…"}
//! {"causes":["…"],"event":"error","exit":1,"fix":"…","message":"…","schema":1}
//! ```
//!
//! `t` is milliseconds since the command started. The last lines are what a user would read when
//! all is over. Fields may be added within a schema. A command line that is not understood is
//! answered in plain text.

use std::time::Instant;

use serde::Serialize;
use skep_model::{Event, event::Outcome};

use crate::{advice::after, persona::Persona, visible};

#[derive(Debug)]
pub(super) struct Json {
    start: Instant,
}

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    t: u128,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What<'a> {
    Started {
        id: u64,
        subject: &'a str,
        step: &'a str,
    },
    Progress {
        id: u64,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    Ended {
        id: u64,
        outcome: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Warning {
        subject: &'a str,
        text: String,
    },
}

impl Json {
    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(super) fn event(&self, event: &Event, at: Instant) -> String {
        let what = match event {
            Event::Started { id, subject, step } => What::Started { id: id.0, subject, step },
            Event::Progress { id, detail, done, total } => {
                What::Progress { id: id.0, detail, done: *done, total: *total }
            }
            Event::Ended { id, outcome } => {
                let (outcome, reason) = match outcome {
                    Outcome::Done => ("done", None),
                    Outcome::Skipped { reason } => ("skipped", Some(reason.clone())),
                    Outcome::Failed { reason, advice } => {
                        ("failed", Some(after(reason, advice.as_ref(), Persona::Skep)))
                    }
                    Outcome::Abandoned => ("abandoned", None),
                };
                What::Ended { id: id.0, outcome, reason }
            }
            Event::Warning { subject, text, advice } => {
                let text = after(text, advice.as_ref(), Persona::Skep);
                What::Warning { subject, text }
            }
        };
        let t = at.saturating_duration_since(self.start).as_millis();
        // Strings and numbers are always JSON.
        let line = serde_json::to_string(&Line { schema: 1, t, what }).unwrap_or_default();
        visible::json(&line) + "\n"
    }
}

/// The text at the end of a command, as one line of JSON.
pub fn summary_line(text: &str) -> String {
    let line = serde_json::json!({ "schema": 1, "event": "summary", "text": text.trim_end() });
    visible::json(&line.to_string()) + "\n"
}
