//! What is said when a swarm is made or joined, and what comes back.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::Ipv4Net;
use secrecy::SecretString;
use skep_model::{Availability, Role};

use crate::node::NodeId;

/// The port managers listen on.
pub const MANAGER_PORT: u16 = 2377;

/// How long a join may take unless [`JoinOptions::deadline`] says otherwise. An engine that gets
/// no answer says so after 20 s and goes on trying.
pub const JOIN_DEADLINE: Duration = Duration::from_secs(60);

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), MANAGER_PORT);

/// How a swarm is made.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The address the other nodes reach this one at.
    pub advertise: IpAddr,
    /// The address overlay traffic goes through.
    pub data_path: IpAddr,
    /// Where the manager listens.
    pub listen: SocketAddr,
    /// Whether the first manager is given tasks.
    pub availability: Availability,
    /// Where overlay networks get their subnets from; the engine's 10.0.0.0/8 if empty.
    pub pools: Vec<Ipv4Net>,
    /// The prefix length of one such subnet; the engine's 24 if `None`.
    pub subnet_size: Option<u8>,
    /// The UDP port of overlay traffic; the engine's 4789 if `None`.
    pub data_path_port: Option<u16>,
}

impl InitOptions {
    /// A swarm whose nodes reach its first manager at `address`, for everything.
    pub fn new(address: IpAddr) -> Self {
        Self {
            advertise: address,
            data_path: address,
            listen: ANYWHERE,
            availability: Availability::Active,
            pools: Vec::new(),
            subnet_size: None,
            data_path_port: None,
        }
    }
}

/// How a swarm is joined. The token decides the role.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// Managers to join through, tried in this order. An engine that finds none at an address
    /// takes 10 to 20 s to say so.
    pub remotes: Vec<SocketAddr>,
    /// The join token of the role the node shall have.
    pub token: SecretString,
    /// The address the other nodes reach this one at.
    pub advertise: IpAddr,
    /// The address overlay traffic goes through.
    pub data_path: IpAddr,
    /// Where it listens once it is a manager.
    pub listen: SocketAddr,
    /// Whether it is given tasks.
    pub availability: Availability,
    /// The swarm's nodes as a manager lists them, if that is known: by it a node that is in the
    /// swarm already is told from one of another swarm. Without it, the addresses of the managers
    /// the node knows decide, which a swarm made anew at the same addresses deceives.
    pub members: Option<Vec<NodeId>>,
    /// Whether what an earlier, interrupted join left in the engine (it tries for ever, or has
    /// given up with an error) may be thrown away. True only for a node that is known not to be
    /// in a swarm, because no manager lists its name: the engine shows a member that is ill in
    /// the same way.
    pub discard_leftover: bool,
    /// How long joining may take.
    pub deadline: Duration,
}

impl JoinOptions {
    /// Joins through the manager at `remote`; the others reach the node at `address`.
    pub fn new(remote: SocketAddr, token: SecretString, address: IpAddr) -> Self {
        Self {
            remotes: vec![remote],
            token,
            advertise: address,
            data_path: address,
            listen: ANYWHERE,
            availability: Availability::Active,
            members: None,
            discard_leftover: false,
            deadline: JOIN_DEADLINE,
        }
    }
}

/// A node that is in the swarm now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its identifier.
    pub node: NodeId,
    /// Whether it was in the swarm before, so that nothing was done.
    pub already: bool,
}

/// The tokens that let an engine join.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Joins as a manager.
    pub manager: SecretString,
    /// Joins as a worker.
    pub worker: SecretString,
}

impl Tokens {
    /// The token of a role.
    pub fn of(&self, role: Role) -> &SecretString {
        match role {
            Role::Manager => &self.manager,
            Role::Worker => &self.worker,
        }
    }
}
