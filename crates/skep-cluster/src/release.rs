//! Which release a machine's engine is, found out cheaply: for lists of many machines.

use std::time::Duration;

use skep_engine::{Engine, EngineError, greeting::release_at};
use skep_machine::{DriverOptions, System};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, reach::Cluster};

/// How long the forwarded socket of an earlier login may be silent before it counts as dead.
const FORWARD: Duration = Duration::from_secs(1);

/// The release of a machine's engine: asked through the forwarded socket that an earlier login left
/// behind, if there is one that answers, else over TCP at the machine's address. Nobody logs in.
///
/// # Errors
/// [`ClusterError::Engine`] with the reason; [`ClusterError::Machine`], [`ClusterError::Request`] if
/// the machine has no address.
pub async fn engine_release(
    cluster: &Cluster,
    machine: &MachineRecord,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<String, ClusterError> {
    let certificates = cluster.home().layout().certs();
    if let DriverOptions::None(url) = &machine.options {
        let place =
            url.authority().map_err(|error| ClusterError::Request { reason: error.to_string() })?;
        let certificates = (!place.plain).then_some(certificates.as_path());
        return Ok(release_at(&place.host, place.port, certificates, deadline, cancel).await?);
    }
    let reach = cluster.reach(machine)?;
    if machine.options.system() != System::Nothing {
        let socket = cluster.access(machine)?.engine;
        if socket.exists() {
            match Engine::connect(&socket, FORWARD.min(deadline), cancel).await {
                Ok(engine) => return Ok(engine.release().to_owned()),
                Err(EngineError::Cancelled { .. }) => return Err(ClusterError::Cancelled),
                // Its login is over: the machine itself is asked.
                Err(_) => {}
            }
        }
    }
    let host = reach.host.to_string();
    Ok(release_at(&host, reach.engine, Some(&certificates), deadline, cancel).await?)
}
