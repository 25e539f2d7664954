//! Runs mmdebstrap, for whatever is made of packages.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use fs_err as fs;
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use crate::{
    OsError, Source, apt_options::AptOptions, diagnosis::Diagnosis, place::Place, preflight::Mode,
    scratch,
};

/// How long a run may take: a slow mirror is one, a hanging one is not.
const DEADLINE: Duration = Duration::from_secs(45 * 60);

/// How much of the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// A root file system: what it needs to have, and the packages, installed.
    Minimal,
    /// The packages and those they depend on, extracted and no more.
    Extract,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minbase",
            Self::Extract => "extract",
        }
    }

    /// The last hook there is: without an installation there is nothing to customize.
    fn last_hook(self) -> &'static str {
        match self {
            Self::Minimal => "customize-hook",
            Self::Extract => "extract-hook",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) variant: Variant,
    pub(crate) packages: Vec<&'static str>,
    /// Options of dpkg, one each.
    pub(crate) dpkg: Vec<String>,
    /// What is done once the packages are in place, in mmdebstrap's words.
    pub(crate) hooks: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The tar to make; `None` if the hooks take out what is wanted.
    pub(crate) result: Option<&'a Path>,
}

/// mmdebstrap, and what it works with.
#[derive(Debug)]
pub(crate) struct Debootstrap<'a> {
    pub(crate) program: &'a Path,
    pub(crate) source: &'a Source,
    pub(crate) cache: &'a Path,
    /// Where directories to unpack in are made.
    pub(crate) scratch: &'a Path,
}

impl Debootstrap<'_> {
    /// Runs it in a directory of its own, which is noted in `place` and gone afterwards;
    /// `line` sees what it prints.
    ///
    /// # Errors
    /// [`OsError`], by what mmdebstrap, apt and dpkg said.
    pub(crate) async fn run(
        &self,
        place: &Place,
        run: Run<'_>,
        cancel: &CancellationToken,
        mut line: impl FnMut(&str),
    ) -> Result<(), OsError> {
        let scratch = self.make_scratch(place)?;
        let apt = apt_options(cancel).await?;
        let isolation = isolation(cancel).await?;
        let mut diagnosis = Diagnosis::default();
        let ran = self
            .command(&isolation, &scratch, &run, &apt)
            .run_with(cancel, |text| {
                diagnosis.note(text);
                line(text);
            })
            .await;
        ran.map_err(|error| diagnosis.explain(error, self.source, self.cache, self.scratch))?;
        scratch::remove(&scratch)?;
        Ok(skep_store::file::remove(&place.scratch_note())?)
    }

    fn command(
        &self,
        isolation: &[&str],
        scratch: &Path,
        run: &Run<'_>,
        apt: &AptOptions,
    ) -> Program {
        let mirrors = self.source.mirrors.iter().map(crate::source::Mirror::line);
        let mmdebstrap = match isolation.split_first() {
            Some((first, rest)) => Program::new(first).args(rest).arg(self.program),
            None => Program::new(self.program),
        };
        let (format, result) = match run.result {
            Some(path) => ("tar", path),
            None => ("null", Path::new("-")),
        };
        let program = mmdebstrap
            .arg(format!("--mode={}", Mode::of_this_process().name()))
            .arg(format!("--variant={}", run.variant.name()))
            .arg(format!("--format={format}"))
            .arg("--verbose")
            .arg(format!("--architectures={}", self.source.architecture))
            .arg(format!("--include={}", run.packages.join(",")))
            .args(apt.options.iter().map(|option| format!("--aptopt={option}")))
            .args(run.dpkg.iter().map(|option| format!("--dpkgopt={option}")))
            .args(run.hooks.iter().map(|hook| format!("--{}={hook}", run.variant.last_hook())))
            .arg(&self.source.release.suite)
            .arg(result)
            .args(mirrors)
            .env("TMPDIR", scratch)
            .env("LC_ALL", "C.UTF-8")
            .directory("/")
            .deadline(DEADLINE);
        let program =
            run.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        apt.proxies
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value).secret(value))
    }

    /// A directory to unpack in, noted in the cache first, so that what a killed build leaves in it
    /// is found. Without root, subordinate users must be able to make their own in it.
    fn make_scratch(&self, place: &Place) -> Result<PathBuf, OsError> {
        let mode = match Mode::of_this_process() {
            Mode::Root => 0o700,
            Mode::Unshare => 0o1777,
        };
        let name = format!("skep-os-{}-{}", &place.digest()[..12], std::process::id());
        let scratch = self.scratch.join(name);
        let note = place.scratch_note();
        skep_store::write_private(&note, scratch.to_string_lossy().as_bytes())?;
        fs::create_dir(&scratch).map_err(OsError::io("create", &scratch))?;
        fs::set_permissions(&scratch, std::fs::Permissions::from_mode(mode))
            .map_err(OsError::io("create", &scratch))?;
        Ok(scratch)
    }
}

/// The words before mmdebstrap that give a build as root a mount and a process namespace of its
/// own, so that however it ends, its mounts and its processes end with it. A root that may not have
/// them (in a container) may not mount either, and mmdebstrap then does without.
async fn isolation(cancel: &CancellationToken) -> Result<Vec<&'static str>, OsError> {
    const UNSHARE: [&str; 8] = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    if Mode::of_this_process() == Mode::Unshare {
        // mmdebstrap makes namespaces of its own.
        return Ok(Vec::new());
    }
    match Program::new(UNSHARE[0]).args(&UNSHARE[1..]).arg("true").run(cancel).await {
        Ok(_) => Ok(UNSHARE.to_vec()),
        Err(ProcessError::Cancelled { .. }) => Err(OsError::Cancelled),
        Err(_) => Ok(Vec::new()),
    }
}

/// The host's own options; a host whose apt does not tell them has none that matter.
async fn apt_options(cancel: &CancellationToken) -> Result<AptOptions, OsError> {
    match Program::new("apt-config").args(["dump", "Acquire"]).run(cancel).await {
        Ok(output) => Ok(AptOptions::parse(&output.text())),
        Err(ProcessError::Cancelled { .. }) => Err(OsError::Cancelled),
        Err(_) => Ok(AptOptions::default()),
    }
}

/// A path as one word of a hook, which mmdebstrap splits as a shell does.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
