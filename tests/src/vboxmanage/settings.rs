//! How a fake VirtualBox behaves: `settings.json` in its directory.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// The behaviour of a fake VirtualBox. A test writes it through [`super::Script`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What `--version` prints.
    pub version: String,
    /// Whether the kernel modules are loaded. Without them no machine starts and no host-only
    /// interface is made.
    pub modules: bool,
    /// Whether each call begins with the warning of Debian's wrapper, on standard output.
    pub warning: bool,
    /// Whether this is a Mac, which has host-only networks in place of host-only interfaces.
    pub mac: bool,
    /// Whether the processor can run machines.
    pub vtx: bool,
    /// The file with the ranges allowed for host-only interfaces; a missing file restricts
    /// nothing.
    pub networks_conf: PathBuf,
    /// How long calls take, in milliseconds, by `VERB SUBCOMMAND`, `VERB`, or `*` for all others.
    pub delays: BTreeMap<String, u64>,
    /// What goes wrong.
    pub failures: Vec<Failure>,
    /// Whether a machine reacts to its power button.
    pub obeys_the_button: bool,
    /// What backs the machines.
    pub guests: Guests,
}

/// What backs a running machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guests {
    /// Nothing.
    #[default]
    Nothing,
    /// A container of skep's guest system on the host's engine, with the seed of the machine's
    /// configuration disk.
    Containers {
        /// The guest system's image in the engine.
        image: String,
        /// A label `NAME=VALUE` for all that is made there.
        label: String,
    },
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which calls: those whose command line begins with these words.
    pub call: String,
    /// How often; `None`: each time.
    pub times: Option<u32>,
    /// What happens.
    pub how: Fault,
}

/// What happens in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Nothing, for ever.
    Hang,
    /// `The object is not ready`, status 1.
    NotReady,
    /// These lines on standard error, status 1, and nothing is done.
    Says(String),
    /// These lines on standard error, status 1, and it is done nevertheless.
    DoesAndSays(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: "7.2.22_Debianr175245".into(),
            modules: true,
            warning: false,
            mac: false,
            vtx: true,
            networks_conf: PathBuf::from("/nonexistent/networks.conf"),
            delays: BTreeMap::new(),
            failures: Vec::new(),
            obeys_the_button: true,
            guests: Guests::Nothing,
        }
    }
}

impl Settings {
    /// The release's first number: `7`.
    pub(super) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|word| word.parse().ok()).unwrap_or(7)
    }

    /// How long the call takes, in milliseconds.
    pub(super) fn delay(&self, words: &[String]) -> u64 {
        let verb = words.first().cloned().unwrap_or_default();
        let both = words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
        let keys = [both.as_str(), verb.as_str(), "*"];
        keys.iter().find_map(|key| self.delays.get(*key)).copied().unwrap_or(0)
    }
}
