//! The driver `qemu`, on this host.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use libtest_mimic::Trial;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use skep_machine::{
    DriverKind, MachineId,
    qemu::{Options, QemuDriver},
};
use skep_os::{Builder, Source};
use skep_store::Layout;
use skep_tests::lab;
use tempfile::TempDir;

use crate::{
    Needs,
    bench::{Bench, World},
    trials,
};

/// How long an emulated machine may take until it can be logged in to, with another one and a
/// compiler beside it.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn terms() -> impl Iterator<Item = Trial> {
    trials("qemu", &[Needs::World, Needs::Guests], |name| {
        // Short, because the paths of sockets are.
        let home = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp").unwrap();
        lab::lend_trials(&home.path().join("store"));
        let guests = || Ok(Builder::new(lab::guest_systems(), Source::detect(Path::new("/"))?));
        let driver = QemuDriver::new(
            "/",
            &Layout::new(home.path().join("store")),
            &home.path().join("run"),
            &name,
            Box::new(guests),
            Options::default(),
        );
        let bench = Bench::new(name, Arc::new(driver)).with_driver(DriverKind::Qemu);
        bench.with_world(Host { home }).with_patience(PATIENCE)
    })
}

/// This host, with a store of this test.
#[derive(Debug)]
struct Host {
    home: TempDir,
}

impl Host {
    /// Every QEMU that was started for the store, whether or not its files are there.
    fn processes(&self) -> Vec<(Pid, Vec<u8>)> {
        let home = self.home.path().as_os_str().as_bytes();
        let entries = fs_err::read_dir("/proc").unwrap().filter_map(Result::ok);
        let found = entries.filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let line = fs_err::read(entry.path().join("cmdline")).ok()?;
            let program = Path::new(OsStr::from_bytes(line.split(|&byte| byte == 0).next()?));
            let is_qemu = program.file_name()?.as_bytes().starts_with(b"qemu-system");
            let is_ours = line.windows(home.len()).any(|window| window == home);
            (is_qemu && is_ours).then_some((pid, line))
        });
        found.collect()
    }

    fn files(&self, id: &MachineId) -> PathBuf {
        let layout = Layout::new(self.home.path().join("store"));
        layout.cluster(&id.cluster).machine(&id.machine).directory().join("qemu")
    }
}

/// Ends a process as a power cut does and waits until it has ended.
fn kill(pid: Pid) {
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    // One that is not there any more has ended.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    let _ = pidfd_send_signal(&process, Signal::KILL);
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap();
    assert_eq!(ended, 1, "process {pid:?} was killed and does not end");
}

impl World for Host {
    /// Its files are removed; its QEMU keeps running, reachable only through its monitor.
    fn lose(&self, id: &MachineId) {
        fs_err::remove_dir_all(self.files(id)).unwrap();
    }

    fn cut_power(&self, id: &MachineId) {
        let files = self.files(id);
        let files = files.as_os_str().as_bytes();
        let of_machine = |line: &[u8]| line.windows(files.len()).any(|window| window == files);
        let mut all = self.processes().into_iter();
        let (pid, _) = all.find(|(_, line)| of_machine(line)).unwrap();
        kill(pid);
    }

    fn clear(&self) {
        self.processes().into_iter().for_each(|(pid, _)| kill(pid));
        lab::keep_trials(&self.home.path().join("store"));
    }
}
