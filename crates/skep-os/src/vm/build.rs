//! Packages the root file system for virtual machines: once, as [`crate::builder`] does.

use std::{path::Path, time::Duration};

use fs_err as fs;
use sha2::{Digest, Sha256};
use skep_model::{Check, Events, Reason, event::Span};
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use super::{
    Record, VmImage,
    image::{BASE, INITRAMFS, KERNEL},
    initramfs,
};
use crate::{
    Builder, Image, OsError,
    builder::{finish, lock},
    debootstrap::{Run, Variant, quoted},
    definition::hex,
    kernel::{self, GATHER, GATHERED, Kernel, Layer},
    place::Place,
    preflight::{self, DEPMOD, MKE2FS, SQFSTAR, Tool, XZ, ZSTD},
    progress,
};

/// The initramfs's first program.
pub(crate) const INIT: &str = include_str!("../../guest/vm/init");

/// What the first program needs to find the disks and to lay one over the other, and what every
/// machine needs at once: loaded here it costs less than later. What a kernel has built in is not
/// missed. Everything else the kernel asks for when it is needed.
const MODULES: [&str; 8] =
    ["virtio_pci", "virtio_blk", "ext4", "squashfs", "overlay", "virtio_net", "button", "evdev"];

/// How the base disk is packed: not compressed, since under emulation unpacking costs more than
/// reading.
const SQUASHFS: [&str; 7] =
    ["-quiet", "-no-progress", "-no-duplicates", "-noI", "-noD", "-noF", "-noX"];

/// Packs two tars, the first without its end, so that they are read as one: `$1` bytes of `$2`,
/// then `$3`. The rest is sqfstar's.
pub(crate) const PACK: &str = "head=$1 first=$2 second=$3; shift 3
{ head -c \"$head\" \"$first\" && cat \"$second\"; } | \"$@\" boot";

/// How long packing may take.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// How much room the result takes in the cache, in bytes, with what it is made of and a margin.
const BYTES: u64 = 700 << 20;

impl Builder {
    /// The digest of what [`Builder::ensure_vm`] builds: 64 hex digits.
    pub fn vm_digest(&self) -> String {
        let kernel = self.kernel();
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add("vm, modules without signatures");
        add(self.digest());
        for package in kernel.iter().flat_map(Kernel::packages) {
            add(package);
        }
        add(&kernel.map_or(String::new(), |kernel| kernel.modules()));
        [GATHER, INIT, PACK].into_iter().for_each(&mut add);
        SQUASHFS.into_iter().chain(MODULES).for_each(&mut add);
        hex(&hash.finalize())
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
    ///
    /// # Errors
    /// See [`OsError`].
    pub async fn ensure_vm(
        &self,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<VmImage, OsError> {
        match self.cached_vm() {
            Ok(Some(image)) => return Ok(image),
            Err(error @ OsError::Damaged { .. }) => events.warn("", Reason::of(&error)),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        if let Some(check) = preflight::obstacle(self.preflight_vm()) {
            return Err(OsError::Preflight(check));
        }
        let rootfs = self.ensure(events, cancel).await?;
        let span = events.step("", "packing the guest system for virtual machines");
        match self.build_vm_alone(&rootfs, &span, cancel).await {
            Err(OsError::Cancelled) => Err(OsError::Cancelled),
            other => span.end_with(other),
        }
    }

    async fn build_vm_alone(
        &self,
        rootfs: &Image,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<VmImage, OsError> {
        let place = self.vm_place();
        let _lock = lock(&place, span, cancel).await?;
        if let Ok(Some(image)) = place.vm_image() {
            return Ok(image);
        }
        self.sweep(&place).await?;
        let built = self.build_vm(rootfs, &place, span, cancel).await;
        if built.is_err() {
            self.sweep(&place).await?;
        }
        built
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
        let path = directory.join("layer.tar");
        self.make_layer(place, &path, span, cancel).await?;
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

    async fn make_layer(
        &self,
        place: &Place,
        path: &Path,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<(), OsError> {
        let kernel = self.kernel().ok_or_else(|| OsError::NoKernel {
            release: self.source.release.to_string(),
            architecture: self.source.architecture.clone(),
        })?;
        let run = Run {
            variant: Variant::Extract,
            packages: kernel.packages().to_vec(),
            dpkg: Vec::new(),
            hooks: vec![GATHER.to_owned(), format!("download {GATHERED} {}", quoted(path))],
            environment: vec![("MODULES", kernel.modules())],
            result: None,
        };
        self.debootstrap()
            .run(place, run, cancel, |line| {
                if let Some(text) = progress::step(line) {
                    span.progress(text);
                }
            })
            .await
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

/// Packs the root file system and a layer over it into a squashfs, with sqfstar's `options`.
pub(crate) async fn pack(
    rootfs: &Path,
    layer: &Path,
    to: &Path,
    options: &[&str],
    cancel: &CancellationToken,
) -> Result<(), OsError> {
    let head = kernel::content_length(rootfs)?;
    let program = Program::new("sh")
        .args(["-c", PACK, "sh", &head.to_string()])
        .args([rootfs, layer])
        .arg(SQFSTAR.path())
        .args(options)
        .arg(to)
        .deadline(DEADLINE);
    run(SQFSTAR, program, cancel).await
}

/// Runs a program that packs; what it fails with names its package.
pub(crate) async fn run(
    tool: Tool,
    program: Program,
    cancel: &CancellationToken,
) -> Result<(), OsError> {
    match program.run(cancel).await {
        Ok(_) => Ok(()),
        Err(ProcessError::Cancelled { .. }) => Err(OsError::Cancelled),
        Err(source) => Err(OsError::Program { package: tool.package, source }),
    }
}
