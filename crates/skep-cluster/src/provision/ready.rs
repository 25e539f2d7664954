//! A machine that was switched on is waited for: until it can be logged in to, and its engine answers.

use std::{future::Future, time::Duration};

use skep_context::Context;
use skep_engine::Engine;
use skep_guest::{
    Guest, GuestError,
    ready::{Requirement, wait_until_ready},
};
use skep_machine::Driver;
use skep_model::MachineState;

use crate::{ClusterError, MachineRecord, reach::Cluster};

/// How often is looked whether a machine that is waited for still runs.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
pub(crate) struct Waiter<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) driver: &'a dyn Driver,
    pub(crate) context: Context<'a>,
}

impl Waiter<'_> {
    /// Logs in, as soon as that is possible.
    pub(super) async fn log_in(&self, machine: &MachineRecord) -> Result<Guest, ClusterError> {
        let access = self.cluster.access(machine)?;
        match self.while_it_runs(machine, Guest::wait(&access, self.context)).await? {
            Err(error @ GuestError::Unreachable { .. }) => {
                Err(self.with_console(machine, error).await)
            }
            other => Ok(other?),
        }
    }

    pub(super) async fn engine(
        &self,
        machine: &MachineRecord,
        guest: &Guest,
    ) -> Result<Engine, ClusterError> {
        let needed = [Requirement::engine()];
        let wait = wait_until_ready(guest, &needed, self.context);
        self.while_it_runs(machine, wait).await??;
        self.cluster.engine(machine, self.context.cancel).await
    }

    /// Waits for something in a machine, which is given up if the machine's own end
    /// comes first.
    pub(crate) async fn while_it_runs<T>(
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
        let console = self.driver.console(&self.cluster.id(machine)).await.unwrap_or_default();
        let tail: Vec<_> = console.trim().lines().rev().take(12).collect();
        tail.into_iter().rev().map(|line| format!("\n  {line}")).collect()
    }
}
