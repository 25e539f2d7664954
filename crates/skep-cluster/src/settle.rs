//! What an interrupted command has left on its way.
//!
//! A command that is killed, or gives up a request, does not take the request back: an engine
//! that has been asked for a container makes it, a moment later, for nobody. The journal names
//! what was announced and never said to be made; whoever begins or removes something waits until
//! it is there, so that it is found, and used or removed with the rest.

use std::time::Duration;

use skep_machine::{Driver, MachineError, Work};
use skep_model::ClusterName;
use tokio::time::Instant;

use crate::ClusterError;

/// How long a request may be on its way after nobody waits for it any more. A container takes a
/// few tenths of a second; ten at once on two processors take two.
const GRACE: Duration = Duration::from_secs(5);

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until everything the journal is uncertain of is there, or does not come any more.
pub(crate) async fn settle(
    driver: &dyn Driver,
    name: &ClusterName,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    let mut awaited = work.journal.uncertain()?;
    if awaited.is_empty() {
        return Ok(());
    }
    let step = work.events.step("", "looking for what an interrupted command has left");
    let end = Instant::now() + GRACE;
    let settled = async {
        loop {
            let found = driver.resources(name).await?;
            awaited.retain(|resource| !found.contains(resource));
            if awaited.is_empty() || Instant::now() >= end {
                return Ok(());
            }
            tokio::select! {
                () = work.cancel.cancelled() => return Err(MachineError::Cancelled),
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    };
    Ok(step.end_with(settled.await)?)
}
