//! `showvminfo`, for programs and for people.

use std::fmt::Write as _;

use super::{
    answer::{Answer, Said},
    details::details,
    state::{Attachment, Card, Controller, Machine, State},
    words::sorted,
};

pub(super) fn show(words: &[String], state: &State) -> Answer {
    let (plain, options) = sorted(words, &["machinereadable", "details"]);
    let find = "\"FindMachine(Bstr(VMNameOrUuid).raw(), machine.asOutParam())\" at line 3248 of \
                file VBoxManageInfo.cpp";
    let at = state.find(plain.first().map_or("", |name| name.as_str()), find)?;
    let machine = &state.machines[at];
    let readable = options.iter().any(|(name, _)| name == "machinereadable");
    Said::prints(if readable { for_programs(machine, state) } else { details(machine, state) })
}

/// What a machine is set to, with what VirtualBox takes where nothing was set.
pub(super) struct Set<'a>(pub(super) &'a Machine);

impl Set<'_> {
    pub(super) fn get<'a>(&'a self, key: &str, otherwise: &'a str) -> &'a str {
        self.0.settings.get(key).map_or(otherwise, |value| value)
    }

    pub(super) fn system(&self) -> (&str, &str, bool) {
        match self.get("ostype", "Other") {
            "Linux26_64" => ("Linux26_64", "Linux 2.6 / 3.x / 4.x / 5.x (64-bit)", true),
            "Other" => ("Other", "Other/Unknown", false),
            other => (other, other, false),
        }
    }

    pub(super) fn engine(&self) -> &'static str {
        if self.system().2 { "kvm" } else { "none" }
    }

    pub(super) fn long_mode(&self) -> &str {
        self.get("longmode", if self.system().2 { "on" } else { "off" })
    }
}

fn for_programs(machine: &Machine, state: &State) -> String {
    let set = Set(machine);
    let folder = machine.folder.display();
    let (id, system, _) = set.system();
    let name = &machine.name;
    let mut text = format!(
        "name=\"{name}\"\nencryption=\"disabled\"\ngroups=\"/\"\nplatformArchitecture=\"x86\"\n\
         ostype=\"{system}\"\nUUID=\"{uuid}\"\nCfgFile=\"{folder}/{name}.vbox\"\n\
         SnapFldr=\"{folder}/Snapshots\"\nLogFldr=\"{folder}/Logs\"\nhardwareuuid=\"{uuid}\"\n\
         memory={}\npagefusion=\"off\"\nvram={}\ncpuexecutioncap=100\ncpu-profile=\"host\"\n\
         chipset=\"{}\"\nfirmware=\"{}\"\ncpus={}\n",
        set.get("memory", "128"),
        set.get("vram", "8"),
        set.get("chipset", "piix3"),
        set.get("firmware", "bios").to_uppercase(),
        set.get("cpus", "1"),
        uuid = machine.uuid,
    );
    let mut quoted = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}=\"{value}\"");
    };
    quoted("hpet", set.get("hpet", "off"));
    quoted("pae", set.get("pae", "off"));
    quoted("longmode", set.long_mode());
    quoted("triplefaultreset", "off");
    quoted("apic", "on");
    quoted("x2apic", set.get("x2apic", "off"));
    quoted("nested-hw-virt", set.get("nested-hw-virt", "off"));
    quoted("hwvirtex", set.get("hwvirtex", "on"));
    quoted("nestedpaging", set.get("nestedpaging", "on"));
    quoted("largepages", set.get("largepages", "off"));
    quoted("vtxvpid", set.get("vtxvpid", "on"));
    quoted("vtxux", set.get("vtxux", "on"));
    quoted("virtvmsavevmload", "on");
    text += "cpuid-portability-level=0\n";
    let mut quoted = |key: &str, value: &str| {
        let _ = writeln!(text, "{key}=\"{value}\"");
    };
    quoted("bootmenu", set.get("bootmenu", "messageandmenu"));
    for (number, otherwise) in (1..).zip(["floppy", "dvd", "disk", "none"]) {
        let key = format!("boot{number}");
        quoted(&key, set.get(&key, otherwise));
    }
    quoted("acpi", set.get("acpi", "on"));
    quoted("ioapic", set.get("ioapic", "off"));
    text += "biosapic=\"apic\"\nbiossystemtimeoffset=0\n";
    let _ = write!(
        text,
        "NvramFile=\"{folder}/{name}.nvram\"\nrtcuseutc=\"{}\"\niommu=\"none\"\n\
         paravirtprovider=\"default\"\neffparavirtprovider=\"{}\"\nVMState=\"{}\"\n\
         VMStateChangeTime=\"{}000000\"\ngraphicscontroller=\"{}\"\nmonitorcount=1\n\
         accelerate3d=\"{}\"\n{FIXED}",
        set.get("rtcuseutc", "off"),
        set.engine(),
        machine.state,
        machine.since,
        set.get("graphicscontroller", "vboxvga"),
        set.get("accelerate3d", "off"),
    );
    controllers(&mut text, machine, state);
    for (number, card) in (1..).zip(&machine.cards) {
        network_card(&mut text, number, card);
    }
    text += "hidpointing=\"ps2mouse\"\nhidkeyboard=\"ps2kbd\"\n";
    for number in 1..=4 {
        let key = format!("uart{number}");
        let _ = writeln!(text, "{key}=\"{}\"", set.get(&key, "off"));
        if let Some(mode) = machine.settings.get(&format!("uartmode{number}")) {
            let kind = set.get(&format!("uarttype{number}"), "16550A");
            let _ = write!(text, "uartmode{number}=\"{mode}\"\nuarttype{number}=\"{kind}\"\n");
        }
    }
    text += "lpt1=\"off\"\nlpt2=\"off\"\n";
    let silent = set.get("audioenabled", "on") == "off";
    let audio = if silent { "none" } else { "default" };
    let _ = write!(
        text,
        "audio=\"{audio}\"\naudio_out=\"off\"\naudio_in=\"off\"\nclipboard=\"disabled\"\n\
         clipboard_file_transfers=\"off\"\ndraganddrop=\"disabled\"\n"
    );
    let runs = machine.is_locked();
    if runs {
        let _ =
            write!(text, "SessionName=\"{}\"\nVideoMode=\"640,480,32\"@0,0 1\n", machine.session);
    }
    text += "vrde=\"off\"\nusb=\"off\"\nehci=\"off\"\nxhci=\"off\"\n";
    for (number, (name, path)) in (1..).zip(&machine.shares) {
        let _ = write!(
            text,
            "SharedFolderNameMachineMapping{number}=\"{name}\"\n\
             SharedFolderPathMachineMapping{number}=\"{path}\"\n"
        );
    }
    if runs {
        text += "VRDEActiveConnection=\"off\"\nVRDEClients==0\n";
    }
    let _ = write!(
        text,
        "recording_started=\"off\"\nrecording_enabled=\"off\"\nrecording_screens=1\n rec_screen0\n\
         rec_screen_enabled=\"on\"\nrec_screen_id=0\nrec_screen_video_enabled=\"on\"\n\
         rec_screen_audio_enabled=\"off\"\nrec_screen_dest=\"File\"\n\
         rec_screen_dest_filename=\"{folder}/{name}-screen0.webm\"\n\
         rec_screen_opts=\"ac_profile=med\"\nrec_screen_video_res_xy=\"1024x768\"\n\
         rec_screen_video_rate_kbps=512\nrec_screen_video_fps=25\nGuestMemoryBalloon=0\n"
    );
    if runs {
        let _ = write!(text, "GuestOSType=\"{id}\"\nGuestAdditionsRunLevel=0\n");
    }
    text
}

const FIXED: &str = "\
teleporterenabled=\"off\"
teleporterport=0
teleporteraddress=\"\"
teleporterpassword=\"\"
tracing-enabled=\"off\"
tracing-allow-vm-access=\"off\"
tracing-config=\"\"
autostart-enabled=\"off\"
autostart-delay=0
defaultfrontend=\"\"
vmprocpriority=\"default\"
";

pub(super) fn kind(controller: &Controller) -> &'static str {
    match &*controller.bus {
        "sata" => "IntelAhci",
        "ide" => "PIIX4",
        "floppy" => "I82078",
        _ => "LsiLogic",
    }
}

fn controllers(text: &mut String, machine: &Machine, state: &State) {
    for (number, one) in machine.controllers.iter().enumerate() {
        let (ports, _) = one.size();
        let _ = write!(
            text,
            "storagecontrollername{number}=\"{}\"\nstoragecontrollertype{number}=\"{}\"\n\
             storagecontrollerinstance{number}=\"0\"\n\
             storagecontrollermaxportcount{number}=\"{ports}\"\n\
             storagecontrollerportcount{number}=\"{ports}\"\n\
             storagecontrollerbootable{number}=\"on\"\n",
            one.name,
            kind(one),
        );
    }
    for one in &machine.controllers {
        let (ports, devices) = one.size();
        for port in 0..ports {
            for device in 0..devices {
                match one.attached.get(&format!("{port:05}-{device}")) {
                    Some(attachment) => attached(text, one, attachment, state),
                    None => {
                        let _ = writeln!(text, "\"{}-{port}-{device}\"=\"none\"", one.name);
                    }
                }
            }
        }
    }
}

/// The identity of what is attached.
pub(super) fn identity<'a>(attachment: &Attachment, state: &'a State) -> &'a str {
    let known = state.media.iter().find(|one| Some(&one.path) == attachment.medium.as_ref());
    known.map_or("", |medium| &medium.uuid)
}

fn attached(text: &mut String, on: &Controller, attachment: &Attachment, state: &State) {
    let (name, at) = (&on.name, format!("{}-{}", attachment.port, attachment.device));
    let Some(path) = &attachment.medium else {
        let _ = write!(text, "\"{name}-{at}\"=\"emptydrive\"\n\"{name}-IsEjected-{at}\"=\"off\"\n");
        return;
    };
    let _ = write!(
        text,
        "\"{name}-{at}\"=\"{}\"\n\"{name}-ImageUUID-{at}\"=\"{}\"\n",
        path.display(),
        identity(attachment, state)
    );
    let mut off = Vec::new();
    if attachment.kind == "dvddrive" {
        off.extend(["tempeject", "IsEjected"]);
    }
    if on.bus == "sata" {
        off.push("hot-pluggable");
    }
    off.extend(["nonrotational", "discard"]);
    for key in off {
        let _ = writeln!(text, "\"{name}-{key}-{at}\"=\"off\"");
    }
}

fn network_card(text: &mut String, number: usize, card: &Card) {
    let connected = if card.connected { "on" } else { "off" };
    let mut attached = &*card.attached;
    let first = match attached {
        "none" => {
            let _ = writeln!(text, "nic{number}=\"none\"");
            return;
        }
        "nat" => format!("natnet{number}=\"nat\"\n"),
        "hostonly" => format!("hostonlyadapter{number}=\"{}\"\n", card.interface),
        "hostonlynet" => {
            attached = "hostonlynetwork";
            format!("hostonly-network{number}=\"{}\"\n", card.network)
        }
        _ => String::new(),
    };
    let _ = write!(
        text,
        "{first}macaddress{number}=\"{}\"\ncableconnected{number}=\"{connected}\"\n\
         nic{number}=\"{attached}\"\nnictype{number}=\"{}\"\nnicspeed{number}=\"0\"\n",
        card.mac, card.kind,
    );
    if attached == "nat" {
        *text += "mtu=\"0\"\nsockSnd=\"64\"\nsockRcv=\"64\"\ntcpWndSnd=\"64\"\ntcpWndRcv=\"64\"\n\
                  localhostReachable=\"0\"\nforwardBroadcast=\"0\"\nenableTFTP=\"0\"\n";
        for (number, rule) in card.rules.iter().enumerate() {
            let _ = writeln!(text, "Forwarding({number})=\"{rule}\"");
        }
    }
}
