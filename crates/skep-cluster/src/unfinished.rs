//! What was begun and has not ended well, written down where the next command finds it:
//! `clusters/NAME/unfinished.json`, schema 1.
//!
//! An `up` says so before it makes anything, a `down` before it removes anything. So the `up` after
//! an interrupted `up` knows that it finishes something, `status` does not advise to mend what is
//! being taken away, and the `up` after an interrupted `down` first finishes what cannot be called
//! back:
//!
//! - What the journal says is *going* was asked to be removed, and its driver may be at it still.
//!   That is finished, so that nothing vanishes under the hands of the `up`.
//! - A machine is what is on its disk, and a swarm is what is on its managers' disks. As long as
//!   more than half of these are there, the cluster is made whole around them: a user who
//!   interrupts a `down` may have meant another cluster. With fewer the swarm is lost, and the rest
//!   of it, which would be in the new one's way, is removed as it was asked for.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use skep_context::Context;
use skep_guest::Guest;
use skep_machine::{Driver, MachineId, Work};
use skep_model::{ClusterName, MachineName, Role};
use skep_store::{Journal, StoreError, layout::ClusterLayout};

use crate::{ClusterError, ClusterRecord, Home, MachineFailure, locks, pending};

/// The newest schema of `unfinished.json` this program knows.
const SCHEMA: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Begun {
    Up,
    Down,
}

/// A command that has not ended well, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    schema: u64,
    pub(crate) command: Begun,
    #[serde(default)]
    pub(crate) machines: usize,
}

/// What was begun with a cluster and has not ended well. A mark that cannot be read is none: the
/// engines say what there is, and a command that begins something writes it anew.
pub(crate) fn load(home: &Home, cluster: &ClusterName) -> Option<Unfinished> {
    let path = home.layout().cluster(cluster).unfinished();
    skep_store::read_json(&path, SCHEMA).ok().flatten()
}

/// How many machines the cluster had whose directory is on its way out.
pub(crate) fn machines_in(directory: &std::path::Path) -> usize {
    let path = ClusterLayout::at(directory).unfinished();
    let begun = skep_store::read_json::<Unfinished>(&path, SCHEMA).ok().flatten();
    begun.map_or(0, |begun| begun.machines)
}

/// Writes down that a command begins. The cluster's lock is held.
///
/// # Errors
/// [`StoreError`]; then nothing must be begun.
pub(crate) fn begin(
    home: &Home,
    cluster: &ClusterName,
    command: Begun,
    machines: usize,
) -> Result<(), StoreError> {
    let path = home.layout().cluster(cluster).unfinished();
    skep_store::write_json(&path, &Unfinished { schema: SCHEMA, command, machines })
}

/// Writes down that it has ended well. The cluster's lock is held.
pub(crate) fn end(home: &Home, cluster: &ClusterName) -> Result<(), StoreError> {
    skep_store::file::remove(&home.layout().cluster(cluster).unfinished())
}

/// A removal of a cluster that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A command is at it; which, in the words of its lock.
    UnderWay(String),
    Interrupted,
}

/// Whether a removal of a cluster was begun.
pub fn removal(home: &Home, cluster: &ClusterName) -> Option<Removal> {
    if load(home, cluster)?.command != Begun::Down {
        return None;
    }
    Some(match home.lock(cluster) {
        Err(StoreError::Locked { holder, .. }) => Removal::UnderWay(holder),
        _ => Removal::Interrupted,
    })
}

/// Finishes what an interrupted command has begun to remove, before an `up` asks or makes anything;
/// see the module. Touches nothing where there is nothing of the kind.
///
/// # Errors
/// [`StoreError::Locked`] if another command is at it; [`ClusterError::NotRemoved`] with each machine
/// that could not be removed.
pub(crate) async fn resume(
    home: &Home,
    name: &ClusterName,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    let files = home.layout().cluster(name);
    let is_down = || load(home, name).is_some_and(|begun| begun.command == Begun::Down);
    let nothing_leaves = || Journal::leaving_in(&files.journal()).is_ok_and(|all| all.is_empty());
    if !is_down() && nothing_leaves() {
        return Ok(());
    }
    let Some(record) = ClusterRecord::load(home, name)? else { return Ok(()) };
    let driver = home.driver(record.driver);
    let driver = driver.as_ref();
    if driver.resources(name).await.is_err() {
        // Its preflight says why.
        return Ok(());
    }
    let _lock = home.lock(name)?;
    let Some(record) = ClusterRecord::load(home, name)? else { return Ok(()) };
    let _machines =
        locks::machines(home, name, record.machines.iter().map(|machine| &machine.name))?;
    let journal = Journal::open(&files.journal())?;
    let work = Work { journal: &journal, context };
    pending::complete(driver, name, work).await?;
    if !is_down() {
        return Ok(());
    }
    // A connection to what is gone would be waited for.
    join_all(record.machines.iter().map(|machine| async {
        let id = MachineId { cluster: name.clone(), machine: machine.name.clone() };
        let _ = Guest::forget(&home.login(&id).access(None), cancel).await;
    }))
    .await;
    let disks = driver.disks(name).await?;
    if is_kept(&record, &disks) {
        let text = "its removal was begun and is given up: what is gone of it is made again";
        events.warn("", text);
    } else {
        remove_rest(home, record, driver, work).await?;
    }
    Ok(begin(home, name, Begun::Up, 0)?)
}

/// Whether enough of a cluster is left to be made whole: more than half of its managers' disks.
/// Where no manager is known, one may be among whatever is left.
fn is_kept(record: &ClusterRecord, disks: &BTreeSet<MachineName>) -> bool {
    let managers = record.machines.iter().filter(|machine| machine.role == Some(Role::Manager));
    let (there, gone): (Vec<_>, Vec<_>) =
        managers.partition(|machine| disks.contains(&machine.name));
    match (there.len(), gone.len()) {
        (0, 0) => !disks.is_empty(),
        (there, gone) => there > gone,
    }
}

/// Removes the machines that are left of a cluster whose swarm is lost. What they share stays: it is
/// needed again at once.
async fn remove_rest(
    home: &Home,
    mut record: ClusterRecord,
    driver: &dyn Driver,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    let step = work.context.events.step("", "finishing the removal that was begun");
    let each = record.machines.iter().map(|machine| async {
        let id = MachineId { cluster: record.name.clone(), machine: machine.name.clone() };
        let removed = driver.remove(&id, work).await;
        removed
            .map_err(|error| MachineFailure { machine: machine.name.clone(), error: error.into() })
    });
    let failures: Vec<_> = join_all(each).await.into_iter().filter_map(Result::err).collect();
    if work.context.cancel.is_cancelled() {
        return step.end_with(Err(ClusterError::Cancelled));
    }
    if !failures.is_empty() {
        let of = record.machines.len();
        return step.end_with(Err(ClusterError::NotRemoved { failures, of }));
    }
    step.done();
    // Its swarm is lost with its managers' disks; what is made next is in another one.
    record.swarm = None;
    for machine in &mut record.machines {
        machine.node = None;
    }
    Ok(record.save(home)?)
}

#[cfg(test)]
mod tests {
    use skep_machine::DriverKind;

    use super::*;
    use crate::MachineRecord;

    fn record(machines: &[(&str, Option<Role>)]) -> ClusterRecord {
        let mut record = ClusterRecord::new("demo".parse().unwrap(), DriverKind::Container);
        for (place, (name, role)) in machines.iter().enumerate() {
            record.machines.push(MachineRecord::new(
                name.parse().unwrap(),
                *role,
                place,
                record.driver,
            ));
        }
        record
    }

    fn disks(names: &[&str]) -> BTreeSet<MachineName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_swarm_is_kept_while_most_of_its_managers_disks_are_there() {
        use Role::{Manager, Worker};
        let one = record(&[("m1", Some(Manager)), ("w1", Some(Worker))]);
        assert!(is_kept(&one, &disks(&["m1"])));
        assert!(!is_kept(&one, &disks(&["w1"])));
        assert!(!is_kept(&one, &disks(&[])));
        let three = [("m1", Some(Manager)), ("m2", Some(Manager)), ("m3", Some(Manager))];
        let three = record(&three);
        assert!(is_kept(&three, &disks(&["m1", "m3"])));
        assert!(!is_kept(&three, &disks(&["m2"])));
        let alone = record(&[("a", None), ("b", None)]);
        assert!(is_kept(&alone, &disks(&["b"])));
        assert!(!is_kept(&alone, &disks(&[])));
    }
}
