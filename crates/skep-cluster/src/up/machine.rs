//! One machine, from whatever it is to an engine that answers.

use std::{
    collections::BTreeMap,
    future::Future,
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use skep_context::Context;
use skep_engine::Engine;
use skep_guest::{
    Guest, GuestError,
    certificate::restart_engine,
    ready::{Requirement, wait_until_ready},
};
use skep_machine::{Driver, MachineError, MachineId, MachinePlan, System, Work};
use skep_model::{MachineName, MachineState};
use skep_pki::Authority;

use crate::{
    ClusterError, MachineRecord,
    adopt::{self, Allowed},
    certificates, provision,
    reach::Cluster,
};

/// How often is looked whether a machine that is waited for still runs.
const LOOK: Duration = Duration::from_millis(500);

/// Brings machines up; what they all need, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Bringer<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) driver: &'a dyn Driver,
    pub(crate) authority: &'a Authority,
    pub(crate) states: &'a BTreeMap<MachineName, MachineState>,
    pub(crate) allowed: Allowed,
    /// The machines that ran, and whose engines are to be restarted once all are up: what they have
    /// to read is there. See [`crate::restarts`].
    pub(crate) due: &'a Mutex<Vec<MachineName>>,
    /// Hears that the machine was switched on and is waited for.
    pub(crate) switched_on: &'a dyn Fn(),
    pub(crate) timeout: Duration,
    pub(crate) work: Work<'a>,
}

impl Bringer<'_> {
    /// Brings one machine up and returns its engine.
    pub(crate) async fn bring(&self, machine: &MachineRecord) -> Result<Engine, ClusterError> {
        let state = self.states.get(&machine.name).copied().unwrap_or(MachineState::Absent);
        if state == MachineState::Running {
            let ports = &self.cluster.record().publish;
            self.driver.publish(&self.id(machine), ports, self.work.cancel).await?;
        } else {
            self.power_on(machine, state).await?;
            (self.switched_on)();
        }
        if matches!(machine.options.system(), System::Found | System::Boot2docker) {
            return self.adopt(machine).await;
        }
        let guest = self.log_in(machine).await?;
        let engine = self.wait_for_engine(machine, &guest).await?;
        if state.exists() {
            // One that was made before these certificates were asked for; a new one has them in
            // its seed.
            let due = self.install_certificates(machine, &guest).await?
                | self.renew_certificate(machine, &guest).await?;
            if due && state == MachineState::Running {
                self.due.lock().unwrap_or_else(PoisonError::into_inner).push(machine.name.clone());
            } else if due {
                // It has only just been started, and has no tasks yet, or none that would mind.
                let step = self.work.events.step(&machine.name, "restarting the engine");
                step.end_with(restart_engine(&guest, self.work.cancel).await)?;
            }
        }
        Ok(engine)
    }

    /// Tells a machine over SSH what another one's seed has told it.
    async fn adopt(&self, machine: &MachineRecord) -> Result<Engine, ClusterError> {
        let Work { events, cancel, .. } = self.work;
        let context = Context { timeout: self.timeout, events, cancel };
        let adopted = adopt::adopt(self.cluster, machine, self.authority, self.allowed, context);
        // It is long, and not every machine goes that way.
        let adopted = Box::pin(adopted);
        if machine.options.system() == System::Found {
            // Whether a host runs is asked of its sshd, which has a limit for those who only look.
            return adopted.await;
        }
        self.while_it_runs(machine, adopted).await?
    }

    async fn power_on(
        &self,
        machine: &MachineRecord,
        state: MachineState,
    ) -> Result<(), ClusterError> {
        let step = if state.exists() { "starting" } else { "creating" };
        let step = self.work.events.step(&machine.name, step);
        let power_on = async {
            let id = self.id(machine);
            let record = self.cluster.record();
            if !state.exists() {
                certificates::forget(self.cluster, machine)?;
            }
            self.create(machine).await?;
            if state.exists() {
                self.driver.publish(&id, &record.publish, self.work.cancel).await?;
            }
            match self.driver.start(&id, self.work.cancel).await {
                // Somebody has removed it between the two.
                Err(MachineError::NoSuchMachine { .. }) => {
                    self.create(machine).await?;
                    self.driver.start(&id, self.work.cancel).await?;
                }
                started => started?,
            }
            Ok(())
        };
        step.end_with(power_on.await)
    }

    /// Makes a machine, switched off.
    pub(crate) async fn create(&self, machine: &MachineRecord) -> Result<(), ClusterError> {
        let record = self.cluster.record();
        let system = machine.options.system();
        let plan = MachinePlan {
            id: self.id(machine),
            address: match system {
                // What has only a URL is no node, and has no address among any.
                System::Nothing => Ipv4Addr::UNSPECIFIED,
                _ => self.cluster.cluster_address(machine)?,
            },
            seed: match system {
                System::Skep => provision::seed(self.cluster, machine, self.authority)?,
                System::Boot2docker => provision::key_only(self.cluster, machine)?,
                System::Found | System::Nothing => provision::no_seed(machine),
            },
            written: self.cluster.home().settings().now,
            size: machine.size.or(record.size),
            publish: record.publish.clone(),
            options: machine.options.clone(),
        };
        Ok(self.driver.create(&plan, self.work).await?)
    }

    fn id(&self, machine: &MachineRecord) -> MachineId {
        let cluster = self.cluster.record().name.clone();
        MachineId { cluster, machine: machine.name.clone() }
    }

    async fn log_in(&self, machine: &MachineRecord) -> Result<Guest, ClusterError> {
        let access = self.cluster.access(machine)?;
        let waited = Guest::wait(&access, self.timeout, self.work.events, self.work.cancel);
        match self.while_it_runs(machine, waited).await? {
            Err(error @ GuestError::Unreachable { .. }) => {
                Err(self.with_console(machine, error).await)
            }
            other => Ok(other?),
        }
    }

    /// Waits for something in a machine, which nobody needs to do to the end if the machine's own
    /// end comes first.
    pub(super) async fn while_it_runs<T>(
        &self,
        machine: &MachineRecord,
        wait: impl Future<Output = T>,
    ) -> Result<T, ClusterError> {
        let ended = async {
            loop {
                tokio::time::sleep(LOOK).await;
                // A driver that cannot say so now may the next time.
                let states = self.driver.states(&self.cluster.record().name).await;
                let state = states.ok().map(|states| states.get(&machine.name).copied());
                match state.map(|state| state.unwrap_or(MachineState::Absent)) {
                    None | Some(MachineState::Running) => {}
                    Some(state) => return state,
                }
            }
        };
        tokio::select! {
            waited = wait => Ok(waited),
            state = ended => Err(ClusterError::Ended { state, console: self.console(machine).await }),
        }
    }

    /// A machine that cannot be logged in to says why on its console, if anywhere.
    async fn with_console(&self, machine: &MachineRecord, error: GuestError) -> ClusterError {
        let console = self.console(machine).await;
        if console.is_empty() {
            return error.into();
        }
        ClusterError::Console { source: error, console }
    }

    /// The end of a machine's console, each line after a line's end; empty if it has said nothing.
    async fn console(&self, machine: &MachineRecord) -> String {
        let console = self.driver.console(&self.id(machine)).await.unwrap_or_default();
        let tail: Vec<_> = console.trim().lines().rev().take(12).collect();
        tail.into_iter().rev().map(|line| format!("\n  {line}")).collect()
    }

    async fn wait_for_engine(
        &self,
        machine: &MachineRecord,
        guest: &Guest,
    ) -> Result<Engine, ClusterError> {
        let Work { events, cancel, .. } = self.work;
        let needed = [Requirement::engine()];
        let wait = wait_until_ready(guest, &needed, self.timeout, events, cancel);
        self.while_it_runs(machine, wait).await??;
        self.cluster.engine(machine, cancel).await
    }

    async fn install_certificates(
        &self,
        machine: &MachineRecord,
        guest: &Guest,
    ) -> Result<bool, ClusterError> {
        if !certificates::has_any(self.cluster, machine)? {
            return Ok(false);
        }
        let step = self.work.events.step(&machine.name, "installing CA certificates");
        let cancel = self.work.cancel;
        let changed =
            certificates::bring_up_to_date(self.cluster, machine, guest, &[], cancel).await;
        Ok(step.end_with(changed)?.restart_due)
    }

    async fn renew_certificate(
        &self,
        machine: &MachineRecord,
        guest: &Guest,
    ) -> Result<bool, ClusterError> {
        let Work { cancel, events, .. } = self.work;
        if !provision::server_is_due(self.cluster, machine, guest, cancel).await? {
            return Ok(false);
        }
        let step = events.step(&machine.name, "renewing the engine's certificate");
        let renewal = provision::renew_server(self.cluster, machine, self.authority, guest, cancel);
        step.end_with(renewal.await)?;
        Ok(true)
    }
}
