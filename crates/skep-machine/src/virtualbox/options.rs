//! The options of docker-machine's driver for a machine, with its defaults.

use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::features::{Features, System};

pub(super) const NIC_TYPES: [&str; 7] =
    ["Am79C973", "Am79C970A", "82540EM", "82543GC", "82545EM", "virtio", "usbnet"];
pub(super) const PROMISCUOUS_MODES: [&str; 3] = ["deny", "allow-vms", "allow-all"];
/// How a machine's window is shown, if at all.
pub(super) const UI_TYPES: [&str; 4] = ["gui", "sdl", "headless", "separate"];

/// A type of network card as VirtualBox writes it.
pub(super) fn nic_type(given: &str) -> Option<&'static str> {
    NIC_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(given))
}

/// What a machine starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Iso {
    /// skep's own guest system, packaged as an ISO.
    #[default]
    Skep,
    /// A boot2docker.iso, already on this host.
    Boot2docker(PathBuf),
}

/// One machine's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub iso: Iso,
    /// The host's own address in the host-only network, with the network's prefix.
    pub host_only: Ipv4Net,
    pub host_only_nic: String,
    pub host_only_promiscuous: String,
    /// Whether the host-only network has no DHCP server.
    pub no_dhcp: bool,
    pub nat_nic: String,
    /// Whether names are resolved with the host's resolver.
    pub host_dns_resolver: bool,
    /// Whether VirtualBox answers the machine's DNS requests.
    pub dns_proxy: bool,
    /// A shared directory and its name, or the users' homes, or none.
    pub share: Share,
    /// `gui`, `sdl`, `headless` or `separate`.
    pub ui: String,
    /// Whether hardware virtualization is not looked for.
    pub no_vtx_check: bool,
    /// The name of a Boot2Docker VM whose disk is taken.
    pub import_vm: Option<String>,
    /// The UUID or the name of a machine of VirtualBox that is there already and is taken over as
    /// it is; everything else here is then as it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<String>,
}

/// What is shared with a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// The directory of the users' homes.
    #[default]
    Homes,
    /// `DIRECTORY:NAME`.
    Directory {
        path: PathBuf,
        name: String,
    },
    Nothing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            iso: Iso::default(),
            host_only: Ipv4Net::new_assert([192, 168, 99, 1].into(), 24),
            host_only_nic: "82540EM".into(),
            host_only_promiscuous: "deny".into(),
            no_dhcp: false,
            nat_nic: "82540EM".into(),
            host_dns_resolver: false,
            dns_proxy: true,
            share: Share::default(),
            ui: "headless".into(),
            no_vtx_check: false,
            import_vm: None,
            vm: None,
        }
    }
}

/// What machines with these options are like.
pub(crate) fn features(options: Option<&Options>) -> Features {
    let system = match options.map(|options| &options.iso) {
        Some(Iso::Boot2docker(_)) => System::Boot2docker,
        Some(Iso::Skep) | None => System::Skep,
    };
    Features { makes_machines: true, sizes_disks: true, forwards_ports: false, system }
}
