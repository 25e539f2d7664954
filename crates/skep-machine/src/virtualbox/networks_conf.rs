//! Which addresses VirtualBox lets host-only interfaces have.
//!
//! Since 6.1.28, on Linux, macOS and Solaris: those in 192.168.56.0/21, or those that
//! `/etc/vbox/networks.conf` names instead. A line is an asterisk and networks in CIDR notation;
//! `#` begins a comment. VirtualBox reads the file each time an address is set.

use std::{
    io,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;

/// What is allowed where there is no file.
const DEFAULT: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, 56, 0), 21);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    path: PathBuf,
    networks: Vec<Ipv4Net>,
    is_written: bool,
}

impl Allowed {
    /// Reads the file under a host's root directory.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let path = root.join("etc/vbox/networks.conf");
        match skep_read::text(&path, skep_read::limit::SYSTEM) {
            Ok(text) => Ok(Self { path, networks: parse(&text), is_written: true }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, networks: vec![DEFAULT], is_written: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an interface may have the addresses of a network.
    pub(super) fn has(&self, network: Ipv4Net) -> bool {
        self.networks.iter().any(|allowed| allowed.contains(&network))
    }

    pub(super) fn fix(&self, network: Ipv4Net) -> String {
        let (path, network) = (self.path.display(), network.trunc());
        if self.is_written {
            return format!(
                "add the line `* {network}` to {path}: `echo '* {network}' | sudo tee -a {path}`"
            );
        }
        // The file takes the place of what is allowed without it.
        format!(
            "add the line `* {network}` to {path}, which is not there yet and then has to name \
             {DEFAULT} as well: `sudo mkdir -p /etc/vbox && echo '* {DEFAULT} {network}' | sudo \
             tee {path}`"
        )
    }

    pub(super) fn describe(&self) -> String {
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        match (networks.is_empty(), self.is_written) {
            (true, _) => {
                format!("nothing: {} has no line that begins with `*`", self.path.display())
            }
            (false, true) => format!("{} ({})", networks.join(" "), self.path.display()),
            (false, false) => format!("{} (VirtualBox's own rule)", networks.join(" ")),
        }
    }
}

/// The IPv4 networks of a networks.conf. Those of IPv6, and what is no network, are passed over.
fn parse(text: &str) -> Vec<Ipv4Net> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('*'));
    let words = lines.flat_map(|line| line.split('#').next().unwrap_or("").split([' ', '\t', ',']));
    words.filter_map(|word| word.trim().parse::<Ipv4Net>().ok()).map(|net| net.trunc()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn allowed(text: Option<&str>) -> Allowed {
        let root = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            let directory = root.path().join("etc/vbox");
            fs_err::create_dir_all(&directory).unwrap();
            fs_err::write(directory.join("networks.conf"), text).unwrap();
        }
        Allowed { path: "/etc/vbox/networks.conf".into(), ..Allowed::read(root.path()).unwrap() }
    }

    #[test]
    fn without_a_file_there_is_a_rule() {
        let allowed = allowed(None);
        assert!(allowed.has(net("192.168.56.0/24")) && allowed.has(net("192.168.63.0/24")));
        assert!(!allowed.has(net("192.168.99.0/24")) && !allowed.has(net("192.168.64.0/24")));
        insta::assert_snapshot!(allowed.fix(net("192.168.99.1/24")), @"add the line `* 192.168.99.0/24` to /etc/vbox/networks.conf, which is not there yet and then has to name 192.168.56.0/21 as well: `sudo mkdir -p /etc/vbox && echo '* 192.168.56.0/21 192.168.99.0/24' | sudo tee /etc/vbox/networks.conf`");
    }

    #[test]
    fn a_file_takes_the_rules_place() {
        let allowed = allowed(Some("# ours\n* 192.168.99.0/24 10.0.0.0/8\n  * 2001::/64\n"));
        assert!(allowed.has(net("192.168.99.0/24")) && allowed.has(net("10.1.0.0/16")));
        assert!(!allowed.has(net("192.168.56.0/24")), "the rule is gone with a file");
        assert!(!allowed.has(net("192.168.98.0/23")), "only a part of it is allowed");
        assert_eq!(
            allowed.fix(net("192.168.56.0/24")),
            "add the line `* 192.168.56.0/24` to /etc/vbox/networks.conf: `echo '* 192.168.56.0/24' \
             | sudo tee -a /etc/vbox/networks.conf`"
        );
        assert_eq!(allowed.describe(), "192.168.99.0/24 10.0.0.0/8 (/etc/vbox/networks.conf)");
    }

    #[test]
    fn a_line_without_an_asterisk_allows_nothing() {
        let allowed = allowed(Some("192.168.99.0/24\n"));
        assert!(!allowed.has(net("192.168.99.0/24")));
        assert!(allowed.describe().starts_with("nothing: "));
        assert!(self::allowed(Some("* 0.0.0.0/0 ::/0")).has(net("192.168.99.0/24")));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\*|\\PC|\n| |192.168.99.0/24){0,60}") {
            let _ = parse(&text);
        }
    }
}
