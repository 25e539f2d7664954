//! What the environment says, read here and nowhere else, and handed on.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use skep_cluster::{
    ClusterError, Home, Settings, find,
    reach::Cluster,
    unfinished::{Removal, removal},
};
use skep_engine::{Endpoint, EndpointError, Engine};
use skep_model::{ClusterName, Events};
use skep_store::Layout;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Color, Global},
    cluster_name::{default_cluster, name_option},
    docker_context,
    failure::{Exit, Failure},
    persona::Persona,
    visible,
};

/// How long an engine that was named may take to answer a greeting.
const ENGINE_GREETING: Duration = Duration::from_secs(10);

/// Bytes of a directory's path in which `skep/` and a socket's name still fit.
const RUNTIME_PATH: usize = 58;

/// Everything a command is given besides its own arguments.
#[derive(Debug)]
pub struct Context {
    pub persona: Persona,
    pub global: Global,
    /// Receives the steps.
    pub events: Events,
    pub cancel: CancellationToken,
    /// The command line as it was typed.
    pub command_line: String,
    /// Shown to the user once the display is off the screen.
    closing: Mutex<String>,
}

#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A path, which need not be UTF-8.
#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn variable_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether a variable is there and empty, which is as good as not there.
#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
pub(crate) fn is_empty(name: &OsStr) -> bool {
    env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Where docker-machine's users keep their machines apart.
pub(crate) fn machine_storage_path() -> Option<PathBuf> {
    variable_path("MACHINE_STORAGE_PATH")
}

#[expect(clippy::disallowed_methods, reason = "the binary is where the clock is read")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether `$XDG_RUNTIME_DIR` can be used. It often says what is not so: after `su` and in jobs it
/// is another user's, or a directory that does not exist.
fn is_runtime_directory(directory: &Path) -> bool {
    let own = |found: std::fs::Metadata| {
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()
    };
    directory.is_absolute() && is_short(directory) && directory.metadata().is_ok_and(own)
}

/// Whether a directory leaves room for a socket's name within the length of a socket's path.
fn is_short(directory: &Path) -> bool {
    directory.as_os_str().len() <= RUNTIME_PATH
}

/// The engine the docker CLI would use: `$DOCKER_HOST`, else a context's. What `skep env` set does
/// not count: that is the engine of a machine, and the machines are on this host's own.
fn docker_host() -> Option<String> {
    let certificates = variable_path("DOCKER_CERT_PATH");
    match variable("DOCKER_HOST") {
        Some(_) if certificates.is_some_and(|path| is_a_stores(&path)) => None,
        Some(host) => Some(host),
        None => {
            let directory = docker_config()?;
            docker_context::host(&directory, variable("DOCKER_CONTEXT").as_deref())
        }
    }
}

/// The docker CLI's configuration directory.
fn docker_config() -> Option<PathBuf> {
    let of_home = || Some(variable_path("HOME")?.join(".docker"));
    variable_path("DOCKER_CONFIG").or_else(of_home)
}

/// Whether these are the certificates of a store, this one or another.
fn is_a_stores(certificates: &Path) -> bool {
    let Some(root) = certificates.parent() else { return false };
    let layout = Layout::new(root);
    layout.certs() == certificates && layout.store_record().is_file()
}

impl Global {
    /// Takes from the environment what the command line leaves open; an empty variable is none.
    ///
    /// # Errors
    /// A [`Failure`] that names the variable.
    pub fn complete(&mut self) -> Result<(), Failure> {
        // A cluster that is named on the command line comes before an engine of the environment.
        if self.engine.is_none() && self.name.is_none() {
            self.engine = variable("SKEP_ENGINE");
        }
        if let (None, Some(name)) = (&self.name, variable("SKEP_CLUSTER")) {
            let wrong = |error| Failure::usage(format!("SKEP_CLUSTER: {error}"));
            self.name = Some(name.parse().map_err(wrong)?);
            self.named_by_environment = true;
        }
        self.home = self.home.take().or_else(|| variable_path("SKEP_HOME"));
        Ok(())
    }
}

impl Context {
    /// What an operation of the libraries travels with.
    pub fn operation(&self) -> skep_context::Context<'_> {
        skep_context::Context::new(&self.events, &self.cancel)
    }

    /// A context for one command.
    pub fn new(
        persona: Persona,
        global: Global,
        events: Events,
        cancel: CancellationToken,
        command_line: String,
    ) -> Self {
        Self { persona, global, events, cancel, command_line, closing: Mutex::default() }
    }

    /// Shows a text to the user, on standard error, after everything else.
    pub fn say(&self, text: &str) {
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        closing.push_str(&visible::text(text));
        closing.push('\n');
    }

    /// Prints docker-machine's message: under its name a line on standard output, at once;
    /// under skep's nothing, for there the steps show it.
    pub fn message(&self, text: impl std::fmt::Display) {
        if self.persona == Persona::DockerMachine {
            // Work does not fail because its output is not read.
            let _ = writeln!(io::stdout(), "{}", visible::text(&text.to_string()));
        }
    }

    /// The texts of [`Context::say`].
    pub fn closing(self) -> String {
        self.closing.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the store.
    ///
    /// # Errors
    /// A [`Failure`] if the environment names no place for it, or it cannot be used.
    pub fn home(&self) -> Result<Home, Failure> {
        Ok(Home::open(self.settings()?)?)
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let user = rustix::process::getuid().as_raw();
        let home = variable_path("HOME");
        let data = variable_path("XDG_DATA_HOME");
        let root = self
            .global
            .home
            .clone()
            .or_else(|| Some(data.or_else(|| Some(home?.join(".local/share")))?.join("skep")))
            .ok_or_else(|| Failure::usage("HOME is not set: say where the store is with --home"))?;
        let root = std::path::absolute(&root).unwrap_or(root);
        skep_guest::access::check_directory(&root).map_err(|error| {
            Failure::usage(error.to_string())
                .with_fix("choose another directory with --home or SKEP_HOME")
        })?;
        let temporary = env::temp_dir().join(format!("skep-{user}"));
        let runtime = variable_path("XDG_RUNTIME_DIR")
            .filter(|directory| is_runtime_directory(directory))
            .map(|directory| directory.join("skep"))
            .or_else(|| Some(temporary).filter(|directory| is_short(directory)))
            .unwrap_or_else(|| format!("/tmp/skep-{user}").into());
        let endpoint = Endpoint::resolve(docker_host().as_deref())
            .and_then(|endpoint| endpoint.local_socket().map(PathBuf::from));
        Ok(Settings {
            root,
            runtime,
            host_root: PathBuf::from("/"),
            docker_socket: endpoint,
            now: now(),
            holder: format!("process {}, {}", process::id(), self.command_line),
        })
    }

    /// The cluster a command is about: the one that was named, else the only one there is, else
    /// the one that `up` makes.
    ///
    /// # Errors
    /// A [`Failure`] if the store cannot be read, or it may be any of several.
    pub fn cluster_name(&self, home: &Home) -> Result<ClusterName, Failure> {
        if let Some(name) = &self.global.name {
            return Ok(name.clone());
        }
        let there = home.clusters()?;
        match there.as_slice() {
            [] => Ok(default_cluster()),
            [only] => Ok(only.clone()),
            several if several.contains(&default_cluster()) => Ok(default_cluster()),
            several => {
                let names: Vec<_> = several.iter().map(ClusterName::as_str).collect();
                Err(Failure::usage(format!("which cluster? There are {}", names.join(", ")))
                    .with_fix("say which with --name, or set SKEP_CLUSTER"))
            }
        }
    }

    /// The cluster a command is about, opened.
    ///
    /// # Errors
    /// A [`Failure`] if there is none.
    pub fn cluster(&self) -> Result<Cluster, Failure> {
        let home = self.home()?;
        let name = self.cluster_name(&home)?;
        let cluster = Cluster::open(&home, &name).map_err(|error| match error {
            ClusterError::NoCluster { .. } if self.global.name.is_none() => no_cluster(),
            other => Failure::from(other),
        })?;
        self.warn_of_removal(&cluster);
        Ok(cluster)
    }

    /// Warns that a cluster a command works with is being removed.
    fn warn_of_removal(&self, cluster: &Cluster) {
        let name = &cluster.record().name;
        let option = name_option(name);
        match removal(cluster.home(), name) {
            None => {}
            Some(Removal::UnderWay(holder)) => {
                self.events.warn("", format!("cluster {name} is being removed ({holder})"));
            }
            Some(Removal::Interrupted) => self.events.warn(
                "",
                format!(
                    "the removal of cluster {name} was begun and not finished: `skep down{option}` \
                     goes on, `skep up{option}` makes it whole again"
                ),
            ),
        }
    }

    /// The cluster of a machine: the one that was named, else whichever has it.
    ///
    /// # Errors
    /// A [`Failure`] if there is no such machine, or several clusters have one.
    pub fn cluster_of(&self, machine: &str) -> Result<Cluster, Failure> {
        let mut found = self.clusters_of(&[machine.to_owned()])?;
        let missing = || ClusterError::NoSuchMachine { machine: machine.into() };
        Ok(found.pop().ok_or_else(missing)?.0)
    }

    /// The clusters of machines, each once, with those of the machines it has, in the order asked.
    ///
    /// # Errors
    /// As [`Context::cluster_of`], of the first name that is none.
    pub fn clusters_of(&self, machines: &[String]) -> Result<Vec<(Cluster, Vec<String>)>, Failure> {
        let home = self.home()?;
        if let Some(name) = &self.global.name {
            let cluster = Cluster::open(&home, name)?;
            for machine in machines {
                cluster.machine(machine)?;
            }
            self.warn_of_removal(&cluster);
            return Ok(vec![(cluster, machines.to_vec())]);
        }
        match find::clusters_of(&home, machines, Some(&default_cluster())) {
            Err(ClusterError::NoSuchMachine { machine }) => Err(self.no_such(&home, &machine)),
            found => {
                let found = found?;
                found.iter().for_each(|(cluster, _)| self.warn_of_removal(cluster));
                Ok(found)
            }
        }
    }

    /// There is no such machine; with what there is instead.
    fn no_such(&self, home: &Home, machine: &str) -> Failure {
        let gone = || ClusterError::NoSuchMachine { machine: machine.into() };
        match home.clusters().unwrap_or_default().as_slice() {
            [] => {
                let theirs = Failure::from(gone()).theirs.unwrap_or_default();
                no_cluster().with_theirs(theirs)
            }
            [only] => match Cluster::open(home, only).map(|cluster| cluster.machine(machine).err())
            {
                Ok(Some(error)) | Err(error) => error.into(),
                Ok(None) => gone().into(),
            },
            _ => gone().into(),
        }
    }

    /// The engine of a manager: the one that was named, else that of the cluster's first manager
    /// that answers.
    ///
    /// # Errors
    /// A [`Failure`] if the engine cannot be reached, or no manager of the cluster.
    pub async fn manager(&self) -> Result<Engine, Failure> {
        match &self.global.engine {
            None => Ok(self.cluster()?.manager(&self.cancel).await?.0),
            Some(url) => {
                let wrong =
                    |error: EndpointError| Failure::usage(format!("--engine {url}: {error}"));
                let socket = Endpoint::resolve(Some(url))
                    .and_then(|endpoint| endpoint.local_socket().map(PathBuf::from))
                    .map_err(wrong)?;
                let engine = Engine::connect(&socket, ENGINE_GREETING, &self.cancel).await;
                Ok(engine.map_err(|error| Failure::of(Exit::Failed, &error))?)
            }
        }
    }

    /// The time, to say how long ago something was. In builds for development `$SKEP_NOW` sets it, so
    /// that a test can compare two commands' screens; a released skep does not know the variable.
    pub fn now(&self) -> SystemTime {
        let set = variable("SKEP_NOW").filter(|_| cfg!(debug_assertions));
        let set = set.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        set.map_or_else(now, SystemTime::from)
    }

    /// A variable's value, an empty one too: what `--env NAME` hands on.
    #[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
    pub fn environment(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    /// The docker CLI's configuration directory, where it keeps credentials for registries.
    pub fn docker_config(&self) -> Option<PathBuf> {
        docker_config()
    }

    /// All variables of the environment that are text, for files that name them.
    pub fn variables(&self) -> std::collections::BTreeMap<String, String> {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
    }

    /// The value of `$SHELL`.
    pub fn login_shell(&self) -> Option<String> {
        variable("SHELL")
    }

    /// The values of `$no_proxy` and `$NO_PROXY`.
    pub fn no_proxy(&self) -> (Option<String>, Option<String>) {
        (variable("no_proxy"), variable("NO_PROXY"))
    }

    /// How an address on the internet is reached: the proxies of the environment.
    pub fn network(&self) -> skep_os::import::Network {
        // An upper-case HTTP_PROXY may come from a web server's client, so by custom it is not one.
        let either = |lower, upper| variable(lower).or_else(|| variable(upper));
        let any = || either("all_proxy", "ALL_PROXY");
        let (lower, upper) = self.no_proxy();
        skep_os::import::Network {
            http_proxy: variable("http_proxy").or_else(any),
            https_proxy: either("https_proxy", "HTTPS_PROXY").or_else(any),
            no_proxy: lower.or(upper),
            roots: Vec::new(),
        }
    }

    /// The program that started this one, by its name, where the system shows it (Linux).
    pub fn parent_program(&self) -> Option<String> {
        let parent = rustix::process::getppid()?.as_raw_nonzero();
        let name =
            skep_read::text(format!("/proc/{parent}/comm"), skep_read::limit::SYSTEM).ok()?;
        Some(name.trim_end().to_owned())
    }
}

fn no_cluster() -> Failure {
    Failure::failed("there is no cluster yet").with_fix("make one with `skep up`")
}

/// Whether this program was started to go on when its terminal is closed, as `nohup` does it. Where
/// the system does not show it (only Linux does) it was not.
pub fn is_hangup_ignored() -> bool {
    let status = skep_read::text("/proc/self/status", skep_read::limit::SYSTEM);
    status.is_ok_and(|status| ignores_hangup(&status))
}

/// The same, from the text of `/proc/self/status`: signals are the bits of a number, from 1.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// Whether the terminal can neither move its cursor nor paint.
pub fn is_dumb_terminal() -> bool {
    variable("TERM").as_deref() == Some("dumb")
}

/// Whether colours are wanted on a stream that is, or is not, a terminal.
pub fn colors(choice: Color, terminal: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal
                && variable("NO_COLOR").is_none()
                && variable("TERM").as_deref() != Some("dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_started_by_nohup_is_told_by_the_system() {
        assert!(ignores_hangup("Name:\tskep\nSigIgn:\t0000000000001001\nSigCgt:\t00\n"));
        assert!(!ignores_hangup("Name:\tskep\nSigIgn:\t0000000000001000\nSigCgt:\t01\n"));
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn a_stores_certificates_are_known_by_the_store_around_them() {
        let root = tempfile::tempdir().unwrap();
        let certificates = root.path().join("certs");
        assert!(!is_a_stores(&certificates));
        std::fs::write(root.path().join("store.json"), "{}").unwrap();
        assert!(is_a_stores(&certificates));
        assert!(!is_a_stores(root.path()));
        assert!(!is_a_stores(Path::new("/")));
    }

    #[test]
    fn a_runtime_directory_is_there_ones_own_and_short() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        assert!(is_runtime_directory(root.path()));
        assert!(!is_runtime_directory(&root.path().join("missing")));
        assert!(!is_runtime_directory(Path::new(".")));
        let long = root.path().join("x".repeat(RUNTIME_PATH));
        std::fs::create_dir(&long).unwrap();
        assert!(!is_runtime_directory(&long));
    }

    #[test]
    fn a_socket_fits_into_the_longest_runtime_directory() {
        let socket = format!("{}/skep/0123456789abcdef.sock", "x".repeat(RUNTIME_PATH));
        assert!(socket.len() <= skep_guest::access::MAX_SOCKET_PATH);
    }

    #[test]
    fn colours_follow_the_terminal_unless_told() {
        assert!(colors(Color::Always, false));
        assert!(!colors(Color::Never, true));
        assert!(!colors(Color::Auto, false));
    }
}
