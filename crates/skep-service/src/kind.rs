//! What there is in a swarm besides its nodes' machines, by its name in messages.

use std::fmt;

/// A kind of object, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Service,
    Secret,
    Config,
    Network,
    Node,
    Stack,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Service => "service",
            Kind::Secret => "secret",
            Kind::Config => "config",
            Kind::Network => "network",
            Kind::Node => "node",
            Kind::Stack => "stack",
        })
    }
}
