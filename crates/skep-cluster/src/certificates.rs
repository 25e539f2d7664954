//! CA certificates on the machines of a cluster: the same operation on all that are meant, at
//! once.
//!
//! What is desired is recorded before any machine is touched, and each machine is then brought to
//! it: the certificates first, on all at once; then the engines that have to read them, in the order
//! of [`restarts`]. A machine that is off is not waited for: it is brought up to date
//! when it is started (`ca_certificates::catch_up`), and by `up`. Machines made later have everything from their
//! first moment.

use futures_util::future::join_all;
use skep_guest::{
    Guest,
    certificate::{self, Changed, Listed, Verification},
};
use skep_pki::{Anchor, AnchorName, CaCertificate, Registry, Server};

use crate::{
    ClusterError, ClusterRecord,
    answers::{Answer, Answers, Scope},
    ca_certificates::bring_up_to_date,
    restarts,
    trust::{self, Given, Which},
};

impl Scope<'_> {
    /// Changes what is desired, and brings the machines that run to it, under the cluster's lock,
    /// which the caller has.
    async fn change<T>(
        &self,
        step: &str,
        besides: &[AnchorName],
        restart: Option<Drain>,
        change: impl FnOnce(&mut ClusterRecord, Which<'_>),
        summary: impl Fn(Changed) -> T,
    ) -> Result<Answers<T>, ClusterError> {
        let (running, off) = self.running().await?;
        let home = self.cluster.home();
        let name = &self.cluster.record().name;
        let record = ClusterRecord::load(home, name)?;
        let mut record = record.ok_or_else(|| ClusterError::NoCluster { name: name.clone() })?;
        trust::note_before(home, &record)?;
        let names: Vec<_> = self.meant()?.into_iter().map(|machine| machine.name.clone()).collect();
        let which = if self.machines.is_empty() { Which::All } else { Which::These(&names) };
        change(&mut record, which);
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
        let summarize = |answer: Answer<Changed>| Answer {
            machine: answer.machine,
            result: answer.result.map(&summary),
        };
        Ok(Answers { answers: changed.into_iter().map(summarize).collect(), off })
    }
}

/// How long a node's tasks may take to move to others.
const MOVED: std::time::Duration = std::time::Duration::from_secs(300);

/// Whether tasks are moved away before their node's engine is restarted.
#[derive(Debug, Clone, Copy)]
struct Drain(bool);

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
    let change = |record: &mut ClusterRecord, which: Which<'_>| {
        record.add_anchors(certificates, registry, which);
    };
    let summary = |changed: Changed| {
        let names = Anchor::all_for(certificates, registry).into_iter().map(|one| one.name());
        let new = names.filter(|name| changed.new.contains(name)).count();
        Installed { new, repaired: changed.repaired }
    };
    scope.change("installing CA certificates", &[], restart, change, summary).await
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
        // A whole fingerprint is one certificate's, known or not: an interrupted removal may have
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
        // Where no machine is known to have it, one that could not be asked may.
        let (answers, off) = (unknown, Vec::new());
        return Ok(Removal { named, machines: Answers { answers, off } });
    }
    let restart = registry.is_none().then_some(Drain(drain));
    let change = |record: &mut ClusterRecord, which: Which<'_>| {
        record.remove_anchors(&named, which);
    };
    let summary =
        |changed: Changed| changed.gone.iter().filter(|name| named.contains(name)).count();
    let machines =
        scope.change("removing CA certificates", &named, restart, change, summary).await?;
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
        let desired = record.anchors_of(machine).into_iter();
        let desired = desired.filter(|anchor| anchor.registry.as_ref() == registry);
        known.extend(
            desired.map(|anchor| {
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

#[cfg(test)]
mod tests;
