//! Whether this host can run virtual machines by itself.
//!
//! That there is a `/dev/kvm` says little: it may be closed to this user, or open and broken, as
//! it is in some virtual machines. So a guest is started for a moment. The processor it is given
//! is the one that machines are given, and what it has to show for itself is the first line of its
//! firmware. The answer is kept in the store until something it depends on changes.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};
use skep_model::Check;
use skep_process::{ProcessError, Program};
use skep_store::StoreError;
use tokio_util::sync::CancellationToken;

use super::{
    Accel,
    arguments::{accelerated, bare_machine},
    failure::{Failure, explain},
    program::ARCHITECTURE,
};

/// The newest schema of `accel.json` that this program knows.
const SCHEMA: u64 = 1;
/// How long a guest may take to its first word.
const DEADLINE: Duration = Duration::from_secs(3);
/// The device of Linux's own virtual machines.
const KVM: &str = "/dev/kvm";

/// The accelerator this host has, if it works.
pub(super) const NATIVE: Accel = if cfg!(target_os = "macos") { Accel::Hvf } else { Accel::Kvm };

/// Whether [`NATIVE`] works here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Native {
    /// It does.
    Works,
    /// It does not.
    Fails {
        /// Why not.
        why: String,
        /// What can be done about it.
        fix: String,
    },
}

/// `accel.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: u64,
    /// What the answer depends on.
    key: String,
    native: Native,
}

impl Native {
    /// What is known from an earlier look, or is found out now.
    pub(super) async fn look(
        record: &Path,
        binary: &Path,
        version: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, ProcessError> {
        let key = key(binary, version);
        match skep_store::read_json::<Record>(record, SCHEMA) {
            Ok(Some(record)) if record.key == key => return Ok(record.native),
            // Whatever it is, it is no answer.
            _ => {}
        }
        probe(binary, cancel).await
    }

    /// Writes the answer down.
    pub(super) fn remember(
        &self,
        record: &Path,
        binary: &Path,
        version: &str,
    ) -> Result<(), StoreError> {
        let key = key(binary, version);
        skep_store::write_json(record, &Record { schema: SCHEMA, key, native: self.clone() })
    }

    /// What machines are run with, if `asked` for that or for whatever works.
    pub(super) fn choose(&self, asked: Option<Accel>) -> Accel {
        asked.unwrap_or(match self {
            Self::Works => NATIVE,
            Self::Fails { .. } => Accel::Tcg,
        })
    }

    /// The check for a preflight.
    pub(super) fn check(&self, asked: Option<Accel>) -> Check {
        const WHAT: &str = "acceleration";
        match (self, asked) {
            (_, Some(Accel::Tcg)) => Check::pass(WHAT, "tcg (emulation), as asked for"),
            (_, Some(other)) if other != NATIVE => {
                let fix = format!("choose --accel {NATIVE}, auto or tcg");
                Check::fail(WHAT, format!("there is no {other} on this system"), fix)
            }
            (Self::Works, _) => Check::pass(WHAT, format!("{NATIVE}; a guest was started with it")),
            (Self::Fails { why, fix }, Some(_)) => {
                Check::fail(WHAT, why, format!("{fix}; or choose --accel tcg"))
            }
            (Self::Fails { why, fix }, None) => {
                Check::warn(WHAT, format!("tcg (emulation), since {why}: slow, but it works"), fix)
            }
        }
    }
}

/// What an answer depends on: QEMU, the device and this user's way to it, the running kernel.
fn key(binary: &Path, version: &str) -> String {
    let stamp = |path: &Path| {
        fs_err::metadata(path).map_or_else(
            |_| String::from("absent"),
            |meta| format!("{}:{}:{:o}:{}", meta.uid(), meta.gid(), meta.mode(), meta.mtime()),
        )
    };
    let boot = skep_read::text("/proc/sys/kernel/random/boot_id", skep_read::limit::SYSTEM)
        .unwrap_or_default();
    let device = fs_err::metadata(KVM).map_or(0, |meta| meta.rdev());
    let parts = [
        format!("{} {version} {}", binary.display(), stamp(binary)),
        format!("{device} {} {}", stamp(Path::new(KVM)), is_open()),
        boot.trim().to_owned(),
    ];
    parts.join("; ")
}

fn is_open() -> bool {
    rustix::fs::access(KVM, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// Starts a guest for a moment.
async fn probe(binary: &Path, cancel: &CancellationToken) -> Result<Native, ProcessError> {
    if NATIVE == Accel::Kvm {
        if !PathBuf::from(KVM).exists() {
            return Ok(Native::Fails {
                why: format!("there is no {KVM}"),
                fix: "`modprobe kvm_intel` or `kvm_amd`; in a virtual machine, have its host \
                      allow nested ones"
                    .into(),
            });
        }
        if !is_open() {
            return Ok(Native::Fails {
                why: format!("this user may not open {KVM}"),
                fix: "`sudo usermod -aG kvm $USER`, then log in again".into(),
            });
        }
    }
    // The first word ends the guest; so does whoever cancels everything.
    let heard = cancel.child_token();
    let mut spoke = false;
    let program = Program::new(binary)
        .args(bare_machine(ARCHITECTURE))
        .args(accelerated(NATIVE))
        .args(first_words(ARCHITECTURE))
        .deadline(DEADLINE);
    let ran = program
        .run_with(&heard, |line| {
            if line.contains("SeaBIOS") {
                spoke = true;
                heard.cancel();
            }
        })
        .await;
    if cancel.is_cancelled() {
        return ran.map(|_| Native::Works);
    }
    let broken = |said: String| Native::Fails {
        why: format!("a guest does not start with {NATIVE} ({said})"),
        fix: "bring kernel and QEMU up to date; in a virtual machine, have its host allow nested \
              ones"
            .into(),
    };
    match ran {
        _ if spoke => Ok(Native::Works),
        // Firmware of other architectures has nothing to say; not to have ended is enough.
        Err(ProcessError::Deadline { .. }) if first_words(ARCHITECTURE).is_empty() => {
            Ok(Native::Works)
        }
        Err(ProcessError::Failed { stderr, .. }) => Ok(broken(match explain(&stderr) {
            Failure::Other(_) => first_complaint(&stderr),
            failure => format!("{failure:?}"),
        })),
        Err(ProcessError::Deadline { .. }) => Ok(broken("it says nothing".into())),
        Ok(_) => Ok(broken("it ended at once".into())),
        Err(error) => Err(error),
    }
}

/// The firmware of PCs speaks to a port of its own.
fn first_words(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "x86_64" => &[
            "-chardev",
            "stdio,id=words,signal=off",
            "-device",
            "isa-debugcon,iobase=0x402,chardev=words",
        ],
        _ => &[],
    }
}

/// What QEMU complained about first, without its own name.
fn first_complaint(stderr: &str) -> String {
    let complaint = stderr.lines().find(|line| !line.contains("warning:")).unwrap_or(stderr);
    complaint.split_once(": ").map_or(complaint, |(_, rest)| rest).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use skep_model::Verdict;

    use super::*;

    fn broken() -> Native {
        Native::Fails { why: "it is broken".into(), fix: "mend it".into() }
    }

    #[test]
    fn what_is_asked_for_is_taken_and_auto_takes_what_works() {
        assert_eq!(Native::Works.choose(None), NATIVE);
        assert_eq!(broken().choose(None), Accel::Tcg);
        assert_eq!(broken().choose(Some(NATIVE)), NATIVE);
        assert_eq!(broken().check(None).verdict, Verdict::Warn);
        let check = broken().check(Some(NATIVE));
        assert_eq!((check.verdict, &*check.found), (Verdict::Fail, "it is broken"));
        assert_eq!(broken().check(Some(Accel::Tcg)).verdict, Verdict::Pass);
        assert_eq!(Native::Works.check(None).verdict, Verdict::Pass);
    }

    #[test]
    fn an_accelerator_of_another_system_is_refused() {
        let foreign = if NATIVE == Accel::Kvm { Accel::Hvf } else { Accel::Kvm };
        assert_eq!(Native::Works.check(Some(foreign)).verdict, Verdict::Fail);
    }

    fn script(home: &Path, text: &str) -> PathBuf {
        let path = home.join("qemu");
        fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// On hosts without an open `/dev/kvm` the answer is known without a guest.
    async fn answer(text: &str) -> Option<Native> {
        let home = tempfile::tempdir().unwrap();
        let binary = script(home.path(), text);
        let cancel = CancellationToken::new();
        is_open().then_some(())?;
        Some(probe(&binary, &cancel).await.unwrap())
    }

    #[tokio::test]
    async fn a_guest_that_speaks_is_proof() {
        let answer = answer("echo 'SeaBIOS (version 1.16.3)'; exec sleep 60").await;
        assert!(answer.is_none_or(|native| native == Native::Works));
    }

    #[tokio::test]
    async fn a_guest_that_ends_is_none_and_its_complaint_is_kept() {
        let complaint = "echo 'qemu-system-x86_64: error: failed to set MSR 0x10a' >&2; exit 134";
        match answer(complaint).await {
            Some(Native::Fails { why, .. }) => {
                assert!(why.ends_with("(error: failed to set MSR 0x10a)"), "{why}");
            }
            other => assert_eq!(other, None),
        }
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_qemu_changes() {
        let home = tempfile::tempdir().unwrap();
        let (record, binary) = (home.path().join("accel.json"), script(home.path(), "exit 1"));
        let cancel = CancellationToken::new();
        Native::Works.remember(&record, &binary, "10.0.2").unwrap();
        let same = Native::look(&record, &binary, "10.0.2", &cancel).await.unwrap();
        assert_eq!(same, Native::Works);
        let newer = Native::look(&record, &binary, "10.0.3", &cancel).await.unwrap();
        assert_ne!(newer, Native::Works);
    }
}
