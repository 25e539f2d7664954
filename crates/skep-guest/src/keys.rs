//! Keys of a machine: the one its user logs in with, and the one it proves itself with.

use std::net::IpAddr;

use secrecy::SecretString;
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey, rand_core::OsRng};

use crate::GuestError;

/// An ed25519 key pair, made for one machine.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The private key in OpenSSH's format (`-----BEGIN OPENSSH PRIVATE KEY-----`), without a
    /// passphrase; it belongs in a file of mode 0600.
    pub private: SecretString,
    /// The public key as one line without its end: `ssh-ed25519 AAAA… comment`.
    pub public: String,
}

impl KeyPair {
    /// Makes a new pair from the system's random numbers. `comment` is for people to read; a
    /// control character in it becomes a space.
    ///
    /// # Errors
    /// [`GuestError::Key`] if the system gives no random numbers.
    pub fn generate(comment: &str) -> Result<Self, GuestError> {
        let mut key =
            PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(GuestError::Key)?;
        key.set_comment(comment.replace(char::is_control, " "));
        let private = key.to_openssh(LineEnding::LF).map_err(GuestError::Key)?;
        let public = key.public_key().to_openssh().map_err(GuestError::Key)?;
        Ok(Self { private: SecretString::from(private.as_str()), public })
    }

    /// Whether this is a private key, whole: in OpenSSH's format, or in an older one, of which no more
    /// is known here than how it begins and ends.
    pub fn is_private(text: &[u8]) -> bool {
        let older = |text: &str| {
            let text = text.trim();
            text.starts_with("-----BEGIN ")
                && text.ends_with(" PRIVATE KEY-----")
                && !text.contains("OPENSSH")
                && text.lines().count() > 2
        };
        PrivateKey::from_openssh(text).is_ok() || std::str::from_utf8(text).is_ok_and(older)
    }

    /// The pair of a private key in OpenSSH's format, as it is in a file.
    pub fn of_private(text: &[u8]) -> Option<Self> {
        let key = PrivateKey::from_openssh(text).ok()?;
        let public = key.public_key().to_openssh().ok()?;
        let private = String::from_utf8(text.to_vec()).ok()?;
        Some(Self { private: SecretString::from(private), public })
    }
}

/// Whether a `known_hosts` file pins keys that are keys, and is nothing but that.
pub fn is_known_hosts(text: &str) -> bool {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut keys =
        lines.map(|line| line.split_once(' ').map(|(_, key)| PublicKey::from_openssh(key)));
    let first = keys.next();
    first.is_some_and(|first| matches!(first, Some(Ok(_))))
        && keys.all(|key| matches!(key, Some(Ok(_))))
}

/// Whether a text is a private key that `ssh` can use without asking for anything, as far as
/// that can be seen without trying it.
///
/// # Errors
/// Why not, in a few words; nothing of the text is in them.
pub fn check_private_key(text: &str) -> Result<(), &'static str> {
    let begin = text
        .lines()
        .map(str::trim)
        .find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("PRIVATE KEY-----"));
    let Some(kind) = begin else { return Err("it is no private key") };
    let has_passphrase = match kind.trim() {
        "OPENSSH" => PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted()),
        _ => text.contains("ENCRYPTED"),
    };
    if has_passphrase {
        return Err("it has a passphrase, which nobody is here to type");
    }
    Ok(())
}

/// The line (with its end) that pins `public`, a machine's public host key, in a `known_hosts` file
/// (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") for the address it is reached at.
///
/// The pin holds because skep reads no other such file: what the user's own `known_hosts` says
/// about the same address neither helps nor hurts.
pub fn known_hosts_line(host: IpAddr, port: u16, public: &str) -> String {
    let key = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    if port == 22 { format!("{host} {key}\n") } else { format!("[{host}]:{port} {key}\n") }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_pair_fits_together_and_hides_its_secret() {
        let pair = KeyPair::generate("skep worker1").unwrap();
        assert!(pair.public.starts_with("ssh-ed25519 "), "{}", pair.public);
        assert!(pair.public.ends_with(" skep worker1"), "{}", pair.public);
        let private = PrivateKey::from_openssh(pair.private.expose_secret()).unwrap();
        assert_eq!(private.public_key().to_openssh().unwrap(), pair.public);
        let again = KeyPair::of_private(pair.private.expose_secret().as_bytes()).unwrap();
        assert_eq!(again.public, pair.public);
        let older = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(KeyPair::is_private(older) && !KeyPair::is_private(&older[..40]));
        assert!(KeyPair::of_private(older).is_none());
        assert!(KeyPair::of_private(&pair.private.expose_secret().as_bytes()[..90]).is_none());
        let pin = known_hosts_line([127, 0, 0, 1].into(), 22, &pair.public);
        assert!(is_known_hosts(&pin) && !is_known_hosts("") && !is_known_hosts(&pin[..40]));
        let debug = format!("{pair:?}");
        assert!(!debug.contains("PRIVATE KEY"), "{debug}");
        assert_ne!(KeyPair::generate("").unwrap().public, KeyPair::generate("").unwrap().public);
    }

    #[test]
    fn a_private_key_is_told_from_other_files() {
        let pair = KeyPair::generate("x").unwrap();
        assert_eq!(check_private_key(pair.private.expose_secret()), Ok(()));
        let old = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(check_private_key(old), Ok(()));
        let locked = old.replace("\nAAAA", "\nProc-Type: 4,ENCRYPTED\n\nAAAA");
        assert!(check_private_key(&locked).unwrap_err().contains("passphrase"));
        for other in
            ["", "root:x:0:0", &pair.public, "PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"]
        {
            assert_eq!(check_private_key(other), Err("it is no private key"), "{other}");
        }
    }

    #[test]
    fn a_comment_cannot_add_a_line() {
        let pair = KeyPair::generate("a\nssh-ed25519 AAAA").unwrap();
        assert_eq!(pair.public.lines().count(), 1, "{}", pair.public);
    }

    #[test]
    fn a_pin_names_address_and_port() {
        let line = |host: &str, port| {
            known_hosts_line(host.parse().unwrap(), port, "ssh-ed25519 AAAA root@worker1\n")
        };
        assert_eq!(line("10.0.0.2", 22), "10.0.0.2 ssh-ed25519 AAAA\n");
        assert_eq!(line("127.0.0.1", 2222), "[127.0.0.1]:2222 ssh-ed25519 AAAA\n");
        assert_eq!(line("fd00::2", 22), "fd00::2 ssh-ed25519 AAAA\n");
    }
}
