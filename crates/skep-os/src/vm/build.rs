//! Packages the root file system for virtual machines: once, as [`crate::builder`] does.

use std::path::Path;

use fs_err as fs;
use skep_model::{Check, Events, event::Span};
use skep_process::Program;
use tokio_util::sync::CancellationToken;

use super::{
    Record, VmImage,
    image::{BASE, INITRAMFS, KERNEL},
    initramfs,
};
use crate::{
    Builder, Image, OsError,
    builder::{ended, finish},
    definition,
    kernel::{self, GATHER, Kernel, Layer},
    pack::{INIT, PACK, pack, run, whole},
    place::Place,
    preflight::{self, DEPMOD, MKE2FS, SQFSTAR, Tool, XZ, ZSTD},
};

/// What the first program needs to find the disks and to lay one over the other, and what every
/// machine needs at once: loaded here it costs less than later. What a kernel has built in is not
/// missed. Everything else the kernel asks for when it is needed.
const MODULES: [&str; 8] =
    ["virtio_pci", "virtio_blk", "ext4", "squashfs", "overlay", "virtio_net", "button", "evdev"];

/// How the base disk is packed: not compressed, since under emulation unpacking costs more than
/// reading.
const SQUASHFS: [&str; 7] =
    ["-quiet", "-no-progress", "-no-duplicates", "-noI", "-noD", "-noF", "-noX"];

/// How much room the result takes in the cache, in bytes, with what it is made of and a margin.
const BYTES: u64 = 700 << 20;

impl Builder {
    /// The digest of what [`Builder::ensure_vm`] builds: 64 hex digits.
    pub fn vm_digest(&self) -> String {
        let kernel = self.kernel();
        let modules = kernel.as_ref().map_or(String::new(), Kernel::modules);
        let packages = kernel.as_ref().map_or(Vec::new(), |kernel| kernel.packages().to_vec());
        let kind = ["vm, modules without signatures", self.digest()];
        let texts = [&*modules, GATHER, INIT, PACK];
        definition::digest([&kind, &*packages, &texts, &SQUASHFS, &MODULES].concat())
    }

    /// What virtual machines are started from, if it has been built.
    ///
    /// # Errors
    /// [`OsError::Damaged`] if a file is not what was built; [`OsError::Io`], [`OsError::Store`].
    pub fn cached_vm(&self) -> Result<Option<VmImage>, OsError> {
        self.vm_place().vm_image()
    }

    /// What [`Builder::ensure_vm`] needs of the host, each with what was found. Touches nothing.
    pub fn preflight_vm(&self) -> Vec<Check> {
        let tools = [DEPMOD, MKE2FS, SQFSTAR, XZ, ZSTD].map(Tool::installed);
        let room = preflight::room(&self.cache, BYTES);
        self.preflight().into_iter().chain(tools).chain([room]).collect()
    }

    /// What virtual machines of this definition are started from: from the cache, or from a build
    /// that another process has under way, or built now, with the root file system if need be. A
    /// damaged one is built again. Nothing of a build that fails or is cancelled stays.
    pub async fn ensure_vm(
        &self,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<VmImage, OsError> {
        if let Some(image) = whole(self.cached_vm(), events)? {
            return Ok(image);
        }
        let rootfs = self.rootfs_to_pack(self.preflight_vm(), events, cancel).await?;
        let span = events.step("", "packing the guest system for virtual machines");
        let place = self.vm_place();
        let build = self.build_vm(&rootfs, &place, &span, cancel);
        let built = self.once(&place, &span, cancel, || place.vm_image(), build).await;
        ended(span, built)
    }

    async fn build_vm(
        &self,
        rootfs: &Image,
        place: &Place,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<VmImage, OsError> {
        let directory = place.directory();
        skep_store::file::create_private_dir(&directory)?;
        let path = self.layer(self.kernel(), &[], Vec::new(), place, span, cancel).await?;
        kernel::remove_signatures(&path)?;
        let layer = Layer::read(&path)?;

        span.progress("writing the kernel and the initramfs");
        write_kernel(&layer, &directory.join(KERNEL), cancel).await?;
        let initramfs = initramfs::archive(&layer.busybox, INIT, None, &layer.modules(&MODULES)?);
        let file = directory.join(INITRAMFS);
        fs::write(&file, initramfs).map_err(OsError::io("write", &file))?;

        span.progress("writing the base disk");
        let partial = directory.join("partial.squashfs");
        pack(&rootfs.rootfs, &path, &partial, &SQUASHFS, cancel).await?;
        skep_store::file::remove(&path)?;
        finish(&partial, &directory.join(BASE))?;
        let record = Record::of(place, rootfs, layer.release)?;
        record.write(place)?;
        Ok(record.image(place))
    }

    fn kernel(&self) -> Option<Kernel> {
        Kernel::for_virtual_machines(&self.source.release, &self.source.architecture)
    }

    fn vm_place(&self) -> Place {
        Place::new(&self.cache, &self.vm_digest())
    }
}

/// Writes the kernel, taken apart if that can be done.
async fn write_kernel(layer: &Layer, to: &Path, cancel: &CancellationToken) -> Result<(), OsError> {
    let Some(payload) = kernel::zstd_payload(&layer.kernel) else {
        return fs::write(to, &layer.kernel).map_err(OsError::io("write", to));
    };
    let program = Program::new(ZSTD.path()).args(["-q", "-d", "-f", "-o"]).arg(to).stdin(payload);
    run(ZSTD, program, cancel).await
}
