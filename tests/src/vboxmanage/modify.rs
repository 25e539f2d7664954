//! `modifyvm`: a machine's settings. All of a call's are taken, or none.

use super::{
    Settings,
    answer::{Answer, Kind, Place, SESSION, Said, header},
    options::{Takes, known},
    state::{Card, Machine, State, mac},
    words::{Word, Words},
};

const ABOUT: &str = "Change settings for a virtual machine that is stopped";

/// The types of network cards, as they are shown.
const CARDS: [&str; 7] =
    ["Am79C970A", "Am79C973", "82540EM", "82543GC", "82545EM", "virtio", "usbnet"];

const ENGINES: [&str; 7] =
    ["default", "hm", "hwvirt", "nem", "native-api", "interpreter", "recompiler"];

pub(super) fn modify(words: &[String], state: &mut State, settings: &Settings) -> Answer {
    let Some((name, words)) = words.split_first() else {
        return Err(Said::usage(2, "Too few parameters", ABOUT, false));
    };
    let find = "\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" at line 893 of file \
         VBoxManageModifyVM.cpp";
    let at = state.find(name, find)?;
    let lock = "\"LockMachine(a->session, LockType_Write)\" at line 901 of file \
                VBoxManageModifyVM.cpp";
    state.machines[at].unlocked("for a session (or being unlocked)", lock)?;
    let mut said = Said::default();
    let mut words = Words::new(words);
    while let Some(word) = words.part() {
        let Word::Option(spelt) = word else {
            return Err(Said::usage(2, "Invalid parameter", ABOUT, false));
        };
        let Some((option, number, takes)) = known(&spelt, settings.major(), settings.mac) else {
            return Err(Said::usage(1, &format!("Unknown option: --{spelt}"), ABOUT, true));
        };
        let value = words.value().unwrap_or_default();
        match takes {
            Takes::Rule => {
                let deleted =
                    (value == "delete").then(|| words.value()).flatten().unwrap_or_default();
                rule(&mut state.machines[at].cards[number - 1], number, &value, &deleted)?;
            }
            Takes::Port => {
                let more = !matches!(&*value, "off" | "disconnected");
                let second = more.then(|| words.value()).flatten().unwrap_or_default();
                port(&mut state.machines[at], option, number, &value, &second);
            }
            Takes::Value if number > 0 && option != "boot#" && option != "uarttype#" => {
                let there = state.interfaces.iter().any(|interface| interface.name == value);
                let missing = option == "hostonlyadapter#" && !there;
                if missing {
                    said.err += &format!(
                        "VBoxManage: warning: Interface \"{value}\" doesn't seem to exist\n"
                    );
                }
                card(&mut state.machines[at].cards[number - 1], option, number, &value, settings)?;
            }
            Takes::Value => {
                if option == "audio" {
                    said.err += "Warning: --audio is deprecated and will be removed soon. Use \
                                 --audio-driver instead!\n";
                }
                set(&mut state.machines[at], option, number, &value)?;
            }
        }
    }
    Ok(said)
}

/// A setting of the machine as a whole.
fn set(machine: &mut Machine, option: &str, number: usize, value: &str) -> Result<(), Said> {
    let within = |text: &str, unit: &str, low: u64, high: u64, setter: &str, line: u32| {
        let Ok(number) = value.parse::<u64>() else {
            let err = header() + "VBoxManage: error: ";
            return Err(Said { out: String::new(), err, code: 1 });
        };
        if (low..=high).contains(&number) {
            return Ok(());
        }
        let text = format!("{text}: {number}{unit} (must be in range [{low}, {high}]{unit})");
        let context = format!(
            "\"COMSETTER({setter})(ValueUnion.u32)\" at line {line} of file VBoxManageModifyVM.cpp"
        );
        Err(Said::refusal(&text, Kind::InvalidArg, SESSION, &context))
    };
    match option {
        "memory" => within("Invalid RAM size", " MB", 4, 2_097_152, "MemorySize", 988)?,
        "cpus" => within("Invalid virtual CPU count", "", 1, 64, "CPUCount", 1083)?,
        "engine" if !ENGINES.contains(&value) => {
            return Err(Said::error(
                1,
                format!("Invalid --vm-execution-engine argument '{value}'"),
            ));
        }
        "name" => value.clone_into(&mut machine.name),
        _ => {}
    }
    let key = option.replace('#', &number.to_string());
    machine.settings.insert(key, value.to_owned());
    Ok(())
}

/// A serial port: `0x3F8 4`, `file PATH`, `off`.
fn port(machine: &mut Machine, option: &str, number: usize, value: &str, second: &str) {
    let value = match (value.strip_prefix("0x"), second) {
        (Some(base), second) => {
            let base = u32::from_str_radix(base, 16).unwrap_or_default();
            format!("{base:#06x},{second}")
        }
        (None, "") => value.to_owned(),
        (None, second) => format!("{value},{second}"),
    };
    machine.settings.insert(option.replace('#', &number.to_string()), value);
}

/// A setting of a network card.
fn card(
    card: &mut Card,
    option: &str,
    number: usize,
    value: &str,
    settings: &Settings,
) -> Result<(), Said> {
    let refused = |text: String| Err(Said::error(1, text));
    let on = value == "on";
    match option {
        "nic#" => {
            let known = ["none", "null", "nat", "bridged", "intnet", "hostonly", "natnetwork"];
            let mac_only = settings.mac && value == "hostonlynet";
            if !known.contains(&value) && !mac_only {
                return refused(format!("Invalid type '{value}' specfied for NIC {number}"));
            }
            value.clone_into(&mut card.attached);
        }
        "nictype#" => {
            let Some(kind) = CARDS.iter().find(|kind| kind.eq_ignore_ascii_case(value)) else {
                return refused(format!("Invalid NIC type '{value}' specified for NIC {number}"));
            };
            (*kind).clone_into(&mut card.kind);
        }
        "nicpromisc#" => {
            if !["deny", "allow-vms", "allow-all"].contains(&value) {
                return refused(format!("Unknown promiscuous mode policy '{value}'"));
            }
            value.clone_into(&mut card.promiscuous);
        }
        "macaddress#" => card.mac = if value == "auto" { mac() } else { value.to_uppercase() },
        "cableconnected#" => card.connected = on,
        "hostonlyadapter#" => value.clone_into(&mut card.interface),
        "hostonlynet#" => value.clone_into(&mut card.network),
        _ => {}
    }
    Ok(())
}

const NAT: Place = Place("NATEngineWrap", "INATEngine");

/// Adds a forwarded port, or deletes the one named `deleted`.
pub(super) fn rule(card: &mut Card, number: usize, rule: &str, deleted: &str) -> Result<(), Said> {
    let name_of = |rule: &str| rule.split(',').next().unwrap_or_default().to_owned();
    if rule == "delete" {
        let before = card.rules.len();
        card.rules.retain(|rule| name_of(rule) != deleted);
        if card.rules.len() == before {
            let context = "\"RemoveRedirect(Bstr(ValueUnion.psz).raw())\" at line 2264 of file \
                           VBoxManageModifyVM.cpp";
            return Err(Said::bare_refusal(Kind::InvalidArg, context));
        }
        return Ok(());
    }
    let parts: Vec<_> = rule.split(',').collect();
    if parts.len() != 6 {
        return Err(
            Said::usage(2, "Missing or invalid argument to '--natpf'", ABOUT, true).spaced()
        );
    }
    if !["tcp", "udp"].contains(&parts[1]) {
        let text = format!("Invalid proto '{rule}' specfied for NIC {number}");
        return Err(Said::error(1, text));
    }
    if card.rules.iter().any(|other| name_of(other) == parts[0]) {
        let context = "\"AddRedirect(Bstr(strName).raw(), proto, Bstr(strHostIp).raw(), \
                       RTStrToUInt16(strHostPort), Bstr(strGuestIp).raw(), \
                       RTStrToUInt16(strGuestPort))\" at line 2251 of file VBoxManageModifyVM.cpp";
        let text = "A NAT rule of this name already exists";
        return Err(Said::refusal(text, Kind::InvalidArg, NAT, context));
    }
    card.rules.push(rule.to_owned());
    Ok(())
}
