//! Composes machines, their guests, engines and the swarm: from what is asked for to a swarm that
//! is ready, and back to nothing.
//!
//! ```no_run
//! use skep_cluster::{Desired, Home, down::down, up::up};
//! use skep_context::Context;
//!
//! /// Makes a swarm of four machines, uses it, and removes it with everything that was made for it.
//! async fn with_a_swarm(
//!     home: &Home,
//!     context: Context<'_>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let name = "demo".parse()?;
//!     let desired = Desired { managers: Some(1), workers: Some(3), ..Desired::default() };
//!     up(home, &name, &desired, context).await?;
//!     // The swarm is ready: four engines, one manager.
//!     down(home, &name, context).await?;
//!     Ok(())
//! }
//! ```
//!
//! The straight road of `up`, each step a file that knows only those before it:
//!
//! | step | file |
//! |---|---|
//! | request | [`desired`] → [`record`]: what is asked for becomes what the store keeps |
//! | plan | `up::plan`: what the engines say, what the driver can; the last chance to refuse |
//! | make | `provision::plan`, `provision::make`: keys, seed, machine, switched on |
//! | ready | [`skep_machine::Waiter`]: logged in to, and the engine answers |
//! | provision | `provision`, [`adopt`], `tls`, `ca_certificates`: what no seed could contain |
//! | join | `up::join`, `up::founding`: nodes of one swarm |
//!
//! Beside it:
//!
//! - [`home`]: one store with everything that comes from outside (paths, time), handed in.
//! - [`choice`]: which driver `auto` takes, and why.
//! - [`down`], [`status`]: take a cluster away, show how it is.
//! - [`survey`]: what the engines say of their part in a swarm, asked before the record changes.
//! - [`guard`]: whether a manager can be taken away; asked before anything takes one away.
//! - [`power`]: switch machines on and off; `locks`: which command waits for which.
//! - [`machines`]: one machine by itself, made, provisioned, removed; [`import`]: docker-machine's.
//! - [`find`]: a machine by its name, whatever cluster it is in.
//! - [`reach`]: from a machine's name to its guest, its engine, and a manager of its swarm.
//! - [`answers`]: the same question to several machines; [`images`]: images without a registry.
//! - [`restarts`]: engines restarted in an order that services outlive; [`trust`]: which machine
//!   trusts what.
//! - [`published`]: where this host reaches what a machine publishes.
//! - [`certificates`], [`environment`]: CA certificates on every machine; the docker CLI's way in.
//!
//! **Never here:** a terminal, an exit code, a word to the user other than errors and events.
//!
//! **Start reading** at [`up`].

pub mod adopt;
pub mod answers;
mod ca_certificates;
pub mod certificates;
pub mod choice;
mod demoted;
pub mod desired;
pub mod down;
pub mod engine_options;
pub mod environment;
pub mod error;
pub mod find;
mod former;
mod forward;
pub mod guard;
pub mod home;
mod identity;
pub mod images;
pub mod import;
mod locks;
pub mod machines;
mod pending;
pub mod power;
mod provision;
pub mod published;
pub mod reach;
pub mod record;
pub mod restarts;
pub mod status;
pub mod survey;
mod swarms;
mod tls;
pub mod trust;
pub mod unfinished;
mod unmade;
pub mod up;

pub use choice::{Choice, choose};
pub use desired::Desired;
pub use engine_options::EngineOptions;
pub use error::{ClusterError, MachineFailure};
pub use home::{Home, Settings};
pub use record::{ClusterRecord, MachineRecord};
