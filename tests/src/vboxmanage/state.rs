//! The fake VirtualBox's state: `state.json` in its directory, changed by one call at a time.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Kind, Said, VIRTUALBOX};

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// In the order they were registered.
    pub machines: Vec<Machine>,
    /// Disks and discs, registered or only written.
    pub media: Vec<Medium>,
    pub interfaces: Vec<Interface>,
    /// A Mac's host-only networks.
    pub networks: Vec<Network>,
    pub dhcp: Vec<Dhcp>,
    pub extradata: BTreeMap<String, String>,
    /// How often each of the settings' failures has happened.
    pub failed: BTreeMap<String, u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Its name, which another one may have too.
    pub name: String,
    pub uuid: String,
    /// The directory of its settings file.
    pub folder: PathBuf,
    /// As `VMState` says: `poweroff`, `starting`, `running`, `paused`, `saved`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// What `modifyvm` set, by the names it is shown under.
    pub settings: BTreeMap<String, String>,
    pub cards: Vec<Card>,
    pub controllers: Vec<Controller>,
    /// Its shared folders: names and paths.
    pub shares: Vec<(String, String)>,
    /// Guest properties: values and times.
    pub properties: BTreeMap<String, (String, String)>,
    pub extradata: BTreeMap<String, String>,
    /// Whether its power button was pressed and it will do as it says.
    pub pressed: bool,
    /// How it was started: `headless`, `gui` ...
    pub session: String,
    /// The container behind it, once there has been one.
    pub container: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    /// `none`, `nat`, `hostonly`, `hostonlynet` ...
    pub attached: String,
    pub kind: String,
    /// Twelve hex digits.
    pub mac: String,
    pub interface: String,
    /// The host-only network of a Mac.
    pub network: String,
    /// `deny`, `allow-vms`, `allow-all`.
    pub promiscuous: String,
    pub connected: bool,
    /// Forwarded ports, each as `name,tcp,address,port,address,port`.
    pub rules: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Controller {
    pub name: String,
    /// `sata`, `ide`, `scsi`, `floppy` ...
    pub bus: String,
    /// What is attached: port, device, type, path.
    pub attached: BTreeMap<String, Attachment>,
}

/// Something attached to a controller.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attachment {
    pub port: u32,
    pub device: u32,
    /// `hdd`, `dvddrive` or `fdd`.
    pub kind: String,
    /// The medium; an empty drive has none.
    pub medium: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Medium {
    pub uuid: String,
    pub path: PathBuf,
    /// `hdd`, `dvddrive` or `fdd`.
    pub kind: String,
    /// `VDI`, `VMDK` or `RAW`.
    pub format: String,
    /// Its size as a machine sees it, in bytes.
    pub capacity: u64,
    /// Whether `list` knows it.
    pub registered: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Interface {
    /// `vboxnet0` ...
    pub name: String,
    pub uuid: String,
    /// The host's address in the network.
    pub address: Ipv4Addr,
    pub mask: Ipv4Addr,
    /// Twelve hex digits.
    pub mac: String,
    pub up: bool,
}

/// A host-only network of a Mac.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    pub uuid: String,
    pub mask: Ipv4Addr,
    /// The first address that is given out.
    pub lower: Ipv4Addr,
    pub upper: Ipv4Addr,
    pub enabled: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dhcp {
    /// The network's name: `HostInterfaceNetworking-vboxnet0`.
    pub network: String,
    pub address: Ipv4Addr,
    pub mask: Ipv4Addr,
    pub lower: Ipv4Addr,
    pub upper: Ipv4Addr,
    pub enabled: bool,
    /// Machines' cards (`VM nic`) and the addresses they are given.
    pub fixed: BTreeMap<String, Ipv4Addr>,
}

impl Default for State {
    /// A new configuration: it has a DHCP server for an interface that does not exist.
    fn default() -> Self {
        let address = |last| Ipv4Addr::new(192, 168, 56, last);
        let dhcp = Dhcp {
            network: "HostInterfaceNetworking-vboxnet0".into(),
            address: address(100),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            lower: address(101),
            upper: address(254),
            enabled: true,
            fixed: BTreeMap::new(),
        };
        Self {
            machines: Vec::new(),
            media: Vec::new(),
            interfaces: Vec::new(),
            networks: Vec::new(),
            dhcp: vec![dhcp],
            extradata: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }
}

impl State {
    /// The machine's index; `call` is the call that looks for it, for the error message.
    pub(super) fn find(&self, machine: &str, call: &str) -> Result<usize, Said> {
        let named = |one: &Machine| one.name == machine || one.uuid == machine;
        self.machines.iter().position(named).ok_or_else(|| {
            let text = format!("Could not find a registered machine named '{machine}'");
            Said::refusal(&text, Kind::NotFound, VIRTUALBOX, call)
        })
    }

    /// The medium of this file, known from now on.
    pub(super) fn open(&mut self, path: &Path, kind: &str) -> &mut Medium {
        let at = self.media.iter().position(|medium| medium.path == path).unwrap_or_else(|| {
            let capacity = std::fs::metadata(path).map_or(0, |about| about.len());
            let format = format_of(path).to_owned();
            let (uuid, path, kind) = (uuid(), path.to_owned(), kind.to_owned());
            self.media.push(Medium { uuid, path, kind, format, capacity, registered: true });
            self.media.len() - 1
        });
        self.media[at].registered = true;
        &mut self.media[at]
    }
}

impl Machine {
    pub(super) fn set_state(&mut self, state: &str) {
        self.state = state.to_owned();
        self.since = now();
    }

    /// Whether a session holds it.
    pub(super) fn is_locked(&self) -> bool {
        matches!(&*self.state, "starting" | "running" | "paused")
    }

    /// What is attached, all controllers together.
    pub(super) fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.controllers.iter().flat_map(|controller| controller.attached.values())
    }

    /// Whether this medium is attached to it.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.attachments().any(|one| one.medium.as_deref() == Some(path))
    }

    /// Refuses if a session holds the machine.
    pub(super) fn unlocked(&self, text: &str, context: &str) -> Result<(), Said> {
        if self.is_locked() {
            let text = format!("The machine '{}' is already locked {text}", self.name);
            let place = super::answer::MACHINE;
            return Err(Said::refusal(&text, Kind::BadState, place, context));
        }
        Ok(())
    }
}

impl Controller {
    /// How many ports it has, and how many devices each.
    pub(super) fn size(&self) -> (u32, u32) {
        match &*self.bus {
            "ide" => (2, 2),
            "floppy" => (1, 2),
            "scsi" => (16, 1),
            "sata" => (30, 1),
            _ => (255, 1),
        }
    }
}

/// The format that a file's name stands for.
pub(super) fn format_of(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("vdi") => "VDI",
        Some("vmdk") => "VMDK",
        Some("vhd") => "VHD",
        _ => "RAW",
    }
}

/// The directory of a fake VirtualBox, and the files in it.
#[derive(Debug, Clone)]
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    /// Changes the state, alone; what is refused changes nothing.
    pub(super) fn change(&self, change: impl FnOnce(&mut State) -> Answer) -> Answer {
        let broken =
            |error: io::Error| Said::error(1, format!("the fake VirtualBox's state: {error}"));
        let _lock = self.lock("lock").map_err(broken)?;
        let mut state = self.read().map_err(broken)?;
        let answer = change(&mut state)?;
        self.write(&state).map_err(broken)?;
        Ok(answer)
    }

    /// Waits for a lock; it is held until the file is dropped.
    pub(super) fn lock(&self, name: &str) -> io::Result<File> {
        let file = fs_err::File::create(self.0.join(name))?.into_parts().0;
        file.lock()?;
        Ok(file)
    }

    pub(super) fn read(&self) -> io::Result<State> {
        match fs_err::read(self.0.join("state.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, state: &State) -> io::Result<()> {
        let partial = self.0.join("state.json.new");
        fs_err::write(&partial, serde_json::to_vec_pretty(state)?)?;
        fs_err::rename(partial, self.0.join("state.json"))
    }
}

/// Sixteen hex digits that were not used before.
fn digits() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// A new identity.
pub(super) fn uuid() -> String {
    let (a, b) = (digits(), digits());
    format!("{}-{}-4{}-8{}-{}", &a[..8], &a[8..12], &a[12..15], &b[..3], &b[4..])
}

/// A new address of a network card.
pub(super) fn mac() -> String {
    format!("080027{}", digits()[..6].to_uppercase())
}

/// The time, as it is shown.
#[expect(clippy::disallowed_methods, reason = "it imitates a program that shows the time")]
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string()
}
