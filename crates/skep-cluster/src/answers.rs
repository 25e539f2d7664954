//! The same question to several machines of a cluster, and what each answers.

use futures_util::future::join_all;
use skep_context::Context;
use skep_guest::Guest;
use skep_model::{MachineName, MachineState};

use crate::{ClusterError, MachineFailure, MachineRecord, reach::Cluster};

/// What an operation on several machines takes.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub cluster: &'a Cluster,
    pub machines: &'a [String],
    /// The events, cancellation and time limit of the operation.
    pub context: Context<'a>,
}

/// One machine's answer.
#[derive(Debug)]
pub struct Answer<T> {
    pub machine: MachineName,
    /// What it answered, or why it did not.
    pub result: Result<T, ClusterError>,
}

/// What the machines that run have answered, and which are off.
#[derive(Debug)]
pub struct Answers<T> {
    /// An answer of each machine that runs.
    pub answers: Vec<Answer<T>>,
    /// The machines that do not, each with what its driver says of it.
    pub off: Vec<(MachineName, MachineState)>,
}

impl<'a> Scope<'a> {
    pub(crate) fn meant(&self) -> Result<Vec<&'a MachineRecord>, ClusterError> {
        if self.machines.is_empty() {
            return Ok(self.cluster.record().machines.iter().collect());
        }
        self.machines.iter().map(|name| self.cluster.machine(name)).collect()
    }

    /// Does something to one machine's guest, as a step.
    pub(crate) async fn at<T>(
        &self,
        machine: &MachineRecord,
        step: &str,
        work: impl AsyncFnOnce(&Guest) -> Result<T, ClusterError>,
    ) -> Answer<T> {
        let span = self.context.events.step(&machine.name, step);
        let worked = async { work(&self.cluster.guest(machine, self.context.cancel).await?).await };
        Answer { machine: machine.name.clone(), result: span.end_with(worked.await) }
    }

    /// The machines that are meant and run, and those that do not: what is off is not waited for.
    pub(crate) async fn running(
        &self,
    ) -> Result<(Vec<&'a MachineRecord>, Vec<(MachineName, MachineState)>), ClusterError> {
        let record = self.cluster.record();
        let states = self.cluster.home().driver(record.driver).states(&record.name).await?;
        let (mut running, mut off) = (Vec::new(), Vec::new());
        for machine in self.meant()? {
            match states.get(&machine.name).copied().unwrap_or(MachineState::Absent) {
                MachineState::Running => running.push(machine),
                // Whether an engine that is known by its URL runs is not known.
                _ if !machine.system().has_login() => running.push(machine),
                state => off.push((machine.name.clone(), state)),
            }
        }
        Ok((running, off))
    }

    /// Does something to every machine that is meant and runs, at once.
    pub(crate) async fn on_each<T>(
        &self,
        step: &str,
        work: impl AsyncFn(&Guest) -> Result<T, ClusterError>,
    ) -> Result<Answers<T>, ClusterError> {
        let (running, off) = self.running().await?;
        let each = running.into_iter().map(|machine| self.at(machine, step, &work));
        Ok(Answers { answers: join_all(each).await, off })
    }
}

/// The answers, or what failed if any machine did not give one.
///
/// # Errors
/// [`ClusterError::Partly`].
pub fn all<T>(answers: Vec<Answer<T>>) -> Result<Vec<(MachineName, T)>, ClusterError> {
    let (given, failed) = sort(answers);
    failed.map(|()| given)
}

/// The answers that were given, and what failed on the machines that gave none.
pub fn sort<T>(answers: Vec<Answer<T>>) -> (Vec<(MachineName, T)>, Result<(), ClusterError>) {
    let of = answers.len();
    let mut failures = Vec::new();
    let mut given = Vec::new();
    for Answer { machine, result } in answers {
        match result {
            Ok(answer) => given.push((machine, answer)),
            Err(error) => failures.push(MachineFailure { machine, error }),
        }
    }
    let failed =
        if failures.is_empty() { Ok(()) } else { Err(ClusterError::Partly { failures, of }) };
    (given, failed)
}
