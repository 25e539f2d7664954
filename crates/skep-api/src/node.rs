//! A node as a manager lists it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use skep_model::Role;

use crate::{Id, Version, or_default, word::words};

/// A node's identifier, given by the swarm when the node joins.
pub type NodeId = Id;

words! {
    /// The role that a node is meant to have.
    NodeRole, default Worker {
        Worker = "worker",
        Manager = "manager",
    }
}

impl NodeRole {
    /// The role as skep knows it, if it does.
    pub fn known(&self) -> Option<Role> {
        match self {
            NodeRole::Worker => Some(Role::Worker),
            NodeRole::Manager => Some(Role::Manager),
            NodeRole::Other(_) => None,
        }
    }
}

impl PartialEq<Role> for NodeRole {
    fn eq(&self, other: &Role) -> bool {
        self.known() == Some(*other)
    }
}

words! {
    /// Whether the scheduler may give tasks to a node.
    Availability, default Active {
        /// New tasks are placed here.
        Active = "active",
        /// Running tasks stay, no new ones come.
        Pause = "pause",
        /// Running tasks are moved away, no new ones come.
        Drain = "drain",
    }
}

words! {
    /// How a node is, as its manager sees it.
    NodeState, default Unknown {
        /// The manager has not heard of it since the manager started.
        Unknown = "unknown",
        /// It does not answer, or left.
        Down = "down",
        /// It takes tasks.
        Ready = "ready",
        /// It went away in good order.
        Disconnected = "disconnected",
    }
}

words! {
    /// Whether the other managers hear a manager.
    Reachability, default Unknown {
        Unknown = "unknown",
        Unreachable = "unreachable",
        Reachable = "reachable",
    }
}

/// A node's part in the managers' Raft group. A node that was just promoted has none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManagerStatus {
    pub leader: bool,
    pub reachability: Reachability,
    /// Where they reach it: `172.31.0.2:2377`.
    pub addr: String,
}

/// A processor architecture and an operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Platform {
    /// `x86_64`, `amd64`
    pub architecture: String,
    /// `linux`
    #[serde(rename = "OS")]
    pub os: String,
}

/// A node as a manager lists it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "NodeJson")]
pub struct Node {
    pub id: NodeId,
    /// Its host's name. Two nodes may have the same: one that joined again and its old self.
    pub hostname: String,
    pub role: NodeRole,
    pub availability: Availability,
    pub state: NodeState,
    /// Why it is so, where the manager says: `heartbeat failure`.
    pub message: String,
    /// Where its manager sees it: an IP address without a port.
    pub address: String,
    pub manager: Option<ManagerStatus>,
    pub labels: BTreeMap<String, String>,
    pub engine_version: String,
    /// The labels that its engine was configured with.
    pub engine_labels: BTreeMap<String, String>,
    pub platform: Platform,
    /// Processors, in billionths of one.
    pub nano_cpus: i64,
    /// Memory, in bytes.
    pub memory: i64,
    /// `[{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]`
    pub generic_resources: Value,
    /// The certificate authority it trusts, as the API's `TLSInfo`; null where it is not known.
    pub tls_info: Value,
    /// Grows with each change of the object.
    pub version: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeJson {
    #[serde(rename = "ID")]
    id: NodeId,
    version: Version,
    spec: Spec,
    description: Description,
    status: Status,
    manager_status: Option<ManagerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Spec {
    role: NodeRole,
    availability: Availability,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    hostname: String,
    platform: Platform,
    resources: Resources,
    engine: EngineDescription,
    #[serde(rename = "TLSInfo")]
    tls_info: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Resources {
    #[serde(rename = "NanoCPUs")]
    nano_cpus: i64,
    memory_bytes: i64,
    generic_resources: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EngineDescription {
    engine_version: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    state: NodeState,
    message: String,
    addr: String,
}

impl From<NodeJson> for Node {
    fn from(json: NodeJson) -> Self {
        let NodeJson { id, version, spec, description, status, manager_status } = json;
        Node {
            id,
            hostname: description.hostname,
            role: spec.role,
            availability: spec.availability,
            state: status.state,
            message: status.message,
            address: status.addr,
            manager: manager_status,
            labels: spec.labels,
            engine_version: description.engine.engine_version,
            engine_labels: description.engine.labels,
            platform: description.platform,
            nano_cpus: description.resources.nano_cpus,
            memory: description.resources.memory_bytes,
            generic_resources: description.resources.generic_resources,
            tls_info: description.tls_info,
            version: version.index,
        }
    }
}

impl Node {
    /// Whether it takes part in the managers' decisions now, and the others hear it.
    pub fn is_reachable_manager(&self) -> bool {
        self.manager.as_ref().is_some_and(|m| m.reachability == Reachability::Reachable)
    }

    /// What to call it in a text: its name, or its identifier where it has none yet.
    pub fn called(&self) -> &str {
        if self.hostname.is_empty() { self.id.short() } else { &self.hostname }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_read_as_an_engine_sends_it() {
        let node: Node = serde_json::from_str(
            r#"{"ID": "ilnaz1gxzv906hesh50qy2waq", "Version": {"Index": 9},
                "Spec": {"Labels": {"disk": "ssd"}, "Role": "manager", "Availability": "drain"},
                "Description": {"Hostname": "manager1", "Platform": {"Architecture": "x86_64", "OS": "linux"},
                    "Resources": {"NanoCPUs": 2000000000, "MemoryBytes": 25276063744},
                    "Engine": {"EngineVersion": "26.1.5+dfsg1", "Plugins": []}, "TLSInfo": {"TrustRoot": "x"}},
                "Status": {"State": "ready", "Addr": "172.31.77.11"},
                "ManagerStatus": {"Leader": true, "Reachability": "reachable", "Addr": "172.31.77.11:2377"}}"#,
        )
        .unwrap();
        assert_eq!((&node.role, &node.availability), (&NodeRole::Manager, &Availability::Drain));
        assert_eq!((&node.state, node.version), (&NodeState::Ready, 9));
        assert_eq!(node.labels["disk"], "ssd");
        assert!(node.is_reachable_manager());
        assert_eq!(node.id.short(), "ilnaz1gxzv90");
    }

    #[test]
    fn a_node_that_never_came_up_is_read_too() {
        let node: Node = serde_json::from_str(
            r#"{"ID": "qcbphfho6s6n", "Version": {"Index": 1}, "Spec": {"Labels": null, "Role": "worker", "Availability": "active"},
                "Description": {"Platform": {}, "Resources": {}, "Engine": {}, "TLSInfo": {}},
                "Status": {"State": "some-new-state"}}"#,
        )
        .unwrap();
        assert_eq!(
            (node.state.clone(), node.called()),
            (NodeState::Other("some-new-state".into()), "qcbphfho6s6n")
        );
        assert!(node.manager.is_none());
    }
}
