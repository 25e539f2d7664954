//! Work that ends when somebody says so.

use tokio_util::sync::CancellationToken;

use crate::MachineError;

/// Gives work up when it is cancelled.
pub(crate) async fn cancellable<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, MachineError>>,
) -> Result<T, MachineError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(MachineError::Cancelled),
        done = work => done,
    }
}
