//! Which addresses and ports a cluster of virtual machines has on this host.
//!
//! ```text
//!  this host                               a machine
//!  127.A.B.100:2222  ── user networking ──► 198.51.100.15:22     NIC 1, leads out as well
//!  127.A.B.100:2376                      ──►             :2376
//!  127.A.B.100:8080  (published)         ──►             :8080
//!  239.X.Y.Z:PORT    ── segment ──────────► 192.168.99.100       NIC 2, the other nodes
//! ```
//!
//! On Linux every address in 127.0.0.0/8 is this host's, so each machine can have one of its own
//! with the usual ports. Where only 127.0.0.1 is (macOS), machines would have ports of their own
//! instead; that choice is made in this file and nowhere else.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use ipnet::Ipv4Net;
use skep_model::{ClusterName, Port, Protocol};

use crate::{
    Reach,
    cards::Nat,
    host::HostRoot,
    identity::{digest, number},
    subnet,
};

/// The network between a machine and QEMU: one of those set apart for documentation, so that it
/// hides nothing a machine may want to reach. QEMU's name server asks this host's own.
pub(super) const OUTER: Nat = Nat {
    net: Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    machine: Ipv4Addr::new(198, 51, 100, 15),
    gateway: Ipv4Addr::new(198, 51, 100, 2),
    names: Ipv4Addr::new(198, 51, 100, 3),
};

/// The port of a machine's SSH server at its host address: 22 would take a permission.
pub(super) const SSH: u16 = 2222;
/// The port of a machine's engine there.
pub(super) const ENGINE: u16 = 2376;

pub(super) const ALWAYS: [Port; 2] = [
    Port { host: SSH, machine: 22, protocol: Protocol::Tcp },
    Port { host: ENGINE, machine: ENGINE, protocol: Protocol::Tcp },
];

/// The loopback networks a cluster may have, in the order in which they are tried: 127.64.0.0/24
/// to 127.254.255.0/24 without 127.77, starting somewhere that depends on the cluster.
pub(super) fn host_networks(
    store: &str,
    cluster: &ClusterName,
) -> impl Iterator<Item = Ipv4Net> + use<> {
    const COUNT: u64 = 191 * 256;
    let start = number(&[store, cluster.as_str(), "host"]) % COUNT;
    let nets = (0..COUNT).map(move |step| {
        let [.., second, third] = ((start + step) % COUNT).to_be_bytes();
        Ipv4Net::new_assert(Ipv4Addr::new(127, 64 + second, third, 0), 24)
    });
    nets.filter(|net| net.addr().octets()[1] != 77)
}

/// The multicast groups, with a UDP port each, that a cluster may have, in the order in which they
/// are tried. They are of an organisation's own scope (RFC 2365), and the ports are none that
/// systems assign by themselves.
pub(super) fn groups(
    store: &str,
    cluster: &ClusterName,
) -> impl Iterator<Item = (Ipv4Addr, u16)> + use<> {
    let words = [store.to_owned(), cluster.to_string()];
    (0..64_u8).map(move |attempt| {
        let attempt = attempt.to_string();
        let [a, b, c, d, e, ..] = digest(&[&words[0], &words[1], "group", &attempt]);
        // Linux hands out ports from 32768 on (`ip_local_port_range`), others from 49152 on.
        let port = 20_000 + u16::from_be_bytes([d, e]) % 10_000;
        (Ipv4Addr::new(239, 192 + a % 4, b, c.clamp(1, 254)), port)
    })
}

/// A machine's address for this host: the place it has among the nodes, in the cluster's loopback
/// network.
pub(super) fn host_address(network: Ipv4Net, address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = network.network().octets();
    Ipv4Addr::new(a, b, c, address.octets()[3])
}

pub(super) fn reach(network: Ipv4Net, address: Ipv4Addr) -> Reach {
    Reach { host: host_address(network, address).into(), ssh: SSH, engine: ENGINE }
}

/// A forwarded port as QEMU has it: `tcp:127.64.0.100:8080-198.51.100.15:80`.
pub(super) fn forward(host: Ipv4Addr, port: &Port) -> String {
    format!("{}:{host}:{}-{}:{}", port.protocol, port.host, OUTER.machine, port.machine)
}

/// Whether this user can have a port at one of this host's addresses now.
pub(super) fn is_free(host: Ipv4Addr, port: u16, protocol: Protocol) -> io::Result<()> {
    match protocol {
        Protocol::Tcp => TcpListener::bind((host, port)).map(drop),
        Protocol::Udp => UdpSocket::bind((host, port)).map(drop),
    }
}

/// The next free port to offer instead of one that is not available. For one that takes a
/// permission it is the one people write in its place: 8080 for 80, 8443 for 443.
pub(super) fn free_instead(host: Ipv4Addr, wanted: Port) -> Option<u16> {
    let first = if wanted.host < 1024 { 8000 + wanted.host } else { wanted.host.checked_add(1)? };
    let mut candidates = (first..=u16::MAX).take(1000);
    candidates.find(|&port| {
        !is_reserved(port, wanted.protocol) && is_free(host, port, wanted.protocol).is_ok()
    })
}

/// Whether a port at the host address is a machine's SSH server or engine.
pub(super) fn is_reserved(port: u16, protocol: Protocol) -> bool {
    ALWAYS.iter().any(|always| always.host == port && always.protocol == protocol)
}

/// Whether the machines of a cluster could be reached at a loopback network: the first address
/// stands for all.
pub(super) fn is_usable(network: Ipv4Net) -> io::Result<()> {
    let first = subnet::machine_address(network, 0).unwrap_or(network.network());
    ALWAYS.iter().try_for_each(|port| is_free(first, port.host, port.protocol))
}

/// Whether a process has a UDP port open on a multicast group or on all addresses, from the text of
/// Linux's `/proc/net/udp`. It is looked up rather than tried: for the moment of the attempt, a
/// machine that is being started next to it could not have it.
pub(super) fn is_group_taken(udp_table: &str, group: Ipv4Addr, port: u16) -> bool {
    udp_table.lines().skip(1).filter_map(parse_socket).any(|(address, other)| {
        other == port && (address == group || address == Ipv4Addr::UNSPECIFIED)
    })
}

/// The second field of a line is the local address in the byte order of the machine, and the port,
/// both in hexadecimal.
fn parse_socket(line: &str) -> Option<(Ipv4Addr, u16)> {
    let (address, port) = line.split_whitespace().nth(1)?.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    Some((Ipv4Addr::from(address), u16::from_str_radix(port, 16).ok()?))
}

pub(super) fn udp_table(host: &HostRoot) -> String {
    host.text("/proc/net/udp").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cluster(name: &str) -> ClusterName {
        name.parse().unwrap()
    }

    fn port(text: &str) -> Port {
        text.parse().unwrap()
    }

    #[test]
    fn machines_keep_their_place_at_the_host() {
        let network = "127.70.3.0/24".parse().unwrap();
        let reach = reach(network, Ipv4Addr::new(192, 168, 99, 103));
        assert_eq!(reach.host.to_string(), "127.70.3.103");
        assert_eq!((reach.ssh, reach.engine), (2222, 2376));
    }

    #[test]
    fn every_loopback_network_is_tried_once() {
        let all: Vec<_> = host_networks("a", &cluster("demo")).collect();
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        assert_eq!(all.len(), 190 * 256);
        assert!(all.iter().all(|net| {
            let [first, second, ..] = net.addr().octets();
            first == 127 && (64..=254).contains(&second) && second != 77
        }));
    }

    #[test]
    fn a_forward_names_both_ends() {
        let host = Ipv4Addr::new(127, 70, 3, 100);
        assert_eq!(forward(host, &ALWAYS[0]), "tcp:127.70.3.100:2222-198.51.100.15:22");
        assert_eq!(forward(host, &port("1053:53/udp")), "udp:127.70.3.100:1053-198.51.100.15:53");
    }

    #[test]
    fn a_port_in_use_is_refused_and_another_is_offered() {
        let host = Ipv4Addr::new(127, 0, 0, 1);
        let taken = TcpListener::bind((host, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        let wanted = Port { host: number, machine: 80, protocol: Protocol::Tcp };
        let error = is_free(host, number, Protocol::Tcp).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(free_instead(host, wanted).is_none_or(|free| free > number));
        assert!(free_instead(host, port("80")).is_some_and(|free| free >= 8080));
    }

    #[test]
    fn a_group_that_somebody_has_is_seen() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 9885: 030201EF:1E61 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 121873
 9886: 00000000:1E62 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 121874
";
        let group = Ipv4Addr::new(239, 1, 2, 3);
        // The recorded table is of a little-endian machine.
        assert_eq!(is_group_taken(table, group, 7777), cfg!(target_endian = "little"));
        assert!(is_group_taken(table, group, 7778));
        assert!(!is_group_taken(table, group, 7779));
        assert!(!is_group_taken(table, Ipv4Addr::new(239, 1, 2, 4), 7777));
    }

    #[test]
    fn a_group_of_our_own_is_in_the_hosts_table() {
        let group = Ipv4Addr::new(239, 192, 7, 7);
        let socket = UdpSocket::bind((group, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(is_group_taken(&udp_table(&HostRoot::new("/")), group, port));
    }

    proptest! {
        #[test]
        fn groups_are_of_an_organisations_own_scope(store in "[a-f0-9]{1,8}", name in "[a-z]{1,9}") {
            for (group, port) in groups(&store, &cluster(&name)) {
                prop_assert!(group.is_multicast());
                prop_assert!(Ipv4Net::new_assert(Ipv4Addr::new(239, 192, 0, 0), 14).contains(&group));
                prop_assert!((20_000..30_000).contains(&port));
            }
        }

        #[test]
        fn any_table_is_survived(text in "\\PC{0,200}") {
            is_group_taken(&format!("header\n{text}"), Ipv4Addr::LOCALHOST, 1);
        }
    }
}
