//! The one list of what a guest is made of, and the digest that identifies a definition.

use sha2::{Digest, Sha256};

use crate::source::{Distribution, Release};

/// Packages every guest has, besides the essential ones and apt.
const PACKAGES: [&str; 10] = [
    "ca-certificates",
    "docker.io",
    "iproute2",
    "iptables",
    "kmod",
    "openssh-server",
    "openssl",
    "procps",
    "runit",
    "sudo",
];

/// Packages that Debian has and Ubuntu does not, or has inside another: the engine's command-line
/// client, and what makes system users without all of systemd.
const DEBIAN_PACKAGES: [&str; 2] = ["docker-cli", "systemd-standalone-sysusers"];

/// Paths dpkg does not unpack: documentation, translations, character sets
/// other than UTF-8, and programs that nothing in a guest
/// starts (the older shims, containerd's own client, the engine's setup without root).
const EXCLUDED: [&str; 12] = [
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/docker.io/contrib/*",
    "/usr/share/bash-completion/*",
    "/usr/lib/*/gconv/*",
    "/usr/bin/containerd-shim",
    "/usr/bin/containerd-shim-runc-v1",
    "/usr/bin/containerd-stress",
    "/usr/bin/ctr",
];

/// Paths dpkg unpacks although they are below an excluded one: licences have to stay.
const INCLUDED: [&str; 1] = ["/usr/share/doc/*/copyright"];

/// A file of skep's own in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestFile {
    /// Where it lies in the guest, absolute.
    pub path: &'static str,
    /// Its mode, as in 0o755.
    pub mode: u32,
    pub content: &'static str,
}

macro_rules! guest_file {
    ($mode:literal, $path:literal, $source:literal) => {
        GuestFile { path: $path, mode: $mode, content: include_str!(concat!("../guest/", $source)) }
    };
}

/// The program, in the guest, that finishes the file system once everything is in place.
pub(crate) const SETUP: &str = "/usr/lib/skep/setup";

const FILES: [GuestFile; 17] = [
    guest_file!(0o755, "/usr/sbin/skep-init", "skep-init"),
    guest_file!(0o755, "/usr/lib/skep/apply-seed", "apply-seed"),
    guest_file!(0o755, "/usr/lib/skep/choose-iptables", "choose-iptables"),
    guest_file!(0o755, "/usr/lib/skep/forward-dns", "forward-dns"),
    guest_file!(0o755, "/usr/lib/skep/setup", "setup"),
    guest_file!(0o755, "/etc/sv/containerd/run", "sv/containerd/run"),
    guest_file!(0o755, "/etc/sv/containerd/log/run", "sv/containerd/log/run"),
    guest_file!(0o644, "/etc/sv/containerd/log/config", "sv/containerd/log/config"),
    guest_file!(0o755, "/etc/sv/docker/run", "sv/docker/run"),
    guest_file!(0o755, "/etc/sv/docker/log/run", "sv/docker/log/run"),
    guest_file!(0o644, "/etc/sv/docker/log/config", "sv/docker/log/config"),
    guest_file!(0o755, "/etc/sv/sshd/run", "sv/sshd/run"),
    guest_file!(0o755, "/etc/sv/sshd/log/run", "sv/sshd/log/run"),
    guest_file!(0o644, "/etc/sv/sshd/log/config", "sv/sshd/log/config"),
    guest_file!(0o644, "/etc/containerd/config.toml", "containerd/config.toml"),
    guest_file!(0o644, "/etc/ssh/sshd_config", "sshd_config"),
    guest_file!(0o440, "/etc/sudoers.d/skep", "sudoers"),
];

/// What a guest is made of, for one release and architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    release: Release,
    architecture: String,
}

impl Definition {
    /// The definition for a release and an architecture (in Debian's words: `amd64`, `arm64`).
    pub fn new(release: Release, architecture: impl Into<String>) -> Self {
        Self { release, architecture: architecture.into() }
    }

    /// The release the guest is built from.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The architecture the guest is built for, in Debian's words.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The packages to install besides the essential ones, sorted.
    pub fn packages(&self) -> Vec<&'static str> {
        let mut packages = PACKAGES.to_vec();
        if self.release.distribution == Distribution::Debian {
            packages.extend(DEBIAN_PACKAGES);
        }
        packages.sort_unstable();
        packages
    }

    /// skep's own files in the guest.
    pub fn files(&self) -> &'static [GuestFile] {
        &FILES
    }

    /// Options of dpkg, one each, as in `dpkg.cfg`.
    pub fn dpkg_options(&self) -> Vec<String> {
        let exclude = EXCLUDED.iter().map(|path| format!("path-exclude={path}"));
        let include = INCLUDED.iter().map(|path| format!("path-include={path}"));
        exclude.chain(include).collect()
    }

    /// The sha256 of everything above, in hex. Where the packages come from is not part of it: two
    /// mirrors of one release give the same guest.
    pub fn digest(&self) -> String {
        let mut parts = vec![self.release.to_string(), self.architecture.clone()];
        parts.extend(self.packages().into_iter().map(Into::into));
        parts.extend(self.dpkg_options().iter().map(ToString::to_string));
        for file in self.files() {
            parts.extend([file.path.into(), format!("{:o}", file.mode), file.content.into()]);
        }
        digest(parts)
    }
}

/// The sha256 of `parts`, each behind its length, so that no two lists give the same bytes.
pub(crate) fn digest<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.as_ref().len() as u64).to_be_bytes());
        hash.update(part.as_ref());
    }
    hex(&hash.finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(suite: &str) -> Release {
        Release { distribution: Distribution::Debian, suite: suite.into() }
    }

    #[test]
    fn the_digest_tells_releases_and_architectures_apart() {
        let trixie = Definition::new(debian("trixie"), "amd64");
        assert_eq!(trixie.digest(), Definition::new(debian("trixie"), "amd64").digest());
        assert_eq!(trixie.digest().len(), 64);
        assert_ne!(trixie.digest(), Definition::new(debian("forky"), "amd64").digest());
        assert_ne!(trixie.digest(), Definition::new(debian("trixie"), "arm64").digest());
        let noble = Release { distribution: Distribution::Ubuntu, suite: "noble".into() };
        assert!(!Definition::new(noble, "amd64").packages().contains(&"docker-cli"));
    }

    #[test]
    fn every_file_is_in_place_and_every_program_runs() {
        let definition = Definition::new(debian("trixie"), "amd64");
        for file in definition.files() {
            assert!(file.path.starts_with('/'), "{}", file.path);
            assert!(file.content.ends_with('\n'), "{}", file.path);
            assert_eq!(
                file.mode & 0o111 != 0,
                file.content.starts_with("#!/bin/sh\n"),
                "{}",
                file.path
            );
        }
        assert!(definition.files().iter().any(|file| file.path == crate::container::ENTRYPOINT));
        assert!(definition.files().iter().any(|file| file.path == SETUP));
    }
}
