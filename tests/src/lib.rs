//! What the tests that cross crates have in common: a store of one's own with everything that is
//! cleaned up after it, the `skep` that is being tested, a second opinion on what the host's
//! engine holds, certificates good and bad, a TLS server behind a private root, and images to run.
//!
//! **Never here:** an expectation. What skep must do stands in the tests.
//!
//! **Start reading** at [`Lab`].

pub mod certificates;
pub mod conformance;
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
