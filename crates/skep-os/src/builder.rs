//! Builds the guest system once, however many processes ask at the same time.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use fs_err as fs;
use skep_context::{after, poll_until};
use skep_model::{Check, Events, event::Span};
use skep_process::Program;
use skep_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::{
    Definition, Image, OsError, Source,
    cache::Record,
    debootstrap::{Debootstrap, Run, Variant, quoted},
    definition::{GuestFile, SETUP},
    lock::{BUILD, POLL, lock},
    place::Place,
    preflight::{self, CACHE_BYTES, Mode, SCRATCH_BYTES, User},
    progress,
};

/// How long removing what a failed build has left may take.
const SWEEP: Duration = Duration::from_secs(20);

/// Builds guest systems into a cache.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) cache: PathBuf,
    pub(crate) source: Source,
    definition: Definition,
    digest: String,
    pub(crate) mmdebstrap: PathBuf,
    path: Vec<PathBuf>,
    pub(crate) scratch: PathBuf,
    host: PathBuf,
}

impl Builder {
    /// A builder that keeps its results in `cache` (see [`skep_store::Layout::os`]) and takes
    /// packages from `source`. It looks for mmdebstrap in the usual directories and unpacks in
    /// `/var/tmp`.
    pub fn new(cache: impl Into<PathBuf>, source: Source) -> Self {
        let definition = Definition::new(source.release.clone(), source.architecture.clone());
        Self {
            cache: cache.into(),
            source,
            digest: definition.digest(),
            definition,
            mmdebstrap: "mmdebstrap".into(),
            path: ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).to_vec(),
            scratch: "/var/tmp".into(),
            host: "/".into(),
        }
    }

    pub(crate) fn debootstrap(&self) -> Debootstrap<'_> {
        let Self { mmdebstrap: program, source, cache, scratch, .. } = self;
        Debootstrap { program, source, cache, scratch }
    }

    /// Uses another mmdebstrap, by its path.
    #[must_use]
    pub fn with_mmdebstrap(mut self, program: impl Into<PathBuf>) -> Self {
        self.mmdebstrap = program.into();
        self
    }

    /// Unpacks below another directory, which should not be in memory: it takes some 700 MB.
    #[must_use]
    pub fn with_scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Looks below another directory than `/` for what the host permits (`proc/sys`, `etc/subuid`).
    #[must_use]
    pub fn with_host(mut self, root: impl Into<PathBuf>) -> Self {
        self.host = root.into();
        self
    }

    /// The digest of what is built: 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Where results are kept.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Where packages come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What is built.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The image, if it has been built.
    ///
    /// # Errors
    /// [`OsError::Io`], [`OsError::Store`].
    pub fn cached(&self) -> Result<Option<Image>, OsError> {
        self.place().image()
    }

    /// What a build needs of the host, each with what was found. Touches nothing.
    pub fn preflight(&self) -> Vec<Check> {
        let root = &self.host;
        vec![
            preflight::installed(&self.mmdebstrap, &self.path),
            preflight::permitted(Mode::of_this_process(), root, &User::of_this_process(root)),
            preflight::room(&self.scratch, SCRATCH_BYTES),
            preflight::room(&self.cache, CACHE_BYTES),
        ]
    }

    /// The image of this definition: from the cache, or from a build that another process has
    /// under way, or built now. A build takes about half a minute and nothing of one that fails or
    /// is cancelled stays.
    pub async fn ensure(
        &self,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Image, OsError> {
        if let Some(image) = self.cached()? {
            return Ok(image);
        }
        let span = events.step("", "building the guest system");
        let place = self.place();
        let build = self.build(&place, &span, cancel);
        let built = self.once(&place, &span, cancel, || place.image(), build).await;
        ended(span, built)
    }

    /// What is in `place` already, or has been made there by another process while this one waited,
    /// or else what `build` makes of it.
    pub(crate) async fn once<T>(
        &self,
        place: &Place,
        span: &Span,
        cancel: &CancellationToken,
        there: impl Fn() -> Result<Option<T>, OsError>,
        build: impl Future<Output = Result<T, OsError>>,
    ) -> Result<T, OsError> {
        let _lock = lock(&place.lock(), BUILD, span, cancel).await?.ok_or(OsError::Cancelled)?;
        match there() {
            Ok(Some(image)) => return Ok(image),
            Ok(None) | Err(OsError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        // What is there has no record, or not the size it should have: a build was killed, or a
        // file was cut short.
        self.sweep(place).await?;
        let built = build.await;
        if built.is_err() {
            self.sweep(place).await?;
        }
        built
    }

    /// Removes what a build has left. Processes that were killed a moment ago may still be at it,
    /// and without root they have made files that belong to subordinate users.
    pub(crate) async fn sweep(&self, place: &Place) -> Result<(), OsError> {
        let uncancelled = CancellationToken::new();
        let polled = poll_until(&uncancelled, POLL, after(SWEEP), async || match place.clear() {
            Err(error @ (OsError::Store(StoreError::Io { .. }) | OsError::Mounted { .. })) => {
                self.remove_as_subordinate(place).await;
                Ok(ControlFlow::Continue(error))
            }
            ended => ended.map(ControlFlow::Break),
        });
        polled.await?.met()
    }

    async fn remove_as_subordinate(&self, place: &Place) {
        let Ok(scratch) = skep_read::text(place.scratch_note(), skep_read::limit::RECORD) else {
            return;
        };
        if Mode::of_this_process() == Mode::Root {
            return;
        }
        let program = Program::new(&self.mmdebstrap)
            .args(["--unshare-helper", "find", &scratch, "-mindepth", "1", "-delete"])
            .directory("/")
            .deadline(SWEEP);
        // Whether it helped is seen by the next attempt to remove the directory.
        let _ = program.run(&CancellationToken::new()).await;
    }

    async fn build(
        &self,
        place: &Place,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<Image, OsError> {
        if let Some(check) = preflight::obstacle(self.preflight()) {
            return Err(OsError::Preflight(check));
        }
        let directory = place.directory();
        skep_store::file::create_private_dir(&directory)?;
        let partial = directory.join("partial.tar");
        let files = directory.join("files.tar");
        fs::write(&files, files_tar(self.definition.files()))
            .map_err(OsError::io("write", &files))?;

        let mut engine = None;
        let run = Run {
            variant: Variant::Minimal,
            packages: self.definition.packages(),
            dpkg: self.definition.dpkg_options(),
            hooks: vec![format!("tar-in {} /", quoted(&files)), format!("chroot \"$1\" {SETUP}")],
            environment: Vec::new(),
            result: Some(&partial),
        };
        self.debootstrap()
            .run(place, run, cancel, |line| {
                if let Some(text) = progress::step(line) {
                    span.progress(text);
                }
                engine = engine.take().or_else(|| progress::engine_version(line));
            })
            .await?;

        skep_store::file::remove(&files)?;
        let size = fs::metadata(&partial).map_err(OsError::io("read", &partial))?.len();
        let rootfs = place.rootfs();
        finish(&partial, &rootfs)?;
        let release = self.source.release.to_string();
        place.complete(&Record::new(size, release, self.source.architecture.clone(), engine))?;
        place.image()?.ok_or_else(|| {
            OsError::io("read", rootfs)(std::io::Error::other(
                "it is gone right after it was built",
            ))
        })
    }

    fn place(&self) -> Place {
        Place::new(&self.cache, &self.digest)
    }
}

/// Ends the step that a build is shown as; one that is cancelled has not failed.
pub(crate) fn ended<T>(span: Span, built: Result<T, OsError>) -> Result<T, OsError> {
    match built {
        Err(OsError::Cancelled) => Err(OsError::Cancelled),
        other => span.end_with(other),
    }
}

/// Files of skep's own as a tar that is unpacked over packages.
pub(crate) fn files_tar(files: &[GuestFile]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let path = file.path.trim_start_matches('/');
        let regular = tar::EntryType::Regular;
        crate::seed::append(&mut tar, path, regular, file.mode, file.content.as_bytes(), 0);
    }
    crate::seed::finish(tar)
}

/// Puts a file in its place once all of it is on the disk.
pub(crate) fn finish(partial: &Path, path: &Path) -> Result<(), OsError> {
    skep_read::open(partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(partial, path))
        .map_err(OsError::io("write", path))
}
