//! What may be done about what went wrong.
//!
//! A library says what is wrong, and says what may be done as an [`Advice`]: who shows it puts that
//! into the words of the program it is. So no library names a command line it does not know.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{ClusterName, MachineName, Role};

/// What may be done next. The words are those of the program that shows it.
///
/// None of it may cost a swarm or its data unless it says so: whoever reads it does exactly that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Advice {
    /// Something outside of this program, in words; empty where there is nothing to do.
    Words(Cow<'static, str>),
    /// Each of them.
    All(Vec<Advice>),
    /// Each of them before it is tried again; forced, it goes on without.
    First(Vec<Advice>),

    /// Make the cluster that is not there.
    MakeCluster(ClusterName),
    /// Go on making the machines of a cluster.
    GoOnMaking(ClusterName),
    /// Go on removing a cluster, or make it whole again.
    GoOnRemoving(ClusterName),
    /// Make another cluster, as this one cannot change its driver to the one that is named.
    OtherDriver(String),
    /// Leave the cluster on its network, or make another one.
    OtherSubnet,
    /// Leave the machines their size, or make another cluster.
    OtherSize,
    /// Remove the whole cluster, where all its machines were to be removed.
    RemoveCluster(ClusterName),
    /// Say which cluster is meant.
    NameCluster,
    /// Look at a cluster.
    LookAt(ClusterName),
    /// Have every machine of a cluster answer on a port at the host.
    Publish {
        /// The cluster.
        cluster: ClusterName,
        /// The machines' port.
        port: u16,
    },

    /// See which machines there are.
    ListMachines,
    /// Choose another name, or remove the machine that has it.
    OtherMachine(MachineName),
    /// Remove a machine.
    RemoveMachine(MachineName),
    /// Make a machine again that is gone, or remove what is left of it.
    MakeAgain(MachineName),
    /// Remove a machine whose disk is gone, and make it again.
    Replace,
    /// Bring back the guest system a machine was made with; remove the machine only without it.
    RestoreImage,
    /// Have a file of the machine, or of its cluster, written again.
    WriteAgain,
    /// Do what is named, then go on making a cluster.
    ThenUp(String, ClusterName),
    /// Go on with the options that are named.
    UpWith(String),
    /// Start machines.
    Start(Vec<MachineName>),
    /// Ask for no fewer machines of a role; remove them by name.
    KeepMachines(Role, usize),
    /// Take hosts that are there, one by one, and make a swarm of them.
    TakeHosts(String),
    /// Have a swarm of machines that were made one by one.
    JoinSingles,
    /// Name the host that a machine is to be.
    NameHost,
    /// Name the engine that a machine is to be.
    NameEngine,
    /// Take a host that another one of this program's machines is, or is not.
    TakeOver(Option<MachineName>),
    /// Take a host over SSH, whatever made it.
    TakeOverSsh,
    /// Use boot2docker, which can mount directories, or copy the files.
    CopyFiles,
    /// See what the preflight of a driver finds.
    Diagnose(Option<&'static str>),

    /// Put the authority's certificates back from a backup.
    RestoreAuthority,
    /// Renew the machines' certificates once there is a new authority.
    RenewCertificates,
    /// Remove a guest system.
    RemoveImage(String),
    /// See which guest systems there are.
    ListImages,

    /// Give a swarm's unlock key to its managers.
    Unlock(ClusterName),
    /// Note a swarm's unlock key, which its managers need when they come back.
    NoteUnlockKey,
    /// Promote another node first.
    Promote,
    /// Make a drained node active again.
    Activate,
    /// Take a node out of its swarm's list.
    RemoveNode {
        /// The node.
        node: MachineName,
        /// Whether it is in the list as one that is up.
        force: bool,
    },

    /// See what a service's tasks say.
    ShowTasks,
    /// Remove a service.
    RemoveService(String),
    /// Remove a stack, or give the object in its way another name.
    RemoveStack(String),
    /// Make a secret or a config.
    MakeObject {
        /// `secret`, `config`.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Bring an image to the nodes that no registry has.
    LoadImage,
    /// Have nodes with a kernel of their own, or do without the routing mesh.
    UseVirtualMachines,
}

impl Advice {
    /// Its words, if it needs none of another program; empty where there is nothing to do.
    pub fn words(&self) -> Option<&str> {
        match self {
            Advice::Words(words) => Some(words),
            _ => None,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.words().is_some_and(str::is_empty)
    }
}

impl From<&'static str> for Advice {
    fn from(words: &'static str) -> Self {
        Advice::Words(words.into())
    }
}

impl From<String> for Advice {
    fn from(words: String) -> Self {
        Advice::Words(words.into())
    }
}

/// What can say what may be done about it.
pub trait Advise: fmt::Display {
    /// What may be done about it, which its text does not say.
    fn advice(&self) -> Option<Advice> {
        None
    }
}

impl Advise for &str {}

/// What is wrong, and what may be done about it. It has no text of its own, so that the advice is
/// not lost where it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong.
    pub text: String,
    /// What may be done, if it is not in the text. Boxed, as errors carry it.
    pub advice: Option<Box<Advice>>,
}

impl Reason {
    /// A text with advice.
    pub fn new(text: impl Into<String>, advice: Advice) -> Self {
        Self { text: text.into(), advice: (!advice.is_empty()).then(|| Box::new(advice)) }
    }

    /// The text of an error with its advice.
    pub fn of(error: &impl Advise) -> Self {
        Self::about(error.to_string(), error)
    }

    /// A text that speaks of an error, with that one's advice.
    pub fn about(text: impl Into<String>, error: &impl Advise) -> Self {
        Self { text: text.into(), advice: error.advice().map(Box::new) }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let advice = match (self.advice, other.advice) {
            (Some(one), Some(other)) => Some(Box::new(Advice::All(vec![*one, *other]))),
            (one, other) => one.or(other),
        };
        Self { text: format!("{}; {}", self.text, other.text), advice }
    }

    /// What may be done.
    pub fn advice(&self) -> Option<Advice> {
        self.advice.as_deref().cloned()
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, advice: None }
    }
}
