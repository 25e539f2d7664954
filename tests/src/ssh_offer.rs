//! What an SSH server offers before login: its KEXINIT packet (RFC 4253, 7.1).

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// The longest packet every implementation must take (RFC 4253, 6.1).
const MAX_PACKET: usize = 35_000;
/// `SSH_MSG_KEXINIT`.
const KEXINIT: u8 = 20;
/// How many random bytes begin a KEXINIT.
const COOKIE: usize = 16;

/// The names of the algorithms a server offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Key exchanges.
    pub exchanges: Vec<String>,
    /// Kinds of host keys.
    pub host_keys: Vec<String>,
    /// Ciphers, in both directions.
    pub ciphers: Vec<String>,
    /// Message authentication codes, in both directions.
    pub macs: Vec<String>,
}

impl Offer {
    /// Asks the server at an address.
    ///
    /// # Errors
    /// What the connection fails with, or `InvalidData` if what answers is no SSH server.
    pub async fn ask(server: SocketAddr) -> io::Result<Self> {
        let mut stream = BufReader::new(TcpStream::connect(server).await?);
        stream.write_all(b"SSH-2.0-a_test\r\n").await?;
        // Other lines may come before the one with the version.
        let mut line = Vec::new();
        while !line.starts_with(b"SSH-") {
            line.clear();
            if stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(malformed("no SSH server answers"));
            }
        }
        let length = stream.read_u32().await? as usize;
        if !(2..=MAX_PACKET).contains(&length) {
            return Err(malformed("no packet has that length"));
        }
        let mut packet = vec![0; length];
        stream.read_exact(&mut packet).await?;
        Self::of_packet(&packet).ok_or_else(|| malformed("the first packet is no KEXINIT"))
    }

    /// Reads a packet, from its padding's length on.
    fn of_packet(packet: &[u8]) -> Option<Self> {
        let (&padding, rest) = packet.split_first()?;
        let payload = rest.get(..rest.len().checked_sub(padding.into())?)?;
        let (&kind, rest) = payload.split_first()?;
        let mut rest = rest.get(COOKIE..)?;
        let mut list = || {
            let (length, after) = rest.split_first_chunk()?;
            let (names, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            let names = std::str::from_utf8(names).ok()?.split(',');
            Some(names.filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>())
        };
        let (exchanges, host_keys) = (list()?, list()?);
        let ciphers = [list()?, list()?].concat();
        let macs = [list()?, list()?].concat();
        (kind == KEXINIT).then_some(Self { exchanges, host_keys, ciphers, macs })
    }

    /// What is offered and should not be any more: exchanges over NIST's curves and finite fields,
    /// host keys other than ed25519, ciphers in CBC mode, and codes that are over the plain text,
    /// short, or of a broken hash.
    pub fn weak(&self) -> Vec<&str> {
        let exchange =
            |name: &str| ["ecdh-", "diffie-hellman-"].iter().any(|weak| name.starts_with(weak));
        let host_key = |name: &str| name != "ssh-ed25519";
        let cipher = |name: &str| {
            name.contains("-cbc") || name.starts_with("arcfour") || name.starts_with("3des")
        };
        let mac = |name: &str| {
            !name.contains("-etm@") || ["sha1", "md5", "-64"].iter().any(|weak| name.contains(weak))
        };
        let mut weak: Vec<&str> = Vec::new();
        weak.extend(self.exchanges.iter().map(String::as_str).filter(|name| exchange(name)));
        weak.extend(self.host_keys.iter().map(String::as_str).filter(|name| host_key(name)));
        weak.extend(self.ciphers.iter().map(String::as_str).filter(|name| cipher(name)));
        weak.extend(self.macs.iter().map(String::as_str).filter(|name| mac(name)));
        weak
    }
}

fn malformed(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as a server sends it, from its padding's length on.
    fn packet(lists: [&str; 10]) -> Vec<u8> {
        let mut packet = vec![4, KEXINIT];
        packet.extend([7; COOKIE]);
        for list in lists {
            packet.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            packet.extend(list.as_bytes());
        }
        packet.extend([0; 5 + 4]);
        packet
    }

    #[test]
    fn what_is_offered_is_read_and_what_is_weak_is_found() {
        let read = Offer::of_packet(&packet([
            "curve25519-sha256,ecdh-sha2-nistp256,kex-strict-s-v00@openssh.com",
            "rsa-sha2-512,ssh-ed25519",
            "aes128-gcm@openssh.com,aes128-cbc",
            "aes128-ctr",
            "umac-64-etm@openssh.com,umac-128-etm@openssh.com",
            "hmac-sha2-256,hmac-sha1-etm@openssh.com",
            "none",
            "none",
            "",
            "",
        ]))
        .unwrap();
        assert_eq!(read.ciphers, ["aes128-gcm@openssh.com", "aes128-cbc", "aes128-ctr"]);
        assert_eq!(
            read.weak(),
            [
                "ecdh-sha2-nistp256",
                "rsa-sha2-512",
                "aes128-cbc",
                "umac-64-etm@openssh.com",
                "hmac-sha2-256",
                "hmac-sha1-etm@openssh.com"
            ]
        );
    }

    #[test]
    fn a_packet_cut_anywhere_is_none() {
        let whole = packet(["a", "b", "c", "d", "e", "f", "g", "h", "", ""]);
        let lists = whole.len() - 9 - (4 + 1) * 2 - 4 * 2;
        assert!(Offer::of_packet(&whole).is_some());
        for end in 0..lists {
            assert_eq!(Offer::of_packet(&whole[..end]), None, "{end}");
        }
    }
}
