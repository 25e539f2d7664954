//! Why a cluster is not as it was asked to be.

use std::path::PathBuf;

use skep_engine::EngineError;
use skep_guest::{GuestError, adopt::AdoptError};
use skep_machine::{Leftover, MachineError};
use skep_model::{Advice, Advise, Check, ClusterName, MachineName, MachineState, Reason};
use skep_os::OsError;
use skep_pki::{CertificateError, PkiError, printable};
use skep_process::ProcessError;
use skep_store::StoreError;
use skep_swarm::{LocalNodeState, LocalState, SwarmError};

use crate::swarms::{Doubt, Found, is_are, list};

/// Why a cluster is not as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// What was asked for cannot be had.
    #[error("{}", .reason.text)]
    Request {
        /// What is wrong with it, and what to ask for instead.
        reason: Reason,
    },
    /// There is no cluster of that name.
    #[error("there is no cluster {name}")]
    NoCluster {
        /// The name.
        name: ClusterName,
    },
    /// There is no machine of that name in the cluster.
    #[error("cluster {cluster} has no machine {machine}: it has {}", list(.known))]
    NoMachine {
        /// The cluster.
        cluster: ClusterName,
        /// What was asked for.
        machine: String,
        /// The machines it has.
        known: Vec<MachineName>,
    },
    /// No cluster has a machine of that name.
    #[error("there is no machine {machine}")]
    NoSuchMachine {
        /// What was asked for.
        machine: String,
    },
    /// Several clusters have a machine of that name.
    #[error("which {machine}? There is one in {}", several(.clusters))]
    Ambiguous {
        /// What was asked for.
        machine: String,
        /// The clusters that have it.
        clusters: Vec<ClusterName>,
    },
    /// A machine of that name is there already.
    #[error("machine {machine} exists already, in cluster {cluster}")]
    MachineExists {
        /// What was asked for.
        machine: MachineName,
        /// The cluster that has it.
        cluster: ClusterName,
    },
    /// Machines could not be removed; the others that were named are gone.
    #[error("{}", removal_text(.failures))]
    NotRemoved {
        /// Which, each with its reason.
        failures: Vec<MachineFailure>,
        /// How many were named.
        of: usize,
    },
    /// Something stands in the way, and nothing was touched.
    #[error("preflight of driver {driver} failed: nothing was touched")]
    Preflight {
        /// The driver.
        driver: String,
        /// Every check, those that passed too.
        checks: Vec<Check>,
    },
    /// Some machines are not as they should be; the rest is.
    #[error("{}", failures_text(.failures))]
    Partly {
        /// What failed, machine by machine.
        failures: Vec<MachineFailure>,
        /// How many machines were meant.
        of: usize,
    },
    /// Something could not be removed.
    #[error("cluster {name} is not gone: {} left", count(.left.len(), "resource is", "resources are"))]
    Leftovers {
        /// The cluster.
        name: ClusterName,
        /// What is left, each with its reason.
        left: Vec<Leftover>,
    },
    /// No manager could be asked.
    #[error("no manager of cluster {name} answers")]
    NoManager {
        /// The cluster.
        name: ClusterName,
        /// Which were tried, each with its reason.
        tried: Vec<MachineFailure>,
    },
    /// A machine's engine is no manager that can be asked.
    #[error("{}", part_text(.machine, .local))]
    NotManager {
        /// Which machine.
        machine: MachineName,
        /// What its engine says of its part in a swarm.
        local: Box<LocalState>,
    },
    /// The machines are in more than one swarm, and nothing was touched.
    #[error("the machines of cluster {cluster} are in {} swarms, and nothing was touched", .swarms.len())]
    SeveralSwarms {
        /// The cluster.
        cluster: ClusterName,
        /// Which, with who is in each.
        swarms: Vec<Found>,
    },
    /// A swarm is to be made where one is already.
    #[error("cluster {cluster} has a swarm: {} in it", is_are(.members))]
    SwarmExists {
        /// The cluster.
        cluster: ClusterName,
        /// The machine that was to be its first manager.
        machine: MachineName,
        /// The machines in it.
        members: Vec<MachineName>,
    },
    /// There is no swarm that the machines could join, and none was founded, for somebody may have
    /// it.
    #[error(
        "cluster {cluster} has no swarm to join, and none was made{}: {doubt}",
        if *.untouched { "; nothing was touched" } else { "" }
    )]
    NoSwarm {
        /// The cluster.
        cluster: ClusterName,
        /// Why.
        doubt: Doubt,
        /// Whether that was found out before anything was done.
        untouched: bool,
        /// The machines that are not ready for a reason of their own.
        failures: Vec<MachineFailure>,
    },
    /// A swarm would lose its quorum, or itself, and nothing was touched.
    #[error("{}", .reason.text)]
    Guarded {
        /// What would happen.
        reason: Reason,
        /// What to do instead, or first.
        fix: Advice,
    },
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// The lifecycle of machines.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// Inside a machine.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A host that is not taken.
    #[error(transparent)]
    Host(AdoptError),
    /// A machine that cannot be logged in to, with what it printed last.
    #[error("{source}; the end of its console:{console}")]
    Console {
        /// Why not.
        source: GuestError,
        /// The end of its console, a line each.
        console: String,
    },
    /// A machine that ended while it was waited for, with what it printed last.
    #[error(
        "it ended while it was waited for ({}){}",
        .state.to_string().to_lowercase(), console_text(.console)
    )]
    Ended {
        /// What its driver finds now.
        state: MachineState,
        /// The end of its console, a line each; empty if it has said nothing.
        console: String,
    },
    /// What a machine is to be told at its first boot cannot be written.
    #[error(transparent)]
    Seed(#[from] skep_os::SeedError),
    /// CA certificates that were given and cannot be taken, all that is wrong with them.
    #[error("the CA certificates cannot be used, and nothing was touched")]
    Certificates(Vec<CertificateError>),
    /// More than one CA certificate may be meant.
    #[error(
        "\"{}\" on cluster {cluster} may be any of these; give more of the fingerprint{}",
        printable(.selector), lines_text(.matching)
    )]
    AmbiguousCertificate {
        /// The cluster.
        cluster: ClusterName,
        /// What was given.
        selector: String,
        /// What it may be, a line each.
        matching: Vec<String>,
    },
    /// A machine's engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The swarm.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The docker CLI, where a context was asked for.
    #[error("cannot make a context of the docker CLI")]
    Docker(#[from] ProcessError),
    /// What a machine is logged in to with is not in the store any more.
    #[error(
        "the private key of machine {machine} is lost: {} is missing or damaged, and so is its copy in \
         `.kept` beside it; put it back from a backup of the store. The machine, its engine and its \
         swarm go on without it",
        .path.display()
    )]
    KeyLost {
        /// The machine.
        machine: MachineName,
        /// The key's file.
        path: PathBuf,
    },
    /// The authority that machines trust is not in the store any more.
    #[error(
        "the certificates in {} are gone, and the machines of cluster {cluster} trust no others",
        .directory.display()
    )]
    AuthorityLost {
        /// Where it was.
        directory: PathBuf,
        /// A cluster that trusts it.
        cluster: ClusterName,
    },
    /// The store's own certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The guest system.
    #[error(transparent)]
    Os(#[from] OsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// Which machine.
    pub machine: MachineName,
    /// Why.
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

fn console_text(console: &str) -> String {
    if console.is_empty() { String::new() } else { format!("; the end of its console:{console}") }
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
