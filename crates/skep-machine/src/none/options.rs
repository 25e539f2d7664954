//! An engine's URL, which is all that is known of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::features::{Features, System};

pub(crate) const FEATURES: Features = Features {
    makes_machines: false,
    sizes_disks: false,
    forwards_ports: false,
    system: System::Nothing,
};

/// The port of an engine whose URL names none: with TLS, and without.
const PORTS: (u16, u16) = (2376, 2375);

/// How an engine's URL is written.
pub(super) const FORM: &str = "write it as tcp://HOST:PORT";

/// An engine's URL, as it was given: `tcp://192.168.99.100:2376`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineUrl(pub String);

/// Where an engine's URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host: a name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// Whether nothing but plain HTTP is spoken there: `http://`, or the port that is kept for it.
    pub plain: bool,
}

/// A text that is no engine's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no engine's URL: {reason}")]
pub struct UrlError {
    pub url: String,
    pub reason: &'static str,
}

impl EngineUrl {
    /// Where it leads. `tcp://`, `http://` and `https://` are the same way, as for the docker CLI;
    /// a port that is left out is 2376, or 2375 after `http://`.
    ///
    /// # Errors
    /// [`UrlError`]: another scheme, no host, a port that is none, something behind the port.
    pub fn authority(&self) -> Result<Authority, UrlError> {
        let wrong = |reason| UrlError { url: self.0.clone(), reason };
        let (scheme, rest) = self.0.split_once("://").ok_or(wrong("it has no scheme"))?;
        if !["tcp", "http", "https"].contains(&scheme) {
            return Err(wrong("its scheme is neither tcp nor http nor https"));
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) =
                    bracketed.split_once(']').ok_or(wrong("a bracket is not closed"))?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => {
                rest.split_once(':').map_or((rest, Some("")), |(host, port)| (host, Some(port)))
            }
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || !host.chars().all(is_part) {
            return Err(wrong("it names no host"));
        }
        let port = match port.ok_or(wrong("its port is none"))? {
            "" if scheme == "http" => PORTS.1,
            "" => PORTS.0,
            text => {
                text.parse().ok().filter(|&port: &u16| port > 0).ok_or(wrong("its port is none"))?
            }
        };
        let plain = scheme == "http" || (scheme == "tcp" && port == PORTS.1);
        Ok(Authority { host: host.to_owned(), port, plain })
    }

    /// What stands behind the scheme, which is what docker-machine calls the machine's address:
    /// `192.168.99.100:2376`. Of an address of IPv6 it is that alone, as every command takes it.
    pub fn address(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let rest = rest.trim_end_matches('/');
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        bracketed.map_or(rest, |(host, _)| host)
    }
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Authority, UrlError> {
        EngineUrl(text.into()).authority()
    }

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        let led = |text: &str| read(text).map(|found| (found.host, found.port, found.plain));
        assert_eq!(led("tcp://127.0.0.1:23760"), Ok(("127.0.0.1".into(), 23760, false)));
        assert_eq!(led("tcp://build:2376/"), Ok(("build".into(), 2376, false)));
        assert_eq!(led("tcp://build"), Ok(("build".into(), 2376, false)));
        assert_eq!(led("tcp://build:2375"), Ok(("build".into(), 2375, true)));
        assert_eq!(led("http://build"), Ok(("build".into(), 2375, true)));
        assert_eq!(led("https://build:2375"), Ok(("build".into(), 2375, false)));
        assert_eq!(led("tcp://[fd00::2]:2376"), Ok(("fd00::2".into(), 2376, false)));
        assert_eq!(led("tcp://[fd00::2]"), Ok(("fd00::2".into(), 2376, false)));
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_reason() {
        for text in [
            "garbage",
            "",
            "tcp://",
            "tcp://:2376",
            "tcp://host:0",
            "tcp://host:99999",
            "tcp://host:1:2",
            "tcp://host/path",
            "tcp://[fd00::2",
            "tcp://[fd00::2]2376",
            "ftp://host",
            "unix:///run/docker.sock",
            "tcp://a b:1",
        ] {
            read(text).expect_err(text);
        }
    }

    #[test]
    fn the_address_is_what_docker_machine_calls_it() {
        assert_eq!(EngineUrl("tcp://127.0.0.1:1".into()).address(), "127.0.0.1:1");
        assert_eq!(EngineUrl("garbage".into()).address(), "garbage");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", tail in "[\\[\\]:/a0%.]{0,12}") {
            let _ = read(&text);
            let _ = read(&format!("tcp://{tail}"));
        }
    }
}
