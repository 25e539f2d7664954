//! Running a program to its end, with a full report if it did not end as expected.

use std::{ffi::OsStr, fmt, path::PathBuf, time::Duration};

use assert_cmd::Command;

/// How long a command may take by default.
const DEADLINE: Duration = Duration::from_secs(60);

/// Variables that would make a test depend on the user's session.
const FOREIGN: [&str; 13] = [
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "SKEP_CLUSTER",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_MACHINE_NAME",
    "NO_PROXY",
    "no_proxy",
    "MACHINE_STORAGE_PATH",
    "MACHINE_DRIVER",
];

/// The `skep` under test: the one `SKEP_BIN` names, or the one that was built into the
/// directory above this test's own.
///
/// # Panics
/// If there is none.
pub fn skep() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test program is configured by its environment"
    )]
    let named = std::env::var_os("SKEP_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("a program has a path");
        own.ancestors().nth(2).expect("a test is in target/PROFILE/deps").join("skep")
    });
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build --package skep-cli --bin skep`, or name it \
         with SKEP_BIN",
        path.display()
    );
    path
}

/// This program's own PATH.
#[expect(clippy::disallowed_methods, reason = "a test program is configured by its environment")]
pub fn search_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

/// A program about to be run.
#[derive(Debug)]
pub struct Run {
    command: Command,
    words: Vec<String>,
}

impl Run {
    /// A program by name or path.
    pub fn program(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.timeout(DEADLINE);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.env("SHELL", "/bin/bash");
        let name = PathBuf::from(program).file_name().unwrap_or(program).to_owned();
        Self { command, words: vec![name.to_string_lossy().into_owned()] }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self.words.push(arg.as_ref().to_string_lossy().into_owned());
            self.command.arg(arg);
        }
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Feeds its standard input; without this it is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.write_stdin(bytes);
        self
    }

    /// Sets how long it may take, instead of a minute.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.command.timeout(deadline);
        self
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn ends(mut self) -> Ran {
        let output = match self.command.output() {
            Ok(output) => output,
            Err(error) => panic!("cannot run `{}`: {error}", self.words.join(" ")),
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran {
            command: self.words.join(" "),
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs it; it must end with status 0.
    ///
    /// # Panics
    /// If it does not, with everything it printed.
    #[track_caller]
    pub fn succeeds(self) -> Ran {
        self.exits(0)
    }

    /// Runs it; it must end with this status.
    ///
    /// # Panics
    /// If it does not, with everything it printed.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        let ran = self.ends();
        assert!(ran.code == Some(code), "status {code} was expected of {ran}");
        ran
    }
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its command line, for messages.
    pub command: String,
    /// Its exit status; `None` if a signal ended it, as at its deadline.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Its standard output without the last line's end.
    pub fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Its error output must have `text`, wherever lines were broken.
    ///
    /// # Panics
    /// If it has not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let flat = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(text), "`{text}` was expected in the error output of {self}");
        self
    }

    /// Its standard output must be empty.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn prints_nothing(self) -> Self {
        assert!(self.stdout.is_empty(), "no data was expected of {self}");
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.code.map_or("a signal".to_owned(), |code| format!("status {code}"));
        write!(
            f,
            "`{}`, which ended with {status}\n-- stdout\n{}-- stderr\n{}",
            self.command, self.stdout, self.stderr
        )
    }
}
