//! Membership of a Docker Swarm: making one, joining and leaving it, roles, availability, labels,
//! join tokens, locking, its settings and CA, and what a change does to the managers' quorum.
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//!
//! use skep_engine::Engine;
//! use skep_swarm::{Change, Judgement, Swarm, quorum};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cancel = CancellationToken::new();
//! let socket = Path::new("/var/run/docker.sock");
//! let swarm = Swarm::new(&Engine::connect(socket, Duration::from_secs(5), &cancel).await?);
//! let nodes = swarm.nodes(&cancel).await?;
//! for row in swarm.rows(&cancel).await? {
//!     let judged = quorum::judge(&nodes, Change::Stop, &[row.id]);
//!     println!("{} is {}; may stop: {}", row.hostname, row.state, judged == Judgement::Fine);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Swarm`] is one engine seen as a node: [`Swarm::init`], [`Swarm::join`] and [`Swarm::leave`]
//! change that node's own part; everything about other nodes is asked of a manager.
//!
//! # How fast, and in which order
//! Measured on four engines that answer, two processors: `init` takes 0.12 s, or 0.55 s when it
//! runs into a pause of half a second inside the engine; three workers that join at once 0.13 s;
//! a promotion 0.6 s, a demotion 0.04 s, leaving 0.2 to 1.5 s. So `init` is given to the first
//! engine that answers, while the others still start, and each of them joins when it does.
//!
//! Workers may join all at once, and so may managers: the leader takes one change of its Raft
//! group at a time, the others wait inside their engines, and [`Swarm::join`] tries again what is
//! refused only for a moment. Three managers at once take 0.65 s, one after another 0.6 s each;
//! six at once on a busy host up to 3 s. Demotions and removals are made one after another, each
//! judged on the list that the one before left ([`quorum::judge`], [`Swarm::wait_until_ready`]).
//!
//! A node leaves only where that is known to cost no swarm anything, or on the caller's word: an
//! engine that is locked, in error or pending may be the manager that holds everything.
//!
//! **Never here:** machines, how an engine is reached, tables and colours. Join tokens, unlock
//! keys and a CA's key are [`secrecy::SecretString`]s and go nowhere but into a request's body.
//!
//! **Start reading** at [`Swarm`], then [`quorum::judge`] for what is refused and why.

pub mod address;
pub mod authority;
pub mod cause;
pub mod error;
pub mod local;
mod local_state;
pub mod lock;
mod membership;
pub mod node;
mod nodes;
pub mod options;
pub mod pool;
pub mod quorum;
pub mod ready;
mod retry;
mod roles;
pub mod row;
pub mod select;
pub mod spec;
pub mod update;

use skep_engine::Engine;

pub use address::NodeAddress;
pub use authority::{CaRotation, Rotation};
pub use cause::Cause;
pub use error::SwarmError;
pub use local::{LocalState, RemoteManager};
pub use local_state::LocalNodeState;
pub use lock::Unlocked;
pub use node::{
    Availability, ManagerStatus, Node, NodeId, NodeRole, NodeState, Platform, Reachability,
};
pub use options::{Addresses, InitOptions, JoinOptions, Joined, Tokens};
pub use quorum::{Change, Judgement, Quorum};
pub use ready::Expected;
pub use row::{ManagerRank, NodeRow, TlsStatus};
pub use select::Selector;
pub use spec::{ExternalCa, SwarmUpdate};
pub use update::NodeUpdate;

/// One engine seen as a node of a swarm, or as one that may become a node.
#[derive(Debug, Clone)]
pub struct Swarm {
    engine: Engine,
}

impl Swarm {
    /// The node that `engine` is. Nothing is asked yet.
    pub fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone() }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}
