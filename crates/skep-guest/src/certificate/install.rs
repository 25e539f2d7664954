//! Puts CA certificates into a machine, lists and removes them.
//!
//! Each operation looks first and does what is missing, so that doing it again changes nothing,
//! and an interrupted one is finished by the next.

use std::time::Duration;

use skep_context::Context;
use skep_model::Events;
use skep_pki::{Anchor, AnchorName, CaCertificate, Registry};
use tokio_util::sync::CancellationToken;

use crate::{Command, Guest, GuestError, Requirement, wait_until_ready};

use super::script::{self, State};

/// How long an engine may take to stop, start, and answer.
const RESTART: Duration = Duration::from_secs(180);

/// What was done to a machine's certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The certificates that were not there, or not intact.
    pub new: Vec<AnchorName>,
    /// The certificates that are not there any more.
    pub gone: Vec<AnchorName>,
    /// Whether the system's bundle of roots had certificates twice, in part, or not at all, and was
    /// made anew.
    pub repaired: bool,
    /// Whether the engine still works with older roots.
    pub restart_due: bool,
}

/// A certificate that skep installed in a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The registry it is for; none if it is among the system's roots.
    pub registry: Option<Registry>,
    /// The file's name: `skep-0123456789abcdef.crt`.
    pub file: String,
    /// The certificate, if the file is intact.
    pub certificate: Option<CaCertificate>,
    /// Whether a program that starts now trusts it. (An engine may be older: see
    /// [`Changed::restart_due`].)
    pub trusted: bool,
}

/// Makes a machine trust `wanted`, and nothing of `unwanted` any more. What is so already is left
/// alone; others that are there stay. The engine is its caller's to restart, if that is due.
///
/// # Errors
/// As [`Guest::run`].
pub async fn bring_up_to_date(
    guest: &Guest,
    wanted: &[Anchor],
    unwanted: &[AnchorName],
    cancel: &CancellationToken,
) -> Result<Changed, GuestError> {
    let state = look(guest, cancel).await?;
    let new: Vec<&Anchor> = wanted
        .iter()
        .filter(|anchor| {
            !state.of(anchor.registry.as_ref()).any(|file| file.content == anchor.certificate.pem())
        })
        .collect();
    let mut places: Vec<Option<&Registry>> = Vec::new();
    for anchor in &new {
        if !places.contains(&anchor.registry.as_ref()) {
            places.push(anchor.registry.as_ref());
        }
    }
    for place in places {
        let own = new.iter().filter(|anchor| anchor.registry.as_ref() == place);
        let own: Vec<_> = own.map(|anchor| &anchor.certificate).collect();
        let directory = place.map_or(script::SYSTEM.into(), script::registry_directory);
        let place = Command::exclusive("copying CA certificates", script::PLACE)
            .args([directory, own.len().to_string()])
            .stdin(archive(&own));
        guest.run(&place, cancel).await?;
    }
    let mut gone = Vec::new();
    let mut aside = Vec::new();
    let mut removed = Vec::new();
    for name in unwanted {
        let named = |file: &&script::File| file.is_named(&name.fingerprint);
        let Some(file) = state.of(name.registry.as_ref()).find(named) else { continue };
        let paths = if name.registry.is_some() { &mut removed } else { &mut aside };
        paths.push(file.path.clone());
        gone.push(name.clone());
    }
    for (script, paths) in [(script::SET_ASIDE, &aside), (script::REMOVE, &removed)] {
        if !paths.is_empty() {
            let remove = Command::exclusive("removing CA certificates", script);
            guest.run(&remove.args(paths.iter().cloned()), cancel).await?;
        }
    }
    let fresh = !aside.is_empty() || state.update || state.damaged;
    let updated = new.iter().any(|anchor| anchor.registry.is_none()) || fresh || state.is_stale();
    if updated {
        update(guest, fresh, cancel).await?;
    }
    let restart_due = if updated { look(guest, cancel).await?.restart } else { state.restart };
    let new = new.into_iter().map(Anchor::name).collect();
    Ok(Changed { new, gone, repaired: state.damaged, restart_due })
}

/// The certificates that skep installed in a machine, the system's first.
///
/// # Errors
/// As [`Guest::run`].
pub async fn list(guest: &Guest, cancel: &CancellationToken) -> Result<Vec<Listed>, GuestError> {
    let state = look(guest, cancel).await?;
    let listed = state.files.iter().map(|file| Listed {
        registry: file.registry.clone(),
        file: file.path.rsplit('/').next().unwrap_or_default().to_owned(),
        certificate: file.certificate(),
        trusted: file.trusted,
    });
    Ok(listed.collect())
}

/// Removes every certificate that skep installed, those of single registries too. Returns whether the
/// system's roots have changed; the caller sees to the engine.
///
/// # Errors
/// As [`Guest::run`].
pub(crate) async fn remove_all(
    guest: &Guest,
    cancel: &CancellationToken,
) -> Result<bool, GuestError> {
    let state = look(guest, cancel).await?;
    let (system, registries): (Vec<_>, Vec<_>) =
        state.files.iter().partition(|file| file.registry.is_none());
    for (script, files) in [(script::SET_ASIDE, &system), (script::REMOVE, &registries)] {
        if !files.is_empty() {
            let remove = Command::exclusive("removing CA certificates", script);
            let paths = files.iter().map(|file| file.path.clone());
            guest.run(&remove.args(paths), cancel).await?;
        }
    }
    let changed = !system.is_empty() || state.update;
    if changed {
        update(guest, true, cancel).await?;
    }
    Ok(changed)
}

/// Whether the engine was started before the machine's roots last changed, and so works with older
/// ones.
///
/// # Errors
/// As [`Guest::run`].
pub async fn restart_due(guest: &Guest, cancel: &CancellationToken) -> Result<bool, GuestError> {
    look(guest, cancel).await.map(|state| state.restart)
}

/// Restarts the machine's engine, and waits until it answers again.
///
/// # Errors
/// As [`Guest::run`]; [`GuestError::NotReady`].
pub async fn restart_engine(guest: &Guest, cancel: &CancellationToken) -> Result<(), GuestError> {
    let restart = Command::exclusive("restarting the engine", script::RESTART);
    guest.run(&restart.deadline(RESTART), cancel).await?;
    // Its caller has a step of its own for all this.
    let events = Events::none();
    let context = Context::new(&events, cancel).within(RESTART);
    wait_until_ready(guest, &[Requirement::engine()], context).await
}

async fn look(guest: &Guest, cancel: &CancellationToken) -> Result<State, GuestError> {
    let look = Command::script("looking at the CA certificates", script::STATE).as_root();
    let output = guest.run(&look, cancel).await?;
    Ok(State::parse(&String::from_utf8_lossy(&output.stdout)))
}

async fn update(
    guest: &Guest,
    removed: bool,
    cancel: &CancellationToken,
) -> Result<(), GuestError> {
    let update = Command::exclusive("updating the system's roots", script::UPDATE);
    // Only a fresh start forgets what is no longer there.
    let update = if removed { update.arg("--fresh") } else { update };
    guest.run(&update, cancel).await.map(drop)
}

/// An archive with each certificate under its name.
fn archive(certificates: &[&CaCertificate]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for certificate in certificates {
        let mut header = tar::Header::new_ustar();
        header.set_size(certificate.pem().len() as u64);
        header.set_mode(0o644);
        // The name is short and the archive is memory: neither can fail.
        let _ =
            archive.append_data(&mut header, certificate.file_name(), certificate.pem().as_bytes());
    }
    archive.into_inner().unwrap_or_default()
}
