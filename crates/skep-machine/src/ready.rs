//! A machine that was switched on is waited for: until it can be logged in to, and its engine answers.

use std::{future::Future, time::Duration};

use skep_context::Context;
use skep_guest::{Access, Guest, GuestError, Requirement, wait_until_ready};
use skep_model::MachineState;

use crate::{Driver, MachineError, MachineId};

/// How often is looked whether a machine that is waited for still runs.
const LOOK: Duration = Duration::from_millis(500);

/// How much of its console is shown, in lines.
const LINES: usize = 12;

/// Waits for a machine, as long as it runs.
#[derive(Debug, Clone)]
pub struct Waiter<'a> {
    pub driver: &'a dyn Driver,
    pub id: MachineId,
    /// What the wait ends with, and how long each part of it may last.
    pub context: Context<'a>,
}

impl Waiter<'_> {
    /// Logs in as soon as that is possible, and waits until the engine answers.
    ///
    /// # Errors
    /// [`MachineError::Ended`], [`MachineError::Console`], [`MachineError::Guest`].
    pub async fn ready(&self, access: &Access) -> Result<Guest, MachineError> {
        let guest = match self.while_it_runs(Guest::wait(access, self.context)).await? {
            Err(error @ GuestError::Unreachable { .. }) => Err(self.with_console(error).await),
            other => Ok(other?),
        }?;
        let needed = [Requirement::engine()];
        self.while_it_runs(wait_until_ready(&guest, &needed, self.context)).await??;
        Ok(guest)
    }

    /// Waits for something in a machine, which is given up if the machine's own end comes first.
    ///
    /// # Errors
    /// [`MachineError::Ended`].
    pub async fn while_it_runs<T>(&self, wait: impl Future<Output = T>) -> Result<T, MachineError> {
        let ended = async {
            loop {
                tokio::time::sleep(LOOK).await;
                // A driver that cannot say so now may the next time.
                let states = self.driver.states(&self.id.cluster).await;
                let state = states.ok().map(|states| states.get(&self.id.machine).copied());
                match state.map(|state| state.unwrap_or(MachineState::Absent)) {
                    None | Some(MachineState::Running) => {}
                    Some(state) => return state,
                }
            }
        };
        tokio::select! {
            waited = wait => Ok(waited),
            state = ended => Err(MachineError::Ended { state, console: self.console().await }),
        }
    }

    /// A machine that cannot be logged in to says why on its console, if anywhere.
    async fn with_console(&self, source: GuestError) -> MachineError {
        let console = self.console().await;
        if console.is_empty() { source.into() } else { MachineError::Console { source, console } }
    }

    /// The end of a machine's console, each line after a line's end; empty if it has said nothing.
    async fn console(&self) -> String {
        let console = self.driver.console(&self.id).await.unwrap_or_default();
        let tail: Vec<_> = console.trim().lines().rev().take(LINES).collect();
        tail.into_iter().rev().map(|line| format!("\n  {line}")).collect()
    }
}
