//! The kernel layer: what a machine with a kernel of its own has beside the root file system.
//!
//! A container shares its host's kernel, so the root file system has none. The layer is a tar with
//! `boot/vmlinuz`, `usr/lib/modules/RELEASE` (the modules a machine may need, unpacked) and
//! `usr/bin/busybox`, of which the initramfs is made.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{
    OsError,
    source::{Distribution, Release},
};

/// The hook, run on the host that builds, that makes the layer as [`GATHERED`].
pub(crate) const GATHER: &str = include_str!("../guest/vm/kernel-layer");

/// Where the hook leaves the layer, in the root file system that the packages are extracted to.
pub(crate) const GATHERED: &str = "/layer.tar";

/// The static busybox the initramfs is made of.
const BUSYBOX: &str = "busybox-static";

/// Modules every machine may need, by their path below `kernel/`: a directory or one module.
/// Networks are taken generously: what a service asks for is not known here.
const MODULES: [&str; 71] = [
    "arch/arm64/crypto",
    "arch/x86/crypto",
    "crypto",
    "lib",
    "drivers/acpi/button",
    "drivers/block/loop",
    "drivers/block/nbd",
    "drivers/block/virtio_blk",
    "drivers/char/hw_random",
    "drivers/firmware/qemu_fw_cfg",
    "drivers/input/evdev",
    "drivers/net/bonding",
    "drivers/net/dummy",
    "drivers/net/geneve",
    "drivers/net/ifb",
    "drivers/net/ipvlan",
    "drivers/net/macvlan",
    "drivers/net/macvtap",
    "drivers/net/net_failover",
    "drivers/net/tap",
    "drivers/net/tun",
    "drivers/net/veth",
    "drivers/net/virtio_net",
    "drivers/net/vrf",
    "drivers/net/vxlan",
    "drivers/net/wireguard",
    "drivers/ptp",
    "drivers/rtc",
    "drivers/virt",
    "drivers/virtio",
    "fs/autofs",
    "fs/binfmt_misc",
    "fs/configfs",
    "fs/ext4",
    "fs/fat",
    "fs/fuse",
    "fs/isofs",
    "fs/jbd2",
    "fs/lockd",
    "fs/mbcache",
    "fs/netfs",
    "fs/nfs",
    "fs/nfs_common",
    "fs/nls",
    "fs/overlayfs",
    "fs/smb/client",
    "fs/smb/common",
    "fs/squashfs",
    "mm",
    "net/802",
    "net/8021q",
    "net/bpfilter",
    "net/bridge",
    "net/core",
    "net/dns_resolver",
    "net/ife",
    "net/ipv4",
    "net/ipv6",
    "net/key",
    "net/llc",
    "net/mpls",
    "net/netfilter",
    "net/netlink",
    "net/packet",
    "net/psample",
    "net/sched",
    "net/sctp",
    "net/sunrpc",
    "net/tls",
    "net/vmw_vsock",
    "net/xfrm",
];

/// The longest file of a layer, in bytes; a kernel has some ten MB.
const LONGEST: u64 = 256 << 20;

/// Which kernel a layer is made of, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    package: &'static str,
    modules: Vec<&'static str>,
}

impl Kernel {
    /// The kernel for virtual machines, without drivers for real hardware; `None` for an
    /// architecture that has no such machines here.
    pub(crate) fn for_virtual_machines(release: &Release, architecture: &str) -> Option<Self> {
        let package = match (release.distribution, architecture) {
            (Distribution::Debian, "amd64") => "linux-image-cloud-amd64",
            (Distribution::Debian, "arm64") => "linux-image-cloud-arm64",
            (Distribution::Ubuntu, "amd64" | "arm64") => "linux-image-virtual",
            _ => return None,
        };
        Some(Self { package, modules: MODULES.to_vec() })
    }

    /// A kernel for real hardware, and for virtual machines that pretend to be such, with the drivers
    /// named; as [`MODULES`] are.
    pub(crate) fn for_hardware(package: &'static str, drivers: &[&'static str]) -> Self {
        Self { package, modules: [&MODULES, drivers].concat() }
    }

    pub(crate) fn packages(&self) -> [&'static str; 2] {
        [self.package, BUSYBOX]
    }

    /// The paths of modules for the hook: one word each.
    pub(crate) fn modules(&self) -> String {
        self.modules.join(" ")
    }
}

#[derive(Debug)]
pub(crate) struct Layer {
    path: PathBuf,
    /// The kernel's release: `6.12.107+deb13-cloud-amd64`.
    pub(crate) release: String,
    pub(crate) kernel: Vec<u8>,
    pub(crate) busybox: Vec<u8>,
    dependencies: String,
}

impl Layer {
    /// Reads the layer's tar.
    ///
    /// # Errors
    /// [`OsError::Io`], also for a tar that lacks a part.
    pub(crate) fn read(path: &Path) -> Result<Self, OsError> {
        let (mut kernel, mut busybox, mut dependencies) = (Vec::new(), Vec::new(), None);
        let whole = |content: &mut dyn std::io::Read| skep_read::to_end(content, LONGEST);
        each_file(path, |name, content| {
            let release = name
                .strip_prefix("usr/lib/modules/")
                .and_then(|rest| rest.strip_suffix("/modules.dep"));
            if name == "boot/vmlinuz" {
                kernel = whole(content)?;
            } else if name == "usr/bin/busybox" {
                busybox = whole(content)?;
            } else if let Some(release) = release {
                dependencies = Some((release.to_owned(), skep_read::utf8(whole(content)?)?));
            }
            Ok(())
        })?;
        let (release, dependencies) =
            dependencies.ok_or_else(|| incomplete(path, "modules.dep"))?;
        for (part, name) in [(&kernel, "vmlinuz"), (&busybox, "busybox")] {
            if part.is_empty() {
                return Err(incomplete(path, name));
            }
        }
        Ok(Self { path: path.to_owned(), release, kernel, busybox, dependencies })
    }

    /// The modules named, and those they need, as files in the order to load them in. One that the
    /// kernel has built in is none.
    ///
    /// # Errors
    /// [`OsError::Io`].
    pub(crate) fn modules(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>, OsError> {
        let order = load_order(&self.dependencies, names);
        let mut found = vec![Vec::new(); order.len()];
        let directory = format!("usr/lib/modules/{}/", self.release);
        each_file(&self.path, |name, content| {
            let place = name
                .strip_prefix(&directory)
                .and_then(|path| order.iter().position(|wanted| *wanted == path));
            if let Some(place) = place {
                found[place] = skep_read::to_end(content, LONGEST)?;
            }
            Ok(())
        })?;
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        Ok(order.into_iter().map(name).zip(found).collect())
    }
}

fn incomplete(path: &Path, part: &str) -> OsError {
    OsError::io("read", path)(std::io::Error::other(format!("the kernel layer has no {part}")))
}

/// Calls `file` for each regular file of a tar, with its path without `./`.
fn each_file(
    path: &Path,
    mut file: impl FnMut(&str, &mut dyn std::io::Read) -> std::io::Result<()>,
) -> Result<(), OsError> {
    let mut archive = tar::Archive::new(skep_read::open(path).map_err(OsError::io("read", path))?);
    let entries = archive.entries_with_seek().map_err(OsError::io("read", path))?;
    for entry in entries {
        let mut entry = entry.map_err(OsError::io("read", path))?;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            file(name.trim_start_matches("./"), &mut entry).map_err(OsError::io("read", path))?;
        }
    }
    Ok(())
}

/// Rewrites the layer at `path` without the signatures of its modules. The kernel only notes that a
/// module has none, while checking one costs more, under emulation, than everything else there is
/// to loading it. A kernel that is locked down (Secure Boot) would refuse such modules.
///
/// # Errors
/// [`OsError::Io`].
pub(crate) fn remove_signatures(path: &Path) -> Result<(), OsError> {
    let partial = path.with_extension("unsigned");
    let rewrite = || -> std::io::Result<()> {
        let mut archive = tar::Archive::new(skep_read::open(path)?);
        let mut result = tar::Builder::new(fs::File::create(&partial)?);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.into_owned();
            let mut header = entry.header().clone();
            let mut content = skep_read::to_end(&mut entry, LONGEST)?;
            if name.extension().is_some_and(|extension| extension == "ko") {
                content.truncate(unsigned_length(&content));
                header.set_size(content.len() as u64);
            }
            // The directory that everything is in has no name of its own.
            if name.components().any(|part| matches!(part, std::path::Component::Normal(_))) {
                result.append_data(&mut header, name, &content[..])?;
            }
        }
        result.finish()?;
        fs::rename(&partial, path)
    };
    rewrite().map_err(OsError::io("rewrite", path))
}

/// How long a module is without its signature, which follows it: the signature itself, a description
/// of it in twelve bytes, a mark. See the kernel's `include/linux/module_signature.h`.
fn unsigned_length(module: &[u8]) -> usize {
    const MARK: &[u8] = b"~Module signature appended~\n";
    let description = module.strip_suffix(MARK).and_then(|rest| rest.last_chunk::<12>());
    let Some([_, _, _, signer, key, _, _, _, length @ ..]) = description else {
        return module.len();
    };
    let signature = u32::from_be_bytes(*length) as usize + usize::from(*signer) + usize::from(*key);
    module.len().checked_sub(MARK.len() + 12 + signature).unwrap_or(module.len())
}

/// The length of a tar without the empty blocks at its end, so that another one can follow.
///
/// # Errors
/// [`OsError::Io`].
pub(crate) fn content_length(path: &Path) -> Result<u64, OsError> {
    let mut archive = tar::Archive::new(skep_read::open(path).map_err(OsError::io("read", path))?);
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(OsError::io("read", path))? {
        let entry = entry.map_err(OsError::io("read", path))?;
        let size = entry.header().entry_size().map_err(OsError::io("read", path))?;
        end = entry.raw_file_position() + size.next_multiple_of(512);
    }
    Ok(end)
}

/// From `modules.dep` (`PATH: PATH…`, each line naming all a module needs, what is needed by others
/// last): the paths to load, in order, for modules by name.
fn load_order<'a>(dependencies: &'a str, names: &[&str]) -> Vec<&'a str> {
    // A module's name has `_` where its file's name may have `-`.
    let is = |path: &str, name: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split('.').next().is_some_and(|stem| stem.replace('-', "_") == name)
    };
    let mut order = Vec::new();
    for name in names {
        let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
        let Some((path, needed)) = lines.into_iter().find(|(path, _)| is(path, name)) else {
            continue;
        };
        for path in needed.split_whitespace().rev().chain([path]) {
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    order
}

/// The compressed kernel proper within an x86 `bzImage`, if it is compressed with zstd. A kernel
/// that is taken apart beforehand is not taken apart at each boot, which under emulation takes
/// longer than everything else the kernel does.
///
/// See the kernel's `Documentation/arch/x86/boot.rst`, "The Real-Mode Kernel Header".
pub(crate) fn zstd_payload(kernel: &[u8]) -> Option<&[u8]> {
    let number = |offset: usize| {
        let bytes = kernel.get(offset..offset + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    if kernel.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    // A setup of 0 sectors means 4; the boot sector comes before it.
    let sectors = match *kernel.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (sectors + 1) * 512 + number(0x248)?;
    // The last four bytes are the length of what comes out.
    let payload = kernel.get(start..start.checked_add(number(0x24c)?)?.checked_sub(4)?)?;
    payload.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]).then_some(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEPENDENCIES: &str = "kernel/fs/overlayfs/overlay.ko:\n\
        kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko\n\
        kernel/crypto/crc32c-intel.ko: kernel/net/core/failover.ko\n";

    #[test]
    fn what_a_module_needs_is_loaded_before_it_and_once() {
        assert_eq!(
            load_order(DEPENDENCIES, &["virtio_net", "ext4", "crc32c_intel", "overlay"]),
            [
                "kernel/net/core/failover.ko",
                "kernel/drivers/net/net_failover.ko",
                "kernel/drivers/net/virtio_net.ko",
                "kernel/crypto/crc32c-intel.ko",
                "kernel/fs/overlayfs/overlay.ko"
            ]
        );
    }

    #[test]
    fn the_kernel_proper_is_found_where_the_header_says() {
        let mut kernel = vec![0; 4096];
        kernel[0x1f1] = 1;
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x248..0x24c].copy_from_slice(&100_u32.to_le_bytes());
        kernel[0x24c..0x250].copy_from_slice(&14_u32.to_le_bytes());
        kernel[1124..1128].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(zstd_payload(&kernel).map(<[u8]>::len), Some(10));
        kernel[1124] = 0x1f;
        assert_eq!(zstd_payload(&kernel), None);
        assert_eq!(zstd_payload(b"MZ, an EFI image"), None);
    }

    #[test]
    fn a_tar_ends_before_its_empty_blocks() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.tar");
        let mut tar = tar::Builder::new(Vec::new());
        let regular = tar::EntryType::Regular;
        crate::seed::append(&mut tar, "boot/vmlinuz", regular, 0o644, &[0; 600], 0);
        fs::write(&path, crate::seed::finish(tar)).unwrap();
        assert_eq!(content_length(&path).unwrap(), 512 + 1024);
    }

    #[test]
    fn a_module_loses_its_signature_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("layer.tar");
        let signed =
            b"\x7fELFmodulesignature\0\0\x02\0\0\0\0\0\0\0\0\x09~Module signature appended~\n";
        assert_eq!(unsigned_length(signed), 10);
        assert_eq!(unsigned_length(&signed[20..]), signed.len() - 20, "a signature cut short");
        assert_eq!(unsigned_length(b"\x7fELF"), 4);
        let mut tar = tar::Builder::new(Vec::new());
        let (regular, directory) = (tar::EntryType::Regular, tar::EntryType::Directory);
        crate::seed::append(&mut tar, "./usr/lib/", directory, 0o755, &[], 0);
        crate::seed::append(&mut tar, "./usr/lib/a.ko", regular, 0o644, signed, 0);
        crate::seed::append(&mut tar, "./usr/lib/b.txt", regular, 0o644, signed, 0);
        fs::write(&path, crate::seed::finish(tar)).unwrap();
        remove_signatures(&path).unwrap();
        let mut found = Vec::new();
        each_file(&path, |name, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            found.push((name.to_owned(), bytes.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [("usr/lib/a.ko".into(), 10), ("usr/lib/b.txt".into(), signed.len())]);
    }

    #[test]
    fn a_layer_without_a_part_says_which() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("layer.tar");
        let mut tar = tar::Builder::new(Vec::new());
        let regular = tar::EntryType::Regular;
        crate::seed::append(&mut tar, "./boot/vmlinuz", regular, 0o644, b"MZ", 0);
        let name = "./usr/lib/modules/6.1/modules.dep";
        crate::seed::append(&mut tar, name, regular, 0o644, b"", 0);
        fs::write(&path, crate::seed::finish(tar)).unwrap();
        let OsError::Io { source, .. } = Layer::read(&path).unwrap_err() else { panic!() };
        assert_eq!(source.to_string(), "the kernel layer has no busybox");
    }

    #[test]
    fn a_machine_has_a_kernel_where_there_is_one() {
        let debian = Release { distribution: Distribution::Debian, suite: "trixie".into() };
        let kernel = Kernel::for_virtual_machines(&debian, "arm64").unwrap();
        assert_eq!(kernel.packages(), ["linux-image-cloud-arm64", "busybox-static"]);
        assert!(kernel.modules().contains(" net/netfilter "));
        assert_eq!(Kernel::for_virtual_machines(&debian, "s390x"), None);
    }

    proptest! {
        #[test]
        fn any_file_is_looked_at_for_a_kernel(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            zstd_payload(&bytes);
        }
    }
}
