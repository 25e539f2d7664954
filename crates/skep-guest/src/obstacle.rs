//! What stands between us and a login: the reason a wait reports at its deadline.

use std::{fmt, io};

/// The furthest point a login has got to. Ordered from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The host is there and nothing listens at the port.
    Refused,
    /// No answer to the connection attempt.
    NoAnswer,
    /// The address cannot be reached from here.
    NoRoute,
    /// The connection failed for another reason, in the system's words.
    Connection(String),
    /// Connected, and the other side says nothing, or hangs up before it has said what it is.
    NoBanner,
    /// Connected to something that does not speak SSH, or that refuses to; its first line.
    NotSsh(String),
    /// The machine shows another host key than the pinned one.
    HostKeyDiffers,
    /// The `known_hosts` file has no key for the address.
    HostKeyUnknown,
    /// The private key cannot be used, in `ssh`'s words.
    KeyUnusable(String),
    /// The machine does not let the key in.
    KeyRejected,
    /// `ssh` gave up, in its own words.
    Ssh(String),
}

impl Obstacle {
    /// The obstacle behind a failed connection attempt.
    pub(crate) fn from_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Obstacle::Refused,
            io::ErrorKind::TimedOut => Obstacle::NoAnswer,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Obstacle::NoRoute,
            _ => Obstacle::Connection(error.to_string()),
        }
    }

    /// The obstacle behind `ssh`'s error output.
    pub(crate) fn from_ssh(stderr: &str) -> Self {
        let has = |text: &str| stderr.contains(text);
        let line = |text: &str| stderr.lines().find(|line| line.contains(text)).map(str::trim);
        // A key that cannot be read is followed by a refusal for want of keys: causes come first.
        let unusable = ["Permissions 0", "Load key", "Identity file", "no such identity"];
        if let Some(text) = unusable.iter().find_map(|text| line(text)) {
            return Obstacle::KeyUnusable(text.to_owned());
        }
        if has("IDENTIFICATION HAS CHANGED") {
            Obstacle::HostKeyDiffers
        } else if has("host key is known for") {
            Obstacle::HostKeyUnknown
        } else if has("Host key verification failed") {
            Obstacle::HostKeyDiffers
        } else if has("Permission denied (") {
            Obstacle::KeyRejected
        } else if has("Connection refused") {
            Obstacle::Refused
        } else if has("timed out") {
            Obstacle::NoAnswer
        } else if has("No route to host") || has("Network is unreachable") {
            Obstacle::NoRoute
        } else {
            let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
            Obstacle::Ssh(last.unwrap_or("it ended without a word").to_owned())
        }
    }

    /// Whether waiting cannot help: something has to be changed first.
    pub fn is_final(&self) -> bool {
        match self {
            Obstacle::HostKeyDiffers | Obstacle::HostKeyUnknown | Obstacle::KeyUnusable(_) => true,
            Obstacle::Refused
            | Obstacle::NoAnswer
            | Obstacle::NoRoute
            | Obstacle::Connection(_)
            | Obstacle::NoBanner
            | Obstacle::NotSsh(_)
            | Obstacle::KeyRejected
            | Obstacle::Ssh(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Obstacle::Refused => "the machine's sshd is not running (yet)",
            Obstacle::NoAnswer => "the machine is off or a firewall drops the packets",
            Obstacle::NoRoute => "the machine is off, or its network is not reachable from here",
            Obstacle::Connection(_) => "look at this host's network",
            Obstacle::NoBanner => {
                "the machine is still starting, or another program holds the port"
            }
            Obstacle::NotSsh(_) => {
                "another program holds the port, or the sshd refuses this host for some time"
            }
            Obstacle::HostKeyDiffers => {
                "another machine answers at this address; if the machine was made anew, remove and create it again"
            }
            Obstacle::HostKeyUnknown => "the machine's known_hosts file was changed or removed",
            Obstacle::KeyUnusable(_) => "the private key must be a file of yours with mode 0600",
            Obstacle::KeyRejected => {
                "the machine's authorized_keys does not hold this key, or belongs to somebody else"
            }
            Obstacle::Ssh(_) => "see sshd's log in the machine",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Refused => f.write_str("TCP refused"),
            Obstacle::NoAnswer => f.write_str("no answer to TCP"),
            Obstacle::NoRoute => f.write_str("no route to the machine"),
            Obstacle::Connection(text) => write!(f, "TCP failed: {text}"),
            Obstacle::NoBanner => f.write_str("no SSH banner"),
            Obstacle::NotSsh(line) => write!(f, "no SSH banner but {line:?}"),
            Obstacle::HostKeyDiffers => f.write_str("host key differs from the pinned one"),
            Obstacle::HostKeyUnknown => f.write_str("no host key is pinned for the address"),
            Obstacle::KeyUnusable(text) => write!(f, "private key cannot be used: {text}"),
            Obstacle::KeyRejected => f.write_str("key rejected"),
            Obstacle::Ssh(text) => write!(f, "ssh says: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_understood() {
        let cases = [
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Obstacle::HostKeyDiffers,
            ),
            (
                "No ED25519 host key is known for [127.0.0.1]:1 and you have requested strict checking.\r\nHost key verification failed.",
                Obstacle::HostKeyUnknown,
            ),
            ("docker@10.0.0.2: Permission denied (publickey).\r\n", Obstacle::KeyRejected),
            (
                "Permissions 0644 for '/k' are too open.\nLoad key \"/k\": bad permissions\ndocker@h: Permission denied (publickey).",
                Obstacle::KeyUnusable("Permissions 0644 for '/k' are too open.".into()),
            ),
            ("ssh: connect to host 10.0.0.2 port 22: Connection refused\r\n", Obstacle::Refused),
            ("ssh: connect to host 10.0.0.2 port 22: No route to host", Obstacle::NoRoute),
            ("Connection timed out during banner exchange", Obstacle::NoAnswer),
            (
                "kex_exchange_identification: x\r\nConnection closed by 10.0.0.2 port 22\r\n",
                Obstacle::Ssh("Connection closed by 10.0.0.2 port 22".into()),
            ),
            ("", Obstacle::Ssh("it ended without a word".into())),
        ];
        for (stderr, obstacle) in cases {
            assert_eq!(Obstacle::from_ssh(stderr), obstacle, "{stderr}");
        }
    }
}
