//! Nodes, as far as services need them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Id, Platform, or_default};
use crate::find::Named;

/// A node, as far as services need it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Node {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: Id,
    /// What it is meant to be.
    pub spec: NodeSpec,
    /// What it says of itself.
    pub description: NodeDescription,
    /// Whether it is there.
    pub status: NodeStatus,
}

/// What a node is meant to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeSpec {
    /// A name that an operator gave it; mostly empty.
    pub name: String,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// `worker`, `manager`
    pub role: String,
    /// `active`, `pause`, `drain`
    pub availability: String,
}

/// What a node says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeDescription {
    /// Its host's name.
    pub hostname: String,
    /// What it runs.
    pub platform: Platform,
    /// `{"NanoCPUs": …, "MemoryBytes": …}`
    pub resources: NodeResources,
    /// `{"EngineVersion": …, "Labels": …, "Plugins": […]}`
    pub engine: Value,
}

/// What a node has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeResources {
    /// Processors, in billionths.
    #[serde(rename = "NanoCPUs")]
    pub nano_cpus: i64,
    /// Memory, in bytes.
    #[serde(rename = "MemoryBytes")]
    pub memory_bytes: i64,
    /// `[{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}]`
    #[serde(rename = "GenericResources")]
    pub generic: Value,
}

/// Whether a node is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeStatus {
    /// `ready`, `down`, `unknown`, `disconnected`
    pub state: String,
    /// Where its manager sees it.
    pub addr: String,
}

impl Named for Node {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.description.hostname
    }
}
