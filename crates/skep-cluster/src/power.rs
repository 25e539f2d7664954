//! Machines switched on and off, by name.

use std::time::Duration;

use skep_context::{Context, pause};
use skep_guest::{Command, Guest, GuestError, Requirement, wait_until_ready};
use skep_machine::{Driver, MachineError, MachineId, System};
use skep_model::{Events, MachineName};
use tokio::time::Instant;

use crate::{
    ClusterError, MachineRecord, ca_certificates,
    guard::{Cleared, Loss, guard, one_by_one},
    locks,
    reach::Cluster,
};

/// How often is looked whether a host that was asked to start again has begun to.
const LOOK: Duration = Duration::from_millis(200);

/// How long another command may keep a cluster's lock.
const LOCK: Duration = Duration::from_secs(60);

/// How long a host may take to say which boot it is.
const ANSWER: Duration = Duration::from_secs(10);

/// What is done to a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// On, until its engine answers, which may take as long as the context says.
    On,
    /// Off; the guest is asked first.
    Off,
    /// Off at once, as if the plug were pulled.
    Cut,
    /// Off and on again, or, of a host that only its own system can start again, a reboot.
    Again,
}

impl Power {
    /// How it takes machines away, if it does.
    pub fn loss(self) -> Option<Loss> {
        match self {
            Power::On => None,
            Power::Off | Power::Cut => Some(Loss::Stop),
            Power::Again => Some(Loss::Restart),
        }
    }
}

/// Does `power` to the machines of these names, all at once, but to managers that are to come back
/// one after another. What is already so is success.
///
/// # Errors
/// [`ClusterError::NoMachine`], and [`ClusterError::Guarded`] unless forced, before anything is
/// touched; [`ClusterError::Partly`] with each machine that did not do it; [`ClusterError::Store`]
/// if another command works on one of them; [`ClusterError::Cancelled`].
pub async fn power(
    cluster: &Cluster,
    names: &[String],
    power: Power,
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events: _, cancel, .. } = context;
    let machines: Vec<_> =
        names.iter().map(|name| cluster.machine(name)).collect::<Result<_, _>>()?;
    let record = cluster.record();
    let own = machines.iter().map(|machine| &machine.name);
    let _locks = locks::machines(cluster.home(), &record.name, own)?;
    let driver = cluster.home().driver(record.driver);
    let driver = driver.as_ref();
    let mut cleared = Cleared::default();
    let mut lock = None;
    if let Some(loss) = power.loss() {
        // Two commands that take a manager each could take the quorum between them: the second
        // looks when the first is done.
        lock = Some(locks::cluster(cluster.home(), &record.name, context.within(LOCK)).await?);
        let names: Vec<MachineName> = machines.iter().map(|one| one.name.clone()).collect();
        cleared = guard(cluster, &names, loss, force, context).await?;
        // A machine that is off cannot be asked any more.
        cleared.survey.save_in(cluster.home(), &record.name, |_| {})?;
    }
    if !cleared.takes_managers(record) {
        drop(lock.take());
    }
    let work =
        async |machine: &MachineRecord| switch(cluster, machine, power, driver, context).await;
    let failures = one_by_one(cluster, &cleared.survey, power.loss(), &machines, context, work);
    let failures = failures.await;
    drop(lock);
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
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    let id = MachineId { cluster: cluster.record().name.clone(), machine: machine.name.clone() };
    let system = machine.system();
    if let (Power::Again, System::Found) = (power, system) {
        return reboot(cluster, machine, context).await;
    }
    match power {
        Power::Off => at(events, machine, "stopping", driver.stop(&id, cancel)).await?,
        Power::Cut => at(events, machine, "killing", driver.kill(&id, cancel)).await?,
        Power::Again => at(events, machine, "stopping", driver.stop(&id, cancel)).await?,
        Power::On => {}
    }
    if !matches!(power, Power::On | Power::Again) {
        return Ok(());
    }
    at(events, machine, "starting", driver.start(&id, cancel)).await?;
    if !system.has_login() {
        return Ok(());
    }
    let guest = Guest::wait(&cluster.access(machine)?, context).await?;
    wait_until_ready(&guest, &[Requirement::engine()], context).await?;
    ca_certificates::catch_up(cluster, machine, &guest, context).await
}

/// Does something to a machine as a step. Where there is only a URL nothing is done, and no step
/// is shown.
async fn at(
    events: &Events,
    machine: &MachineRecord,
    step: &str,
    work: impl Future<Output = Result<(), MachineError>>,
) -> Result<(), MachineError> {
    if !machine.system().has_login() {
        return work.await;
    }
    let step = events.step(&machine.name, step);
    step.end_with(work.await)
}

/// Lets a host start again by itself, and waits until it has: until it says that its boot is another
/// one.
async fn reboot(
    cluster: &Cluster,
    machine: &MachineRecord,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { timeout, events, cancel } = context;
    let access = cluster.access(machine)?;
    let step = events.step(&machine.name, "restarting");
    let silent = Events::none();
    let quiet = Context { events: &silent, ..context };
    let rebooted = async {
        let guest = Guest::connect(&access, cancel).await?;
        let before = guest.run(&boot(), cancel).await?.text();
        // The connection may end before the answer is here.
        let asked = guest.run(&Command::new("reboot").as_root(), cancel).await;
        if let Err(error @ GuestError::Failed { .. }) = asked {
            return Err(error);
        }
        let end = Instant::now() + timeout;
        loop {
            // A master whose host is gone would be waited for.
            let _ = Guest::close_master(&access, cancel).await;
            let left = end.saturating_duration_since(Instant::now());
            let guest = Guest::wait(&access, quiet.within(left)).await?;
            match guest.run(&boot(), cancel).await {
                Ok(output) if output.text() != before => return Ok(guest),
                Err(error @ GuestError::Cancelled { .. }) => return Err(error),
                // On its way down; or the connection went with it.
                Ok(_) | Err(_) => {}
            }
            pause(cancel, LOOK).await;
        }
    };
    let guest = step.end_with(rebooted.await)?;
    wait_until_ready(&guest, &[Requirement::engine()], context).await?;
    ca_certificates::catch_up(cluster, machine, &guest, context).await
}

/// Asks which boot of the host's this is.
fn boot() -> Command {
    Command::new("cat").arg("/proc/sys/kernel/random/boot_id").deadline(ANSWER)
}
