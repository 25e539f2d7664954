//! Hosts that were there before, reached over SSH: docker-machine's `generic`.
//!
//! Nothing is made of a host, and nothing removed: the driver only knows which host a machine is
//! (`ssh.json` in the machine's directory), and whether its sshd answers. What is done to a host
//! when it becomes a machine is done over SSH, by `skep-cluster`.

pub(crate) mod options;
mod probe;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use skep_model::{Advice, Check, ClusterName, MachineName, MachineState};
use skep_store::{Layout, Resource};
use tokio_util::sync::CancellationToken;

pub use self::options::Host;
use self::probe::{Answer, probe};
use crate::{
    Driver, DriverOptions, MachineError, MachineId, MachinePlan, Reach, Request, Work,
    record::Record,
    shelf::{Shelf, of_machine, owner},
};

/// The kind of resource in the journal.
const KIND: &str = "host";

/// How long a host may take to accept a connection, and again to say what it is, where its state
/// is all that is asked.
const LOOK: Duration = Duration::from_secs(3);

/// The same where a command depends on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hosts over SSH.
#[derive(Debug)]
pub struct SshDriver {
    shelf: Shelf,
}

/// `ssh.json`: the host that a machine is.
impl Record for Host {}

impl SshDriver {
    /// A driver of the machines of a store.
    pub fn new(layout: Layout) -> Self {
        Self { shelf: Shelf::new(layout, "ssh") }
    }

    /// A host's power is its owner's.
    fn refuse(&self, id: &MachineId, action: &'static str) -> Result<(), MachineError> {
        self.shelf.load::<Host>(id)?;
        Err(MachineError::Unsupported {
            driver: "generic",
            action,
            fix: format!("{id} is a host that was there before; log in to it for that"),
        })
    }
}

fn check(host: &Host, answer: Answer) -> Check {
    let what = format!("SSH on {}", host.sshd());
    match answer {
        Answer::Banner(banner) => Check::pass(what, banner),
        Answer::Closed(reason) => {
            let fix = "see that the host is on and its sshd runs; --ssh-port names another port";
            Check::fail(what, reason, fix)
        }
        // OpenSSH 9.8 and later say so in place of a banner (`PerSourcePenalties`).
        Answer::NotSsh(said) if said.starts_with("Not allowed at this time") => {
            let fix = "its sshd turns this host away for a while, as logins from here have failed: \
                       try again in a minute";
            Check::fail(what, format!("{said:?}"), fix)
        }
        Answer::NotSsh(said) => {
            let found =
                if said.is_empty() { "it says nothing".into() } else { format!("{said:?}") };
            let fix = "another program has this port: --ssh-port names that of the host's sshd";
            Check::fail(what, format!("no SSH banner: {found}"), fix)
        }
    }
}

#[async_trait]
impl Driver for SshDriver {
    async fn preflight(&self, request: &Request, cancel: &CancellationToken) -> Vec<Check> {
        let DriverOptions::Ssh(Some(host)) = &request.options else {
            return vec![Check::fail("host", "no host was named", Advice::NameHost)];
        };
        // Each of the addresses a host of that kind could be confused with answers here itself.
        if host.address.is_unspecified() || host.address.is_broadcast() {
            let fix = "give the address that the host is reached at";
            return vec![Check::fail("host", format!("{} is no host's", host.address), fix)];
        }
        let answer = cancel.run_until_cancelled(probe(host.sshd(), PATIENCE)).await;
        answer.map(|answer| check(host, answer)).into_iter().collect()
    }

    fn reach(
        &self,
        id: &MachineId,
        _: Ipv4Addr,
        options: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        let host = match options {
            DriverOptions::Ssh(Some(host)) => host.clone(),
            _ => self.shelf.load(id)?,
        };
        Ok(Reach { host: host.address.into(), ssh: host.ssh_port, engine: host.engine_port })
    }

    fn resource(&self, id: &MachineId) -> Resource {
        of_machine(KIND, id)
    }

    /// Remembers which host the machine is.
    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let DriverOptions::Ssh(Some(host)) = &plan.options else {
            return Err(plan.id.refuse("make", "no host was named: --ssh-host names one"));
        };
        if work.context.cancel.is_cancelled() {
            return Err(MachineError::Cancelled);
        }
        self.shelf.adopt(&plan.id, &of_machine(KIND, &plan.id), host, work)
    }

    /// A host that answers is on, and no other can be switched on from here.
    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        let host = self.shelf.load::<Host>(id)?;
        match cancel.run_until_cancelled(probe(host.sshd(), PATIENCE)).await {
            None => Err(MachineError::Cancelled),
            Some(Answer::Banner(_)) => Ok(()),
            Some(Answer::Closed(_) | Answer::NotSsh(_)) => self.refuse(id, "start"),
        }
    }

    async fn stop(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        self.refuse(id, "stop")
    }

    async fn kill(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        self.refuse(id, "kill")
    }

    /// A host runs if its sshd answers within seconds.
    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let each = self.shelf.recorded(cluster)?.into_iter().map(|id| async move {
            let state = match self.shelf.load::<Host>(&id) {
                Err(_) => MachineState::Failed,
                Ok(host) => match probe(host.sshd(), LOOK).await {
                    Answer::Banner(_) => MachineState::Running,
                    Answer::Closed(_) | Answer::NotSsh(_) => MachineState::Stopped,
                },
            };
            (id.machine, state)
        });
        Ok(join_all(each).await.into_iter().collect())
    }

    /// Forgets which host the machine is. The host stays as it is.
    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        self.shelf.forget(id, &of_machine(KIND, id), work)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        Ok(self.shelf.recorded(cluster)?.iter().map(|id| of_machine(KIND, id)).collect())
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        found: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        match owner(cluster, found) {
            Some(id) if found.kind == KIND => self.shelf.forget(&id, found, work),
            // There is nothing of that name, as of other drivers' resources.
            _ => Ok(work.journal.gone(found)?),
        }
    }
}

#[cfg(test)]
mod tests;
