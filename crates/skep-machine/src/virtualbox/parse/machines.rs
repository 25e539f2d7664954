//! What it prints about machines.

use super::{field, records, value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::virtualbox) enum Power {
    Off,
    /// Off, with its memory kept in a file.
    Saved,
    /// Its process ended without being asked.
    Aborted,
    Running,
    /// On, and held.
    Paused,
    /// On its way from one to another.
    Changing,
    /// On, and of no use: its processor has met what it cannot go on from.
    Stuck,
    Inaccessible,
}

impl Power {
    /// From the words of `showvminfo --machinereadable` and of `list vms --long`, which differ
    /// in spaces only.
    fn parse(word: &str) -> Self {
        let word: String =
            word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        match word.as_str() {
            "poweroff" | "poweredoff" | "teleported" => Power::Off,
            "saved" | "abortedsaved" => Power::Saved,
            "aborted" => Power::Aborted,
            "paused" | "teleportingpausedvm" => Power::Paused,
            "gurumeditation" | "stuck" => Power::Stuck,
            "starting" | "stopping" | "saving" | "restoring" | "settingup"
            | "restoringsnapshot" | "deletingsnapshot" => Power::Changing,
            "inaccessible" => Power::Inaccessible,
            // running, live snapshotting, teleporting, and whatever comes next
            _ => Power::Running,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::virtualbox) struct Vm {
    pub(in crate::virtualbox) uuid: String,
    /// Its name; several may have the same.
    pub(in crate::virtualbox) name: String,
    /// Its settings file; empty where it cannot be read.
    pub(in crate::virtualbox) settings: String,
    pub(in crate::virtualbox) power: Power,
    /// The host-only interface or network of its second card.
    pub(in crate::virtualbox) host_only: Option<String>,
    /// The first disk, where docker-machine puts it.
    pub(in crate::virtualbox) disk: Option<String>,
}

/// The UUID in what `createvm` prints.
pub(in crate::virtualbox) fn created(text: &str) -> Option<&str> {
    text.lines().find_map(|line| field(line, "UUID")).filter(|uuid| !uuid.is_empty())
}

/// Reads `showvminfo --machinereadable`: `key="value"`, `key=number`, `"key"="value"`.
pub(in crate::virtualbox) fn showvminfo(text: &str) -> Option<Vm> {
    let get = |wanted: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim_matches('"') == wanted).then(|| unquote(value.trim()))
        })
    };
    let (uuid, state) = (get("UUID")?, get("VMState")?);
    let host_only = get("hostonlyadapter2").or_else(|| get("hostonly-network2"));
    Some(Vm {
        uuid,
        name: get("name").unwrap_or_default(),
        settings: get("CfgFile").unwrap_or_default(),
        power: Power::parse(&state),
        host_only,
        disk: get("SATA-1-0").filter(|disk| disk != "none"),
    })
}

/// A value without its quotes; on Windows backslashes in paths are doubled.
fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("\\\\", "\\"))
}

/// Reads `list vms --long`: every machine, in one answer.
pub(in crate::virtualbox) fn vms_long(text: &str) -> Vec<Vm> {
    // `Name:` also begins the lines of shared folders, which have no UUID after them.
    let mut machines = Vec::new();
    for record in records(text, "Name") {
        let Some(uuid) = value(&record, "UUID") else { continue };
        let settings = value(&record, "Config file").unwrap_or_default();
        // `powered off (since 2026-11-22T11:21:20.515000000)`
        let state = value(&record, "State")
            .map(|text| text.split_once(" (").map_or(text, |(state, _)| state));
        let name = value(&record, "Name").unwrap_or_default();
        let card = record.iter().find_map(|line| field(line, "NIC 2"));
        machines.push(Vm {
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            settings: settings.to_owned(),
            power: state.map_or(Power::Inaccessible, Power::parse),
            host_only: card.and_then(attachment).map(str::to_owned),
            disk: None,
        });
    }
    machines
}

/// `MAC: 080027…, Attachment: Host-only Interface 'vboxnet0', Cable connected: on, …`, or on macOS
/// `Host Only Network 'skep'`.
fn attachment(card: &str) -> Option<&str> {
    let after = card.split_once("Attachment: Host")?.1.split_once(", Cable").map(|(it, _)| it)?;
    after.split_once('\'')?.1.split_once('\'').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{super::stdout, *};

    #[test]
    fn a_machine_is_read_from_either_answer() {
        let one =
            showvminfo(stdout(include_str!("../fixtures/038-showvminfo-machinereadable.txt")));
        let all = vms_long(stdout(include_str!("../fixtures/042-list-vms-long.txt")));
        let read = one.unwrap();
        assert_eq!(read.disk.as_deref(), Some("/srv/store/machines/default/disk.vmdk"));
        assert_eq!(all, [Vm { disk: None, ..read.clone() }]);
        insta::assert_debug_snapshot!(read, @r#"
        Vm {
            uuid: "85ae8eb6-b972-4f12-b64a-a33b0a22af3f",
            name: "default",
            settings: "/srv/store/machines/default/default/default.vbox",
            power: Off,
            host_only: Some(
                "vboxnet0",
            ),
            disk: Some(
                "/srv/store/machines/default/disk.vmdk",
            ),
        }
        "#);
        let running = stdout(include_str!("../fixtures/162-showvminfo-running.txt"));
        assert_eq!(showvminfo(running).unwrap().power, Power::Running);
    }

    #[test]
    fn each_state_has_its_meaning_in_both_forms() {
        for (readable, long, power) in [
            ("poweroff", "powered off", Power::Off),
            ("saved", "saved", Power::Saved),
            ("aborted-saved", "aborted-saved", Power::Saved),
            ("aborted", "aborted", Power::Aborted),
            ("running", "running", Power::Running),
            ("paused", "paused", Power::Paused),
            ("gurumeditation", "guru meditation", Power::Stuck),
            ("stopping", "stopping", Power::Changing),
            ("livesnapshotting", "live snapshotting", Power::Running),
        ] {
            let info = format!("UUID=\"1\"\nVMState=\"{readable}\"\n");
            assert_eq!(showvminfo(&info).unwrap().power, power, "{readable}");
            let long = format!("Name:  x\nUUID:  1\nState:  {long} (since 2026)\n");
            assert_eq!(vms_long(&long)[0].power, power, "{long}");
        }
    }

    #[test]
    fn windows_paths_and_cards_are_read() {
        let info = "UUID=\"1\"\r\nCfgFile=\"C:\\\\Users\\\\me\\\\a.vbox\"\r\nVMState=\"saved\"\r\n\
                    hostonlyadapter2=\"VirtualBox Host-Only Ethernet Adapter #2\"\r\n";
        let vm = showvminfo(info).unwrap();
        assert_eq!(vm.settings, r"C:\Users\me\a.vbox");
        assert_eq!(vm.host_only.unwrap(), "VirtualBox Host-Only Ethernet Adapter #2");
        let card = "MAC: 0800271A, Attachment: Host-only Interface 'vboxnet0', Cable connected: on";
        assert_eq!(attachment(card), Some("vboxnet0"));
        assert_eq!(attachment("MAC: 08, Attachment: NAT, Cable connected: on"), None);
    }

    #[test]
    fn one_that_cannot_be_read_is_there_nevertheless() {
        let text = "Name:            <inaccessible>!\nUUID:            1-2\n\
                    Config file:     /gone/x.vbox\nAccess error details:\n…\n";
        let all = vms_long(text);
        assert_eq!((all.len(), all[0].power), (1, Power::Inaccessible));
        assert_eq!(all[0].settings, "/gone/x.vbox");
    }

    #[test]
    fn a_new_machines_uuid_is_found() {
        let text = stdout(include_str!("../fixtures/011-createvm.txt"));
        assert_eq!(created(text), Some("85ae8eb6-b972-4f12-b64a-a33b0a22af3f"));
    }
}
