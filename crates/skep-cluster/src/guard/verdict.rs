//! Whether machines may be taken away.
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
    Warn(String),
    Refuse {
        reason: String,
        /// What to do instead, or first.
        fix: String,
    },
}

impl Verdict {
    /// Both together: what is refused comes before what is only a warning.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Verdict::Fine, one) | (one, Verdict::Fine) => one,
            (Verdict::Warn(one), Verdict::Warn(other)) => Verdict::Warn(format!("{one}; {other}")),
            (Verdict::Warn(_), refused) | (refused, Verdict::Warn(_)) => refused,
            (
                Verdict::Refuse { reason, fix },
                Verdict::Refuse { reason: other, fix: other_fix },
            ) => Verdict::Refuse {
                reason: format!("{reason}; {other}"),
                fix: if fix == other_fix { fix } else { format!("{fix}; {other_fix}") },
            },
        }
    }

    pub(super) fn refuse(reason: String, fix: impl Into<String>) -> Self {
        Verdict::Refuse { reason, fix: fix.into() }
    }
}

/// What is gone with a swarm's last manager.
pub(super) const SWARM_GONE: &str =
    "the swarm with its services, networks, configs and secrets is gone for good";
