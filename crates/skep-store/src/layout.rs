//! Where everything lies under the store's root.
//!
//! ```text
//! ROOT/
//!   store.json                     the store's own id
//!   certs/                         the store's CA and the client certificate it issued
//!   os/                            built guest systems, by digest
//!   accel.json                     whether this host can run virtual machines by itself
//!   qemu.lock                      held while a network for virtual machines is chosen
//!   clusters/NAME/
//!     lock                         held by the one command that changes the cluster
//!     locks/NAME                   held by whoever works on one machine of it
//!     cluster.json                 what was asked for
//!     journal                      what was made (see `journal`)
//!     qemu.json                    the network of a cluster of virtual machines
//!     virtualbox.json              the host-only network of a cluster of VirtualBox
//!     machines/NAME/
//!       id_ed25519, id_ed25519.pub                            how to log in
//!       ssh_host_ed25519_key, ssh_host_ed25519_key.pub        how it proves that it is itself
//!       known_hosts                                           that proof, pinned
//!       qemu/                                                 a virtual machine: disks, record, console
//!       virtualbox/                                           the same of VirtualBox
//!       ssh.json                                              a host that was there before
//!       none.json                                             an engine that is known by its URL alone
//! ```

use std::path::{Path, PathBuf};

/// Paths under one store's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout under `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The store's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The record with the store's id.
    pub fn store_record(&self) -> PathBuf {
        self.root.join("store.json")
    }

    /// The certificates of the store's own CA.
    pub fn certs(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// The cache of guest systems.
    pub fn os(&self) -> PathBuf {
        self.root.join("os")
    }

    /// What was found out about virtual machines on this host.
    pub fn accel(&self) -> PathBuf {
        self.root.join("accel.json")
    }

    /// The lock under which a network for virtual machines is chosen.
    pub fn qemu_lock(&self) -> PathBuf {
        self.root.join("qemu.lock")
    }

    /// All clusters.
    pub fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// One cluster.
    pub fn cluster(&self, cluster: &str) -> ClusterLayout {
        ClusterLayout { directory: self.clusters().join(cluster) }
    }
}

/// Paths of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLayout {
    directory: PathBuf,
}

impl ClusterLayout {
    /// The cluster's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The lock of the command that changes the cluster.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// The lock of whoever works on one machine. It lies beside the machine's directory, so that it
    /// can be held while that is removed.
    pub fn machine_lock(&self, machine: &str) -> PathBuf {
        self.directory.join("locks").join(machine)
    }

    /// The record of what was asked for.
    pub fn record(&self) -> PathBuf {
        self.directory.join("cluster.json")
    }

    /// The journal of what was made.
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// The record of what the cluster's virtual machines share.
    pub fn qemu(&self) -> PathBuf {
        self.directory.join("qemu.json")
    }

    /// The record of the host-only network that the cluster's machines of VirtualBox share.
    pub fn virtualbox(&self) -> PathBuf {
        self.directory.join("virtualbox.json")
    }

    /// All machines of the cluster.
    pub fn machines(&self) -> PathBuf {
        self.directory.join("machines")
    }

    /// One machine's directory.
    pub fn machine(&self, machine: &str) -> MachineLayout {
        MachineLayout { directory: self.machines().join(machine) }
    }
}

/// Paths of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineLayout {
    directory: PathBuf,
}

impl MachineLayout {
    /// The machine's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a virtual machine consists of.
    pub fn qemu(&self) -> PathBuf {
        self.directory.join("qemu")
    }

    /// What a machine of VirtualBox consists of.
    pub fn virtualbox(&self) -> PathBuf {
        self.directory.join("virtualbox")
    }

    /// The record of a host that was there before.
    pub fn ssh(&self) -> PathBuf {
        self.directory.join("ssh.json")
    }

    /// The record of an engine that is known by its URL alone.
    pub fn none(&self) -> PathBuf {
        self.directory.join("none.json")
    }

    /// Which CA certificates the machine has been given.
    pub fn trust(&self) -> PathBuf {
        self.directory.join("trust.json")
    }

    /// The availability its node had before it was drained for a restart of its engine.
    pub fn availability(&self) -> PathBuf {
        self.directory.join("availability.json")
    }

    /// The private key that logs in.
    pub fn ssh_key(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    /// The private key the machine's SSH server has.
    pub fn host_key(&self) -> PathBuf {
        self.directory.join("ssh_host_ed25519_key")
    }

    /// The pinned host key, in OpenSSH's `known_hosts` format.
    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }
}
