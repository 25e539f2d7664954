//! A machine is made, or found, and switched on.

use skep_context::Context;
use skep_machine::{Driver, MachineError, Work};
use skep_model::MachineState;
use skep_pki::Authority;
use skep_store::Journal;

use super::plan::plan;
use crate::{ClusterError, MachineRecord, ca_certificates, reach::Cluster};

/// Makes machines; what they all need, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Maker<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) driver: &'a dyn Driver,
    pub(crate) authority: &'a Authority,
    pub(crate) journal: &'a Journal,
    pub(crate) context: Context<'a>,
}

impl Maker<'_> {
    pub(crate) async fn create(&self, machine: &MachineRecord) -> Result<(), ClusterError> {
        let work = Work { journal: self.journal, context: self.context };
        let plan = plan(self.cluster, machine, self.authority)?;
        Ok(self.driver.create(&plan, work).await?)
    }

    /// Makes sure that a machine runs, and answers on the ports that it is to answer on.
    pub(crate) async fn make(
        &self,
        machine: &MachineRecord,
        state: MachineState,
    ) -> Result<(), ClusterError> {
        let (id, cancel) = (self.cluster.id(machine), self.context.cancel);
        let ports = &self.cluster.record().publish;
        if state == MachineState::Running {
            return Ok(self.driver.publish(&id, ports, cancel).await?);
        }
        let step = if state.exists() { "starting" } else { "creating" };
        let step = self.context.events.step(&machine.name, step);
        let power_on = async {
            if !state.exists() {
                // What the machine before it had says nothing of this one.
                ca_certificates::forget(self.cluster, machine)?;
            }
            // Also where it exists: the driver leaves a whole one as it is, and makes one anew that
            // was never started, for its seed may be missing.
            self.create(machine).await?;
            if state.exists() {
                // A new one was created with its ports.
                self.driver.publish(&id, ports, cancel).await?;
            }
            match self.driver.start(&id, cancel).await {
                // It was removed outside of skep between the two.
                Err(MachineError::NoSuchMachine { .. }) => {
                    self.create(machine).await?;
                    self.driver.start(&id, cancel).await?;
                }
                started => started?,
            }
            Ok(())
        };
        step.end_with(power_on.await)
    }
}
