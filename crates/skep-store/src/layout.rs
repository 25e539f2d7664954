//! Where everything lies under the store's root.
//!
//! ```text
//! ROOT/
//!   store.json                     the store's own id
//!   certs/                         the store's CA and the client certificate it issued
//!   os/                            built guest systems, by digest
//!   clusters/NAME/
//!     lock                         held by the one command that changes the cluster
//!     locks/NAME                   held by a command that works on one machine of it
//!     cluster.json                 what was asked for
//!     journal                      what was made (see `journal`)
//!     making/NAME                  there while a `machine create` is at it
//!     unfinished.json              an `up` or a `down` that was begun and has not ended well
//!     DRIVER.json                  what a driver's machines share, if anything
//!     machines/NAME/
//!       id_ed25519, id_ed25519.pub                            how to log in
//!       ssh_host_ed25519_key, ssh_host_ed25519_key.pub        how it proves that it is itself
//!       known_hosts                                           that proof, pinned
//!       DRIVER/                                               what a driver's machine consists of
//!       DRIVER.json                                           or its record, if that is all
//! ```

use std::path::{Path, PathBuf};

use skep_model::{ClusterName, MachineName};

use crate::{StoreError, file::names};

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

    /// All clusters.
    pub fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// The names of the clusters that have a directory, in order. A directory whose name is no
    /// cluster's is not one.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn cluster_names(&self) -> Result<Vec<ClusterName>, StoreError> {
        Ok(names(&self.clusters())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// One cluster.
    pub fn cluster(&self, cluster: &ClusterName) -> ClusterLayout {
        ClusterLayout { directory: self.clusters().join(cluster.as_str()) }
    }
}

/// Paths of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLayout {
    directory: PathBuf,
}

impl ClusterLayout {
    /// The layout of a cluster whose directory is at a path, as while it is on its way out.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The cluster's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The lock of the command that changes the cluster.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// The lock of a command that works on one machine. It lies beside the machine's directory, so
    /// that it can be held while that is removed.
    pub fn machine_lock(&self, machine: &MachineName) -> PathBuf {
        self.directory.join("locks").join(machine.as_str())
    }

    /// The record of what was asked for.
    pub fn record(&self) -> PathBuf {
        self.directory.join("cluster.json")
    }

    /// The journal of what was made.
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// The record of a command about the whole cluster that was begun and has not ended well.
    pub fn unfinished(&self) -> PathBuf {
        self.directory.join("unfinished.json")
    }

    /// The mark of a machine that is being made by itself, there until it is whole.
    pub fn making(&self, machine: &MachineName) -> PathBuf {
        self.directory.join("making").join(machine.as_str())
    }

    /// All machines of the cluster.
    pub fn machines(&self) -> PathBuf {
        self.directory.join("machines")
    }

    /// The names of the machines that have a directory, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn machine_names(&self) -> Result<Vec<MachineName>, StoreError> {
        Ok(names(&self.machines())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// One machine's directory.
    pub fn machine(&self, machine: &MachineName) -> MachineLayout {
        MachineLayout { directory: self.machines().join(machine.as_str()) }
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
