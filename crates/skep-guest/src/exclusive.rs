//! One at a time: scripts that change a machine.
//!
//! An SSH connection cannot end what it started, so a script goes on when skep is killed, and the
//! next command would run beside it. Each of them takes one lock in the machine first, and has it
//! until its last process has ended.

use std::time::Duration;

/// How long a script waits for another one. A longer wait (packages being fetched) is reported.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// Comes before an exclusive script.
///
/// With `flock` the lock is an open file, which children inherit: an orphaned
/// `update-ca-certificates` keeps it although its shell is dead. A machine without that program
/// (boot2docker) has a link whose target names the shell that made it, by its number and the time it
/// was started; one whose shell is gone does not count. Neither needs to be given back.
pub(crate) const LOCK: &str = r#"
skep_lock=/run/skep-machine.lock
[ -d "${skep_lock%/*}" ] || skep_lock=/var/run/skep-machine.lock
skep_end=$(($(date +%s) + 55))
skep_wait() {
    if [ "$(date +%s)" -ge "$skep_end" ]; then
        echo "another command of skep is still at work in the machine: try again when it has ended" >&2
        exit 75
    fi
    sleep 0.1 2>/dev/null || sleep 1
}
if command -v flock >/dev/null 2>&1; then
    exec 9>>"$skep_lock"
    until flock -n 9; do skep_wait; done
else
    skep_started() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null || :; }
    until ln -s "$$-$(skep_started $$)" "$skep_lock.link" 2>/dev/null; do
        skep_has=$(readlink "$skep_lock.link" || :)
        if [ -n "$skep_has" ] && [ "$(skep_started "${skep_has%-*}")" != "${skep_has#*-}" ]; then
            # One at a time takes it away, and only what it has seen.
            if mkdir "$skep_lock.break" 2>/dev/null; then
                [ "$(readlink "$skep_lock.link" || :)" != "$skep_has" ] || rm -f "$skep_lock.link"
                rmdir "$skep_lock.break"
            else
                find "$skep_lock.break" -prune -mmin +1 -exec rmdir {} \; 2>/dev/null || :
                skep_wait
            fi
        else
            skep_wait
        fi
    done
fi
"#;

/// A package manager that is cut off in the middle leaves broken packages. So what it prints is
/// read to its end, whether or not a client still reads it.
///
/// What a package starts must not keep the lock.
pub(crate) const STEADILY: &str = r#"
steadily() {
    skep_done=${skep_lock:-/run/skep-machine.lock}.done
    rm -f "$skep_done"
    { "$@" 9>&- 2>&1 && : >"$skep_done"; } | {
        trap '' PIPE
        while IFS= read -r line; do printf '%s\n' "$line" 2>/dev/null || :; done
    }
    [ -e "$skep_done" ]
}
if command -v dpkg >/dev/null && [ -n "$(dpkg --audit 2>/dev/null; ls /var/lib/dpkg/updates 2>/dev/null)" ]; then
    DEBIAN_FRONTEND=noninteractive steadily dpkg --force-confold --configure -a
fi
"#;

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Instant};

    use skep_process::Program;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn lock_below(directory: &Path) -> String {
        let here = directory.join("lock").display().to_string();
        let text = LOCK.replacen("/run/skep-machine.lock", &here, 1);
        assert_ne!(text, LOCK);
        text
    }

    /// A PATH without `flock`, as boot2docker's.
    fn without_flock(directory: &Path) -> String {
        let bin = directory.join("bin");
        std::fs::create_dir(&bin).unwrap();
        for tool in ["cut", "date", "find", "ln", "mkdir", "readlink", "rm", "rmdir", "sh", "sleep"]
        {
            let there = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
            let there = there.into_iter().find(|path| path.exists()).unwrap();
            std::os::unix::fs::symlink(there, bin.join(tool)).unwrap();
        }
        bin.display().to_string()
    }

    async fn run(script: &str, path: &str) -> String {
        let sh = Program::new("sh").args(["-euc", script]).env("PATH", path);
        sh.run(&CancellationToken::new()).await.unwrap().text()
    }

    /// Twenty at once, each of which reads a number, dawdles and writes the next one.
    async fn count(directory: &Path, path: &str) {
        let file = directory.join("count").display().to_string();
        std::fs::write(&file, "0\n").unwrap();
        let text = format!(
            "{}read -r n <{file}; sleep 0.01; echo $((n + 1)) >{file}",
            lock_below(directory)
        );
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (text, path) = (text.clone(), path.to_owned());
            all.spawn(async move { run(&text, &path).await });
        }
        all.join_all().await;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "20\n");
    }

    #[tokio::test]
    async fn nobody_comes_in_between() {
        let home = tempfile::tempdir().unwrap();
        count(home.path(), "/usr/bin:/bin").await;
    }

    #[tokio::test]
    async fn nobody_comes_in_between_without_flock() {
        let home = tempfile::tempdir().unwrap();
        let path = without_flock(home.path());
        // Left behind by a shell that is gone: numbers are not used up that fast.
        std::os::unix::fs::symlink("4194304-1", home.path().join("lock.link")).unwrap();
        count(home.path(), &path).await;
    }

    /// A shell is killed, and what it has started goes on.
    #[tokio::test]
    async fn an_orphan_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let mark = home.path().join("mark").display().to_string();
        let lock = lock_below(home.path());
        let path = "/usr/bin:/bin";
        // The child says when it is there, and is gone after its mark.
        let dies = format!(
            "{lock}(sleep 0.5; echo done >{mark}) >/dev/null 2>&1 & \
             kill -9 $$"
        );
        let sh = Program::new("sh").args(["-euc", &dies]).env("PATH", path);
        let begun = Instant::now();
        sh.run(&CancellationToken::new()).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(450), "its end was waited for");
        assert_eq!(run(&format!("{lock}cat {mark}"), path).await, "done");
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_why() {
        let home = tempfile::tempdir().unwrap();
        let lock = lock_below(home.path());
        let impatient = lock.replace("+ 55", "+ 0");
        let inside = format!("{lock}sh -euc '{}' 9>&-", impatient.replace('\'', r"'\''"));
        let sh = Program::new("sh").args(["-euc", &inside]).env("PATH", "/usr/bin:/bin");
        let (status, output) = sh.run_any(&CancellationToken::new()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(status.code(), Some(75), "{said}");
        assert!(said.contains("another command of skep is still at work"), "{said}");
    }

    /// What reads the output is gone after the first line.
    #[tokio::test]
    async fn packages_are_installed_to_the_end() {
        let home = tempfile::tempdir().unwrap();
        let mark = home.path().join("mark").display().to_string();
        let lock = lock_below(home.path());
        let install = format!(
            "for n in 1 2 3 4 5 6 7 8; do echo $n; done; sleep 0.1; echo last; echo yes >{mark}"
        );
        let text = format!(
            "{{ {lock}{STEADILY}steadily sh -euc '{install}'; echo status $? >{mark}.status; }} | head -n 1"
        );
        assert_eq!(run(&text, "/usr/bin:/bin").await, "1");
        run(&format!("{lock}:"), "/usr/bin:/bin").await;
        assert_eq!(std::fs::read_to_string(&mark).unwrap(), "yes\n");
        let fails =
            format!("{lock}{STEADILY}if steadily false; then echo well; else echo badly; fi");
        assert_eq!(run(&fails, "/usr/bin:/bin").await, "badly");
    }
}
