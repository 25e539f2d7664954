//! A store for one test, with a unique cluster name.

use std::{
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{Run, host, run};

/// How long `skep up` may take; the first of all builds the guest system.
const UP: Duration = Duration::from_secs(420);
/// How long `skep down` may take.
const DOWN: Duration = Duration::from_secs(90);

/// How many labs this process has created.
static LABS: AtomicU32 = AtomicU32::new(0);

/// A store, a directory for sockets and a cluster name that belong to one test.
///
/// Dropping it removes everything the test has created, also when it failed; [`Lab::finish`] does
/// the same through skep alone and checks that nothing is left.
#[derive(Debug)]
pub struct Lab {
    store: TempDir,
    runtime: TempDir,
    cluster: String,
    touches_machines: bool,
}

impl Lab {
    /// A lab for a test that makes no machines. Its `DOCKER_HOST` is a socket that is not there.
    ///
    /// # Panics
    /// If the system refuses a temporary directory.
    pub fn without_machines() -> Self {
        Self::new("nothing", false)
    }

    /// A lab for a test that makes machines on the host's engine. `subject` becomes part of the
    /// cluster's name. Guest systems are shared between the labs of one build directory.
    ///
    /// # Panics
    /// If the system refuses a temporary directory.
    pub fn with_machines(subject: &str) -> Self {
        let lab = Self::new(subject, true);
        fs_err::create_dir_all(lab.store()).expect("a directory can be made");
        let guests = guest_systems();
        fs_err::os::unix::fs::symlink(guests, lab.store().join("os")).expect("a link can be made");
        lab
    }

    /// Another store of another user, for a cluster of the same name.
    ///
    /// # Panics
    /// If the system refuses a temporary directory.
    pub fn namesake(&self) -> Self {
        let mut lab = Self::with_machines("same");
        lab.cluster.clone_from(&self.cluster);
        lab
    }

    fn new(subject: &str, touches_machines: bool) -> Self {
        let temporary = || {
            // Short, because the paths of sockets are.
            let made = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp");
            made.expect("the system gives a temporary directory")
        };
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let cluster = format!("t-{subject}-{}-{number}", process::id());
        Self { store: temporary(), runtime: temporary(), cluster, touches_machines }
    }

    /// The store, which does not exist before skep, or the test, has made it.
    pub fn store(&self) -> PathBuf {
        self.store.path().join("store")
    }

    /// The directory of skep's sockets.
    pub fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    /// A directory for the test's own files.
    pub fn files(&self) -> &Path {
        self.store.path()
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Writes a file of the test's own and returns its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files().join(name);
        fs_err::write(&path, content).expect("a file can be written");
        path
    }

    /// `skep` on this store, with the arguments split at spaces, and about this cluster.
    pub fn skep(&self, words: &str) -> Run {
        self.bare(words.split_whitespace()).env("SKEP_CLUSTER", &self.cluster)
    }

    /// `skep` on this store with these arguments, and about no particular cluster.
    pub fn bare<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let args: Vec<_> = args.into_iter().collect();
        let skep = Run::program(run::skep()).args(&args).args(driver(&args));
        let skep =
            self.environment().into_iter().fold(skep, |skep, (name, value)| skep.env(name, value));
        if self.touches_machines {
            return skep;
        }
        let nowhere = format!("unix://{}", self.runtime().join("no-docker.sock").display());
        skep.env("DOCKER_HOST", nowhere)
    }

    /// The environment that points skep, or a shell that starts it, to this lab.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("SKEP_HOME", self.store()),
            ("XDG_RUNTIME_DIR", self.runtime().to_owned()),
            ("HOME", self.files().to_owned()),
        ]
    }

    /// `skep up` with more arguments and the time it needs.
    pub fn up(&self, words: &str) -> Run {
        self.skep(&format!("up {words}")).within(UP)
    }

    /// `skep down` with the time it needs.
    pub fn down(&self) -> Run {
        self.skep("down").within(DOWN)
    }

    /// The label of everything this store has created, if the store exists.
    pub fn label(&self) -> Option<String> {
        let text = fs_err::read_to_string(self.store().join("store.json")).ok()?;
        let (_, rest) = text.split_once("\"id\"")?;
        Some(format!("skep={}", rest.split('"').nth(1)?))
    }

    /// Everything that is there because of this lab: containers, volumes, networks, processes and
    /// sockets, one line each.
    pub fn traces(&self) -> Vec<String> {
        let mut traces = self.label().map(|label| host::labelled(&label)).unwrap_or_default();
        let runtime = self.runtime().display().to_string();
        let processes = host::processes_with(&runtime).into_iter();
        traces.extend(processes.map(|process| format!("process {process}")));
        let sockets = host::sockets_below(self.runtime()).into_iter();
        traces.extend(sockets.map(|socket| format!("socket {socket}")));
        traces
    }

    /// Takes the cluster down and checks that nothing is left of it.
    ///
    /// # Panics
    /// If `down` fails or something is left; what is left is named, and then removed.
    #[track_caller]
    pub fn finish(self) {
        self.down().succeeds();
        self.is_clean();
    }

    /// Nothing may be there because of this lab.
    ///
    /// # Panics
    /// If something is.
    #[track_caller]
    pub fn is_clean(&self) {
        let left = self.traces();
        assert!(left.is_empty(), "skep left behind:{}", host::block(&left));
        let directory = self.store().join("clusters").join(&self.cluster);
        assert!(!directory.exists(), "{} is still there", directory.display());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.touches_machines || self.label().is_none() {
            return;
        }
        if !self.traces().is_empty() {
            // A test failed, or it tests that `down` does. This is the last resort: skep goes
            // first, because of its SSH masters, then everything is removed without it.
            self.down().ends();
        }
        if let Some(label) = self.label() {
            host::remove_labelled(&label);
        }
    }
}

/// The driver of a lab's machines where a test that makes some names none: containers, whatever
/// `auto` would take on this host.
pub(crate) fn driver(words: &[&str]) -> &'static [&'static str] {
    let named = words.contains(&"--driver");
    if matches!(words.first(), Some(&"up" | &"doctor")) && !named {
        &["--driver", "container"]
    } else {
        &[]
    }
}

/// The directory that cargo builds in.
pub(crate) fn target() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    own.ancestors().nth(3).expect("a test is in target/PROFILE/deps").to_path_buf()
}

/// Where the guest systems of all labs are built, once: beside what cargo builds.
///
/// # Panics
/// If the directory cannot be made.
pub fn guest_systems() -> PathBuf {
    let directory = target().join("tmp/guest-systems");
    fs_err::create_dir_all(&directory).expect("a directory can be made");
    directory
}

/// The record of which accelerators work on this host, in a store. It is tried there only if it is
/// not known, or not of this host as it is: a trial of one that is broken takes ten seconds.
const TRIALS: &str = "accel.json";

/// Gives a new store what another test's store has found out about this host's accelerators.
///
/// # Panics
/// If the store cannot be made.
pub fn lend_trials(store: &Path) {
    fs_err::create_dir_all(store).expect("a directory can be made");
    // The first test finds none.
    let _ = fs_err::copy(target().join("tmp").join(TRIALS), store.join(TRIALS));
}

/// Keeps what a store has found out for [`lend_trials`].
pub fn keep_trials(store: &Path) {
    let kept = target().join("tmp").join(TRIALS);
    let partial = kept.with_extension(process::id().to_string());
    // A test that never asked has none.
    if fs_err::copy(store.join(TRIALS), &partial).is_ok() {
        fs_err::rename(partial, kept).expect("a file can be renamed");
    }
}
