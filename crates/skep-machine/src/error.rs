//! Why a machine could not be had, or could not be got rid of.

use ipnet::Ipv4Net;
use skep_engine::EngineError;
use skep_model::{Advice, Advise, ClusterName, MachineName, Port, Reason};
use skep_os::{OsError, SeedError};
use skep_store::{Resource, StoreError};

/// Why an operation on machines failed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// There is no driver of that name.
    #[error(
        "there is no driver `{name}`; the drivers are: auto, container, qemu, virtualbox, ssh, none"
    )]
    UnknownDriver {
        /// What was asked for.
        name: String,
    },
    /// There is no machine of that name.
    #[error("machine {machine} does not exist")]
    NoSuchMachine {
        /// Its name.
        machine: MachineName,
    },
    /// Something of that name is there and is not this store's.
    #[error(
        "the {resource} is there already and does not belong to cluster {cluster} of this store: \
         choose another cluster name with --name, or remove it"
    )]
    Foreign {
        /// What is in the way.
        resource: Resource,
        /// The cluster that wants the name.
        cluster: ClusterName,
    },
    /// The driver could not do what was asked of one machine.
    #[error("cannot {action} machine {machine}: {}", .reason.text)]
    Driver {
        /// Which machine.
        machine: MachineName,
        /// What was tried.
        action: &'static str,
        /// Why not.
        reason: Reason,
    },
    /// No machine of the driver can do this. The text begins as docker-machine's.
    #[error("{driver} driver does not support {action}: {fix}")]
    Unsupported {
        /// The driver, by docker-machine's name: `generic`.
        driver: &'static str,
        /// What was asked for: `stop`.
        action: &'static str,
        /// What to do instead.
        fix: String,
    },
    /// The host's engine refused something about one machine.
    #[error("cannot {action} machine {machine}")]
    Engine {
        /// Which machine.
        machine: MachineName,
        /// What was tried.
        action: &'static str,
        /// What the engine said.
        #[source]
        source: EngineError,
    },
    /// The host's engine refused something about what machines share.
    #[error("cannot {action}")]
    Shared {
        /// What was tried: `make the network skep-demo`.
        action: String,
        /// What the engine said.
        #[source]
        source: EngineError,
    },
    /// What machines share could not be had, and no engine has to do with it.
    #[error("cannot {action}: {}", .reason.text)]
    Host {
        /// What was tried: `make the segment of cluster demo`.
        action: String,
        /// Why not.
        reason: Reason,
    },
    /// Virtual machines cannot be run with what was asked for.
    #[error("virtual machines cannot be run with {accel}: {why}")]
    Acceleration {
        /// What was asked for: `kvm`.
        accel: &'static str,
        /// Why not.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// A machine cannot answer on a port at its host address.
    #[error("machine {machine} cannot answer on {address}:{}/{}: {reason}{}", .port.host, .port.protocol, instead(.port, .free))]
    Port {
        /// Which machine.
        machine: MachineName,
        /// Its host address.
        address: std::net::IpAddr,
        /// The port.
        port: Port,
        /// Why not: somebody else has it, or it takes a permission.
        reason: String,
        /// The next port that is free there.
        free: Option<u16>,
    },
    /// What a machine is to be told at its first boot cannot be written.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// A network that was asked for cannot be used.
    #[error("the subnet {subnet} cannot be used: {reason}")]
    Subnet {
        /// What was asked for.
        subnet: Ipv4Net,
        /// Why not, and what to choose instead.
        reason: String,
    },
    /// No network is free.
    #[error(
        "no /24 in 192.168.0.0/16 is free: remove Docker networks that nobody uses \
         (`docker network prune`), or name one with --subnet"
    )]
    NoFreeSubnet,
    /// The guest system could not be had.
    #[error(transparent)]
    Os(#[from] OsError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
}

impl Advise for MachineError {
    fn advice(&self) -> Option<Advice> {
        match self {
            Self::NoSuchMachine { machine } => Some(Advice::MakeAgain(machine.clone())),
            Self::Driver { reason, .. } | Self::Host { reason, .. } => reason.advice(),
            Self::Os(error) => error.advice(),
            _ => None,
        }
    }
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
    /// What is left.
    pub resource: Resource,
    /// Why.
    #[source]
    pub source: MachineError,
}
