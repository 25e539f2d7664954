//! Trying again what a swarm refuses for a moment only.

use std::time::Duration;

use skep_context::pause;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{cause::Cause, error::SwarmError};

/// For how long. Managers elect a leader within 10 to 20 s of losing one, and look every 5 s at a
/// demotion that could not be finished at once.
const DEADLINE: Duration = Duration::from_secs(20);

/// For how long where a node was just made a manager: it enters the managers' group within 15 to 20 s,
/// and on a busy host later.
const ENTERING: Duration = Duration::from_secs(60);

/// How long the managers are left alone between two tries.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Decides whether a refusal is worth another try.
pub(crate) struct Retry<'a> {
    end: Instant,
    entered: Instant,
    cancel: &'a CancellationToken,
}

impl<'a> Retry<'a> {
    /// From now on.
    pub(crate) fn new(cancel: &'a CancellationToken) -> Self {
        let now = Instant::now();
        Self { end: now + DEADLINE, entered: now + ENTERING, cancel }
    }

    /// Whether there is time for another try.
    pub(crate) fn is_in_time(&self) -> bool {
        Instant::now() + INTERVAL < self.end && !self.cancel.is_cancelled()
    }

    /// Leaves the managers alone for a moment; the next try sees a cancellation.
    pub(crate) async fn pause(&self) {
        pause(self.cancel, INTERVAL).await;
    }

    /// Whether to try again after `error`; returns when it is time to.
    ///
    /// A change that lost against another client's is tried again at once: each round, one of those
    /// who compete gets through.
    pub(crate) async fn is_worth(&self, error: &SwarmError) -> bool {
        let in_time = self.is_in_time();
        match error.cause() {
            Some(Cause::OutOfSequence) => in_time,
            Some(Cause::NotInRaft) if !self.cancel.is_cancelled() => {
                self.pause().await;
                Instant::now() < self.entered
            }
            Some(cause) if cause.may_pass() && in_time => {
                self.pause().await;
                true
            }
            _ => false,
        }
    }
}
