//! One line of a preflight: what is needed, what was found, and how to mend it.

use serde::Serialize;

use crate::{Advice, advice::Reason};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    /// Work can go on, with a drawback that the check names.
    Warn,
    /// Nothing can be done before this is mended.
    Fail,
}

/// One thing that was looked at before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `Docker Engine`, `free disk space`.
    pub what: String,
    pub verdict: Verdict,
    pub found: String,
    /// What to do about it; empty where there is nothing to do.
    pub fix: Advice,
}

impl Check {
    /// A check that found what it needs.
    pub fn pass(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Pass, found: found.into(), fix: "".into() }
    }

    /// A check that found a drawback.
    pub fn warn(what: impl Into<String>, found: impl Into<String>, fix: impl Into<Advice>) -> Self {
        Self { what: what.into(), verdict: Verdict::Warn, found: found.into(), fix: fix.into() }
    }

    /// A check that stands in the way.
    pub fn fail(what: impl Into<String>, found: impl Into<String>, fix: impl Into<Advice>) -> Self {
        Self { what: what.into(), verdict: Verdict::Fail, found: found.into(), fix: fix.into() }
    }

    /// In one line.
    pub fn reason(&self) -> Reason {
        Reason::new(format!("{}: {}", self.what, self.found), self.fix.clone())
    }
}
