//! Machines of docker-machine's store, taken over without touching it.
//!
//! `config.json` (version 3) of docker-machine 0.16 is read by [`store`]. A machine of VirtualBox is
//! taken over as it is, by its name there; a host over SSH and an engine's URL are written down. The
//! private key that logs in is copied, so that the two stores can go separate ways.
//!
//! The engines go on trusting docker-machine's authority, whose key skep does not use: until
//! `provision` gives a machine certificates of this store, the docker CLI reaches it with
//! docker-machine's.

pub mod store;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use skep_context::Context;
use skep_machine::{
    DriverKind, DriverOptions, Request,
    none::EngineUrl,
    ssh::Host,
    subnet::{MAX_MACHINES, machine_address},
    virtualbox::{self, Iso},
};
use skep_model::{Advice, Check, ClusterName, MachineName, Reason, Size, Verdict};
use skep_store::Journal;

use self::store::{Driver, Entry, Login};
use crate::{
    ClusterError, ClusterRecord, Home, MachineRecord,
    choice::passed,
    find::everything,
    locks,
    machines::{self, place_for},
    provision::Maker,
    reach::Cluster,
};

/// A megabyte, as docker-machine counts, in bytes.
const MEGABYTE: u64 = 1 << 20;

/// The longest file of docker-machine's that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What is to be taken over, and where to.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub from: &'a Path,
    /// These machines only; all if empty.
    pub only: &'a [String],
    /// Machines that get another name here, by their names there.
    pub renamed: &'a [(String, MachineName)],
    /// The cluster they go to; `None` to choose for each by its driver.
    pub cluster: Option<ClusterName>,
    /// The cluster that is chosen first.
    pub default_cluster: ClusterName,
    /// Reports what would be done, and does nothing.
    pub dry_run: bool,
}

/// What came of one entry.
#[derive(Debug)]
pub struct Imported {
    pub entry: String,
    /// The machine it became, or why it was not taken.
    pub outcome: Result<MachineName, Reason>,
}

/// A machine that can be taken over.
#[derive(Debug)]
struct Taken {
    name: MachineName,
    record: MachineRecord,
    keys: Option<Keys>,
}

/// The key a machine is logged in to with, read once: what was looked at is what is copied.
struct Keys {
    private: SecretString,
    /// Its public half, where it is there.
    public: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Takes over the machines of docker-machine's store. Those that were taken over before are passed
/// over as done.
///
/// # Errors
/// [`ClusterError::Request`] if there is no such store, or a machine that was named is not in it;
/// [`ClusterError::Cancelled`]. An entry that cannot be taken is no error.
pub async fn import(
    home: &Home,
    source: &Source<'_>,
    context: Context<'_>,
) -> Result<Vec<Imported>, ClusterError> {
    let mut imported = Vec::new();
    for entry in entries(source)? {
        let directory = source.from.join("machines").join(&entry);
        let outcome = match take_over(home, source, &directory, &entry, context).await {
            Err(error) if error.is_cancelled() => return Err(ClusterError::Cancelled),
            Err(error) => {
                let reason = reason_of(&error);
                let text = format!("{} ({})", reason.text, directory.display());
                Err(Reason { text, ..reason })
            }
            Ok(name) => Ok(name),
        };
        imported.push(Imported { entry, outcome });
    }
    Ok(imported)
}

/// The names of the machines that are meant, in order.
fn entries(source: &Source<'_>) -> Result<Vec<String>, ClusterError> {
    let path = source.from.join("machines");
    let no_store = |why: String| ClusterError::Request {
        reason: format!(
            "{} is no store of docker-machine's: {why}; say where it is with --from",
            source.from.display()
        )
        .into(),
    };
    let found = fs_err::read_dir(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => no_store("it has no directory `machines`".into()),
        _ => no_store(error.to_string()),
    })?;
    // docker-machine passes over what begins with a dot, and so do file managers.
    let mut found: Vec<String> = found
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    found.sort_unstable();
    let renamed = source.renamed.iter().map(|(old, _)| old);
    if let Some(missing) = source.only.iter().chain(renamed).find(|name| !found.contains(name)) {
        return Err(ClusterError::Request {
            reason: format!(
                "there is no machine {missing} in {}: it has {}",
                source.from.display(),
                if found.is_empty() { "none".into() } else { found.join(", ") }
            )
            .into(),
        });
    }
    found.retain(|name| source.only.is_empty() || source.only.contains(name));
    Ok(found)
}

/// An error with what it was caused by, in one line.
fn reason_of(error: &ClusterError) -> Reason {
    if let ClusterError::Preflight { checks, .. } = error {
        let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
        if let Some(all) = failed.map(Check::reason).reduce(Reason::and) {
            return all;
        }
    }
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    Reason::about(text, error)
}

async fn take_over(
    home: &Home,
    source: &Source<'_>,
    directory: &Path,
    entry: &str,
    context: Context<'_>,
) -> Result<MachineName, ClusterError> {
    let taken = read(source, directory, entry)?;
    let all = everything(home)?;
    let there = all.clusters.iter().find_map(|cluster| {
        let machine = cluster.record().machine(taken.name.as_str())?;
        Some((&cluster.record().name, machine))
    });
    if let Some((cluster, machine)) = there {
        // The address of a machine of VirtualBox may be another by now.
        if machine.options == taken.record.options {
            return Ok(taken.name);
        }
        return Err(no(format!(
            "cluster {cluster} has a machine of that name already: take it over under another with \
             `--as {entry}=OTHER`"
        )));
    }
    let cluster = match &source.cluster {
        Some(name) => name.clone(),
        None => place_for(home, taken.record.options.kind(), &source.default_cluster)?,
    };
    look(home, &cluster, &taken, context).await?;
    if !source.dry_run {
        write(home, &cluster, &taken, context).await?;
    }
    Ok(taken.name)
}

/// Reads one entry, and looks at what belongs to it.
fn read(source: &Source<'_>, directory: &Path, entry: &str) -> Result<Taken, ClusterError> {
    let config = directory.join("config.json");
    // A link that leads to itself is neither there nor not there.
    match fs_err::metadata(directory) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(no("it is no directory, as every machine's is")),
        Err(error) => return Err(no(format!("it cannot be looked into: {}", cause(&error)))),
    }
    let text = skep_read::text(&config, MAX_FILE).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => no("it has no config.json: its create was cut short"),
        _ => no(format!("its config.json cannot be read: {}", cause(&error))),
    })?;
    let Entry { name, driver, engine } = store::read(&text).map_err(no)?;
    if name != entry {
        return Err(no(format!("its config.json is that of a machine called {name}")));
    }
    let old = name;
    let renamed = source.renamed.iter().find(|(of, _)| *of == old).map(|(_, name)| name.clone());
    let name = match renamed {
        Some(name) => name,
        None => old.parse().map_err(|error: skep_model::NameError| {
            let other = error.suggested().unwrap_or("OTHER").to_owned();
            no(format!("{error}; `--as {old}={other}` takes it over under that name"))
        })?,
    };
    let mut record =
        MachineRecord { engine, ..MachineRecord::new(name.clone(), None, 0, DriverKind::None) };
    let login = match driver {
        Driver::Other(driver) => {
            let text = format!(
                "its driver is {driver}, and only virtualbox, generic and none are taken over"
            );
            return Err(no(Reason::new(text, Advice::TakeOverSsh)));
        }
        Driver::None { url } => {
            let url = EngineUrl(url);
            url.authority().map_err(|error| no(error.to_string()))?;
            record.options = DriverOptions::None(Some(url));
            None
        }
        Driver::Generic(login) => {
            let address = login.address.ok_or_else(|| no("it has no address"))?;
            skep_guest::check_user(&login.user).map_err(|error| no(error.to_string()))?;
            record.address = Some(address);
            record.options = DriverOptions::Ssh(Some(Host {
                address,
                ssh_port: login.port,
                engine_port: login.engine_port,
                user: login.user.clone(),
            }));
            Some(login)
        }
        Driver::Virtualbox(found) => {
            skep_guest::check_user(&found.login.user).map_err(|error| no(error.to_string()))?;
            record.address = Some(found.login.address.ok_or_else(|| {
                no("it has no address, as one that is switched off: start it with docker-machine, \
                    and import it then")
            })?);
            let cidr = &found.host_only;
            let host_only = cidr.parse().map_err(|_| no(format!("`{cidr}` is no network")))?;
            record.size = Size {
                memory: found.memory.checked_mul(MEGABYTE).filter(|&bytes| bytes > 0),
                cpus: Some(found.cpus).filter(|&cpus| cpus > 0),
                disk: found.disk.checked_mul(MEGABYTE).filter(|&bytes| bytes > 0),
            };
            record.options = DriverOptions::Virtualbox(Some(Box::new(virtualbox::Options {
                iso: Iso::Boot2docker(directory.join("boot2docker.iso")),
                host_only,
                host_only_nic: found.host_only_nic,
                nat_nic: found.nat_nic,
                ui: found.ui,
                vm: Some(old),
                ..virtualbox::Options::default()
            })));
            Some(found.login)
        }
    };
    let keys = login.map(|login| keys(source, directory, &login)).transpose()?;
    Ok(Taken { name, record, keys })
}

/// A machine's key: beside its configuration, since the store may have been moved since that was
/// written, else where that says. What lies outside the store is not taken, whatever a link or a
/// configuration in a store of another user says: it would be a copy of any file.
fn keys(source: &Source<'_>, directory: &Path, login: &Login) -> Result<Keys, ClusterError> {
    let written = Path::new(&login.key);
    let beside = written.file_name().map(|name| directory.join(name));
    let mut places: Vec<PathBuf> = beside.into_iter().collect();
    places.extend([directory.join("id_rsa"), source.from.join(written)]);
    let is_there = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|found| !found.is_dir());
    let key = places.iter().find(is_there).ok_or_else(|| {
        no(format!("its private key is neither at {} nor beside its config.json", login.key))
    })?;
    let refused = |why: &str| no(format!("its private key {}: {why}", key.display()));
    let text = read_within(source.from, key).map_err(|error| refused(&cause(&error)))?;
    skep_guest::check_private_key(&text).map_err(refused)?;
    let public = read_within(source.from, &key.with_extension("pub"));
    // Without it everything works; something else is not taken for it.
    let public = public
        .ok()
        .filter(|text| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| text.starts_with(kind)));
    Ok(Keys { private: text.into(), public })
}

/// Reads a regular file of the store, which no link leads out of.
fn read_within(store: &Path, path: &Path) -> std::io::Result<String> {
    let real = fs_err::canonicalize(path)?;
    if !real.starts_with(fs_err::canonicalize(store)?) {
        let why = "lies outside the store: put the key itself beside the machine's config.json";
        return Err(std::io::Error::other(why));
    }
    skep_read::text(&real, skep_read::limit::KEY)
}

/// What the system says, without the path that the text has already.
fn cause(error: &std::io::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether its driver can have it, and its cluster.
async fn look(
    home: &Home,
    cluster: &ClusterName,
    taken: &Taken,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let mut record = machines::record_for(home, cluster, taken.record.options.kind())?;
    add(&mut record, taken)?;
    if !taken.record.options.features().makes_machines {
        // A host that does not answer now is taken over all the same, and may do so tomorrow.
        return Ok(());
    }
    let request = Request {
        cluster: cluster.clone(),
        new_machines: 0,
        subnet: record.subnet,
        new_network: false,
        size: taken.record.size,
        publish: Vec::new(),
        options: taken.record.options.clone(),
    };
    let kind = taken.record.options.kind();
    let checks = home.driver(kind).preflight(&request, context.cancel).await;
    passed(kind, checks, context.cancel).map(drop)
}

/// Adds a machine to its cluster's record, where its address has its place.
fn add(record: &mut ClusterRecord, taken: &Taken) -> Result<MachineRecord, ClusterError> {
    if record.machines.len() >= MAX_MACHINES {
        return Err(no(format!("cluster {} has as many machines as fit", record.name)));
    }
    if let DriverOptions::Virtualbox(Some(options)) = &taken.record.options {
        // Its network is there: machines made later go on it, too.
        record.subnet = record.subnet.or(Some(options.host_only.trunc()));
    }
    let free = |place: &usize| record.machines.iter().all(|machine| machine.place != *place);
    let own = |place: &usize| {
        let subnet = record.subnet;
        subnet.and_then(|subnet| machine_address(subnet, *place)) == taken.record.address
    };
    let place = match (0..MAX_MACHINES).find(own).filter(free) {
        // No other machine is given this address.
        Some(place) if taken.record.address.is_some() => place,
        _ => record.free_place(),
    };
    let own = MachineRecord { place, ..taken.record.clone() };
    record.machines.push(own.clone());
    Ok(own)
}

/// Writes a machine down, copies its key, and has its driver take it.
async fn write(
    home: &Home,
    name: &ClusterName,
    taken: &Taken,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let lock = locks::cluster(home, name, context).await?;
    let mut record = machines::record_for(home, name, taken.record.options.kind())?;
    if record.machine(taken.name.as_str()).is_some() {
        let cluster = name.clone();
        return Err(ClusterError::MachineExists { machine: taken.name.clone(), cluster });
    }
    let own = add(&mut record, taken)?;
    record.save(home)?;
    let authority = home.authority()?;
    let machine_lock = locks::machine(home, name, &own.name)?;
    drop(lock);
    let cluster = Cluster::new(home, record);
    let step = context.events.step(&own.name, "taking it over");
    let driver = home.driver(taken.record.options.kind());
    let work = async {
        let journal = Journal::open(&home.layout().cluster(name).journal())?;
        if let Some(Keys { private, public }) = &taken.keys {
            cluster.login(&own).bring(private, public.as_deref())?;
        }
        let (driver, journal) = (driver.as_ref(), &journal);
        Maker { cluster: &cluster, driver, authority: &authority, journal, context }
            .create(&own)
            .await
    };
    let written = step.end_with(work.await);
    drop(machine_lock);
    if let Err(error) = written {
        // Forgotten, and by no means removed: it was there before, and belongs to its user.
        machines::forget(home, name, std::slice::from_ref(&own.name), context).await?;
        machines::clear(home, name, context).await?;
        return Err(error);
    }
    Ok(())
}

/// The entry is not taken.
fn no(reason: impl Into<Reason>) -> ClusterError {
    ClusterError::Request { reason: reason.into() }
}
