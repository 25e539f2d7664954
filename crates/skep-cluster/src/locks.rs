//! The locks of clusters and machines: which command waits for which.
//!
//! Two kinds of locks keep commands apart:
//!
//! - A *cluster's* lock is held while its record changes and while what its machines share is
//!   prepared. Commands about the whole cluster (`up`, `down`) hold it from their beginning to
//!   their end, and refuse to begin if another command has it.
//! - A *machine's* lock is held by the command that works on that machine. `up` and `down` take
//!   those of all machines, after the cluster's.
//!
//! So machines can be made by themselves at the same time (`docker-machine create a &
//! docker-machine create b &`): each waits for the cluster's lock, which the other has for a
//! moment, and then works under its own machine's. An `up` or `down` in between finds that lock
//! held and touches nothing. A command that needs both takes the cluster's first; one that has a
//! machine's and needs the cluster's waits for it with a deadline, and those that have it never
//! wait for a machine's, so there is no circle of waiting commands.
//!
//! The journal is shared by those who work at the same time. Each has it open for appending, and a
//! line is one write, so lines neither mix nor overwrite each other. What it says as a whole is
//! only relied on by those who hold all locks: no command is between an intent and its outcome
//! then.

use std::{ops::ControlFlow, time::Duration};

use skep_context::{Context, Polled, poll_until};
use skep_model::{ClusterName, MachineName};
use skep_store::{Lock, StoreError};

use crate::{ClusterError, Home};

/// How often a lock that another command has is tried again.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits for a cluster's lock, at most as long as a machine may take.
pub(crate) async fn cluster(
    home: &Home,
    name: &ClusterName,
    context: Context<'_>,
) -> Result<Lock, ClusterError> {
    let held = match home.lock(name) {
        Err(error @ StoreError::Locked { .. }) => error,
        ended => return Ok(ended?),
    };
    let step = context.events.step("", "waiting for another command");
    step.progress(held.to_string());
    let tried =
        poll_until(context.cancel, INTERVAL, context.deadline(), async || match home.lock(name) {
            Err(error @ StoreError::Locked { .. }) => Ok(ControlFlow::Continue(error)),
            ended => ended.map(ControlFlow::Break),
        });
    let ended = tried.await.map_err(ClusterError::from).and_then(|polled| match polled {
        Polled::Met(lock) => Ok(lock),
        Polled::Late(held) => Err(held.into()),
        Polled::Cancelled(_) => Err(ClusterError::Cancelled),
    });
    step.end_with(ended)
}

pub(crate) fn machine(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
) -> Result<Lock, StoreError> {
    let path = home.layout().cluster(cluster).machine_lock(machine);
    Lock::try_acquire(&path, &format!("machine {machine}"), &home.settings().holder)
}

/// Removes the file of the lock of a machine that is gone, unless a command has it: one that waits
/// for it makes it anew.
pub(crate) fn remove_machine_lock(
    home: &Home,
    cluster: &ClusterName,
    name: &MachineName,
) -> Result<(), StoreError> {
    match machine(home, cluster, name) {
        // Removed while it is held: a command that opened it meanwhile sees that it is no longer
        // there.
        Ok(_held) => {
            let path = home.layout().cluster(cluster).machine_lock(name);
            skep_store::file::remove(&path)
        }
        Err(StoreError::Locked { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the locks of several machines, or none.
pub(crate) fn machines<'a>(
    home: &Home,
    cluster: &ClusterName,
    names: impl IntoIterator<Item = &'a MachineName>,
) -> Result<Vec<Lock>, StoreError> {
    names.into_iter().map(|name| machine(home, cluster, name)).collect()
}
