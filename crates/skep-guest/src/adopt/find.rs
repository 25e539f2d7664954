//! How a host is found by its name, and a user's key to log in with.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a host's name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(10);

/// The names of a user's own keys, in the order `ssh` tries them.
const KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Why a host has no address.
#[derive(Debug, thiserror::Error)]
pub enum NoAddress {
    #[error("nobody answered within {} s", RESOLVE.as_secs())]
    Silent,
    #[error(transparent)]
    Unresolved(io::Error),
    /// It has addresses, and none of them is an IPv4 one.
    #[error("it has none of IPv4's")]
    NotIpv4,
}

/// A host's IPv4 address, which nodes of a swarm know each other by.
pub async fn resolve(host: &str) -> Result<Ipv4Addr, NoAddress> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, 0))).await;
    let found = found.map_err(|_| NoAddress::Silent)?.map_err(NoAddress::Unresolved)?;
    let mut addresses = found.filter_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    addresses.next().ok_or(NoAddress::NotIpv4)
}

/// The first of a user's own private keys, in their `.ssh`.
pub fn own_key(directory: &Path) -> Option<PathBuf> {
    KEYS.map(|name| directory.join(name)).into_iter().find(|key| key.is_file())
}
