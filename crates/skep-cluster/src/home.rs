//! One store, with everything that comes from outside handed in once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skep_machine::{
    Driver, DriverOptions, Login, MachineId,
    container::{self, ContainerDriver},
    none::NoneDriver,
    qemu::QemuDriver,
    ssh::SshDriver,
    virtualbox::{self, VirtualBoxDriver},
};
use skep_model::ClusterName;
use skep_pki::{
    Authority,
    store::{AUTHORITY_KEY, load_or_create},
};
use skep_store::{Layout, Lock, StoreError, file::create_private_dir};

use crate::ClusterError;

/// The newest schema of `store.json` this program knows.
const SCHEMA: u64 = 1;

/// What comes from outside: environment, clock and process, read by the binary.
#[derive(Debug, Clone)]
pub struct Settings {
    pub root: PathBuf,
    /// A short directory of the user's own for sockets; made if missing.
    pub runtime: PathBuf,
    /// The host's own root directory, whose apt configuration is read: `/`, but in tests.
    pub host_root: PathBuf,
    /// The unix socket of the host's Docker Engine, or why there is none.
    pub docker_socket: container::Socket,
    /// When the command began.
    pub now: SystemTime,
    /// How this process names itself to others: `process 4711, skep up`.
    pub holder: String,
}

#[cfg(test)]
impl Settings {
    /// A store below a test's directory, on a host without an engine, in November 2023.
    pub(crate) fn of_test(directory: &Path) -> Self {
        Self {
            root: directory.join("store"),
            runtime: directory.join("run"),
            host_root: "/".into(),
            docker_socket: Ok(directory.join("no.sock")),
            now: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000),
            holder: "a test".into(),
        }
    }
}

/// A store that is there, and the settings it is used with.
#[derive(Debug, Clone)]
pub struct Home {
    layout: Layout,
    settings: Settings,
    store: String,
    given: Option<Arc<dyn Driver>>,
}

#[derive(Serialize, Deserialize)]
struct StoreRecord {
    schema: u64,
    id: String,
}

impl Home {
    /// Opens the store at the settings' root, making it if it is not there.
    pub fn open(settings: Settings) -> Result<Self, StoreError> {
        own_directory(&settings.runtime)?;
        let layout = Layout::new(&settings.root);
        let path = layout.store_record();
        let store = match skep_store::read_json::<StoreRecord>(&path, SCHEMA)? {
            Some(record) => {
                if !path.exists() {
                    // Its second copy was read: people look for the id in the first.
                    skep_store::write_record(&path, &record)?;
                }
                record.id
            }
            None => {
                // Two first commands at once must agree on the id.
                let _lock = Lock::acquire(&layout.root().join("lock"), &settings.holder, |_| {})?;
                match skep_store::read_json::<StoreRecord>(&path, SCHEMA)? {
                    Some(record) => record.id,
                    // Under a new id nothing that the clusters have would be found, or removed.
                    None if has_entries(&layout.clusters()) => {
                        let reason = "it is gone, though there are clusters; its `id` is the label \
                                      `skep` of their containers, networks and volumes";
                        return Err(StoreError::Damaged { path, reason: reason.into() });
                    }
                    None => {
                        let id = fresh_id(&settings);
                        skep_store::write_record(
                            &path,
                            &StoreRecord { schema: SCHEMA, id: id.clone() },
                        )?;
                        id
                    }
                }
            }
        };
        Ok(Self { layout, settings, store, given: None })
    }

    /// The same store with a driver of the caller's own, whatever kind is asked for:
    /// another driver, or [`skep_machine::fake`] in a test.
    #[must_use]
    pub fn with_driver(self, driver: Arc<dyn Driver>) -> Self {
        Self { given: Some(driver), ..self }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Distinguishes this store from every other.
    pub(crate) fn id(&self) -> &str {
        &self.store
    }

    /// The names of the store's clusters, in order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn clusters(&self) -> Result<Vec<ClusterName>, StoreError> {
        self.layout.cluster_names()
    }

    /// The authority that issues the certificates of the engines' TCP endpoints, made with the
    /// store's first cluster, with a client certificate that is valid now.
    ///
    /// # Errors
    /// [`ClusterError::AuthorityLost`] where machines trust one that is not there any more: another
    /// one in its place would lock every user out of them without a word. [`ClusterError::Pki`].
    pub fn authority(&self) -> Result<Authority, ClusterError> {
        let directory = self.layout.certs();
        if directory.exists() {
            skep_pki::store::restore_key(&directory)?;
        }
        if !directory.join(AUTHORITY_KEY).exists() {
            // A machine's files are written once there is an authority that has signed them.
            let trusts_one = |name: &ClusterName| self.layout.cluster(name).machines().exists();
            if let Some(cluster) = self.clusters()?.into_iter().find(trusts_one)
                // Another command may have made both since: the authority before the machine.
                && !directory.join(AUTHORITY_KEY).exists()
            {
                return Err(ClusterError::AuthorityLost { directory, cluster });
            }
        }
        Ok(load_or_create(&self.layout, &self.settings.holder, self.settings.now)?)
    }

    /// Takes the lock of the one command that changes a cluster.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another command is at it.
    pub fn lock(&self, cluster: &ClusterName) -> Result<Lock, StoreError> {
        let path = self.layout.cluster(cluster).lock();
        Lock::try_acquire(&path, &format!("cluster {cluster}"), &self.settings.holder)
    }

    /// The guest system's builder.
    ///
    /// # Errors
    /// [`OsError`](skep_os::OsError) if this host cannot build one.
    pub fn os(&self) -> Result<skep_os::Builder, skep_os::OsError> {
        let source = skep_os::Source::detect(&self.settings.host_root)?;
        Ok(skep_os::Builder::new(self.layout.os(), source))
    }

    /// The driver that options are for. With those of `qemu` it is the clusters it prepares that keep
    /// them; the others get theirs with each machine.
    pub fn driver(&self, options: impl Into<DriverOptions>) -> Arc<dyn Driver> {
        if let Some(given) = &self.given {
            return given.clone();
        }
        let home = self.clone();
        let os = Box::new(move || home.os());
        let root = self.settings.host_root.clone();
        match options.into() {
            DriverOptions::Container => {
                let socket = self.settings.docker_socket.clone();
                Arc::new(ContainerDriver::new(root, socket, &self.store, os))
            }
            DriverOptions::Qemu(options) => Arc::new(QemuDriver::new(
                root,
                &self.layout,
                &self.settings.runtime,
                &self.store,
                os,
                options,
            )),
            DriverOptions::Virtualbox(_) => {
                let host = virtualbox::Host {
                    root,
                    os: virtualbox::Os::here(),
                    runtime: self.settings.runtime.clone(),
                    holder: self.settings.holder.clone(),
                };
                Arc::new(VirtualBoxDriver::new(self.layout.clone(), &self.store, os, host))
            }
            DriverOptions::Ssh(_) => Arc::new(SshDriver::new(self.layout.clone())),
            DriverOptions::None(_) => Arc::new(NoneDriver::new(self.layout.clone())),
        }
    }

    /// How a machine is logged in to.
    pub(crate) fn login(&self, id: &MachineId) -> Login {
        Login::new(&self.layout, &self.settings.runtime, &self.store, id)
    }
}

fn has_entries(directory: &Path) -> bool {
    fs_err::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// Makes the directory of the sockets, or makes sure that no other user can get at what is in it:
/// a process that connects to a socket there has the machine.
fn own_directory(directory: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt as _;
    create_private_dir(directory)?;
    let refused = |source| StoreError::Io { action: "use", path: directory.to_owned(), source };
    let found = fs_err::symlink_metadata(directory).map_err(refused)?;
    let own = found.is_dir()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o077 == 0;
    if own {
        return Ok(());
    }
    let reason = "it is not this user's alone: set XDG_RUNTIME_DIR to a directory that is";
    Err(refused(std::io::Error::new(std::io::ErrorKind::PermissionDenied, reason)))
}

/// An id no other store has: a digest of where, when and by whom it was made.
fn fresh_id(settings: &Settings) -> String {
    let seed = format!("{:?} {:?} {}", settings.root, settings.now, settings.holder);
    Sha256::digest(seed)[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
