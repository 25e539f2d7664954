//! What comes in: files that are named on the command line, standard input, and answers.
//!
//! Standard input may have no end. It is read on a thread of its own, so that a signal ends the
//! command nevertheless, and no further than a limit.

use std::{io, path::Path};

use skep_read::{Refusal, limit, refusal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};

/// The file that stands for standard input.
pub const STDIN: &str = "-";

/// What is in the file at `path`, or, if that is `-`, on standard input: at most `limit` bytes.
///
/// # Errors
/// A [`Failure`] of use that names the file; an interrupted one.
pub async fn read(path: &Path, limit: u64, cancel: &CancellationToken) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == STDIN {
        let read = interruptible(cancel, move || skep_read::to_end(io::stdin().lock(), limit));
        return read.await?.map_err(|error| cannot(Path::new(STDIN), &error));
    }
    skep_read::bytes(path, limit).map_err(|error| {
        let failure = cannot(path, &error);
        match refusal(&error) {
            Some(Refusal::NotRegular { .. }) => failure.with_fix(format!(
                "what another program writes comes on standard input: give `{STDIN}` in place of a file"
            )),
            _ => failure,
        }
    })
}

/// An input cannot be read.
pub fn cannot(path: &Path, error: &io::Error) -> Failure {
    let name = path.display().to_string();
    let name = if name == STDIN { "standard input" } else { &name };
    Failure::usage(format!("cannot read {name}: {error}"))
}

/// The line a person answers with; `None` at the end of the input.
///
/// # Errors
/// An interrupted [`Failure`]; one for what is no answer.
pub async fn answer(cancel: &CancellationToken) -> Result<Option<String>, Failure> {
    let read = interruptible(cancel, || skep_read::line(io::stdin().lock(), limit::ANSWER));
    read.await?.map_err(|error| cannot(Path::new(STDIN), &error))
}

/// The outcome of something that blocks, unless the command is interrupted before.
async fn interruptible<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        done = tokio::task::spawn_blocking(work) => done.map_err(|error| Failure::failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_ends_can_be_interrupted() {
        let cancel = CancellationToken::new();
        let (_open, closed) = std::sync::mpsc::channel::<()>();
        let reading =
            interruptible(&cancel, move || closed.recv_timeout(std::time::Duration::from_secs(9)));
        cancel.cancel();
        assert_eq!(reading.await.unwrap_err().exit, Exit::Interrupted);
    }

    #[tokio::test]
    async fn what_is_no_file_is_refused_with_what_to_do() {
        let failure = read(Path::new("/dev/zero"), 9, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.text.contains("/dev/zero: it is a device"), "{failure:?}");
        assert!(failure.fix.unwrap().words().unwrap().contains("`-`"));
    }
}
