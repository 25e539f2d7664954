//! A node as a manager lists it.
//!
//! Source: the `Node` object of the Docker Engine API.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use skep_model::{Availability, Role};

/// A node's identifier: 25 letters and digits, given by the swarm when the node joins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

impl NodeId {
    /// An identifier as the engine gave it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first twelve characters, as docker shortens identifiers.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a node is, as its manager sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It does not answer, or left.
    Down,
    /// It takes tasks.
    Ready,
    /// It went away in good order.
    Disconnected,
    /// It was not heard of since its manager started.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for NodeState {
    /// As `docker node ls` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            NodeState::Unknown => "Unknown",
            NodeState::Down => "Down",
            NodeState::Ready => "Ready",
            NodeState::Disconnected => "Disconnected",
        })
    }
}

/// Whether the other managers hear a manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reachability {
    /// They do not.
    Unreachable,
    /// They do.
    Reachable,
    /// Not known yet.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A node's part in the managers' Raft group. A node that was just promoted has none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManagerStatus {
    /// Whether it leads the group.
    pub leader: bool,
    /// Whether the others hear it.
    pub reachability: Reachability,
    /// Where they reach it: `172.31.0.2:2377`.
    pub addr: String,
}

/// A node as a manager lists it. For all that the engine knows, see
/// [`Swarm::inspect`](crate::Swarm::inspect).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "NodeJson")]
pub struct Node {
    /// Its identifier.
    pub id: NodeId,
    /// Its host's name. Two nodes may have the same: one that joined again and its old self.
    pub hostname: String,
    /// The role it is meant to have.
    pub role: Role,
    /// Whether it may be given tasks.
    pub availability: Availability,
    /// How it is.
    pub state: NodeState,
    /// Why it is so, where the manager says: `heartbeat failure`.
    pub message: String,
    /// Where its manager sees it: an IP address without a port.
    pub address: String,
    /// Its part among the managers, if it has one.
    pub manager: Option<ManagerStatus>,
    /// Its labels in the swarm.
    pub labels: BTreeMap<String, String>,
    /// Its engine's release.
    pub engine_version: String,
    /// Its operating system and processor: `linux`, `x86_64`.
    pub platform: (String, String),
    /// Processors, in billionths of one.
    pub nano_cpus: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// The certificate authority it trusts, as the API's `TLSInfo`; null where it is not known.
    pub tls_info: Value,
    /// Grows with each change of the object.
    pub version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeJson {
    #[serde(rename = "ID")]
    id: NodeId,
    #[serde(default)]
    version: Version,
    spec: Spec,
    #[serde(default)]
    description: Description,
    #[serde(default)]
    status: Status,
    manager_status: Option<ManagerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    role: Role,
    availability: Availability,
    labels: Option<BTreeMap<String, String>>,
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
struct Platform {
    architecture: String,
    #[serde(rename = "OS")]
    os: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Resources {
    #[serde(rename = "NanoCPUs")]
    nano_cpus: u64,
    memory_bytes: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EngineDescription {
    engine_version: String,
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
            labels: spec.labels.unwrap_or_default(),
            engine_version: description.engine.engine_version,
            platform: (description.platform.os, description.platform.architecture),
            nano_cpus: description.resources.nano_cpus,
            memory: description.resources.memory_bytes,
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
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A node as the engine sends it, with what most tests turn on.
    pub(crate) fn node(id: &str, hostname: &str, state: &str, manager: Option<&str>) -> Node {
        let mut value = json!({
            "ID": id, "Version": {"Index": 9},
            "Spec": {"Labels": {}, "Role": "worker", "Availability": "active"},
            "Description": {"Hostname": hostname, "Engine": {"EngineVersion": "26.1.5"}},
            "Status": {"State": state, "Addr": "172.31.77.11"},
        });
        if let Some(reachability) = manager {
            value["Spec"]["Role"] = "manager".into();
            value["ManagerStatus"] = json!({
                "Leader": reachability == "leader",
                "Reachability": if reachability == "leader" { "reachable" } else { reachability },
                "Addr": "172.31.77.11:2377",
            });
        }
        serde_json::from_value(value).unwrap()
    }

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
        assert_eq!((node.role, node.availability), (Role::Manager, Availability::Drain));
        assert_eq!((node.state, node.version), (NodeState::Ready, 9));
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
        assert_eq!((node.state, node.called()), (NodeState::Unknown, "qcbphfho6s6n"));
        assert!(node.manager.is_none());
    }
}
