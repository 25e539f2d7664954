//! The two network cards of a virtual machine: one leads outside, one to the other nodes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use skep_os::{Interface, vm};

use crate::{MachineError, MachineId, MachinePlan, identity::digest};

/// The network between a machine and its hypervisor, which leads outside.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) net: Ipv4Net,
    pub(crate) machine: Ipv4Addr,
    /// The way out.
    pub(crate) gateway: Ipv4Addr,
    /// The name server there.
    pub(crate) names: Ipv4Addr,
}

/// The hardware addresses of a machine's cards, in its hypervisor's own range: to the outside, to the
/// other nodes.
pub(crate) fn macs(range: &str, store: &str, id: &MachineId) -> [String; 2] {
    ["outer", "inner"].map(|which| {
        let [a, b, c, ..] = digest(&[store, id.cluster.as_str(), id.machine.as_str(), which]);
        format!("{range}:{a:02x}:{b:02x}:{c:02x}")
    })
}

/// The configuration disk of a machine of skep's own guest: its seed, with what is set on its cards.
pub(crate) fn configuration_disk(
    plan: &MachinePlan,
    nat: &Nat,
    [outer, inner]: &[String; 2],
    cluster: Ipv4Net,
) -> Result<Vec<u8>, MachineError> {
    let at = |address, net: Ipv4Net| Ipv4Net::new_assert(address, net.prefix_len());
    let mut seed = plan.seed.clone();
    seed.network = vec![
        Interface {
            mac: outer.clone(),
            address: at(nat.machine, nat.net),
            gateway: Some(nat.gateway),
            nameservers: vec![nat.names],
        },
        Interface {
            mac: inner.clone(),
            address: at(plan.address, cluster),
            gateway: None,
            nameservers: Vec::new(),
        },
    ];
    Ok(vm::configuration_disk(&seed.to_tar(plan.written)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_belong_to_a_store_a_cluster_and_a_machine() {
        let id = |machine: &str| MachineId {
            cluster: "demo".parse().unwrap(),
            machine: machine.parse().unwrap(),
        };
        let macs = |store, machine| macs("52:54:00", store, &id(machine));
        let [outer, inner] = macs("a", "m1");
        assert_eq!([outer.clone(), inner.clone()], macs("a", "m1"));
        assert_ne!(outer, inner);
        assert_ne!(outer, macs("a", "m2")[0]);
        assert_ne!(outer, macs("b", "m1")[0]);
        assert!(outer.starts_with("52:54:00:") && outer.len() == 17);
    }
}
