//! Hosts that got no seed: made machines over SSH, and given back.
//!
//! - [`mod@pin`] takes a host's key at first sight; a host that shows another one later is refused.
//! - [`mod@look`] finds out in two round trips what the host is ([`Found`]): its system, what
//!   starts its services, its engine, which machine it is, and the swarm it is in. It changes
//!   nothing.
//! - [`mod@engine`] installs an engine from the distribution's own packages.
//! - [`mod@name`] calls it by the machine's name, which is its node's.
//! - [`mod@settings`] has the engine listen with TLS, and gives it options, beside what its owner set;
//!   what was there before is kept, and put back by [`release`].
//!
//! Each step looks first and does what is missing, so that doing it again changes nothing, and an
//! interrupted one is finished by the next. Scripts get the root directory as an argument, which is
//! empty but in tests; secrets travel through their input.

pub mod daemon;
pub mod engine;
mod error;
mod find;
pub mod look;
pub mod name;
pub mod pin;
mod places;
pub mod profile;
pub mod settings;
mod sudo;
pub mod system;
pub mod unit;

pub use engine::{add_to_group, install};
pub use error::AdoptError;
pub use find::{NoAddress, own_key, resolve};
pub use look::{Found, Membership, Owner, look};
pub use name::rename;
pub use pin::{explain, is_pin, pin};
pub use settings::{Settings, Tls, apply, release, restart_for_settings};
pub use system::{Init, Packages, System};
