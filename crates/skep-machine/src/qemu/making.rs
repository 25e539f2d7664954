//! Making and removing: a cluster's network, a machine's files.

use std::time::Duration;

use ipnet::Ipv4Net;
use skep_model::ClusterName;
use skep_os::vm;
use skep_store::{Lock, Resource, StoreError};

use super::{
    QemuDriver, Segment, addresses,
    life::{Place, end_by_force},
    monitor,
    record::{Cluster, Machine, Power, SCHEMA, Wire},
};
use crate::{
    MachineError, MachinePlan, Work,
    shelf::{self, kind::MACHINE, of_machine},
    subnet,
};

/// How often a lock that somebody holds for a moment is tried again.
const POLL: Duration = Duration::from_millis(20);
/// How long QEMU may take to end once it was told to.
const END: Duration = Duration::from_secs(5);

/// Which networks there are.
#[derive(Debug)]
pub(super) struct Networks {
    /// The cluster's own, if it has one.
    pub(super) own: Option<Cluster>,
    /// Those that no other may overlap.
    pub(super) taken: Vec<subnet::Taken>,
    /// The loopback networks of the store's other clusters.
    pub(super) loopback: Vec<Ipv4Net>,
}

impl QemuDriver {
    /// A cluster's network, and the networks of everybody else: the host's own, and those of the
    /// store's other clusters of virtual machines.
    pub(super) fn networks(&self, cluster: &ClusterName) -> Result<Networks, StoreError> {
        let mut taken = self.host.routes();
        let (mut own, mut loopback) = (None, Vec::new());
        for (name, found) in self.shelf.clusters::<Cluster>(SCHEMA)? {
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
        work: Work<'_>,
    ) -> Result<Ipv4Net, MachineError> {
        // Two clusters that are made at once must not choose the same.
        let _lock = self.lock().await?;
        let Networks { own, taken, loopback } = self.networks(cluster)?;
        let wanted = wanted.or(own.as_ref().map(|own| own.subnet));
        // A network that no machine is on binds nothing.
        if let Some(own) = own.filter(|own| !self.is_elsewhere(own) || self.has_machines(cluster)) {
            let subnet = own.subnet;
            self.keep(cluster, own)?;
            work.journal.made(&shelf::network(cluster))?;
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
        let record = Cluster::new(subnet, host, segment, binary, accel);
        record.write(&self.shelf.cluster_record(cluster))?;
        work.journal.made(&shelf::network(cluster))?;
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
            record.write(&self.shelf.cluster_record(cluster))?;
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
        place: &Place,
        plan: &MachinePlan,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        let resource = of_machine(MACHINE, &plan.id);
        work.journal.intent(&resource)?;
        let macs = addresses::macs(&self.store, &plan.id);
        let cluster = self.cluster(&plan.id.cluster)?;
        let mut seed = plan.seed.clone();
        seed.network = addresses::interfaces(&macs, cluster.subnet, plan.address);
        let config = vm::configuration_disk(&seed.to_tar(plan.written)?);
        if place.files.read()?.is_some_and(|record| record.power != Power::New) {
            // Its disk has taken the seed in; the file is only needed for QEMU to start.
            if !place.files.config().exists() {
                skep_store::write_private(&place.files.config(), &config)?;
            }
            return Ok(work.journal.made(&resource)?);
        }
        let image = (self.os)()?.ensure_vm(work.events, work.cancel).await?;
        // What is there was never used: a part of a machine, or one with another seed.
        self.clear(place, "make").await?;
        skep_store::file::create_private_dir(place.files.directory())?;
        let disk = plan.size.disk.unwrap_or(vm::DEFAULT_DISK_BYTES);
        vm::make_data_disk(&place.files.data(), disk, work.cancel).await?;
        skep_store::write_private(&place.files.config(), &config)?;
        let publish = plan.publish.clone();
        let record = Machine::new(plan.address, macs, image.digest, plan.size, publish);
        place.files.write(&record)?;
        Ok(work.journal.made(&resource)?)
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

    /// Everything that exists for a cluster, machines first.
    pub(super) fn found(&self, cluster: &ClusterName) -> Result<Vec<Resource>, StoreError> {
        let mut machines = self.shelf.machines(cluster)?;
        machines.retain(|id| self.shelf.machine_directory(id).exists());
        let mut found: Vec<_> = machines.iter().map(|id| of_machine(MACHINE, id)).collect();
        if self.shelf.cluster_record(cluster).exists() {
            found.push(shelf::network(cluster));
        }
        Ok(found)
    }
}

/// Ends a QEMU whose files somebody has removed while it ran: nothing but its monitor leads to it.
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
        place.refuse(action, format!("a QEMU without files answers at {socket} and does not end"))
    })
}
