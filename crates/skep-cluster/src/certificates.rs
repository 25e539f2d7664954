//! CA certificates on the machines of a cluster: the same operation on all that are meant, at
//! once.
//!
//! What is installed on every machine is kept in the cluster's record too, so that machines made
//! later have it from their first moment.

use futures_util::future::join_all;
use skep_guest::{
    Guest, GuestError,
    certificate::{
        self, CaCertificate, CertificateError, Listed, Registry, Restart, Server, Verification,
    },
};
use skep_model::{Events, MachineName, Role};
use skep_swarm::{Expected, Swarm};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineFailure, MachineRecord, reach::Cluster};

/// How long nodes may take to be ready again after their engines were restarted.
const READY_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// What every operation here is given.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The machines that are meant; all if empty.
    pub machines: &'a [String],
    /// Where steps are told.
    pub events: &'a Events,
    /// Ends every wait.
    pub cancel: &'a CancellationToken,
}

/// One machine's answer.
#[derive(Debug)]
pub struct Answer<T> {
    /// Which machine.
    pub machine: MachineName,
    /// What it answered, or why it did not.
    pub result: Result<T, ClusterError>,
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
        let span = self.events.step(&machine.name, step);
        let worked = async { work(&self.cluster.guest(machine, self.cancel).await?).await };
        Answer { machine: machine.name.clone(), result: span.end_with(worked.await) }
    }

    /// Does something to every machine that is meant, at once.
    async fn on_each<T>(
        &self,
        step: &str,
        work: impl AsyncFn(&Guest) -> Result<T, ClusterError>,
    ) -> Result<Vec<Answer<T>>, ClusterError> {
        let each = self.meant()?.into_iter().map(|machine| self.at(machine, step, &work));
        Ok(join_all(each).await)
    }

    /// As [`Scope::on_each`], but managers one after another: their engines are restarted, and a
    /// swarm of several keeps its quorum meanwhile.
    async fn on_each_restarting<T>(
        &self,
        step: &str,
        work: impl AsyncFn(&Guest) -> Result<T, ClusterError>,
    ) -> Result<Vec<Answer<T>>, ClusterError> {
        let meant = self.meant()?;
        let (managers, workers): (Vec<_>, Vec<_>) =
            meant.iter().partition(|machine| machine.role == Some(Role::Manager));
        let managers = async {
            let mut answers = Vec::new();
            for machine in managers {
                answers.push(self.at(machine, step, &work).await);
            }
            answers
        };
        let workers = join_all(workers.into_iter().map(|machine| self.at(machine, step, &work)));
        let (mut answers, others) = tokio::join!(managers, workers);
        answers.extend(others);
        self.see_nodes_ready().await?;
        let place = |name: &MachineName| meant.iter().position(|machine| machine.name == *name);
        answers.sort_by_key(|answer| place(&answer.machine));
        Ok(answers)
    }

    /// Waits until the nodes that are meant are ready in the swarm again, if there is one.
    async fn see_nodes_ready(&self) -> Result<(), ClusterError> {
        let Ok((engine, _)) = self.cluster.manager(self.cancel).await else { return Ok(()) };
        let swarm = Swarm::new(&engine);
        let nodes = swarm.nodes(self.cancel).await?;
        let expected: Vec<_> = self
            .meant()?
            .into_iter()
            .filter(|machine| nodes.iter().any(|node| node.hostname == machine.name.as_str()))
            .map(|machine| Expected::host(machine.name.as_str()))
            .collect();
        let step = self.events.step("", "waiting until every node is ready");
        step.end_with(swarm.wait_until_ready(&expected, READY_AGAIN, self.cancel).await)?;
        Ok(())
    }

    /// Changes the cluster's record, if what was done concerns all machines and none failed.
    fn remember<T>(
        &self,
        answers: &[Answer<T>],
        change: impl FnOnce(&mut ClusterRecord),
    ) -> Result<(), ClusterError> {
        if !self.machines.is_empty() || answers.iter().any(|answer| answer.result.is_err()) {
            return Ok(());
        }
        let home = self.cluster.home();
        let name = &self.cluster.record().name;
        if let Some(mut record) = ClusterRecord::load(home, name)? {
            change(&mut record);
            record.save(home)?;
        }
        Ok(())
    }
}

/// Makes machines trust `certificates`: as roots of the system, with a restart of the engine where
/// something is new, or for one registry, which needs none.
///
/// # Errors
/// [`ClusterError::NoMachine`], [`ClusterError::Store`]; what fails on one machine is its answer.
pub async fn install(
    scope: Scope<'_>,
    certificates: &[CaCertificate],
    registry: Option<&Registry>,
) -> Result<Vec<Answer<certificate::Installed>>, ClusterError> {
    let _lock = scope.cluster.home().lock(&scope.cluster.record().name)?;
    let work = async |guest: &Guest| {
        let restart = Restart::Now;
        Ok(certificate::install(guest, certificates, registry, restart, scope.cancel).await?)
    };
    const STEP: &str = "installing CA certificates";
    if registry.is_some() {
        return scope.on_each(STEP, work).await;
    }
    let answers = scope.on_each_restarting(STEP, work).await?;
    scope.remember(&answers, |record| {
        for certificate in certificates {
            if !record.ca_certificates.iter().any(|pem| pem == certificate.pem()) {
                record.ca_certificates.push(certificate.pem().to_owned());
            }
        }
    })?;
    Ok(answers)
}

/// The certificates that were installed on each machine.
///
/// # Errors
/// As [`install`].
pub async fn list(scope: Scope<'_>) -> Result<Vec<Answer<Vec<Listed>>>, ClusterError> {
    let work = async |guest: &Guest| Ok(certificate::list(guest, scope.cancel).await?);
    scope.on_each("listing CA certificates", work).await
}

/// Takes certificates away again, each named by the beginning of its fingerprint or a part of its
/// subject. A machine that does not have one has nothing to do.
///
/// # Errors
/// As [`install`].
pub async fn remove(
    scope: Scope<'_>,
    selectors: &[String],
    registry: Option<&Registry>,
) -> Result<Vec<Answer<Vec<CaCertificate>>>, ClusterError> {
    let _lock = scope.cluster.home().lock(&scope.cluster.record().name)?;
    let work = async |guest: &Guest| {
        let mut gone = Vec::new();
        for selector in selectors {
            let removing =
                certificate::remove(guest, selector, registry, Restart::Later, scope.cancel);
            match removing.await {
                Ok(removed) => gone.push(removed.certificate),
                Err(GuestError::Certificate(CertificateError::NotInstalled { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // One restart for all of them, and for one that was put off before.
        if registry.is_none() && certificate::install::restart_due(guest, scope.cancel).await? {
            certificate::install::restart_engine(guest, scope.cancel).await?;
        }
        Ok(gone)
    };
    const STEP: &str = "removing CA certificates";
    if registry.is_some() {
        return scope.on_each(STEP, work).await;
    }
    let answers = scope.on_each_restarting(STEP, work).await?;
    let gone: Vec<&CaCertificate> =
        answers.iter().filter_map(|answer| answer.result.as_ref().ok()).flatten().collect();
    scope.remember(&answers, |record| {
        record.ca_certificates.retain(|pem| !gone.iter().any(|root| root.pem() == pem));
    })?;
    Ok(answers)
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
) -> Result<Vec<Answer<Verification>>, ClusterError> {
    let work = async |guest: &Guest| {
        Ok(certificate::verify(guest, server, roots, registry, scope.cancel).await?)
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
