//! The options of `modifyvm` and their spellings, as 7.2 takes them; before 7.0 only the first of
//! each was taken. `#` stands for a number.

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// One value.
    Value,
    /// One value, and more if it is not `off` or `disconnected`.
    Port,
    /// `delete NAME`, or a rule.
    Rule,
}

/// One option: what it is called here, how it may be spelt, what it takes.
#[derive(Debug)]
pub(super) struct Known(&'static str, &'static [&'static str], Takes);

const fn value(name: &'static str, spellings: &'static [&'static str]) -> Known {
    Known(name, spellings, Takes::Value)
}

const OPTIONS: &[Known] = &[
    value("name", &["name"]),
    value("ostype", &["ostype", "os-type"]),
    value("memory", &["memory"]),
    value("cpus", &["cpus"]),
    value("vram", &["vram"]),
    value("firmware", &["firmware"]),
    value("fadein", &["bioslogofadein", "bios-logo-fade-in", "firmware-logo-fade-in"]),
    value("fadeout", &["bioslogofadeout", "bios-logo-fade-out", "firmware-logo-fade-out"]),
    value(
        "displaytime",
        &["bioslogodisplaytime", "bios-logo-display-time", "firmware-logo-display-time"],
    ),
    value("bootmenu", &["biosbootmenu", "bios-boot-menu", "firmware-boot-menu"]),
    value("boot#", &["boot#"]),
    value("acpi", &["acpi"]),
    value("ioapic", &["ioapic"]),
    value("rtcuseutc", &["rtcuseutc", "rtc-use-utc"]),
    value("cpuhotplug", &["cpuhotplug", "cpu-hotplug"]),
    value("pae", &["pae", "x86-pae"]),
    value("longmode", &["longmode", "long-mode", "x86-long-mode"]),
    value("hpet", &["hpet", "x86-hpet"]),
    value("x2apic", &["x2apic", "x86-x2apic"]),
    value("hwvirtex", &["hwvirtex"]),
    value("nestedpaging", &["nestedpaging", "nested-paging"]),
    value("largepages", &["largepages", "large-pages"]),
    value("vtxvpid", &["vtxvpid", "vtx-vpid", "x86-vtx-vpid"]),
    value("vtxux", &["vtxux", "x86-vtx-ux"]),
    value("nested-hw-virt", &["nested-hw-virt"]),
    value("accelerate3d", &["accelerate3d", "accelerate-3d"]),
    value("paravirtprovider", &["paravirtprovider", "paravirt-provider"]),
    value("graphicscontroller", &["graphicscontroller"]),
    value("chipset", &["chipset"]),
    value("vrde", &["vrde"]),
    value("clipboard", &["clipboard", "clipboard-mode"]),
    value("draganddrop", &["draganddrop", "drag-and-drop"]),
    value("audio", &["audio"]),
    value("audiodriver", &["audio-driver"]),
    value("audioenabled", &["audio-enabled"]),
    value("usb", &["usb", "usbohci", "usb-ohci"]),
    value("ehci", &["usbehci", "usb-ehci"]),
    value("xhci", &["usbxhci", "usb-xhci"]),
    value("engine", &["vm-execution-engine"]),
    value("description", &["description"]),
    value("groups", &["groups"]),
    value("defaultfrontend", &["defaultfrontend", "default-frontend"]),
    value("uarttype#", &["uarttype#", "uart-type#"]),
    Known("uart#", &["uart#"], Takes::Port),
    Known("uartmode#", &["uartmode#", "uart-mode#"], Takes::Port),
    value("nic#", &["nic#"]),
    value("nictype#", &["nictype#", "nic-type#"]),
    value("nicpromisc#", &["nicpromisc#", "nic-promisc#"]),
    value("nicspeed#", &["nicspeed#", "nic-speed#"]),
    value("cableconnected#", &["cableconnected#", "cable-connected#"]),
    value("macaddress#", &["macaddress#", "mac-address#"]),
    value("bridgeadapter#", &["bridgeadapter#", "bridge-adapter#"]),
    value("hostonlyadapter#", &["hostonlyadapter#", "host-only-adapter#"]),
    value("hostonlynet#", &["host-only-net#", "hostonlynet#"]),
    value("natnetwork#", &["natnetwork#", "nat-network#"]),
    value("natnet#", &["natnet#", "nat-net#"]),
    value("natdnsproxy#", &["natdnsproxy#", "nat-dns-proxy#"]),
    value("natdnshostresolver#", &["natdnshostresolver#", "nat-dns-host-resolver#"]),
    value("localhostreachable#", &["nat-localhostreachable#"]),
    Known("natpf#", &["natpf#", "nat-pf#"], Takes::Rule),
];

/// The option of this spelling: what it is called here, its number if it has one, what it takes.
pub(super) fn known(spelt: &str, major: u32, mac: bool) -> Option<(&'static str, usize, Takes)> {
    let stem = spelt.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = spelt[stem.len()..].parse().ok();
    OPTIONS.iter().find_map(|Known(name, spellings, takes)| {
        let spellings = if major < 7 { &spellings[..1] } else { spellings };
        let matches = |one: &&str| match (one.strip_suffix('#'), number) {
            (Some(one), Some(1..=8)) => one == stem,
            (Some(_), _) => false,
            (None, _) => **one == *spelt,
        };
        if *name == "hostonlynet#" && !mac {
            return None;
        }
        spellings.iter().any(matches).then(|| (*name, number.unwrap_or(0), *takes))
    })
}
