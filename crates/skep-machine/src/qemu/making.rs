//! Making and removing: a cluster's network, a machine's files.

use std::time::Duration;

use ipnet::Ipv4Net;
use skep_context::Context;
use skep_model::ClusterName;
use skep_os::vm;
use skep_store::{Lock, StoreError};

use super::{
    QemuDriver, Segment, addresses,
    life::{Place, end_by_force},
    monitor,
    record::{Cluster, Machine, Wire},
};
use crate::{MachineError, MachinePlan, cards, record::Wanted, subnet};

/// How often a lock that another process holds for a moment is tried again.
const POLL: Duration = Duration::from_millis(20);
/// How long QEMU may take to end once it was asked to.
const END: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Networks {
    pub(super) own: Option<Cluster>,
    /// Those that no other may overlap.
    pub(super) taken: Vec<subnet::Taken>,
    /// The loopback networks of the store's other clusters.
    pub(super) loopback: Vec<Ipv4Net>,
}

impl QemuDriver {
    /// A cluster's network, and all other networks: the host's own, and those of the
    /// store's other clusters of virtual machines.
    pub(super) fn networks(&self, cluster: &ClusterName) -> Result<Networks, StoreError> {
        let mut taken = self.host.routes();
        let (mut own, mut loopback) = (None, Vec::new());
        for (name, found) in self.shelf.clusters::<Cluster>()? {
            if name == *cluster {
                own = Some(found);
                continue;
            }
            let by = format!("the cluster {name}");
            taken.push(subnet::Taken { subnet: found.subnet, by });
            loopback.push(found.host);
        }
        Ok(Networks { own, taken, loopback })
    }

    /// The subnet for a new cluster: the one asked for, or that of the bridge it is to be on, or a
    /// free one.
    pub(super) fn choose_subnet(
        &self,
        wanted: Option<Ipv4Net>,
        mut taken: Vec<subnet::Taken>,
    ) -> Result<Ipv4Net, MachineError> {
        let Some(Segment::Bridge(name)) = &self.options.segment else {
            return wanted
                .map_or_else(|| subnet::choose(&taken), |net| subnet::accept(net, &taken));
        };
        // Machines on a bridge are meant to be in its network.
        let by = format!("the host's route through {name}");
        let own = taken.iter().position(|net| net.by == by).map(|at| taken.remove(at).subnet);
        match wanted.or(own) {
            Some(net) => subnet::accept(net, &taken),
            None => subnet::choose(&taken),
        }
    }

    /// Chooses what the machines of a cluster share, unless it has been chosen, and writes it down.
    pub(super) async fn make_network(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
    ) -> Result<Ipv4Net, MachineError> {
        // Two clusters that are made at once must not choose the same.
        let _lock = self.lock().await?;
        let Networks { own, taken, loopback } = self.networks(cluster)?;
        let wanted = wanted.or(own.as_ref().map(|own| own.subnet));
        // A network that no machine is on binds nothing.
        if let Some(own) = own.filter(|own| !self.is_elsewhere(own) || self.has_machines(cluster)) {
            let subnet = own.subnet;
            self.keep(cluster, own)?;
            return Ok(subnet);
        }
        let subnet = self.choose_subnet(wanted, taken)?;
        let refuse = |reason: String| MachineError::Host {
            action: format!("make the network of cluster {cluster}"),
            reason: reason.into(),
        };
        let mut candidates =
            addresses::host_networks(&self.store, cluster).filter(|net| !loopback.contains(net));
        let host = candidates.find(|net| addresses::is_usable(*net).is_ok()).ok_or_else(|| {
            refuse("no loopback address lets a program listen: is 127.0.0.0/8 up?".into())
        })?;
        let segment = match &self.options.segment {
            Some(Segment::Bridge(name)) => Wire::Bridge { name: name.clone() },
            Some(Segment::Multicast) | None => {
                let table = addresses::udp_table(&self.host);
                let free = addresses::groups(&self.store, cluster)
                    .find(|(group, port)| !addresses::is_group_taken(&table, *group, *port));
                let (group, port) = free.ok_or_else(|| {
                    refuse("every multicast group tried is in use: choose another --name".into())
                })?;
                Wire::Multicast { group, port }
            }
        };
        let (binary, accel) = (self.options.binary.clone(), self.options.accel);
        let record = Cluster { subnet, host, segment, binary, accel };
        self.shelf.write_cluster(cluster, &record)?;
        Ok(subnet)
    }

    /// Whether another segment is asked for than a network is on.
    fn is_elsewhere(&self, own: &Cluster) -> bool {
        self.options.segment.as_ref().is_some_and(|wanted| *wanted != own.segment.choice())
    }

    fn has_machines(&self, cluster: &ClusterName) -> bool {
        let machines = self.machines(cluster);
        // What cannot be listed may be there.
        machines.map_or(true, |machines| machines.iter().any(|place| place.files.record().exists()))
    }

    /// Takes what is asked for now into the record of a cluster that is there. Its machines cannot be
    /// moved to another network.
    fn keep(&self, cluster: &ClusterName, mut record: Cluster) -> Result<(), MachineError> {
        if let Some(wanted) = self.options.segment.as_ref().filter(|_| self.is_elsewhere(&record)) {
            return Err(MachineError::Host {
                action: format!("put cluster {cluster} on the network {wanted}"),
                reason: format!(
                    "its machines are on {}: leave --network out, or choose another --name",
                    record.segment.choice()
                )
                .into(),
            });
        }
        let before = record.clone();
        record.binary = self.options.binary.clone().or(record.binary);
        record.accel = self.options.accel.or(record.accel);
        if record != before {
            self.shelf.write_cluster(cluster, &record)?;
        }
        Ok(())
    }

    async fn lock(&self) -> Result<Lock, StoreError> {
        loop {
            match Lock::try_acquire(
                &self.shelf.of_store("qemu.lock"),
                "the choice of a network",
                "",
            ) {
                Err(StoreError::Locked { .. }) => tokio::time::sleep(POLL).await,
                other => return other,
            }
        }
    }

    /// Makes a machine's files, unless it has been started with some before.
    pub(super) async fn make(
        &self,
        plan: &MachinePlan,
        context: Context<'_>,
    ) -> Result<(), MachineError> {
        let place = &self.place(&plan.id);
        let macs = cards::macs("52:54:00", &self.store, &plan.id);
        let cluster = self.cluster(&plan.id.cluster)?;
        let config = cards::configuration_disk(plan, &addresses::OUTER, &macs, cluster.subnet)?;
        let known = place.files.read::<Machine>()?;
        if known.is_some_and(|record| record.wanted != Wanted::New) {
            // Its disk has taken the seed in; the file is only needed for QEMU to start.
            if !place.files.config().exists() {
                skep_store::write_private(&place.files.config(), &config)?;
            }
            return Ok(());
        }
        let image = (self.os)()?.ensure_vm(context.events, context.cancel).await?;
        // What is there was never used: a part of a machine, or one with another seed.
        self.clear(place, "make").await?;
        skep_store::file::create_private_dir(place.files.directory())?;
        let disk = plan.size.disk.unwrap_or(vm::DEFAULT_DISK_BYTES);
        vm::make_data_disk(&place.files.data(), disk, context.cancel).await?;
        skep_store::write_private(&place.files.config(), &config)?;
        let [outer_mac, inner_mac] = macs;
        Ok(place.files.write(&Machine {
            wanted: Wanted::New,
            address: plan.address,
            outer_mac,
            inner_mac,
            image: image.digest,
            size: plan.size,
            publish: plan.publish.clone(),
        })?)
    }

    /// Ends a machine and removes all it consists of.
    pub(super) async fn clear(
        &self,
        place: &Place,
        action: &'static str,
    ) -> Result<(), MachineError> {
        if let Some(process) = place.process(action)? {
            end_by_force(place, &process, action).await?;
        } else {
            end_stray(place, action).await?;
        }
        // Without its record it is no machine any more, whatever happens to the rest.
        skep_store::file::remove(&place.files.record())?;
        skep_store::file::remove_dir(place.files.directory())?;
        Ok(skep_store::file::remove(&place.monitor)?)
    }
}

/// Ends a QEMU whose files were removed while it ran: nothing but its monitor leads to it.
async fn end_stray(place: &Place, action: &'static str) -> Result<(), MachineError> {
    if monitor::status(&place.monitor).await.is_err() {
        return Ok(());
    }
    let gone = async {
        // Without its lock there is nothing to wait for but its silence.
        while monitor::quit(&place.monitor).await.is_ok() {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(END, gone).await.map_err(|_| {
        let socket = place.monitor.display();
        place
            .id
            .refuse(action, format!("a QEMU without files answers at {socket} and does not end"))
    })
}
