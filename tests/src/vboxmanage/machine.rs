//! `createvm`, `unregistervm`, `startvm`, `controlvm`, `discardstate`.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    Settings,
    answer::{Answer, CONSOLE, Kind, MACHINE, Said},
    modify,
    state::{Card, Machine, State, mac, now, uuid},
    words::{option, sorted},
};

pub(super) fn create(words: &[String], state: &mut State) -> Answer {
    let (_, options) = sorted(words, &["register", "default"]);
    let Some(name) = option(&options, &["name"]) else {
        return Err(Said::error(2, "Parameter --name is required"));
    };
    let folder =
        option(&options, &["basefolder"]).map_or_else(|| "/nonexistent".into(), PathBuf::from);
    let folder = folder.join(name);
    let file = folder.join(format!("{name}.vbox"));
    if file.exists() {
        let text = format!("Machine settings file '{}' already exists", file.display());
        let context = "\"CreateMachine(bstrSettingsFile.raw(), bstrName.raw(), platformArch, \
                       ComSafeArrayAsInParam(groups), bstrOsTypeId.raw(), createFlags.raw(), \
                       bstrCipher.raw(), bstrPasswordId.raw(), Bstr(strPassword).raw(), \
                       machine.asOutParam())\" at line 429 of file VBoxManageMisc.cpp";
        return Err(Said::refusal(&text, Kind::FileError, MACHINE, context));
    }
    let written =
        fs_err::create_dir_all(&folder).and_then(|()| fs_err::write(&file, "<VirtualBox/>\n"));
    written.map_err(|error| Said::error(1, error.to_string()))?;
    let uuid = uuid();
    let mut settings = BTreeMap::new();
    if let Some(system) = option(&options, &["ostype", "os-type"]) {
        settings.insert("ostype".to_owned(), system.to_owned());
    }
    let registered = option(&options, &["register"]).is_some();
    if registered {
        state.machines.push(Machine {
            name: name.to_owned(),
            uuid: uuid.clone(),
            folder,
            state: "poweroff".into(),
            since: now(),
            settings,
            cards: (0..8).map(new_card).collect(),
            controllers: Vec::new(),
            shares: Vec::new(),
            properties: BTreeMap::new(),
            extradata: BTreeMap::new(),
            pressed: false,
            session: "headless".into(),
            container: None,
        });
    }
    let done = if registered { "created and registered" } else { "created" };
    Said::prints(format!(
        "Virtual machine '{name}' is {done}.\nUUID: {uuid}\nSettings file: '{}'\n",
        file.display()
    ))
}

fn new_card(number: usize) -> Card {
    Card {
        attached: if number == 0 { "nat" } else { "none" }.into(),
        kind: "82540EM".into(),
        mac: mac(),
        interface: String::new(),
        network: String::new(),
        promiscuous: "deny".into(),
        connected: true,
        rules: Vec::new(),
    }
}

/// Takes the machine out of the list; with `--delete`, its files and disks too.
pub(super) fn unregister(words: &[String], state: &mut State) -> Answer {
    let (plain, options) = sorted(words, &["delete", "delete-all"]);
    let name = plain.first().map_or("", |name| name.as_str());
    let find = "\"FindMachine(Bstr(VMName).raw(), machine.asOutParam())\" at line 228 of file \
                VBoxManageMisc.cpp";
    let at = state.find(name, find)?;
    if state.machines[at].is_locked() {
        let text = format!(
            "Cannot unregister the machine '{}' while it is locked",
            state.machines[at].name
        );
        let context = "\"Unregister(fDeleteAll ? CleanupMode_DetachAllReturnHardDisksAndVMRemovable \
                       :CleanupMode_DetachAllReturnHardDisksOnly, ComSafeArrayAsOutParam(aMedia))\" \
                       at line 232 of file VBoxManageMisc.cpp";
        return Err(Said::refusal(&text, Kind::BadState, MACHINE, context));
    }
    let machine = state.machines.remove(at);
    // Media are registered with the machine that they are attached to.
    let of_others = |path: &PathBuf| state.machines.iter().any(|other| other.has(path));
    let own = |path: &PathBuf| machine.has(path) && !of_others(path);
    state.media.retain(|medium| !own(&medium.path));
    if options.is_empty() {
        return Said::nothing();
    }
    for disk in machine.attachments().filter(|one| one.kind == "hdd") {
        let Some(path) = &disk.medium else { continue };
        let _ = fs_err::remove_file(path);
    }
    let _ = fs_err::remove_file(machine.folder.join(format!("{}.vbox", machine.name)));
    let _ = fs_err::remove_dir_all(machine.folder.join("Logs"));
    // Other files there are not VirtualBox's.
    let _ = fs_err::remove_dir(&machine.folder);
    Said::progress("")
}

/// The machine that is to be started, `starting`; or why it cannot be.
pub(super) fn start(words: &[String], state: &mut State, settings: &Settings) -> Answer {
    let (plain, options) = sorted(words, &[]);
    let name = plain.first().map_or("", |name| name.as_str());
    let find = "\"FindMachine(Bstr(pszVM).raw(), machine.asOutParam())\" at line 907 of file \
                VBoxManageMisc.cpp";
    let at = state.find(name, find)?;
    let launch = "\"LaunchVMProcess(a->session, sessionType.raw(), ComSafeArrayAsInParam(aBstrEnv), \
                  progress.asOutParam())\" at line 920 of file VBoxManageMisc.cpp";
    state.machines[at].unlocked("by a session (or being locked or unlocked)", launch)?;
    let out = format!("Waiting for VM \"{name}\" to power on...\n");
    let machine = &state.machines[at];
    let fails = |mut said: Said| {
        said.out.clone_from(&out);
        Err(said)
    };
    if !settings.modules {
        let text = format!(
            "The virtual machine '{name}' has terminated unexpectedly during startup with exit \
             code 1 (0x1)"
        );
        return fails(Said::failure(&text, MACHINE));
    }
    let mut cards = machine.cards.iter().filter(|card| card.attached == "hostonly");
    let there = |name: &str| state.interfaces.iter().any(|one| one.name == name);
    if let Some(card) = cards.find(|card| !there(&card.interface)) {
        let text = format!(
            "Nonexistent host networking interface, name '{}' (VERR_INTERNAL_ERROR)",
            card.interface
        );
        return fails(Said::failure(&text, CONSOLE));
    }
    let session = option(&options, &["type"]).unwrap_or("gui").to_owned();
    let machine = &mut state.machines[at];
    machine.session = session;
    machine.pressed = false;
    machine.set_state("starting");
    Said::prints(out)
}

/// The effect of `controlvm` on the guest, besides the change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Nothing,
    ButtonPressed,
    PowerCut,
    Reset,
    Paused,
    Resumed,
}

pub(super) fn control(
    words: &[String],
    state: &mut State,
    settings: &Settings,
) -> Result<(Said, Done), Said> {
    let word = |at: usize| words.get(at).map_or("", |word| word.as_str());
    let find = "\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" at line 363 of file \
                VBoxManageControlVM.cpp";
    let at = state.find(word(0), find)?;
    let machine = &mut state.machines[at];
    if !machine.is_locked() {
        let text = format!("Machine '{}' is not currently running.", word(0));
        return Err(Said::error(1, text));
    }
    let quiet = Said::default();
    let progress = || Said::progress("").unwrap_or_default();
    let verb = word(1);
    let done = match verb {
        "poweroff" => {
            machine.set_state("poweroff");
            (progress(), Done::PowerCut)
        }
        "acpipowerbutton" => {
            machine.pressed = settings.obeys_the_button;
            (quiet, Done::ButtonPressed)
        }
        "reset" => (quiet, Done::Reset),
        "pause" => {
            machine.set_state("paused");
            (quiet, Done::Paused)
        }
        "resume" if machine.state == "paused" => {
            machine.set_state("running");
            (quiet, Done::Resumed)
        }
        "resume" => {
            let text = "Cannot resume the machine as it is not paused (machine state: Running)";
            let context = "\"Resume()\" at line 393 of file VBoxManageControlVM.cpp";
            return Err(Said::refusal(text, Kind::BadVmState, CONSOLE, context));
        }
        "savestate" => {
            machine.set_state("saved");
            (progress(), Done::Paused)
        }
        _ => {
            let number = verb.strip_prefix("natpf").or(verb.strip_prefix("nat-pf"));
            let number = number.and_then(|number| number.parse::<usize>().ok());
            let Some(number @ 1..=8) = number else {
                return Err(Said::error(2, format!("Invalid parameter '{verb}'")));
            };
            modify::rule(&mut machine.cards[number - 1], number, word(2), word(3))?;
            (quiet, Done::Nothing)
        }
    };
    Ok(done)
}

pub(super) fn discard(words: &[String], state: &mut State) -> Answer {
    let context = "\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" of file \
                   VBoxManageMisc.cpp";
    let at = state.find(words.first().map_or("", |word| word.as_str()), context)?;
    if state.machines[at].state == "saved" {
        state.machines[at].set_state("poweroff");
    }
    Said::nothing()
}
