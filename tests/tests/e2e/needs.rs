//! What a test needs of the machine it runs on, and what happens where that is missing.

use std::{io::Write as _, os::unix::net::UnixStream};

use libtest_mimic::{Failed, Trial};
use skep_tests::Run;

use crate::{Test, trial};

/// Something a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A Docker Engine of its own.
    Engine,
    /// The docker CLI.
    DockerCli,
    /// QEMU for this machine's own kind of processor.
    Qemu,
    /// A processor as PCs have it, which start from a drive by a BIOS.
    Pc,
    /// A root directory with the real VirtualBox in it.
    VirtualBox,
    /// What it takes to make a root file system of Debian's packages with what this host has.
    Debootstrap,
}

impl Need {
    /// Why it is not met here; `None` if it is.
    fn missing(self) -> Option<&'static str> {
        match self {
            Need::Engine => UnixStream::connect("/var/run/docker.sock")
                .is_err()
                .then_some("no Docker Engine answers at /var/run/docker.sock"),
            Need::DockerCli => {
                (!is_installed("docker")).then_some("the docker CLI is not installed")
            }
            Need::Qemu => (!is_installed(&format!("qemu-system-{}", std::env::consts::ARCH)))
                .then_some("QEMU is not installed"),
            Need::VirtualBox => crate::virtualbox::root()
                .is_none()
                .then_some("SKEP_VIRTUALBOX_ROOT names no root directory with VirtualBox in it"),
            Need::Debootstrap => {
                if !rustix::process::geteuid().is_root() {
                    Some("making a Debian host takes root here")
                } else {
                    (!is_installed("mmdebstrap")).then_some("mmdebstrap is not installed")
                }
            }
            Need::Pc => (std::env::consts::ARCH != "x86_64").then_some("this is not a PC"),
        }
    }
}

fn is_installed(program: &str) -> bool {
    let look = Run::program("sh").args(["-c", "command -v \"$1\"", "sh", program]);
    !look.ends().stdout.is_empty()
}

/// The trials of all tests, and one more that fails if all of them are skipped. Reasons are
/// printed once, by that one.
pub(crate) fn trials(tests: Vec<Test>) -> Vec<Trial> {
    let met: Vec<_> =
        [Need::Engine, Need::DockerCli, Need::Qemu, Need::Pc, Need::Debootstrap, Need::VirtualBox]
            .map(|need| (need, need.missing()))
            .into_iter()
            .collect();
    let reason = |test: &Test| {
        let missing = met.iter().filter(|(need, _)| test.needs.contains(need));
        missing.filter_map(|(_, reason)| *reason).next()
    };
    let reasons: Vec<_> = tests.iter().map(|test| (test.name.clone(), reason(test))).collect();
    let mut trials: Vec<_> = tests
        .into_iter()
        .map(|test| {
            let skipped = reason(&test).is_some();
            trial(test, skipped)
        })
        .collect();
    trials.push(Trial::test("needs::something_runs", move || something_runs(&reasons)));
    trials
}

fn something_runs(reasons: &[(String, Option<&'static str>)]) -> Result<(), Failed> {
    for (name, reason) in reasons {
        if let Some(reason) = reason {
            writeln!(std::io::stderr(), "skipped: {name}: {reason}")?;
        }
    }
    if reasons.iter().all(|(_, reason)| reason.is_some()) {
        return Err("every test was skipped, so nothing was shown".into());
    }
    Ok(())
}
