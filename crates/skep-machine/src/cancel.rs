//! Work that ends when it is cancelled.

use tokio_util::sync::CancellationToken;

use crate::MachineError;

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
