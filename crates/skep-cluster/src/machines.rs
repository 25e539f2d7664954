//! One machine by itself: made, provisioned anew, removed, as docker-machine does it.
//!
//! A machine that is made here has no role: it joins a swarm when the user says so
//! (`skep swarm join`, or `docker swarm join` in it), and `up` leaves its membership alone.
//! Machines of one driver share a cluster, and so a network: see `docs/design/0007`.

mod create;
mod half_made;
mod keep;
mod leave;
mod mark;
mod new;
mod remove;

use std::time::Duration;

use skep_engine::Engine;
use skep_swarm::{LocalState, Swarm};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    create::record_for,
    mark::end as is_whole,
    remove::{clear, forget},
};
pub use self::{
    create::{check_name, create, place_for},
    keep::{provision, regenerate_certificates, upgrade},
    new::{NewMachine, Stage},
    remove::remove,
};
use crate::{ClusterError, reach::Cluster};

/// How long an engine that may be there is waited for.
const RELEASE: Duration = Duration::from_secs(5);

/// What a machine's engine says of its own part in a swarm.
///
/// # Errors
/// Why it cannot be asked.
pub async fn swarm_part(
    cluster: &Cluster,
    machine: &str,
    cancel: &CancellationToken,
) -> Result<LocalState, ClusterError> {
    let engine = cluster.engine(cluster.machine(machine)?, cancel).await?;
    Ok(Swarm::new(&engine).local(cancel).await?)
}

/// The release of a machine's engine, without waiting longer than it takes to find out that there
/// is none.
///
/// # Errors
/// Why it cannot be asked.
pub async fn engine_release(
    cluster: &Cluster,
    machine: &str,
    cancel: &CancellationToken,
) -> Result<String, ClusterError> {
    let machine = cluster.machine(machine)?;
    let asked = async {
        if machine.system().has_login() {
            let socket = cluster.access(machine)?.engine;
            // The forward of an earlier command; where there is none, this fails at once.
            if let Ok(engine) = Engine::connect(&socket, RELEASE, cancel).await {
                return Ok(engine.release().to_owned());
            }
        }
        let endpoint = crate::environment::engine_endpoint(cluster, machine)?;
        Ok(skep_engine::tcp::release(&endpoint, RELEASE, cancel).await?)
    };
    let silent = || ClusterError::Request {
        reason: format!("no answer within {} s", RELEASE.as_secs()).into(),
    };
    tokio::time::timeout(RELEASE, asked).await.unwrap_or_else(|_| Err(silent()))
}

#[cfg(test)]
mod tests;
