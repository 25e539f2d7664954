//! One machine, from its record to an engine that answers. Each step knows those before it:
//!
//! ```text
//!  plan     what its driver is to make, with its keys and its seed
//!  make     made, or found, and switched on
//!  here     waited for, and given what a seed could not contain: later certificates, a host that
//!           was there before
//! ```

mod make;
mod plan;

use skep_engine::Engine;
use skep_guest::certificate::restart_engine;
use skep_machine::{System, Waiter};
use skep_model::MachineState;

pub(crate) use self::make::Maker;
use crate::{
    ClusterError, MachineRecord,
    adopt::{self, Allowed},
    tls,
};

#[derive(Clone, Copy)]
pub(crate) struct MachineProvisioner<'a> {
    pub(crate) maker: Maker<'a>,
    pub(crate) allowed: Allowed,
}

pub(crate) struct Provisioned {
    pub(crate) engine: Engine,
    /// Whether its engine, which ran before, is to be restarted once all are up: what it has to read
    /// is there. See [`crate::restarts`].
    pub(crate) restart_due: bool,
}

impl<'a> MachineProvisioner<'a> {
    /// Brings one machine up from the state it is in.
    pub(crate) async fn bring(
        &self,
        machine: &MachineRecord,
        state: MachineState,
    ) -> Result<Provisioned, ClusterError> {
        self.maker.make(machine, state).await?;
        self.finish(machine, state).await
    }

    /// Waits for a machine that was switched on, and brings it what its seed does not contain.
    pub(crate) async fn finish(
        &self,
        machine: &MachineRecord,
        state: MachineState,
    ) -> Result<Provisioned, ClusterError> {
        if machine.system().is_configured_over_ssh() {
            let engine = self.adopt(machine).await?;
            return Ok(Provisioned { engine, restart_due: false });
        }
        let Maker { cluster, authority, context, .. } = self.maker;
        let guest = self.waiter(machine).ready(&cluster.access(machine)?).await?;
        let engine = cluster.engine(machine, context.cancel).await?;
        // One that was made before these certificates were asked for; a new one has them in its seed.
        let due = state.exists()
            && tls::update(cluster, machine, authority, &guest, false, context).await?;
        let restart_due = due && state == MachineState::Running;
        if due && !restart_due {
            // It has only just been started, and has no tasks yet, or none that would mind.
            let step = context.events.step(&machine.name, "restarting the engine");
            step.end_with(restart_engine(&guest, context.cancel).await)?;
        }
        Ok(Provisioned { engine, restart_due })
    }

    /// Waits for a machine, as long as it runs.
    pub(crate) fn waiter(&self, machine: &MachineRecord) -> Waiter<'a> {
        let Maker { cluster, driver, context, .. } = self.maker;
        Waiter { driver, id: cluster.id(machine), context }
    }

    /// Configures a machine over SSH as another one is by its seed.
    async fn adopt(&self, machine: &MachineRecord) -> Result<Engine, ClusterError> {
        let Maker { cluster, authority, context, .. } = self.maker;
        // It is long, and not every machine goes that way.
        let adopted = Box::pin(adopt::adopt(cluster, machine, authority, self.allowed, context));
        if machine.system() == System::Found {
            // Whether a host runs is asked of its sshd, which has a limit for those who only look.
            return adopted.await;
        }
        self.waiter(machine).while_it_runs(adopted).await?
    }
}
