//! os-release(5): what the host says it is.

use super::{Distribution, Release};

/// The fields that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    id: String,
    id_like: String,
    pretty_name: String,
    version_codename: String,
    ubuntu_codename: String,
    debian_codename: String,
}

impl OsRelease {
    /// Reads the file's lines `NAME=value`; values may be in single or double quotes.
    pub(super) fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.trim().split_once('=') else { continue };
            let field = match name {
                "ID" => &mut found.id,
                "ID_LIKE" => &mut found.id_like,
                "PRETTY_NAME" => &mut found.pretty_name,
                "VERSION_CODENAME" => &mut found.version_codename,
                "UBUNTU_CODENAME" => &mut found.ubuntu_codename,
                "DEBIAN_CODENAME" => &mut found.debian_codename,
                _ => continue,
            };
            *field = unquote(value).to_owned();
        }
        found
    }

    /// The release whose archive the host uses. A derivative that keeps Ubuntu's or Debian's own
    /// archive says which release of it (`UBUNTU_CODENAME`, `DEBIAN_CODENAME`).
    pub(super) fn release(&self) -> Option<Release> {
        let named = |distribution, suite: &str| Release { distribution, suite: suite.to_owned() };
        let like = |id: &str| self.id_like.split_whitespace().any(|word| word == id);
        match self.id.as_str() {
            // Debian's testing and unstable have no code name in every release of base-files.
            "debian" if self.version_codename.is_empty() => {
                Some(named(Distribution::Debian, "sid"))
            }
            "debian" => Some(named(Distribution::Debian, &self.version_codename)),
            "ubuntu" if !self.version_codename.is_empty() => {
                Some(named(Distribution::Ubuntu, &self.version_codename))
            }
            _ if like("ubuntu") && !self.ubuntu_codename.is_empty() => {
                Some(named(Distribution::Ubuntu, &self.ubuntu_codename))
            }
            _ if like("debian") && !self.debian_codename.is_empty() => {
                Some(named(Distribution::Debian, &self.debian_codename))
            }
            _ => None,
        }
    }

    /// The host's name for people.
    pub(super) fn name(&self) -> String {
        let names = [&self.pretty_name, &self.id];
        names.into_iter().find(|name| !name.is_empty()).map_or("unknown".into(), Clone::clone)
    }
}

fn unquote(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn release(text: &str) -> Option<String> {
        OsRelease::parse(text).release().map(|release| release.to_string())
    }

    #[test]
    fn debian_ubuntu_and_what_keeps_their_archives() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(release(debian).unwrap(), "Debian bookworm");
        assert_eq!(
            release("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME='noble'\n").unwrap(),
            "Ubuntu noble"
        );
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n";
        assert_eq!(release(mint).unwrap(), "Ubuntu noble");
        let lmde =
            "ID=linuxmint\nID_LIKE=debian\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm\n";
        assert_eq!(release(lmde).unwrap(), "Debian bookworm");
    }

    #[test]
    fn others_are_named() {
        let fedora = "NAME=\"Fedora Linux\"\nID=fedora\nPRETTY_NAME=\"Fedora Linux 42\"\n";
        assert_eq!(release(fedora), None);
        assert_eq!(OsRelease::parse(fedora).name(), "Fedora Linux 42");
        assert_eq!(release("ID=raspbian\nID_LIKE=debian\nVERSION_CODENAME=bookworm\n"), None);
        assert_eq!(OsRelease::parse("").name(), "unknown");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            OsRelease::parse(&text).release();
        }
    }
}
