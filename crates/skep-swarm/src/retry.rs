//! Trying again what a swarm refuses for a moment only.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{cause::Cause, error::SwarmError};

/// For how long. Managers elect a leader within 10 to 20 s of losing one.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long the managers are left alone between two tries.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Decides whether a refusal is worth another try.
pub(crate) struct Retry<'a> {
    end: Instant,
    cancel: &'a CancellationToken,
}

impl<'a> Retry<'a> {
    /// From now on.
    pub(crate) fn new(cancel: &'a CancellationToken) -> Self {
        Self { end: Instant::now() + DEADLINE, cancel }
    }

    /// Whether to try again after `error`; returns when it is time to.
    ///
    /// Whoever changes an object that somebody else changed in between tries again at once: each
    /// round, one of those who compete gets through.
    pub(crate) async fn is_worth(&self, error: &SwarmError) -> bool {
        let in_time = Instant::now() + INTERVAL < self.end && !self.cancel.is_cancelled();
        match error.cause() {
            Some(Cause::OutOfSequence) => in_time,
            Some(cause) if cause.may_pass() && in_time => {
                // The next try sees a cancellation.
                let _ = tokio::time::timeout(INTERVAL, self.cancel.cancelled()).await;
                true
            }
            _ => false,
        }
    }
}
