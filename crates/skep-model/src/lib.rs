//! The vocabulary every other crate speaks: what a machine may be called, which role it plays,
//! which state it is in, and what may be said while work goes on.
//!
//! **Never here:** input or output, an async runtime, a clock, a dependency on another skep crate.
//!
//! **Start reading** at [`name`] for what is accepted as a name, at [`machine`] for a machine's
//! life, and at [`event`] for the one stream that feeds every display.

pub mod check;
pub mod event;
pub mod machine;
pub mod name;
pub mod order;
pub mod port;
pub mod role;
pub mod size;

pub use check::{Check, Verdict};
pub use event::{Event, Events, Span, StepId};
pub use machine::{MachineState, Transition};
pub use name::{ClusterName, MachineName, NameError};
pub use order::natural;
pub use port::{Port, PortError, Protocol};
pub use role::Role;
pub use size::{Bytes, Size, SizeError};
