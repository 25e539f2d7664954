//! A machine that is wanted, and what making it is at.

use std::path::PathBuf;

use skep_machine::DriverOptions;
use skep_model::{ClusterName, MachineName, Port, Size};
use skep_pki::CaCertificate;

use crate::EngineOptions;

/// A machine that is wanted.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// Its name.
    pub name: MachineName,
    /// The cluster it is to be in; `None` to choose: [`place_for`](super::place_for).
    pub cluster: Option<ClusterName>,
    /// The cluster that is chosen first.
    pub default_cluster: ClusterName,
    /// The driver, with what it is configured with, or `None` for what `auto` takes.
    pub driver: Option<DriverOptions>,
    /// How big it is to be.
    pub size: Size,
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
