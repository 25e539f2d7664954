//! A machine made by itself.

use std::{path::Path, time::Duration};

use secrecy::SecretString;
use skep_context::Context;
use skep_machine::{
    Driver, DriverKind, DriverOptions, Request, System, Work, subnet::MAX_MACHINES, virtualbox,
};
use skep_model::{Advice, Check, ClusterName, Events, MachineName, MachineState, Reason};
use skep_pki::Anchor;
use skep_store::{Journal, Lock};
use tokio_util::sync::CancellationToken;

use super::{
    half_made, mark,
    new::{NewMachine, Stage},
    remove,
};
use crate::{
    ClusterError, ClusterRecord, Home, MachineRecord,
    adopt::Allowed,
    choice::{self, choose_as_step, passed},
    engine_options,
    find::everything,
    locks, pending,
    provision::{MachineProvisioner, Maker},
    reach::Cluster,
    trust,
    unfinished::{self, Begun},
};

/// How long undoing may take: a user who has interrupted a command does not wait for ever.
const UNDO: Duration = Duration::from_secs(60);

/// Makes a machine, and waits until its engine answers. `on_stage` receives each stage as it begins.
///
/// Several may be made at the same time, also in one cluster and by several processes.
///
/// # Errors
/// [`ClusterError::Request`], [`ClusterError::MachineExists`] and [`ClusterError::Preflight`]
/// before anything is touched. A machine that could not be finished is removed again, unless that
/// fails too, of which a warning is given.
pub async fn create(
    home: &Home,
    machine: NewMachine,
    on_stage: impl Fn(Stage),
    context: Context<'_>,
) -> Result<Cluster, ClusterError> {
    let Context { events, cancel, .. } = context;
    check_name(home, &machine.name)?;
    // What `auto` takes runs skep's own guest.
    let system = machine.driver.as_ref().map_or(System::Skep, |one| one.features().system);
    if system == System::Skep {
        engine_options::daemon_json(&machine.engine)?;
    }
    if system.has_login() {
        engine_options::check(&machine.engine)?;
    }
    // Read once and before anything is touched: what was looked at is what is stored.
    let key = machine.key.as_deref().map(read_key).transpose()?;
    on_stage(Stage::Looking);
    let (name, asked) = Box::pin(look(home, &machine, context)).await?;
    on_stage(Stage::Making);

    Box::pin(half_made::take_away(home, &machine.name, context)).await?;
    let (lock, record, own) = Box::pin(enter(home, &machine, name, &asked, context)).await?;
    let name = record.name.clone();
    let driver = home.driver(asked);
    let prepare = prepare(home, record, &own, driver.as_ref(), context);
    let prepared = Box::pin(prepare).await;
    let (cluster, machine_lock) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            drop(lock);
            Box::pin(undo(home, &name, &own.name, driver.as_ref(), events)).await;
            return Err(error);
        }
    };
    // From here on others may change the cluster, and make machines in it.
    drop(lock);

    let bring = async {
        let journal = Journal::open(&home.layout().cluster(&name).journal())?;
        if let Some(key) = &key {
            cluster.login(&own).bring(key, None)?;
        }
        let authority = home.authority()?;
        let maker = Maker {
            cluster: &cluster,
            driver: driver.as_ref(),
            authority: &authority,
            journal: &journal,
            context,
        };
        if !system.has_login() {
            return maker.create(&own).await;
        }
        let allowed = Allowed {
            install_engine: machine.install_engine,
            take_over: machine.force,
            ..Allowed::default()
        };
        maker.make(&own, MachineState::Absent).await?;
        on_stage(Stage::Waiting);
        MachineProvisioner { maker, allowed }.finish(&own, MachineState::Absent).await?;
        on_stage(Stage::Ready);
        Ok(())
    };
    let made = Box::pin(bring).await;
    // While the machine's lock is held: else another command could take it for half made.
    let made = made.and_then(|()| Ok(mark::end(home, &name, &own.name)?));
    drop(machine_lock);
    match made {
        Ok(()) => Ok(cluster),
        Err(error) => {
            Box::pin(undo(home, &name, &own.name, driver.as_ref(), events)).await;
            Err(if cancel.is_cancelled() { ClusterError::Cancelled } else { error })
        }
    }
}

/// Takes the cluster's lock, and writes down what is wanted before any of it is made: `rm` and
/// `down` know of it from then on.
async fn enter(
    home: &Home,
    machine: &NewMachine,
    mut name: ClusterName,
    asked: &DriverOptions,
    context: Context<'_>,
) -> Result<(Lock, ClusterRecord, MachineRecord), ClusterError> {
    let kind = asked.kind();
    loop {
        let lock = locks::cluster(home, &name, context).await?;
        let of_another =
            |record: ClusterRecord| record.driver != kind && !record.machines.is_empty();
        if machine.cluster.is_none() && ClusterRecord::load(home, &name)?.is_some_and(of_another) {
            // Another command has made it for machines of its own since it was chosen.
            drop(lock);
            name = place_for(home, kind, &machine.default_cluster)?;
            continue;
        }
        let entered = (|| {
            // Another command may have made the machine until now.
            check_name(home, &machine.name)?;
            let mut record = record_for(home, &name, kind)?;
            trust::note_before(home, &record)?;
            let own = add(&mut record, machine, asked)?;
            if let Some(begun) = unfinished::load(home, &name)
                && begun.command == Begun::Down
            {
                if record.machines.len() > 1 {
                    return refuse(Reason::new(
                        format!("the removal of cluster {name} was begun"),
                        Advice::GoOnRemoving(name.clone()),
                    ));
                }
                unfinished::end(home, &name)?;
            }
            // The mark before the record: a machine that is recorded without one counts as whole.
            mark::begin(home, &name, &own.name)?;
            record.save(home)?;
            Ok((record, own))
        })();
        if entered.is_err() && matches!(ClusterRecord::load(home, &name), Ok(None)) {
            // Nothing is to stay of a cluster that has not come to be.
            skep_store::file::remove_dir_at_once(home.layout().cluster(&name).directory())?;
        }
        return entered.map(|(record, own)| (lock, record, own));
    }
}

/// The cluster a new machine of a driver belongs in, unless one is named: the default one if it is
/// not there yet or has that driver, else the one named after the driver, or the first after that
/// by number.
///
/// # Errors
/// [`ClusterError::Store`] if a record in question cannot be read.
pub fn place_for(
    home: &Home,
    driver: DriverKind,
    default: &ClusterName,
) -> Result<ClusterName, ClusterError> {
    let numbered = (1..).map(|number| match number {
        1 => driver.to_string(),
        _ => format!("{driver}-{number}"),
    });
    let named = numbered.filter_map(|name| name.parse::<ClusterName>().ok());
    for name in std::iter::once(default.clone()).chain(named) {
        match ClusterRecord::load(home, &name)? {
            Some(record) if record.driver != driver => {}
            _ => return Ok(name),
        }
    }
    Ok(default.clone())
}

/// Refuses a name that a machine of any cluster has, but for one that an interrupted `create` has left
/// half made. A record that cannot be read is passed over:
/// what is in it is another command's matter.
///
/// # Errors
/// [`ClusterError::MachineExists`]; [`ClusterError::Store`] if the clusters cannot be listed.
pub fn check_name(home: &Home, name: &MachineName) -> Result<(), ClusterError> {
    let all = everything(home)?;
    let has_it = |cluster: &&Cluster| {
        let cluster = cluster.record();
        cluster.machine(name.as_str()).is_some() && !mark::is_left(home, &cluster.name, name)
    };
    match all.clusters.iter().find(has_it) {
        None => Ok(()),
        Some(cluster) => Err(ClusterError::MachineExists {
            machine: name.clone(),
            cluster: cluster.record().name.clone(),
        }),
    }
}

/// Reads a private key, before anything is touched.
fn read_key(path: &Path) -> Result<SecretString, ClusterError> {
    let refuse = |why: String| ClusterError::Preflight {
        driver: DriverKind::Ssh.to_string(),
        checks: vec![Check::fail(
            "SSH key",
            format!("{}: {why}", path.display()),
            "name the private key that the host knows with --ssh-key",
        )],
    };
    let text = skep_read::text(path, skep_read::limit::KEY).map_err(|error| {
        refuse(match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".into(),
            _ => error.to_string(),
        })
    })?;
    skep_guest::check_private_key(&text).map_err(|why| refuse(why.to_owned()))?;
    Ok(SecretString::from(text))
}

/// Chooses driver and cluster, and looks whether the machine can be made there.
async fn look(
    home: &Home,
    machine: &NewMachine,
    context: Context<'_>,
) -> Result<(ClusterName, DriverOptions), ClusterError> {
    let place = machine.cluster.as_ref().unwrap_or(&machine.default_cluster);
    let there = ClusterRecord::load(home, place)?;
    let asked = match (&machine.driver, &there) {
        (Some(asked), _) => Some(asked.clone()),
        // What is there has answered the question, unless it makes no machines.
        (None, Some(record))
            if machine.cluster.is_some() || record.driver.features().makes_machines =>
        {
            Some(record.driver.into())
        }
        (None, _) => None,
    };
    let request = |record: Option<&ClusterRecord>, name: &ClusterName, options: DriverOptions| {
        let there = record.map_or(Default::default(), |record| record.size);
        Request {
            cluster: name.clone(),
            new_machines: 1,
            subnet: record.and_then(|record| record.subnet).or(host_only(&options)),
            new_network: record.is_none_or(|record| record.subnet.is_none()),
            size: machine.size.or(there),
            publish: machine.publish.clone(),
            options,
        }
    };
    let (asked, checked) = match asked {
        Some(asked) => (asked, None),
        None => {
            let request = request(None, place, DriverOptions::Container);
            let (kind, checks) = choose_as_step(home, &request, context).await?;
            (kind.into(), Some(checks))
        }
    };
    let kind = asked.kind();
    let name = match &machine.cluster {
        Some(name) => name.clone(),
        None => place_for(home, kind, &machine.default_cluster)?,
    };
    let mut record = record_for(home, &name, kind)?;
    let fresh = record.machines.is_empty();
    // Whether it can be written down at all; nothing is kept of this.
    add(&mut record, machine, &asked)?;
    let checks = match checked {
        Some(checks) => checks,
        None => {
            let request = request(Some(&record), &name, asked.clone());
            home.driver(kind).preflight(&request, context.cancel).await
        }
    };
    let checks = passed(kind, checks, context.cancel)?;
    if fresh {
        choice::warn(&checks, context.events);
    }
    Ok((name, asked))
}

/// The record of the cluster as it is, or of one without machines.
pub(crate) fn record_for(
    home: &Home,
    name: &ClusterName,
    kind: DriverKind,
) -> Result<ClusterRecord, ClusterError> {
    match ClusterRecord::load(home, name)? {
        Some(record) if record.driver != kind && !record.machines.is_empty() => refuse(format!(
            "the machines of cluster {name} are of driver {}, and a cluster has one: leave \
                 --name out, or choose another than {name} for one of driver {kind}",
            record.driver
        )),
        Some(record) if record.driver == kind => Ok(record),
        _ => Ok(ClusterRecord::new(name.clone(), kind)),
    }
}

fn add(
    record: &mut ClusterRecord,
    machine: &NewMachine,
    asked: &DriverOptions,
) -> Result<MachineRecord, ClusterError> {
    if record.machines.len() >= MAX_MACHINES {
        return refuse(format!(
            "cluster {} has {MAX_MACHINES} machines, which is as many as fit: choose another one \
             with --name",
            record.name
        ));
    }
    if let (Some(there), Some(asked)) = (record.subnet, host_only(asked))
        && there != asked
        && asked != virtualbox::Options::default().host_only.trunc()
    {
        return refuse(format!(
            "the machines of cluster {} are on the network {there}: leave --virtualbox-hostonly-cidr \
             out, or make this one in another cluster with --name",
            record.name
        ));
    }
    record.add_publish(&machine.publish)?;
    for anchor in Anchor::all_for(&machine.ca_certificates, None) {
        record.add_for_all(&anchor);
    }
    let own = MachineRecord {
        address: match asked {
            DriverOptions::Ssh(Some(host)) => Some(host.address),
            _ => None,
        },
        size: machine.size,
        engine: machine.engine.clone(),
        ..MachineRecord::new(machine.name.clone(), None, record.free_place(), asked.clone())
    };
    record.machines.push(own.clone());
    Ok(own)
}

/// The network that VirtualBox's options ask for.
fn host_only(options: &DriverOptions) -> Option<ipnet::Ipv4Net> {
    match options {
        DriverOptions::Virtualbox(Some(options)) => Some(options.host_only.trunc()),
        _ => None,
    }
}

/// Makes what the cluster's machines share, and takes the new one's lock. The cluster's is held.
async fn prepare(
    home: &Home,
    mut record: ClusterRecord,
    own: &MachineRecord,
    driver: &dyn Driver,
    context: Context<'_>,
) -> Result<(Cluster, Lock), ClusterError> {
    let name = record.name.clone();
    let journal = Journal::open(&home.layout().cluster(&name).journal())?;
    let work = Work { journal: &journal, context };
    let others = record.machines.iter().map(|machine| &machine.name);
    // What the journal is uncertain of is a leftover, if no command is making it just now.
    if let Ok(_all) = locks::machines(home, &name, others) {
        pending::complete(driver, &name, work).await?;
    }
    record.subnet = driver.prepare(&name, record.subnet.or(host_only(&own.options)), work).await?;
    record.save(home)?;
    home.authority()?;
    // Taken while the cluster's lock is held, so that no `up` or `down` comes between the two.
    let machine_lock = locks::machine(home, &name, &own.name)?;
    Ok((Cluster::new(home, record), machine_lock))
}

/// Takes away what an unfinished create has made. It was asked for and is not wanted half: so it is
/// not given up when the create was, but not waited for without an end either.
async fn undo(
    home: &Home,
    cluster: &ClusterName,
    machine: &MachineName,
    driver: &dyn Driver,
    events: &Events,
) {
    let cancel = CancellationToken::new();
    let context = Context::new(events, &cancel).within(UNDO);
    let step = events.step(machine, "removing what was made of it");
    let undone =
        tokio::time::timeout(UNDO, remove::take_out(home, cluster, machine, driver, context));
    let reason = match undone.await {
        Ok(Ok(())) => return step.done(),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("it was not gone within {} s", UNDO.as_secs()),
    };
    step.failed(reason.as_str());
    events.warn(
        machine,
        Reason::new(
            format!("what was made of it may still be there ({reason})"),
            Advice::RemoveMachine(machine.clone()),
        ),
    );
}

fn refuse<T>(reason: impl Into<Reason>) -> Result<T, ClusterError> {
    Err(ClusterError::Request { reason: reason.into() })
}
