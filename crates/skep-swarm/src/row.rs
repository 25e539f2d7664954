//! The facts of one line of `docker node ls`, as data.
//!
//! Source: `cli/command/formatter` and `cli/command/node` of docker/cli.

use std::fmt;

use serde_json::Value;
use skep_api::Availability;
use skep_model::natural;

use crate::{
    local::LocalState,
    node::{Node, NodeId, NodeState, Reachability},
};

/// A manager's place among the managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerRank {
    Leader,
    Reachable,
    /// The others do not hear it.
    Unreachable,
    Unknown,
}

impl fmt::Display for ManagerRank {
    /// As the MANAGER STATUS column prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ManagerRank::Leader => "Leader",
            ManagerRank::Reachable => "Reachable",
            ManagerRank::Unreachable => "Unreachable",
            ManagerRank::Unknown => "Unknown",
        })
    }
}

/// Whether a node's certificate comes from the authority the swarm uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsStatus {
    Ready,
    /// The authority was replaced, and the node has not followed yet.
    NeedsRotation,
    Unknown,
}

impl fmt::Display for TlsStatus {
    /// As `docker node ls --format '{{.TLSStatus}}'` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TlsStatus::Ready => "Ready",
            TlsStatus::NeedsRotation => "Needs Rotation",
            TlsStatus::Unknown => "Unknown",
        })
    }
}

/// One line of `docker node ls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    pub id: NodeId,
    /// Whether it is the node that was asked, which is marked with ` *`.
    pub is_self: bool,
    pub hostname: String,
    pub state: NodeState,
    pub availability: Availability,
    /// MANAGER STATUS; empty for a worker.
    pub manager: Option<ManagerRank>,
    pub engine_version: String,
    /// TLS STATUS, which only a format of one's own shows.
    pub tls: TlsStatus,
}

/// The lines of `docker node ls`, in the natural order of their names; `local` is the part of the
/// node that was asked.
pub fn rows(nodes: &[Node], local: &LocalState) -> Vec<NodeRow> {
    let mut nodes: Vec<&Node> = nodes.iter().collect();
    nodes.sort_by(|a, b| natural(&a.hostname, &b.hostname).then_with(|| a.id.cmp(&b.id)));
    nodes.into_iter().map(|node| row(node, local)).collect()
}

fn row(node: &Node, local: &LocalState) -> NodeRow {
    NodeRow {
        id: node.id.clone(),
        is_self: local.node.as_ref() == Some(&node.id),
        hostname: node.hostname.clone(),
        state: node.state.clone(),
        availability: node.availability.clone(),
        manager: node.manager.as_ref().map(|manager| match manager.reachability {
            _ if manager.leader => ManagerRank::Leader,
            Reachability::Reachable => ManagerRank::Reachable,
            Reachability::Unreachable => ManagerRank::Unreachable,
            Reachability::Unknown | Reachability::Other(_) => ManagerRank::Unknown,
        }),
        engine_version: node.engine_version.clone(),
        tls: match (&node.tls_info, &local.tls_info) {
            (node, swarm) if is_empty(node) || is_empty(swarm) => TlsStatus::Unknown,
            (node, swarm) if node == swarm => TlsStatus::Ready,
            _ => TlsStatus::NeedsRotation,
        },
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(serde_json::Map::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::tests::node;

    fn local(id: &str) -> LocalState {
        serde_json::from_value(
            json!({"NodeID": id, "LocalNodeState": "active", "ControlAvailable": true,
            "Cluster": {"ID": "c", "TLSInfo": {"TrustRoot": "new"}}}),
        )
        .unwrap()
    }

    #[test]
    fn the_columns_of_docker_node_ls() {
        let mut nodes = vec![
            node("w10", "worker10", "down", None),
            node("w9", "worker9", "ready", None),
            node("m2", "manager2", "ready", Some("unreachable")),
            node("m1", "manager1", "ready", Some("leader")),
        ];
        nodes[1].tls_info = json!({"TrustRoot": "old"});
        nodes[3].tls_info = json!({"TrustRoot": "new"});
        let rows = rows(&nodes, &local("m1"));
        let shown: Vec<String> = rows
            .iter()
            .map(|row| {
                let manager = row.manager.map(|rank| rank.to_string()).unwrap_or_default();
                let mark = if row.is_self { "*" } else { "" };
                format!("{}{mark} {} {manager} {}", row.hostname, row.state.capitalized(), row.tls)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "manager1* Ready Leader Ready",
                "manager2 Ready Unreachable Unknown",
                "worker9 Ready  Needs Rotation",
                "worker10 Down  Unknown",
            ]
        );
    }
}
