//! How a command ends when it does not end well: what failed, why, what to do, and the exit code.

mod ways_out;

use std::{error::Error, fmt::Write as _};

use self::ways_out::several_swarms;
pub(crate) use self::ways_out::way_out_of;
use crate::{advice, cluster_name::name_option, persona::Persona, visible};
use skep_cluster::{ClusterError, MachineFailure, up::Doubt};
use skep_machine::MachineError;
use skep_model::{Advice, Check, MachineName, Reason, Verdict};
use skep_service::{
    ServiceError,
    stack::{Fault, Obstacle, StackError},
};
use skep_store::StoreError;
use skep_swarm::{Cause, LocalNodeState, SwarmError};

/// The exit codes, as `docs/exit-codes.md` publishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// Something stands in the way, and nothing was touched.
    Preflight = 3,
    /// It is not as it was asked to be.
    NotConverged = 4,
    /// Done in part; the same command goes on.
    Partly = 5,
    Interrupted = 130,
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What failed, in one line or a few.
    pub message: Reason,
    /// What it was caused by: a chain with the outermost first, or a list of what is wrong.
    pub causes: Vec<Reason>,
    /// Whether `causes` is a list, of which none caused another.
    pub several: bool,
    pub fix: Option<Advice>,
    /// docker-machine's words for it, all of them, where it has some.
    pub theirs: Option<String>,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(exit: Exit, message: impl Into<Reason>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            several: false,
            fix: None,
            theirs: None,
        }
    }

    /// It failed.
    pub fn failed(message: impl Into<Reason>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command line asks for something that makes no sense.
    pub fn usage(message: impl Into<Reason>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something stands in the way, and nothing was touched.
    pub fn preflight(message: impl Into<Reason>) -> Self {
        Self::new(Exit::Preflight, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<Advice>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// A failure by its error, with what that was caused by.
    pub(crate) fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let failure = Self { causes: causes(error), ..Self::new(exit, advice::of(error)) };
        Self { fix: ways_out::of_swarm(&failure).map(Into::into), ..failure }
    }

    /// Lists all that is wrong, in place of a chain of causes.
    #[must_use]
    pub(crate) fn listing<R: Into<Reason>>(self, causes: Vec<R>) -> Self {
        let causes = causes.into_iter().map(Into::into).collect();
        Self { causes, several: true, ..self }
    }

    /// Adds docker-machine's words for it, which under its name stand for all the others.
    #[must_use]
    pub fn with_theirs(self, theirs: impl Into<String>) -> Self {
        Self { theirs: Some(theirs.into()), ..self }
    }

    /// The text for standard error; `color` paints the first word, for those who have one.
    pub fn render(&self, persona: Persona, color: bool) -> String {
        match persona {
            Persona::Skep => self.render_own(color),
            Persona::DockerMachine => self.render_bare(),
        }
    }

    /// As docker-machine does: without a prefix, a chain of causes in one line.
    fn render_bare(&self) -> String {
        if let Some(theirs) = &self.theirs {
            return format!("{}\n", visible::text(theirs));
        }
        let shown =
            |reason| visible::text(&advice::worded(reason, Persona::DockerMachine)).into_owned();
        let mut text = shown(&self.message);
        for cause in &self.causes {
            let between = if self.several { "\n  " } else { ": " };
            let cause = shown(cause);
            text.push_str(between);
            text.push_str(&if self.several { indent(&cause) } else { cause });
        }
        text.push('\n');
        if let Some(fix) = &self.fix {
            text.push_str(&visible::text(&advice::words(fix, Persona::DockerMachine)));
            text.push('\n');
        }
        text
    }

    fn render_own(&self, color: bool) -> String {
        let (red, bold, off) =
            if color { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let shown = |reason| visible::text(&advice::worded(reason, Persona::Skep)).into_owned();
        let mut text = format!("{red}error:{off} {}\n", shown(&self.message));
        for cause in &self.causes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {bold}because:{off} {}", indent(&shown(cause)));
        }
        if let Some(fix) = &self.fix {
            let fix = advice::words(fix, Persona::Skep);
            let _ = writeln!(text, "  {bold}fix:{off} {}", visible::text(&fix));
        }
        text
    }
}

impl Failure {
    /// The line for standard error where progress is written as JSON lines too.
    pub fn to_json(&self) -> String {
        let worded = |reason| advice::worded(reason, Persona::Skep);
        let line = serde_json::json!({
            "schema": 1,
            "event": "error",
            "exit": self.exit as u8,
            "message": worded(&self.message),
            "causes": self.causes.iter().map(worded).collect::<Vec<_>>(),
            "fix": self.fix.as_ref().map(|fix| advice::words(fix, Persona::Skep)),
        });
        format!("{}\n", visible::json(&line.to_string()))
    }
}

fn indent(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// The chain of causes below an error, without those its own text already ends with.
fn causes(error: &(dyn Error + 'static)) -> Vec<Reason> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(advice::of(cause));
        }
        said = text;
        next = cause.source();
    }
    causes
}

/// An error with its causes behind it, in one line.
pub(crate) fn one_line(error: &(dyn Error + 'static)) -> String {
    one_line_as(error, Persona::Skep)
}

/// An error with its causes behind it, in one line of the words of a persona.
pub(crate) fn one_line_as(error: &(dyn Error + 'static), persona: Persona) -> String {
    let chain = std::iter::once(advice::of(error)).chain(causes(error));
    chain.map(|reason| advice::worded(&reason, persona)).collect::<Vec<_>>().join(": ")
}

/// An error with its causes behind it, and what its libraries advise.
pub(crate) fn line_of(error: &(dyn Error + 'static)) -> Reason {
    let chain = std::iter::once(advice::of(error)).chain(causes(error));
    let join = |whole: Reason, next: Reason| Reason {
        text: format!("{}: {}", whole.text, next.text),
        advice: next.advice.or(whole.advice),
    };
    chain.reduce(join).unwrap_or_else(|| "".into())
}

/// One line for a machine's failure, its causes behind it.
pub(crate) fn machine_line(failure: &MachineFailure) -> Reason {
    let line = line_of(&failure.error);
    // Most errors of a machine begin with its name anyway.
    if line.text.contains(failure.machine.as_str()) {
        line
    } else {
        Reason { text: format!("{}: {}", failure.machine, line.text), ..line }
    }
}

fn check_lines(checks: &[Check]) -> Vec<String> {
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    failed.map(|check| with_fix(check.reason().text, &check.fix)).collect()
}

/// A text with the fix of its own below.
fn with_fix(text: String, fix: &Advice) -> String {
    match fix {
        fix if fix.is_empty() => text,
        fix => format!("{text}\n    fix: {}", advice::words(fix, Persona::Skep)),
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        if error.is_cancelled() {
            return Failure::new(Exit::Interrupted, "interrupted");
        }
        match &error {
            ClusterError::Request { .. } => Failure::of(Exit::Usage, &error),
            ClusterError::NoSuchMachine { machine } | ClusterError::NoMachine { machine, .. } => {
                Failure::of(Exit::Failed, &error).with_theirs(format!(
                    "Docker machine \"{machine}\" does not exist. Use \"docker-machine ls\" to \
                     list machines. Use \"docker-machine create\" to add a new one."
                ))
            }
            ClusterError::Preflight { checks, .. } => {
                Failure::of(Exit::Preflight, &error).listing(check_lines(checks))
            }
            ClusterError::Host(refused) if refused.is_refusal() => {
                Failure::of(Exit::Preflight, &error)
            }
            ClusterError::Guarded { fix, .. } => {
                Failure::of(Exit::Preflight, &error).with_fix(fix.clone())
            }
            ClusterError::Partly { failures, of } => {
                let exit = if failures.len() < *of { Exit::Partly } else { Exit::Failed };
                let causes: Vec<_> = failures.iter().map(machine_line).collect();
                Failure::of(exit, &error)
                    .listing(causes)
                    .with_fix("`skep status` shows details, `skep up` repairs it")
            }
            ClusterError::Leftovers { left, .. } => {
                let causes: Vec<_> = left.iter().map(|left| line_of(left)).collect();
                Failure::of(Exit::Partly, &error)
                    .listing(causes)
                    .with_fix("give the command again; it goes on with what is left")
            }
            ClusterError::NoManager { name, tried } => {
                let option = name_option(name);
                let causes: Vec<_> = tried.iter().map(machine_line).collect();
                let fix = no_manager_fix(tried, &option);
                Failure::of(Exit::Failed, &error).listing(causes).with_fix(fix)
            }
            ClusterError::NotManager { .. } => cannot_be_asked(error, Exit::Failed),
            ClusterError::SeveralSwarms { swarms, .. } => several_swarms(&error, swarms),
            ClusterError::NoSwarm { cluster, doubt, untouched, failures } => {
                let causes: Vec<_> = failures.iter().map(machine_line).collect();
                let exit = if *untouched { Exit::Preflight } else { Exit::NotConverged };
                Failure::of(exit, &error)
                    .listing(causes)
                    .with_fix(way_out_of(doubt, &name_option(cluster)))
            }
            ClusterError::SwarmExists { machine, .. } => Failure::of(Exit::Preflight, &error)
                .with_fix(format!("`skep swarm join {machine}` makes it a node of that one")),
            ClusterError::Certificates(wrong) => {
                let causes: Vec<_> = wrong.iter().map(ToString::to_string).collect();
                Failure::of(Exit::Usage, &error).listing(causes)
            }
            ClusterError::Swarm(SwarmError::Setting { .. } | SwarmError::Pool(_)) => {
                Failure::of(Exit::Usage, &error)
            }
            ClusterError::Swarm(SwarmError::NotReady { .. }) => {
                Failure::of(Exit::NotConverged, &error)
            }
            ClusterError::Store(StoreError::Locked { .. }) => Failure::of(Exit::Failed, &error)
                .with_fix("wait until it has ended, or interrupt it"),
            ClusterError::Machine(MachineError::Acceleration { fix, .. }) => {
                Failure::of(Exit::Preflight, &error).with_fix(fix.clone())
            }
            ClusterError::Store(StoreError::Damaged { path, .. }) => {
                // The advice is never to take a cluster down: what the file describes runs.
                let fix = if path.file_name().is_some_and(|name| name == "store.json") {
                    "put it back from a backup, or write {\"schema\": 1, \"id\": \"ID\"} into it: ID is \
                     what `docker ps -a --filter label=skep --format '{{.Label \"skep\"}}'` prints, the \
                     label of this store's machines"
                } else {
                    "put the file back from a backup of the store; its copy in `.kept` beside it cannot \
                     be used either. What it describes goes on running meanwhile"
                };
                Failure::of(Exit::Failed, &error).with_fix(fix)
            }
            ClusterError::Machine(MachineError::Subnet { .. } | MachineError::Foreign { .. }) => {
                Failure::of(Exit::Preflight, &error)
            }
            _ => Failure::of(Exit::Failed, &error),
        }
    }
}

/// No machine can answer for the swarm, with what each lacks.
pub(crate) fn cannot_be_asked(error: ClusterError, exit: Exit) -> Failure {
    let failure = Failure::of(exit, &error);
    let ClusterError::NotManager { machine, .. } = &error else { return failure };
    let tried = [MachineFailure { machine: machine.clone(), error }];
    failure.with_fix(no_manager_fix(&tried, ""))
}

/// What to do where no manager answers. A machine that is locked, failed or still looks for its
/// managers may have the swarm, so none of it lets one go.
fn no_manager_fix(tried: &[MachineFailure], option: &str) -> String {
    let with = |wanted: LocalNodeState| -> Vec<MachineName> {
        let is = |failure: &&MachineFailure| matches!(&failure.error, ClusterError::NotManager { local, .. } if local.state == wanted);
        tried.iter().filter(is).map(|failure| failure.machine.clone()).collect()
    };
    let locked = with(LocalNodeState::Locked);
    if !locked.is_empty() {
        return way_out_of(&Doubt::Locked(locked), option);
    }
    let has_expired = tried.iter().any(|failure| {
        let expired = Some(Cause::CertificatesExpired);
        matches!(&failure.error, ClusterError::NotManager { local, .. } if Cause::of(&local.error) == expired)
    });
    if has_expired {
        return Cause::CertificatesExpired.fix().to_owned();
    }
    let ill = [with(LocalNodeState::Error), with(LocalNodeState::Pending)].concat();
    if !ill.is_empty() {
        return format!(
            "start the other managers of the swarm (`skep machine start`); `skep status{option}` \
             shows what each machine says"
        );
    }
    format!("`skep status{option}` shows details, `skep up{option}` repairs it")
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ClusterError::from(error).into()
    }
}

impl From<SwarmError> for Failure {
    fn from(error: SwarmError) -> Self {
        ClusterError::from(error).into()
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        if error.is_cancelled() {
            return Failure::new(Exit::Interrupted, "interrupted");
        }
        match &error {
            ServiceError::Spec(_) => Failure::of(Exit::Usage, &error),
            ServiceError::PortInUse { service, .. } => {
                Failure::of(Exit::Usage, &error).with_fix(format!(
                    "publish another port, or free it with `skep service update --publish-rm \
                     TARGET {service}`"
                ))
            }
            ServiceError::NoImage { denied, .. } => {
                Failure::of(Exit::Failed, &error).with_fix(match denied {
                    true => {
                        "if it is a private one, log in with `docker login` and give \
                         --with-registry-auth; if the nodes have it, --no-resolve-image"
                    }
                    false => "look at its name and tag; if the nodes have it, --no-resolve-image",
                })
            }
            _ => Failure::of(Exit::Failed, &error),
        }
    }
}

impl From<StackError> for Failure {
    fn from(error: StackError) -> Self {
        if error.is_cancelled() {
            return Failure::new(Exit::Interrupted, "interrupted");
        }
        if let StackError::Service(error) = error {
            return error.into();
        }
        match &error {
            StackError::Files { faults } => {
                let line = |fault: &Fault| with_fix(fault.to_string(), &fault.fix);
                let causes: Vec<_> = faults.iter().map(line).collect();
                Failure::of(Exit::Usage, &error).listing(causes)
            }
            StackError::Obstacles { obstacles, .. } => {
                let line = |one: &Obstacle| with_fix(one.problem.clone(), &one.fix);
                let causes: Vec<_> = obstacles.iter().map(line).collect();
                Failure::of(Exit::Preflight, &error).listing(causes)
            }
            StackError::Name { .. } => Failure::of(Exit::Usage, &error),
            StackError::Object { .. } => Failure::of(Exit::Partly, &error)
                .with_fix("the same command goes on with what is left"),
            StackError::Left { left, .. } => Failure::of(Exit::Partly, &error)
                .listing(left.clone())
                .with_fix("the same command goes on with what is left"),
            _ => Failure::of(Exit::Failed, &error),
        }
    }
}

impl From<skep_os::OsError> for Failure {
    fn from(error: skep_os::OsError) -> Self {
        ClusterError::from(error).into()
    }
}

impl From<skep_guest::GuestError> for Failure {
    fn from(error: skep_guest::GuestError) -> Self {
        ClusterError::from(error).into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::of(Exit::Failed, &error)
    }
}

#[cfg(test)]
mod tests;
