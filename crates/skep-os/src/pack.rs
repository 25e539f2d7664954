//! What packing the root file system for virtual machines and as an ISO have in common: a layer with
//! the kernel over it, and both in one squashfs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use skep_model::{Check, Events, Reason, event::Span};
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use crate::{
    Builder, Image, OsError,
    debootstrap::{Run, Variant, quoted},
    kernel::{self, GATHER, GATHERED, Kernel},
    place::Place,
    preflight::{self, SQFSTAR, Tool},
    progress,
};

/// The initramfs's first program.
pub(crate) const INIT: &str = include_str!("../guest/vm/init");

/// Packs two tars, the first without its end, so that they are read as one: `$1` bytes of `$2`,
/// then `$3`. The rest is sqfstar's.
pub(crate) const PACK: &str = "head=$1 first=$2 second=$3; shift 3
{ head -c \"$head\" \"$first\" && cat \"$second\"; } | \"$@\" boot";

/// How long packing may take.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

impl Builder {
    /// The root file system, built if need be, on a host that passes `checks`.
    pub(crate) async fn rootfs_to_pack(
        &self,
        checks: Vec<Check>,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Image, OsError> {
        match preflight::obstacle(checks) {
            Some(check) => Err(OsError::Preflight(check)),
            None => self.ensure(events, cancel).await,
        }
    }

    /// Makes the layer, a tar in `place`: the kernel, its modules and the packages `more`, with what
    /// `hooks` add between gathering and downloading it.
    pub(crate) async fn layer(
        &self,
        kernel: Option<Kernel>,
        more: &[&'static str],
        hooks: Vec<String>,
        place: &Place,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, OsError> {
        let kernel = kernel.ok_or_else(|| OsError::NoKernel {
            release: self.source.release.to_string(),
            architecture: self.source.architecture.clone(),
        })?;
        let path = place.directory().join("layer.tar");
        let download = format!("download {GATHERED} {}", quoted(&path));
        let run = Run {
            variant: Variant::Extract,
            packages: [&kernel.packages(), more].concat(),
            dpkg: Vec::new(),
            hooks: [vec![GATHER.to_owned()], hooks, vec![download]].concat(),
            environment: vec![("MODULES", kernel.modules())],
            result: None,
        };
        let show =
            |line: &str| progress::step(line).into_iter().for_each(|text| span.progress(text));
        self.debootstrap().run(place, run, cancel, show).await?;
        Ok(path)
    }
}

/// What was packed before, if it is whole. A damaged one is named and packed again.
pub(crate) fn whole<T>(
    packed: Result<Option<T>, OsError>,
    events: &Events,
) -> Result<Option<T>, OsError> {
    packed.or_else(|error| match error {
        OsError::Damaged { .. } => {
            events.warn("", Reason::of(&error));
            Ok(None)
        }
        error => Err(error),
    })
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
