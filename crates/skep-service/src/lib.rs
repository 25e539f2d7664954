//! Services of a Docker Swarm: creating, listing, scaling, updating and watching them, stacks of
//! them, and what they need beside them (secrets, configs, networks).
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//!
//! use skep_engine::Engine;
//! use skep_service::Services;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cancel = CancellationToken::new();
//! let manager = Path::new("/var/run/docker.sock");
//! let engine = Engine::connect(manager, Duration::from_secs(5), &cancel).await?;
//! let service = Services::new(&engine).service("web", &cancel).await?;
//! println!("{} publishes {:?}", service.spec.name, service.endpoint.ports);
//! # Ok(())
//! # }
//! ```
//!
//! [`Services`] is one manager's engine, asked about services. What is read is read into the types
//! of [`api`], which hold what skep shows or decides by; what is changed is changed in the JSON the
//! engine returned, so that an update loses nothing it does not name.
//!
//! **Never here:** machines, nodes' roles, how an engine is reached, tables and colours, a clock:
//! a caller that shows how long ago something was hands the time in.
//!
//! **Start reading** at [`Services`], then [`api`].

pub mod cause;
pub mod converge;
pub mod drain;
pub mod error;
pub mod find;
pub mod inspect;
mod kind;
mod list;
pub mod logs;
pub mod make;
pub mod objects;
pub mod placement;
pub mod probe;
pub mod rebalance;
pub mod rows;
pub mod spec;
pub mod stack;

use skep_engine::Engine;

pub use error::ServiceError;
pub use kind::Kind;
pub use skep_api as api;

/// One manager's engine, asked about services.
#[derive(Debug, Clone)]
pub struct Services {
    engine: Engine,
}

impl Services {
    /// What `engine`, which must be a manager's, has and does. Nothing is asked yet.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}
