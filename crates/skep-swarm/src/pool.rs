//! Address pools of overlay networks, checked before an engine is asked.
//!
//! An engine takes pools that overlap each other or a network of the host; the overlay networks
//! made from them later fail, or swallow the traffic to that network.

use ipnet::Ipv4Net;

/// The prefix length of one overlay network's subnet unless set.
pub const DEFAULT_SUBNET: u8 = 24;

/// The longest prefix an engine accepts: eight addresses.
pub const LONGEST_SUBNET: u8 = 29;

/// Why a default address pool cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A subnet would have too few addresses.
    #[error("a subnet size of {size} is out of range: give 1 to {LONGEST_SUBNET}")]
    Size { size: u8 },
    /// Not even one subnet fits.
    #[error(
        "the address pool {pool} is smaller than one subnet of /{size}: give a larger pool, or a larger subnet size"
    )]
    Small { pool: Ipv4Net, size: u8 },
    #[error("the address pools {one} and {other} overlap: leave one of them out")]
    Overlap { one: Ipv4Net, other: Ipv4Net },
    /// A pool shares addresses with a network that is in use.
    #[error("the address pool {pool} overlaps {taken}, which is in use: give another pool")]
    Taken { pool: Ipv4Net, taken: Ipv4Net },
}

/// Checks pools and the prefix length of their subnets against each other and against networks
/// in use (routes of a host, the nodes' own network).
pub fn check(pools: &[Ipv4Net], size: Option<u8>, taken: &[Ipv4Net]) -> Result<(), PoolError> {
    let subnet = size.unwrap_or(DEFAULT_SUBNET);
    if subnet == 0 || subnet > LONGEST_SUBNET {
        return Err(PoolError::Size { size: subnet });
    }
    for (at, &pool) in pools.iter().enumerate() {
        if pool.prefix_len() > subnet {
            return Err(PoolError::Small { pool, size: subnet });
        }
        if let Some(&other) = pools[at + 1..].iter().find(|other| overlap(pool, **other)) {
            return Err(PoolError::Overlap { one: pool, other });
        }
        if let Some(&taken) = taken.iter().find(|taken| overlap(pool, **taken)) {
            return Err(PoolError::Taken { pool, taken });
        }
    }
    Ok(())
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn pools_apart_from_each_other_and_all_else_are_fine() {
        let taken = nets(&["172.31.0.0/24", "192.168.1.0/24"]);
        assert_eq!(check(&nets(&["10.77.0.0/16", "10.78.0.0/24"]), None, &taken), Ok(()));
        assert_eq!(check(&[], Some(29), &taken), Ok(()));
    }

    #[test]
    fn each_mistake_is_named() {
        let of = |pools: &[&str], size, taken: &[&str]| {
            check(&nets(pools), size, &nets(taken)).unwrap_err().to_string()
        };
        assert!(of(&["10.0.0.0/16"], Some(30), &[]).contains("give 1 to 29"));
        assert!(of(&["10.0.0.0/28"], None, &[]).contains("smaller than one subnet of /24"));
        assert!(of(&["10.0.0.0/16", "10.0.9.0/24"], None, &[]).contains("and 10.0.9.0/24 overlap"));
        assert!(
            of(&["172.31.0.0/16"], None, &["172.31.77.0/24"]).contains("172.31.77.0/24, which")
        );
    }

    proptest! {
        #[test]
        fn networks_overlap_if_they_share_an_address(a: u32, b: u32, x in 20u8..=32, y in 20u8..=32) {
            let (a, b) = (Ipv4Net::new(a.into(), x).unwrap(), Ipv4Net::new((a ^ (b % 4096)).into(), y).unwrap());
            let shared = a.network() <= b.broadcast() && b.network() <= a.broadcast();
            prop_assert_eq!(overlap(a, b), shared);
        }
    }
}
