//! Why a cluster is not as it was asked to be.

use std::path::PathBuf;

use skep_engine::EngineError;
use skep_guest::{GuestError, adopt::AdoptError};
use skep_machine::{Leftover, MachineError};
use skep_model::{Advice, Advise, Check, ClusterName, MachineName, Reason};
use skep_os::OsError;
use skep_pki::{CertificateError, PkiError, printable};
use skep_process::ProcessError;
use skep_store::StoreError;
use skep_swarm::{LocalNodeState, LocalState, SwarmError};

use crate::swarms::{Doubt, Found, is_are, list};

/// Why a cluster is not as it was asked to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// What was asked for is impossible.
    #[error("{}", .reason.text)]
    Request {
        /// As a sentence, with what to ask for instead.
        reason: Reason,
    },
    #[error("there is no cluster {name}")]
    NoCluster { name: ClusterName },
    #[error("cluster {cluster} has no machine {machine}: it has {}", list(.known))]
    NoMachine { cluster: ClusterName, machine: String, known: Vec<MachineName> },
    #[error("there is no machine {machine}")]
    NoSuchMachine { machine: String },
    #[error("which {machine}? There is one in {}", several(.clusters))]
    Ambiguous { machine: String, clusters: Vec<ClusterName> },
    #[error("machine {machine} exists already, in cluster {cluster}")]
    MachineExists { machine: MachineName, cluster: ClusterName },
    /// Machines could not be removed; the others that were named are gone.
    #[error("{}", removal_text(.failures))]
    NotRemoved {
        /// Which, each with its reason.
        failures: Vec<MachineFailure>,
        of: usize,
    },
    /// Something stands in the way, and nothing was touched.
    #[error("preflight of driver {driver} failed: nothing was touched")]
    Preflight {
        driver: String,
        /// Every check, those that passed too.
        checks: Vec<Check>,
    },
    /// Some machines are not as they should be; the rest is.
    #[error("{}", failures_text(.failures))]
    Partly { failures: Vec<MachineFailure>, of: usize },
    #[error("cluster {name} is not gone: {} left", count(.left.len(), "resource is", "resources are"))]
    Leftovers {
        name: ClusterName,
        /// What is left, each with its reason.
        left: Vec<Leftover>,
    },
    #[error("no manager of cluster {name} answers")]
    NoManager {
        name: ClusterName,
        /// Which were tried, each with its reason.
        tried: Vec<MachineFailure>,
    },
    /// A machine's engine is no manager that can be asked.
    #[error("{}", part_text(.machine, .local))]
    NotManager {
        machine: MachineName,
        /// What its engine says of its part in a swarm.
        local: Box<LocalState>,
    },
    /// The machines are in more than one swarm, and nothing was touched.
    #[error("the machines of cluster {cluster} are in {} swarms, and nothing was touched", .swarms.len())]
    SeveralSwarms {
        cluster: ClusterName,
        /// The swarms, with the machines in each.
        swarms: Vec<Found>,
    },
    /// A swarm is to be made where one is already.
    #[error("cluster {cluster} has a swarm: {} in it", is_are(.members))]
    SwarmExists { cluster: ClusterName, machine: MachineName, members: Vec<MachineName> },
    /// There is no swarm that the machines could join, and none was founded, for a node may have
    /// it.
    #[error(
        "cluster {cluster} has no swarm to join, and none was made{}: {doubt}",
        if *.untouched { "; nothing was touched" } else { "" }
    )]
    NoSwarm {
        cluster: ClusterName,
        doubt: Doubt,
        /// Whether that was found out before anything was done.
        untouched: bool,
        /// The machines that are not ready for a reason of their own.
        failures: Vec<MachineFailure>,
    },
    /// A swarm would lose its quorum, or itself, and nothing was touched.
    #[error("{}", .reason.text)]
    Guarded {
        reason: Reason,
        /// What to do instead, or first.
        fix: Advice,
    },
    #[error("interrupted")]
    Cancelled,
    /// The lifecycle of machines.
    #[error(transparent)]
    Machine(MachineError),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Host(AdoptError),
    #[error(transparent)]
    Seed(#[from] skep_os::SeedError),
    /// CA certificates that were given and cannot be taken, all that is wrong with them.
    #[error("the CA certificates cannot be used, and nothing was touched")]
    Certificates(Vec<CertificateError>),
    #[error(
        "\"{}\" on cluster {cluster} may be any of these; give more of the fingerprint{}",
        printable(.selector), lines_text(.matching)
    )]
    AmbiguousCertificate {
        cluster: ClusterName,
        selector: String,
        /// What it may be, a line each.
        matching: Vec<String>,
    },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    #[error("cannot make a context of the docker CLI")]
    Docker(#[from] ProcessError),
    /// The authority that machines trust is not in the store any more.
    #[error(
        "the certificates in {} are gone, and the machines of cluster {cluster} trust no others",
        .directory.display()
    )]
    AuthorityLost { directory: PathBuf, cluster: ClusterName },
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Os(#[from] OsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MachineError> for ClusterError {
    fn from(error: MachineError) -> Self {
        match error {
            MachineError::Guest(error) => error.into(),
            MachineError::Adopt(error) => error.into(),
            error => ClusterError::Machine(error),
        }
    }
}

impl From<AdoptError> for ClusterError {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Guest(error) => error.into(),
            error => ClusterError::Host(error),
        }
    }
}

/// What failed on one machine.
#[derive(Debug)]
pub struct MachineFailure {
    pub machine: MachineName,
    pub error: ClusterError,
}

impl Advise for ClusterError {
    fn advice(&self) -> Option<Advice> {
        match self {
            Self::Request { reason } | Self::Guarded { reason, .. } => reason.advice(),
            Self::NoCluster { name } => Some(Advice::MakeCluster(name.clone())),
            Self::NoSuchMachine { .. } => Some(Advice::ListMachines),
            Self::Ambiguous { .. } => Some(Advice::NameCluster),
            Self::MachineExists { machine, .. } => Some(Advice::OtherMachine(machine.clone())),
            Self::AuthorityLost { .. } => Some(Advice::RestoreAuthority),
            Self::Machine(error) => error.advice(),
            Self::Host(error) => error.advice(),
            Self::Pki(PkiError::Stored { .. }) => Some(Advice::RenewCertificates),
            Self::Os(error) => error.advice(),
            _ => None,
        }
    }
}

impl ClusterError {
    /// Whether the work was given up because it was cancelled, at whatever depth.
    pub fn is_cancelled(&self) -> bool {
        match self {
            ClusterError::Cancelled
            | ClusterError::Machine(MachineError::Cancelled)
            | ClusterError::Guest(GuestError::Cancelled { .. })
            | ClusterError::Engine(EngineError::Cancelled { .. })
            | ClusterError::Swarm(SwarmError::Cancelled { .. })
            | ClusterError::Docker(ProcessError::Cancelled { .. }) => true,
            ClusterError::Swarm(SwarmError::Engine { source, .. }) => {
                matches!(source, EngineError::Cancelled { .. })
            }
            ClusterError::Partly { failures, .. } | ClusterError::NotRemoved { failures, .. } => {
                failures.iter().any(|failure| failure.error.is_cancelled())
            }
            _ => false,
        }
    }
}

/// How a machine that is no manager stands.
fn part_text(machine: &MachineName, local: &LocalState) -> String {
    let error = match local.problem().as_str() {
        "" => String::new(),
        error => format!(": {error}"),
    };
    match local.state {
        LocalNodeState::Inactive => format!("{machine} is in no swarm"),
        LocalNodeState::Active => format!("{machine} is a worker"),
        LocalNodeState::Locked => format!("{machine} is locked: it needs the swarm's unlock key"),
        LocalNodeState::Pending => {
            format!("{machine} has not found the managers of its swarm yet (state pending){error}")
        }
        LocalNodeState::Error => format!("{machine} cannot take its part in its swarm{error}"),
    }
}

fn several(names: &[ClusterName]) -> String {
    names.iter().map(ClusterName::as_str).collect::<Vec<_>>().join(" and in ")
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn lines_text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

fn removal_text(failures: &[MachineFailure]) -> String {
    let names: Vec<_> = failures.iter().map(|failure| failure.machine.as_str()).collect();
    format!("{} could not be removed", names.join(" and "))
}

fn failures_text(failures: &[MachineFailure]) -> String {
    let names: Vec<_> = failures.iter().map(|failure| failure.machine.as_str()).collect();
    match names.as_slice() {
        [one] => format!("{one} is not ready"),
        many => format!("{} machines are not ready: {}", many.len(), many.join(", ")),
    }
}
