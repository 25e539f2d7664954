//! What an `up` has written down and not come to make, which binds nothing.

use std::collections::BTreeSet;

use skep_machine::{Driver, MachineId, Work};
use skep_model::{ClusterName, MachineName};
use skep_store::Journal;

use crate::{ClusterError, ClusterRecord, Desired, Home};

/// The machines of a record that exist: the driver knows them, or the journal says that they were
/// made and are not gone (a user may have removed one outside of skep).
///
/// What the journal is uncertain of is none of them yet: a caller that has to know for sure
/// completes that first ([`crate::pending`]).
///
/// # Errors
/// [`ClusterError::Store`] if the journal cannot be read.
pub(crate) async fn made(
    home: &Home,
    driver: &dyn Driver,
    record: &ClusterRecord,
) -> Result<BTreeSet<MachineName>, ClusterError> {
    let journal = home.layout().cluster(&record.name).journal();
    let journalled = Journal::made_in(&journal)?;
    // A driver that cannot say so now says why in its preflight.
    let states = driver.states(&record.name).await.unwrap_or_default();
    let exists = |name: &&MachineName| {
        let id = MachineId { cluster: record.name.clone(), machine: (*name).clone() };
        states.contains_key(*name) || journalled.contains(&driver.resource(&id))
    };
    Ok(record.machines.iter().map(|machine| &machine.name).filter(exists).cloned().collect())
}

/// Takes away what is left of a request that another one replaces, before that is written down:
/// parts of machines that are dropped, and the network if no machine exists and another driver or
/// subnet is asked for. The cluster's lock is held.
///
/// # Errors
/// Whatever keeps something of it; nothing is forgotten then.
pub(crate) async fn clear(
    home: &Home,
    before: &ClusterRecord,
    wanted: &ClusterRecord,
    desired: &Desired,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    let name: &ClusterName = &before.name;
    let driver = home.driver(before.driver);
    let moves = before.driver != wanted.driver;
    for machine in &before.machines {
        if moves || wanted.machine(machine.name.as_str()).is_none() {
            let id = MachineId { cluster: name.clone(), machine: machine.name.clone() };
            driver.remove(&id, work).await?;
            let files = home.layout().cluster(name).machine(&machine.name);
            skep_store::file::remove_dir_at_once(files.directory())?;
        }
    }
    let another = desired.subnet.is_some_and(|asked| before.subnet != Some(asked));
    if moves || (another && wanted.subnet.is_none()) {
        for resource in driver.resources(name).await? {
            driver.remove_resource(name, &resource, work).await?;
        }
    }
    Ok(())
}
