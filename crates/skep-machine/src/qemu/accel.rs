//! Whether this host can run virtual machines by itself.
//!
//! That there is a `/dev/kvm` says little: it may be closed to this user, or open and broken, as
//! it is in some virtual machines, where even a guest whose firmware comes up may have a kernel
//! that does not. So what counts is that the kernel which machines run comes up (`trial`). That
//! takes a guest system, and a while where nothing comes: before there is one, or before it is
//! needed, the first line of a firmware has to do. The answer is kept in the store until something
//! it depends on changes.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};
use skep_model::Check;
use skep_os::VmImage;
use skep_process::ProcessError;
use skep_store::StoreError;
use tokio_util::sync::CancellationToken;

use super::{
    Accel,
    trial::{self, Outcome},
};
use crate::host::HostRoot;

/// The newest schema of `accel.json` that this program knows.
const SCHEMA: u64 = 2;
/// The device of Linux's own virtual machines.
const KVM: &str = "/dev/kvm";

/// The accelerator this host has, if it works.
pub(super) const NATIVE: Accel = if cfg!(target_os = "macos") { Accel::Hvf } else { Accel::Kvm };

/// Whether [`NATIVE`] works here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Native {
    /// It does: the kernel that machines run came up.
    Works,
    /// A guest's firmware came up. A kernel was not tried yet.
    Untried,
    /// It does not; `fix` is what can be done about it.
    Fails { why: String, fix: String },
}

/// A host with its QEMU, and where what is known about them is kept.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) root: &'a HostRoot,
    /// `accel.json`.
    pub(super) record: PathBuf,
    pub(super) binary: &'a Path,
    pub(super) version: &'a str,
}

/// `accel.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: u64,
    /// What all answers depend on.
    key: String,
    /// The answers, by guest system: a machine keeps the one it was made with.
    guests: BTreeMap<String, Native>,
}

impl Host<'_> {
    /// What is known of a guest's kernel from an earlier trial.
    pub(super) fn known(&self, guest: &VmImage) -> Option<Native> {
        self.read()?.guests.remove(&name(guest))
    }

    pub(super) async fn try_kernel(
        &self,
        guest: &VmImage,
        cancel: &CancellationToken,
    ) -> Result<Native, ProcessError> {
        Ok(match trial::kernel(self.binary, NATIVE, guest, cancel).await? {
            Outcome::Good => Native::Works,
            Outcome::Bad(said) => {
                broken(format!("a guest's kernel does not come up with {NATIVE} ({said})"))
            }
        })
    }

    pub(super) async fn try_firmware(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Native, ProcessError> {
        Ok(match trial::firmware(self.binary, NATIVE, cancel).await? {
            Outcome::Good => Native::Untried,
            Outcome::Bad(said) => broken(format!("a guest does not start with {NATIVE} ({said})")),
        })
    }

    /// Writes down how a trial of a guest's kernel ended.
    pub(super) fn remember(&self, guest: &VmImage, native: &Native) -> Result<(), StoreError> {
        let key = self.key();
        let mut record =
            self.read().unwrap_or(Record { schema: SCHEMA, key, guests: BTreeMap::new() });
        record.guests.insert(name(guest), native.clone());
        skep_store::write_json(&self.record, &record)
    }

    /// What is known. Anything that cannot be read, or was true of something else, is nothing.
    fn read(&self) -> Option<Record> {
        let record = skep_store::read_json::<Record>(&self.record, SCHEMA).ok().flatten()?;
        (record.key == self.key()).then_some(record)
    }

    /// What every answer depends on: QEMU, the device and this user's way to it, the running kernel.
    fn key(&self) -> String {
        let boot = self.root.text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let kvm = self.root.path(KVM);
        let device = fs_err::metadata(&kvm).map_or(0, |meta| meta.rdev());
        let parts = [
            format!("{} {} {}", self.binary.display(), self.version, stamp(self.binary)),
            format!("{device} {} {}", stamp(&kvm), is_open(&kvm)),
            boot.trim().to_owned(),
        ];
        parts.join("; ")
    }
}

impl Native {
    /// What machines are run with, if `asked` for that or for whatever works.
    pub(super) fn choose(&self, asked: Option<Accel>) -> Accel {
        asked.unwrap_or(match self {
            Self::Works => NATIVE,
            Self::Untried | Self::Fails { .. } => Accel::Tcg,
        })
    }

    pub(super) fn check(&self, asked: Option<Accel>) -> Check {
        const WHAT: &str = "acceleration";
        match (self, asked) {
            (_, Some(Accel::Tcg)) => Check::pass(WHAT, "tcg (emulation), as asked for"),
            (_, Some(other)) if other != NATIVE => {
                let fix = format!("choose --accel {NATIVE}, auto or tcg");
                Check::fail(WHAT, format!("there is no {other} on this system"), fix)
            }
            (Self::Works, _) => Check::pass(WHAT, format!("{NATIVE}; a guest's kernel came up")),
            (Self::Untried, _) => Check::pass(
                WHAT,
                format!(
                    "{NATIVE}; a guest's firmware started. Its kernel is tried before the first \
                     machine is made"
                ),
            ),
            (Self::Fails { why, fix }, Some(_)) => {
                Check::fail(WHAT, why, format!("{fix}; or choose --accel tcg"))
            }
            (Self::Fails { why, fix }, None) => Check::warn(
                WHAT,
                format!("tcg (emulation), since {why}: slow, but it works"),
                fix.clone(),
            ),
        }
    }
}

/// What distinguishes a guest system from all others, and from one that was built anew under its
/// digest with a later kernel.
fn name(guest: &VmImage) -> String {
    let [kernel, initramfs] = [&guest.kernel, &guest.initramfs].map(|path| stamp(path));
    format!("{} {} {kernel} {initramfs}", guest.digest, guest.kernel_release)
}

fn stamp(path: &Path) -> String {
    fs_err::metadata(path).map_or_else(
        |_| String::from("absent"),
        |meta| format!("{}:{}:{:o}:{}", meta.uid(), meta.gid(), meta.mode(), meta.mtime()),
    )
}

fn is_open(kvm: &Path) -> bool {
    rustix::fs::access(kvm, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// There is no way to the accelerator, for which no guest needs to be started.
pub(super) fn closed(host: &HostRoot) -> Option<Native> {
    let kvm = host.path(KVM);
    if NATIVE != Accel::Kvm || is_open(&kvm) {
        return None;
    }
    let (why, fix) = if kvm.exists() {
        let fix = "`sudo usermod -aG kvm $USER`, then log in again";
        (format!("this user may not open {KVM}"), fix)
    } else {
        let fix = "`modprobe kvm_intel` or `kvm_amd`; in a virtual machine, have its host allow \
                   nested ones";
        (format!("there is no {KVM}"), fix)
    };
    Some(Native::Fails { why, fix: fix.into() })
}

fn broken(why: String) -> Native {
    let fix = "bring kernel and QEMU up to date; in a virtual machine, have its host allow nested \
               ones";
    Native::Fails { why, fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use skep_model::Verdict;

    use super::*;

    fn fails() -> Native {
        Native::Fails { why: "it is broken".into(), fix: "mend it".into() }
    }

    #[test]
    fn what_is_asked_for_is_taken_and_auto_takes_what_works() {
        assert_eq!(Native::Works.choose(None), NATIVE);
        assert_eq!(fails().choose(None), Accel::Tcg);
        assert_eq!(fails().choose(Some(NATIVE)), NATIVE);
        assert_eq!(fails().check(None).verdict, Verdict::Warn);
        let check = fails().check(Some(NATIVE));
        assert_eq!((check.verdict, &*check.found), (Verdict::Fail, "it is broken"));
        assert_eq!(fails().check(Some(Accel::Tcg)).verdict, Verdict::Pass);
        assert_eq!(Native::Works.check(None).verdict, Verdict::Pass);
    }

    #[test]
    fn a_firmware_is_no_proof_of_a_kernel_and_nobody_says_so() {
        assert_eq!(Native::Untried.choose(None), Accel::Tcg);
        let check = Native::Untried.check(None);
        assert_eq!(check.verdict, Verdict::Pass);
        assert!(check.found.contains("Its kernel is tried"), "{}", check.found);
    }

    #[test]
    fn the_device_is_looked_for_below_the_hosts_root() {
        let root = tempfile::tempdir().unwrap();
        let host = HostRoot::new(root.path());
        let why = || match closed(&host) {
            Some(Native::Fails { why, .. }) => why,
            other => format!("{other:?}"),
        };
        if NATIVE == Accel::Kvm {
            assert_eq!(why(), "there is no /dev/kvm");
            fs_err::create_dir(host.path("/dev")).unwrap();
            fs_err::write(host.path("/dev/kvm"), "").unwrap();
            assert_eq!(why(), "None");
        }
    }

    #[test]
    fn an_accelerator_of_another_system_is_refused() {
        let foreign = if NATIVE == Accel::Kvm { Accel::Hvf } else { Accel::Kvm };
        assert_eq!(Native::Works.check(Some(foreign)).verdict, Verdict::Fail);
    }

    fn guest(home: &Path, digest: &str) -> VmImage {
        let [kernel, initramfs, base] = ["kernel", "initramfs", "base"].map(|name| home.join(name));
        VmImage {
            kernel,
            initramfs,
            base,
            digest: digest.into(),
            size: 0,
            release: "Debian trixie".into(),
            architecture: "amd64".into(),
            kernel_release: "6.12.107+deb13-cloud-amd64".into(),
            engine: None,
            built: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_answer_is_kept_until_what_it_depends_on_changes() {
        let home = tempfile::tempdir().unwrap();
        let (binary, record) = (home.path().join("qemu"), home.path().join("accel.json"));
        let root = &HostRoot::new(home.path());
        let host = Host { root, record: record.clone(), binary: &binary, version: "10.0.2" };
        let (one, other) = (guest(home.path(), "1"), guest(home.path(), "2"));
        assert_eq!(host.known(&one), None);
        host.remember(&one, &Native::Works).unwrap();
        host.remember(&other, &fails()).unwrap();
        // Each guest system has an answer of its own.
        assert_eq!(host.known(&one), Some(Native::Works));
        assert_eq!(host.known(&other), Some(fails()));

        let newer = Host { root, record: record.clone(), binary: &binary, version: "10.0.3" };
        assert_eq!(newer.known(&one), None);
        let later = VmImage { kernel_release: "6.12.108".into(), ..one.clone() };
        assert_eq!(host.known(&later), None);
        fs_err::write(&one.kernel, "built anew").unwrap();
        assert_eq!(host.known(&one), None);

        // What an earlier skep has written was found out with a firmware.
        let earlier = serde_json::json!({ "schema": 1, "key": host.key(), "native": "works" });
        fs_err::write(&record, earlier.to_string()).unwrap();
        assert_eq!(host.known(&one), None);
        host.remember(&one, &Native::Works).unwrap();
        assert_eq!(host.known(&one), Some(Native::Works));
    }
}
