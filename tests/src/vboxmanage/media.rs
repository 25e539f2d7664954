//! Disks: `convertfromraw`, `createmedium`, `clonemedium`, `closemedium`, `showmediuminfo`.
//!
//! A disk's file holds the raw bytes it was made of, whatever its format's name, so that what is
//! on it can be read; a blank one is empty.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    answer::{Answer, Said},
    state::{Medium, State, format_of, uuid},
    storage::missing,
    words::{option, sorted},
};

/// `convertfromraw FILE|stdin FILE [BYTES] [--format FORMAT]`.
pub(super) fn convert(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &[]);
    let [source, target, ..] = &plain[..] else {
        return Err(Said::error(2, "Incorrect number of parameters"));
    };
    let target = PathBuf::from(target);
    let format = option(&options, &["format"]).unwrap_or("VDI").to_owned();
    let size = match (&**source, plain.get(2)) {
        ("stdin", Some(size)) => size.parse().map_err(|_| Said::error(2, "Invalid size"))?,
        ("stdin", None) => return Err(Said::error(2, "Incorrect number of parameters")),
        (file, _) => {
            let about = fs_err::metadata(file).map_err(|_| {
                let text = format!("Cannot open file \"{file}\": VERR_FILE_NOT_FOUND");
                Said::error(1, text)
            })?;
            about.len()
        }
    };
    let err = format!(
        "Converting from raw image file=\"{source}\" to file=\"{}\"...\nCreating dynamic image \
         with size {size} bytes ({}MB)...\n",
        target.display(),
        size.div_ceil(1 << 20),
    );
    let mut said = Said { err, ..Said::default() };
    if target.exists() {
        said.err += &format!(
            "VBoxManage: error: {format}: could not create new file '{path}'\nVBoxManage: error: \
             Error code VERR_ALREADY_EXISTS at \
             /build/reproducible-path/virtualbox-7.2.22-dfsg/src/VBox/Storage/{format}.cpp(5581) \
             in function int vmdkCreateRegularImage(PVMDKIMAGE, uint64_t, unsigned int, \
             PVDINTERFACEPROGRESS, unsigned int, unsigned int)\nVBoxManage: error: Cannot create \
             the disk image \"{path}\": VERR_ALREADY_EXISTS\n",
            path = target.display(),
        );
        said.code = 1;
        return Err(said);
    }
    let written = match &**source {
        "stdin" => write_from(&mut io::stdin().lock().take(size), &target),
        file => fs_err::copy(file, &target).map(drop),
    };
    written.map_err(|error| Said::error(1, error.to_string()))?;
    state.media.retain(|medium| medium.path != target);
    state.media.push(Medium {
        uuid: uuid(),
        path: target,
        kind: "hdd".into(),
        format,
        capacity: size,
        registered: false,
    });
    Ok(said)
}

fn write_from(source: &mut impl Read, target: &Path) -> io::Result<()> {
    io::copy(source, &mut fs_err::File::create(target)?).map(drop)
}

/// `createmedium disk --filename FILE --size MB`, and `createhd` without the `disk`.
pub(super) fn create(words: &[String], state: &mut State) -> Answer {
    let (_, options) = sorted(words, &[]);
    let path = PathBuf::from(option(&options, &["filename"]).unwrap_or_default());
    let megabytes = option(&options, &["size"]).and_then(|size| size.parse::<u64>().ok());
    let bytes = option(&options, &["sizebyte"]).and_then(|size| size.parse::<u64>().ok());
    let Some(capacity) = bytes.or(megabytes.map(|size| size << 20)) else {
        return Err(Said::error(2, "Parameters --size is required"));
    };
    let format = option(&options, &["format"]).unwrap_or("VDI").to_owned();
    if path.exists() {
        let path = path.display();
        let err = format!(
            "0%...VBOX_E_FILE_ERROR\nVBoxManage: error: Failed to create medium\nVBoxManage: \
             error: Could not create the medium storage unit '{path}'.\nVBoxManage: error: \
             {format}: cannot create image '{path}' (VERR_ALREADY_EXISTS)\nVBoxManage: error: \
             Details: code VBOX_E_FILE_ERROR (0x80bb0004), component MediumWrap, interface \
             IMedium\nVBoxManage: error: Context: \"RTEXITCODE handleCreateMedium(HandlerArg*)\" \
             at line 630 of file VBoxManageDisk.cpp\n"
        );
        return Err(Said { out: String::new(), err, code: 1 });
    }
    if let Err(error) = fs_err::write(&path, b"") {
        return Err(Said::error(1, error.to_string()));
    }
    Said::progress(format!("Medium created. UUID: {}\n", add(state, path, format, capacity)))
}

fn add(state: &mut State, path: PathBuf, format: String, capacity: u64) -> String {
    let uuid = uuid();
    state.media.retain(|medium| medium.path != path);
    let (kind, uuid_too) = ("hdd".to_owned(), uuid.clone());
    state.media.push(Medium { uuid: uuid_too, path, kind, format, capacity, registered: true });
    uuid
}

/// `clonemedium disk FILE FILE`, and `clonehd` without the `disk`.
pub(super) fn clone(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &["existing"]);
    let files: Vec<_> = plain.iter().filter(|word| *word != "disk").collect();
    let [source, target] = files[..] else {
        return Err(Said::error(2, "Mandatory input or output parameters missing"));
    };
    let (source, target) = (PathBuf::from(source), PathBuf::from(target));
    if !source.is_file() {
        return Err(missing(&source, false));
    }
    let capacity = state.open(&source, "hdd").capacity;
    let format = option(&options, &["format"]).unwrap_or(format_of(&source)).to_owned();
    if let Err(error) = fs_err::copy(&source, &target) {
        return Err(Said::error(1, error.to_string()));
    }
    let uuid = add(state, target, format.clone(), capacity);
    Said::progress(format!("Clone medium created in format '{format}'. UUID: {uuid}\n"))
}

/// `closemedium disk FILE [--delete]`.
pub(super) fn close(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &["delete"]);
    let named = plain.last().cloned().unwrap_or_default();
    let known = state.media.iter().find(|medium| medium.uuid == named);
    let path = known.map_or_else(|| PathBuf::from(&named), |medium| medium.path.clone());
    if !path.is_file() && known.is_none() {
        return Err(missing(&path, false));
    }
    if let Some(machine) = state.machines.iter().find(|machine| machine.has(&path)) {
        let text = format!(
            "Cannot close medium '{}' because it is still attached to the following 1 virtual \
             machine(s): {}",
            path.display(),
            machine.uuid
        );
        let context = "\"Close()\" of file VBoxManageDisk.cpp";
        let place = super::answer::MEDIUM;
        return Err(Said::refusal(&text, super::answer::Kind::InUse, place, context));
    }
    state.media.retain(|medium| medium.path != path);
    if option(&options, &["delete"]).is_some() {
        let _ = fs_err::remove_file(&path);
        return Said::progress("");
    }
    Said::nothing()
}

/// `showmediuminfo disk FILE`.
pub(super) fn show(words: &[String], state: &mut State) -> Answer {
    let (plain, _) = sorted(words, &[]);
    let path = PathBuf::from(plain.last().cloned().unwrap_or_default());
    if !path.is_file() {
        return Err(missing(&path, false));
    }
    let medium = state.open(&path, "hdd");
    Said::prints(format!(
        "UUID:           {}\nParent UUID:    base\nState:          created\nType:           normal \
         (base)\nLocation:       {}\nStorage format: {}\nFormat variant: dynamic \
         default\nCapacity:       {} MBytes\nSize on disk:   2 MBytes\nEncryption:     \
         disabled\nProperty:       AllocationBlockSize=1048576\n",
        medium.uuid,
        path.display(),
        medium.format,
        medium.capacity >> 20,
    ))
}
