//! The docker CLI's way in: TCP with mutual TLS, as docker-machine had it.

use std::{net::SocketAddr, path::PathBuf};

use skep_engine::tcp::{ClientFiles, Security, TcpEndpoint};
use skep_machine::{DriverOptions, none::UrlError};
use skep_model::{ClusterName, MachineName};
use skep_pki::store::{AUTHORITY, CLIENT, CLIENT_KEY};
use skep_process::Program;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineRecord, reach::Cluster};

/// What the docker CLI needs to talk to one machine's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineAccess {
    /// `DOCKER_HOST`.
    pub host: String,
    /// The machine's address alone, for `NO_PROXY`.
    pub address: String,
    /// `DOCKER_CERT_PATH`: a directory with `ca.pem`, `cert.pem` and `key.pem`.
    pub certificates: PathBuf,
}

/// What the docker CLI needs. Renews the client certificate where it is due.
///
/// # Errors
/// [`ClusterError::Pki`], or [`ClusterError::Request`] for a machine not made yet.
pub fn engine_access(
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<EngineAccess, ClusterError> {
    let home = cluster.home();
    let (host, address) = (url(cluster, machine)?, host(cluster, machine)?);
    home.authority()?;
    Ok(EngineAccess { host, address, certificates: home.layout().certs() })
}

/// The URL of a machine's engine: `tcp://192.168.99.100:2376`.
///
/// # Errors
/// As [`Cluster::reach`].
pub fn url(cluster: &Cluster, machine: &MachineRecord) -> Result<String, ClusterError> {
    if let DriverOptions::None(Some(url)) = &machine.options {
        return Ok(url.to_string());
    }
    let reach = cluster.reach(machine)?;
    Ok(format!("tcp://{}", SocketAddr::new(reach.host, reach.engine)))
}

/// What docker-machine calls a machine's address: its own, or, of one that is known by its URL,
/// what stands there, with the port.
///
/// # Errors
/// As [`Cluster::reach`].
pub fn host(cluster: &Cluster, machine: &MachineRecord) -> Result<String, ClusterError> {
    match &machine.options {
        DriverOptions::None(Some(url)) => Ok(url.address().to_owned()),
        _ => Ok(cluster.reach(machine)?.host.to_string()),
    }
}

/// The way to a machine's engine over TCP.
pub(crate) fn engine_endpoint(
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<TcpEndpoint, ClusterError> {
    let directory = cluster.home().layout().certs();
    let certificates = ClientFiles {
        authority: directory.join(AUTHORITY),
        certificate: directory.join(CLIENT),
        key: directory.join(CLIENT_KEY),
    };
    if let DriverOptions::None(Some(url)) = &machine.options {
        let wrong = |error: UrlError| ClusterError::Request { reason: error.to_string().into() };
        let authority = url.authority().map_err(wrong)?;
        return Ok(TcpEndpoint {
            host: authority.host,
            port: authority.port,
            certificates,
            security: match authority.plain {
                true => Security::Plain,
                false => Security::Either,
            },
        });
    }
    let reach = cluster.reach(machine)?;
    Ok(TcpEndpoint {
        host: reach.host.to_string(),
        port: reach.engine,
        certificates,
        security: Security::Tls,
    })
}

/// The name of the docker CLI's context for a machine's engine.
pub(crate) fn context_name(cluster: &ClusterName, machine: &MachineName) -> String {
    format!("skep-{cluster}-{machine}")
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
    let name = context_name(&record.name, &machine.name);
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
        file(AUTHORITY),
        file(CLIENT),
        file(CLIENT_KEY)
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
