//! What the Docker Engine API says of a swarm: nodes, services, tasks, and the words in them. Source:
//! Docker Engine API 1.41 to 1.45, `Node`, `Service`, `Task`.
//!
//! ```
//! use skep_api::Availability;
//!
//! let drain: Availability = serde_json::from_str(r#""drain""#)?;
//! assert_eq!(drain, Availability::Drain);
//!
//! let newer: Availability = serde_json::from_str(r#""hibernate""#)?;
//! assert_eq!(serde_json::to_string(&newer)?, r#""hibernate""#);
//! # Ok::<_, serde_json::Error>(())
//! ```
//!
//! Each word of the API (`drain`, `ingress`, `rollback_started`) is one type for reading and writing.
//! A word that is not known yet is kept and written as it was read, so that an answer of a newer
//! engine is still read.
//!
//! The objects ([`Node`], [`Service`], [`Task`]) are for reading: they drop what they do not know, so
//! nothing read into them is ever sent back.
//!
//! **Never here:** asking an engine, or deciding anything by its answers.
//!
//! **Start reading** at [`Service`] and [`Node`].

mod id;
mod node;
mod port;
mod service;
mod task;
mod word;

pub use id::{Id, Version};
pub use node::{
    Availability, ManagerStatus, Node, NodeId, NodeRole, NodeState, Platform, Reachability,
};
pub use port::{PortProtocol, PublishMode, PublishedPort};
pub use service::{
    ContainerSpec, Endpoint, EndpointMode, EndpointSpec, FailureAction, JobStatus, Mode, Placement,
    RestartCondition, Service, ServiceSpec, ServiceStatus, TaskSpec, UpdateConfig, UpdateOrder,
    UpdateState, UpdateStatus,
};
pub use task::{ContainerStatus, PortStatus, Task, TaskState, TaskStatus};

use serde::{Deserialize, Deserializer};

/// `null`, which an engine sends for an empty list or map, is the default.
///
/// # Errors
/// What `T` says of its value.
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
