//! Which QEMU there is, and what it can do.

use std::path::{Path, PathBuf};

use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

/// The oldest QEMU that is tried: the one of Ubuntu 22.04.
pub(super) const OLDEST: (u32, u32) = (6, 2);

/// The architecture of this host and so of its machines, in Rust's words.
pub(super) const ARCHITECTURE: &str = std::env::consts::ARCH;

pub(super) fn usual() -> PathBuf {
    format!("qemu-system-{ARCHITECTURE}").into()
}

pub(super) fn how_to_install() -> String {
    let package = if ARCHITECTURE == "aarch64" { "qemu-system-arm" } else { "qemu-system-x86" };
    format!("`apt-get install --no-install-recommends {package}`, or name one with --qemu-binary")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Qemu {
    /// Its version, as it prints it: `10.0.2`.
    pub(super) version: String,
    /// The kinds of network it has.
    pub(super) netdevs: Vec<String>,
}

impl Qemu {
    /// Asks the program itself.
    pub(super) async fn ask(
        binary: &Path,
        cancel: &CancellationToken,
    ) -> Result<Self, ProcessError> {
        let version = Program::new(binary).arg("-version").run(cancel).await?.text();
        let netdevs = Program::new(binary).args(["-netdev", "help"]).run(cancel).await?.text();
        Ok(Self {
            version: parse_version(&version).unwrap_or_default().to_owned(),
            netdevs: parse_netdevs(&netdevs),
        })
    }

    /// Whether it is at least [`OLDEST`]; one whose version cannot be read is given a chance.
    pub(super) fn is_new_enough(&self) -> bool {
        let mut numbers = self.version.split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => (major, minor) >= OLDEST,
            _ => true,
        }
    }

    /// Those kinds of network among `needed` that it has not.
    pub(super) fn lacks<'a>(&self, needed: &[&'a str]) -> Vec<&'a str> {
        let has = |name: &&str| self.netdevs.iter().any(|other| other == name);
        needed.iter().copied().filter(|name| !has(name)).collect()
    }
}

/// `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`.
fn parse_version(text: &str) -> Option<&str> {
    let after = text.split_once("version ")?.1;
    after.split(|c: char| !c.is_ascii_digit() && c != '.').next().filter(|text| !text.is_empty())
}

/// A heading and one name a line.
fn parse_netdevs(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.contains(' ')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu(version: &str) -> Qemu {
        Qemu { version: version.into(), netdevs: vec!["socket".into(), "user".into()] }
    }

    #[test]
    fn a_version_is_read_from_what_distributions_print() {
        let version = |text| parse_version(text).unwrap();
        let debian =
            "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright";
        assert_eq!(version(debian), "10.0.2");
        assert_eq!(version("QEMU emulator version 9.1.50 (v9.1.0-1234-gdeadbeef-dirty)"), "9.1.50");
        assert_eq!(version("QEMU emulator version 8.2.2\n"), "8.2.2");
        assert_eq!(parse_version("bash: no such thing"), None);
    }

    #[test]
    fn an_old_one_is_too_old() {
        assert!(qemu("6.2.0").is_new_enough() && qemu("10.0.2").is_new_enough());
        assert!(!qemu("6.1.99").is_new_enough() && !qemu("5.2.0").is_new_enough());
        assert!(qemu("").is_new_enough());
    }

    #[test]
    fn networks_that_are_missing_are_named() {
        let text = "Available netdev backend types:\nsocket\nstream\nhubport\ntap\nl2tpv3\n";
        let netdevs = parse_netdevs(text);
        assert_eq!(netdevs, ["socket", "stream", "hubport", "tap", "l2tpv3"]);
        let qemu = Qemu { version: "10.0.2".into(), netdevs };
        assert_eq!(qemu.lacks(&["user", "socket"]), ["user"]);
    }
}
