//! `list`.

use std::fmt::Write as _;

use super::{
    Settings,
    answer::{Answer, Said},
    details::details,
    network::servers,
    state::{Machine, State},
};

const PROPERTIES: &str = include_str!("systemproperties.txt");
const ABOUT: &str = "View system information and VM configuration details";

pub(super) fn list(words: &[String], state: &State, settings: &Settings) -> Answer {
    let long = words.iter().any(|word| word == "--long" || word == "-l");
    let subject = words.iter().find(|word| !word.starts_with('-')).map_or("", |word| word.as_str());
    let brief = |machine: &&Machine| format!("\"{}\" {{{}}}\n", machine.name, machine.uuid);
    Said::prints(match subject {
        "vms" if long => state.machines.iter().map(|one| details(one, state)).collect(),
        "vms" => state.machines.iter().map(|one| brief(&one)).collect::<String>(),
        "runningvms" => {
            state.machines.iter().filter(|one| one.is_locked()).map(|one| brief(&one)).collect()
        }
        "hostonlyifs" => interfaces(state),
        "hostonlynets" if settings.mac => networks(state),
        "dhcpservers" => servers(state),
        "systemproperties" => PROPERTIES.to_owned(),
        "hostinfo" => host(settings),
        "extpacks" => EXTENSIONS.to_owned(),
        "hdds" => media(state, "hdd"),
        "dvds" => media(state, "dvddrive"),
        other => {
            let text = format!("Unknown subcommand \"{other}\".");
            return Err(Said::usage(2, &text, ABOUT, false));
        }
    })
}

fn interfaces(state: &State) -> String {
    let mut text = String::new();
    for one in &state.interfaces {
        let bytes: Vec<_> = one.mac.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
        let status = if one.up { "Up" } else { "Down" };
        let _ = write!(
            text,
            "Name:            {name}\nGUID:            {}\nDHCP:            Disabled\nIPAddress:       \
             {}\nNetworkMask:     {}\nIPV6Address:     \nIPV6NetworkMaskPrefixLength: \
             0\nHardwareAddress: {}\nMediumType:      Ethernet\nWireless:        No\nStatus:          \
             {status}\nVBoxNetworkName: HostInterfaceNetworking-{name}\n\n",
            one.uuid,
            one.address,
            one.mask,
            bytes.join(":").to_lowercase(),
            name = one.name,
        );
    }
    text
}

/// As VirtualBox's source prints it; there was no Mac to record it on.
fn networks(state: &State) -> String {
    let mut text = String::new();
    for one in &state.networks {
        let enabled = if one.enabled { "Enabled" } else { "Disabled" };
        let _ = write!(
            text,
            "Name:            {name}\nGUID:            {}\n\nState:           \
             {enabled}\nNetworkMask:     {}\nLowerIP:         {}\nUpperIP:         \
             {}\nVBoxNetworkName: hostonly-{name}\n\n",
            one.uuid,
            one.mask,
            one.lower,
            one.upper,
            name = one.name,
        );
    }
    text
}

fn media(state: &State, kind: &str) -> String {
    let mut text = String::new();
    for one in state.media.iter().filter(|one| one.registered && one.kind == kind) {
        let there = if one.path.exists() { "created" } else { "inaccessible" };
        let _ = write!(
            text,
            "UUID:           {}\nParent UUID:    base\nState:          {there}\nType:           \
             normal (base)\nLocation:       {}\nStorage format: {}\nCapacity:       {} \
             MBytes\nEncryption:     disabled\n\n",
            one.uuid,
            one.path.display(),
            one.format,
            one.capacity >> 20,
        );
    }
    text
}

fn host(settings: &Settings) -> String {
    let yes = if settings.vtx { "yes" } else { "no" };
    let system = if settings.mac { "Darwin" } else { "Linux" };
    format!(
        "Host Information:\n\nHost time: {}000000Z\nProcessor online count: 2\nProcessor count: \
         2\nProcessor online core count: 2\nProcessor core count: 2\nProcessor supports HW \
         virtualization: {yes}\nProcessor supports PAE: yes\nProcessor supports long mode: \
         yes\nProcessor supports nested paging: {yes}\nProcessor supports unrestricted guest: \
         {yes}\nProcessor supports nested HW virtualization: no\nProcessor supports virt. \
         vmsave/vmload: no\nProcessor#0 speed: 2596 MHz\nProcessor#0 description: AMD \
         EPYC\nProcessor#1 speed: 2596 MHz\nProcessor#1 description: AMD EPYC\nMemory size: 24105 \
         MByte\nMemory available: 23710 MByte\nOperating system: {system}\nOperating system \
         version: 6.18.44\n",
        super::state::now(),
    )
}

const EXTENSIONS: &str = "\
Extension Packs: 1
Pack no. 0:   VNC
Version:        7.2.22
Revision:       175245
Edition:        \n\
Description:    VNC plugin module
VRDE Module:    VBoxVNC
Crypto Module:  \n\
Usable:         true
Why unusable:   \n";
