//! The Docker Engine API of one machine: how to reach it, which version to speak, and JSON in and
//! out without loss.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use skep_engine::{Endpoint, Engine};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cancel = CancellationToken::new();
//! let endpoint = Endpoint::resolve(Some("unix:///var/run/docker.sock"))?;
//! let engine = Engine::connect(endpoint.local_socket()?, Duration::from_secs(5), &cancel).await?;
//! let info = engine.info(&cancel).await?;
//! println!("{} speaks API {} on {}", endpoint, engine.api_version(), info.operating_system);
//!
//! let nodes: serde_json::Value = engine.get_json("/nodes", &[], &cancel).await?;
//! # Ok(())
//! # }
//! ```
//!
//! An [`Engine`] is a unix socket that a Docker Engine answers on, whether it is the host's own or
//! the end of a forward into a machine. It keeps its connections open between requests and puts
//! the negotiated API version into each. What is read, changed and written back goes through
//! [`Engine::get_json`] and [`Engine::post_json`], which lose no field that they do not know.
//! [`Engine::pass_on`] is a transport for another client of the API.
//!
//! **Never here:** a network connection of its own (but for [`tcp`]'s one question), an environment
//! variable (`DOCKER_HOST` is handed to [`Endpoint::resolve`]), knowledge of machines, drivers or the meaning of an object.
//! A request's body and an answer's body never enter a log or an error: either may be a secret.
//!
//! **Start reading** at [`Engine::connect`], then [`EngineError`] for what can stand in its way.

mod connect;
pub mod endpoint;
pub mod engine;
pub mod error;
#[cfg(feature = "fake")]
pub mod fake;
pub mod image;
pub mod info;
mod pieces;
pub mod stream;
pub mod tcp;
pub mod version;
mod wire;

pub use endpoint::{Endpoint, EndpointError};
pub use engine::Engine;
pub use error::EngineError;
pub use info::EngineInfo;
pub use stream::EngineStream;
pub use version::ApiVersion;
pub use wire::{Body, Frames};
