//! The SSH master of a machine: one `ssh` process in the background that holds the connection, and
//! the engine's forwarded socket, for every skep command within [`PERSIST`].
//!
//! ```text
//!   absent ──start──► alive ──stop, or PERSIST without use──► absent
//!      ▲                │
//!      └──clean up── dead (killed, or its machine is gone: its sockets may be left behind)
//! ```
//!
//! Every start and stop happens under the lock beside the control socket, because an `ssh` that
//! finds its control socket taken does not fail: it stays, unreachable, for ever.

use std::{
    convert::Infallible,
    fs::{File, OpenOptions, TryLockError},
    future::ready,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use openssh_mux_client::Connection;
use rustix::process::{Pid, Signal, kill_process};
use skep_context::{Polled, after, poll_until, when};
use skep_process::Program;
use tokio::{
    net::UnixStream,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Access, GuestError, obstacle::Obstacle};

/// How long a master lives on without being used.
pub const PERSIST: Duration = Duration::from_secs(600);

/// How long a local process of ours may take to answer on its socket, or to end.
const LOCAL: Duration = Duration::from_secs(2);

/// How often a condition on this host is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Asks the master behind `control` for its process id: an answer means that it lives, not that
/// its machine does.
pub(crate) async fn alive(control: &Path) -> Option<Pid> {
    let ask = async { Connection::connect(control).await?.send_alive_check().await };
    let pid = timeout(LOCAL, ask).await.ok()?.ok()?;
    Pid::from_raw(i32::try_from(pid.get()).ok()?)
}

/// Starts a master, unless one lives by the time the lock is ours: of two that start at once, one
/// does and the other takes what it made. The master `silent`, whose machine did not answer through
/// it, is ended first.
///
/// Returns when the machine has let us in and both sockets are there.
pub(crate) async fn start(
    access: &Access,
    silent: Option<Pid>,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<(), GuestError> {
    let begin = Instant::now();
    let args = access.master_args(PERSIST.as_secs())?;
    let _lock = lock(access, deadline, cancel).await?;
    match alive(&access.control).await {
        Some(master) if silent == Some(master) => end(access, master).await,
        Some(_) => return Ok(()),
        None => {}
    }
    remove_sockets(access)?;
    let left = deadline.saturating_sub(begin.elapsed()).max(Duration::from_millis(100));
    let run = Program::new("ssh").args(args).deadline(left).run_any(cancel).await;
    let (status, output) = run.map_err(|source| match source {
        skep_process::ProcessError::Cancelled { .. } => cancelled(access),
        source => GuestError::Ssh { machine: access.machine.clone(), source },
    })?;
    if status.success() {
        return Ok(());
    }
    Err(GuestError::Unreachable {
        machine: access.machine.clone(),
        address: access.address(),
        obstacle: Obstacle::from_ssh(&String::from_utf8_lossy(&output.stderr)),
        waited: None,
    })
}

/// Ends the master, if there is one, and removes both sockets.
pub(crate) async fn stop(access: &Access, cancel: &CancellationToken) -> Result<(), GuestError> {
    if !access.control.parent().is_some_and(Path::exists) {
        return Ok(());
    }
    let _lock = lock(access, LOCAL * 5, cancel).await?;
    if let Some(master) = alive(&access.control).await {
        end(access, master).await;
    }
    remove_sockets(access)
}

/// Ends a master. It removes its sockets as it ends, the control socket last: until then their paths
/// must not be used again. (A process may be dead and still have an entry, so that is not asked.)
async fn end(access: &Access, master: Pid) {
    // Failing to signal it means that it has ended in the meantime.
    let _ = kill_process(master, Signal::TERM);
    if !until(LOCAL, || async { !access.control.exists() }).await {
        let _ = kill_process(master, Signal::KILL);
        until(LOCAL, || async { !listens(&access.control).await }).await;
    }
}

/// Whether a process listens on the local socket `path`.
pub(crate) async fn listens(path: &Path) -> bool {
    UnixStream::connect(path).await.is_ok()
}

fn remove_sockets(access: &Access) -> Result<(), GuestError> {
    remove(&access.control)?;
    remove(&access.engine)
}

/// Removes a local file; one that is not there is already removed.
fn remove(path: &Path) -> Result<(), GuestError> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(GuestError::local("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The lock's file, which stays; the lock itself is the system's and ends with its holder.
fn lock_path(access: &Access) -> PathBuf {
    let mut path = access.control.clone().into_os_string();
    path.push(".lock");
    path.into()
}

/// Removes the lock's file. A process that waits for that lock waits for a machine that is gone.
pub(crate) fn remove_lock(access: &Access) -> Result<(), GuestError> {
    remove(&lock_path(access))
}

pub(crate) async fn lock(
    access: &Access,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<File, GuestError> {
    let path = lock_path(access);
    let failed = |source| GuestError::local("lock", &path)(source);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(failed)?;
    let polled = poll_until(cancel, POLL, after(deadline), || {
        ready(match file.try_lock() {
            Err(TryLockError::Error(error)) => Err(failed(error)),
            tried => Ok(when(tried.is_ok())),
        })
    });
    match polled.await? {
        Polled::Met(()) => Ok(file),
        Polled::Late(()) => {
            Err(failed(io::Error::other("another skep is connecting and does not end")))
        }
        Polled::Cancelled(()) => Err(cancelled(access)),
    }
}

fn cancelled(access: &Access) -> GuestError {
    GuestError::Cancelled { machine: access.machine.clone(), what: "logging in".into() }
}

/// Whether `condition` came true within `time`.
async fn until<F: Future<Output = bool>>(time: Duration, condition: impl Fn() -> F) -> bool {
    let uncancelled = CancellationToken::new();
    let polled = poll_until(&uncancelled, POLL, after(time), async || {
        Ok::<_, Infallible>(when(condition().await))
    });
    matches!(polled.await, Ok(Polled::Met(())))
}
