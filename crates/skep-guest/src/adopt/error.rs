//! Why a host is not taken.

use std::{net::SocketAddr, path::PathBuf};

use skep_model::{Advice, Advise, Reason};
use skep_process::ProcessError;

use crate::GuestError;

/// Why a host is not taken, or not as it was asked for. Each names the machine and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    #[error("{machine} at {address} shows no host key: {reason}")]
    NoHostKey {
        machine: String,
        address: SocketAddr,
        /// What stood in the way, and what to do about it.
        reason: String,
    },
    /// The host shows another key than the one that was pinned.
    #[error(
        "{machine} at {address} shows the host key {shown} and had {pinned} when it was taken: if \
         the host was made anew, remove {}; if not, somebody else answers at this address",
        .file.display()
    )]
    HostKeyChanged {
        machine: String,
        address: SocketAddr,
        /// The fingerprint of the pinned key: `ED25519 SHA256:…`.
        pinned: String,
        /// That of the key that is shown now.
        shown: String,
        file: PathBuf,
    },
    #[error("cannot look at the host key of {machine}")]
    Scan {
        machine: String,
        #[source]
        source: ProcessError,
    },
    /// The user who logs in is not root and has no `sudo`.
    #[error(
        "{user} on {machine} is not root, and there is no sudo: log in as root (--ssh-user root), \
         or install sudo"
    )]
    NoSudo { machine: String, user: String },
    /// `sudo` asks for a password, or refuses.
    #[error(
        "sudo asks {user} on {machine} for a password: log in as root (--ssh-user root), or let \
         {user} do without one, with the line `{user} ALL=(ALL) NOPASSWD: ALL` in \
         /etc/sudoers.d/{user}{}", said(.reason)
    )]
    SudoPassword {
        machine: String,
        user: String,
        /// What `sudo` said, if it is not that.
        reason: String,
    },
    /// The host is another's machine, or in another swarm.
    #[error("{machine} {}", .reason.text)]
    Taken {
        machine: String,
        /// The owner, and how the host becomes free.
        reason: Reason,
    },
    /// There is no engine, and none may be installed.
    #[error(
        "{machine} ({system}) has no Docker Engine: --install-engine installs one from the \
         distribution's packages"
    )]
    NoEngine {
        machine: String,
        /// The distribution and its release.
        system: String,
    },
    /// There is no engine, and skep cannot install one.
    #[error("skep cannot install an engine on {machine} ({system}): {reason}")]
    CannotInstall {
        machine: String,
        system: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Nothing is known of how the host starts its services.
    #[error(
        "nothing on {machine} ({system}) starts services in a way skep knows: systemd, OpenRC, \
         runit, or scripts in /etc/init.d"
    )]
    NoInit { machine: String, system: String },
    /// A file of the host that is not what it should be.
    #[error("{path} on {machine} cannot be added to: {reason}")]
    Damaged {
        machine: String,
        path: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// An option for the engine that the host's system cannot pass on.
    #[error("the engine option `{option}` cannot be given to {machine}: {reason}")]
    Option { machine: String, option: String, reason: String },
    #[error(transparent)]
    Guest(#[from] GuestError),
}

impl Advise for AdoptError {
    fn advice(&self) -> Option<Advice> {
        match self {
            AdoptError::Taken { reason, .. } => reason.advice(),
            _ => None,
        }
    }
}

impl AdoptError {
    /// Whether it is returned before anything on the host is touched.
    pub fn is_refusal(&self) -> bool {
        match self {
            AdoptError::NoHostKey { .. }
            | AdoptError::HostKeyChanged { .. }
            | AdoptError::Scan { .. }
            | AdoptError::NoSudo { .. }
            | AdoptError::SudoPassword { .. }
            | AdoptError::Taken { .. }
            | AdoptError::NoEngine { .. }
            | AdoptError::CannotInstall { .. } => true,
            AdoptError::NoInit { .. }
            | AdoptError::Damaged { .. }
            | AdoptError::Option { .. }
            | AdoptError::Guest(_) => false,
        }
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" (it says: {reason})") }
}
