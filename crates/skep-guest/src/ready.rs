//! Readiness: a list of requirements, each with a description, a check, and a hint for when it is
//! not met.

use std::time::Duration;

use skep_context::{Context, pause};
use skep_model::Span;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use crate::unmet::Unmet;
use crate::{Command, Guest, GuestError};

/// How often unmet requirements are looked at again.
const POLL: Duration = Duration::from_millis(50);

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);

/// The end of the engine's log, wherever the guest keeps it: runit's svlogd, a plain file, or
/// systemd's journal.
const ENGINE_LOG: &str = r#"
for log in /var/log/docker/current /var/log/docker.log /var/log/skep/docker.log; do
    if [ -s "$log" ]; then tail -n 10 "$log"; exit; fi
done
if command -v journalctl >/dev/null; then journalctl -q -u docker -n 10 --no-pager; fi
"#;

/// Every CA certificate put there is in the bundle that programs read. The last full line of a
/// certificate is a part of its signature: it is in the bundle if and only if the certificate is.
const ROOTS_UP_TO_DATE: &str = r#"
for file in /usr/local/share/ca-certificates/skep-*.crt; do
    [ -e "$file" ] || continue
    line=$(tail -n 3 "$file" | head -n 1)
    grep -qxF -- "$line" /etc/ssl/certs/ca-certificates.crt || { echo "$file is not in the system's roots"; exit 1; }
done
"#;

/// Something a machine needs before it is of use.
#[derive(Debug, Clone)]
pub struct Requirement {
    description: String,
    check: Check,
    hint: String,
    evidence: Option<Command>,
}

#[derive(Debug, Clone)]
enum Check {
    /// It ends with status 0; otherwise it prints the reason.
    Script(Command),
    /// The engine answers through its forwarded socket.
    Engine,
}

impl Requirement {
    /// A requirement that is met when `script`, run as root, ends with status 0, and that prints
    /// the reason when it is not.
    pub fn script(
        description: impl Into<String>,
        script: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let description = description.into();
        let check = Command::script(format!("checking that {description}"), script);
        let check = check.as_root().deadline(LOOK);
        Self { description, check: Check::Script(check), hint: hint.into(), evidence: None }
    }

    /// Names a script, run as root, whose output explains why the requirement is not met; it is
    /// run once, at the deadline.
    #[must_use]
    pub fn with_evidence(mut self, script: impl Into<String>) -> Self {
        let what = format!("finding out why not: {}", self.description);
        self.evidence = Some(Command::script(what, script).as_root().deadline(LOOK));
        self
    }

    /// The engine answers on its socket.
    pub fn engine() -> Self {
        let hint = "look at the engine's log in the machine; `sv restart docker` starts it again";
        Self {
            description: "the engine answers".into(),
            check: Check::Engine,
            hint: hint.into(),
            evidence: None,
        }
        .with_evidence(ENGINE_LOG)
    }

    /// Every CA certificate given to the machine is among the system's roots.
    pub fn roots() -> Self {
        let hint = "`update-ca-certificates` in the machine says what is wrong";
        Self::script("the CA certificates are installed", ROOTS_UP_TO_DATE, hint)
    }

    /// What any skep guest needs.
    pub fn of_a_guest() -> Vec<Self> {
        vec![Self::roots(), Self::engine()]
    }

    /// Why it is not met, or nothing if it is.
    async fn look(
        &self,
        guest: &Guest,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, GuestError> {
        let command = match &self.check {
            Check::Engine => {
                guest.engine_socket(cancel).await?;
                return Ok(guest.ping_engine().await.err());
            }
            Check::Script(command) => command,
        };
        match guest.run(command, cancel).await {
            Ok(_) => Ok(None),
            Err(GuestError::Failed { code, stderr, .. }) if stderr.is_empty() => {
                Ok(Some(format!("its check ended with status {code}")))
            }
            Err(GuestError::Failed { stderr, .. }) => Ok(Some(stderr)),
            Err(GuestError::Deadline { deadline, .. }) => {
                Ok(Some(format!("its check took more than {} s", deadline.as_secs_f32())))
            }
            Err(error) => Err(error),
        }
    }
}

/// Waits until all of `requirements` have been met, at most for the context's time and the look (of
/// up to ten seconds) that is under way then. The wait is a step, whose progress is the first reason
/// why not.
///
/// # Errors
/// [`GuestError::NotReady`] with each requirement that is not met, why, and what to do;
/// [`GuestError::Cancelled`], [`GuestError::Lost`], [`GuestError::Master`].
pub async fn wait_until_ready(
    guest: &Guest,
    requirements: &[Requirement],
    context: Context<'_>,
) -> Result<(), GuestError> {
    let step = context.events.step(guest.machine(), "waiting until ready");
    let result = wait(guest, requirements, &step, context).await;
    match &result {
        Err(error) => step.failed(one_line(error)),
        Ok(()) => step.done(),
    }
    result
}

async fn wait(
    guest: &Guest,
    requirements: &[Requirement],
    step: &Span,
    context: Context<'_>,
) -> Result<(), GuestError> {
    let Context { timeout: deadline, cancel, .. } = context;
    let begin = Instant::now();
    let mut pending: Vec<(&Requirement, String)> =
        requirements.iter().map(|requirement| (requirement, String::new())).collect();
    let mut shown = String::new();
    loop {
        let mut unmet = Vec::new();
        for (requirement, _) in pending {
            let looked = cancel.run_until_cancelled(requirement.look(guest, cancel)).await;
            let cancelled = || Guest::cancelled(guest.access(), "waiting until ready");
            let reason = looked.ok_or_else(cancelled)??;
            unmet.extend(reason.map(|reason| (requirement, reason)));
        }
        pending = unmet;
        let Some((requirement, reason)) = pending.first() else { return Ok(()) };
        let text = format!("{}: {}", requirement.description, reason.lines().next().unwrap_or(""));
        if text != shown {
            step.progress(&text);
            shown = text;
        }
        if begin.elapsed() >= deadline {
            break;
        }
        pause(cancel, POLL.min(deadline.saturating_sub(begin.elapsed()))).await;
    }
    let waited = begin.elapsed();
    let mut unmet = Vec::new();
    for (requirement, mut reason) in pending {
        if let Some(evidence) = &requirement.evidence {
            // Evidence is a courtesy: without it the reason still stands.
            let said = guest.run_any(evidence, cancel).await.map(|output| output.text());
            if let Some(text) = said.ok().filter(|text| !text.is_empty()) {
                reason.push('\n');
                reason.push_str(&text);
            }
        }
        let (description, hint) = (requirement.description.clone(), requirement.hint.clone());
        unmet.push(Unmet { description, reason, hint });
    }
    Err(GuestError::NotReady { machine: guest.machine().to_owned(), waited, unmet })
}

/// An error without its evidence: an event's reason is one line.
fn one_line(error: &GuestError) -> String {
    let text = error.to_string();
    text.lines().take(2).map(str::trim).collect::<Vec<_>>().join(" ")
}
