//! Installs what the project needs on a fresh Debian or Ubuntu with nothing but Rust.
//!
//! Everything is checked first, without a package manager, so that a second run takes a moment
//! and changes nothing. Anything already installed, from whatever source, is left alone.

mod apt;
mod backports;
mod engine;
mod root;
mod tools;

use std::path::Path;

use anyhow::{Result, bail};

pub(crate) use self::tools::Tool;
use crate::run::{Work, find_program};

/// What may be left out.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Leave out a developer tool; the test stages that use it then fail
    #[arg(long, value_name = "TOOL")]
    pub(crate) without: Vec<Tool>,
    /// Leave out what only tests and developers need
    #[arg(long)]
    pub(crate) only_to_run: bool,
}

/// Something the project uses on the host, and the Debian package that has it.
struct Need {
    /// A program's name, or the path of a file.
    what: &'static str,
    package: &'static str,
    /// Whether skep itself needs it to run a cluster, or only tests and building the ISO.
    to_run: bool,
}

const fn to_run(what: &'static str, package: &'static str) -> Need {
    Need { what, package, to_run: true }
}

const fn to_test(what: &'static str, package: &'static str) -> Need {
    Need { what, package, to_run: false }
}

/// QEMU for machines of this host's own architecture: the program, and the package.
const QEMU: Need = if cfg!(target_arch = "aarch64") {
    to_run("qemu-system-aarch64", "qemu-system-arm")
} else {
    to_run("qemu-system-x86_64", "qemu-system-x86")
};

/// Everything the project uses on the host, besides Docker.
const NEEDS: [Need; 22] = [
    to_run("mmdebstrap", "mmdebstrap"),
    to_run("newuidmap", "uidmap"),
    to_run("ssh", "openssh-client"),
    to_run("ssh-keygen", "openssh-client"),
    to_run("iptables", "iptables"),
    to_run("update-ca-certificates", "ca-certificates"),
    to_run("openssl", "openssl"),
    to_run("curl", "curl"),
    // The disks of virtual machines.
    QEMU,
    to_run("sqfstar", "squashfs-tools"),
    to_run("mke2fs", "e2fsprogs"),
    to_run("depmod", "kmod"),
    to_run("xz", "xz-utils"),
    to_run("zstd", "zstd"),
    // Only the program: tests run it as an ordinary user, on loopback.
    to_test("sshd", "openssh-server"),
    to_test("fish", "fish"),
    to_test("zsh", "zsh"),
    to_test("tcsh", "tcsh"),
    to_test("time", "time"),
    // The benchmark's reference is built under fakeroot.
    to_test("fakeroot", "fakeroot"),
    to_test("xorriso", "xorriso"),
    to_test("mformat", "mtools"),
];

/// Packages that make an ISO bootable, on architectures that support it, and test it.
const ISO_NEEDS: [Need; 5] = [
    to_test("grub-mkrescue", "grub-common"),
    to_test("/usr/lib/grub/i386-pc/moddep.lst", "grub-pc-bin"),
    to_test("/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin"),
    to_test("mkfs.vfat", "dosfstools"),
    to_test("/usr/share/OVMF", "ovmf"),
];

/// Installs what is missing, and prints what it did.
pub(crate) async fn perform(work: &Work, options: &Options) -> Result<()> {
    let mut done = Vec::new();
    let mut packages = missing_packages(options, is_here);
    let state = engine::state(work).await?;
    if let engine::State::NotPermitted = state {
        bail!(
            "a Docker Engine is there, but you may not use it\n  \
             fix: sudo usermod -aG docker \"$USER\", then log in again (or: newgrp docker)"
        );
    }
    let engine_missing = find_program("dockerd").is_none();
    if matches!(state, engine::State::Silent) && engine_missing {
        packages.push("docker.io");
    }
    if find_program("docker").is_none() {
        packages.extend(apt::having(work, &["docker-cli"]).await?);
    }
    if !packages.is_empty() {
        apt::install(work, &packages, QEMU.package).await?;
        done.push(format!("installed {}", packages.join(", ")));
    }
    if matches!(state, engine::State::Silent) {
        done.push(engine::start(work).await?);
    }
    if !options.only_to_run {
        for tool in Tool::ALL.into_iter().filter(|tool| !options.without.contains(tool)) {
            done.extend(tool.bring(work).await?);
        }
    }
    if done.is_empty() {
        println!("   nothing to do: everything the project needs is here");
    }
    for line in done {
        println!("   {line}");
    }
    Ok(())
}

/// Whether a program or a file is on this machine.
fn is_here(what: &str) -> bool {
    if what.starts_with('/') { Path::new(what).exists() } else { find_program(what).is_some() }
}

fn missing_packages(options: &Options, there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let iso = ISO_NEEDS.iter().filter(|_| cfg!(target_arch = "x86_64"));
    let needs = NEEDS.iter().chain(iso).filter(|need| need.to_run || !options.only_to_run);
    let mut packages =
        needs.filter(|need| !there(need.what)).map(|need| need.package).collect::<Vec<_>>();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for_and_once() {
        let options = Options::default();
        let without_ssh = |program: &str| !program.starts_with("ssh");
        assert_eq!(missing_packages(&options, without_ssh), ["openssh-client", "openssh-server"]);
        assert_eq!(missing_packages(&options, |_| true), [""; 0]);
    }

    #[test]
    fn who_only_runs_skep_gets_no_shells_and_no_iso() {
        let options = Options { only_to_run: true, ..Options::default() };
        let packages = missing_packages(&options, |_| false);
        assert!(packages.contains(&"mmdebstrap") && packages.contains(&QEMU.package));
        assert!(!packages.contains(&"fish") && !packages.contains(&"grub-common"), "{packages:?}");
    }
}
