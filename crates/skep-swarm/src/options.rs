//! What making or joining a swarm takes, and what comes back.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::Ipv4Net;
use secrecy::SecretString;
use skep_api::Availability;
use skep_model::Role;

use crate::{address::NodeAddress, node::NodeId, spec::SwarmUpdate};

/// The port managers listen on: swarmkit's, and the one firewalls have to let through.
pub const MANAGER_PORT: u16 = 2377;

/// How long a join may take unless [`JoinOptions::deadline`] says otherwise. An engine that gets
/// no answer says so after 20 s and goes on trying.
pub(crate) const JOIN_DEADLINE: Duration = Duration::from_secs(60);

/// Where a node is reached and listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The address the other nodes reach this one at.
    pub advertise: NodeAddress,
    /// The address overlay traffic goes through.
    pub data_path: NodeAddress,
    /// `0.0.0.0:2377` unless set.
    pub listen: NodeAddress,
}

impl Addresses {
    /// Those that are set, overlay traffic going where the node is reached unless that is; the others
    /// stay.
    #[must_use]
    pub fn with(
        self,
        advertise: Option<&NodeAddress>,
        data_path: Option<&NodeAddress>,
        listen: Option<&NodeAddress>,
    ) -> Self {
        let path = data_path.cloned().or(advertise.map(NodeAddress::without_port));
        Self {
            advertise: advertise.cloned().unwrap_or(self.advertise),
            data_path: path.unwrap_or(self.data_path),
            listen: listen.cloned().unwrap_or(self.listen),
        }
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        let anywhere = Ipv4Addr::UNSPECIFIED.to_string();
        let listen = NodeAddress::new(anywhere, Some(MANAGER_PORT));
        Self { advertise: address.into(), data_path: address.into(), listen }
    }
}

/// How a swarm is made.
#[derive(Debug, Clone)]
pub struct InitOptions {
    pub addresses: Addresses,
    /// Whether the first manager is given tasks.
    pub availability: Availability,
    /// Where overlay networks get their subnets from; the engine's 10.0.0.0/8 if empty.
    pub pools: Vec<Ipv4Net>,
    /// The prefix length of one such subnet; the engine's 24 if `None`.
    pub subnet_size: Option<u8>,
    /// The UDP port of overlay traffic; the engine's 4789 if `None`.
    pub data_path_port: Option<u16>,
    pub settings: SwarmUpdate,
    /// Makes this manager the only one of the swarm it is in, with all that the swarm has: for
    /// managers that are gone for good. Where they come back, there are two swarms.
    pub force_new_cluster: bool,
}

impl InitOptions {
    /// A swarm whose nodes reach its first manager at `address`, for everything.
    pub fn new(address: IpAddr) -> Self {
        Self {
            addresses: address.into(),
            availability: Availability::Active,
            pools: Vec::new(),
            subnet_size: None,
            data_path_port: None,
            settings: SwarmUpdate::default(),
            force_new_cluster: false,
        }
    }
}

/// How a swarm is joined. The token decides the role.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// Managers to join through, tried in this order. An engine that finds none at an address
    /// takes 10 to 20 s to say so.
    pub remotes: Vec<SocketAddr>,
    pub token: SecretString,
    pub addresses: Addresses,
    /// Whether it is given tasks.
    pub availability: Availability,
    /// The swarm's nodes as a manager lists them, if that is known: they distinguish a node that
    /// is in it already from one of another swarm. Without them, the managers' addresses that the
    /// node knows decide, which a swarm made anew at the same addresses deceives.
    pub members: Option<Vec<NodeId>>,
    /// Whether what an earlier, interrupted join left in an engine that has given up with an error
    /// may be thrown away. True only for a node that is known not to be in any swarm: a member
    /// whose node cannot start looks the same from outside. A join that still tries for ever and
    /// has got no identity is thrown away in any case.
    pub discard_leftover: bool,
    pub deadline: Duration,
}

impl JoinOptions {
    /// Joins through the manager at `remote`; the others reach the node at `address`.
    pub fn new(remote: SocketAddr, token: SecretString, address: IpAddr) -> Self {
        Self {
            remotes: vec![remote],
            token,
            addresses: address.into(),
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
    pub node: NodeId,
    /// Whether it was in the swarm before, so that nothing was done.
    pub already: bool,
}

/// The tokens that let an engine join.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub manager: SecretString,
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
