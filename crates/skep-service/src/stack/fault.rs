//! What is wrong with a stack, and where.

use std::{fmt, sync::Arc};

use skep_model::Advice;

use crate::ServiceError;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One mistake in a Compose file. Its text begins with the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// Which value: `services.web.ports[0]`; empty if it is no value.
    pub path: String,
    pub problem: String,
    /// What to write instead; may be empty.
    pub fix: Advice,
}

impl Fault {
    pub(super) fn at(place: &Place, problem: impl Into<String>) -> Self {
        Self { place: place.clone(), path: String::new(), problem: problem.into(), fix: "".into() }
    }

    pub(super) fn of(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(super) fn with_fix(mut self, fix: impl Into<Advice>) -> Self {
        self.fix = fix.into();
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)
    }
}

/// Something in the swarm that a stack cannot be deployed over, or does without. Nothing was
/// touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub problem: String,
    pub fix: Advice,
}

/// Why something about a stack came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The files cannot be used as they are. Nothing was asked of any engine.
    #[error("{} of {} cannot be deployed", count(.faults.len(), "value"), files(.faults))]
    Files {
        /// Every mistake, in the order of lines.
        faults: Vec<Fault>,
    },
    /// A name that no stack may have.
    #[error(
        "`{name}` cannot be the name of a stack: write letters, digits, `_`, `.` and `-`, beginning with a letter or a digit"
    )]
    Name { name: String },
    /// The swarm is not as the files need it. Nothing was touched.
    #[error("stack {stack} cannot be deployed as things are: nothing was touched")]
    Obstacles { stack: String, obstacles: Vec<Obstacle> },
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("cannot {action} {what}")]
    Object {
        /// `create`, `update`, `remove`
        action: &'static str,
        /// `network web_default`
        what: String,
        #[source]
        source: skep_engine::EngineError,
    },
    #[error("failed to remove some resources from stack: {stack}")]
    Left {
        stack: String,
        /// What is there, each with its reason.
        left: Vec<String>,
    },
}

impl StackError {
    /// Whether the work was cancelled.
    pub fn is_cancelled(&self) -> bool {
        match self {
            StackError::Service(error) => error.is_cancelled(),
            StackError::Object { source, .. } => {
                matches!(source, skep_engine::EngineError::Cancelled { .. })
            }
            _ => false,
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn files(faults: &[Fault]) -> String {
    let mut files: Vec<_> = faults.iter().map(|fault| &*fault.place.file).collect();
    files.sort_unstable();
    files.dedup();
    files.join(", ")
}
