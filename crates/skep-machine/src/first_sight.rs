//! Logging in to a machine whose host key no seed has set: it is trusted at first sight, and
//! pinned.

use std::time::Duration;

use skep_context::Context;
use skep_guest::{Access, Guest, GuestError, adopt};
use skep_model::Events;
use tokio_util::sync::CancellationToken;

use crate::{MachineError, System};

/// Logs in to a machine whose host key skep did not make, if it answers now. One that was never
/// talked to, as one that was imported, is trusted at first sight.
///
/// # Errors
/// [`MachineError::Adopt`] naming both keys if it shows another one than then;
/// [`MachineError::Guest`].
pub async fn connect(
    access: &Access,
    system: System,
    cancel: &CancellationToken,
) -> Result<Guest, MachineError> {
    let events = Events::none();
    pin(access, system, Context::new(&events, cancel).within(Duration::ZERO)).await?;
    match Guest::connect(access, cancel).await {
        Ok(guest) => Ok(guest),
        Err(error) => Err(explained(access, error, cancel).await),
    }
}

/// Pins the host key that a machine shows, unless one is pinned.
///
/// # Errors
/// [`MachineError::Adopt`], [`MachineError::Guest`], [`MachineError::Store`].
pub async fn pin(
    access: &Access,
    system: System,
    context: Context<'_>,
) -> Result<(), MachineError> {
    let pinned = skep_read::text(&access.known_hosts, skep_read::limit::KEY).unwrap_or_default();
    // An address that has changed since is another host's until the user says otherwise;
    // boot2docker gets its address from a server, and keeps its key.
    if adopt::is_pin(&pinned) && system != System::Boot2docker {
        return Ok(());
    }
    let here = skep_guest::known_hosts_line(access.host, access.port, "");
    if adopt::is_pin(&pinned)
        && pinned.lines().any(|line| line.starts_with(here.trim_end_matches('\n')))
    {
        return Ok(());
    }
    let lines = if adopt::is_pin(&pinned) {
        // The same key at another address.
        let keys = pinned.lines().filter_map(|line| line.split_once(' '));
        keys.map(|(_, key)| skep_guest::known_hosts_line(access.host, access.port, key)).collect()
    } else {
        adopt::pin(access, context).await?
    };
    Ok(skep_store::kept::write(&access.known_hosts, lines.as_bytes())?)
}

/// Logs in to a machine whose host key is pinned, as soon as that is possible.
///
/// # Errors
/// As [`connect`].
pub async fn log_in(access: &Access, context: Context<'_>) -> Result<Guest, MachineError> {
    match Guest::wait(access, context).await {
        Ok(guest) => Ok(guest),
        Err(error) => Err(explained(access, error, context.cancel).await),
    }
}

async fn explained(access: &Access, error: GuestError, cancel: &CancellationToken) -> MachineError {
    let pinned = skep_read::text(&access.known_hosts, skep_read::limit::KEY).unwrap_or_default();
    adopt::explain(access, &pinned, error, cancel).await.into()
}
