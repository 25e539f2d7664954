//! A server's name and port.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::printable;

/// A server as `HOST[:PORT]`: a DNS name, an IPv4 address, or an IPv6 address in brackets.
///
/// It names a directory inside machines and goes into command lines, so that nothing else is
/// accepted: no scheme, no path, no user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Server {
    host: String,
    port: Option<u16>,
}

/// A registry, named as in image references: `registry.example`, `10.0.0.2:5000`,
/// `[fd00::2]:5000`.
pub type Registry = Server;

/// Why a text does not name a server. Each says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    #[error("\"{}\" names no host; write HOST or HOST:PORT", printable(.0))]
    NoHost(String),
    #[error("\"{}\" is an address with more than HOST:PORT; leave out the scheme and the path", printable(.0))]
    Address(String),
    /// An IPv6 address without brackets, or with something wrong inside them.
    #[error("\"{}\" is not HOST:PORT; write an IPv6 address in brackets, as in [fd00::2]:5000", printable(.0))]
    Brackets(String),
    /// The host is not a DNS name.
    #[error("\"{}\" is not a host: a name has only letters, digits, `-`, `_` and dots between them", printable(.0))]
    Host(String),
    #[error("\"{}\" is not a port; it is a number from 1 to 65535", printable(.0))]
    Port(String),
}

impl Server {
    /// The host: a name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is an address, not a name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// The port, if one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `HOST:PORT`, with `default` if no port was given.
    pub fn with_port(&self, default: u16) -> String {
        let server = Server { host: self.host.clone(), port: self.port.or(Some(default)) };
        server.to_string()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        if text.contains('/') {
            return Err(ServerError::Address(text.into()));
        }
        let (host, port) = if let Some(inside) = text.strip_prefix('[') {
            let brackets = || ServerError::Brackets(text.into());
            let (host, rest) = inside.split_once(']').ok_or_else(brackets)?;
            host.parse::<Ipv6Addr>().map_err(|_| brackets())?;
            let port = if rest.is_empty() { None } else { rest.strip_prefix(':') };
            if port.is_none() && !rest.is_empty() {
                return Err(brackets());
            }
            (host, port)
        } else if text.matches(':').count() > 1 {
            return Err(ServerError::Brackets(text.into()));
        } else {
            match text.split_once(':') {
                Some((host, port)) => (check_name(host, text)?, Some(port)),
                None => (check_name(text, text)?, None),
            }
        };
        Ok(Self { host: host.to_owned(), port: port.map(parse_port).transpose()? })
    }
}

impl TryFrom<String> for Server {
    type Error = ServerError;

    fn try_from(text: String) -> Result<Self, ServerError> {
        text.parse()
    }
}

impl From<Server> for String {
    fn from(server: Server) -> Self {
        server.to_string()
    }
}

fn check_name<'a>(host: &'a str, text: &str) -> Result<&'a str, ServerError> {
    if host.is_empty() {
        return Err(ServerError::NoHost(text.into()));
    }
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len())
            && label.chars().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = host.len() <= 253 && host.split('.').all(label);
    if fits { Ok(host) } else { Err(ServerError::Host(host.into())) }
}

fn parse_port(text: &str) -> Result<u16, ServerError> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let port = text.parse().ok().filter(|&port| digits && port != 0);
    port.ok_or_else(|| ServerError::Port(text.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_addresses_and_ports_are_read() {
        for text in ["registry.example", "r:5000", "10.0.0.2:443", "[fd00::2]", "[::1]:5000", "a_b"]
        {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        let server: Server = "[fd00::2]:5000".parse().unwrap();
        assert_eq!((server.host(), server.port()), ("fd00::2", Some(5000)));
        assert_eq!("r".parse::<Server>().unwrap().with_port(443), "r:443");
        assert_eq!("r:1".parse::<Server>().unwrap().with_port(443), "r:1");
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let error = |text: &str| text.parse::<Server>().unwrap_err();
        for text in ["https://r", "https://hub", "r/library", "../../etc", "/", "r:5000/v2/"] {
            assert!(matches!(error(text), ServerError::Address(_)), "{text}");
        }
        for text in ["", ":5000"] {
            assert!(matches!(error(text), ServerError::NoHost(_)), "{text}");
        }
        for text in [".", "..", "..:1", "-r", "r-", "a..b", "a b", "me@r", "r\n", "räst", "r."] {
            assert!(matches!(error(text), ServerError::Host(_)), "{text}");
        }
        for text in ["fd00::2", "[fd00::2", "[r]", "[]", "[::1]x", "[::1%eth0]", "a:1:2"] {
            assert!(matches!(error(text), ServerError::Brackets(_)), "{text}");
        }
        for text in ["r:", "r:0", "r:65536", "hub:99999", "r:+1", "r:x", "[::1]:"] {
            assert!(matches!(error(text), ServerError::Port(_)), "{text}");
        }
    }

    proptest! {
        /// What is accepted is one harmless path component, and reads back as the same server.
        #[test]
        fn what_is_accepted_is_a_plain_name(text in "[a-z0-9.:/_\\[\\]-]{0,12}|\\PC{0,6}|(?s).{0,6}") {
            if let Ok(server) = text.parse::<Server>() {
                let shown = server.to_string();
                prop_assert!(!shown.contains('/') && shown != "." && shown != "..");
                prop_assert!(!shown.starts_with('-'));
                prop_assert!(shown.chars().all(|c| c.is_ascii_graphic()));
                prop_assert_eq!(shown.parse::<Server>(), Ok(server));
            }
        }
    }
}
