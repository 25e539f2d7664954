//! Machines that are virtual: each has a kernel of its own, run by QEMU without privileges.
//!
//! One process, one directory and two loopback sockets per machine; one small file per cluster.
//! Nothing of skep stays running: QEMU goes on by itself, and the next command finds it by the lock
//! it holds (`process`) and talks to it through its monitor (`monitor`).
//!
//! `addresses` says where machines answer, `record` what is written down, `arguments` how QEMU is
//! started, `life` what power on and off mean, `making` what a machine consists of, `ports`
//! publishes, `accel` knows what executes instructions and `trial` finds it out, `bridge` and
//! `preflight` look at the host, `failure` understands what QEMU prints. `docs/qemu.md` is for users and maintainers.

mod accel;
mod addresses;
mod arguments;
mod bridge;
mod failure;
mod life;
mod making;
mod monitor;
pub(crate) mod options;
mod ports;
mod preflight;
mod process;
mod program;
mod record;
mod trial;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use ipnet::Ipv4Net;
use skep_context::cancellable;
use skep_model::{
    Advice, Check, ClusterName, Events, MachineName, MachineState, Port, Reason, Verdict,
};
use skep_os::{Entry, VmImage};
use skep_process::ProcessError;
use skep_store::{Layout, Resource, StoreError};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

pub use self::options::{Accel, OptionError, Options, Segment};
use self::{
    accel::{Host, NATIVE, Native},
    life::Place,
    program::Qemu,
    record::{Cluster, Machine},
};
use crate::{
    Driver, DriverOptions, GuestSystems, MachineError, MachineId, MachinePlan, Reach, Request,
    Work, console,
    host::HostRoot,
    identity,
    shelf::{
        self, Shelf,
        kind::{MACHINE, NETWORK},
        of_machine,
    },
};

/// What was found out about this host, in the store's root.
const ACCEL: &str = "accel.json";

/// The `qemu` driver.
pub struct QemuDriver {
    host: HostRoot,
    shelf: Shelf,
    sockets: PathBuf,
    store: String,
    os: GuestSystems,
    options: Options,
    qemu: OnceCell<Qemu>,
    /// Held while a guest is tried: machines that start at once ask once.
    trial: Mutex<()>,
}

impl fmt::Debug for QemuDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QemuDriver")
            .field("root", &self.shelf.layout.root())
            .finish_non_exhaustive()
    }
}

impl QemuDriver {
    /// A driver for the store at `layout` with the id `store`, with guests built by what `os`
    /// gives. `root` is the host's root directory. `sockets` is a directory that only this user can enter, with a short path. Nothing is
    /// touched or asked yet.
    pub fn new(
        root: impl Into<PathBuf>,
        layout: &Layout,
        sockets: &Path,
        store: impl Into<String>,
        os: GuestSystems,
        options: Options,
    ) -> Self {
        let (host, qemu, trial) = (HostRoot::new(root), OnceCell::new(), Mutex::new(()));
        let (shelf, sockets) = (Shelf::new(layout.clone(), "qemu"), sockets.to_owned());
        Self { host, shelf, sockets, store: store.into(), os, options, qemu, trial }
    }

    /// Where a machine's files and its monitor are, whether or not it exists.
    fn place(&self, id: &MachineId) -> Place {
        Place {
            id: id.clone(),
            files: self.shelf.files(id, "img"),
            monitor: identity::socket(&self.sockets, &self.store, id, "qmp"),
        }
    }

    /// The record of a cluster that has been prepared.
    fn cluster(&self, cluster: &ClusterName) -> Result<Cluster, MachineError> {
        self.shelf.cluster(cluster)
    }

    fn binary(&self, cluster: Option<&Cluster>) -> PathBuf {
        let chosen = self.options.binary.clone();
        chosen.or_else(|| cluster?.binary.clone()).unwrap_or_else(program::usual)
    }

    /// What is asked for to execute instructions; nothing for whatever works.
    fn asked(&self, cluster: Option<&Cluster>) -> Option<Accel> {
        self.options.accel.or_else(|| cluster?.accel)
    }

    /// What executes the instructions of machines with this guest system. The accelerator is only
    /// taken, asked for or not, if their kernel has come up with it; `events` receives
    /// the step of a trial and what came of it.
    async fn accel(
        &self,
        cluster: Option<&Cluster>,
        guest: &VmImage,
        events: Option<&Events>,
        cancel: &CancellationToken,
    ) -> Result<Accel, MachineError> {
        let asked = self.asked(cluster);
        if let Some(other) = asked.filter(|asked| *asked != NATIVE) {
            return Ok(other);
        }
        let native = match accel::closed(&self.host) {
            Some(closed) => closed,
            None => self.tried(asked, cluster, guest, events, cancel).await?,
        };
        match (native, asked) {
            (Native::Fails { why, fix }, Some(accel)) => Err(MachineError::Acceleration {
                accel: accel.name(),
                why,
                fix: format!("{fix}; or choose --accel tcg"),
            }),
            (native, _) => Ok(native.choose(asked)),
        }
    }

    /// What came of a trial with a guest system's kernel, which is made unless one was before. One
    /// that failed is made again for a user who asks for the accelerator by its name.
    async fn tried(
        &self,
        asked: Option<Accel>,
        cluster: Option<&Cluster>,
        guest: &VmImage,
        events: Option<&Events>,
        cancel: &CancellationToken,
    ) -> Result<Native, MachineError> {
        let refuse = |error: ProcessError| match error {
            ProcessError::Cancelled { .. } => MachineError::Cancelled,
            error => MachineError::Host {
                action: "find out what QEMU can do".into(),
                reason: format!("{error}: {}", program::how_to_install()).into(),
            },
        };
        let binary = self.binary(cluster);
        let qemu = self.qemu.get_or_try_init(|| Qemu::ask(&binary, cancel));
        let version = &qemu.await.map_err(refuse)?.version;
        let host =
            Host { root: &self.host, record: self.shelf.of_store(ACCEL), binary: &binary, version };

        let _lock = self.trial.lock().await;
        // Read under the lock: another machine's start may have tried it meanwhile.
        match host.known(guest) {
            Some(native) if asked.is_none() || native == Native::Works => return Ok(native),
            _ => {}
        }
        let step = events.map(|events| {
            events.step("", format!("trying whether the guest's kernel comes up with {NATIVE}"))
        });
        let native = host.try_kernel(guest, cancel).await.map_err(refuse)?;
        host.remember(guest, &native)?;
        let (Some(events), Some(step)) = (events, step) else { return Ok(native) };
        step.done();
        let check = native.check(asked);
        if check.verdict == Verdict::Warn {
            events.warn("", check.reason());
        }
        Ok(native)
    }

    /// The guest system a machine's disk belongs to, which may be an older one than is built now.
    fn image_of(&self, place: &Place, record: &Machine) -> Result<VmImage, MachineError> {
        let os = (self.os)()?;
        if os.vm_digest() == record.image
            && let Some(image) = os.cached_vm()?
        {
            return Ok(image);
        }
        let mut built = skep_os::cache::list(os.cache())?.into_iter();
        let found = built.find_map(|entry| match entry {
            Entry::Vm(image) if image.digest == record.image => Some(image),
            _ => None,
        });
        found.ok_or_else(|| {
            let digest = record.image.get(..12).unwrap_or(&record.image);
            let text = format!(
                "the guest system {digest} it was made with is gone from {}",
                os.cache().display()
            );
            place.id.refuse_for("start", Reason::new(text, Advice::RestoreImage))
        })
    }

    fn any_alive(&self, cluster: &ClusterName) -> bool {
        self.machines(cluster)
            .unwrap_or_default()
            .iter()
            .any(|place| process::is_alive(&place.pid()).unwrap_or(false))
    }

    /// The places of everything that may be a machine of a cluster.
    fn machines(&self, cluster: &ClusterName) -> Result<Vec<Place>, StoreError> {
        Ok(self.shelf.machines(cluster)?.iter().map(|id| self.place(id)).collect())
    }
}

#[async_trait]
impl Driver for QemuDriver {
    async fn preflight(&self, request: &Request, cancel: &CancellationToken) -> Vec<Check> {
        let looked = cancel.run_until_cancelled(preflight::look(self, request, cancel));
        looked.await.unwrap_or_default()
    }

    async fn prepare(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
        work: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        let guest = (self.os)()?.ensure_vm(work.context.events, work.context.cancel).await?;
        let known = self.shelf.read_cluster::<Cluster>(cluster)?;
        // Before the intent: a cluster that cannot be accelerated as asked is to leave nothing.
        self.accel(known.as_ref(), &guest, Some(work.context.events), work.context.cancel).await?;
        let made = self.make_network(cluster, wanted);
        work.make(&shelf::network(cluster), made).await.map(Some)
    }

    fn reach(
        &self,
        id: &MachineId,
        address: Ipv4Addr,
        _: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        Ok(addresses::reach(self.cluster(&id.cluster)?.host, address))
    }
    fn resource(&self, id: &MachineId) -> Resource {
        of_machine(MACHINE, id)
    }

    async fn publish(
        &self,
        id: &MachineId,
        ports: &[Port],
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        cancellable(cancel, self.forward(&self.place(id), ports)).await
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let made = Box::pin(self.make(plan, work.context));
        work.make(&of_machine(MACHINE, &plan.id), made).await
    }

    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, Box::pin(self.power_on(&self.place(id), cancel))).await
    }

    async fn stop(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, self.power_off(&self.place(id))).await
    }

    async fn kill(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, self.cut_off(&self.place(id))).await
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let machines = self.machines(cluster)?;
        let states = join_all(machines.iter().map(Place::state)).await;
        let found = machines.into_iter().zip(states);
        Ok(found.filter_map(|(place, state)| Some((place.id.machine, state?))).collect())
    }

    async fn console(&self, id: &MachineId) -> Result<String, MachineError> {
        let place = self.place(id);
        place.record()?;
        let refuse = |error: io::Error| place.id.refuse("read the console of", error);
        console::bound(&place.files.console()).map_err(refuse)?;
        let mut text = console::tail(&place.files.console()).map_err(refuse)?;
        if let Ok(status) = monitor::status(&place.monitor).await
            && let Some(why) = life::held(status)
        {
            text.push_str(&format!("(QEMU holds the machine: {why}.)\n"));
        }
        Ok(text)
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        work.remove(&of_machine(MACHINE, id), self.clear(&self.place(id), "remove")).await
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        Ok(self.shelf.resources(cluster, &self.shelf.made(cluster)?))
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        match (resource.kind.as_str(), shelf::owner(cluster, resource)) {
            (MACHINE, Some(id)) => {
                work.remove(resource, self.clear(&self.place(&id), "remove")).await
            }
            (NETWORK, _) if resource.name == cluster.as_str() => {
                let path = self.shelf.cluster_record(cluster);
                work.remove(resource, async { Ok(skep_store::file::remove(&path)?) }).await
            }
            _ => Ok(work.journal.gone(resource)?),
        }
    }
}

#[cfg(test)]
mod tests;
