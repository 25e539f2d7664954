//! Runs commands in a machine.

use std::{
    io,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

use openssh::Stdio;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy};
use tokio_util::sync::CancellationToken;

use crate::{Command, Guest, GuestError, master};

/// How much of a command's output an error carries, in bytes.
const TAIL: usize = 4096;

/// A line without an end is shown when it has this many bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// How much of what a command prints is kept, in bytes, of each of its outputs.
const LARGEST_OUTPUT: usize = 64 << 20;

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 + the signal's number if a signal ended it.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// Its standard output as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

impl Guest {
    /// Runs a command to its end and returns what it printed.
    ///
    /// # Errors
    /// [`GuestError::Failed`] for a status other than 0, [`GuestError::Deadline`],
    /// [`GuestError::Cancelled`], [`GuestError::Lost`], [`GuestError::Master`].
    pub async fn run(
        &self,
        command: &Command,
        cancel: &CancellationToken,
    ) -> Result<Output, GuestError> {
        self.run_with(command, cancel, |_| {}).await
    }

    /// Runs a command to its end, calling `line` for each line of either output as it comes.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub async fn run_with(
        &self,
        command: &Command,
        cancel: &CancellationToken,
        line: impl FnMut(&str) + Send,
    ) -> Result<Output, GuestError> {
        let output = self.run_any_with(command, cancel, line).await?;
        if output.code == 0 {
            return Ok(output);
        }
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        Err(self.failed(command, output.code, said))
    }

    /// Runs a command to its end and returns what it printed with its status, whatever it is.
    ///
    /// # Errors
    /// As [`Guest::run`], except that any status is an answer.
    pub async fn run_any(
        &self,
        command: &Command,
        cancel: &CancellationToken,
    ) -> Result<Output, GuestError> {
        self.run_any_with(command, cancel, |_| {}).await
    }

    async fn run_any_with(
        &self,
        command: &Command,
        cancel: &CancellationToken,
        line: impl FnMut(&str) + Send,
    ) -> Result<Output, GuestError> {
        let line = Mutex::new(line);
        let (mut stdout, mut stderr) = (Lines::new(&line), Lines::new(&line));
        let mut input = command.input();
        let ended = self.stream(command, &mut input, &mut stdout, &mut stderr, cancel).await;
        let (stdout, stderr) = (stdout.finish(), stderr.finish());
        let code = ended.map_err(|stop| self.stopped(command, stop, &stderr))?;
        Ok(Output { code, stdout, stderr })
    }

    /// Runs a command with its three streams connected, and returns its status.
    pub(crate) async fn stream(
        &self,
        command: &Command,
        input: &mut (impl AsyncRead + Unpin + Send),
        stdout: &mut (impl AsyncWrite + Unpin + Send),
        stderr: &mut (impl AsyncWrite + Unpin + Send),
        cancel: &CancellationToken,
    ) -> Result<i32, Stop> {
        tracing::debug!(machine = self.machine(), what = command.what(), "running");
        tokio::select! {
            () = cancel.cancelled() => Err(Stop::Cancelled),
            ended = tokio::time::timeout(command.time(), self.drive(command, input, stdout, stderr)) => {
                ended.unwrap_or(Err(Stop::Deadline))
            }
        }
    }

    async fn drive(
        &self,
        command: &Command,
        input: &mut (impl AsyncRead + Unpin + Send),
        stdout: &mut (impl AsyncWrite + Unpin + Send),
        stderr: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<i32, Stop> {
        // The semaphore is never closed: waiting for a slot cannot fail.
        let _slot = self.slots.acquire().await;
        let mut remote = self.session.raw_command(command.line(&self.access.user));
        remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match remote.spawn().await {
            Ok(child) => child,
            // A master that ends in the middle of a request causes different errors at each moment:
            // whether it still answers is what counts.
            Err(_) if self.session.check().await.is_err() => return Err(Stop::Lost),
            Err(error) => return Err(Stop::Refused(error)),
        };
        let (to, out, err) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let feed = async {
            let Some(mut to) = to else { return Ok(()) };
            match copy(input, &mut to).await {
                // A command may end, or close its input, without reading all of it.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            }
        };
        let read_out = async {
            if let Some(mut out) = out {
                copy(&mut out, stdout).await?;
            }
            stdout.shutdown().await
        };
        let read_err = async {
            if let Some(mut err) = err {
                copy(&mut err, stderr).await?;
            }
            stderr.shutdown().await
        };
        tokio::try_join!(feed, read_out, read_err).map_err(Stop::Pipe)?;
        let code = match child.wait().await {
            Ok(status) => status.code().ok_or(Stop::Lost)?,
            Err(openssh::Error::Remote(_)) => 127,
            Err(_) => return Err(Stop::Lost),
        };
        // `ssh` says 255 for its own failures too; then the master is gone.
        if code == 255 && master::alive(&self.access.control).await.is_none() {
            return Err(Stop::Lost);
        }
        Ok(code)
    }

    pub(crate) fn failed(&self, command: &Command, code: i32, said: &[u8]) -> GuestError {
        GuestError::Failed {
            machine: self.machine().to_owned(),
            what: command.what().to_owned(),
            code,
            stderr: tail(said),
        }
    }

    pub(crate) fn stopped(&self, command: &Command, stop: Stop, stderr: &[u8]) -> GuestError {
        let (machine, what) = (self.machine().to_owned(), command.what().to_owned());
        match stop {
            Stop::Lost => GuestError::Lost { machine, what },
            Stop::Cancelled => GuestError::Cancelled { machine, what },
            Stop::Deadline => GuestError::Deadline {
                machine,
                what,
                deadline: command.time(),
                stderr: tail(stderr),
            },
            Stop::Refused(source) => {
                GuestError::Master { machine, action: "run a command", source: source.into() }
            }
            Stop::Pipe(source) => GuestError::Master {
                machine,
                action: "pass on a command's input and output",
                source: openssh::Error::ChildIo(source).into(),
            },
        }
    }
}

/// Why a command did not run to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Lost,
    Cancelled,
    Deadline,
    /// The master did not start it.
    Refused(openssh::Error),
    /// One of its streams failed on this side.
    Pipe(io::Error),
}

pub(crate) fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).trim().to_owned()
}

/// Keeps what is written to it and hands out each whole line.
struct Lines<'a, F> {
    all: Vec<u8>,
    reported: usize,
    on_line: &'a Mutex<F>,
}

impl<'a, F: FnMut(&str)> Lines<'a, F> {
    fn new(on_line: &'a Mutex<F>) -> Self {
        Self { all: Vec::new(), reported: 0, on_line }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.all.extend_from_slice(bytes);
        while let Some(length) = self.next_line() {
            self.report(length);
        }
    }

    fn next_line(&self) -> Option<usize> {
        let rest = &self.all[self.reported..];
        let end = rest.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        end.or((rest.len() >= LONGEST_LINE).then_some(rest.len()))
    }

    fn report(&mut self, length: usize) {
        let line = &self.all[self.reported..self.reported + length];
        let mut on_line = self.on_line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        on_line(String::from_utf8_lossy(line).trim_end());
        self.reported += length;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.reported < self.all.len() {
            self.report(self.all.len() - self.reported);
        }
        self.all
    }
}

impl<F: FnMut(&str)> AsyncWrite for Lines<'_, F> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let lines = self.get_mut();
        if lines.all.len().saturating_add(bytes.len()) > LARGEST_OUTPUT {
            let limit = LARGEST_OUTPUT as u64;
            return Poll::Ready(Err(skep_read::Refusal::TooLong { size: None, limit }.into()));
        }
        lines.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the output is cut on its way, the same lines are handed out and the same bytes
        /// kept.
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(
            text in "[a-c\n]{0,40}",
            cuts in prop::collection::vec(1usize..6, 0..20),
        ) {
            let mut told = Vec::new();
            let tell = Mutex::new(|line: &str| told.push(line.to_owned()));
            let mut lines = Lines::new(&tell);
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                lines.take(now);
                rest = later;
            }
            lines.take(rest);
            prop_assert_eq!(lines.finish(), text.as_bytes());
            let expected: Vec<_> = text.lines().collect();
            prop_assert_eq!(told, expected);
        }
    }
}
