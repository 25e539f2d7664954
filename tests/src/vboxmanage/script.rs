//! A fake VirtualBox for one test.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{Guests, STATE, Settings, state::State};
use crate::{Run, host, run};

/// A directory with a program `VBoxManage`, for the PATH of the tested program.
///
/// Dropping it removes the containers that back its machines.
#[derive(Debug)]
pub struct Script {
    directory: TempDir,
    label: String,
}

impl Script {
    /// A new fake VirtualBox that behaves as `settings` say.
    ///
    /// # Panics
    /// If the system refuses a temporary directory, or the scripted program was not built.
    pub fn new(settings: &Settings) -> Self {
        let made = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp");
        let directory = made.expect("the system gives a temporary directory");
        let label = format!("skep=vbox-{}", super::state::uuid());
        let script = Self { directory, label };
        script.set(settings);
        let program = program();
        let text = format!(
            "#!/bin/sh\n{STATE}='{}' exec '{}' \"$@\"\n",
            script.directory().display(),
            program.display()
        );
        let wrapper = script.program();
        fs_err::create_dir_all(script.path()).expect("a directory can be made");
        fs_err::write(&wrapper, text).expect("a program can be written");
        let executable = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(&wrapper, executable).expect("it can be made executable");
        script
    }

    /// One whose machines are backed by containers of the guest system `image`.
    ///
    /// # Panics
    /// As [`Script::new`].
    pub fn with_guests(settings: &Settings, image: &str) -> Self {
        let script = Self::new(settings);
        script.set(&script.guests(settings, image));
        script
    }

    /// Settings in which containers of the guest system `image` back this script's machines.
    pub fn guests(&self, settings: &Settings, image: &str) -> Settings {
        let (image, label) = (image.to_owned(), self.label.clone());
        Settings { guests: Guests::Containers { image, label }, ..settings.clone() }
    }

    /// Changes the settings; the label of the backing containers stays the script's.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn set(&self, settings: &Settings) {
        let text = serde_json::to_vec_pretty(settings).expect("settings are JSON");
        let partial = self.directory().join("settings.json.new");
        fs_err::write(&partial, text).expect("settings can be written");
        fs_err::rename(partial, self.directory().join("settings.json")).expect("and renamed");
    }

    /// The directory of the fake's files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory with the program, for the PATH.
    pub fn path(&self) -> PathBuf {
        self.directory().join("bin")
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.path().join("VBoxManage")
    }

    /// The PATH with the program before everything else.
    pub fn search_path(&self) -> String {
        format!("{}:{}", self.path().display(), run::search_path())
    }

    /// A call of it, as a user would make.
    pub fn call<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Run {
        Run::program(self.program()).args(words)
    }

    /// The fake's state.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn state(&self) -> State {
        super::Directory(self.directory().to_owned()).read().expect("the state can be read")
    }

    /// Changes the fake's state, as another client would.
    ///
    /// # Panics
    /// If it cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let directory = super::Directory(self.directory().to_owned());
        let _lock = directory.lock("lock").expect("the state can be locked");
        let mut state = directory.read().expect("the state can be read");
        change(&mut state);
        directory.write(&state).expect("the state can be written");
    }

    /// All calls until now, one line each, as `VBoxManage list vms`.
    pub fn calls(&self) -> Vec<String> {
        let log = fs_err::read_to_string(self.directory().join("argv.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Everything that backs its machines and interfaces.
    pub fn traces(&self) -> Vec<String> {
        host::labelled(&self.label)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let settings = fs_err::read_to_string(self.directory().join("settings.json"));
        if settings.is_ok_and(|text| text.contains(&self.label)) {
            host::remove_labelled(&self.label);
        }
    }
}

/// The scripted program, in the directory above the test's own.
///
/// # Panics
/// If it was not built.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let above = own.ancestors().nth(2).expect("a test is in target/PROFILE/deps");
    let program = above.join("vboxmanage");
    assert!(program.is_file(), "{} is not there: build the tests", program.display());
    program
}
