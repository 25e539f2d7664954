//! One machine by itself: made, provisioned anew, removed, as docker-machine does it.
//!
//! A machine that is made here has no role: it joins a swarm when somebody says so
//! (`skep swarm join`, or `docker swarm join` in it), and `up` leaves its membership alone.
//! Machines of one driver share a cluster, and so a network: see `docs/design/0007`.

use crate::{ClusterError, EngineOptions, Home, reach::Cluster, up::Options};
use skep_guest::certificate::CaCertificate;
use skep_machine::{DriverKind, DriverOptions};
use skep_model::{ClusterName, MachineName, Port, Size};

/// A machine that is wanted.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// Its name.
    pub name: MachineName,
    /// The cluster it is to be in; `None` to choose: [`place_for`].
    pub cluster: Option<ClusterName>,
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
    pub key: Option<std::path::PathBuf>,
    /// Whether an engine is installed where there is none (`ssh`).
    pub install_engine: bool,
    /// Whether a host is taken over that is in another swarm (`ssh`).
    pub force: bool,
}

/// Makes a machine, and waits until its engine answers.
///
/// # Errors
/// [`ClusterError::Request`] and [`ClusterError::Preflight`] before anything is touched. A machine
/// that could not be finished is removed again, unless that fails too.
pub async fn create(
    home: &Home,
    machine: NewMachine,
    options: Options<'_>,
) -> Result<Cluster, ClusterError> {
    let _ = (home, machine, options);
    todo!("C")
}

/// Removes machines of a cluster and, with its last machine, the cluster.
///
/// # Errors
/// [`ClusterError::Leftovers`] with what could not be removed.
pub async fn remove(
    cluster: &Cluster,
    names: &[MachineName],
    force: bool,
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let _ = (cluster, names, force, options);
    todo!("C")
}

/// Does again what is done to a machine when it is made: certificates, settings, engine.
///
/// # Errors
/// [`ClusterError::Partly`] with each machine that could not be provisioned.
pub async fn provision(
    cluster: &Cluster,
    names: &[String],
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let _ = (cluster, names, options);
    todo!("C")
}

/// Gives machines' engines new TLS certificates.
///
/// # Errors
/// As [`provision`].
pub async fn regenerate_certificates(
    cluster: &Cluster,
    names: &[String],
    client: bool,
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let _ = (cluster, names, client, options);
    todo!("C")
}

/// Gives machines the newest engine there is for what they run.
///
/// # Errors
/// As [`provision`].
pub async fn upgrade(
    cluster: &Cluster,
    names: &[String],
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let _ = (cluster, names, options);
    todo!("C")
}

/// The cluster a new machine of a driver belongs in, if nobody says: the default one if it is not
/// there yet or has that driver, else the one named after the driver.
pub fn place_for(home: &Home, driver: DriverKind, default: &ClusterName) -> ClusterName {
    let _ = (home, driver);
    default.clone()
}
