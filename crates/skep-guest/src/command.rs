//! A command about to be run in a machine, and its quoting for the machine's shell.

use std::time::Duration;

use crate::exclusive;

/// How long a command may go on in the machine after we stopped waiting for it, and again after
/// it was asked to end, in seconds.
const GRACE: u64 = 5;

/// Which word of a script's command is its text.
const SCRIPT: usize = 2;

/// A command about to be run in a machine.
///
/// What must not be seen by other users of the machine goes through its standard input, never
/// into a word.
#[derive(Debug, Clone)]
pub struct Command {
    what: String,
    words: Vec<String>,
    stdin: Vec<u8>,
    deadline: Duration,
    root: bool,
    exclusive: bool,
}

impl Command {
    /// A program by name or path, with empty input and a deadline of one minute.
    pub fn new(program: impl Into<String>) -> Self {
        let program = program.into();
        Self {
            what: format!("`{program}`"),
            words: vec![program],
            stdin: Vec::new(),
            deadline: Duration::from_secs(60),
            root: false,
            exclusive: false,
        }
    }

    /// A POSIX shell script, which stops at its first failing command (`sh -eu`). `what` says what
    /// it does, in messages: `updating the system's roots`. Arguments become `$1`, `$2`, …
    pub fn script(what: impl Into<String>, text: impl Into<String>) -> Self {
        let script = Self::new("sh").args(["-euc".into(), text.into(), "sh".into()]);
        Self { what: what.into(), ..script }
    }

    /// A script, run as root, that changes the machine: it waits for every other one to end, at
    /// most for a minute before its own deadline begins. One that goes on after skep was killed is
    /// waited for, too.
    ///
    /// It keeps file descriptor 9 for the lock: what is to outlive the script is started with
    /// `9>&-`.
    pub fn exclusive(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { exclusive: true, ..Self::script(what, text).as_root() }
    }

    /// An exclusive script that installs packages: its function `steadily` runs a command to its end
    /// whether or not anyone reads its output any more. Packages that were cut off in the middle are
    /// completed first.
    pub fn packages(what: impl Into<String>, text: &str) -> Self {
        Self::exclusive(what, format!("{}{text}", exclusive::STEADILY))
    }

    /// Adds an argument, passed on exactly as it is.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.words.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.words.extend(args.into_iter().map(Into::into));
        self
    }

    /// Feeds the command's standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets how long the command may take. The machine ends it soon after that by itself, also
    /// when no client waits for it any longer.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it as root, through `sudo -n` if the login is not root's.
    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.root = true;
        self
    }

    /// What it does, in messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.stdin
    }

    /// How long it may take, waiting for the lock included.
    pub(crate) fn time(&self) -> Duration {
        if self.exclusive { self.deadline + exclusive::WAIT } else { self.deadline }
    }

    /// The line given to the login shell of `user`.
    ///
    /// An SSH connection cannot end what it started, so `timeout` does. The shell stays to turn
    /// a signal's end into a status (128 + the signal): a session that ends without a status is
    /// then a broken connection and nothing else.
    ///
    /// Older busyboxes have a `timeout` that kills at once and knows no `-k`. skep's own guest has
    /// not, and is not asked.
    pub(crate) fn line(&self, user: &str) -> String {
        let sudo = if self.root && user != "root" { "sudo -n " } else { "" };
        let seconds = self.time().as_secs() + GRACE;
        let mut words: Vec<String> = self.words.iter().map(|word| quote(word)).collect();
        if let Some(script) = words.get_mut(SCRIPT).filter(|_| self.exclusive) {
            *script = quote(&format!("{}{}", exclusive::LOCK, self.words[SCRIPT]));
        }
        let words = words.join(" ");
        format!(
            "t='timeout -k {GRACE}'; [ -d /var/lib/skep/seed ] || $t 9 true >/dev/null 2>&1 || \
             t=timeout; {sudo}$t {seconds} {words}; exit $?"
        )
    }
}

/// Quotes a word for a POSIX shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skep_process::Program;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn a_line_says_who_and_how_long() {
        const HEAD: &str = "t='timeout -k 5'; [ -d /var/lib/skep/seed ] || $t 9 true >/dev/null 2>&1 || \
            t=timeout; ";
        let line = |command: &Command, user| {
            let line = command.line(user);
            line.strip_prefix(HEAD).map(str::to_owned).unwrap_or(line)
        };
        let command = Command::new("id").arg("a b").deadline(Duration::from_secs(7));
        assert_eq!(line(&command, "docker"), "$t 12 id 'a b'; exit $?");
        let command = command.as_root();
        assert_eq!(line(&command, "docker"), "sudo -n $t 12 id 'a b'; exit $?");
        assert_eq!(line(&command, "root"), "$t 12 id 'a b'; exit $?");
        let script = Command::script("greeting", "echo $1").arg("it's");
        assert_eq!(line(&script, "root"), r"$t 65 sh -euc 'echo $1' sh 'it'\''s'; exit $?");
        assert_eq!(script.what(), "greeting");
    }

    /// A stand-in for a busybox of before 2021.
    #[tokio::test]
    async fn a_timeout_that_knows_no_second_signal_will_do() {
        let home = tempfile::tempdir().unwrap();
        let old = home.path().join("timeout");
        let text = "#!/bin/sh\ncase $1 in -*) echo usage; exit 1 ;; esac\nshift\nexec \"$@\"\n";
        std::fs::write(&old, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&old, mode).unwrap();
        let line = Command::script("leaving", "echo here; exit 7").line("root");
        let path = format!("{}:/usr/bin:/bin", home.path().display());
        let program = Program::new("sh").arg("-c").arg(line).env("PATH", path);
        let (status, output) = program.run_any(&CancellationToken::new()).await.unwrap();
        assert_eq!((status.code(), output.text().as_str()), (Some(7), "here"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever the words, a shell gives the program exactly these.
        #[test]
        fn a_shell_undoes_the_quoting(words in prop::collection::vec("[^\0]{0,12}", 1..4)) {
            let line = Command::new("printf").arg("%s\\0").args(words.clone()).line("root");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let program = Program::new("sh").arg("-c").arg(line);
            let output = runtime.block_on(program.run(&CancellationToken::new())).unwrap();
            let expected: Vec<u8> =
                words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(output.stdout, expected);
        }
    }
}
