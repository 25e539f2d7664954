//! Where a node listens or is reached, as docker writes it: `IP|INTERFACE[:PORT]`.

use std::{fmt, net::IpAddr, str::FromStr};

/// An address or the name of a network interface, with or without a port. Which address an
/// interface has is for the node's engine to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    host: String,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address of a node: {wrong}; write an IP address or an interface, with or without :PORT"
)]
/// Why a text is not `IP|INTERFACE[:PORT]`.
pub struct AddressError {
    text: String,
    wrong: &'static str,
}

impl NodeAddress {
    pub(crate) fn new(host: String, port: Option<u16>) -> Self {
        Self { host, port }
    }

    /// The host: an IP address, or an interface's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The same host, for what has a port of its own.
    #[must_use]
    pub fn without_port(&self) -> Self {
        Self { host: self.host.clone(), port: None }
    }

    /// The port, if one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The IP address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl From<IpAddr> for NodeAddress {
    fn from(address: IpAddr) -> Self {
        Self { host: address.to_string(), port: None }
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |wrong| AddressError { text: text.to_owned(), wrong };
        // An IPv6 address has colons of its own; with a port it stands in brackets.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(host) if host.parse::<std::net::Ipv6Addr>().is_ok() => host,
            Some(_) => return Err(wrong("what is in the brackets is no IPv6 address")),
            None => host,
        };
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        if bare.is_none() && host.contains([':', '/', '[', ']', ' ']) {
            return Err(wrong("a host has none of : / [ ] and no blank"));
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(wrong("its port is not a number from 1 to 65535")),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (None, _) => f.write_str(&self.host),
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_interfaces_come_back_as_they_were_written() {
        for text in
            ["172.31.0.2", "172.31.0.2:2377", "eth1", "eth1:2378", "fd00::2", "[fd00::2]:2377"]
        {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
        let bracketed: NodeAddress = "[fd00::2]".parse().unwrap();
        assert_eq!((bracketed.host(), bracketed.port()), ("fd00::2", None));
        assert_eq!("eth1".parse::<NodeAddress>().unwrap().ip(), None);
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_wrong() {
        for (text, wrong) in [
            ("", "names no host"),
            (":2377", "names no host"),
            ("eth1:", "its port"),
            ("eth1:0", "its port"),
            ("eth1:70000", "its port"),
            ("172.31.0.2/24", "no blank"),
            ("[eth1]:1", "in the brackets"),
            ("tcp://172.31.0.2:1", "no blank"),
        ] {
            let error = text.parse::<NodeAddress>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
