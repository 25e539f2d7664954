//! Machines that are there, kept as they should be: provisioned, certified, upgraded.

use std::time::Duration;

use skep_context::Context;
use skep_guest::{Command, Guest, Requirement, certificate::restart_engine, wait_until_ready};
use skep_machine::System;
use skep_pki::{Authority, store::new_client};
use skep_store::Lock;

use crate::{
    ClusterError, MachineFailure, MachineRecord,
    adopt::{self, Allowed},
    answers::Answer,
    guard::{Cleared, Loss, guard},
    locks,
    reach::Cluster,
    restarts::{self, How},
    tls,
};

/// How long packages may take to be fetched and installed.
const UPGRADE: Duration = Duration::from_secs(15 * 60);

/// Upgrades the engine by the packages it was installed from, and prints its
/// release afterwards. Each package manager restarts the engine itself, but for skep's own guest,
/// whose services runit keeps.
const UPGRADE_SCRIPT: &str = r#"
names='docker.io docker-cli docker-ce docker-ce-cli moby-engine docker containerd containerd.io runc'
before=$(docker version --format '{{.Server.Version}}')
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    there=
    for name in $names; do
        if dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed'; then
            there="$there $name"
        fi
    done
    [ -n "$there" ] || { echo 'its engine was not installed from packages' >&2; exit 1; }
    steadily apt-get update -q
    steadily apt-get install -q -y --only-upgrade -o Dpkg::Options::=--force-confold $there
elif command -v dnf >/dev/null; then
    steadily dnf -y upgrade $names
elif command -v apk >/dev/null; then
    steadily apk update
    steadily apk add --upgrade docker
elif command -v zypper >/dev/null; then
    steadily zypper --non-interactive update docker
else
    echo 'it has none of apt-get, dnf, apk and zypper' >&2
    exit 1
fi
newest=$(dockerd --version)
case $newest in
    *"$before"*) ;;
    *) if [ -d /etc/service/docker ]; then sv restart docker; fi ;;
esac
"#;

/// Does again what is done to a machine when it is made: certificates, settings, engine. Where that
/// restarts the engines of managers, it goes from one to the next.
///
/// # Errors
/// [`ClusterError::NoMachine`], [`ClusterError::Store`], and [`ClusterError::Guarded`] unless
/// forced, before anything is touched;
/// [`ClusterError::Partly`] with each machine that could not be provisioned;
/// [`ClusterError::Cancelled`].
pub async fn provision(
    cluster: &Cluster,
    names: &[String],
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let (cleared, _locks) = clear(cluster, names, force, context).await?;
    let authority = cluster.home().authority()?;
    each(cluster, &cleared, context, async |machine| {
        let allowed = Allowed::default();
        renew(cluster, machine, &authority, allowed, context).await
    })
    .await
}

/// Gives machines' engines new TLS certificates, whether those they have are due or not; with
/// `client`, the store's client certificate is made anew first.
///
/// # Errors
/// As [`provision`].
pub async fn regenerate_certificates(
    cluster: &Cluster,
    names: &[String],
    client: bool,
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let (cleared, _locks) = clear(cluster, names, force, context).await?;
    let home = cluster.home();
    let authority = home.authority()?;
    if client {
        let settings = home.settings();
        new_client(home.layout(), &settings.holder, settings.now)?;
    }
    each(cluster, &cleared, context, async |machine| {
        let allowed = Allowed { renew: true, ..Allowed::default() };
        renew(cluster, machine, &authority, allowed, context).await
    })
    .await
}

/// Gives machines the newest engine there is in the packages of what they run.
///
/// # Errors
/// As [`provision`].
pub async fn upgrade(
    cluster: &Cluster,
    names: &[String],
    force: bool,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let (cleared, _locks) = clear(cluster, names, force, context).await?;
    let Context { events, cancel, .. } = context;
    each(cluster, &cleared, context, async |machine| {
        if machine.system() == System::Boot2docker {
            return refuse(format!(
                "there is no newer boot2docker than 19.03.12: make {} anew without \
                 --virtualbox-boot2docker-url for skep's own system",
                machine.name
            ));
        }
        let guest = cluster.guest(machine, cancel).await?;
        let step = events.step(&machine.name, "upgrading docker");
        let script = Command::packages("upgrading docker", UPGRADE_SCRIPT).deadline(UPGRADE);
        let ran = guest.run_with(&script, cancel, |line| step.progress(line)).await;
        step.end_with(ran)?;
        Ok(wait_until_ready(&guest, &[Requirement::engine()], context).await?)
    })
    .await
}

/// Certificates and settings of one machine that runs.
async fn renew(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    allowed: Allowed,
    context: Context<'_>,
) -> Result<(), ClusterError> {
    let Context { events, cancel, .. } = context;
    match machine.system() {
        System::Nothing => {}
        System::Found | System::Boot2docker => {
            let adopted = adopt::adopt(cluster, machine, authority, allowed, context);
            Box::pin(adopted).await?;
        }
        System::Skep => {
            let guest = Guest::wait(&cluster.access(machine)?, context).await?;
            let renew = allowed.renew;
            let due = tls::update(cluster, machine, authority, &guest, renew, context).await?;
            if due {
                let step = events.step(&machine.name, "restarting the engine");
                step.end_with(restart_engine(&guest, cancel).await)?;
            }
            wait_until_ready(&guest, &[Requirement::engine()], context).await?;
        }
    }
    Ok(())
}

/// Takes the locks of machines, and asks whether their engines may be restarted.
async fn clear(
    cluster: &Cluster,
    names: &[String],
    force: bool,
    context: Context<'_>,
) -> Result<(Cleared, Vec<Lock>), ClusterError> {
    let machines = names.iter().map(|name| Ok(cluster.machine(name)?.name.clone()));
    let machines: Vec<_> = machines.collect::<Result<_, ClusterError>>()?;
    let locks = locks::machines(cluster.home(), &cluster.record().name, &machines)?;
    Ok((guard(cluster, &machines, Loss::Restart, force, context).await?, locks))
}

/// Does something that may restart engines to each of the machines: all at once where no tasks run,
/// else in the order of [`restarts`].
async fn each(
    cluster: &Cluster,
    cleared: &Cleared,
    context: Context<'_>,
    work: impl AsyncFn(&MachineRecord) -> Result<(), ClusterError>,
) -> Result<(), ClusterError> {
    let machines = cleared.machines.iter().map(|name| cluster.machine(name.as_str()));
    let machines: Vec<_> = machines.collect::<Result<_, _>>()?;
    let done = restarts::in_order(cluster, &machines, How::default(), context, async |machine| {
        match machine.system() {
            System::Nothing => refuse(
                "it is an engine's URL and nothing else: there is nothing to log in to".into(),
            ),
            _ => work(machine).await,
        }
    });
    let failed = |answer: Answer<()>| {
        let machine = answer.machine;
        answer.result.err().map(|error| MachineFailure { machine, error })
    };
    let failures: Vec<_> = done.await?.into_iter().filter_map(failed).collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Partly { failures, of: machines.len() })
}

fn refuse<T>(reason: String) -> Result<T, ClusterError> {
    Err(ClusterError::Request { reason: reason.into() })
}
