//! Whether machines may be taken away.

use skep_model::{Advice, Reason};

/// How machines are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// For good. A manager is made a worker first, and leaves.
    Remove,
    /// Until they are switched on again.
    Stop,
    /// For a moment: they, or their engines, come back by themselves.
    Restart,
}

/// Whether machines may be taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    #[default]
    Fine,
    Warn(Reason),
    Refuse {
        reason: Reason,
        /// What to do instead, or first.
        fix: Advice,
    },
}

impl Verdict {
    /// Both together: what is refused comes before what is only a warning.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Verdict::Fine, one) | (one, Verdict::Fine) => one,
            (Verdict::Warn(one), Verdict::Warn(other)) => Verdict::Warn(one.and(other)),
            (Verdict::Warn(_), refused) | (refused, Verdict::Warn(_)) => refused,
            (
                Verdict::Refuse { reason, fix },
                Verdict::Refuse { reason: other, fix: other_fix },
            ) => Verdict::Refuse {
                reason: reason.and(other),
                fix: if fix == other_fix { fix } else { Advice::All(vec![fix, other_fix]) },
            },
        }
    }

    pub(super) fn refuse(reason: impl Into<Reason>, fix: impl Into<Advice>) -> Self {
        Verdict::Refuse { reason: reason.into(), fix: fix.into() }
    }
}

/// What is gone with a swarm's last manager.
pub(super) const SWARM_GONE: &str =
    "the swarm with its services, networks, configs and secrets is gone for good";
