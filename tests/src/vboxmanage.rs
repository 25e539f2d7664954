//! The `VBoxManage` of a fake VirtualBox 7.2: the same answers and the same status, from its own
//! state. `cli::virtualbox_recorded` compares its texts with recorded ones.
//!
//! [`Script`] sets up a fake VirtualBox for a test: a directory with a program `VBoxManage` for the
//! PATH, its behaviour ([`Settings`]), its state (`state.json`), and the log of all calls.

mod answer;
mod details;
mod guests;
mod image;
mod info;
mod listing;
mod machine;
mod media;
mod modify;
mod network;
mod options;
mod property;
mod script;
mod settings;
pub mod state;
mod storage;
mod words;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use self::{
    answer::{Answer, Said},
    machine::Done,
    state::{Directory, Machine},
};
pub use self::{
    image::guest_image,
    script::Script,
    settings::{Failure, Fault, Guests, Settings},
};

/// The variable that names the directory of a fake VirtualBox.
pub const STATE: &str = "SKEP_VBOX_STATE";

/// Commands that VirtualBox serialises, also between clients.
const SERIAL: [&str; 5] = ["createvm", "unregistervm", "hostonlyif", "hostonlynet", "dhcpserver"];

const WARNING: &str = "\
WARNING: The character device /dev/vboxdrv does not exist.
\t Please install the virtualbox-dkms package and the appropriate
\t headers, most likely linux-headers-generic.

\t You will not be able to start VMs until this problem is fixed.
";

/// The whole program.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a fake program reads its settings from the environment"
)]
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(directory) = std::env::var_os(STATE).map(PathBuf::from) else {
        let _ = writeln!(io::stderr(), "{STATE} names no directory");
        return ExitCode::from(70);
    };
    let settings = fs_err::read(directory.join("settings.json"))
        .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
    let settings: Settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the fake VirtualBox's settings: {error}");
            return ExitCode::from(70);
        }
    };
    let fake = FakeVirtualBox { directory: Directory(directory), settings };
    let said = fake.perform(&words);
    let warning = if fake.settings.warning { WARNING } else { "" };
    let _ = write!(io::stdout(), "{warning}{}", said.out);
    let _ = write!(io::stderr(), "{}", said.err);
    ExitCode::from(said.code)
}

/// A fake VirtualBox.
struct FakeVirtualBox {
    directory: Directory,
    settings: Settings,
}

impl FakeVirtualBox {
    fn perform(&self, words: &[String]) -> Said {
        self.log(words);
        let fault = match self.fault(words) {
            Ok(fault) => fault,
            Err(said) => return said,
        };
        self.take_time(words);
        let answer = self.answer(words).unwrap_or_else(|said| said);
        fault.unwrap_or(answer)
    }

    fn log(&self, words: &[String]) {
        let line = format!("VBoxManage {}\n", words.join(" "));
        let log = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.0.join("argv.log"));
        if let Ok(mut log) = log {
            let _ = log.write_all(line.as_bytes());
        }
    }

    /// What goes wrong with this call: before anything is done (`Err`), or in place of the answer.
    fn fault(&self, words: &[String]) -> Result<Option<Said>, Said> {
        let line = words.join(" ");
        let mut found = None;
        let mut state_now = |state: &mut state::State| {
            for failure in &self.settings.failures {
                let count = state.failed.entry(failure.call.clone()).or_default();
                let left = failure.times.is_none_or(|times| *count < times);
                if left && line.starts_with(&failure.call) {
                    *count += 1;
                    found = Some(failure.how.clone());
                    break;
                }
            }
            Said::nothing()
        };
        if self.settings.failures.is_empty() {
            return Ok(None);
        }
        self.directory.change(&mut state_now)?;
        let lines = |text: &str| text.lines().map(|line| format!("{line}\n")).collect();
        let says = |text: &str| Said { out: String::new(), err: lines(text), code: 1 };
        match found {
            None => Ok(None),
            Some(Fault::Hang) => loop {
                std::thread::park();
            },
            Some(Fault::NotReady) => Err(says(
                "VBoxManage: error: The object is not ready\nVBoxManage: error: Details: code \
                 E_ACCESSDENIED (0x80070005), component MachineWrap, interface IMachine, callee \
                 nsISupports",
            )),
            Some(Fault::Says(text)) => Err(says(&text)),
            Some(Fault::DoesAndSays(text)) => Ok(Some(says(&text))),
        }
    }

    /// Takes as long as VirtualBox would, and holds the lock for serialised commands.
    #[expect(clippy::disallowed_methods, reason = "the delay imitates VirtualBox's")]
    fn take_time(&self, words: &[String]) {
        let delay = Duration::from_millis(self.settings.delay(words));
        if delay.is_zero() {
            return;
        }
        let serial = words.first().is_some_and(|verb| SERIAL.contains(&&**verb));
        let _lock = serial.then(|| self.directory.lock("serial.lock"));
        std::thread::sleep(delay);
    }

    fn answer(&self, words: &[String]) -> Answer {
        let Some((verb, rest)) = words.split_first() else {
            return Err(Said::usage(2, "Too few parameters", "General help for VBoxManage", false));
        };
        let before = self.directory.read().map_err(|error| Said::error(1, error.to_string()))?;
        self.look_at_guests(&before)?;
        match &**verb {
            "--version" | "-v" => return Said::prints(format!("{}\n", self.settings.version)),
            "startvm" => return self.start(rest),
            "controlvm" => return self.control(rest),
            _ => {}
        }
        let answer = self.directory.change(|state| match &**verb {
            "list" => listing::list(rest, state, &self.settings),
            "showvminfo" => info::show(rest, state),
            "createvm" => machine::create(rest, state),
            "unregistervm" => machine::unregister(rest, state),
            "modifyvm" => modify::modify(rest, state, &self.settings),
            "discardstate" => machine::discard(rest, state),
            "storagectl" => storage::controller(rest, state),
            "storageattach" => storage::attach(rest, state),
            "convertfromraw" | "convertdd" => media::convert(rest, state),
            "createmedium" | "createhd" => media::create(rest, state),
            "clonemedium" | "clonehd" => media::clone(rest, state),
            "closemedium" => media::close(rest, state),
            "showmediuminfo" | "showhdinfo" => media::show(rest, state),
            "guestproperty" => property::guest(rest, state),
            "setextradata" => property::extradata(true, rest, state),
            "getextradata" => property::extradata(false, rest, state),
            "sharedfolder" => property::share(rest, state),
            "hostonlyif" => network::interface(rest, state, &self.settings),
            "hostonlynet" => network::network(rest, state, &self.settings),
            "dhcpserver" => network::dhcp(rest, state),
            other => {
                let text = format!("Invalid command '{other}'");
                Err(Said::usage(2, &text, "General help for VBoxManage", false))
            }
        })?;
        if self.settings.guests != Guests::Nothing {
            let after = self.directory.read().map_err(|error| Said::error(1, error.to_string()))?;
            guests::remove(&before, &after);
        }
        Ok(answer)
    }

    /// Machines that have switched themselves off since the last call.
    fn look_at_guests(&self, state: &state::State) -> Result<(), Said> {
        let off = |machine: &&Machine| match &machine.container {
            _ if machine.state != "running" => false,
            Some(container) => !guests::runs(container),
            None => machine.pressed,
        };
        let off: Vec<_> = state.machines.iter().filter(off).map(|one| one.uuid.clone()).collect();
        if off.is_empty() {
            return Ok(());
        }
        let change = self.directory.change(|state| {
            let machines = state.machines.iter_mut();
            for machine in machines.filter(|one| one.state == "running" && off.contains(&one.uuid))
            {
                machine.pressed = false;
                machine.set_state("poweroff");
            }
            Said::nothing()
        });
        change.map(drop)
    }

    fn start(&self, words: &[String]) -> Answer {
        let mut started = None;
        let mut said = self.directory.change(|state| {
            let said = machine::start(words, state, &self.settings)?;
            let named = |one: &&Machine| words.contains(&one.name) || words.contains(&one.uuid);
            started = state.machines.iter().find(named).cloned();
            Ok(said)
        })?;
        let Some(machine) = started else { return Ok(said) };
        let state = self.directory.read().map_err(|error| Said::error(1, error.to_string()))?;
        let guest = guests::start(&machine, &state, &self.settings, &self.directory);
        self.directory.change(|state| {
            let mut machines = state.machines.iter_mut();
            if let Some(one) = machines.find(|one| one.uuid == machine.uuid) {
                one.set_state(if guest.is_ok() { "running" } else { "poweroff" });
                if let Ok(Some(container)) = &guest {
                    one.container = Some(container.clone());
                }
            }
            Said::nothing()
        })?;
        if let Err(reason) = guest {
            let mut refused = Said::failure(&reason, answer::CONSOLE);
            refused.out = said.out;
            return Err(refused);
        }
        let name = words.iter().find(|word| !word.starts_with("--")).map_or("", |word| word);
        said.out += &format!("VM \"{name}\" has been successfully started.\n");
        Ok(said)
    }

    fn control(&self, words: &[String]) -> Answer {
        let mut done = (Done::Nothing, None);
        let said = self.directory.change(|state| {
            let (said, what) = machine::control(words, state, &self.settings)?;
            let at = state.find(&words[0], "")?;
            done = (what, state.machines[at].container.clone());
            Ok(said)
        })?;
        if let (what, Some(container)) = done {
            match what {
                Done::Nothing => {}
                Done::ButtonPressed if !self.settings.obeys_the_button => {}
                Done::ButtonPressed => guests::press_the_button(&container),
                Done::PowerCut => guests::cut_the_power(&container),
                Done::Reset => guests::reset(&container),
                Done::Paused => guests::pause(&container, false),
                Done::Resumed => guests::pause(&container, true),
            }
        }
        Ok(said)
    }
}
