//! CA certificates on the machines of a cluster: the same operation on all that are meant, at
//! once.
//!
//! What is wished is recorded before any machine is touched, and each machine is then brought to
//! it: the certificates first, on all at once; then the engines that have to read them, in the order
//! of [`restarts`]. A machine that is off is not waited for: it is brought up to date
//! when it is started ([`catch_up`]), and by `up`. Machines made later have everything from their
//! first moment.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use skep_context::Context;
use skep_guest::{
    Guest,
    certificate::{self, Changed, Listed, Verification},
};
use skep_machine::System;
use skep_model::{MachineName, MachineState};
use skep_pki::{Anchor, AnchorName, CaCertificate, Registry, Server};
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, MachineFailure, MachineRecord,
    reach::Cluster,
    restarts,
    trust::{self, Given, Whose},
};

/// What every operation here is given.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The machines that are meant; all if empty.
    pub machines: &'a [String],
    /// What the operation travels with.
    pub context: Context<'a>,
}

/// One machine's answer.
#[derive(Debug)]
pub struct Answer<T> {
    /// Which machine.
    pub machine: MachineName,
    /// What it answered, or why it did not.
    pub result: Result<T, ClusterError>,
}

/// What the machines that run have answered, and which are off.
#[derive(Debug)]
pub struct Answers<T> {
    /// An answer of each machine that runs.
    pub answers: Vec<Answer<T>>,
    /// The machines that do not, each with what its driver says of it.
    pub off: Vec<(MachineName, MachineState)>,
}

impl<'a> Scope<'a> {
    pub(crate) fn meant(&self) -> Result<Vec<&'a MachineRecord>, ClusterError> {
        if self.machines.is_empty() {
            return Ok(self.cluster.record().machines.iter().collect());
        }
        self.machines.iter().map(|name| self.cluster.machine(name)).collect()
    }

    /// Does something to one machine's guest, as a step.
    async fn at<T>(
        &self,
        machine: &MachineRecord,
        step: &str,
        work: impl AsyncFnOnce(&Guest) -> Result<T, ClusterError>,
    ) -> Answer<T> {
        let span = self.context.events.step(&machine.name, step);
        let worked = async { work(&self.cluster.guest(machine, self.context.cancel).await?).await };
        Answer { machine: machine.name.clone(), result: span.end_with(worked.await) }
    }

    /// The machines that are meant and run, and those that do not: nobody waits for what is off.
    async fn running(
        &self,
    ) -> Result<(Vec<&'a MachineRecord>, Vec<(MachineName, MachineState)>), ClusterError> {
        let record = self.cluster.record();
        let states = self.cluster.home().driver(record.driver).states(&record.name).await?;
        let (mut running, mut off) = (Vec::new(), Vec::new());
        for machine in self.meant()? {
            match states.get(&machine.name).copied().unwrap_or(MachineState::Absent) {
                MachineState::Running => running.push(machine),
                // Of an engine's URL nobody knows whether it runs.
                _ if machine.options.system() == System::Nothing => running.push(machine),
                state => off.push((machine.name.clone(), state)),
            }
        }
        Ok((running, off))
    }

    /// Does something to every machine that is meant and runs, at once.
    async fn on_each<T>(
        &self,
        step: &str,
        work: impl AsyncFn(&Guest) -> Result<T, ClusterError>,
    ) -> Result<Answers<T>, ClusterError> {
        let (running, off) = self.running().await?;
        let each = running.into_iter().map(|machine| self.at(machine, step, &work));
        Ok(Answers { answers: join_all(each).await, off })
    }

    /// Changes what is wished, and brings the machines that run to it, under the cluster's lock,
    /// which the caller has.
    async fn change<T>(
        &self,
        step: &str,
        besides: &[AnchorName],
        restart: Option<Drain>,
        change: impl FnOnce(&mut ClusterRecord, Whose<'_>),
        told: impl Fn(Changed) -> T,
    ) -> Result<Answers<T>, ClusterError> {
        let (running, off) = self.running().await?;
        let home = self.cluster.home();
        let name = &self.cluster.record().name;
        let record = ClusterRecord::load(home, name)?;
        let mut record = record.ok_or_else(|| ClusterError::NoCluster { name: name.clone() })?;
        trust::note_before(home, &record)?;
        let names: Vec<_> = self.meant()?.into_iter().map(|machine| machine.name.clone()).collect();
        let whose = if self.machines.is_empty() { Whose::All } else { Whose::These(&names) };
        change(&mut record, whose);
        record.save(home)?;

        let each = running.iter().map(|machine| {
            self.at(machine, step, async |guest: &Guest| {
                bring_up_to_date(self.cluster, machine, guest, besides, self.context.cancel).await
            })
        });
        let mut changed = join_all(each).await;
        if let Some(Drain(drain)) = restart {
            let due = changed
                .iter()
                .filter(|answer| answer.result.as_ref().is_ok_and(|changed| changed.restart_due));
            let due: Vec<_> = due.map(|answer| answer.machine.clone()).collect();
            let context = self.context.within(MOVED);
            for answer in restarts::engines(self.cluster, &due, drain, context).await? {
                let own = changed.iter_mut().find(|other| other.machine == answer.machine);
                match (own, answer.result) {
                    (Some(own), Err(error)) => own.result = Err(error),
                    (Some(Answer { result: Ok(changed), .. }), Ok(())) => {
                        changed.restart_due = false;
                    }
                    _ => {}
                }
            }
        }
        let told = |answer: Answer<Changed>| Answer {
            machine: answer.machine,
            result: answer.result.map(&told),
        };
        Ok(Answers { answers: changed.into_iter().map(told).collect(), off })
    }
}

/// How long a node's tasks may take to move to others.
const MOVED: std::time::Duration = std::time::Duration::from_secs(300);

/// Whether tasks are moved away before their node's engine is restarted.
#[derive(Debug, Clone, Copy)]
struct Drain(bool);

/// Brings a machine to what is wished by now: what is missing is installed, what is not wished any
/// more and skep has given it, or is named in `besides`, is removed. The engine is its caller's to
/// restart, if that is due.
pub(crate) async fn bring_up_to_date(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    besides: &[AnchorName],
    cancel: &CancellationToken,
) -> Result<Changed, ClusterError> {
    let home = cluster.home();
    // Another command may have changed the wish since this one began.
    let record = ClusterRecord::load(home, &cluster.record().name)?;
    let record = record.unwrap_or_else(|| cluster.record().clone());
    let machine = record.machine(machine.name.as_str()).unwrap_or(machine);
    let wished = record.wished(machine);
    let names: BTreeSet<AnchorName> = wished.iter().map(Anchor::name).collect();
    let mut given = Given::load(home, &record, &machine.name).unwrap_or_default();
    let mut unwanted: Vec<AnchorName> = given.may_have.difference(&names).cloned().collect();
    for name in besides {
        if !unwanted.contains(name) && !names.contains(name) {
            unwanted.push(name.clone());
        }
    }
    // From here on it may have them, whatever becomes of this.
    if !names.is_subset(&given.may_have) {
        given.may_have.extend(names.iter().cloned());
        given.save(home, &record, &machine.name)?;
    }
    let changed = certificate::bring_up_to_date(guest, &wished, &unwanted, cancel).await?;
    let now = Given::just(names);
    if now != given {
        now.save(home, &record, &machine.name)?;
    }
    Ok(changed)
}

/// Whether there is anything to say to a machine about certificates: something is wished, or was.
pub(crate) fn has_any(cluster: &Cluster, machine: &MachineRecord) -> Result<bool, ClusterError> {
    let home = cluster.home();
    let record = ClusterRecord::load(home, &cluster.record().name)?;
    let record = record.as_ref().unwrap_or(cluster.record());
    let machine = record.machine(machine.name.as_str()).unwrap_or(machine);
    let given = Given::load(home, record, &machine.name).unwrap_or_default();
    Ok(!given.may_have.is_empty() || !record.wished(machine).is_empty())
}

/// Forgets what a machine that is gone had: one that is made in its place has what is wished.
pub(crate) fn forget(cluster: &Cluster, machine: &MachineRecord) -> Result<(), ClusterError> {
    let files = cluster.home().layout().cluster(cluster.record().name.as_str());
    Ok(skep_store::file::remove(&files.machine(machine.name.as_str()).trust())?)
}

/// Brings a machine that was just started to what is wished by now, and lets its engine read it:
/// whatever changed while it was off. Its tasks, if it has any yet, have only just begun.
///
/// # Errors
/// [`ClusterError::Guest`], [`ClusterError::Store`].
pub async fn catch_up(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    if !has_any(cluster, machine)? {
        return Ok(());
    }
    let step = events.step(&machine.name, "looking at the CA certificates");
    let done = async {
        let changed = bring_up_to_date(cluster, machine, guest, &[], cancel).await?;
        let nothing = changed.new.is_empty() && changed.gone.is_empty() && !changed.repaired;
        if changed.restart_due && !nothing {
            step.progress("restarting the engine");
            certificate::restart_engine(guest, cancel).await?;
        }
        Ok::<_, ClusterError>(())
    };
    let done = done.await;
    step.end_with(done)
}

/// What an installation did on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// How many of the certificates were not there, or not intact.
    pub new: usize,
    /// Whether the system's bundle of roots had certificates twice, in part, or not at all, and was
    /// made anew.
    pub repaired: bool,
}

/// Makes machines trust `certificates`: as roots of the system, with a restart of the engine where
/// something is new, or for one registry, which needs none. With `drain`, tasks are moved to other
/// nodes before their engine is restarted.
///
/// # Errors
/// [`ClusterError::NoMachine`], [`ClusterError::Store`]; what fails on one machine is its answer.
pub async fn install(
    scope: Scope<'_>,
    certificates: &[CaCertificate],
    registry: Option<&Registry>,
    drain: bool,
) -> Result<Answers<Installed>, ClusterError> {
    let _lock = scope.cluster.home().lock(&scope.cluster.record().name)?;
    let restart = registry.is_none().then_some(Drain(drain));
    let change = |record: &mut ClusterRecord, whose: Whose<'_>| {
        record.wish(certificates, registry, whose);
    };
    let told = |changed: Changed| {
        let names = Anchor::all_for(certificates, registry).into_iter().map(|one| one.name());
        let new = names.filter(|name| changed.new.contains(name)).count();
        Installed { new, repaired: changed.repaired }
    };
    scope.change("installing CA certificates", &[], restart, change, told).await
}

/// The certificates that were installed on each machine that runs.
///
/// # Errors
/// As [`install`].
pub async fn list(scope: Scope<'_>) -> Result<Answers<Vec<Listed>>, ClusterError> {
    let work = async |guest: &Guest| Ok(certificate::list(guest, scope.context.cancel).await?);
    scope.on_each("listing CA certificates", work).await
}

/// What a removal came to.
#[derive(Debug)]
pub struct Removal {
    /// The certificates that were meant.
    pub named: Vec<AnchorName>,
    /// How many were removed from each machine that runs, and which do not.
    pub machines: Answers<usize>,
}

/// Takes certificates away again, each named by the beginning of its fingerprint or a part of its
/// subject: from the machines that run now, and from the others when they are started. A machine
/// that does not have one has nothing to do.
///
/// # Errors
/// [`ClusterError::AmbiguousCertificate`] if several may be meant; as [`install`].
pub async fn remove(
    scope: Scope<'_>,
    selectors: &[String],
    registry: Option<&Registry>,
    drain: bool,
) -> Result<Removal, ClusterError> {
    let _lock = scope.cluster.home().lock(&scope.cluster.record().name)?;
    let (known, unknown) = known(&scope, registry).await?;
    let mut named: Vec<AnchorName> = Vec::new();
    for selector in selectors {
        // A whole fingerprint is one certificate's, whoever knows it: an interrupted removal may have
        // left nothing of it but an engine that is to be restarted.
        let is_whole = |text: &str| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
        let meant = meant_by(&scope, &known, selector)?;
        let meant = meant.or_else(|| is_whole(selector).then(|| selector.to_ascii_lowercase()));
        if let Some(fingerprint) = meant {
            let name = AnchorName { registry: registry.cloned(), fingerprint };
            if !named.contains(&name) {
                named.push(name);
            }
        }
    }
    if named.is_empty() {
        // Where nobody knows it, a machine that could not be asked may have it.
        let (answers, off) = (unknown, Vec::new());
        return Ok(Removal { named, machines: Answers { answers, off } });
    }
    let restart = registry.is_none().then_some(Drain(drain));
    let change = |record: &mut ClusterRecord, whose: Whose<'_>| record.wish_no_more(&named, whose);
    let told = |changed: Changed| changed.gone.iter().filter(|name| named.contains(name)).count();
    let machines = scope.change("removing CA certificates", &named, restart, change, told).await?;
    Ok(Removal { named, machines })
}

/// A certificate that machines have or are to have: its fingerprint, and itself where it is known.
type Known = (String, Option<CaCertificate>);

/// What the machines that are meant have or are to have for a registry, or for everything; and those
/// that could not be asked.
async fn known(
    scope: &Scope<'_>,
    registry: Option<&Registry>,
) -> Result<(Vec<Known>, Vec<Answer<usize>>), ClusterError> {
    let (home, record) = (scope.cluster.home(), scope.cluster.record());
    let mut known: Vec<Known> = Vec::new();
    for machine in scope.meant()? {
        let wished = record.wished(machine).into_iter();
        let wished = wished.filter(|anchor| anchor.registry.as_ref() == registry);
        known.extend(
            wished.map(|anchor| {
                (anchor.certificate.fingerprint().to_owned(), Some(anchor.certificate))
            }),
        );
        let given = Given::load(home, record, &machine.name).unwrap_or_default();
        let names = given.may_have.into_iter();
        let names = names.filter(|name| name.registry.as_ref() == registry);
        known.extend(names.map(|name| (name.fingerprint, None)));
    }
    let work = async |guest: &Guest| Ok(certificate::list(guest, scope.context.cancel).await?);
    let mut unknown = Vec::new();
    for Answer { machine, result } in scope.on_each("listing CA certificates", work).await?.answers
    {
        match result {
            Err(error) => unknown.push(Answer { machine, result: Err(error) }),
            Ok(listed) => {
                let own = listed.into_iter().filter(|one| one.registry.as_ref() == registry);
                known.extend(
                    own.filter_map(|one| one.certificate).map(|certificate| {
                        (certificate.fingerprint().to_owned(), Some(certificate))
                    }),
                );
            }
        }
    }
    // One of which more than the name is known comes first.
    known.sort_by(|one, other| (&one.0, one.1.is_none()).cmp(&(&other.0, other.1.is_none())));
    known.dedup_by(|one, other| one.0 == other.0);
    Ok((known, unknown))
}

/// The fingerprint that is meant, if there is one.
fn meant_by(
    scope: &Scope<'_>,
    known: &[Known],
    selector: &str,
) -> Result<Option<String>, ClusterError> {
    let digits = selector.replace(':', "").to_ascii_lowercase();
    let meant: Vec<&Known> = known
        .iter()
        .filter(|(fingerprint, certificate)| {
            !digits.is_empty() && fingerprint.starts_with(&digits)
                || certificate.as_ref().is_some_and(|one| one.is_meant_by(selector))
        })
        .collect();
    match meant.as_slice() {
        [] => Ok(None),
        [(fingerprint, _)] => Ok(Some(fingerprint.clone())),
        several => {
            let line = |(fingerprint, certificate): &&Known| {
                certificate.as_ref().map_or_else(|| fingerprint.clone(), ToString::to_string)
            };
            Err(ClusterError::AmbiguousCertificate {
                cluster: scope.cluster.record().name.clone(),
                selector: selector.to_owned(),
                matching: several.iter().map(line).collect(),
            })
        }
    }
}

/// Proves from inside each machine that a server's chain ends in one of `roots`.
///
/// # Errors
/// As [`install`].
pub async fn verify(
    scope: Scope<'_>,
    server: &Server,
    roots: &[CaCertificate],
    registry: Option<&Registry>,
) -> Result<Answers<Verification>, ClusterError> {
    let work = async |guest: &Guest| {
        Ok(certificate::verify(guest, server, roots, registry, scope.context.cancel).await?)
    };
    scope.on_each("shaking hands", work).await
}

/// The answers, or what failed if any machine did not give one.
///
/// # Errors
/// [`ClusterError::Partly`].
pub fn all<T>(answers: Vec<Answer<T>>) -> Result<Vec<(MachineName, T)>, ClusterError> {
    let (given, failed) = sort(answers);
    failed.map(|()| given)
}

/// The answers that were given, and what failed on the machines that gave none.
pub fn sort<T>(answers: Vec<Answer<T>>) -> (Vec<(MachineName, T)>, Result<(), ClusterError>) {
    let of = answers.len();
    let mut failures = Vec::new();
    let mut given = Vec::new();
    for Answer { machine, result } in answers {
        match result {
            Ok(answer) => given.push((machine, answer)),
            Err(error) => failures.push(MachineFailure { machine, error }),
        }
    }
    let failed =
        if failures.is_empty() { Ok(()) } else { Err(ClusterError::Partly { failures, of }) };
    (given, failed)
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
