//! The human-readable output of `showvminfo` and `list vms --long`.

use std::fmt::Write as _;

use super::{
    info::{Set, identity, kind},
    state::{Card, Controller, Machine, State},
};

/// A machine's details, as text.
pub(super) fn details(machine: &Machine, state: &State) -> String {
    let set = Set(machine);
    let mut lines = Lines(String::new());
    let (folder, name) = (machine.folder.display().to_string(), &*machine.name);
    let is_on = |key: &str, otherwise| able(set.get(key, otherwise) == "on");
    for (what, value) in [
        ("Name", name.to_owned()),
        ("Encryption", "disabled".into()),
        ("Groups", "/".into()),
        ("Platform Architecture", "x86".into()),
        ("Guest OS", set.system().1.into()),
        ("UUID", machine.uuid.clone()),
        ("Config file", format!("{folder}/{name}.vbox")),
        ("Snapshot folder", format!("{folder}/Snapshots")),
        ("Log folder", format!("{folder}/Logs")),
        ("Hardware UUID", machine.uuid.clone()),
        ("Memory size", format!("{}MB", set.get("memory", "128"))),
        ("Page Fusion", "disabled".into()),
        ("VRAM size", format!("{}MB", set.get("vram", "8"))),
        ("CPU exec cap", "100%".into()),
        ("CPUProfile", "host".into()),
        ("Chipset", set.get("chipset", "piix3").into()),
        ("Firmware", set.get("firmware", "bios").to_uppercase()),
        ("Number of CPUs", set.get("cpus", "1").into()),
        ("HPET", is_on("hpet", "off").into()),
        ("PAE", is_on("pae", "off").into()),
        ("Long Mode", able(set.long_mode() == "on").into()),
        ("Triple Fault Reset", "disabled".into()),
        ("APIC", "enabled".into()),
        ("X2APIC", is_on("x2apic", "off").into()),
        ("Nested VT-x/AMD-V", is_on("nested-hw-virt", "off").into()),
        ("CPUID overrides", "None".into()),
        ("Hardware Virtualization", is_on("hwvirtex", "on").into()),
        ("Nested Paging", is_on("nestedpaging", "on").into()),
        ("Large Pages", is_on("largepages", "off").into()),
        ("VT-x VPID", is_on("vtxvpid", "on").into()),
        ("VT-x Unrestricted Exec.", is_on("vtxux", "on").into()),
        ("AMD-V Virt. Vmsave/Vmload", "enabled".into()),
        ("CPUID Portability Level", "0".into()),
        ("Boot menu mode", set.get("bootmenu", "message and menu").into()),
        ("Boot Device 1", device(set.get("boot1", "floppy")).into()),
        ("Boot Device 2", device(set.get("boot2", "dvd")).into()),
        ("Boot Device 3", device(set.get("boot3", "disk")).into()),
        ("Boot Device 4", device(set.get("boot4", "none")).into()),
        ("ACPI", is_on("acpi", "on").into()),
        ("IOAPIC", is_on("ioapic", "off").into()),
        ("BIOS APIC mode", "APIC".into()),
        ("Time offset", "0ms".into()),
        ("BIOS NVRAM File", format!("{folder}/{name}.nvram")),
        ("RTC", if set.get("rtcuseutc", "off") == "on" { "UTC" } else { "local time" }.into()),
        ("IOMMU", "None".into()),
        ("Paravirt. Provider", "Default".into()),
        ("Effective Paravirt. Prov.", if set.system().2 { "KVM" } else { "None" }.into()),
        ("State", format!("{} (since {}000000)", shown(&machine.state), machine.since)),
        ("Graphics Controller", "VBoxVGA".into()),
        ("Monitor count", "1".into()),
        ("3D Acceleration", is_on("accelerate3d", "off").into()),
    ] {
        lines.add(what, &value);
    }
    lines.0 += BETWEEN;
    for (number, one) in machine.controllers.iter().enumerate() {
        lines.controller(number, one, state);
    }
    for (number, card) in (1..).zip(&machine.cards) {
        lines.card(number, card);
    }
    lines.0 += AFTER_CARDS;
    for (name, path) in &machine.shares {
        let _ = writeln!(
            lines.0,
            "Name: '{name}', Host path: '{path}' (machine mapping), writable, auto-mount"
        );
    }
    let _ = write!(
        lines.0,
        "{}{RECORDING}    File:                    {folder}/{name}-screen0.webm\n{END}",
        if machine.shares.is_empty() { "" } else { "\n" },
    );
    lines.0
}

fn able(is: bool) -> &'static str {
    if is { "enabled" } else { "disabled" }
}

fn device(word: &str) -> &'static str {
    match word {
        "dvd" => "DVD",
        "disk" => "HardDisk",
        "floppy" => "Floppy",
        "net" => "Network",
        _ => "Not Assigned",
    }
}

fn shown(state: &str) -> &str {
    if state == "poweroff" { "powered off" } else { state }
}

struct Lines(String);

impl Lines {
    fn add(&mut self, what: &str, value: &str) {
        let _ = writeln!(self.0, "{:<28} {value}", format!("{what}:"));
    }

    fn controller(&mut self, number: usize, one: &Controller, state: &State) {
        let (ports, _) = one.size();
        let _ = writeln!(
            self.0,
            "#{number}: '{}', Type: {}, Instance: 0, Ports: {ports} (max {ports}), Bootable",
            one.name,
            kind(one)
        );
        for at in one.attached.values() {
            let path = at.medium.as_ref().map(|path| path.display().to_string());
            let _ = write!(
                self.0,
                "  Port {}, Unit {}: UUID: {}\n    Location: \"{}\"\n",
                at.port,
                at.device,
                identity(at, state),
                path.unwrap_or_default(),
            );
        }
    }

    fn card(&mut self, number: usize, card: &Card) {
        let attached = match &*card.attached {
            "none" => return self.add(&format!("NIC {number}"), "disabled"),
            "nat" => "NAT".to_owned(),
            "hostonly" => format!("Host-only Interface '{}'", card.interface),
            "hostonlynet" => format!("Host Only Network '{}'", card.network),
            other => other.to_owned(),
        };
        let connected = if card.connected { "on" } else { "off" };
        // As recorded: the policy that was asked for is shown when the machine runs.
        let text = format!(
            "MAC: {}, Attachment: {attached}, Cable connected: {connected}, Trace: off (file: \
             none), Type: {}, Reported speed: 0 Mbps, Boot priority: 0, Promisc Policy: {}, \
             Bandwidth group: none",
            card.mac, card.kind, card.promiscuous
        );
        self.add(&format!("NIC {number}"), &text);
        if card.attached != "nat" {
            return;
        }
        let _ = write!(
            self.0,
            "NIC {number} Settings:\n\tMTU: 0, Socket (send: 64, receive: 64), TCP Window (send:64, \
             receive: 64),\n\tLocalhostReachable: 0, ForwardBroadcast: 0, EnableTFTP: 0\n"
        );
        for (at, rule) in card.rules.iter().enumerate() {
            let part = |at: usize| rule.split(',').nth(at).unwrap_or_default();
            let text = format!(
                "name = {}, protocol = {}, host ip = {}, host port = {}, guest ip = {}, guest port \
                 = {}",
                part(0),
                part(1),
                part(2),
                part(3),
                part(4),
                part(5)
            );
            let _ = writeln!(self.0, "NIC {number} Rule({at}):   {text}");
        }
    }
}

const BETWEEN: &str = "\
Teleporter Enabled:          disabled
Teleporter Port:             0
Teleporter Address:          \n\
Teleporter Password:         \n\
Tracing Enabled:             disabled
Allow Tracing to Access VM:  disabled
Tracing Configuration:       \n\
Autostart Enabled:           disabled
Autostart Delay:             0
Default Frontend:            \n\
VM process priority:         default
Storage Controllers:
";

const AFTER_CARDS: &str = "\
Pointing Device:             PS/2 Mouse
Keyboard Device:             PS/2 Keyboard
UART 1:                      disabled
UART 2:                      disabled
UART 3:                      disabled
UART 4:                      disabled
LPT 1:                       disabled
LPT 2:                       disabled
Audio:                       enabled (Driver: Default, Controller: AC97, Codec: STAC9700)
Audio playback:              disabled
Audio capture:               disabled
Clipboard Mode:              disabled
Clipboard file transfers:    disabled
Drag and drop Mode:          disabled
VRDE:                        disabled
OHCI USB:                    disabled
EHCI USB:                    disabled
xHCI USB:                    disabled
USB Device Filters:          <none>
Bandwidth groups:            <none>
Shared folders:              \n\n";

const RECORDING: &str = "\
Recording status:            stopped
Recording enabled:           no
Recording screens:           1
 Screen 0:
    Enabled:                 yes
    ID:                      0
    Record video:            yes
    Record audio:            no
    Destination:             File
";

const END: &str = "    Options:                 ac_profile=med
    Video dimensions:        1024x768
    Video rate:              512kbps
    Video FPS:               25fps
* Guest:
Configured memory balloon:   0MB

";
