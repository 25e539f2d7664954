//! The host-only network that the machines of a cluster have among themselves and with this host.
//!
//! On Linux and Windows it is an interface of this host with an address of its own, which is the
//! network's first; macOS has `hostonlynet` instead since VirtualBox 7.0. One that is there with
//! the right addresses is used and never removed; one that skep makes goes with its cluster.
//!
//! skep's guest has its address from its seed and needs no DHCP. boot2docker asks for one, so a DHCP
//! server keeps each machine's for it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use skep_model::ClusterName;
use tokio_util::sync::CancellationToken;

use super::{
    Os, VirtualBoxDriver,
    failure::{Cause, VBoxError},
    networks_conf::Allowed,
    parse,
    program::Call,
    record::{Cluster, Wire},
    version::{NETS, RESTRICTED},
};
use crate::{MachineError, host::HostRoot, subnet};

/// A host-only interface or network that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    pub(super) wire: Wire,
    pub(super) address: Option<Ipv4Net>,
}

impl VirtualBoxDriver {
    /// The host-only interfaces that are there, or networks where there are those.
    pub(super) async fn host_only(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<There>, VBoxError> {
        if self.has_nets(cancel).await? {
            let text = self.vbox.run(Call::new(["list", "hostonlynets"]), cancel).await?;
            let nets = parse::hostonlynets(&text).into_iter();
            return Ok(nets
                .map(|net| There { wire: Wire::Net(net.name), address: net.address })
                .collect());
        }
        let text = self.vbox.run(Call::new(["list", "hostonlyifs"]), cancel).await?;
        let interfaces = parse::hostonlyifs(&text).into_iter();
        Ok(interfaces
            .map(|found| There { wire: Wire::Interface(found.name), address: found.address })
            .collect())
    }

    async fn has_nets(&self, cancel: &CancellationToken) -> Result<bool, VBoxError> {
        Ok(self.host.os == Os::Macos && self.vbox.find(cancel).await?.version >= NETS)
    }

    /// Which addresses host-only interfaces may have; `None` if all.
    pub(super) async fn allowed(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<Allowed>, VBoxError> {
        let version = self.vbox.find(cancel).await?.version;
        if self.host.os == Os::Windows || version < RESTRICTED || self.has_nets(cancel).await? {
            return Ok(None);
        }
        // One that cannot be read is VirtualBox's to judge.
        Ok(Allowed::read(&self.host.root).ok())
    }

    /// The network for a new cluster, and the interface that has it already, if there is one.
    pub(super) fn choose(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
        there: &[There],
        allowed: Option<&Allowed>,
    ) -> Result<(Ipv4Net, Option<Wire>), MachineError> {
        let mut taken = self.others(cluster)?;
        taken.extend(HostRoot::new(&self.host.root).routes().into_iter().filter(|route| {
            // Those through the interfaces themselves are looked at below.
            let is_through = |there: &There| route.by.ends_with(&format!(" {}", there.wire.name()));
            !there.iter().any(is_through)
        }));
        let interface = |there: &There, net| {
            let by = format!("the host-only interface {}", there.wire.name());
            subnet::Taken { subnet: net, by }
        };
        let is_allowed = |net| allowed.is_none_or(|allowed| allowed.has(net));
        let Some(wanted) = wanted.map(|net| net.trunc()) else {
            let nets = there.iter().filter_map(|one| Some(interface(one, one.address?.trunc())));
            taken.extend(nets);
            return Ok((subnet::choose_among(&taken, is_allowed)?, None));
        };
        let has_it = |one: &&There| one.address.is_some_and(|net| net.trunc() == wanted);
        let with_it: Vec<&There> = there.iter().filter(has_it).collect();
        let others = there.iter().filter(|one| !has_it(one));
        taken.extend(others.filter_map(|one| Some(interface(one, one.address?.trunc()))));
        let net = subnet::accept(wanted, &taken)?;
        let refuse = |reason| Err(MachineError::Subnet { subnet: net, reason });
        match with_it[..] {
            [] if is_allowed(net) => Ok((net, None)),
            [] => refuse(allowed.map_or_else(String::new, |allowed| not_allowed(allowed, net))),
            [one] => {
                let address = one.address.map_or(net.addr(), |address| address.addr());
                if is_machines(net, address) {
                    return refuse(format!(
                        "the host itself has {address} there, on {0}, which would be a machine's: \
                         `VBoxManage hostonlyif ipconfig {0} --ip {1}`",
                        one.wire.name(),
                        subnet::gateway(net)
                    ));
                }
                Ok((net, Some(one.wire.clone())))
            }
            [one, other, ..] => refuse(format!(
                "both {} and {} have it: remove one with `VBoxManage hostonlyif remove`",
                one.wire.name(),
                other.wire.name()
            )),
        }
    }

    /// The networks of the store's other clusters on VirtualBox.
    fn others(&self, cluster: &ClusterName) -> Result<Vec<subnet::Taken>, MachineError> {
        let all = self.shelf.clusters::<Cluster>()?;
        let others = all.into_iter().filter(|(name, _)| name != cluster);
        let taken = |(name, other): (ClusterName, Cluster)| subnet::Taken {
            subnet: other.subnet,
            by: format!("the cluster {name}"),
        };
        Ok(others.map(taken).collect())
    }

    /// Makes what the machines of a cluster share, or finds it.
    pub(super) async fn make_network(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
        cancel: &CancellationToken,
    ) -> Result<Ipv4Net, MachineError> {
        let _lock = self.vbox.lock(cancel).await?;
        let found = self.shelf.read_cluster(cluster)?;
        let refuse = |error| self.refuse(&format!("make the network of cluster {cluster}"), error);
        let there = self.host_only(cancel).await.map_err(refuse)?;
        let record = match found {
            Some(record) => self.mend(cluster, record, &there, cancel).await?,
            None => {
                let allowed = self.allowed(cancel).await.map_err(refuse)?;
                let (net, wire) = self.choose(cluster, wanted, &there, allowed.as_ref())?;
                match wire {
                    Some(wire) => Cluster { subnet: net, wire, is_ours: false },
                    None => self.make_wire(cluster, net, cancel).await?,
                }
            }
        };
        self.shelf.write_cluster(cluster, &record)?;
        Ok(record.subnet)
    }

    /// The network of a cluster as it is needed: after the host was started again, or the interface
    /// was removed, it may be gone or have no address. Holds no lock.
    pub(super) async fn mend_network(
        &self,
        cluster: &ClusterName,
        cancel: &CancellationToken,
    ) -> Result<Cluster, MachineError> {
        let refuse =
            |error| self.refuse(&format!("look at the network of cluster {cluster}"), error);
        let record = self.cluster(cluster)?;
        let there = self.host_only(cancel).await.map_err(refuse)?;
        if is_whole(&record, &there) {
            return Ok(record);
        }
        let _lock = self.vbox.lock(cancel).await?;
        // Another machine's start may have done it meanwhile.
        let record = self.cluster(cluster)?;
        let there = self.host_only(cancel).await.map_err(refuse)?;
        let mended = self.mend(cluster, record.clone(), &there, cancel).await?;
        if mended != record {
            self.shelf.write_cluster(cluster, &mended)?;
        }
        Ok(mended)
    }

    async fn mend(
        &self,
        cluster: &ClusterName,
        record: Cluster,
        there: &[There],
        cancel: &CancellationToken,
    ) -> Result<Cluster, MachineError> {
        if is_whole(&record, there) {
            return Ok(record);
        }
        let has_it = |one: &&There| one.address.is_some_and(|net| net.trunc() == record.subnet);
        if let Some(one) = there.iter().find(has_it) {
            return Ok(Cluster { subnet: record.subnet, wire: one.wire.clone(), is_ours: false });
        }
        let same = there.iter().find(|one| one.wire == record.wire);
        if let Some(one) = same
            && (record.is_ours || one.address.is_none())
        {
            self.address(&record.wire, record.subnet, cancel).await?;
            return Ok(record);
        }
        self.make_wire(cluster, record.subnet, cancel).await
    }

    /// Makes an interface with an address, or a network, and writes down that it is there.
    async fn make_wire(
        &self,
        cluster: &ClusterName,
        net: Ipv4Net,
        cancel: &CancellationToken,
    ) -> Result<Cluster, MachineError> {
        let refuse = |error| self.refuse(&format!("make the network of cluster {cluster}"), error);
        let path = self.shelf.cluster_record(cluster);
        if self.has_nets(cancel).await.map_err(refuse)? {
            let record =
                Cluster { subnet: net, wire: Wire::Net(format!("skep-{cluster}")), is_ours: true };
            self.shelf.write_cluster(cluster, &record)?;
            let (lower, upper) = (subnet::gateway(net), host(net, 99));
            let call = Call::new(["hostonlynet", "add", "--name", record.wire.name(), "--enable"])
                .words(["--netmask", &net.netmask().to_string()])
                .words(["--lower-ip", &lower.to_string(), "--upper-ip", &upper.to_string()]);
            self.vbox.run(call, cancel).await.map_err(refuse)?;
            return Ok(record);
        }
        // Nothing would show later which cluster the interface belongs to: this is not given up
        // halfway.
        let whole = CancellationToken::new();
        let text = self.vbox.run(Call::new(["hostonlyif", "create"]), &whole).await;
        let text = text.map_err(refuse)?;
        let name = parse::created_interface(&text).ok_or_else(|| MachineError::Host {
            action: format!("make the network of cluster {cluster}"),
            reason: format!("VirtualBox does not say which interface it has made: {text:?}").into(),
        })?;
        let record = Cluster { subnet: net, wire: Wire::Interface(name.to_owned()), is_ours: true };
        self.shelf.write_cluster(cluster, &record)?;
        let addressed = async {
            self.forget_dhcp(&record.wire.network(), cancel).await.map_err(refuse)?;
            self.address(&record.wire, net, cancel).await
        };
        if let Err(error) = addressed.await {
            // Without an address it is of no use.
            let _ = self.vbox.run(Call::new(["hostonlyif", "remove", name]), cancel).await;
            skep_store::file::remove(&path)?;
            return Err(error);
        }
        Ok(record)
    }

    async fn address(
        &self,
        wire: &Wire,
        net: Ipv4Net,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let Wire::Interface(name) = wire else { return Ok(()) };
        let (ip, mask) = (subnet::gateway(net).to_string(), net.netmask().to_string());
        let words = ["hostonlyif", "ipconfig", name, "--ip", &ip, "--netmask", &mask];
        match self.vbox.run(Call::new(words), cancel).await {
            Ok(_) => Ok(()),
            Err(error) if error.cause() == Some(Cause::NotAllowed) => {
                let allowed = Allowed::read(&self.host.root).ok();
                let reason =
                    allowed.map_or_else(|| error.reason().text, |it| not_allowed(&it, net));
                Err(MachineError::Subnet { subnet: net, reason })
            }
            Err(error) => Err(self.refuse(&format!("give {name} the address {ip}"), error)),
        }
    }

    /// A DHCP server that was left behind by an earlier interface of the name, or made beforehand,
    /// has other addresses.
    async fn forget_dhcp(
        &self,
        network: &str,
        cancel: &CancellationToken,
    ) -> Result<(), VBoxError> {
        let text = self.vbox.run(Call::new(["list", "dhcpservers"]), cancel).await?;
        if parse::dhcpservers(&text).iter().any(|server| server.network == network) {
            let call = Call::new(["dhcpserver", "remove", "--network", network]);
            self.vbox.run(call, cancel).await?;
        }
        Ok(())
    }

    /// Keeps an address for a machine that asks for one. Returns the network whose server does,
    /// if any.
    pub(super) async fn lease(
        &self,
        cluster: &Cluster,
        uuid: &str,
        address: Ipv4Addr,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, VBoxError> {
        let Wire::Interface(_) = &cluster.wire else { return Ok(None) };
        let (network, net) = (cluster.wire.network(), cluster.subnet);
        let text = self.vbox.run(Call::new(["list", "dhcpservers"]), cancel).await?;
        let server = parse::dhcpservers(&text).into_iter().find(|it| it.network == network);
        let is_right = |it: &parse::Dhcp| {
            it.is_enabled && it.address.is_some_and(|address| net.contains(&address.addr()))
        };
        if !server.as_ref().is_some_and(is_right) {
            // Others on the network get addresses that are no machine's.
            let [own, lower, upper] = [2, 200, 254].map(|place| host(net, place).to_string());
            let verb = if server.is_some() { "modify" } else { "add" };
            let call = Call::new(["dhcpserver", verb, "--network", &network])
                .words(["--server-ip", &own, "--netmask", &net.netmask().to_string()])
                .words(["--lower-ip", &lower, "--upper-ip", &upper, "--enable"]);
            self.vbox.run(call, cancel).await?;
        }
        let address = address.to_string();
        let call = Call::new(["dhcpserver", "modify", "--network", &network]).words([
            "--vm",
            uuid,
            "--nic",
            "2",
            "--fixed-address",
            &address,
        ]);
        self.vbox.run(call, cancel).await?;
        // One that serves others already has to read it; one that does not run refuses.
        let restart = Call::new(["dhcpserver", "restart", "--network", &network]);
        let _ = self.vbox.run(restart, cancel).await;
        Ok(Some(network))
    }

    /// Removes a cluster's network if it was made for it and no other machine is on it.
    pub(super) async fn remove_network(
        &self,
        cluster: &ClusterName,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let path = self.shelf.cluster_record(cluster);
        let Some(record) = self.shelf.read_cluster::<Cluster>(cluster)? else { return Ok(()) };
        if record.is_ours {
            let _lock = self.vbox.lock(cancel).await?;
            match self.remove_wire(&record, cancel).await {
                // With VirtualBox itself its networks are gone.
                Ok(()) | Err(VBoxError::Missing) => {}
                Err(error) => {
                    return Err(self.refuse(&format!("remove {}", record.wire.name()), error));
                }
            }
        }
        Ok(skep_store::file::remove(&path)?)
    }

    async fn remove_wire(
        &self,
        record: &Cluster,
        cancel: &CancellationToken,
    ) -> Result<(), VBoxError> {
        let name = record.wire.name();
        let there = self.host_only(cancel).await?;
        let others = self.vms(cancel).await?;
        // One that has other addresses now, or other machines, is not the cluster's any more.
        let is_used = others.iter().any(|vm| vm.host_only.as_deref() == Some(name));
        let is_it = |one: &There| {
            one.wire == record.wire && one.address.is_none_or(|net| net.trunc() == record.subnet)
        };
        if is_used || !there.iter().any(is_it) {
            return Ok(());
        }
        match &record.wire {
            Wire::Net(_) => {
                let call = Call::new(["hostonlynet", "remove", "--name", name]);
                self.vbox.run(call, cancel).await?;
            }
            Wire::Interface(_) => {
                self.forget_dhcp(&record.wire.network(), cancel).await?;
                self.vbox.run(Call::new(["hostonlyif", "remove", name]), cancel).await?;
            }
        }
        Ok(())
    }
}

/// Whether what is written down is there, with its addresses.
fn is_whole(record: &Cluster, there: &[There]) -> bool {
    there.iter().any(|one| {
        one.wire == record.wire && one.address.is_some_and(|net| net.trunc() == record.subnet)
    })
}

pub(super) fn host(net: Ipv4Net, place: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(net.network()) + place)
}

/// Whether an address is one that a machine would get.
fn is_machines(net: Ipv4Net, address: Ipv4Addr) -> bool {
    (0..subnet::MAX_MACHINES).any(|place| subnet::machine_address(net, place) == Some(address))
}

/// Why a network is refused where VirtualBox restricts them.
pub(super) fn not_allowed(allowed: &Allowed, net: Ipv4Net) -> String {
    format!(
        "VirtualBox lets host-only interfaces have addresses in {} only: {}",
        allowed.describe(),
        allowed.fix(net)
    )
}
