//! A guest that is started for a moment, to see whether an accelerator carries it.
//!
//! It has no disk, no network and no name, and what it is made of is only read. What it is judged
//! by is a line that only comes when all before it went well: the firmware's first, or what a
//! guest's first program says where it finds no disk, which is after its kernel has come up.

use std::{path::Path, time::Duration};

use skep_os::{VmImage, vm};
use skep_process::{ProcessError, Program};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Accel,
    arguments::{accelerated, bare_machine, serial_port},
    failure::accelerator_gave_up,
    program::ARCHITECTURE,
};

/// How long a firmware may take to its first word.
const FIRMWARE: Duration = Duration::from_secs(3);
/// How long a kernel that is coming up may say nothing. One that is carried has come up whole in a
/// second, and emulated in three; nowhere on its way is it silent for half of one. On a host as busy
/// as can be it still says something; what does not is not carried.
const SILENCE: Duration = Duration::from_secs(10);
/// How long all of it may take, however much it says: more than emulation takes anywhere.
const WHOLE: Duration = Duration::from_secs(60);
/// The memory it is given: the least that a machine may have.
const MEMORY: &str = "512M";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What was waited for was said.
    Good,
    /// It was not: why, as a sentence in brackets.
    Bad(String),
}

pub(super) async fn firmware(
    binary: &Path,
    accel: Accel,
    cancel: &CancellationToken,
) -> Result<Outcome, ProcessError> {
    // The firmware of PCs speaks to a port of its own. That of other architectures has nothing to
    // say; not to have ended is enough.
    let speaks = ARCHITECTURE == "x86_64";
    let words: &[&str] = if speaks {
        &[
            "-chardev",
            "stdio,id=words,signal=off",
            "-device",
            "isa-debugcon,iobase=0x402,chardev=words",
        ]
    } else {
        &[]
    };
    let program = Program::new(binary)
        .args(bare_machine(ARCHITECTURE))
        .args(accelerated(accel))
        .args(words)
        .deadline(WHOLE);
    let trial = Trial { proof: "SeaBIOS", silence: FIRMWARE, silence_is_good: !speaks };
    trial.run(program, cancel).await
}

/// Starts a guest with the kernel that machines are started with, as they are.
pub(super) async fn kernel(
    binary: &Path,
    accel: Accel,
    guest: &VmImage,
    cancel: &CancellationToken,
) -> Result<Outcome, ProcessError> {
    let trial = Trial { proof: vm::NO_BASE_DISK, silence: SILENCE, silence_is_good: false };
    trial.run(with_kernel(binary, accel, guest), cancel).await
}

fn with_kernel(binary: &Path, accel: Accel, guest: &VmImage) -> Program {
    let console = serial_port(ARCHITECTURE);
    // What it says on its way shows that it is on its way.
    let line = format!("{} loglevel=7", vm::kernel_command_line(console));
    Program::new(binary)
        .args(bare_machine(ARCHITECTURE))
        .args(accelerated(accel))
        .args(["-smp", &accel.usual_cpus().to_string(), "-m", MEMORY])
        .arg("-kernel")
        .arg(&guest.kernel)
        .arg("-initrd")
        .arg(&guest.initramfs)
        .args(["-append", &line])
        .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
        .arg("-no-reboot")
        .deadline(WHOLE)
}

/// The line a guest is to print, and how long it may be silent.
#[derive(Debug, Clone, Copy)]
struct Trial {
    proof: &'static str,
    silence: Duration,
    silence_is_good: bool,
}

impl Trial {
    async fn run(
        self,
        program: Program,
        cancel: &CancellationToken,
    ) -> Result<Outcome, ProcessError> {
        // The proof ends the guest, and so does what shows that there will be none.
        let heard = cancel.child_token();
        let (spoke, mut speaks) = watch::channel(());
        let mut outcome = None;
        let ran = {
            let ran = program.run_with(&heard, |line| {
                spoke.send_replace(());
                if outcome.is_none() {
                    outcome = self.judge(line);
                }
                if outcome.is_some() {
                    heard.cancel();
                }
            });
            tokio::select! {
                ran = ran => Some(ran),
                // What runs is killed when it is let go of.
                () = silent(&mut speaks, self.silence) => None,
            }
        };
        let bad = |said: String| Ok(Outcome::Bad(said));
        match (outcome, ran) {
            (_, Some(Err(error))) if cancel.is_cancelled() => Err(error),
            (Some(outcome), _) => Ok(outcome),
            (None, None) if self.silence_is_good => Ok(Outcome::Good),
            (None, None) => bad(format!("it says nothing for {} s", self.silence.as_secs())),
            (None, Some(Ok(_))) => bad("it ended at once".into()),
            (None, Some(Err(ProcessError::Failed { status, stderr, .. }))) => {
                bad(first_complaint(&stderr).unwrap_or_else(|| format!("QEMU ended with {status}")))
            }
            (None, Some(Err(ProcessError::Deadline { deadline, .. }))) => {
                bad(format!("it is not done after {} s", deadline.as_secs()))
            }
            (None, Some(Err(error))) => Err(error),
        }
    }

    /// What a line proves, if anything.
    fn judge(self, line: &str) -> Option<Outcome> {
        if line.contains(self.proof) {
            return Some(Outcome::Good);
        }
        // A kernel's line begins with the time.
        let text = line.split_once("] ").map_or(line, |(_, text)| text).trim();
        let is_end = text.starts_with("Kernel panic") || accelerator_gave_up(text);
        is_end.then(|| Outcome::Bad(text.to_owned()))
    }
}

/// Waits until nothing has been said for so long.
async fn silent(speaks: &mut watch::Receiver<()>, silence: Duration) {
    while let Ok(Ok(())) = tokio::time::timeout(silence, speaks.changed()).await {}
}

/// What QEMU complained about first, without its own name. Where it said nothing, these are the
/// words of its guest, which begin with the time.
fn first_complaint(stderr: &str) -> Option<String> {
    let is_complaint = |line: &&str| !line.contains("warning:") && !line.starts_with('[');
    let complaint = stderr.lines().find(is_complaint)?;
    let text = complaint.split_once(": ").map_or(complaint, |(_, rest)| rest).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::SystemTime};

    use super::*;

    fn program(home: &Path, text: &str) -> PathBuf {
        let path = home.join("qemu");
        fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// How a trial of a kernel ends with a QEMU that does as this script.
    async fn tried(text: &str) -> Outcome {
        tried_within(SILENCE, text).await
    }

    async fn tried_within(silence: Duration, text: &str) -> Outcome {
        let home = tempfile::tempdir().unwrap();
        let trial = Trial { proof: vm::NO_BASE_DISK, silence, silence_is_good: false };
        let program = Program::new(program(home.path(), text)).deadline(WHOLE);
        trial.run(program, &CancellationToken::new()).await.unwrap()
    }

    fn bad(text: &str) -> Outcome {
        Outcome::Bad(text.into())
    }

    const BOOTS: &str = "echo '[    0.000000] Linux version 6.12.107+deb13-cloud-amd64'";
    const COMES_UP: &str =
        "echo '[    2.127104] skep: there is no base disk: the machine needs its squashfs'";

    #[tokio::test]
    async fn a_kernel_that_comes_up_is_proof_and_is_ended() {
        assert_eq!(tried(&format!("{BOOTS}; {COMES_UP}; exec sleep 60")).await, Outcome::Good);
        assert_eq!(tried(COMES_UP).await, Outcome::Good);
    }

    /// Its process goes on, at full speed: so it is with a kernel whose instructions KVM cannot
    /// execute.
    #[tokio::test]
    async fn a_kernel_that_says_nothing_is_not_waited_for_to_the_end() {
        let silence = Duration::from_secs(1);
        for text in ["while :; do :; done", &format!("{BOOTS}; exec sleep 60")] {
            assert_eq!(tried_within(silence, text).await, bad("it says nothing for 1 s"));
        }
    }

    /// It takes longer than it may be silent, and is never silent for a third of that.
    #[tokio::test]
    async fn a_kernel_that_is_slow_is_on_its_way_as_long_as_it_speaks() {
        let slow = format!("for word in 1 2 3 4 5; do echo $word; sleep 0.5; done; {COMES_UP}");
        assert_eq!(tried_within(Duration::from_secs(2), &slow).await, Outcome::Good);
    }

    #[tokio::test]
    async fn a_kernel_that_dies_is_none_and_its_last_words_are_kept() {
        let panics = "echo '[    0.7] Kernel panic - not syncing: Attempted to kill init!'; \
                      echo '[    0.8] Rebooting.'";
        let said = bad("Kernel panic - not syncing: Attempted to kill init!");
        assert_eq!(tried(&format!("{BOOTS}; {panics}; exec sleep 60")).await, said);
        assert_eq!(tried(BOOTS).await, bad("it ended at once"));
        let killed = format!("{BOOTS}; kill -9 $$");
        assert_eq!(tried(&killed).await, bad("QEMU ended with signal: 9 (SIGKILL)"));
    }

    #[tokio::test]
    async fn an_accelerator_that_gives_up_is_heard_though_its_qemu_goes_on() {
        let text = format!("{BOOTS}; echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60");
        assert_eq!(tried(&text).await, bad("KVM internal error. Suberror: 1"));
        let text = "echo 'qemu-system-x86_64: warning: old' >&2; \
                    echo 'qemu-system-x86_64: error: failed to set MSR 0x10a' >&2; exit 134";
        assert_eq!(tried(text).await, bad("error: failed to set MSR 0x10a"));
    }

    #[tokio::test]
    async fn what_cannot_be_started_and_what_is_cancelled_is_no_answer() {
        let cancel = CancellationToken::new();
        let gone = firmware(Path::new("/no/such/qemu"), Accel::Tcg, &cancel).await;
        assert!(matches!(gone, Err(ProcessError::NotFound { .. })), "{gone:?}");
        cancel.cancel();
        let home = tempfile::tempdir().unwrap();
        let binary = program(home.path(), "exec sleep 60");
        let cancelled = firmware(&binary, Accel::Tcg, &cancel).await;
        assert!(matches!(cancelled, Err(ProcessError::Cancelled { .. })), "{cancelled:?}");
    }

    #[tokio::test]
    async fn a_firmware_that_speaks_is_enough_for_the_firmware() {
        let home = tempfile::tempdir().unwrap();
        let binary = program(home.path(), "echo 'SeaBIOS (version 1.16.3)'; exec sleep 60");
        let cancel = CancellationToken::new();
        assert_eq!(firmware(&binary, Accel::Tcg, &cancel).await.unwrap(), Outcome::Good);
    }

    /// The kernel is tried with what machines are given, but for what is a machine's own.
    #[test]
    fn a_kernel_is_tried_without_disks_networks_and_files() {
        let guest = VmImage {
            kernel: "/os/kernel".into(),
            initramfs: "/os/initramfs".into(),
            base: "/os/base.squashfs".into(),
            digest: "1".into(),
            size: 0,
            release: "Debian trixie".into(),
            architecture: "amd64".into(),
            kernel_release: "6.12".into(),
            engine: None,
            built: SystemTime::UNIX_EPOCH,
        };
        let line = with_kernel(Path::new("qemu"), Accel::Kvm, &guest).command_line();
        for given in
            ["-accel kvm -cpu host -smp 2", "-kernel /os/kernel -initrd /os/initramfs", "panic=-1"]
        {
            assert!(line.contains(given), "{line}");
        }
        for own in ["squashfs", "-netdev", "-blockdev", "-pidfile", "-daemonize", "-name"] {
            assert!(!line.contains(own), "{line}");
        }
    }
}
