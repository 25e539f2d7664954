//! What a machine lacks.

use std::fmt;

/// A requirement that was not met in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What is required: `the engine answers`.
    pub description: String,
    /// Why it is not met, with what the machine says about it.
    pub reason: String,
    pub hint: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n({})", self.description, self.reason.trim(), self.hint)
    }
}
