//! Work that is given up when it is cancelled.

use tokio_util::sync::CancellationToken;

/// That something was given up because it was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

/// Gives work up when it is cancelled. The token is looked at first: work that sees the same token
/// fails with an error of its own, which says less.
///
/// # Errors
/// [`Cancelled`] in the words of `work`, or those of `work`.
pub async fn cancellable<T, E: From<Cancelled>>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Cancelled.into()),
        done = work => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Error {
        Cancelled,
        Own,
    }

    impl From<Cancelled> for Error {
        fn from(_: Cancelled) -> Self {
            Error::Cancelled
        }
    }

    #[tokio::test]
    async fn work_is_done_unless_it_is_cancelled() {
        let cancel = CancellationToken::new();
        let work = |done: Result<u32, Error>| std::future::ready(done);
        assert_eq!(cancellable(&cancel, work(Ok(1))).await, Ok(1));
        assert_eq!(cancellable(&cancel, work(Err(Error::Own))).await, Err(Error::Own));
        cancel.cancel();
        assert_eq!(cancellable(&cancel, work(Err(Error::Own))).await, Err(Error::Cancelled));
    }
}
