//! Starts local programs, and is the only crate that does.
//!
//! ```
//! use std::time::Duration;
//!
//! use skep_process::{ProcessError, Program};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ProcessError> {
//! let cancel = CancellationToken::new();
//! let output = Program::new("echo").arg("hello").run(&cancel).await?;
//! assert_eq!(output.text(), "hello");
//!
//! let slow = Program::new("sleep").arg("60").deadline(Duration::from_millis(10));
//! assert!(matches!(slow.run(&cancel).await, Err(ProcessError::Deadline { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! A [`Program`] has a deadline and a cancellation token, runs in a process group of its own that
//! is killed as a whole when either fires (or the future is dropped), and gives back what it
//! printed. Its failure carries the command line, the status and the end of its error output.
//!
//! **Never here:** knowledge of any particular program, a shell, a secret in an argument. What
//! must not be seen is given by environment or standard input, and masked in what is reported.
//!
//! **Start reading** at [`Program::run`].

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Child,
};
use tokio_util::sync::CancellationToken;

/// How much of a program's error output an error carries, in bytes.
const TAIL: usize = 4096;

/// How much a program may print that is kept, in bytes, of each of its outputs. The longest there is
/// is a build of a guest system with about 100 KB.
const LARGEST_OUTPUT: usize = 64 << 20;

/// Why a program did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// No program of that name on the PATH, or at that path.
    #[error("the program `{program}` is not installed, or not on the PATH")]
    NotFound { program: String },
    /// It could not be started, or talking to it failed.
    #[error("cannot run `{program}`")]
    Io {
        program: String,
        #[source]
        source: io::Error,
    },
    /// It ended with a status other than 0.
    #[error("`{command}` ended with {status}{}", indented(.stderr))]
    Failed {
        /// The command line, secrets masked.
        command: String,
        status: ExitStatus,
        /// The end of its error output, secrets masked.
        stderr: String,
    },
    /// It did not end in time and was killed.
    #[error("`{command}` did not end within {} s and was killed{}", .deadline.as_secs_f32(), indented(.stderr))]
    Deadline { command: String, deadline: Duration, stderr: String },
    /// It was killed because the work was cancelled.
    #[error("`{command}` was interrupted")]
    Cancelled { command: String },
}

fn indented(stderr: &str) -> String {
    let text = stderr.trim();
    if text.is_empty() { String::new() } else { format!(":\n  {}", text.replace('\n', "\n  ")) }
}

/// What a program printed before it ended with status 0.
#[derive(Debug, Clone)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Output {
    /// Its standard output as text, without the last line's end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// A local program about to be run.
#[derive(Debug, Clone)]
pub struct Program {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
    secrets: Vec<String>,
}

impl Program {
    /// A program by name (looked up on the PATH) or path, with a deadline of one minute.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            directory: None,
            stdin: None,
            deadline: Duration::from_secs(60),
            secrets: Vec::new(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable in the program's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the directory the program starts in.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Feeds the program's standard input; without this it is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets how long the program may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Names a text that must not appear in an error or a log.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Runs the program to its end and returns what it printed.
    ///
    /// # Errors
    /// See [`ProcessError`]; a status other than 0 is one.
    pub async fn run(self, cancel: &CancellationToken) -> Result<Output, ProcessError> {
        self.run_with(cancel, |_| {}).await
    }

    /// Runs the program to its end, calling `line` for each line of either output as it comes.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub async fn run_with(
        self,
        cancel: &CancellationToken,
        line: impl FnMut(&str),
    ) -> Result<Output, ProcessError> {
        let (status, output) = self.run_any_with(cancel, line).await?;
        if status.success() {
            return Ok(output);
        }
        Err(ProcessError::Failed {
            command: self.command_line(),
            status,
            stderr: self.tail(if output.stderr.is_empty() {
                &output.stdout
            } else {
                &output.stderr
            }),
        })
    }

    /// Runs the program to its end and returns its status, whatever it is, with what it printed.
    ///
    /// # Errors
    /// As [`Program::run`], except that any status is an answer.
    pub async fn run_any(
        &self,
        cancel: &CancellationToken,
    ) -> Result<(ExitStatus, Output), ProcessError> {
        self.run_any_with(cancel, |_| {}).await
    }

    async fn run_any_with(
        &self,
        cancel: &CancellationToken,
        mut line: impl FnMut(&str),
    ) -> Result<(ExitStatus, Output), ProcessError> {
        tracing::debug!(command = self.command_line(), "starting");
        let mut child = Group(self.spawn()?);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let ended = {
            let work = self.drive(&mut child.0, &mut stdout, &mut stderr, &mut line);
            tokio::select! {
                () = cancel.cancelled() => None,
                ended = tokio::time::timeout(self.deadline, work) => Some(ended),
            }
        };
        match ended {
            Some(Ok(Ok(status))) => {
                child.0.disarm();
                tracing::debug!(command = self.command_line(), %status, "ended");
                Ok((status, Output { stdout, stderr }))
            }
            Some(Ok(Err(source))) => Err(self.io(source)),
            Some(Err(_)) => Err(ProcessError::Deadline {
                command: self.command_line(),
                deadline: self.deadline,
                stderr: self.tail(&stderr),
            }),
            None => Err(ProcessError::Cancelled { command: self.command_line() }),
        }
    }

    async fn drive(
        &self,
        child: &mut Armed,
        stdout: &mut Vec<u8>,
        stderr: &mut Vec<u8>,
        line: &mut impl FnMut(&str),
    ) -> io::Result<ExitStatus> {
        let mut input = child.child.stdin.take();
        let (out, err) = (child.child.stdout.take(), child.child.stderr.take());
        let feed = async {
            if let (Some(pipe), Some(bytes)) = (input.as_mut(), &self.stdin) {
                match pipe.write_all(bytes).await {
                    // A program may end, or close its input, without reading all of it.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                    _ => {}
                }
            }
            drop(input);
            Ok(())
        };
        let (lines_to, mut lines) = tokio::sync::mpsc::unbounded_channel::<String>();
        let show = async {
            while let Some(text) = lines.recv().await {
                line(&text);
            }
            Ok(())
        };
        let read = async {
            tokio::try_join!(
                collect(out, stdout, lines_to.clone()),
                collect(err, stderr, lines_to.clone()),
            )?;
            drop(lines_to);
            Ok::<_, io::Error>(())
        };
        tokio::try_join!(feed, read, show)?;
        child.child.wait().await
    }

    fn spawn(&self) -> Result<Armed, ProcessError> {
        #[expect(clippy::disallowed_methods, reason = "this crate is where programs are started")]
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(k, v)| (k, v)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: Ctrl-C at the terminal reaches skep, which decides; and killing the
        // group takes the program's own children along.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                ProcessError::NotFound { program: self.name() }
            } else {
                self.io(source)
            }
        })?;
        Ok(Armed { group: child.id(), child })
    }

    fn io(&self, source: io::Error) -> ProcessError {
        ProcessError::Io { program: self.name(), source }
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// The command line as it may be shown: quoted where needed, secrets masked.
    pub fn command_line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        let line = words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ");
        self.mask(line)
    }

    fn tail(&self, bytes: &[u8]) -> String {
        let start = bytes.len().saturating_sub(TAIL);
        self.mask(String::from_utf8_lossy(&bytes[start..]).trim().to_owned())
    }

    fn mask(&self, text: String) -> String {
        let known = self.secrets.iter().filter(|secret| !secret.is_empty());
        known.fold(text, |text, secret| text.replace(secret.as_str(), "•••"))
    }
}

async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    all: &mut Vec<u8>,
    lines: tokio::sync::mpsc::UnboundedSender<String>,
) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut reader = BufReader::new(pipe);
    loop {
        let start = all.len();
        // A line without an end must not grow without bound before it is shown.
        let read = (&mut reader).take(64 * 1024).read_until(b'\n', all).await?;
        if read == 0 {
            return Ok(());
        }
        if all.len() > LARGEST_OUTPUT {
            let limit = LARGEST_OUTPUT as u64;
            return Err(skep_read::Refusal::TooLong { size: None, limit }.into());
        }
        let text = String::from_utf8_lossy(&all[start..]);
        // The receiver lives as long as this future: sending cannot fail for another reason.
        let _ = lines.send(text.trim_end().to_owned());
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A child with its process group.
#[derive(Debug)]
struct Armed {
    child: Child,
    group: Option<u32>,
}

impl Armed {
    fn disarm(&mut self) {
        self.group = None;
    }
}

/// Kills a child's process group when dropped before the child has been waited for.
#[derive(Debug)]
struct Group(Armed);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.group.and_then(|id| rustix::process::Pid::from_raw(id as i32)) {
            // It may have ended by itself in the meantime, and a drop cannot return the error.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("sh").arg("-c").arg(script)
    }

    #[tokio::test]
    async fn output_and_input_pass_through() {
        let cancel = CancellationToken::new();
        let program = sh("cat; echo two >&2").stdin("one\n");
        let mut lines = Vec::new();
        let output = program.run_with(&cancel, |line| lines.push(line.to_owned())).await.unwrap();
        assert_eq!(output.text(), "one");
        assert_eq!(output.stderr, b"two\n");
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_failure_says_what_was_run_and_hides_secrets() {
        let error = sh("echo the token is hunter2 >&2; exit 3")
            .secret("hunter2")
            .run(&CancellationToken::new())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("the token is •••"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error =
            Program::new("no-such-program").run(&CancellationToken::new()).await.unwrap_err();
        assert!(
            matches!(error, ProcessError::NotFound { ref program } if program == "no-such-program")
        );
    }

    #[tokio::test]
    async fn the_deadline_kills_the_whole_group() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("held");
        // The grandchild holds the pipe's writing end: reading it ends only when it is gone.
        let script = format!("mkfifo {0}; (exec 3<>{0}; exec cat {0}) & wait", fifo.display());
        let error = sh(&script)
            .deadline(Duration::from_millis(300))
            .run(&CancellationToken::new())
            .await
            .unwrap_err();
        assert!(matches!(error, ProcessError::Deadline { .. }), "{error}");
        // With a reader gone, a non-blocking open for writing is refused (ENXIO).
        let gone = async {
            loop {
                let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
                if rustix::fs::open(&fifo, flags, rustix::fs::Mode::empty()).is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the group is killed");
    }

    #[tokio::test]
    async fn cancelling_ends_it_at_once() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let error = sh("cat").run(&cancel).await.unwrap_err();
        assert!(matches!(error, ProcessError::Cancelled { .. }), "{error}");
    }
}
