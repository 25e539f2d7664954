//! `hostonlyif`, `hostonlynet` and `dhcpserver`.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::{
    Settings,
    answer::{Answer, HOST, Kind, Said},
    state::{Dhcp, Interface, Network, State, mac, uuid},
    words::{option, sorted},
};

pub(super) fn interface(words: &[String], state: &mut State, settings: &Settings) -> Answer {
    let (verb, rest) = words.split_first().ok_or_else(|| Said::error(2, "Too few parameters"))?;
    let (plain, options) = sorted(rest, &["dhcp"]);
    match &**verb {
        "create" => create(state, settings),
        "remove" | "ipconfig" => {
            let name = plain.first().map_or("", |name| name.as_str());
            let line = if verb == "remove" { 150 } else { 242 };
            let find = format!(
                "\"FindHostNetworkInterfaceByName(Bstr(pszName).raw(), hif.asOutParam())\" at line \
                 {line} of file VBoxManageHostonly.cpp"
            );
            let at = state.interfaces.iter().position(|one| one.name == name).ok_or_else(|| {
                let text = format!("The host network interface named '{name}' could not be found");
                Said::refusal(&text, Kind::InvalidArg, HOST, &find)
            })?;
            if verb == "remove" {
                if !settings.modules {
                    let context = "\"RemoveHostOnlyNetworkInterface(guid.raw(), \
                                   progress.asOutParam())\" at line 156 of file \
                                   VBoxManageHostonly.cpp";
                    return Err(Said::bare_refusal(Kind::Failure, context));
                }
                state.interfaces.remove(at);
                return Said::progress("");
            }
            configure(&mut state.interfaces[at], &options, settings)
        }
        other => Err(Said::error(2, format!("Unknown subcommand \"{other}\"."))),
    }
}

fn create(state: &mut State, settings: &Settings) -> Answer {
    if !settings.modules {
        let err = "0%...NS_ERROR_FAILURE\n\
            VBoxManage: error: Failed to create the host-only adapter\n\
            VBoxManage: error: VBoxNetAdpCtl: Error while adding new interface: failed to open \
            /dev/vboxnetctl: No such file or directory\n\
            VBoxManage: error: Details: code NS_ERROR_FAILURE (0x80004005), component \
            HostNetworkInterfaceWrap, interface IHostNetworkInterface\n\
            VBoxManage: error: Context: \"RTEXITCODE handleCreate(HandlerArg*)\" at line 105 of \
            file VBoxManageHostonly.cpp\n";
        return Err(Said { out: String::new(), err: err.into(), code: 1 });
    }
    let names: Vec<_> = state.interfaces.iter().map(|one| one.name.clone()).collect();
    let mut numbers = 0..=u8::MAX;
    let free = numbers.find(|number| !names.contains(&format!("vboxnet{number}")));
    let number = free.ok_or_else(|| Said::error(1, "Failed to create the host-only adapter"))?;
    let name = format!("vboxnet{number}");
    state.interfaces.push(Interface {
        name: name.clone(),
        uuid: uuid(),
        address: Ipv4Addr::new(192, 168, 56_u8.wrapping_add(number), 1),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        mac: mac(),
        up: false,
    });
    Said::progress(format!("Interface '{name}' was successfully created\n"))
}

fn configure(
    interface: &mut Interface,
    options: &[(String, String)],
    settings: &Settings,
) -> Answer {
    let context = "\"EnableStaticIPConfig(Bstr(pszIp).raw(), Bstr(pszNetmask).raw())\" at line 252 \
                   of file VBoxManageHostonly.cpp";
    let address: Option<Ipv4Addr> =
        option(options, &["ip", "i"]).and_then(|address| address.parse().ok());
    let Some(address) = address else {
        return Err(Said::bare_refusal(Kind::Failure, context));
    };
    if !allowed(address, settings) {
        return Err(Said::bare_refusal(Kind::AccessDenied, context));
    }
    let mask = option(options, &["netmask", "m"]).and_then(|mask| mask.parse().ok());
    interface.address = address;
    interface.mask = mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0));
    interface.up = true;
    Said::nothing()
}

/// Whether host-only interfaces may have this address. A file with lines replaces the
/// default; without one, 192.168.56.0/21 is allowed.
fn allowed(address: Ipv4Addr, settings: &Settings) -> bool {
    let text = fs_err::read_to_string(&settings.networks_conf).ok();
    let text = text.unwrap_or_else(|| "* 192.168.56.0/21".into());
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix('*'));
    let mut ranges = lines.flat_map(str::split_whitespace).filter_map(|one| one.parse().ok());
    ranges.any(|range: IpNet| range.contains(&IpAddr::V4(address)))
}

/// Host-only networks, which only Macs have.
pub(super) fn network(words: &[String], state: &mut State, settings: &Settings) -> Answer {
    if !settings.mac {
        let text = "Invalid command 'hostonlynet'";
        return Err(Said::usage(2, text, "General help for VBoxManage", false));
    }
    let (plain, options) = sorted(words, &["enable", "disable"]);
    let verb = plain.first().map_or("", |verb| verb.as_str());
    let name = option(&options, &["name"]).unwrap_or_default();
    let at = state.networks.iter().position(|one| one.name == name);
    let address = |names: &[&str]| option(&options, names).and_then(|one| one.parse().ok());
    match (verb, at) {
        ("add", None) => {
            let wanted = [&["netmask"][..], &["lower-ip"], &["upper-ip"]].map(address);
            let [Some(mask), Some(lower), Some(upper)] = wanted else {
                return Err(Said::error(2, "The --netmask parameter must be specified"));
            };
            let enabled = option(&options, &["disable"]).is_none();
            let (name, uuid) = (name.to_owned(), uuid());
            state.networks.push(Network { name, uuid, mask, lower, upper, enabled });
            Said::nothing()
        }
        ("add", Some(_)) => Err(Said::error(1, "Failed to create the host-only network")),
        ("remove", Some(at)) => {
            state.networks.remove(at);
            Said::nothing()
        }
        ("modify", Some(at)) => {
            let one = &mut state.networks[at];
            one.mask = address(&["netmask"]).unwrap_or(one.mask);
            one.lower = address(&["lower-ip"]).unwrap_or(one.lower);
            one.upper = address(&["upper-ip"]).unwrap_or(one.upper);
            Said::nothing()
        }
        ("remove" | "modify", None) => {
            let context = "\"FindHostOnlyNetworkByName(Bstr(strNetworkName).raw(), \
                           hostOnlyNetwork.asOutParam())\" of file VBoxManageHostonly.cpp";
            let place = super::answer::VIRTUALBOX;
            let text = format!("Could not find host-only network '{name}'");
            Err(Said::refusal(&text, Kind::NotFound, place, context))
        }
        _ => Err(Said::error(2, format!("Unknown subcommand \"{verb}\"."))),
    }
}

pub(super) fn dhcp(words: &[String], state: &mut State) -> Answer {
    let flags = ["enable", "disable", "global", "zap-options", "remove-config"];
    let (plain, options) = sorted(words, &flags);
    let verb = plain.first().map_or("", |verb| verb.as_str());
    let by_interface = option(&options, &["ifname", "interface", "if"]);
    if let Some(name) = by_interface
        && !state.interfaces.iter().any(|one| one.name == name)
    {
        let text = format!("The host network interface named '{name}' could not be found");
        let context = "\"FindHostNetworkInterfaceByName(Bstr(pCtx->pszInterface).mutableRaw(), \
                       hif.asOutParam())\" at line 927 of file VBoxManageDHCPServer.cpp";
        let mut said = Said::refusal(&text, Kind::InvalidArg, HOST, context);
        said.err += &format!("VBoxManage: error: Could not find interface '{name}'\n");
        said.code = 2;
        return Err(said);
    }
    let network = match (by_interface, option(&options, &["netname", "network"])) {
        (Some(name), _) => format!("HostInterfaceNetworking-{name}"),
        (None, Some(name)) => name.to_owned(),
        (None, None) => {
            let text = "You need to specify either --network or --interface";
            return Err(Said::error(2, text));
        }
    };
    let at = state.dhcp.iter().position(|one| one.network == network);
    let address = |names: &[&str]| option(&options, names).and_then(|one| one.parse().ok());
    let server = address(&["ip", "server-ip"]);
    let mask = address(&["netmask"]);
    let (lower, upper) = (address(&["lowerip", "lower-ip"]), address(&["upperip", "upper-ip"]));
    match (verb, at) {
        ("add", Some(_)) => Err(Said::error(2, "DHCP server already exists")),
        ("add", None) => {
            let (Some(address), Some(mask), Some(lower), Some(upper)) =
                (server, mask, lower, upper)
            else {
                return Err(Said::error(2, "Missing required option: --ip"));
            };
            let enabled = option(&options, &["enable"]).is_some();
            let fixed = std::collections::BTreeMap::new();
            state.dhcp.push(Dhcp { network, address, mask, lower, upper, enabled, fixed });
            Said::nothing()
        }
        ("modify", Some(at)) => {
            if let Some(machine) = option(&options, &["vm"]) {
                let context = "\"FindMachine(Bstr(pszVM).raw(), machine.asOutParam())\" of file \
                               VBoxManageDHCPServer.cpp";
                state.find(machine, context)?;
                let card = option(&options, &["nic"]).unwrap_or("1");
                if option(&options, &["remove-config"]).is_some() {
                    state.dhcp[at].fixed.remove(&format!("{machine} {card}"));
                }
                if let Some(fixed) = address(&["fixed-address"]) {
                    state.dhcp[at].fixed.insert(format!("{machine} {card}"), fixed);
                }
            }
            let one = &mut state.dhcp[at];
            one.address = server.unwrap_or(one.address);
            one.mask = mask.unwrap_or(one.mask);
            one.lower = lower.unwrap_or(one.lower);
            one.upper = upper.unwrap_or(one.upper);
            one.enabled = option(&options, &["disable"]).is_none();
            Said::nothing()
        }
        ("remove", Some(at)) => {
            state.dhcp.remove(at);
            Said::nothing()
        }
        ("modify" | "remove", None) => {
            let text = format!("Failed to find DHCP server for network '{network}'");
            Err(Said::error(1, text))
        }
        _ => Err(Said::error(2, format!("Unknown subcommand \"{verb}\"."))),
    }
}

/// `list dhcpservers`.
pub(super) fn servers(state: &State) -> String {
    let mut all = Vec::new();
    for one in &state.dhcp {
        let yes = if one.enabled { "Yes" } else { "No" };
        let mut text = format!(
            "NetworkName:    {}\nDhcpd IP:       {}\nLowerIPAddress: {}\nUpperIPAddress: \
             {}\nNetworkMask:    {mask}\nEnabled:        {yes}\nGlobal Configuration:\n    \
             minLeaseTime:     default\n    defaultLeaseTime: default\n    maxLeaseTime:     \
             default\n    Forced options:   None\n    Suppressed opts.: None\n        1/legacy: \
             {mask}\nGroups:               None\n",
            one.network,
            one.address,
            one.lower,
            one.upper,
            mask = one.mask,
        );
        if one.fixed.is_empty() {
            text += "Individual Configs:   None\n";
        }
        for (whose, address) in &one.fixed {
            let (machine, card) = whose.split_once(' ').unwrap_or((whose, "1"));
            let uuid = state.machines.iter().find(|one| one.name == machine || one.uuid == machine);
            let uuid = uuid.map_or("", |one| &*one.uuid);
            let slot = card.parse::<u32>().unwrap_or(1).saturating_sub(1);
            let _ = write!(
                text,
                "Individual Config:    VM NIC: {uuid}/{slot}\n    Fixed Address:    {address}\n    \
                 minLeaseTime:     default\n    defaultLeaseTime: default\n    maxLeaseTime:     \
                 default\n    Forced options:   None\n    Suppressed opts.: None\n"
            );
        }
        all.push(text);
    }
    all.join("\n")
}
