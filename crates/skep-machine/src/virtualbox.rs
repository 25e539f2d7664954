//! Virtual machines of VirtualBox, through `VBoxManage`, as docker-machine had them.
//!
//! A machine has two network cards: NAT leads outside, a host-only network to the other nodes and to
//! this host. Everything a machine consists of lies in its directory in the store; in VirtualBox
//! it is known by its UUID, never by its name.
//!
//! What is asked of `VBoxManage`, in this order:
//!
//! ```text
//! preflight  --version; list hostinfo, hostonlyifs, vms --long
//! prepare    list hostonlyifs; hostonlyif create; list dhcpservers; hostonlyif ipconfig
//! create     at once: createmedium; convertfromraw stdin (the seed); list vms --long and createvm;
//!            then modifyvm (all of it); storagectl; storageattach (ISO, disk, seed)
//!            boot2docker: convertfromraw stdin (format-me); guestproperty; sharedfolder;
//!            setextradata; list dhcpservers; dhcpserver add or modify (--fixed-address), restart
//! start      showvminfo; list hostonlyifs; startvm
//! stop       showvminfo; controlvm acpipowerbutton; showvminfo until it is off
//! states     list vms --long
//! remove     list vms --long; showvminfo; controlvm poweroff; unregistervm --delete
//! ```
//!
//! `program` asks, `parse` reads the answers, `failure` understands refusals, `version`
//! spells options; `network` and `networks_conf` are about the host-only network, `making`
//! and `arguments` about what a machine consists of, `life` about power, `record` says what is
//! written down, `preflight` looks before anything is touched.

mod arguments;
mod failure;
mod life;
mod making;
mod network;
mod networks_conf;
pub(crate) mod options;
mod parse;
mod preflight;
mod program;
mod record;
#[cfg(test)]
mod tests;
mod version;

use std::{collections::BTreeMap, fmt, io, path::PathBuf, time::Duration};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use skep_context::cancellable;
use skep_model::{Check, ClusterName, MachineName, MachineState};
use skep_store::{Layout, Resource, StoreError};
use tokio_util::sync::CancellationToken;

pub use self::options::{Iso, Options, Share};
use self::{
    failure::VBoxError, life::Place, making::RemovalReason, program::VBoxManage, record::Cluster,
};
use crate::{
    Driver, GuestSystems, MachineError, MachineId, MachinePlan, Request, Work, console,
    shelf::{
        self, Shelf,
        kind::{MACHINE, NETWORK},
        of_machine,
    },
};

/// The systems VirtualBox runs on, as far as they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux, and whatever is like it.
    Linux,
    Macos,
    Windows,
}

impl Os {
    /// The one this program was built for.
    pub fn here() -> Self {
        match std::env::consts::OS {
            "macos" => Os::Macos,
            "windows" => Os::Windows,
            _ => Os::Linux,
        }
    }
}

/// What the driver needs to know of the host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its root directory, under which its configuration is read: `/`, but in tests.
    pub root: PathBuf,
    pub os: Os,
    /// A directory of this user's, the same for all stores: what VirtualBox cannot do twice at
    /// once is done under a lock there.
    pub runtime: PathBuf,
    /// How this program names itself to others while it has that lock: `process 4711, skep up`.
    pub holder: String,
}

/// The `virtualbox` driver.
pub struct VirtualBoxDriver {
    shelf: Shelf,
    store: String,
    os: GuestSystems,
    host: Host,
    vbox: VBoxManage,
    given_iso: Option<PathBuf>,
}

impl fmt::Debug for VirtualBoxDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualBoxDriver")
            .field("root", &self.shelf.layout.root())
            .field("vbox", &self.vbox)
            .finish_non_exhaustive()
    }
}

impl VirtualBoxDriver {
    /// A driver for the store at `layout` with the id `store`, with guests built by what `os`
    /// gives. Nothing is touched or asked yet.
    pub fn new(layout: Layout, store: impl Into<String>, os: GuestSystems, host: Host) -> Self {
        let vbox = VBoxManage::new(host.runtime.join("virtualbox.lock"), host.holder.clone());
        let shelf = Shelf::new(layout, "virtualbox");
        Self { shelf, store: store.into(), os, host, vbox, given_iso: None }
    }

    /// The same with a VBoxManage that is not looked for.
    #[must_use]
    pub fn with_program(self, program: impl Into<PathBuf>) -> Self {
        Self { vbox: self.vbox.at(program.into()), ..self }
    }

    /// The same with another time within which a call must end; those that write disks have ten
    /// times as long.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { vbox: self.vbox.within(deadline), ..self }
    }

    /// The same with an image in place of the one that would be built of skep's guest system.
    #[must_use]
    pub fn with_iso(self, iso: impl Into<PathBuf>) -> Self {
        Self { given_iso: Some(iso.into()), ..self }
    }

    /// Where a machine's files are, whether or not it exists.
    fn place(&self, id: &MachineId) -> Place {
        Place { id: id.clone(), files: self.shelf.files(id, "vdi") }
    }

    /// The record of a cluster that has been prepared.
    fn cluster(&self, cluster: &ClusterName) -> Result<Cluster, MachineError> {
        self.shelf.cluster(cluster)
    }

    fn refuse(&self, action: &str, error: VBoxError) -> MachineError {
        match error {
            VBoxError::Cancelled => MachineError::Cancelled,
            error => MachineError::Host { action: action.into(), reason: error.reason() },
        }
    }

    /// The places of everything that may be a machine of a cluster.
    fn machines(&self, cluster: &ClusterName) -> Result<Vec<Place>, StoreError> {
        Ok(self.shelf.machines(cluster)?.iter().map(|id| self.place(id)).collect())
    }
}

#[async_trait]
impl Driver for VirtualBoxDriver {
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
        let network = shelf::network(cluster);
        if work.context.cancel.is_cancelled() {
            return Err(MachineError::Cancelled);
        }
        work.journal.intent(&network)?;
        // It looks at the token itself, since a part of it must not be given up halfway.
        let made = Box::pin(self.make_network(cluster, wanted, work.context.cancel)).await;
        match &made {
            Ok(_) => work.journal.made(&network)?,
            Err(error) if error.is_refusal() && !self.shelf.cluster_record(cluster).exists() => {
                // Nothing came of the intent.
                work.journal.gone(&network)?;
            }
            Err(_) => {}
        }
        made.map(Some)
    }

    fn resource(&self, id: &MachineId) -> Resource {
        of_machine(MACHINE, id)
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let made = Box::pin(self.make(plan, work.context));
        work.make(&of_machine(MACHINE, &plan.id), made).await
    }

    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, Box::pin(self.power_on(&self.place(id), cancel))).await
    }

    async fn stop(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, Box::pin(self.power_off(&self.place(id), cancel))).await
    }

    async fn kill(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, Box::pin(self.cut_off(&self.place(id), cancel))).await
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        Box::pin(self.look_at_all(cluster, &CancellationToken::new())).await
    }

    async fn console(&self, id: &MachineId) -> Result<String, MachineError> {
        let place = self.place(id);
        place.record()?;
        let refuse = |error: io::Error| place.id.refuse("read the console of", error);
        console::tail(&place.files.console()).map_err(refuse)
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        let place = self.place(id);
        let clear = self.clear(&place, RemovalReason::Requested, work.context.cancel);
        work.remove(&of_machine(MACHINE, id), Box::pin(clear)).await
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        Box::pin(self.found(cluster, &CancellationToken::new())).await
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        match (resource.kind.as_str(), shelf::owner(cluster, resource)) {
            (MACHINE, Some(id)) => {
                let place = self.place(&id);
                let clear = self.clear(&place, RemovalReason::Leftover, work.context.cancel);
                work.remove(resource, Box::pin(clear)).await
            }
            (NETWORK, _) if resource.name == cluster.as_str() => {
                let removed = self.remove_network(cluster, work.context.cancel);
                work.remove(resource, Box::pin(removed)).await
            }
            _ => Ok(work.journal.gone(resource)?),
        }
    }
}
