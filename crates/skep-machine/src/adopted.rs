//! Machines that were there before: a record says which each is, and nothing is made or removed.

use skep_model::ClusterName;
use skep_store::{Resource, StoreError};

use crate::{
    MachineError, MachineId, Work,
    record::{self, Record},
    shelf::Shelf,
};

impl Shelf {
    /// The machines of a cluster that have a record, in order. A damaged one is one all the same.
    pub(crate) fn recorded(&self, cluster: &ClusterName) -> Result<Vec<MachineId>, StoreError> {
        let mut machines = self.machines(cluster)?;
        machines.retain(|id| self.machine_record(id).exists());
        Ok(machines)
    }

    /// What is known of a machine that must be there.
    pub(crate) fn load<T: Record>(&self, id: &MachineId) -> Result<T, MachineError> {
        record::read(&self.machine_record(id))?.ok_or_else(|| id.missing())
    }

    /// Writes down which a machine is.
    pub(crate) fn adopt(
        &self,
        id: &MachineId,
        resource: &Resource,
        record: &impl Record,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        work.journal.intent(resource)?;
        record::write(&self.machine_record(id), record)?;
        Ok(work.journal.made(resource)?)
    }

    /// Forgets which a machine is.
    pub(crate) fn forget(
        &self,
        id: &MachineId,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        work.journal.going(resource)?;
        skep_store::file::remove(&self.machine_record(id))?;
        Ok(work.journal.gone(resource)?)
    }
}
