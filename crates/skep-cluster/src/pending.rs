//! What an interrupted command has left on its way.
//!
//! A command that is killed, or gives up a request, does not take the request back: an engine
//! that has been asked for a container makes it, a moment later, in the background. The journal
//! names what was announced and never said to be made; a command that begins or removes something
//! waits until it is there, so that it is found, and used or removed with the rest.
//!
//! Nor is a removal taken back. What the journal says is going may be there now and gone a moment
//! later; it is removed once more, which waits for the first removal to end.

use std::{cell::RefCell, time::Duration};

use futures_util::future::join_all;
use skep_context::{Polled, after, poll_until, when};
use skep_machine::{Driver, MachineError, Work};
use skep_model::ClusterName;

use crate::ClusterError;

/// How long a request may be on its way after its command has ended. A container takes a
/// few tenths of a second; ten at once on two processors take two.
const GRACE: Duration = Duration::from_secs(5);

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until everything the journal is uncertain of is there, or does not come any more, and
/// until everything is gone whose removal was begun.
pub(crate) async fn complete(
    driver: &dyn Driver,
    name: &ClusterName,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    await_coming(driver, name, work).await?;
    finish_leaving(driver, name, work).await
}

async fn finish_leaving(
    driver: &dyn Driver,
    name: &ClusterName,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    let leaving = work.journal.leaving()?;
    if leaving.is_empty() {
        return Ok(());
    }
    let step = work.context.events.step("", "finishing a removal that was begun");
    let record = driver.resources(name).await?;
    // Machines before what they use: a volume, or a network, is not given up before.
    let (first, rest): (Vec<_>, Vec<_>) = leaving
        .into_iter()
        .partition(|resource| record.first().is_none_or(|machine| machine.kind == resource.kind));
    let finished = async {
        let removed = first.iter().map(|resource| driver.remove_resource(name, resource, work));
        for ended in join_all(removed).await {
            ended?;
        }
        for resource in &rest {
            driver.remove_resource(name, resource, work).await?;
        }
        Ok::<_, MachineError>(())
    };
    Ok(step.end_with(finished.await)?)
}

/// Waits until everything the journal is uncertain of is there, or does not come any more.
pub(crate) async fn await_coming(
    driver: &dyn Driver,
    name: &ClusterName,
    work: Work<'_>,
) -> Result<(), ClusterError> {
    let awaited = RefCell::new(work.journal.uncertain()?);
    if awaited.borrow().is_empty() {
        return Ok(());
    }
    let step = work.context.events.step("", "looking for what an interrupted command has left");
    let looked = poll_until(work.context.cancel, INTERVAL, after(GRACE), async || {
        let found = driver.resources(name).await?;
        awaited.borrow_mut().retain(|resource| !found.contains(resource));
        Ok::<_, MachineError>(when(awaited.borrow().is_empty()))
    });
    let ended = looked.await.and_then(|polled| match polled {
        Polled::Met(()) | Polled::Late(()) => Ok(()),
        Polled::Cancelled(()) => Err(MachineError::Cancelled),
    });
    Ok(step.end_with(ended)?)
}
