//! The docker CLI's way in: TCP with mutual TLS, as docker-machine had it.

use std::path::PathBuf;

use skep_process::Program;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineRecord, reach::Cluster};

/// What the docker CLI has to be told to talk to one machine's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineAccess {
    /// `DOCKER_HOST`.
    pub host: String,
    /// The machine's address alone, for `NO_PROXY`.
    pub address: String,
    /// `DOCKER_CERT_PATH`: a directory with `ca.pem`, `cert.pem` and `key.pem`.
    pub certificates: PathBuf,
}

/// What the docker CLI has to be told. Renews the client certificate where it is due.
///
/// # Errors
/// [`ClusterError::Pki`], or [`ClusterError::Request`] for a machine not made yet.
pub fn engine_access(
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<EngineAccess, ClusterError> {
    let home = cluster.home();
    let reach = cluster.reach(machine)?;
    home.authority()?;
    Ok(EngineAccess {
        host: format!("tcp://{}:{}", reach.host, reach.engine),
        address: reach.host.to_string(),
        certificates: home.layout().certs(),
    })
}

/// Makes a context of the docker CLI for a machine's engine, or brings it up to date, and returns
/// its name: `skep-CLUSTER-MACHINE`. The cluster's record keeps the name, so that
/// [`down`](crate::down::down) takes the context away again.
///
/// # Errors
/// [`ClusterError::Docker`] if there is no docker CLI, or it refuses; as [`engine_access`].
pub async fn make_context(
    cluster: &Cluster,
    machine: &MachineRecord,
    cancel: &CancellationToken,
) -> Result<String, ClusterError> {
    let access = engine_access(cluster, machine)?;
    let record = cluster.record();
    let name = format!("skep-{}-{}", record.name, machine.name);
    let _lock = cluster.home().lock(&record.name)?;
    if let Some(mut record) = ClusterRecord::load(cluster.home(), &record.name)?
        && !record.contexts.contains(&name)
    {
        // Before it is made: what may be there is known.
        record.contexts.push(name.clone());
        record.save(cluster.home())?;
    }
    let file = |name: &str| access.certificates.join(name).display().to_string();
    let endpoint = format!(
        "host={},ca={},cert={},key={}",
        access.host,
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem")
    );
    let exists = context().arg("inspect").arg(&name).run_any(cancel).await?.0.success();
    let verb = if exists { "update" } else { "create" };
    let description = format!("machine {} of skep's cluster {}", machine.name, record.name);
    let arguments = [verb, "--description", &description, "--docker", &endpoint, &name];
    context().args(arguments).run(cancel).await?;
    Ok(name)
}

/// Takes a context away; one that is not there is already gone.
pub(crate) async fn remove_context(
    name: &str,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    context().args(["rm", "--force", name]).run(cancel).await?;
    Ok(())
}

fn context() -> Program {
    Program::new("docker").arg("context")
}
