//! The arguments QEMU is started with: a pure function of what a machine is.

use std::{
    ffi::{OsStr, OsString},
    net::Ipv4Addr,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use skep_model::Port;
use skep_os::vm;

use super::{
    Accel,
    addresses::{self, ALWAYS},
    monitor,
    record::{PID, Wire},
};
use crate::{cards::Nat, shelf::Files};

/// Everything that decides how QEMU is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// What the process is called in a list of processes: `demo/worker1`.
    pub(super) name: String,
    /// The architecture, in Rust's words.
    pub(super) architecture: &'static str,
    pub(super) accel: Accel,
    /// Memory, in bytes.
    pub(super) memory: u64,
    pub(super) cpus: u32,
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    pub(super) base: PathBuf,
    pub(super) files: Files,
    pub(super) monitor: PathBuf,
    pub(super) host: Ipv4Addr,
    /// The ports it answers on there, besides SSH and the engine.
    pub(super) publish: Vec<Port>,
    /// The addresses of its network interfaces: to the outside, to the other nodes.
    pub(super) macs: [String; 2],
    pub(super) wire: Wire,
}

/// The accelerator and the processor to go with it: everything that it has.
pub(super) fn accelerated(accel: Accel) -> [&'static str; 4] {
    match accel {
        Accel::Tcg => {
            ["-accel", "tcg,thread=multi", "-cpu", vm::emulated_cpu(std::env::consts::ARCH)]
        }
        Accel::Kvm => ["-accel", "kvm", "-cpu", "host"],
        Accel::Hvf => ["-accel", "hvf", "-cpu", "host"],
    }
}

/// The kind of machine, and nothing in it that is not asked for.
pub(super) fn bare_machine(architecture: &str) -> [&'static str; 6] {
    let machine = if architecture == "aarch64" { "virt" } else { "q35" };
    ["-machine", machine, "-nodefaults", "-no-user-config", "-display", "none"]
}

/// The guest's name for its first serial port.
pub(super) fn serial_port(architecture: &str) -> &'static str {
    if architecture == "aarch64" { "ttyAMA0" } else { "ttyS0" }
}

impl Launch {
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec!["-name".into(), format!("guest={}", self.name).into()];
        all.extend(bare_machine(self.architecture).map(OsString::from));
        all.extend(accelerated(self.accel).map(OsString::from));
        let mut add = |option: &str, value: &dyn AsRef<OsStr>| {
            all.extend([OsString::from(option), value.as_ref().to_owned()]);
        };
        add("-smp", &self.cpus.to_string());
        add("-m", &format!("{}M", self.memory >> 20));

        add("-kernel", &self.kernel);
        add("-initrd", &self.initramfs);
        add("-append", &self.command_line());

        let console = with_path("file,id=console,append=on,path=", &self.files.console());
        add("-chardev", &console);
        add("-serial", &"chardev:console");
        add("-chardev", &with_path("socket,id=monitor,server=on,wait=off,path=", &self.monitor));
        add("-mon", &"chardev=monitor,mode=control");

        for (name, path, options) in [
            ("base", &self.base, "read-only=on"),
            (monitor::DATA, &self.files.data(), "discard=unmap"),
            ("config", &self.files.config(), "read-only=on"),
        ] {
            let file = format!("driver=raw,node-name={name},{options},file.driver=file");
            add("-blockdev", &with_path(&format!("{file},file.filename="), path));
            add("-device", &format!("virtio-blk-pci,drive={name},serial=skep-{name}"));
        }

        add("-netdev", &self.outer_network());
        add("-netdev", &self.inner_network());
        for (name, mac) in [monitor::OUTER, "inner"].iter().zip(&self.macs) {
            // No boot ROM: the kernel is given directly, and nothing boots from a network.
            add("-device", &format!("virtio-net-pci,netdev={name},mac={mac},romfile="));
        }
        add("-device", &"virtio-rng-pci");
        add("-pidfile", &self.files.other(PID));
        // A kernel that cannot go on ends its QEMU, instead of starting over and over.
        all.push("-no-reboot".into());
        all.push("-daemonize".into());
        all
    }

    fn command_line(&self) -> String {
        let line = vm::kernel_command_line(serial_port(self.architecture));
        match self.accel {
            Accel::Tcg => format!("{line} {}", vm::EMULATED_OPTIONS),
            Accel::Kvm | Accel::Hvf => line,
        }
    }

    fn outer_network(&self) -> String {
        let Nat { net, gateway: host, names, .. } = addresses::OUTER;
        let mut text =
            format!("user,id={},ipv6=off,net={net},host={host},dns={names}", monitor::OUTER);
        for port in ALWAYS.iter().chain(&self.publish) {
            text.push_str(",hostfwd=");
            text.push_str(&addresses::forward(self.host, port));
        }
        text
    }

    fn inner_network(&self) -> String {
        match &self.wire {
            Wire::Multicast { group, port } => {
                // On this host's loopback: no frame of the segment leaves it.
                format!("socket,id=inner,mcast={group}:{port},localaddr=127.0.0.1")
            }
            Wire::Bridge { name } => format!("bridge,id=inner,br={name}"),
        }
    }
}

/// An option that ends with a path. QEMU ends a value at a comma; two commas are one.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut bytes = option.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use skep_store::Layout;

    use super::*;
    use crate::{MachineId, shelf::Shelf};

    fn launch() -> Launch {
        let id =
            MachineId { cluster: "demo".parse().unwrap(), machine: "worker1".parse().unwrap() };
        let shelf = Shelf::new(Layout::new("/store"), "qemu");
        Launch {
            name: "demo/worker1".into(),
            architecture: "x86_64",
            accel: Accel::Tcg,
            memory: 1 << 30,
            cpus: 1,
            kernel: "/store/os/d/vmlinuz".into(),
            initramfs: "/store/os/d/initramfs".into(),
            base: "/store/os/d/base.squashfs".into(),
            files: shelf.files(&id, "img"),
            monitor: "/run/skep/0123.qmp".into(),
            host: Ipv4Addr::new(127, 70, 3, 101),
            publish: vec!["8080:80".parse().unwrap(), "53/udp".parse().unwrap()],
            macs: ["52:54:00:00:00:01".into(), "52:54:00:00:00:02".into()],
            wire: Wire::Multicast { group: Ipv4Addr::new(239, 192, 1, 2), port: 20_123 },
        }
    }

    /// One option a line.
    fn shown(launch: &Launch) -> String {
        let mut text = String::new();
        for word in launch.arguments() {
            let word = word.to_str().unwrap().to_owned();
            let first = text.is_empty();
            text.push_str(match word.starts_with('-') {
                true if first => "",
                true => "\n",
                false => " ",
            });
            text.push_str(&word);
        }
        // The kernel's command line is tested with the guest.
        text.replace(&launch.command_line(), "…").replace(vm::emulated_cpu("x86_64"), "max")
    }

    #[test]
    fn an_emulated_machine_on_a_multicast_group() {
        insta::assert_snapshot!(shown(&launch()));
    }

    #[test]
    fn an_accelerated_machine_on_a_bridge() {
        let launch = Launch {
            architecture: "aarch64",
            accel: Accel::Kvm,
            cpus: 2,
            publish: Vec::new(),
            wire: Wire::Bridge { name: "br0".into() },
            ..launch()
        };
        insta::assert_snapshot!(shown(&launch));
    }

    #[test]
    fn a_comma_in_a_path_stays_one() {
        assert_eq!(with_path("path=", Path::new("/a,b,c")), "path=/a,,b,,c");
    }
}
