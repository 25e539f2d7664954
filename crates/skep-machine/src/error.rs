//! Why a machine could not be made, used or removed.

use std::path::PathBuf;

use ipnet::Ipv4Net;
use skep_context::Cancelled;
use skep_engine::EngineError;
use skep_guest::{GuestError, adopt::AdoptError};
use skep_model::{Advice, Advise, ClusterName, MachineName, MachineState, Port, Reason};
use skep_os::{OsError, SeedError};
use skep_store::{Resource, StoreError};

/// Why an operation on machines failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    #[error(
        "there is no driver `{name}`; the drivers are: auto, container, qemu, virtualbox, ssh, none"
    )]
    UnknownDriver { name: String },
    #[error("machine {machine} does not exist")]
    NoSuchMachine { machine: MachineName },
    /// Something of that name is there and is not this store's.
    #[error(
        "the {resource} is there already and does not belong to cluster {cluster} of this store: \
         choose another cluster name with --name, or remove it"
    )]
    Foreign { resource: Resource, cluster: ClusterName },
    /// The driver could not do what was asked of one machine.
    #[error("cannot {action} machine {machine}: {}", .reason.text)]
    Driver { machine: MachineName, action: &'static str, reason: Reason },
    /// No machine of the driver can do this. The text begins as docker-machine's.
    #[error("{driver} driver does not support {action}: {fix}")]
    Unsupported {
        /// The driver, by docker-machine's name: `generic`.
        driver: &'static str,
        action: &'static str,
        fix: String,
    },
    /// The host's engine refused something about one machine.
    #[error("cannot {action} machine {machine}")]
    Engine {
        machine: MachineName,
        action: &'static str,
        #[source]
        source: EngineError,
    },
    /// The host's engine refused something about what machines share.
    #[error("cannot {action}")]
    Shared {
        /// What was tried: `make the network skep-demo`.
        action: String,
        #[source]
        source: EngineError,
    },
    /// What machines share could not be made, and no engine is involved.
    #[error("cannot {action}: {}", .reason.text)]
    Host { action: String, reason: Reason },
    /// Virtual machines cannot run with the accelerator that was asked for.
    #[error("virtual machines cannot be run with {accel}: {why}")]
    Acceleration { accel: &'static str, why: String, fix: String },
    /// A machine cannot answer on a port at its host address.
    #[error("machine {machine} cannot answer on {address}:{}/{}: {reason}{}", .port.host, .port.protocol, instead(.port, .free))]
    Port {
        machine: MachineName,
        address: std::net::IpAddr,
        port: Port,
        /// Why not: another process has it, or it takes a permission.
        reason: String,
        free: Option<u16>,
    },
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("the subnet {subnet} cannot be used: {reason}")]
    Subnet {
        subnet: Ipv4Net,
        /// Why not, and what to choose instead.
        reason: String,
    },
    #[error(
        "no /24 in 192.168.0.0/16 is free: remove Docker networks that nobody uses \
         (`docker network prune`), or name one with --subnet"
    )]
    NoFreeSubnet,
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A machine that was there before, and is not as skep left it.
    #[error(transparent)]
    Adopt(AdoptError),
    /// A machine that cannot be logged in to, with what it printed last.
    #[error("{source}; the end of its console:{console}")]
    Console {
        source: GuestError,
        /// The end of its console, a line each.
        console: String,
    },
    /// A machine that ended while it was waited for, with what it printed last.
    #[error(
        "it ended while it was waited for ({}){}",
        .state.to_string().to_lowercase(), console_text(.console)
    )]
    Ended { state: MachineState, console: String },
    /// The key to log in to a machine with is not in the store any more.
    #[error(
        "the private key of machine {machine} is lost: {} is missing or damaged, and so is its copy in \
         `.kept` beside it; put it back from a backup of the store. The machine, its engine and its \
         swarm go on without it",
        .path.display()
    )]
    KeyLost { machine: MachineName, path: PathBuf },
    /// The guest system is not there and could not be built.
    #[error(transparent)]
    Os(#[from] OsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Cancelled,
}

impl Advise for MachineError {
    fn advice(&self) -> Option<Advice> {
        match self {
            Self::NoSuchMachine { machine } => Some(Advice::MakeAgain(machine.clone())),
            Self::Driver { reason, .. } | Self::Host { reason, .. } => reason.advice(),
            Self::Adopt(error) => error.advice(),
            Self::Os(error) => error.advice(),
            _ => None,
        }
    }
}

impl MachineError {
    /// Whether something was refused before anything was made of it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            MachineError::Foreign { .. } | MachineError::Subnet { .. } | MachineError::NoFreeSubnet
        )
    }
}

impl From<AdoptError> for MachineError {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Guest(error) => error.into(),
            error => MachineError::Adopt(error),
        }
    }
}

impl From<Cancelled> for MachineError {
    fn from(_: Cancelled) -> Self {
        MachineError::Cancelled
    }
}

fn console_text(console: &str) -> String {
    if console.is_empty() { String::new() } else { format!("; the end of its console:{console}") }
}

fn instead(port: &Port, free: &Option<u16>) -> String {
    match free {
        Some(free) => {
            format!("; the next free one is {free}: --publish {free}:{}", port.machine)
        }
        None => String::new(),
    }
}

/// Something that should have been removed and is still there.
#[derive(Debug, thiserror::Error)]
#[error("{resource} could not be removed")]
pub struct Leftover {
    pub resource: Resource,
    #[source]
    pub source: MachineError,
}
