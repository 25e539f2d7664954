//! Why something inside a machine could not be done.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use skep_model::Advise;
use skep_process::ProcessError;

use crate::{obstacle::Obstacle, unmet::Unmet};

/// Why something inside a machine could not be done. Each names the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    #[error("cannot log in to {machine} at {address}: {obstacle}{} ({})", waited_text(.waited), .obstacle.hint())]
    Unreachable {
        machine: String,
        /// Where its sshd should be.
        address: SocketAddr,
        obstacle: Obstacle,
        /// How long was waited for it to go away, if there was a wait.
        waited: Option<Duration>,
    },
    /// A path of the [`Access`](crate::Access) that `ssh` could not take.
    #[error("{} {reason}", .path.display())]
    BadPath { path: PathBuf, reason: &'static str },
    /// A user that cannot be logged in as.
    #[error("the user name `{user}` {reason}")]
    BadUser {
        /// The name, with control characters escaped.
        user: String,
        reason: &'static str,
    },
    #[error("cannot make an SSH key")]
    Key(#[source] ssh_key::Error),
    #[error("cannot start an SSH connection to {machine}")]
    Ssh {
        machine: String,
        #[source]
        source: ProcessError,
    },
    #[error("the SSH connection to {machine} cannot {action}")]
    Master {
        machine: String,
        /// What it was asked for: `run a command`.
        action: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the connection to {machine} broke during {what}; whether it was done is not known")]
    Lost { machine: String, what: String },
    /// A command's status was not 0.
    #[error("{what} failed on {machine} with status {code}{}", indented(.stderr))]
    Failed {
        machine: String,
        what: String,
        code: i32,
        /// The end of what it printed.
        stderr: String,
    },
    #[error("{what} did not end on {machine} within {} s{}", .deadline.as_secs_f32(), indented(.stderr))]
    Deadline {
        machine: String,
        what: String,
        deadline: Duration,
        /// The end of what it printed.
        stderr: String,
    },
    #[error("{what} on {machine} was interrupted")]
    Cancelled { machine: String, what: String },
    /// The machine is reachable and lacks something.
    #[error("{machine} is not ready after {:.1} s:{}", .waited.as_secs_f32(), unmet_text(.unmet))]
    NotReady {
        machine: String,
        waited: Duration,
        /// What it lacks, each with its reason and a hint.
        unmet: Vec<Unmet>,
    },
    #[error("cannot {action} {}", .path.display())]
    Local {
        /// What was tried: `read`, `write`, `lock`.
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Advise for GuestError {}

impl GuestError {
    pub(crate) fn local(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| GuestError::Local { action, path, source }
    }
}

fn waited_text(waited: &Option<Duration>) -> String {
    waited.map(|time| format!(" after {:.1} s", time.as_secs_f32())).unwrap_or_default()
}

fn indented(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(":\n  {}", text.replace('\n', "\n  ")) }
}

fn unmet_text(unmet: &[Unmet]) -> String {
    let lines = |unmet: &Unmet| format!("\n  {}", unmet.to_string().replace('\n', "\n  "));
    unmet.iter().map(lines).collect()
}
