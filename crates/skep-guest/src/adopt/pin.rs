//! A host's key, taken at first sight.
//!
//! A host that was there before has a key that no seed contains. The one it shows when it is taken
//! is trusted (`ssh-keyscan`), written to the machine's own file, and from then on no other is.

use std::{ops::ControlFlow, time::Duration};

use skep_context::{Context, poll_until};
use skep_process::{ProcessError, Program};
use ssh_key::{HashAlg, PublicKey};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::AdoptError;
use crate::{Access, Guest, GuestError, known_hosts_line, obstacle::Obstacle, probe::probe};

/// The kinds of keys that are asked for, best first: `ssh` takes them in the order of the file.
const KINDS: [&str; 3] = ["ssh-ed25519", "ecdsa-sha2-", "ssh-rsa"];

/// How long the host may take over each key, in seconds.
const EACH: u64 = 10;

/// How long a host may take to accept a connection, and again to say what it is.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often a host that does not answer yet is tried.
const POLL: Duration = Duration::from_millis(100);

/// Waits until the host's sshd answers, at most for the context's time and the attempt under way
/// then, and returns the lines that pin the keys it shows, for the file [`Access::known_hosts`]. Nothing is written.
///
/// # Errors
/// [`GuestError::Unreachable`] in [`AdoptError::Guest`]; [`AdoptError::NoHostKey`],
/// [`AdoptError::Scan`].
pub async fn pin(access: &Access, context: Context<'_>) -> Result<String, AdoptError> {
    let step = context.events.step(&access.machine, "looking at its host key");
    let pinned = async {
        wait_for_sshd(access, context).await?;
        let keys = scan(access, context.cancel).await?;
        if keys.is_empty() {
            return Err(AdoptError::NoHostKey {
                machine: access.machine.clone(),
                address: access.address(),
                reason: "ssh-keyscan found no ed25519, ecdsa or rsa key; see sshd's log there"
                    .into(),
            });
        }
        step.progress(keys.iter().map(|key| fingerprint(key)).collect::<Vec<_>>().join(", "));
        Ok(keys.iter().map(|key| known_hosts_line(access.host, access.port, key)).collect())
    };
    let pinned = pinned.await;
    step.end_with(pinned)
}

/// Whether a `known_hosts` file pins anything.
pub fn is_pin(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

/// What a failed login means: where the host shows another key than `pinned` (the text of
/// [`Access::known_hosts`]), both are named.
pub async fn explain(
    access: &Access,
    pinned: &str,
    error: GuestError,
    cancel: &CancellationToken,
) -> AdoptError {
    let differs =
        matches!(&error, GuestError::Unreachable { obstacle: Obstacle::HostKeyDiffers, .. });
    if !differs {
        return error.into();
    }
    let pinned: Vec<_> = pinned.lines().filter_map(|line| line.split_once(' ')).collect();
    let Some((_, pinned)) = pinned.first() else { return error.into() };
    let shown = scan(access, cancel).await.unwrap_or_default();
    let kind = |key: &str| key.split(' ').next().unwrap_or_default().to_owned();
    let same = shown.iter().find(|key| kind(key) == kind(pinned)).or(shown.first());
    let Some(shown) = same else { return error.into() };
    AdoptError::HostKeyChanged {
        machine: access.machine.clone(),
        address: access.address(),
        pinned: fingerprint(pinned),
        shown: fingerprint(shown),
        file: access.known_hosts.clone(),
    }
}

async fn wait_for_sshd(access: &Access, context: Context<'_>) -> Result<(), GuestError> {
    let (begin, cancel) = (Instant::now(), context.cancel);
    let polled = poll_until(cancel, POLL, context.deadline(), async || {
        let answer = cancel.run_until_cancelled(probe(access.address(), PATIENCE)).await;
        let cancelled = || Guest::cancelled(access, "looking at its host key");
        Ok(match answer.ok_or_else(cancelled)? {
            Ok(()) => ControlFlow::Break(()),
            Err(obstacle) => ControlFlow::Continue(obstacle),
        })
    });
    let unreachable = |obstacle| Guest::unreachable(access, obstacle, Some(begin.elapsed()));
    polled.await?.met().map_err(unreachable)
}

/// The keys a host shows, best first: `ssh-ed25519 AAAA…`.
async fn scan(access: &Access, cancel: &CancellationToken) -> Result<Vec<String>, AdoptError> {
    let program = Program::new("ssh-keyscan")
        .args(["-T", &EACH.to_string(), "-t", "ed25519,ecdsa,rsa"])
        .args(["-p", &access.port.to_string(), "--", &access.host.to_string()])
        .deadline(Duration::from_secs(EACH * 4));
    match program.run_any(cancel).await {
        // Its status says whether every kind of key was there, which is not needed.
        Ok((_, output)) => Ok(keys(&String::from_utf8_lossy(&output.stdout))),
        Err(ProcessError::Cancelled { .. }) => {
            Err(Guest::cancelled(access, "looking at its host key").into())
        }
        Err(source) => Err(AdoptError::Scan { machine: access.machine.clone(), source }),
    }
}

/// Reads what `ssh-keyscan` prints: `HOST KIND KEY`, or `[HOST]:PORT KIND KEY`.
fn keys(text: &str) -> Vec<String> {
    let key = |line: &str| {
        let mut words = line.split_whitespace();
        let (_, kind, key) = (words.next()?, words.next()?, words.next()?);
        let place = KINDS.iter().position(|known| kind.starts_with(known))?;
        let key = format!("{kind} {key}");
        PublicKey::from_openssh(&key).ok().map(|_| (place, key))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut keys: Vec<_> = lines.filter_map(key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// A key's fingerprint as `ssh-keygen -l` shows it: `ED25519 SHA256:…`.
fn fingerprint(key: &str) -> String {
    match PublicKey::from_openssh(key) {
        Ok(read) => {
            let kind = key.split(' ').next().unwrap_or_default();
            let kind = kind.trim_start_matches("ssh-").split("-sha2").next().unwrap_or_default();
            format!("{} {}", kind.to_uppercase(), read.fingerprint(HashAlg::Sha256))
        }
        Err(_) => "that cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn the_best_key_comes_first_and_junk_is_left_out() {
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
        let text = format!(
            "# 10.0.0.2:22 SSH-2.0-OpenSSH_9.2\n[10.0.0.2]:2222 {ecdsa}\n10.0.0.2 {ED25519}\n\
             10.0.0.2 ssh-ed25519 junk\n10.0.0.2 {ED25519}\nwrite_hostkey: no\n"
        );
        assert_eq!(keys(&text), [ED25519, ecdsa]);
        assert!(keys("").is_empty());
        insta::assert_snapshot!(fingerprint(ED25519), @"ED25519 SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE");
        assert!(fingerprint(ecdsa).starts_with("ECDSA SHA256:"));
    }

    #[test]
    fn an_empty_file_pins_nothing() {
        assert!(!is_pin("") && !is_pin("\n# later\n"));
        assert!(is_pin(&known_hosts_line("10.0.0.2".parse().unwrap(), 22, ED25519)));
    }
}
