//! Proves from inside a machine that a server is trusted, and by which root.

use std::time::Duration;

use skep_pki::{CaCertificate, Registry, Server, printable};
use tokio_util::sync::CancellationToken;

use super::{
    install::restart_due,
    script::{registry_directory, with_places},
};
use crate::{Command, Guest, GuestError};

/// How long connecting and one handshake may take in the machine, in seconds.
const HANDSHAKE: u64 = 15;

/// One handshake with `$1` (HOST:PORT), trusting either the machine's roots (`$2` is `system`), with
/// the certificates in the directory `$3` if there are any, or only what comes in. The rest are
/// options.
///
/// `s_client` goes on when it does not trust the server and says why, which is what we are after.
const SCRIPT: &str = with_places!(
    r#"
address=$1 directory=$3
[ "$2" = system ] || bundle=
shift 3
roots=$(mktemp)
trap 'rm -f -- "$roots"' EXIT
if [ -n "$bundle" ]; then
    cat -- "$bundle" >"$roots"
    for file in "$directory"/*.crt; do if [ -f "$file" ]; then cat -- "$file" >>"$roots"; fi; done
else
    cat >"$roots"
fi
timeout 15 openssl s_client -connect "$address" -CAfile "$roots" "$@" </dev/null 2>&1
"#
);

/// The port of a server that is named without one.
const HTTPS: u16 = 443;

/// How one handshake went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    Trusted {
        /// The subject of the certificate its chain ends in, fit to be shown.
        root: String,
    },
    /// No connection: the name does not resolve, the port refuses, or there is no answer.
    Unreachable {
        /// Why, in the words of the machine.
        reason: String,
    },
    /// Connected, and it is not a TLS server, or not one that gets along with the machine.
    Failed {
        /// Why, in the words of the machine.
        reason: String,
    },
    /// Its chain does not end in a trusted root, or is broken or expired.
    Untrusted {
        /// The verification's own words: `unable to get local issuer certificate`.
        reason: String,
    },
    /// Its chain is trusted, and the certificate is for another name.
    WrongName { reason: String },
}

/// What a machine thinks of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The server: `registry.example:443`.
    pub server: String,
    /// The handshake that trusts what the machine trusts: the system's roots, and the registry's
    /// if it was verified as one.
    pub machine: Handshake,
    /// The handshake that trusts the given roots and nothing else, and does not ask for the name;
    /// none if no roots were given, or there is no connection.
    pub roots: Option<Handshake>,
    /// Whether the engine was started before the system's roots last changed, so that it may
    /// still refuse what the machine trusts.
    pub restart_due: bool,
}

impl Verification {
    /// Whether the machine trusts the server, and, if roots were given, because of them.
    pub fn passed(&self) -> bool {
        let trusted = |handshake: &Handshake| matches!(handshake, Handshake::Trusted { .. });
        trusted(&self.machine) && self.roots.as_ref().is_none_or(trusted)
    }
}

/// Does a TLS handshake with `server` from inside the machine: once with what the machine trusts,
/// and once, if `roots` are given, trusting nothing but them, which proves that the server's chain
/// ends in one of them. With `registry`, the certificates installed for that registry count too.
///
/// # Errors
/// As [`Guest::run`]. That the server is not reached or not trusted is no error but an answer.
pub async fn verify(
    guest: &Guest,
    server: &Server,
    roots: &[CaCertificate],
    registry: Option<&Registry>,
    cancel: &CancellationToken,
) -> Result<Verification, GuestError> {
    let trusting_system = command(server, "system", registry).args(verified_name(server));
    let machine = shake_hands(guest, trusting_system, cancel).await?;
    let connected = !matches!(machine, Handshake::Unreachable { .. } | Handshake::Failed { .. });
    let roots = if connected && !roots.is_empty() {
        let pems: String = roots.iter().map(CaCertificate::pem).collect();
        Some(shake_hands(guest, command(server, "", None).stdin(pems), cancel).await?)
    } else {
        None
    };
    let restart_due = restart_due(guest, cancel).await?;
    Ok(Verification { server: server.with_port(HTTPS), machine, roots, restart_due })
}

fn command(server: &Server, bundle: &str, registry: Option<&Registry>) -> Command {
    let directory = registry.map_or("/nonexistent".into(), registry_directory);
    let command = Command::script("a TLS handshake", SCRIPT)
        .args([server.with_port(HTTPS), bundle.to_owned(), directory])
        .deadline(Duration::from_secs(HANDSHAKE * 2))
        .as_root();
    // An address is no server name (RFC 6066, section 3).
    if server.is_address() {
        command.arg("-noservername")
    } else {
        command.args(["-servername", server.host()])
    }
}

/// The options that ask for the server's name in its certificate.
fn verified_name(server: &Server) -> [&str; 2] {
    [if server.is_address() { "-verify_ip" } else { "-verify_hostname" }, server.host()]
}

async fn shake_hands(
    guest: &Guest,
    command: Command,
    cancel: &CancellationToken,
) -> Result<Handshake, GuestError> {
    let output = guest.run_any(&command, cancel).await?;
    if output.code == 127 {
        return Err(guest.failed(&command, output.code, &output.stdout));
    }
    Ok(understand(output.code, &String::from_utf8_lossy(&output.stdout)))
}

/// Understands what `openssl s_client` said.
fn understand(code: i32, text: &str) -> Handshake {
    let after = |marker: &'static str| {
        text.lines().filter_map(move |line| Some(line.split_once(marker)?.1.trim()))
    };
    // `depth=N SUBJECT`, from the chain's end inwards: the first has the greatest depth.
    let root = || {
        let end = after("depth=").next().and_then(|line| line.split_once(' '));
        printable(end.map_or("an unnamed certificate", |(_, subject)| subject))
    };
    if code == 124 {
        return Handshake::Unreachable { reason: format!("no answer within {HANDSHAKE} s") };
    }
    if !text.contains("CONNECTED(") {
        return Handshake::Unreachable { reason: unreachable(text) };
    }
    // `verify error:num=20:unable to get local issuer certificate`
    let errors: Vec<(u32, &str)> = after("verify error:num=")
        .filter_map(|error| error.split_once(':'))
        .filter_map(|(number, text)| Some((number.parse().ok()?, text)))
        .collect();
    // X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH and _IP_ADDRESS_MISMATCH (x509_vfy.h).
    let about_name = |number: u32| (62..=64).contains(&number);
    if let Some((_, reason)) = errors.iter().find(|(number, _)| !about_name(*number)) {
        return Handshake::Untrusted { reason: printable(reason) };
    }
    if let Some((_, reason)) = errors.first() {
        return Handshake::WrongName { reason: printable(reason) };
    }
    // Without a certificate there is nothing to verify, which `s_client` calls "OK"; and a server
    // that wants a certificate of ours fails the handshake after it has proved itself.
    let shown = text.contains("Server certificate") && !text.contains("Cipher is (NONE)");
    if shown && text.contains("Verification: OK") {
        return Handshake::Trusted { root: root() };
    }
    Handshake::Failed { reason: failure(text) }
}

/// The words in which `s_client` says that there is no connection.
fn unreachable(text: &str) -> String {
    let said = ["BIO_lookup_ex:", "gethostbyname:", "BIO_connect:", "BIO_ADDR", "connect:errno="];
    let line = text.lines().find(|line| said.iter().any(|word| line.contains(word)));
    let reason = line.and_then(openssl_reason).unwrap_or_else(|| last_line(text));
    printable(&reason)
}

/// The words in which `s_client` says that there is no handshake.
fn failure(text: &str) -> String {
    let line = text.lines().find(|line| line.contains(":error:"));
    let reason = line.and_then(openssl_reason);
    let silent = || "the server ended the connection without a certificate".to_owned();
    printable(&reason.unwrap_or_else(silent))
}

/// The reason in a line of OpenSSL's error queue:
/// `THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA`.
fn openssl_reason(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_once(":error:")?.1.split(':').collect();
    let (reason, data) = (fields.get(3)?.trim(), fields.get(6..).unwrap_or_default().join(":"));
    // A system error's reason is `Connection refused`, the data only the call; else the data, if
    // any, says more: `Name or service not known`.
    let more = data.trim();
    let text = if reason == "system lib" || reason.is_empty() { more } else { reason };
    (!text.is_empty()).then(|| text.to_owned())
}

fn last_line(text: &str) -> String {
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("openssl said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What OpenSSL 3.5 prints, without the lines that are not read.
    const CONNECTED: &str =
        "CONNECTED(00000003)\n---\nServer certificate\nsubject=CN=server\n---\n";
    const CHAIN: &str = "depth=2 O=Lab, CN=Lab Root\nverify return:1\ndepth=1 CN=Lab \
        Intermediate\nverify return:1\ndepth=0 CN=server\nverify return:1\n";
    const SEALED: &str = "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n";

    #[test]
    fn a_verified_chain_is_trusted() {
        let text = format!("{CHAIN}{CONNECTED}Verification: OK\n{SEALED}DONE\n");
        let root = "O=Lab, CN=Lab Root".to_owned();
        assert_eq!(understand(0, &text), Handshake::Trusted { root: root.clone() });
        // It wants a certificate of ours, which it says after it has shown its own.
        assert_eq!(understand(1, &text), Handshake::Trusted { root });
    }

    #[test]
    fn authority_comes_before_name() {
        let name = "depth=0 CN=server\nverify error:num=62:hostname mismatch\nverify return:1\n";
        let chain = "depth=1 CN=I\nverify error:num=20:unable to get local issuer certificate\n";
        let end = format!("{CONNECTED}Verification error: hostname mismatch\n{SEALED}");
        let reason = "hostname mismatch".into();
        let wrong_name = understand(0, &format!("{name}{CHAIN}{end}"));
        assert_eq!(wrong_name, Handshake::WrongName { reason });
        let reason = "unable to get local issuer certificate".into();
        let untrusted = understand(0, &format!("{name}{chain}{end}"));
        assert_eq!(untrusted, Handshake::Untrusted { reason });
    }

    #[test]
    fn no_connection_says_why() {
        let unreachable = |code, text| match understand(code, text) {
            Handshake::Unreachable { reason } => reason,
            other => panic!("{other:?}"),
        };
        let refused = "4017:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio/bio_sock2.c:183:calling connect()\n4017:error:10000067:BIO routines:BIO_connect:connect error:../crypto/bio/bio_sock2.c:185:\nconnect:errno=111\n";
        assert_eq!(unreachable(1, refused), "Connection refused");
        let nameless = "4067:error:10080002:BIO routines:BIO_lookup_ex:system lib:../crypto/bio/bio_addr.c:767:Name or service not known\nconnect:errno=0\n";
        assert_eq!(unreachable(1, nameless), "Name or service not known");
        assert_eq!(unreachable(124, ""), "no answer within 15 s");
        assert_eq!(unreachable(1, ""), "openssl said nothing");
    }

    #[test]
    fn no_certificate_is_no_trust() {
        let nothing = "no peer certificate available\nVerification: OK\nNew, (NONE), Cipher is (NONE)\nVerify return code: 0 (ok)\n";
        let error = "4057:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../ssl/record/methods/tlsany_meth.c:77:\n";
        let text = format!("{error}CONNECTED(00000003)\n---\n{nothing}");
        let reason = "wrong version number".into();
        assert_eq!(understand(1, &text), Handshake::Failed { reason });
        let text = format!("write:errno=104\nCONNECTED(00000003)\n---\n{nothing}");
        assert!(matches!(understand(1, &text), Handshake::Failed { .. }));
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_understood(code in 0i32..256, text in "(?s).{0,60}|(:error:|:|depth=| |[a-z]){0,20}") {
            understand(code, &text);
        }
    }
}
