//! The vocabulary every other crate speaks: what a machine may be called, which role it plays,
//! which state it is in, and what may be reported while work goes on.
//!
//! ```
//! use skep_model::{Event, Events, MachineName, MachineState, Transition};
//!
//! let name: MachineName = "worker1".parse()?;
//! assert!("worker 1".parse::<MachineName>().is_err());
//!
//! // Stopping makes sense for a machine that exists, and only for one.
//! assert_eq!(MachineState::Running.after(Transition::Stop), Some(MachineState::Stopped));
//! assert_eq!(MachineState::Absent.after(Transition::Stop), None);
//!
//! // Whatever takes time emits a step with a start and an end.
//! let (sender, receiver) = std::sync::mpsc::channel();
//! let events = Events::new(move |event| sender.send(event).unwrap());
//! events.step(&name, "starting").done();
//! assert!(matches!(receiver.recv()?, Event::Started { step, .. } if step == "starting"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! **Never here:** input or output, an async runtime, a clock, a dependency on another skep crate.
//!
//! **Start reading** at [`name`] for what is accepted as a name, at [`machine`] for a machine's
//! life, and at [`event`] for the one stream that feeds every display.

pub mod advice;
pub mod check;
pub mod event;
pub mod machine;
pub mod name;
pub mod order;
pub mod port;
pub mod role;
pub mod size;

pub use advice::{Advice, Advise, Reason};
pub use check::{Check, Verdict};
pub use event::{Event, Events, Span, StepId};
pub use machine::{MachineState, Transition};
pub use name::{ClusterName, MachineName, NameError};
pub use order::natural;
pub use port::{Port, PortError, Protocol};
pub use role::Role;
pub use size::{Bytes, Size, SizeError};
