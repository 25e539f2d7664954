//! Nodes drained for a restart of their engines, and given back.
//!
//! What a node's availability was stands in the store for as long as it is another one: a command
//! that was killed meanwhile leaves a node drained, and the next one gives it back.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_context::Context;
use skep_model::{Advice, Events, Reason};
use skep_service::{Services, api::Id, drain::DrainOutcome};
use skep_swarm::{Availability, NodeUpdate, Swarm};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::picture::{Load, error};
use crate::{ClusterError, MachineRecord, reach::Cluster};

/// The newest schema of `availability.json` this program knows.
const SCHEMA: u64 = 1;

/// How long a manager may take to be there again and put a node's availability back.
const GIVE_BACK: Duration = Duration::from_secs(60);

const AGAIN: Duration = Duration::from_millis(500);

/// What a node's availability was: `availability.json` in its machine's directory.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    schema: u64,
    availability: Availability,
}

fn path(cluster: &Cluster, machine: &MachineRecord) -> std::path::PathBuf {
    cluster.files(&machine.name).availability()
}

/// Drains a node, and waits until its tasks run elsewhere.
pub(super) async fn drain(
    cluster: &Cluster,
    machine: &MachineRecord,
    load: &Load,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    let (engine, _) = cluster.manager(cancel).await?;
    let services = Services::new(&engine);
    let target = [Id::new(load.node.as_str())];
    let (_, before) = services.before_drain(&target, cancel).await.map_err(error)?;
    if load.availability != Availability::Drain {
        let before = Before { schema: SCHEMA, availability: load.availability.clone() };
        skep_store::write_json(&path(cluster, machine), &before)?;
    }
    let step = events.step(&machine.name, "draining");
    step.end_with(Swarm::new(&engine).update(&load.node, &NodeUpdate::drain(), cancel).await)?;
    match services.until_drained(&before, context).await.map_err(error)? {
        DrainOutcome::Drained => Ok(()),
        DrainOutcome::NotDrained(stuck) => {
            let stuck: Vec<_> = stuck.iter().map(ToString::to_string).collect();
            let reason = format!(
                "its tasks do not find another place, and its engine was left alone: {}",
                stuck.join("; ")
            );
            Err(ClusterError::Request { reason: reason.into() })
        }
    }
}

/// Gives a node the availability back that it had before it was drained. That is not given up when
/// the command is, but not waited for without an end either.
pub(super) async fn give_back(
    cluster: &Cluster,
    machine: &MachineRecord,
    events: &Events,
) -> Result<(), ClusterError> {
    let path = path(cluster, machine);
    let Some(before) = skep_store::read_json::<Before>(&path, SCHEMA)? else { return Ok(()) };
    let cancel = CancellationToken::new();
    let step = events.step(&machine.name, format!("availability {} again", before.availability));
    let back = async {
        let end = Instant::now() + GIVE_BACK;
        loop {
            let tried = async {
                let (engine, _) = cluster.manager(&cancel).await?;
                let swarm = Swarm::new(&engine);
                let nodes = swarm.nodes(&cancel).await?;
                let own = nodes.iter().filter(|node| {
                    node.hostname == machine.name.as_str()
                        && node.availability == Availability::Drain
                });
                let update = NodeUpdate {
                    availability: Some(before.availability.clone()),
                    ..NodeUpdate::default()
                };
                for node in own {
                    swarm.update(&node.id, &update, &cancel).await?;
                }
                Ok::<_, ClusterError>(())
            };
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, tried).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if left <= AGAIN => return Err(error),
                Ok(Err(_)) => tokio::time::sleep(AGAIN).await,
                Err(_elapsed) => {
                    let reason = Reason::new("no manager answers in time", Advice::Activate);
                    return Err(ClusterError::Request { reason });
                }
            }
        }
    };
    let back = back.await;
    step.end_with(back)?;
    Ok(skep_store::file::remove(&path)?)
}

/// Gives every node its availability back that a command drained and could not give back, because
/// it was killed. Where there is no such node, no engine is asked.
///
/// # Errors
/// [`ClusterError::Store`], [`ClusterError::NoManager`], [`ClusterError::Swarm`].
pub async fn put_back(cluster: &Cluster, context: Context<'_>) -> Result<(), ClusterError> {
    for machine in &cluster.record().machines {
        give_back(cluster, machine, context.events).await?;
    }
    Ok(())
}
