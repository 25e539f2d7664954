//! Machines that no seed told what they are: hosts that were there before, and boot2docker. What a
//! guest of skep's own does with its seed is done to them over SSH.

use skep_engine::{Engine, pki::Authority};
use skep_guest::certificate::CaCertificate;

use crate::{ClusterError, MachineRecord, reach::Cluster, up::Options};

/// What somebody allowed to be done to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// An engine is installed where there is none.
    pub install_engine: bool,
    /// A host is taken over that is in another swarm, or that another store has.
    pub take_over: bool,
    /// Its engine gets a new certificate, even if the one it has is not due.
    pub renew: bool,
}

/// Makes a host that answers over SSH what the machine is to be: pins its host key at first sight,
/// looks what it runs, installs an engine if that is allowed and needed, writes the engine's
/// certificates and settings, installs CA certificates, and returns the engine once it answers.
/// What is already so is left as it is, so that this is also `provision`.
///
/// # Errors
/// [`ClusterError::Request`] for a host that cannot be taken, before anything on it is touched;
/// [`ClusterError::Guest`].
pub(crate) async fn adopt(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    certificates: &[CaCertificate],
    allowed: Allowed,
    options: Options<'_>,
) -> Result<Engine, ClusterError> {
    let _ = (cluster, machine, authority, certificates, allowed, options);
    todo!("A")
}

/// Gives a host back: what [`adopt`] wrote is taken away, the engine stays as it is.
///
/// # Errors
/// [`ClusterError::Guest`].
pub(crate) async fn release(
    cluster: &Cluster,
    machine: &MachineRecord,
    options: Options<'_>,
) -> Result<(), ClusterError> {
    let _ = (cluster, machine, options);
    todo!("A")
}
