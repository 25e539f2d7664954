//! What a host runs: its distribution, what starts its services, what installs its packages.
//!
//! Source of the names: `/etc/os-release` (os-release(5)), `ID` and `ID_LIKE`.

use std::fmt;

/// A family of distributions that are set up in the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum System {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Fedora, and Red Hat's with their kin.
    Fedora,
    Alpine,
    Suse,
    Arch,
    /// boot2docker, which keeps nothing but `/var/lib/boot2docker` over a restart.
    Boot2docker,
    Skep,
    #[default]
    Other,
}

/// What starts a host's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    Systemd,
    /// OpenRC, as on Alpine.
    Openrc,
    /// runit, as on skep's own guest.
    Runit,
    Sysv,
}

/// What installs a host's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    Apt,
    Dnf,
    Apk,
    Zypper,
    Pacman,
}

/// A host's distribution and release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub system: System,
    /// What it calls itself: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
}

impl Release {
    /// Reads the text of `/etc/os-release`.
    pub fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(name));
            values.next_back().map(unquote).filter(|value| !value.is_empty())
        };
        let id = field("ID=").unwrap_or_default();
        let like = field("ID_LIKE=").unwrap_or_default();
        let mut names = std::iter::once(id.as_str()).chain(like.split_whitespace());
        let system = names.find_map(System::of).unwrap_or(System::Other);
        let name = field("PRETTY_NAME=").or_else(|| field("NAME=")).or(Some(id));
        let name =
            name.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unknown system".into());
        Self { system, name: skep_pki::printable(&name) }
    }
}

impl System {
    /// The family of one name, if it is one of those known here.
    fn of(id: &str) -> Option<Self> {
        Some(match id {
            "debian" | "ubuntu" | "raspbian" => System::Debian,
            "fedora" | "rhel" | "centos" => System::Fedora,
            "alpine" => System::Alpine,
            "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => System::Suse,
            "arch" => System::Arch,
            "boot2docker" => System::Boot2docker,
            _ => return None,
        })
    }

    /// Whether only `/var/lib/boot2docker` is kept, and the engine reads its `profile`.
    pub fn has_profile(self) -> bool {
        matches!(self, System::Boot2docker | System::Skep)
    }
}

impl Init {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "systemd" => Init::Systemd,
            "openrc" => Init::Openrc,
            "runit" => Init::Runit,
            "sysv" => Init::Sysv,
            _ => return None,
        })
    }
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Packages::Apt => "apt-get",
            Packages::Dnf => "dnf",
            Packages::Apk => "apk",
            Packages::Zypper => "zypper",
            Packages::Pacman => "pacman",
        })
    }
}

impl Packages {
    pub(super) fn parse(word: &str) -> Option<Self> {
        let all = [Packages::Apt, Packages::Dnf, Packages::Apk, Packages::Zypper, Packages::Pacman];
        all.into_iter().find(|one| one.to_string() == word)
    }
}

/// A value as a shell would read it: quotes are taken off, `\` keeps the next character.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    let inner = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    let mut text = String::new();
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(character);
            escaped = false;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distributions_are_known_by_their_own_words() {
        let texts = [
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
            "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n",
            "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME=\"Linux Mint 22\"\n",
            "NAME=\"Fedora Linux\"\nVERSION=\"42 (Server Edition)\"\nID=fedora\nVERSION_ID=42\nPRETTY_NAME=\"Fedora Linux 42 (Server Edition)\"\n",
            "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n",
            "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.22.0\nPRETTY_NAME=\"Alpine Linux v3.22\"\n",
            "NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"\n",
            "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n",
            "NAME=Boot2Docker\nVERSION=19.03.12\nID=boot2docker\nID_LIKE=tcl\nVERSION_ID=19.03.12\nPRETTY_NAME=\"Boot2Docker 19.03.12 (TCL 10.1)\"\n",
            "ID=plan9\nNAME='Plan 9 \\'from\\' Bell Labs'\n",
            "",
        ];
        let read = texts.map(|text| {
            let Release { system, name } = Release::parse(text);
            format!("{system:?}: {name}")
        });
        insta::assert_snapshot!(read.join("\n"), @r"
        Debian: Debian GNU/Linux 12 (bookworm)
        Debian: Ubuntu 24.04.1 LTS
        Debian: Linux Mint 22
        Fedora: Fedora Linux 42 (Server Edition)
        Fedora: Rocky Linux 9.4 (Blue Onyx)
        Alpine: Alpine Linux v3.22
        Suse: openSUSE Tumbleweed
        Arch: Arch Linux
        Boot2docker: Boot2Docker 19.03.12 (TCL 10.1)
        Other: Plan 9 'from' Bell Labs
        Other: an unknown system
        ");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(ID=|PRETTY_NAME=|\"|'|\\\\|\n|[a-z ]){0,30}") {
            Release::parse(&text);
        }
    }
}
