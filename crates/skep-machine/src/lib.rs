//! The life of machines: made, started, stopped, killed, removed, and nothing left behind.
//!
//! ```
//! use skep_machine::{Driver, MachineError, MachineId, fake::FakeDriver};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Switches a machine off and on again, whichever driver it has.
//! async fn restart(driver: &dyn Driver, id: &MachineId) -> Result<(), MachineError> {
//!     let cancel = CancellationToken::new();
//!     driver.stop(id, &cancel).await?;
//!     driver.start(id, &cancel).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let id = MachineId { cluster: "demo".parse()?, machine: "worker1".parse()? };
//! // The driver for tests keeps its machines in memory; this one has none.
//! assert!(restart(&FakeDriver::new(), &id).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! What differs between drivers is behind [`Driver`], a small trait; its default bodies are those of a
//! machine that has nothing of the kind. Each driver is a module folder that can be changed, or
//! written, without opening another: `shelf` keeps its files, `record` what it writes down, `cards`
//! is for virtual machines and `adopted` for machines that were there before.
//!
//! **Never here:** what happens inside a machine once it is ready (that is `skep-guest`), swarm
//! membership, printing, the environment.
//!
//! **Start reading** at [`driver`], then at [`container`], [`qemu`] or [`virtualbox`]; [`ssh`] and
//! [`none`](mod@none) take over what is there already. [`Login`] is how a machine is logged in to, and
//! [`Waiter`] waits until it is ready; [`first_sight`] is for machines with host keys of their own. [`subnet`] chooses a cluster's
//! addresses; [`fake`] is the driver that tests use where no machine is wanted, held to the same
//! contract suite as the real ones.

mod adopted;
mod cards;
mod console;
pub mod container;
pub mod driver;
pub mod error;
pub mod fake;
mod features;
pub mod first_sight;
mod host;
mod identity;
mod limits;
mod login;
pub mod none;
mod options;
pub mod qemu;
mod ready;
mod record;
mod shelf;
pub mod ssh;
pub mod subnet;
pub mod virtualbox;

pub use driver::{Driver, GuestSystems, MachineId, MachinePlan, Reach, Request, Work};
pub use error::{Leftover, MachineError};
pub use features::{Features, System};
pub use login::{Login, USER};
pub use options::{DriverKind, DriverOptions};
pub use ready::Waiter;
