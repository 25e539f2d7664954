//! How the tasks start programs.
//!
//! Two ways: through `skep-process`, with every line passed on and counted, for unattended
//! programs; and [`Work::watched`], which gives the program this process's terminal, for
//! interactive ones (`sudo` asking for a password, skep's live view). The second is the only
//! place outside `skep-process` that starts a program.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use skep_process::{Output, Program};
use tokio_util::sync::CancellationToken;

/// The longest any task may take: what a hosted runner allows.
pub(crate) const LIMIT: Duration = Duration::from_secs(90 * 60);

/// Where the tasks run, and their deadline.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) root: PathBuf,
    /// Fires at Ctrl-C.
    pub(crate) cancel: CancellationToken,
    until: Instant,
}

impl Work {
    /// Work in the checkout this program was built from, for at most [`LIMIT`].
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
        Ok(Self {
            root: root.to_owned(),
            cancel: CancellationToken::new(),
            until: Instant::now() + LIMIT,
        })
    }

    /// Cancels the work at the first Ctrl-C; a second one ends the process at once.
    pub(crate) fn stop_on_interrupt(&self) {
        let cancel = self.cancel.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if cancel.is_cancelled() {
                    std::process::exit(130);
                }
                cancel.cancel();
            }
        });
    }

    /// The directory all builds share.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// The time for a step that needs `own`: at most what is left of the limit.
    pub(crate) fn deadline(&self, own: Duration) -> Duration {
        own.min(self.until.saturating_duration_since(Instant::now()))
    }

    /// Cargo, the one that runs this program, in the checkout.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        self.cargo_without(&[], args)
    }

    /// The same, without some of this process's variables.
    pub(crate) fn cargo_without<'a>(
        &self,
        variables: &[&str],
        args: impl IntoIterator<Item = &'a str>,
    ) -> Program {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let program = if variables.is_empty() {
            Program::new(cargo)
        } else {
            Program::new("env").args(variables.iter().flat_map(|name| ["-u", *name])).arg(cargo)
        };
        let program = program.args(args).directory(&self.root);
        if on_terminal() {
            program.env("CARGO_TERM_COLOR", "always")
        } else {
            // rustfmt knows only the second.
            program.env("CARGO_TERM_COLOR", "never").env("TERM", "dumb")
        }
    }

    /// Runs a program to its end without showing anything; any status is accepted.
    pub(crate) async fn ask(&self, program: Program) -> Result<(ExitStatus, Output)> {
        let program = program.deadline(self.deadline(Duration::from_secs(30)));
        Ok(program.run_any(&self.cancel).await?)
    }

    /// Runs a program to its end, printing each of its lines and passing it to `line`.
    pub(crate) async fn shown(
        &self,
        program: Program,
        deadline: Duration,
        mut line: impl FnMut(&str),
    ) -> Result<()> {
        let command = short(&program.command_line());
        println!("   $ {command}");
        let program = program.deadline(self.deadline(deadline));
        let shown = |text: &str| {
            println!("   {text}");
            line(text);
        };
        // Its output has been shown, so the error does not repeat it.
        match program.run_with(&self.cancel, shown).await {
            Ok(_) => Ok(()),
            Err(skep_process::ProcessError::Failed { status, .. }) => {
                bail!("`{command}` ended with {status}")
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a program on this process's terminal and returns its status.
    ///
    /// Ctrl-C reaches the program itself, and this waits for it: skep leaves a resumable state.
    pub(crate) async fn watched<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        deadline: Duration,
    ) -> Result<ExitStatus> {
        let name = program.as_ref().to_string_lossy().into_owned();
        let mut command = tokio::process::Command::new(program);
        command.args(args).current_dir(&self.root).kill_on_drop(true);
        if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            command.stdin(Stdio::null());
        }
        let mut child = command.spawn().with_context(|| format!("cannot run `{name}`"))?;
        let deadline = self.deadline(deadline);
        let status = tokio::time::timeout(deadline, child.wait())
            .await
            .with_context(|| format!("`{name}` did not end within {} s", deadline.as_secs()))??;
        if self.cancel.is_cancelled() {
            bail!("interrupted");
        }
        Ok(status)
    }
}

/// A command line without its program's directory, which is of no use to the reader.
fn short(command: &str) -> String {
    let program = command.split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    format!("{name}{}", &command[program.len()..])
}

/// Whether the output is a terminal.
pub(crate) fn on_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}

/// A duration as the tables show it: `0.42 s`, `12.3 s`, `3 min 05 s`.
pub(crate) fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// The path of a program by this name, searched where a root shell would.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| {
        use std::os::unix::fs::PermissionsExt as _;
        file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(human(Duration::from_millis(420)), "0.42 s");
        assert_eq!(human(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(human(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn programs_are_found_and_missing_ones_are_not() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program").is_none());
    }

    #[tokio::test]
    async fn cargo_can_do_without_a_variable() {
        let work = Work::new().unwrap();
        let program = work.cargo_without(&["SHELL", "TZ"], ["--version"]);
        assert!(program.command_line().starts_with("env -u SHELL -u TZ "), "{program:?}");
        assert!(work.ask(program).await.unwrap().1.text().starts_with("cargo "));
        assert!(!work.cargo(["--version"]).command_line().starts_with("env "));
    }

    #[tokio::test]
    async fn a_failing_program_is_named_with_its_status() {
        let work = Work::new().unwrap();
        let program = Program::new("sh").args(["-c", "echo seen; exit 3"]);
        let mut lines = Vec::new();
        let error = work
            .shown(program, Duration::from_secs(10), |line| lines.push(line.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(lines, ["seen"]);
        assert_eq!(short("/usr/bin/sh -c 'a /b'"), "sh -c 'a /b'");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn a_watched_program_that_hangs_is_given_up() {
        let work = Work::new().unwrap();
        let error = work
            .watched("sh", ["-c", "while :; do :; done"], Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
    }
}
