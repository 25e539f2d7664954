//! A port of a machine that its host address answers on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A transport protocol with ports.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// A port at a machine's host address, and the machine's port behind it: written
/// `[HOST:]MACHINE[/tcp|udp]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    pub host: u16,
    pub machine: u16,
    pub protocol: Protocol,
}

/// Why a text is no [`Port`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no port: write PORT, HOST:PORT, or either with /udp; ports are 1 to 65535")]
pub struct PortError {
    pub text: String,
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let wrong = || PortError { text: text.into() };
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some(_) => return Err(wrong()),
        };
        let (host, machine) = ports.split_once(':').unwrap_or((ports, ports));
        let port = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|&port| digits && port > 0).ok_or_else(wrong)
        };
        Ok(Self { host: port(host)?, machine: port(machine)?, protocol })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host != self.machine {
            write!(f, "{}:", self.host)?;
        }
        write!(f, "{}/{}", self.machine, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_are_read_in_each_form() {
        let port = |text: &str| text.parse::<Port>().unwrap();
        let tcp = |host, machine| Port { host, machine, protocol: Protocol::Tcp };
        assert_eq!(port("8080"), tcp(8080, 8080));
        assert_eq!(port("1080:80"), tcp(1080, 80));
        assert_eq!(port("53/udp"), Port { host: 53, machine: 53, protocol: Protocol::Udp });
    }

    #[test]
    fn what_is_no_port_is_named() {
        for text in ["", "0", "65536", "80:", ":80", "80/sctp", "+80", "a", "1:2:3", "80 "] {
            assert_eq!(text.parse::<Port>(), Err(PortError { text: text.into() }));
        }
    }

    proptest! {
        #[test]
        fn a_port_survives_being_written(host in 1u16.., machine in 1u16.., udp: bool) {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let port = Port { host, machine, protocol };
            prop_assert_eq!(port.to_string().parse(), Ok(port));
        }
    }
}
