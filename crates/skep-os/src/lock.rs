//! Waiting for another process that builds or imports the same.

use std::{future::ready, ops::ControlFlow, path::Path, time::Duration};

use skep_context::{after, poll_until};
use skep_model::event::Span;
use skep_store::{Lock, StoreError};
use tokio_util::sync::CancellationToken;

/// How often is looked whether the other one has ended.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// What others that want the same guest system wait for.
pub(crate) const BUILD: &str = "the build";

/// How this process introduces itself to one that waits for it.
pub(crate) fn holder() -> String {
    format!("process {}", std::process::id())
}

/// Takes the lock at `path` for `work` (`the build`), saying whom it waits for; `None` if that was
/// cancelled.
pub(crate) async fn lock(
    path: &Path,
    work: &str,
    span: &Span,
    cancel: &CancellationToken,
) -> Result<Option<Lock>, StoreError> {
    let mut shown = String::new();
    let polled = poll_until(cancel, POLL, after(Duration::MAX), || {
        ready(match Lock::try_acquire(path, work, &holder()) {
            Err(StoreError::Locked { holder, .. }) => {
                if shown != holder {
                    span.progress(format!("waiting for {work} by {holder}"));
                    shown = holder;
                }
                Ok(ControlFlow::Continue(()))
            }
            ended => ended.map(ControlFlow::Break),
        })
    });
    Ok(polled.await?.met().ok())
}
