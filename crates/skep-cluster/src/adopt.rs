//! Machines that read no seed of skep's: hosts that were there before, and boot2docker. What a
//! guest of skep's own does with its seed is done to them over SSH.

use std::time::Duration;

use serde_json::{Map, Value};
use skep_context::Context;
use skep_engine::Engine;
use skep_guest::{
    Guest, Requirement,
    adopt::{self, AdoptError, Found, Owner, Settings, Tls},
    wait_until_ready,
};
use skep_machine::first_sight;
use skep_model::{Advice, Reason};
use skep_pki::{Authority, needs_renewal};
use skep_swarm::Swarm;
use tokio_util::sync::CancellationToken;

use crate::{
    ClusterError, ClusterRecord, EngineOptions, MachineRecord, ca_certificates, engine_options,
    reach::Cluster, tls,
};

/// How long a host may take to be given back, which restarts its engine.
const RELEASE: Duration = Duration::from_secs(90);

/// What the user allowed to be done to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// An engine is installed where there is none.
    pub install_engine: bool,
    /// A host is taken over that is in another swarm, or that another store has.
    pub take_over: bool,
    /// Its engine gets a new certificate, even if the one it has is not due.
    pub renew: bool,
}

/// Makes a host that answers over SSH what the machine is to be: pins its host key at first sight,
/// looks what it runs, installs an engine if that is allowed and needed, writes the engine's
/// certificates and settings, installs CA certificates, and returns the engine once it answers.
/// What is already so is left as it is, so that this is also `provision`.
///
/// A host that was taken just now and could not be finished is given back.
///
/// # Errors
/// [`ClusterError::Host`] for a host that cannot be taken; [`ClusterError::Request`] for options that
/// no engine takes; [`ClusterError::Guest`].
pub(crate) async fn adopt(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    allowed: Allowed,
    context: Context<'_>,
) -> Result<Engine, ClusterError> {
    let Context { events, cancel, .. } = context;
    let settings = engine_settings(&machine.engine)?;
    let access = cluster.access(machine)?;
    first_sight::pin(&access, machine.system(), context).await?;
    let guest = first_sight::log_in(&access, context).await?;
    let step = events.step(&machine.name, "looking at the host");
    let found = async {
        let found = adopt::look(&guest, cancel).await?;
        refuse(cluster, machine, &found, allowed, cancel).await?;
        if found.engine.is_none() && !allowed.install_engine {
            let (machine, system) = (machine.name.to_string(), found.name.clone());
            return Err(AdoptError::NoEngine { machine, system }.into());
        }
        step.progress(&found.name);
        Ok::<_, ClusterError>(found)
    };
    let found = found.await;
    let found = step.end_with(found)?;

    let new = found.owner.is_none();
    let adoption = Adoption { cluster, machine, authority, allowed, context };
    let taken = Box::pin(adoption.take(guest, found, settings)).await;
    // One that was ours before keeps what it has: the next `provision` goes on from there.
    if taken.is_err() && new {
        // Also after Ctrl-C: a host must not stay half taken.
        let cancel = CancellationToken::new();
        let step = events.step(&machine.name, "giving the host back");
        match tokio::time::timeout(RELEASE, Box::pin(release(cluster, machine, &cancel))).await {
            Ok(released) => drop(step.end_with(released)),
            Err(_elapsed) => step.failed(format!("it took more than {} s", RELEASE.as_secs())),
        }
    }
    taken
}

/// Gives a host back, as far as that can be known; a warning says if it failed.
pub(crate) async fn give_back(cluster: &Cluster, machine: &MachineRecord, context: Context<'_>) {
    let Context { events, cancel, .. } = context;
    let released = Box::pin(release(cluster, machine, cancel));
    if !matches!(tokio::time::timeout(RELEASE, released).await, Ok(Ok(()))) {
        let text = "the host could not be told, and keeps the certificates it was given";
        events.warn(&machine.name, text);
    }
}

/// Gives a host back: what [`adopt`] wrote is taken away, the engine stays as it is. One that is
/// another's machine by now is left alone.
///
/// # Errors
/// [`ClusterError::Guest`].
pub(crate) async fn release(
    cluster: &Cluster,
    machine: &MachineRecord,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let guest = cluster.guest(machine, cancel).await?;
    let found = adopt::look(&guest, cancel).await?;
    if found.owner.as_ref() == Some(&owner(cluster, machine)) {
        adopt::release(&guest, &found, cancel).await?;
    }
    Ok(())
}

/// A host that may be taken, and what it is to become.
#[derive(Debug, Clone, Copy)]
struct Adoption<'a> {
    cluster: &'a Cluster,
    machine: &'a MachineRecord,
    authority: &'a Authority,
    allowed: Allowed,
    context: Context<'a>,
}

impl Adoption<'_> {
    async fn take(
        &self,
        guest: Guest,
        found: Found,
        (env, daemon): (Vec<String>, Map<String, Value>),
    ) -> Result<Engine, ClusterError> {
        let Context { events, cancel, .. } = self.context;
        let name = &self.machine.name;
        let found = if found.engine.is_some() {
            found
        } else {
            adopt::install(&guest, &found, self.context).await?;
            adopt::look(&guest, cancel).await?
        };
        let step = events.step(name, "writing the engine's settings");
        let settings = Settings {
            owner: owner(self.cluster, self.machine),
            port: self.cluster.reach(self.machine)?.engine,
            tls: self.tls(&found)?,
            env,
            options: daemon,
        };
        let written = async {
            // The owner comes first, which stands among the settings.
            let changed = adopt::apply(&guest, &found, &settings, cancel).await?;
            Ok::<_, ClusterError>(adopt::rename(&guest, &found, cancel).await? || changed)
        };
        let written = written.await;
        let mut due = step.end_with(written)? || !found.is_running;
        due |= ca_certificates::install(self.cluster, self.machine, &guest, self.context).await?;
        if due {
            let step = events.step(name, "restarting the engine");
            let restarted = adopt::restart_for_settings(&guest, &found, cancel).await;
            step.end_with(restarted)?;
        }
        let guest = self.let_user_in(guest, &found).await?;
        wait_until_ready(&guest, &[Requirement::engine()], self.context).await?;
        self.cluster.engine(self.machine, cancel).await
    }

    /// New TLS files, if those that are there are due or were issued by another authority.
    fn tls(&self, found: &Found) -> Result<Option<Tls>, ClusterError> {
        let names = tls::server_names(self.cluster, self.machine)?;
        let now = self.cluster.home().settings().now;
        let ours = self.authority.certificate_pem();
        let believes_us = found.ca.as_ref().is_some_and(|ca| ca.trim() == ours.trim());
        let held = found.certificate.as_deref().unwrap_or_default();
        if believes_us && !self.allowed.renew && !needs_renewal(held, &names, now) {
            return Ok(None);
        }
        let issued = self.authority.issue_server(&names, now)?;
        let (certificate, key) = (issued.certificate_pem, issued.key_pem);
        Ok(Some(Tls { ca: ours.to_owned(), certificate, key }))
    }

    /// Only root and the engine's group may use its socket. A login has the groups it had
    /// when it began, so it begins again.
    async fn let_user_in(&self, guest: Guest, found: &Found) -> Result<Guest, ClusterError> {
        let cancel = self.context.cancel;
        if found.is_member || guest.access().user == "root" {
            return Ok(guest);
        }
        adopt::add_to_group(&guest, found, cancel).await?;
        let access = guest.access().clone();
        drop(guest);
        Guest::close_master(&access, cancel).await?;
        Ok(first_sight::log_in(&access, self.context).await?)
    }
}

/// Refuses a host with another owner: another store's machine, or a node of another swarm.
async fn refuse(
    cluster: &Cluster,
    machine: &MachineRecord,
    found: &Found,
    allowed: Allowed,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let ours = owner(cluster, machine);
    if allowed.take_over || found.owner.as_ref() == Some(&ours) {
        return Ok(());
    }
    let taken = |text: String, recorded| {
        let reason = Reason::new(text, Advice::TakeOver(recorded));
        ClusterError::Host(AdoptError::Taken { machine: machine.name.to_string(), reason })
    };
    if let Some(other) = &found.owner {
        if other.store != ours.store {
            let text = format!(
                "is machine {} of cluster {} in another store: remove it there",
                other.machine, other.cluster
            );
            return Err(taken(text, None));
        }
        if is_recorded(cluster, other) {
            let text = format!("is machine {} of cluster {} already", other.machine, other.cluster);
            return Err(taken(text, other.machine.parse().ok()));
        }
    }
    if let Some(member) = &found.swarm {
        let known = async {
            let (engine, _) = cluster.manager(cancel).await?;
            let nodes = Swarm::new(&engine).nodes(cancel).await?;
            Ok::<_, ClusterError>(nodes.iter().any(|node| node.id.as_str() == member.node))
        };
        match known.await {
            Ok(true) => {}
            Err(error) if error.is_cancelled() => return Err(ClusterError::Cancelled),
            // No swarm of this cluster knows it, or there is none.
            Ok(false) | Err(_) => {
                let text = format!(
                    "is a node of another swarm ({}): `docker swarm leave` there takes it out",
                    member.swarm
                );
                return Err(taken(text, None));
            }
        }
    }
    Ok(())
}

/// Whether this store has the machine that a host says it is. One that was never finished, or not
/// cleared up after, has no owner.
fn is_recorded(cluster: &Cluster, owner: &Owner) -> bool {
    let Ok(name) = owner.cluster.parse() else { return false };
    let record = ClusterRecord::load(cluster.home(), &name);
    // A record that cannot be read may have it.
    record.map_or(true, |record| {
        record.is_some_and(|record| record.machine(&owner.machine).is_some())
    })
}

fn owner(cluster: &Cluster, machine: &MachineRecord) -> Owner {
    Owner {
        store: cluster.home().id().to_owned(),
        cluster: cluster.record().name.to_string(),
        machine: machine.name.to_string(),
    }
}

/// The engine's variables, and its options. Unlike skep's own guest, a host's engine may be too old
/// for proxies among its options, and takes any variable.
fn engine_settings(
    options: &EngineOptions,
) -> Result<(Vec<String>, Map<String, Value>), ClusterError> {
    for variable in &options.env {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = variable.split_once('=').map_or("", |(name, _)| name);
        let begins = !name.starts_with(|c: char| c.is_ascii_digit());
        let fits = !name.is_empty() && begins && name.chars().all(plain);
        if !fits || variable.contains(char::is_control) {
            let reason = format!("`--engine-env {name}…`: write it as KEY=VALUE, on one line");
            return Err(ClusterError::Request { reason: reason.into() });
        }
    }
    let others = EngineOptions { env: Vec::new(), ..options.clone() };
    Ok((options.env.clone(), engine_options::daemon_json(&others)?))
}

#[cfg(test)]
mod tests;
