//! VBoxManage: where it is, which one it is, and how it is asked.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use skep_process::{ProcessError, Program};
use skep_store::{Lock, StoreError};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Cause, Refusal, VBoxError},
    parse::split_warning,
    version::Version,
};
use crate::MachineError;

/// How long a call may take; most take a tenth of a second.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// How much longer those may take that write disks or start machines.
const LONGER: u32 = 10;
/// How long VirtualBox may be busy with something before it is believed.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// How often a lock that another process holds for a moment is tried again.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// Where it is looked for: by name, then where installers put it without adding it to the PATH.
const PLACES: [&str; 7] = [
    "VBoxManage",
    "vboxmanage",
    "/usr/local/bin/VBoxManage",
    "/usr/lib/virtualbox/VBoxManage",
    "/opt/VirtualBox/VBoxManage",
    "/Applications/VirtualBox.app/Contents/MacOS/VBoxManage",
    r"C:\Program Files\Oracle\VirtualBox\VBoxManage.exe",
];

#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) program: PathBuf,
    pub(super) version: Version,
    /// What it says about its kernel module, if that is missing.
    pub(super) warning: Option<String>,
}

pub(super) struct VBoxManage {
    places: Vec<PathBuf>,
    deadline: Duration,
    lock: PathBuf,
    holder: String,
    found: OnceCell<Found>,
}

impl fmt::Debug for VBoxManage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VBoxManage").field("found", &self.found.get()).finish_non_exhaustive()
    }
}

impl VBoxManage {
    /// `lock` is a file that every skep of this user takes for what VirtualBox cannot do twice at
    /// once; `holder` is how this one names itself to others.
    pub(super) fn new(lock: PathBuf, holder: String) -> Self {
        let places = PLACES.map(PathBuf::from).to_vec();
        Self { places, deadline: DEADLINE, lock, holder, found: OnceCell::new() }
    }

    pub(super) fn at(self, program: PathBuf) -> Self {
        Self { places: vec![program], ..self }
    }

    pub(super) fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Which VBoxManage there is. It is asked once.
    pub(super) async fn find(&self, cancel: &CancellationToken) -> Result<&Found, VBoxError> {
        self.found.get_or_try_init(|| self.look(cancel)).await
    }

    async fn look(&self, cancel: &CancellationToken) -> Result<Found, VBoxError> {
        for program in &self.places {
            let asked = Program::new(program).arg("--version").deadline(self.deadline);
            let text = match ask(&asked, self.deadline, cancel).await {
                Ok(text) => text,
                Err(VBoxError::Process(ProcessError::NotFound { .. })) => continue,
                Err(error) => return Err(error),
            };
            let (warning, text) = split_warning(&text);
            let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            let Some(version) = Version::parse(last.trim()) else {
                let text = format!("`{}` is no VBoxManage: it says {last:?}", program.display());
                return Err(VBoxError::Refused(Refusal { cause: Cause::Other, text }));
            };
            return Ok(Found { program: program.clone(), version, warning });
        }
        Err(VBoxError::Missing)
    }

    /// Asks something and returns what was printed.
    pub(super) async fn run(
        &self,
        call: Call,
        cancel: &CancellationToken,
    ) -> Result<String, VBoxError> {
        let found = self.find(cancel).await?;
        let deadline = self.deadline * if call.is_long { LONGER } else { 1 };
        let mut program = Program::new(&found.program).args(&call.arguments).deadline(deadline);
        if let Some(bytes) = call.stdin {
            program = program.stdin(bytes);
        }
        // VirtualBox's service takes its time to come up, and a machine that has ended is still
        // locked for a moment.
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = ask(&program, deadline, cancel).await;
            let is_busy = matches!(
                answer.as_ref().map_err(VBoxError::cause),
                Err(Some(Cause::NotReady | Cause::Locked))
            );
            if !is_busy || tokio::time::Instant::now() >= until {
                return answer.map(|text| split_warning(&text).1.to_owned());
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(VBoxError::Cancelled),
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Takes the lock for what VirtualBox cannot do twice at once: host-only interfaces, DHCP
    /// servers, and the choice of a name. Its holders end within their calls' deadlines, and the
    /// system releases it when they end otherwise.
    pub(super) async fn lock(&self, cancel: &CancellationToken) -> Result<Lock, MachineError> {
        loop {
            match Lock::try_acquire(&self.lock, "VirtualBox", &self.holder) {
                Err(StoreError::Locked { .. }) => {}
                other => return Ok(other?),
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(MachineError::Cancelled),
                () = tokio::time::sleep(LOCK_POLL) => {}
            }
        }
    }
}

async fn ask(
    program: &Program,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<String, VBoxError> {
    match program.run_any(cancel).await {
        Ok((status, output)) if status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok((_, output)) => {
            let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
            if said.trim().is_empty() {
                let stdout = String::from_utf8_lossy(&output.stdout);
                said.push_str(split_warning(&stdout).1);
            }
            Err(VBoxError::Refused(Refusal::read(&said)))
        }
        Err(ProcessError::Cancelled { .. }) => Err(VBoxError::Cancelled),
        Err(ProcessError::Deadline { command, .. }) => Err(VBoxError::Silent { command, deadline }),
        Err(error) => Err(VBoxError::Process(error)),
    }
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    arguments: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    is_long: bool,
}

impl Call {
    pub(super) fn new<A: AsRef<OsStr>>(words: impl IntoIterator<Item = A>) -> Self {
        let arguments = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        Self { arguments, stdin: None, is_long: false }
    }

    pub(super) fn words<A: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// One more word, which is a path.
    pub(super) fn path(self, path: &Path) -> Self {
        self.words([path])
    }

    pub(super) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// It writes a disk or starts a machine, and may take longer.
    pub(super) fn long(mut self) -> Self {
        self.is_long = true;
        self
    }
}
