//! Builds the ISO: once, as [`crate::builder`] does.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fs_err as fs;
use skep_model::{Check, Events, event::Span};
use skep_process::Program;
use tokio_util::sync::CancellationToken;

use super::{ISO, IsoImage};
use crate::{
    Builder, Image, OsError, Release,
    builder::{ended, files_tar, finish},
    debootstrap::quoted,
    definition::{self, GuestFile},
    kernel::{GATHER, Kernel, Layer},
    pack::{INIT, PACK, pack, run, whole},
    place::Place,
    preflight::{self, DEPMOD, SQFSTAR, Tool, XZ, ZSTD},
    source::Distribution,
    vm::initramfs,
};

/// Writes ISO images that start by BIOS and by UEFI, whichever GRUB is there for.
const MKRESCUE: Tool = Tool { name: "grub-mkrescue", package: "grub-common" };
/// What it writes the ISO with, and UEFI's partition.
const XORRISO: Tool = Tool { name: "xorriso", package: "xorriso" };
const MFORMAT: Tool = Tool { name: "mformat", package: "mtools" };

/// Drivers for what VirtualBox, QEMU, VMware and plain machines have: drives, network cards,
/// keyboards and the power button.
const DRIVERS: [&str; 41] = [
    "drivers/ata",
    "drivers/cdrom",
    "drivers/dca",
    "drivers/hid/hid",
    "drivers/hid/hid-generic",
    "drivers/hid/usbhid",
    "drivers/i2c/algos",
    "drivers/input/keyboard",
    "drivers/input/serio",
    "drivers/message/fusion",
    "drivers/net/ethernet/amd/pcnet32",
    "drivers/net/ethernet/broadcom/bnx2",
    "drivers/net/ethernet/broadcom/tg3",
    "drivers/net/ethernet/intel/e1000",
    "drivers/net/ethernet/intel/e1000e",
    "drivers/net/ethernet/intel/igb",
    "drivers/net/ethernet/intel/igc",
    "drivers/net/ethernet/intel/ixgbe",
    "drivers/net/ethernet/realtek",
    "drivers/net/mdio",
    "drivers/net/mii",
    "drivers/net/phy",
    "drivers/net/vmxnet3",
    "drivers/nvme/common",
    "drivers/nvme/host",
    "drivers/pps",
    "drivers/scsi/BusLogic",
    "drivers/scsi/scsi_common",
    "drivers/scsi/scsi_mod",
    "drivers/scsi/scsi_transport_sas",
    "drivers/scsi/scsi_transport_spi",
    "drivers/scsi/sd_mod",
    "drivers/scsi/sg",
    "drivers/scsi/sr_mod",
    "drivers/scsi/virtio_scsi",
    "drivers/scsi/vmw_pvscsi",
    "drivers/usb/common",
    "drivers/usb/core",
    "drivers/usb/host",
    "drivers/usb/storage",
    "fs/udf",
];

/// What the first program needs to find the ISO and the data disk, and the power button. Drivers come first: loading
/// the next module waits until the drives of the one before are known.
const MODULES: [&str; 28] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "ahci",
    "ata_piix",
    "ata_generic",
    "mptspi",
    "mptsas",
    "BusLogic",
    "vmw_pvscsi",
    "nvme",
    "xhci_pci",
    "ehci_pci",
    "uhci_hcd",
    "ohci_pci",
    "usb_storage",
    "uas",
    "sd_mod",
    "sr_mod",
    "loop",
    "isofs",
    "squashfs",
    // ext4 asks for it by an alias, which `modules.dep` does not have.
    "crc32c_generic",
    "crc32c_intel",
    "ext4",
    "overlay",
    "button",
    "evdev",
];

/// The package of the program that formats a data disk.
const FORMATTER: &str = "e2fsprogs";

/// How the base is packed, for an ISO of a size that can be downloaded.
const SQUASHFS: [&str; 4] = ["-quiet", "-no-progress", "-comp", "zstd"];

/// GRUB's modules that the ISO needs; with all of them it is 10 MB bigger.
const GRUB_MODULES: &str = "all_video boot configfile echo ext2 fat iso9660 linux normal part_gpt \
                            part_msdos search";

/// What boots: the menu that is not shown.
const MENU: &str = include_str!("../../guest/iso/grub.cfg");
/// The initramfs's way to the disks.
const DISKS: &str = include_str!("../../guest/iso/disks");
/// The hook that adds [`FORMATTER`]'s files to the layer.
const LAYER: &str = include_str!("../../guest/iso/layer");

const FILES: [GuestFile; 3] = [
    GuestFile {
        path: "/usr/lib/skep/boot2docker",
        mode: 0o644,
        content: include_str!("../../guest/iso/boot2docker"),
    },
    GuestFile {
        path: "/usr/lib/skep/dhcp",
        mode: 0o755,
        content: include_str!("../../guest/iso/dhcp"),
    },
    GuestFile {
        path: "/etc/sv/network/run",
        mode: 0o755,
        content: include_str!("../../guest/iso/sv/network/run"),
    },
];

const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How much room a build takes in the cache, in bytes, with a margin.
const BYTES: u64 = 800 << 20;

/// The kernel of a release with drivers for real hardware.
fn kernel(release: &Release, architecture: &str) -> Option<Kernel> {
    let package = match (release.distribution, architecture) {
        (Distribution::Debian, "amd64") => "linux-image-amd64",
        (Distribution::Debian, "arm64") => "linux-image-arm64",
        (Distribution::Ubuntu, "amd64" | "arm64") => "linux-image-generic",
        _ => return None,
    };
    Some(Kernel::for_hardware(package, &DRIVERS))
}

/// The directories of GRUB's parts that an ISO of an architecture needs, and their packages.
/// Without one of them the ISO would be written all the same, and not start everywhere.
fn grub_parts(architecture: &str) -> &'static [(&'static str, &'static str)] {
    match architecture {
        "amd64" => &[
            ("/usr/lib/grub/i386-pc", "grub-pc-bin"),
            ("/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin"),
        ],
        _ => &[("/usr/lib/grub/arm64-efi", "grub-efi-arm64-bin")],
    }
}

impl Builder {
    /// The digest of what [`Builder::ensure_iso`] builds: 64 hex digits.
    pub fn iso_digest(&self) -> String {
        let kernel = self.iso_kernel();
        let modules = kernel.as_ref().map_or(String::new(), Kernel::modules);
        let packages = kernel.as_ref().map_or(Vec::new(), |kernel| kernel.packages().to_vec());
        let texts = [&*modules, GATHER, INIT, PACK, MENU, DISKS, LAYER, GRUB_MODULES];
        let files: Vec<_> = FILES.iter().flat_map(|file| [file.path, file.content]).collect();
        definition::digest(
            [
                &["iso", self.digest()],
                &*packages,
                &[FORMATTER],
                &texts,
                &SQUASHFS,
                &MODULES,
                &files,
            ]
            .concat(),
        )
    }

    /// The bootable ISO, if it has been built.
    ///
    /// # Errors
    /// [`OsError::Damaged`] if it is not what was built; [`OsError::Io`], [`OsError::Store`].
    pub fn cached_iso(&self) -> Result<Option<IsoImage>, OsError> {
        IsoImage::read(&self.iso_place())
    }

    /// What [`Builder::ensure_iso`] needs of the host, each with what was found. Touches nothing.
    pub fn preflight_iso(&self) -> Vec<Check> {
        let tools = [DEPMOD, SQFSTAR, XZ, ZSTD, MKRESCUE, XORRISO, MFORMAT].map(Tool::installed);
        let parts = grub_parts(&self.source.architecture).iter().map(|(directory, package)| {
            if Path::new(directory).is_dir() {
                return Check::pass(*package, "installed");
            }
            let fix = format!("install it with `apt-get install {package}`");
            Check::fail(*package, "it is not installed", fix)
        });
        let room = preflight::room(&self.cache, BYTES);
        self.preflight().into_iter().chain(tools).chain(parts).chain([room]).collect()
    }

    /// The bootable ISO of this definition: from the cache, or from a build that another process has
    /// under way, or built now, with the root file system if need be. A damaged one is built again.
    /// Nothing of a build that fails or is cancelled stays.
    pub async fn ensure_iso(
        &self,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<IsoImage, OsError> {
        if let Some(image) = whole(self.cached_iso(), events)? {
            return Ok(image);
        }
        let rootfs = self.rootfs_to_pack(self.preflight_iso(), events, cancel).await?;
        let span = events.step("", "packing the guest system as a bootable ISO");
        let place = self.iso_place();
        let build = self.build_iso(&rootfs, &place, &span, cancel);
        let built = self.once(&place, &span, cancel, || IsoImage::read(&place), build).await;
        ended(span, built)
    }

    async fn build_iso(
        &self,
        rootfs: &Image,
        place: &Place,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<IsoImage, OsError> {
        let directory = place.directory();
        skep_store::file::create_private_dir(&directory)?;
        let files = directory.join("files.tar");
        fs::write(&files, files_tar(&FILES)).map_err(OsError::io("write", &files))?;
        let hooks = vec![format!("tar-in {} /skep", quoted(&files)), LAYER.to_owned()];
        let path = self.layer(self.iso_kernel(), &[FORMATTER], hooks, place, span, cancel).await?;
        skep_store::file::remove(&files)?;
        let layer = Layer::read(&path)?;

        span.progress("writing the kernel and the initramfs");
        let tree = Tree::new(&directory)?;
        tree.write("boot/kernel", &layer.kernel)?;
        tree.write("boot/grub/grub.cfg", MENU.as_bytes())?;
        let modules = layer.modules(&MODULES)?;
        let initramfs = initramfs::archive(&layer.busybox, INIT, Some(DISKS), &modules);
        // Read through firmware, which is slow, it had better be small.
        let program = Program::new(ZSTD.path())
            .args(["-q", "-15", "-f", "-o"])
            .arg(tree.path("boot/initramfs"));
        run(ZSTD, program.stdin(initramfs), cancel).await?;

        span.progress("writing the base");
        let base = tree.path("skep/base.squashfs");
        pack(&rootfs.rootfs, &path, &base, &SQUASHFS, cancel).await?;
        skep_store::file::remove(&path)?;

        span.progress("writing the ISO");
        let partial = directory.join("partial.iso");
        let program = Program::new(MKRESCUE.path())
            .args(["--compress=xz", "--locales=", "--fonts=", "--themes="])
            .arg(format!("--install-modules={GRUB_MODULES}"))
            .arg("-o")
            .args([&partial, &tree.root])
            .args(["--", "-volid", "SKEP"])
            .env("TMPDIR", &directory)
            .deadline(DEADLINE);
        run(MKRESCUE, program, cancel).await?;
        skep_store::file::remove_dir(&tree.root)?;
        let iso = directory.join(ISO);
        finish(&partial, &iso)?;
        IsoImage::complete(place, rootfs, layer.release)?;
        IsoImage::read(place)?.ok_or_else(|| {
            OsError::io("read", iso)(std::io::Error::other("it is gone right after it was built"))
        })
    }

    fn iso_kernel(&self) -> Option<Kernel> {
        kernel(&self.source.release, &self.source.architecture)
    }

    fn iso_place(&self) -> Place {
        Place::new(&self.cache, &self.iso_digest())
    }
}

#[derive(Debug)]
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new(directory: &Path) -> Result<Self, OsError> {
        let tree = Self { root: directory.join("tree") };
        for name in ["boot/grub", "skep"] {
            let path = tree.path(name);
            fs::create_dir_all(&path).map_err(OsError::io("create", &path))?;
        }
        Ok(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), OsError> {
        let path = self.path(name);
        fs::write(&path, content).map_err(OsError::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    fn debian() -> Release {
        Release { distribution: Distribution::Debian, suite: "trixie".into() }
    }

    #[test]
    fn a_pc_starts_by_either_firmware_and_others_by_theirs() {
        assert_eq!(kernel(&debian(), "amd64").unwrap().packages()[0], "linux-image-amd64");
        assert_eq!(kernel(&debian(), "s390x"), None);
        assert_eq!(grub_parts("amd64").len(), 2);
        assert_eq!(grub_parts("arm64"), [("/usr/lib/grub/arm64-efi", "grub-efi-arm64-bin")]);
    }

    #[test]
    fn the_iso_is_told_apart_from_what_it_is_made_of() {
        let source =
            Source { release: debian(), architecture: "amd64".into(), mirrors: Vec::new() };
        let builder = Builder::new("/nowhere", source.clone());
        let others = [builder.digest().to_owned(), builder.vm_digest()];
        assert!(!others.contains(&builder.iso_digest()));
        let arm = Builder::new("/nowhere", Source { architecture: "arm64".into(), ..source });
        assert_ne!(builder.iso_digest(), arm.iso_digest());
    }

    #[test]
    fn every_file_is_a_program_or_is_read_by_one() {
        for file in FILES {
            let runs = file.content.starts_with("#!/bin/sh\n");
            assert_eq!(file.mode, if runs { 0o755 } else { 0o644 }, "{}", file.path);
            assert!(file.content.ends_with('\n'), "{}", file.path);
        }
    }
}
