//! Makes CA certificates trusted inside machines.
//!
//! - [`bring_up_to_date`] puts them into a machine and takes others away, [`list`] says which are
//!   there. The system's roots are read by an engine once, so a change there takes effect with the
//!   engine's next start ([`restart_engine`]); those of one [`Registry`](skep_pki::Registry) are
//!   read at each request.
//! - [`mod@verify`] proves the effect with a TLS handshake from inside the machine.
//!
//! Inside a machine a certificate is the file [`CaCertificate::file_name`](skep_pki::CaCertificate::file_name)
//! where its system looks for roots ([`SYSTEM_DIRECTORY`] on skep's guest) or, for one registry,
//! below [`REGISTRY_DIRECTORY`].

mod install;
mod script;
pub mod verify;

pub(crate) use install::remove_all;
pub use install::{Changed, Listed, bring_up_to_date, list, restart_due, restart_engine};
pub(crate) use script::RESTART as RESTART_SCRIPT;
pub use script::{REGISTRY_DIRECTORY, SYSTEM_DIRECTORY};
pub use verify::{Handshake, Verification, verify};
