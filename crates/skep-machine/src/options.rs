//! Which drivers there are, what each is configured with, and what its machines are like.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{MachineError, container, none, qemu, ssh, virtualbox};

/// A driver by its name alone, as people, cluster files and records write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// [`container`]
    Container,
    /// [`qemu`]
    Qemu,
    /// [`virtualbox`]
    Virtualbox,
    /// [`ssh`]; docker-machine calls it `generic`.
    Ssh,
    /// [`none`](mod@none)
    None,
}

/// A driver with what it is configured with for a machine, and no other driver would understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverOptions {
    /// For [`container`], which has no options.
    Container,
    /// For [`qemu`]. They hold for all machines of a cluster, whose record keeps them.
    Qemu(qemu::Options),
    /// For [`virtualbox`]. Without them a machine has the usual ones, on a network that is free.
    Virtualbox(Option<Box<virtualbox::Options>>),
    /// For [`ssh`]. No machine can be created without them.
    Ssh(Option<ssh::Host>),
    /// For [`none`](mod@none). No machine can be created without them.
    None(Option<none::EngineUrl>),
}

/// What callers need to know of a machine that depends on how it came to be.
///
/// They decide by these, never by a driver's name, so that a new driver changes none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Whether the driver creates machines, rather than adopting what is there.
    pub makes_machines: bool,
    /// Whether each machine has a disk of its own, of a size.
    pub sizes_disks: bool,
    /// Whether only ports that are published lead to a machine, from another address than it has
    /// among the nodes; elsewhere this host reaches all of them at that very address.
    pub forwards_ports: bool,
    /// What a machine runs, and so how that is configured.
    pub system: System,
}

/// What a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// skep's own guest, which reads its seed at its first boot.
    Skep,
    /// boot2docker, which reads a login key at its first boot; the rest is done over SSH.
    Boot2docker,
    /// Whatever a host was found with, configured over SSH. It stays when the machine is removed.
    Found,
    /// Unknown: there is an engine's URL, and no way to log in.
    Nothing,
}

impl System {
    /// Whether it can be logged in to over SSH.
    pub fn has_login(self) -> bool {
        self != System::Nothing
    }

    /// Whether it is configured over SSH once it runs, rather than by its seed.
    pub fn is_configured_over_ssh(self) -> bool {
        matches!(self, System::Found | System::Boot2docker)
    }
}

impl DriverKind {
    /// What machines of this driver are like where nothing else is asked for.
    pub fn features(self) -> Features {
        DriverOptions::from(self).features()
    }
}

impl DriverOptions {
    /// Which driver they are for.
    pub fn kind(&self) -> DriverKind {
        match self {
            DriverOptions::Container => DriverKind::Container,
            DriverOptions::Qemu(_) => DriverKind::Qemu,
            DriverOptions::Virtualbox(_) => DriverKind::Virtualbox,
            DriverOptions::Ssh(_) => DriverKind::Ssh,
            DriverOptions::None(_) => DriverKind::None,
        }
    }

    /// What such a machine is like.
    pub fn features(&self) -> Features {
        match self {
            DriverOptions::Container => container::FEATURES,
            DriverOptions::Qemu(_) => qemu::FEATURES,
            DriverOptions::Virtualbox(options) => virtualbox::features(options.as_deref()),
            DriverOptions::Ssh(_) => ssh::FEATURES,
            DriverOptions::None(_) => none::FEATURES,
        }
    }
}

impl From<DriverKind> for DriverOptions {
    fn from(kind: DriverKind) -> Self {
        match kind {
            DriverKind::Container => DriverOptions::Container,
            DriverKind::Qemu => DriverOptions::Qemu(qemu::Options::default()),
            DriverKind::Virtualbox => DriverOptions::Virtualbox(None),
            DriverKind::Ssh => DriverOptions::Ssh(None),
            DriverKind::None => DriverOptions::None(None),
        }
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DriverKind::Container => "container",
            DriverKind::Qemu => "qemu",
            DriverKind::Virtualbox => "virtualbox",
            DriverKind::Ssh => "ssh",
            DriverKind::None => "none",
        })
    }
}

impl FromStr for DriverKind {
    type Err = MachineError;

    fn from_str(text: &str) -> Result<Self, MachineError> {
        match text {
            "container" => Ok(DriverKind::Container),
            "qemu" => Ok(DriverKind::Qemu),
            "virtualbox" => Ok(DriverKind::Virtualbox),
            "ssh" | "generic" => Ok(DriverKind::Ssh),
            "none" => Ok(DriverKind::None),
            _ => Err(MachineError::UnknownDriver { name: text.into() }),
        }
    }
}
