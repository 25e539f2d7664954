//! The life of machines: made, started, stopped, killed, removed, and nothing left behind.
//!
//! What differs between ways of having a machine is behind [`Driver`], a small trait without
//! default bodies; each driver is a module folder that can be changed without opening another.
//!
//! **Never here:** what happens inside a machine once it runs (that is `skep-guest`), swarm
//! membership, printing, the environment.
//!
//! **Start reading** at [`driver`], then at [`container`] or [`qemu`]. [`subnet`] chooses a cluster's
//! addresses; [`fake`] is the driver that tests use where no machine is wanted, held to the same
//! contract suite as the real ones.

pub mod container;
pub mod driver;
pub mod error;
pub mod fake;
pub mod qemu;
mod room;
pub mod subnet;

pub use driver::{Driver, DriverKind, MachineId, MachinePlan, Reach, Request, Work};
pub use error::{Leftover, MachineError};
