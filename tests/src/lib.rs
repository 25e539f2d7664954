//! What the tests that cross crates have in common: a store for one test with everything that is
//! cleaned up after it, the `skep` under test, an independent view of the host engine's
//! objects, certificates good and bad, a TLS server behind a private root, and images to run.
//!
//! **Never here:** an expectation. What skep must do is in the tests.
//!
//! **Start reading** at [`Lab`].

pub mod certificates;
pub mod conformance;
pub mod cut;
pub mod host;
pub mod hosts;
pub mod images;
pub mod lab;
pub mod replay;
pub mod run;
pub mod server;
pub mod ssh_offer;
pub mod vboxmanage;
pub mod watch;

pub use lab::Lab;
pub use run::{Ran, Run};
