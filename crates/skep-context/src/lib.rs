//! What one operation travels with, and how it waits.
//!
//! ```
//! use std::{convert::Infallible, ops::ControlFlow, time::Duration};
//!
//! use skep_context::{Context, Polled, poll_until};
//! use skep_model::Events;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Infallible> {
//! let (events, cancel) = (Events::none(), CancellationToken::new());
//! let context = Context::new(&events, &cancel).within(Duration::from_secs(5));
//!
//! let mut answers = ["connection refused", "no banner yet", "ready"].into_iter();
//! let look = || {
//!     let answer = answers.next();
//!     async move {
//!         Ok::<_, Infallible>(match answer {
//!             Some("ready") | None => ControlFlow::Break("ready"),
//!             Some(missing) => ControlFlow::Continue(missing),
//!         })
//!     }
//! };
//! let polled = poll_until(&cancel, Duration::from_millis(1), context.deadline(), look).await?;
//! assert_eq!(polled, Polled::Met("ready"));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Context`]: where steps are shown, what ends every wait, and how long one may last.
//! - [`poll_until`]: the one loop that looks again and again until something is so; [`pause`] is for
//!   loops that know more, as how long to wait this time.
//! - [`cancellable`]: work that is given up when it is cancelled.
//!
//! The clock is tokio's: a test that pauses it sees every deadline pass at once.
//!
//! **Never here:** what is waited for. A condition, and the words for why it is not met, are the
//! caller's.
//!
//! **Start reading** at [`Context`].

mod cancellable;

use std::{ops::ControlFlow, time::Duration};

use skep_model::Events;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use cancellable::{Cancelled, cancellable};

/// What an operation is given besides its subject.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Where its steps are shown.
    pub events: &'a Events,
    /// Ends every wait.
    pub cancel: &'a CancellationToken,
    /// How long one wait may last: for a machine to be ready, for another command's lock.
    pub timeout: Duration,
}

impl<'a> Context<'a> {
    /// For an operation whose waits have limits of their own.
    pub fn new(events: &'a Events, cancel: &'a CancellationToken) -> Self {
        Self { events, cancel, timeout: Duration::MAX }
    }

    /// The same, with another limit for a wait.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same, ended by another token: for what is finished even though the operation was
    /// cancelled.
    #[must_use]
    pub fn ended_by<'b>(self, cancel: &'b CancellationToken) -> Context<'b>
    where
        'a: 'b,
    {
        Context { cancel, ..self }
    }

    /// When a wait that begins now is given up.
    pub fn deadline(&self) -> Instant {
        after(self.timeout)
    }
}

/// A moment from now; for ever is a year.
pub fn after(time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + time.min(FOR_EVER)
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled<T, W> {
    /// What was waited for is there.
    Met(T),
    /// The deadline has passed, and this is still missing.
    Late(W),
    /// The operation was cancelled while this was missing.
    Cancelled(W),
}

impl<T, W> Polled<T, W> {
    /// What was waited for, or else what was missing in the end.
    ///
    /// # Errors
    /// What was missing.
    pub fn met(self) -> Result<T, W> {
        match self {
            Polled::Met(met) => Ok(met),
            Polled::Late(missing) | Polled::Cancelled(missing) => Err(missing),
        }
    }
}

/// Looks every `interval` whether something is so, until `deadline`: [`ControlFlow::Break`] says that
/// it is, [`ControlFlow::Continue`] what is missing. It is looked at least once.
///
/// A cancelled wait looks once more, at once: requests know best how to say what was interrupted.
///
/// # Errors
/// Those of `look`, which end the wait.
pub async fn poll_until<T, W, E, L>(
    cancel: &CancellationToken,
    interval: Duration,
    deadline: Instant,
    mut look: impl FnMut() -> L,
) -> Result<Polled<T, W>, E>
where
    // Not `AsyncFnMut`, whose futures the compiler takes for not `Send`.
    L: Future<Output = Result<ControlFlow<T, W>, E>>,
{
    loop {
        let was_cancelled = cancel.is_cancelled();
        let missing = match look().await? {
            ControlFlow::Break(met) => return Ok(Polled::Met(met)),
            ControlFlow::Continue(missing) => missing,
        };
        if was_cancelled {
            return Ok(Polled::Cancelled(missing));
        }
        if Instant::now() >= deadline {
            return Ok(Polled::Late(missing));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        pause(cancel, interval.min(left)).await;
    }
}

/// Lets time pass between two looks; a cancellation cuts it short.
pub async fn pause(cancel: &CancellationToken, time: Duration) {
    let _ = tokio::time::timeout(time, cancel.cancelled()).await;
}

/// What a look says that finds out nothing but whether something is so.
pub fn when(it_is_so: bool) -> ControlFlow<(), ()> {
    if it_is_so { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(50);

    async fn poll(
        cancel: &CancellationToken,
        time: Duration,
        mut look: impl FnMut(u32) -> Result<ControlFlow<u32, u32>, ()>,
    ) -> (Result<Polled<u32, u32>, ()>, u32) {
        let mut looks = 0;
        let polled = poll_until(cancel, INTERVAL, after(time), || {
            looks += 1;
            std::future::ready(look(looks))
        });
        let polled = polled.await;
        (polled, looks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_it_is_met_late_or_impossible() {
        let cancel = CancellationToken::new();
        let third = |looks| match looks {
            3 => Ok(ControlFlow::Break(looks)),
            _ => Ok(ControlFlow::Continue(looks)),
        };
        assert_eq!(poll(&cancel, Duration::MAX, third).await, (Ok(Polled::Met(3)), 3));
        let never = |looks| Ok(ControlFlow::Continue(looks));
        let (late, looks) = poll(&cancel, 2 * INTERVAL, never).await;
        assert_eq!((late, looks), (Ok(Polled::Late(3)), 3));
        assert_eq!(poll(&cancel, Duration::ZERO, never).await, (Ok(Polled::Late(1)), 1));
        assert_eq!(poll(&cancel, Duration::MAX, |_| Err(())).await, (Err(()), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_looks_once_more() {
        let cancel = CancellationToken::new();
        let cancelled = |looks| {
            cancel.cancel();
            Ok(ControlFlow::Continue(looks))
        };
        assert_eq!(poll(&cancel, Duration::MAX, cancelled).await, (Ok(Polled::Cancelled(2)), 2));
    }
}
