//! Inside a machine, over SSH: run, copy, wait for readiness and say why it is not ready, CA
//! certificates.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use skep_context::Context;
//! use skep_guest::{Access, Command, Guest, GuestError};
//! use skep_model::Events;
//! use tokio_util::sync::CancellationToken;
//!
//! /// The kernel of a machine that may still be booting.
//! async fn kernel(access: &Access) -> Result<String, GuestError> {
//!     let (events, cancel) = (Events::none(), CancellationToken::new());
//!     let context = Context::new(&events, &cancel).within(Duration::from_secs(60));
//!     let guest = Guest::wait(access, context).await?;
//!     let mut kernel = String::new();
//!     guest.run_with(&Command::new("uname").arg("-r"), &cancel, |line| kernel.push_str(line)).await?;
//!     Ok(kernel)
//! }
//! ```
//!
//! One `ssh` master per machine stays in the background for ten minutes after it was last used;
//! each command resumes it through its control socket, and the machine's engine socket is forwarded
//! through it to a local path that the next command connects to without any `ssh` at all.
//!
//! **Never here:** knowledge of how a machine was made or where its files are kept (both come in an
//! [`Access`]), the Docker API beyond "does it answer", the clock, the user's own SSH configuration
//! or agent, a key or a certificate's private part in an argument, an event or an error.
//!
//! **Start reading** at [`Guest`], then [`Command`]; [`certificate`] and [`adopt`] stand on
//! their own.
//!
//! `ssh` is OpenSSH 8.5 or later. The `openssh` crate talks to its master; the master itself is
//! started through `skep-process`, for a control socket at a path of ours and a failure that can be
//! read.

pub mod access;
pub mod adopt;
pub mod certificate;
pub mod command;
mod copy;
pub mod engine;
pub mod error;
mod exclusive;
mod file;
pub mod guest;
pub mod keys;
pub mod master;
pub mod obstacle;
mod probe;
pub mod ready;
pub mod run;
pub mod transfer;
mod unmet;

pub use access::{Access, check_user};
pub use command::Command;
pub use error::GuestError;
pub use file::Member;
pub use guest::Guest;
pub use keys::{KeyPair, check_private_key, is_known_hosts, known_hosts_line};
pub use obstacle::Obstacle;
pub use ready::{Requirement, wait_until_ready};
pub use run::Output;
