//! `guestproperty`, `setextradata`, `getextradata`, `sharedfolder`.

use std::path::Path;

use super::{
    answer::{Answer, Kind, Place, SESSION, Said},
    state::{State, now},
    words::{option, sorted},
};

pub(super) fn guest(words: &[String], state: &mut State) -> Answer {
    let word = |at: usize| words.get(at).map_or("", |word| word.as_str());
    let line = match word(0) {
        "get" => 77,
        "set" => 126,
        "enumerate" => 217,
        _ => 165,
    };
    let find = format!(
        "\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" at line {line} of file \
         VBoxManageGuestProp.cpp"
    );
    let at = state.find(word(1), &find)?;
    let properties = &mut state.machines[at].properties;
    match word(0) {
        "get" => Said::prints(match properties.get(word(2)) {
            Some((value, _)) => format!("Value: {value}\n"),
            None => "No value set!\n".into(),
        }),
        "set" => {
            properties.insert(word(2).to_owned(), (word(3).to_owned(), now() + "Z"));
            Said::nothing()
        }
        "unset" | "delete" => {
            properties.remove(word(2));
            Said::nothing()
        }
        "enumerate" => {
            let width = properties.keys().map(String::len).max().unwrap_or(0);
            let line = |(name, (value, time)): (&String, &(String, String))| {
                format!("{name:width$} = '{value}' @ {time}\n")
            };
            Said::prints(properties.iter().map(line).collect::<String>())
        }
        other => Err(Said::error(2, format!("Unknown subcommand \"{other}\"."))),
    }
}

pub(super) fn extradata(set: bool, words: &[String], state: &mut State) -> Answer {
    let word = |at: usize| words.get(at).map_or("", |word| word.as_str());
    let data = if word(0) == "global" {
        &mut state.extradata
    } else {
        let context = "\"FindMachine(Bstr(a->argv[0]).raw(), machine.asOutParam())\" of file \
                       VBoxManageMisc.cpp";
        let at = state.find(word(0), context)?;
        &mut state.machines[at].extradata
    };
    match (set, words.get(2)) {
        (true, Some(value)) => data.insert(word(1).to_owned(), value.clone()),
        (true, None) => data.remove(word(1)),
        (false, _) => {
            return Said::prints(match data.get(word(1)) {
                Some(value) => format!("Value: {value}\n"),
                None => "No value set!\n".into(),
            });
        }
    };
    Said::nothing()
}

pub(super) fn share(words: &[String], state: &mut State) -> Answer {
    let flags = ["automount", "transient", "readonly"];
    let (plain, options) = sorted(words, &flags);
    let word = |at: usize| plain.get(at).map_or("", |word: &String| word.as_str());
    let context = "\"FindMachine(Bstr(a->argv[1]).raw(), machine.asOutParam())\" of file \
                   VBoxManageMisc.cpp";
    let at = state.find(word(1), context)?;
    let shares = &mut state.machines[at].shares;
    let name = option(&options, &["name"]).unwrap_or_default();
    let there = shares.iter().position(|(other, _)| other == name);
    match (word(0), there) {
        ("add", there) => {
            let path = option(&options, &["hostpath"]).unwrap_or_default();
            let context = "\"CreateSharedFolder(Bstr(pszName).raw(), Bstr(szAbsHostPath).raw(), \
                           fWritable, fAutoMount, Bstr(pszAutoMountPoint).raw())\" at line 1732 of \
                           file VBoxManageMisc.cpp";
            if there.is_some() {
                let text = format!("Shared folder named '{name}' already exists");
                return Err(Said::refusal(&text, Kind::InUse, SESSION, context));
            }
            if !Path::new(path).exists() {
                let text = format!(
                    "RTPathQueryInfo failed on shared folder path '{path}': VERR_FILE_NOT_FOUND"
                );
                let place = Place("SharedFolderWrap", "ISharedFolder");
                return Err(Said::refusal(&text, Kind::InvalidArg, place, context));
            }
            shares.push((name.to_owned(), path.to_owned()));
            Said::nothing()
        }
        ("remove", Some(at)) => {
            shares.remove(at);
            Said::nothing()
        }
        ("remove", None) => {
            let text = format!("Could not find a shared folder named '{name}'");
            let context = "\"RemoveSharedFolder(Bstr(pszName).raw())\" at line 1836 of file \
                           VBoxManageMisc.cpp";
            Err(Said::refusal(&text, Kind::NotFound, SESSION, context))
        }
        (other, _) => Err(Said::error(2, format!("Unknown subcommand \"{other}\"."))),
    }
}
