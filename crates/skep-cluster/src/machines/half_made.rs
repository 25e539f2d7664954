//! Machines that a `create` was killed over.
//!
//! A `create` that is interrupted in order takes away what it has made. One that is killed cannot:
//! the machine's mark stays, and its lock is free. The next `create` of the name takes such a
//! machine away and makes it anew, with its own options.

use skep_context::Context;
use skep_model::MachineName;

use super::{mark::is_left, remove};
use crate::{ClusterError, Home, find::everything, locks};

/// Takes away every half-made machine of a name that no command is making.
pub(super) async fn take_away(
    home: &Home,
    machine: &MachineName,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    for cluster in everything(home)?.clusters {
        let name = &cluster.record().name;
        if cluster.record().machine(machine.as_str()).is_none() || !is_left(home, name, machine) {
            continue;
        }
        // Another command was faster and has it.
        let Ok(lock) = locks::machine(home, name, machine) else { continue };
        let step = context.events.step(machine, "removing what an interrupted create has left");
        let driver = home.driver(cluster.record().driver);
        let removed = remove::take_out(home, name, machine, driver.as_ref(), context).await;
        drop(lock);
        step.end_with(removed)?;
    }
    Ok(())
}
