//! The options of a new machine, and what making it is at.

use std::path::PathBuf;

use skep_machine::DriverOptions;
use skep_model::{ClusterName, MachineName, Port, Size};
use skep_pki::CaCertificate;

use crate::EngineOptions;

/// The options of a new machine.
#[derive(Debug, Clone)]
pub struct NewMachine {
    pub name: MachineName,
    /// The cluster it is to be in; `None` to choose: [`place_for`](super::place_for).
    pub cluster: Option<ClusterName>,
    /// The cluster that is chosen first.
    pub default_cluster: ClusterName,
    /// The driver with its options, or `None` for what `auto` takes.
    pub driver: Option<DriverOptions>,
    /// What is left out is the driver's to choose.
    pub size: Size,
    pub engine: EngineOptions,
    /// Ports at its host address, besides SSH and the engine.
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

/// What a create is at; docker-machine has words of its own for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It looks whether the machine can be made.
    Looking,
    Making,
    /// The machine was switched on, and is waited for.
    Waiting,
    Ready,
}
