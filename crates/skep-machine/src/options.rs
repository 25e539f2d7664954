//! Which drivers there are, what each is configured with, and what its machines are like.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    MachineError, container::options as container, features::Features, none::options as none,
    qemu::options as qemu, ssh::options as ssh, virtualbox::options as virtualbox,
};

/// A driver by its name alone, as people, cluster files and records write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    Container,
    Qemu,
    Virtualbox,
    /// [`ssh`](mod@crate::ssh); docker-machine calls it `generic`.
    Ssh,
    None,
}

/// A driver with its options for a machine, which no other driver would understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverOptions {
    /// For [`container`](mod@crate::container), which has no options.
    Container,
    /// For [`qemu`](mod@crate::qemu). They hold for all machines of a cluster, whose record keeps them.
    Qemu(qemu::Options),
    /// For [`virtualbox`](mod@crate::virtualbox). Without them a machine has the usual ones, on a network that is free.
    Virtualbox(Option<Box<virtualbox::Options>>),
    /// For [`ssh`](mod@crate::ssh). No machine can be created without them.
    Ssh(Option<ssh::Host>),
    /// For [`none`](mod@crate::none). No machine can be created without them.
    None(Option<none::EngineUrl>),
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
