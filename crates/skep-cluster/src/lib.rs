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
//! - [`home`]: one store with everything that comes from outside (paths, time), handed in.
//! - [`desired`] → [`record`]: what is asked for becomes what the store keeps.
//! - [`choice`]: which driver `auto` takes, and why.
//! - [`up`], [`down`], [`status`]: bring it about, take it away, say what is true.
//! - [`survey`]: what the engines say of their part in a swarm, asked before a wish is written.
//! - [`guard`]: whether a manager can be taken away; asked before anything takes one away.
//! - [`power`]: switch machines on and off; `turn`: who waits for whom.
//! - [`machines`]: one machine by itself, made, provisioned, removed; [`import`]: docker-machine's.
//! - [`find`]: a machine by its name, whatever cluster it is in.
//! - [`reach`]: from a machine's name to its guest, its engine, and a manager of its swarm.
//! - [`images`]: images on every machine without a registry.
//! - [`restarts`]: engines restarted in an order that services outlive; [`trust`]: who trusts what.
//! - [`door`]: where this host reaches what a machine publishes.
//! - [`certificates`], [`environment`]: CA certificates on every machine; the docker CLI's way in.
//!
//! **Never here:** a terminal, an exit code, a word to the user other than errors and events.
//!
//! **Start reading** at [`up`].

pub mod adopt;
pub mod certificates;
pub mod choice;
mod demoted;
pub mod desired;
pub mod door;
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
pub mod machines;
pub mod power;
mod provision;
pub mod reach;
pub mod record;
pub mod restarts;
mod settle;
pub mod status;
pub mod survey;
pub mod trust;
mod turn;
pub mod unfinished;
mod unmade;
pub mod up;

#[cfg(test)]
mod lifecycle_tests;
#[cfg(test)]
mod machines_tests;

pub use choice::{Choice, choose};
pub use desired::Desired;
pub use engine_options::EngineOptions;
pub use error::{ClusterError, MachineFailure};
pub use home::{Home, Settings};
pub use record::{ClusterRecord, MachineRecord};
