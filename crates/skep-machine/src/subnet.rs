//! Which addresses a cluster gets.
//!
//! A cluster's network is a `/24` of its own, so that a machine's address is the network's plus
//! 100 plus its place: the first machine of the first cluster answers at 192.168.99.100, the
//! address docker-machine's users know. Overlay networks take 10.0.0.0/8 (swarm mode's default
//! address pool), so no cluster may lie there.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::MachineError;

/// How many machines one cluster may have: they take the addresses `.100` to `.199`.
pub const MAX_MACHINES: usize = 100;

/// The place of the first machine in a network.
const FIRST_HOST: u32 = 100;

const OVERLAY_POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);

/// A network that is already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub subnet: Ipv4Net,
    /// The user of it: `the host's route through eth0`, `the Docker network bridge`.
    pub by: String,
}

/// The address of the machine at `place` (from 0) of a network, or `None` beyond
/// [`MAX_MACHINES`].
pub fn machine_address(subnet: Ipv4Net, place: usize) -> Option<Ipv4Addr> {
    (place < MAX_MACHINES).then(|| {
        let offset = FIRST_HOST + u32::try_from(place).unwrap_or(u32::MAX - FIRST_HOST);
        Ipv4Addr::from(u32::from(subnet.network()) + offset)
    })
}

/// The address the host has on a cluster's network.
pub fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + 1)
}

/// Accepts a network that was asked for, or says what is wrong with it.
///
/// # Errors
/// [`MachineError::Subnet`]: not a `/16` to `/24`, not private, in the overlay networks' pool, or
/// overlapping a network in `taken`.
pub fn accept(wanted: Ipv4Net, taken: &[Taken]) -> Result<Ipv4Net, MachineError> {
    let refuse = |reason: String| Err(MachineError::Subnet { subnet: wanted, reason });
    if !(16..=24).contains(&wanted.prefix_len()) {
        return refuse("give a /16 to /24: machines take the addresses .100 to .199".into());
    }
    if wanted.addr() != wanted.network() {
        return refuse(format!("it names a host, not a network: write {}", wanted.trunc()));
    }
    if !wanted.network().is_private() {
        return refuse("it is not a private network (192.168.0.0/16 or 172.16.0.0/12)".into());
    }
    if overlap(wanted, OVERLAY_POOL) {
        return refuse(format!(
            "swarm mode takes {OVERLAY_POOL} for overlay networks: choose one in 192.168.0.0/16"
        ));
    }
    match taken.iter().find(|other| overlap(wanted, other.subnet)) {
        Some(other) => refuse(format!("it overlaps {}, {}", other.subnet, other.by)),
        None => Ok(wanted),
    }
}

/// The first free network for a cluster: 192.168.99.0/24 and upwards, then downwards.
///
/// # Errors
/// [`MachineError::NoFreeSubnet`].
pub fn choose(taken: &[Taken]) -> Result<Ipv4Net, MachineError> {
    choose_among(taken, |_| true)
}

/// As [`choose`], of the networks that are `allowed`.
///
/// # Errors
/// [`MachineError::NoFreeSubnet`].
pub fn choose_among(
    taken: &[Taken],
    allowed: impl Fn(Ipv4Net) -> bool,
) -> Result<Ipv4Net, MachineError> {
    (99..=254)
        .chain((1..99).rev())
        .map(|third| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, third, 0), 24))
        .find(|candidate| allowed(*candidate) && accept(*candidate, taken).is_ok())
        .ok_or(MachineError::NoFreeSubnet)
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// The host's own routes, from the text of Linux's `/proc/net/route` (addresses and masks in
/// little-endian hexadecimal). Default routes are left out: they overlap everything and say
/// nothing. Lines that are not routes are passed over.
pub fn parse_routes(text: &str) -> Vec<Taken> {
    text.lines().skip(1).filter_map(parse_route).collect()
}

fn parse_route(line: &str) -> Option<Taken> {
    let mut fields = line.split_whitespace();
    let interface = fields.next()?;
    let number = |field: Option<&str>| {
        field.and_then(|hex| u32::from_str_radix(hex, 16).ok()).map(u32::swap_bytes)
    };
    let destination = number(fields.next())?;
    let mask = number(fields.nth(5))?;
    if mask == 0 {
        return None;
    }
    let subnet = Ipv4Net::with_netmask(destination.into(), mask.into()).ok()?;
    Some(Taken { subnet, by: format!("the host's route through {interface}") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0063A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        accept(net(text), &parse_routes(ROUTES)).unwrap_err().to_string()
    }

    #[test]
    fn routes_are_read_without_the_default() {
        let subnets: Vec<_> = parse_routes(ROUTES).into_iter().map(|taken| taken.subnet).collect();
        assert_eq!(subnets, [net("192.168.99.0/24"), net("172.17.0.0/16")]);
    }

    #[test]
    fn a_taken_network_is_passed_over() {
        assert_eq!(choose(&[]).unwrap(), net("192.168.99.0/24"));
        assert_eq!(choose(&parse_routes(ROUTES)).unwrap(), net("192.168.100.0/24"));
    }

    #[test]
    fn all_networks_taken_is_an_error() {
        let taken = [Taken { subnet: net("192.168.0.0/16"), by: "the VPN".into() }];
        assert!(matches!(choose(&taken), Err(MachineError::NoFreeSubnet)));
    }

    #[test]
    fn each_bad_subnet_gets_an_answer_of_its_own() {
        assert!(refusal("192.168.99.0/24").contains("the host's route through eth0"));
        assert!(refusal("172.16.0.0/12").contains("give a /16 to /24"));
        assert!(refusal("192.168.5.0/25").contains("give a /16 to /24"));
        assert!(refusal("192.168.5.7/24").contains("write 192.168.5.0/24"));
        assert!(refusal("8.8.8.0/24").contains("not a private network"));
        assert!(refusal("10.1.0.0/16").contains("overlay networks"));
    }

    #[test]
    fn addresses_are_where_docker_machine_had_them() {
        let subnet = net("192.168.99.0/24");
        assert_eq!(machine_address(subnet, 0), Some("192.168.99.100".parse().unwrap()));
        assert_eq!(machine_address(subnet, 99), Some("192.168.99.199".parse().unwrap()));
        assert_eq!(machine_address(subnet, 100), None);
        assert_eq!(gateway(subnet), Ipv4Addr::new(192, 168, 99, 1));
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_accepted_and_overlaps_nothing(thirds in prop::collection::vec(0u8..=255, 0..40)) {
            let taken: Vec<_> = thirds
                .iter()
                .map(|third| Taken { subnet: net(&format!("192.168.{third}.0/24")), by: "x".into() })
                .collect();
            let chosen = choose(&taken).unwrap();
            prop_assert!(taken.iter().all(|other| !overlap(chosen, other.subnet)));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}") {
            parse_routes(&format!("header\n{text}"));
        }
    }
}
