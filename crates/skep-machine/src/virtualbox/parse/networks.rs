//! What it prints about networks.

use std::{net::Ipv4Addr, ops::RangeInclusive};

use ipnet::Ipv4Net;

use super::{records, value};

/// A host-only interface, or a host-only network of macOS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::virtualbox) struct HostOnly {
    /// Its name: `vboxnet0`.
    pub(in crate::virtualbox) name: String,
    /// The host's address on it; none if it has none yet.
    pub(in crate::virtualbox) address: Option<Ipv4Net>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::virtualbox) struct Dhcp {
    pub(in crate::virtualbox) network: String,
    pub(in crate::virtualbox) address: Option<Ipv4Net>,
    /// The addresses it gives to clients.
    pub(in crate::virtualbox) gives: Option<RangeInclusive<Ipv4Addr>>,
    pub(in crate::virtualbox) is_enabled: bool,
}

/// An address with its mask, unless it is 0.0.0.0 or none at all.
fn net(address: Option<&str>, mask: Option<&str>) -> Option<Ipv4Net> {
    let address: Ipv4Addr = address?.parse().ok()?;
    if address.is_unspecified() {
        return None;
    }
    Ipv4Net::with_netmask(address, mask?.parse().ok()?).ok()
}

pub(in crate::virtualbox) fn hostonlyifs(text: &str) -> Vec<HostOnly> {
    let found = records(text, "Name").into_iter().filter_map(|record| {
        Some(HostOnly {
            name: value(&record, "Name").filter(|name| !name.is_empty())?.to_owned(),
            address: net(value(&record, "IPAddress"), value(&record, "NetworkMask")),
        })
    });
    found.collect()
}

/// Reads `list hostonlynets`, which only macOS has.
pub(in crate::virtualbox) fn hostonlynets(text: &str) -> Vec<HostOnly> {
    let found = records(text, "Name").into_iter().filter_map(|record| {
        Some(HostOnly {
            name: value(&record, "Name").filter(|name| !name.is_empty())?.to_owned(),
            address: net(value(&record, "LowerIP"), value(&record, "NetworkMask")),
        })
    });
    found.collect()
}

pub(in crate::virtualbox) fn dhcpservers(text: &str) -> Vec<Dhcp> {
    let found = records(text, "NetworkName").into_iter().filter_map(|record| {
        // 6.1 calls it `Dhcpd IP` as well; before that it was `IP`.
        let address = value(&record, "Dhcpd IP").or_else(|| value(&record, "IP"));
        let end = |key| value(&record, key)?.parse::<Ipv4Addr>().ok();
        let range = |lower: Ipv4Addr| {
            Some(lower..=end("UpperIPAddress").or_else(|| end("upperIPAddress"))?)
        };
        Some(Dhcp {
            gives: end("LowerIPAddress").or_else(|| end("lowerIPAddress")).and_then(range),
            network: value(&record, "NetworkName")?.to_owned(),
            address: net(address, value(&record, "NetworkMask")),
            is_enabled: value(&record, "Enabled") == Some("Yes"),
        })
    });
    found.collect()
}

/// The name in `Interface 'vboxnet1' was successfully created`.
pub(in crate::virtualbox) fn created_interface(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.contains("was successfully created"))?;
    line.split_once('\'')?.1.rsplit_once('\'').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{super::stdout, *};

    #[test]
    fn interfaces_are_read() {
        let text = stdout(include_str!("../fixtures/121-list-hostonlyifs-standin.txt"));
        let one = |name: &str, net: &str| HostOnly { name: name.into(), address: net.parse().ok() };
        let expected = [one("vboxnet0", "172.30.1.1/24"), one("vboxnet1", "192.168.57.1/24")];
        assert_eq!(hostonlyifs(text), expected);
        let bare = "Name: VirtualBox Host-Only Ethernet Adapter #2\r\nIPAddress: 0.0.0.0\r\n\
                    NetworkMask: 0.0.0.0\r\n";
        let bare = hostonlyifs(bare);
        assert_eq!(bare[0].name, "VirtualBox Host-Only Ethernet Adapter #2");
        assert_eq!(bare[0].address, None);
    }

    #[test]
    fn networks_of_macos_are_read() {
        let text = "Name:            skep\nGUID:            1\n\nState:           Enabled\n\
                    NetworkMask:     255.255.255.0\nLowerIP:         192.168.99.1\n\
                    UpperIP:         192.168.99.99\nVBoxNetworkName: hostonly-skep\n\n";
        let net = &hostonlynets(text)[0];
        assert_eq!(net.name, "skep");
        assert_eq!(net.address, Some("192.168.99.1/24".parse().unwrap()));
    }

    #[test]
    fn dhcp_servers_are_read() {
        let text = stdout(include_str!("../fixtures/089-list-dhcpservers-2.txt"));
        let found = dhcpservers(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            Dhcp {
                network: "HostInterfaceNetworking-vboxnet0".into(),
                address: Some("192.168.99.7/24".parse().unwrap()),
                gives: Some([192, 168, 99, 101].into()..=[192, 168, 99, 254].into()),
                is_enabled: true,
            }
        );
    }

    #[test]
    fn a_new_interfaces_name_is_found() {
        let text = stdout(include_str!("../fixtures/120-hostonlyif-create-standin.txt"));
        assert_eq!(created_interface(text), Some("vboxnet1"));
        let windows =
            "Interface 'VirtualBox Host-Only Ethernet Adapter #2' was successfully created";
        assert_eq!(created_interface(windows), Some("VirtualBox Host-Only Ethernet Adapter #2"));
        assert_eq!(created_interface("0%...NS_ERROR_FAILURE"), None);
    }
}
