//! A machine that can be talked to.

use std::{sync::Arc, time::Duration};

use openssh::{Session, Stdio};
use rustix::process::Pid;
use skep_context::{Context, pause};
use skep_model::Span;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Access, GuestError, master, obstacle::Obstacle, probe::probe};

/// How long a login may take once an sshd answers.
const LOGIN: Duration = Duration::from_secs(20);

/// How long a machine may take to answer through a master that was resumed.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a machine may take to show a banner after it did not answer through its master.
const BANNER: Duration = Duration::from_secs(2);

/// How often a machine that does not answer yet is tried.
const POLL: Duration = Duration::from_millis(20);

/// The time between two logins that were refused: sshd 9.8 and later locks a client out that fails
/// often (`PerSourcePenalties`).
const REFUSED: Duration = Duration::from_secs(1);

/// How many commands may run at once: sshd's `MaxSessions` is 10, and other skep commands share
/// the same master.
const SESSIONS: usize = 6;

/// A machine that has answered over SSH. A clone talks through the same connection; dropping it
/// leaves the connection for the next command.
#[derive(Debug, Clone)]
pub struct Guest {
    pub(crate) access: Arc<Access>,
    pub(crate) session: Arc<Session>,
    pub(crate) slots: Arc<Semaphore>,
}

impl Guest {
    /// Resumes the machine's SSH master if it lives and the machine answers through it; starts one
    /// if not. Any number of callers may do so at once.
    ///
    /// # Errors
    /// [`GuestError::Unreachable`] with what stands in the way, within seconds;
    /// [`GuestError::BadPath`], [`GuestError::Ssh`], [`GuestError::Local`],
    /// [`GuestError::Cancelled`].
    pub async fn connect(access: &Access, cancel: &CancellationToken) -> Result<Self, GuestError> {
        let silent = match Self::resume(access, cancel).await? {
            Resumed::Guest(guest) => return Ok(guest),
            Resumed::Silent(master) => Some(master),
            Resumed::Nothing => None,
        };
        if silent.is_some() {
            // The master of a machine that is only slow is left alone: others may be using it.
            let answer = cancel.run_until_cancelled(probe(access.address(), BANNER)).await;
            answer
                .ok_or_else(|| Self::cancelled(access, "logging in"))?
                .map_err(|obstacle| Self::unreachable(access, obstacle, None))?;
        }
        master::start(access, silent, LOGIN, cancel).await?;
        Ok(Self::over(access))
    }

    /// Waits until the machine lets us in, at most for the context's time. A closed port is tried every
    /// 20 ms, so that a machine is logged in to as soon as its sshd is up.
    ///
    /// The wait is a step, whose progress is what stands in the way.
    ///
    /// # Errors
    /// [`GuestError::Unreachable`] with what stood in the way last: at the deadline, or as soon as
    /// it is something that waiting cannot mend (a foreign host key, a key rejected twice); else as
    /// [`Guest::connect`].
    pub async fn wait(access: &Access, context: Context<'_>) -> Result<Self, GuestError> {
        let step = context.events.step(&access.machine, "waiting for SSH");
        let result = Self::wait_within(access, &step, context).await;
        step.end_with(result)
    }

    async fn wait_within(
        access: &Access,
        step: &Span,
        context: Context<'_>,
    ) -> Result<Self, GuestError> {
        let Context { timeout: deadline, cancel, .. } = context;
        let cancelled = || Self::cancelled(access, "waiting for SSH");
        let begin = Instant::now();
        let silent = match Self::resume(access, cancel).await? {
            Resumed::Guest(guest) => return Ok(guest),
            Resumed::Silent(master) => Some(master),
            Resumed::Nothing => None,
        };
        let mut last = None;
        let mut rejected = 0;
        let mut speechless = 0;
        loop {
            let left = deadline.saturating_sub(begin.elapsed());
            // A port that answers and stays silent may be a forwarder in front of a machine that
            // is still booting, or a slow sshd: more patience each time.
            let patience = Duration::from_millis(250 << speechless.min(4)).min(left);
            let attempt = async {
                probe(access.address(), patience).await.map_err(Attempt::Obstacle)?;
                Ok(master::start(access, silent, left.min(LOGIN), cancel).await?)
            };
            let attempt = cancel.run_until_cancelled(attempt).await;
            let obstacle = match attempt.ok_or_else(cancelled)? {
                Ok(()) => return Ok(Self::over(access)),
                Err(Attempt::Obstacle(obstacle)) => obstacle,
                Err(Attempt::Failed(error)) => return Err(error),
            };
            speechless = if obstacle == Obstacle::NoBanner { speechless + 1 } else { 0 };
            rejected += usize::from(obstacle == Obstacle::KeyRejected);
            if last.as_ref() != Some(&obstacle) {
                step.progress(obstacle.to_string());
            }
            if begin.elapsed() >= deadline || obstacle.is_final() || rejected > 1 {
                return Err(Self::unreachable(access, obstacle, Some(begin.elapsed())));
            }
            let time = match obstacle {
                Obstacle::KeyRejected | Obstacle::Ssh(_) | Obstacle::NotSsh(_) => REFUSED,
                _ => POLL,
            };
            last = Some(obstacle);
            pause(cancel, time.min(deadline.saturating_sub(begin.elapsed()))).await;
        }
    }

    /// Ends the machine's SSH master, if there is one, and removes both sockets. To be called
    /// before a machine is stopped or removed; doing so again changes nothing.
    ///
    /// # Errors
    /// [`GuestError::Local`], [`GuestError::Cancelled`].
    pub async fn close_master(
        access: &Access,
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        master::stop(access, cancel).await
    }

    /// As [`Guest::close_master`], for a machine that is being removed: nothing of it stays beside
    /// the sockets.
    ///
    /// # Errors
    /// As [`Guest::close_master`].
    pub async fn forget(access: &Access, cancel: &CancellationToken) -> Result<(), GuestError> {
        master::stop(access, cancel).await?;
        master::remove_lock(access)
    }

    /// How the machine is logged in to.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The machine's name.
    pub fn machine(&self) -> &str {
        &self.access.machine
    }

    /// Takes up a living master.
    async fn resume(access: &Access, cancel: &CancellationToken) -> Result<Resumed, GuestError> {
        let Some(master) = master::alive(&access.control).await else {
            return Ok(Resumed::Nothing);
        };
        let guest = Self::over(access);
        let answer = cancel.run_until_cancelled(timeout(ANSWER, guest.ping())).await;
        let answer = answer.ok_or_else(|| Self::cancelled(access, "logging in"))?;
        Ok(if answer.unwrap_or(false) { Resumed::Guest(guest) } else { Resumed::Silent(master) })
    }

    fn over(access: &Access) -> Self {
        Self {
            access: Arc::new(access.clone()),
            session: Arc::new(Session::resume_mux(access.control.clone().into(), None)),
            slots: Arc::new(Semaphore::new(SESSIONS)),
        }
    }

    /// Whether the machine answers, not just the master: it is asked to do nothing.
    async fn ping(&self) -> bool {
        let mut nothing = self.session.raw_command(":");
        nothing.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        nothing.status().await.is_ok()
    }

    pub(crate) fn unreachable(
        access: &Access,
        obstacle: Obstacle,
        waited: Option<Duration>,
    ) -> GuestError {
        let (machine, address) = (access.machine.clone(), access.address());
        GuestError::Unreachable { machine, address, obstacle, waited }
    }

    pub(crate) fn cancelled(access: &Access, what: &str) -> GuestError {
        GuestError::Cancelled { machine: access.machine.clone(), what: what.into() }
    }
}

/// How an attempt to resume a master ended.
enum Resumed {
    Guest(Guest),
    /// A master lives, and its machine does not answer through it.
    Silent(Pid),
    Nothing,
}

enum Attempt {
    /// In a way that may pass.
    Obstacle(Obstacle),
    /// In a way that has nothing to do with the machine.
    Failed(GuestError),
}

impl From<GuestError> for Attempt {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::Unreachable { obstacle, .. } => Attempt::Obstacle(obstacle),
            error => Attempt::Failed(error),
        }
    }
}
