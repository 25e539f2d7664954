//! A host's restart, which is all of its power that can be had from inside.

use std::time::Duration;

use skep_model::Events;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::AdoptError;
use crate::{Access, Command, Guest, GuestError};

/// How often is looked whether the host is back.
const POLL: Duration = Duration::from_millis(500);

/// Which boot this is; another one has another text.
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

/// Restarts the host, a moment later, so that its answer still arrives.
const REBOOT: &str = r#"
if [ -d /run/systemd/system ]; then set -- systemctl reboot
elif command -v reboot >/dev/null 2>&1; then set -- reboot
else set -- shutdown -r now
fi
(sleep 1; exec "$@") >/dev/null 2>&1 </dev/null &
"#;

/// Restarts a host and waits until it can be logged in to again, at most for `deadline`.
///
/// # Errors
/// [`GuestError::Unreachable`] in [`AdoptError::Guest`] if it does not come back; as [`Guest::run`].
pub async fn restart(
    access: &Access,
    deadline: Duration,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Guest, AdoptError> {
    let step = events.step(&access.machine, "restarting");
    let restarted = restart_within(access, deadline, cancel).await;
    Ok(step.end_with(restarted)?)
}

async fn restart_within(
    access: &Access,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<Guest, GuestError> {
    let begin = Instant::now();
    let guest = Guest::connect(access, cancel).await?;
    let boot = Command::script("looking which boot it is", BOOT);
    let old = guest.run(&boot, cancel).await?.text();
    guest.run(&Command::script("restarting", REBOOT).as_root(), cancel).await?;
    drop(guest);
    Guest::close_master(access, cancel).await?;
    loop {
        let back = async {
            let guest = Guest::connect(access, cancel).await?;
            let new = guest.run(&boot, cancel).await?.text();
            Ok::<_, GuestError>((guest, new))
        };
        let error = match back.await {
            Ok((guest, new)) if new != old => return Ok(guest),
            Err(error @ GuestError::Cancelled { .. }) => return Err(error),
            Ok(_) => None,
            Err(error) => Some(error),
        };
        if begin.elapsed() >= deadline {
            let machine = access.machine.clone();
            let what = "a restart".to_owned();
            let late = GuestError::Deadline { machine, what, deadline, stderr: String::new() };
            return Err(error.unwrap_or(late));
        }
        // The old boot's connection ends with it.
        tokio::select! {
            () = cancel.cancelled() => return Err(Guest::cancelled(access, "restarting")),
            () = sleep(POLL) => {}
        }
    }
}
