//! One machine by itself: made, provisioned anew, removed, as docker-machine does it.
//!
//! A machine that is made here has no role: it joins a swarm when somebody says so
//! (`skep swarm join`, or `docker swarm join` in it), and `up` leaves its membership alone.
//! Machines of one driver share a cluster, and so a network: see `docs/design/0007`.

mod create;
mod goodbye;
mod half_made;
mod keep;
mod remove;

use std::{path::PathBuf, time::Duration};

use skep_engine::Engine;
use skep_machine::{DriverKind, DriverOptions, System};
use skep_model::{ClusterName, MachineName, Port, Size};
use skep_pki::CaCertificate;
use skep_swarm::{LocalState, Swarm};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    create::record_for,
    half_made::end as is_whole,
    remove::{clear, forget},
};
pub use self::{
    create::{check_name, create, place_for},
    keep::{provision, regenerate_certificates, upgrade},
    remove::remove,
};
use crate::{ClusterError, EngineOptions, reach::Cluster};

/// How long an engine that may be there is waited for.
const RELEASE: Duration = Duration::from_secs(5);

/// A machine that is wanted.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// Its name.
    pub name: MachineName,
    /// The cluster it is to be in; `None` to choose: [`place_for`].
    pub cluster: Option<ClusterName>,
    /// The cluster that is chosen first.
    pub default_cluster: ClusterName,
    /// The driver, or `None` for what `auto` takes.
    pub driver: Option<DriverKind>,
    /// How big it is to be.
    pub size: Size,
    /// What only its driver understands.
    pub options: DriverOptions,
    /// What its engine is told.
    pub engine: EngineOptions,
    /// The ports it answers on at its host address.
    pub publish: Vec<Port>,
    /// The CA certificates it is to trust from its first moment.
    pub ca_certificates: Vec<CaCertificate>,
    /// The private key to log in with, for a host that has its public half already (`ssh`).
    pub key: Option<PathBuf>,
    /// Whether an engine is installed where there is none (`ssh`).
    pub install_engine: bool,
    /// Whether a host is taken over that is in another swarm (`ssh`).
    pub force: bool,
}

/// What a create is at; docker-machine says it in words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It looks whether the machine can be had.
    Looking,
    /// It makes the machine.
    Making,
    /// The machine was switched on, and is waited for.
    Waiting,
    /// Its engine answers.
    Ready,
}

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

/// The release of a machine's engine, without waiting longer than it takes to be told that there
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
        if machine.options.system() != System::Nothing {
            let socket = cluster.access(machine)?.engine;
            // The forward of an earlier command; where there is none, this fails at once.
            if let Ok(engine) = Engine::connect(&socket, RELEASE, cancel).await {
                return Ok(engine.release().to_owned());
            }
        }
        let doorway = crate::environment::doorway(cluster, machine)?;
        Ok(skep_engine::tcp::release(&doorway, RELEASE, cancel).await?)
    };
    let silent =
        || ClusterError::Request { reason: format!("no answer within {} s", RELEASE.as_secs()) };
    tokio::time::timeout(RELEASE, asked).await.unwrap_or_else(|_| Err(silent()))
}
