//! `storagectl` and `storageattach`.

use std::{collections::BTreeMap, path::Path};

use super::{
    answer::{Answer, Kind, MEDIUM, Place, SESSION, Said},
    state::{Attachment, Controller, State},
    words::{option, sorted},
};

pub(super) fn controller(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &["remove"]);
    let machine = plain.first().map_or("", |name| name.as_str());
    let at = state.find(machine, &find("VBoxManageStorageController.cpp"))?;
    let lock =
        "\"LockMachine(a->session, LockType_Write)\" of file VBoxManageStorageController.cpp";
    state.machines[at].unlocked("for a session (or being unlocked)", lock)?;
    let controllers = &mut state.machines[at].controllers;
    let name = option(&options, &["name"]).unwrap_or_default();
    let there = controllers.iter().position(|one| one.name == name);
    if option(&options, &["remove"]).is_some() {
        let at = there.ok_or_else(|| not_found(name))?;
        controllers.remove(at);
        return Said::nothing();
    }
    let Some(bus) = option(&options, &["add"]) else {
        there.ok_or_else(|| not_found(name))?;
        return Said::nothing();
    };
    let bus = bus.to_lowercase();
    let (kind, line) = match &*bus {
        "sata" => ("SATA", 1088),
        "ide" => ("IDE", 1082),
        "floppy" => ("Floppy", 1100),
        "scsi" => ("SCSI", 1094),
        _ => return Err(Said::error(2, "Invalid --add argument")),
    };
    if there.is_some() {
        let text = format!("Storage controller named '{name}' already exists");
        let context = format!(
            "\"AddStorageController(Bstr(pszCtl).raw(), StorageBus_{kind}, ctl.asOutParam())\" at \
             line {line} of file VBoxManageStorageController.cpp"
        );
        return Err(Said::refusal(&text, Kind::InUse, SESSION, &context));
    }
    controllers.push(Controller { name: name.to_owned(), bus, attached: BTreeMap::new() });
    Said::nothing()
}

fn not_found(name: &str) -> Said {
    Said::error(1, format!("Could not find a controller named '{name}'"))
}

fn find(file: &str) -> String {
    format!("\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" of file {file}")
}

pub(super) fn attach(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &["forceunmount"]);
    let machine = plain.first().map_or("", |name| name.as_str());
    let at = state.find(machine, &find("VBoxManageStorageController.cpp"))?;
    let name = option(&options, &["storagectl"]).unwrap_or_default();
    let position = state.machines[at].controllers.iter().position(|one| one.name == name);
    let position = position.ok_or_else(|| not_found(name))?;
    let number = |name| option(&options, &[name]).and_then(|text| text.parse::<u32>().ok());
    let (port, device) = (number("port").unwrap_or(0), number("device").unwrap_or(0));
    let medium = option(&options, &["medium"]).unwrap_or_default().to_owned();
    let kind = option(&options, &["type"]).unwrap_or("hdd").to_owned();
    let controller = &state.machines[at].controllers[position];
    let (ports, devices) = controller.size();
    let key = format!("{port:05}-{device}");
    if medium == "none" {
        state.machines[at].controllers[position].attached.remove(&key);
        return Said::nothing();
    }
    let path = match &*medium {
        "emptydrive" => None,
        medium => {
            let path = Path::new(medium);
            if !path.is_file() {
                return Err(missing(path, true));
            }
            state.open(path, &kind);
            Some(path.to_owned())
        }
    };
    if port >= ports || device >= devices {
        let (port_end, device_end) = (ports - 1, devices - 1);
        let text = format!(
            "The port and/or device parameter are out of range: port={port} (must be in range [0, \
             {port_end}]), device={device} (must be in range [0, {device_end}])"
        );
        let context = "\"AttachDevice(Bstr(pszCtl).raw(), port, device, DeviceType_HardDisk, \
                       pMedium2Mount)\" at line 782 of file VBoxManageStorageController.cpp";
        let place = Place("StorageControllerWrap", "IStorageController");
        return Err(Said::refusal(&text, Kind::InvalidArg, place, context));
    }
    let attachment = Attachment { port, device, kind, medium: path };
    state.machines[at].controllers[position].attached.insert(key, attachment);
    Said::nothing()
}

/// There is no such file; some commands say more about it.
pub(super) fn missing(path: &Path, more: bool) -> Said {
    let path = path.display();
    let text = format!("Could not find file for the medium '{path}' (VERR_FILE_NOT_FOUND)");
    let context = "\"OpenMedium(Bstr(pszFilenameOrUuid).raw(), enmDevType, enmAccessMode, \
                   fForceNewUuidOnOpen, pMedium.asOutParam())\" at line 197 of file \
                   VBoxManageDisk.cpp";
    let mut said = Said::refusal(&text, Kind::FileError, MEDIUM, context);
    if more {
        said.err += &format!("VBoxManage: error: Invalid UUID or filename \"{path}\"\n");
    }
    said
}
