//! CA certificates: read and judged on this host, then made trusted inside machines.
//!
//! - [`read`] takes files in PEM or DER and gives [`CaCertificates`], or says of each file what is
//!   wrong with it. It touches nothing and needs no machine.
//! - [`mod@install`] puts them into a machine, lists and removes them. The system's roots are read by
//!   an engine once, so a change there takes effect with the engine's next start; those of one
//!   [`Registry`] are read at each request.
//! - [`mod@verify`] proves the effect with a TLS handshake from inside the machine.
//!
//! Inside a machine a certificate is the file `skep-<fingerprint>.crt`, with the first 16 digits of
//! its fingerprint, where its system looks for roots ([`SYSTEM_DIRECTORY`] on skep's guest) or, for one
//! registry, below [`REGISTRY_DIRECTORY`].

mod authority;
mod error;
pub mod install;
mod pem;
pub mod read;
mod script;
mod server;
pub mod verify;

pub use authority::CaCertificate;
pub use error::{CertificateError, Place};
pub use install::{
    Anchor, AnchorName, Changed, Installed, Listed, Removed, Restart, bring_up_to_date, install,
    list, remove,
};
pub use read::{CaCertificates, Note, Purpose};
pub use server::{Registry, Server, ServerError};
pub use verify::{Handshake, Verification, verify};

/// Where Debian's `update-ca-certificates` looks for a machine's own roots.
pub const SYSTEM_DIRECTORY: &str = "/usr/local/share/ca-certificates";

/// Where the systems that skep knows look for a machine's own roots.
pub(crate) const SYSTEM_DIRECTORIES: [&str; 5] = [
    SYSTEM_DIRECTORY,
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
    "/etc/pki/trust/anchors",
    "/var/lib/boot2docker/certs",
];

/// Where an engine looks for the roots of one registry, in a directory named `HOST[:PORT]`.
pub const REGISTRY_DIRECTORY: &str = "/etc/docker/certs.d";

/// The largest file that is read, in bytes. The roots of a whole system are about 250 kB.
pub const MAX_FILE: u64 = 1_000_000;

/// A text from a certificate or a file name, fit to be shown: control characters, and those that
/// change the direction of what follows, are written out, and it has at most 200 characters.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == 200 {
            shown.push('…');
            break;
        }
        let hidden = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        );
        if character.is_control() || hidden {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_cannot_reach_the_terminal() {
        assert_eq!(printable("Straßen CA"), "Straßen CA");
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(printable("evil\u{202e}gpj"), "evil\\u{202e}gpj");
        assert_eq!(printable(&"x".repeat(300)).chars().count(), 201);
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_printable(text in "\\PC{0,20}|(?s).{0,20}") {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
