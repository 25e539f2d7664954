//! The arguments that VirtualBox gets for a machine, as docker-machine gives them.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;

use super::{
    Host, Os, Share,
    options::{Options, nic_type},
    program::Call,
    record::Wire,
    version::Version,
};
use crate::cards::Nat;

/// The network behind the first card: VirtualBox's own NAT.
pub(super) const NAT: Nat = Nat {
    net: Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 2, 0), 24),
    machine: Ipv4Addr::new(10, 0, 2, 15),
    gateway: Ipv4Addr::new(10, 0, 2, 2),
    names: Ipv4Addr::new(10, 0, 2, 3),
};

/// The name of the rule that leads to a machine's SSH server.
const RULE: &str = "ssh";

#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) version: Version,
    pub(super) uuid: &'a str,
    /// The owner, to be shown in VirtualBox's window.
    pub(super) owner: &'a str,
    /// In megabytes.
    pub(super) memory: u64,
    pub(super) cpus: u32,
    pub(super) options: &'a Options,
    pub(super) wire: &'a Wire,
    pub(super) macs: &'a [String; 2],
    pub(super) ssh_port: u16,
    pub(super) console: &'a Path,
}

impl Settings<'_> {
    /// All of it in one call: each one takes a tenth of a second.
    pub(super) fn modify(&self) -> Call {
        let on = |is_on: bool| if is_on { "on" } else { "off" };
        let (memory, cpus) = (self.memory.to_string(), self.cpus.to_string());
        let [outer, inner] = self.macs.each_ref().map(|mac| mac.replace(':', "").to_uppercase());
        let rule = rule(self.ssh_port);
        let console = self.console.to_string_lossy();
        let options = self.options;
        let mut words: Vec<&str> = vec!["modifyvm", self.uuid];
        let general = [
            ("--description", self.owner),
            ("--firmware", "bios"),
            ("--bioslogofadein", "off"),
            ("--bioslogofadeout", "off"),
            ("--bioslogodisplaytime", "0"),
            ("--biosbootmenu", "disabled"),
            ("--ostype", "Linux26_64"),
            ("--cpus", &cpus),
            ("--memory", &memory),
            ("--acpi", "on"),
            ("--ioapic", "on"),
            ("--rtcuseutc", "on"),
            ("--natdnshostresolver1", on(options.host_dns_resolver)),
            ("--natdnsproxy1", on(options.dns_proxy)),
            ("--cpuhotplug", "off"),
            ("--pae", "on"),
            ("--hpet", "on"),
            ("--hwvirtex", "on"),
            ("--nestedpaging", "on"),
            ("--largepages", "on"),
            ("--vtxvpid", "on"),
            ("--accelerate3d", "off"),
            ("--boot1", "dvd"),
            ("--nic1", "nat"),
            ("--nictype1", nic(&options.nat_nic)),
            ("--macaddress1", &outer),
            ("--cableconnected1", "on"),
            ("--natpf1", &rule),
        ];
        for (option, value) in general.into_iter().chain(card(options, self.wire)) {
            words.extend([self.version.spell(option), value]);
        }
        words.extend(["--macaddress2", &inner, "--uart1", "0x3F8", "4"]);
        words.extend([self.version.spell("--uartmode1"), "file", &console]);
        Call::new(words)
    }
}

/// A card's type; one that VirtualBox does not have is VirtualBox's to refuse.
fn nic(given: &str) -> &str {
    nic_type(given).unwrap_or(given)
}

/// The card that leads to the other nodes and this host.
fn card<'a>(options: &'a Options, wire: &'a Wire) -> [(&'a str, &'a str); 5] {
    let (kind, option) = match wire {
        Wire::Interface(_) => ("hostonly", "--hostonlyadapter2"),
        Wire::Net(_) => ("hostonlynet", "--host-only-net2"),
    };
    [
        ("--nic2", kind),
        ("--nictype2", nic(&options.host_only_nic)),
        ("--nicpromisc2", &options.host_only_promiscuous),
        (option, wire.name()),
        ("--cableconnected2", "on"),
    ]
}

/// Joins a machine that is off with another host-only interface.
pub(super) fn rejoin(version: Version, uuid: &str, wire: &Wire) -> Call {
    let option = match wire {
        Wire::Interface(_) => version.spell("--hostonlyadapter2"),
        Wire::Net(_) => "--host-only-net2",
    };
    Call::new(["modifyvm", uuid, option, wire.name()])
}

/// The rule that leads from a port of 127.0.0.1 to a machine's SSH server.
fn rule(port: u16) -> String {
    format!("{RULE},tcp,127.0.0.1,{port},,22")
}

/// Takes that rule away, and gives another one.
pub(super) fn forward(version: Version, uuid: &str, port: u16) -> [Call; 2] {
    let option = version.spell("--natpf1");
    [
        Call::new(["modifyvm", uuid, option, "delete", RULE]),
        Call::new(["modifyvm", uuid, option, &rule(port)]),
    ]
}

/// A port of 127.0.0.1 that is free now; 0, with which VirtualBox forwards nothing, if none
/// is.
pub(super) fn free_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    bound.and_then(|socket| socket.local_addr()).map_or(0, |address| address.port())
}

pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The directory that is shared with a machine, and its name there; none that is not there.
pub(super) fn share(share: &Share, host: &Host) -> Option<(String, PathBuf)> {
    let (name, path) = match share {
        Share::Nothing => return None,
        Share::Directory { path, name } => (name.clone(), path.clone()),
        Share::Homes => match host.os {
            Os::Linux => ("hosthome".into(), host.root.join("home")),
            Os::Macos => ("Users".into(), host.root.join("Users")),
            Os::Windows => ("c/Users".into(), r"c:\Users".into()),
        },
    };
    path.is_dir().then_some((name, path))
}
