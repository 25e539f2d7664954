//! Machines switched on and off, by name.

use std::time::Duration;

use futures_util::future::join_all;
use skep_guest::{Guest, ready::Requirement, ready::wait_until_ready};
use skep_machine::{Driver, MachineId};
use skep_model::Events;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineFailure, MachineRecord, reach::Cluster};

/// What is done to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// On, until its engine answers.
    On {
        /// How long that may take.
        timeout: Duration,
    },
    /// Off; the guest is asked first.
    Off,
    /// Off at once, as if the plug were pulled.
    Cut,
}

/// Does `power` to the machines of these names, all at once. What is already so is success.
///
/// # Errors
/// [`ClusterError::NoMachine`] before anything is touched; [`ClusterError::Partly`] with each
/// machine that did not do it; [`ClusterError::Store`] if another command changes the cluster;
/// [`ClusterError::Cancelled`].
pub async fn power(
    cluster: &Cluster,
    names: &[String],
    power: Power,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let machines: Vec<_> =
        names.iter().map(|name| cluster.machine(name)).collect::<Result<_, _>>()?;
    let record = cluster.record();
    let _lock = cluster.home().lock(&record.name)?;
    let driver = cluster.home().driver(record.driver);
    let driver = driver.as_ref();
    let each = machines.iter().map(|machine| async move {
        let done = switch(cluster, machine, power, driver, events, cancel).await;
        done.map_err(|error| MachineFailure { machine: machine.name.clone(), error })
    });
    let failures: Vec<_> = join_all(each).await.into_iter().filter_map(Result::err).collect();
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Partly { failures, of: machines.len() })
}

async fn switch(
    cluster: &Cluster,
    machine: &MachineRecord,
    power: Power,
    driver: &dyn Driver,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let id = MachineId { cluster: cluster.record().name.clone(), machine: machine.name.clone() };
    let step = events.step(
        &machine.name,
        match power {
            Power::On { .. } => "starting",
            Power::Off => "stopping",
            Power::Cut => "killing",
        },
    );
    let done = match power {
        Power::On { .. } => driver.start(&id, cancel).await,
        Power::Off => driver.stop(&id, cancel).await,
        Power::Cut => driver.kill(&id, cancel).await,
    };
    step.end_with(done)?;
    if let Power::On { timeout } = power {
        let guest = Guest::wait(&cluster.access(machine)?, timeout, events, cancel).await?;
        wait_until_ready(&guest, &[Requirement::engine()], timeout, events, cancel).await?;
    }
    Ok(())
}
