//! An engine's own part in a swarm, as it reports it without asking a manager.
//!
//! Source: the `Swarm` object in `GET /info` of the Docker Engine API.

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Swarm, cause::Cause, error::SwarmError, local_state::LocalNodeState, node::NodeId};

/// A manager an engine knows of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteManager {
    /// Its identifier; empty while the engine has not spoken with it.
    #[serde(rename = "NodeID")]
    pub node: NodeId,
    /// Where it is reached: `172.31.0.2:2377`.
    #[serde(rename = "Addr")]
    pub address: String,
}

/// An engine's own part in a swarm.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "SwarmJson")]
pub struct LocalState {
    pub state: LocalNodeState,
    pub node: Option<NodeId>,
    /// The address it advertises, without a port; empty outside a swarm.
    pub address: String,
    /// Whether it counts itself among the managers.
    pub is_manager: bool,
    /// What is wrong; empty where nothing is.
    pub error: String,
    /// The swarm's identifier. Only a manager knows it.
    pub cluster: Option<String>,
    /// The swarm's certificate authority, as the API's `TLSInfo`. Only a manager knows it.
    pub tls_info: Value,
    /// Whether the swarm's managers are locked whenever their engines start. Only a manager knows
    /// it.
    pub auto_lock: bool,
    /// The managers it knows of, itself among them if it is one.
    pub managers: Vec<RemoteManager>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SwarmJson {
    local_node_state: LocalNodeState,
    #[serde(rename = "NodeID")]
    node_id: String,
    node_addr: String,
    control_available: bool,
    error: String,
    remote_managers: Option<Vec<RemoteManager>>,
    cluster: Option<ClusterJson>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ClusterJson {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "TLSInfo")]
    tls_info: Value,
    spec: Value,
}

impl From<SwarmJson> for LocalState {
    fn from(json: SwarmJson) -> Self {
        let cluster = json.cluster.unwrap_or_default();
        LocalState {
            state: json.local_node_state,
            node: Some(json.node_id).filter(|id| !id.is_empty()).map(NodeId::new),
            address: json.node_addr,
            is_manager: json.control_available,
            error: json.error,
            cluster: Some(cluster.id).filter(|id| !id.is_empty()),
            tls_info: cluster.tls_info,
            auto_lock: cluster.spec["EncryptionConfig"]["AutoLockManagers"] == true,
            managers: json.remote_managers.unwrap_or_default(),
        }
    }
}

impl LocalState {
    /// Whether letting the node leave may cost a swarm a manager, or be the end of it. Only an
    /// active node that is no manager, and an engine in no swarm, are known to be safe: one that
    /// is locked is a manager, and one that failed, or has not found its managers yet, does not
    /// tell what it is.
    pub fn may_be_manager(&self) -> bool {
        match self.state {
            LocalNodeState::Inactive => false,
            LocalNodeState::Active => self.is_manager,
            LocalNodeState::Pending => self.is_manager || !self.has_never_joined(),
            LocalNodeState::Error | LocalNodeState::Locked => true,
        }
    }

    /// Whether it can be asked about the swarm. An engine that was demoted a moment ago counts itself
    /// among the managers until it hears of that; as it gathers this answer, the managers refuse it
    /// (`Info` in `daemon/cluster/swarm.go` of moby).
    pub fn answers_for_swarm(&self) -> bool {
        self.is_manager && Cause::of(&self.error) != Some(Cause::NotAManager)
    }

    /// What is wrong, in the engine's words but for its advice: one that was away for too long says
    /// to leave the swarm, whatever that node has of it. Empty where nothing is wrong.
    pub fn problem(&self) -> String {
        match Cause::of(&self.error) {
            Some(cause @ Cause::CertificatesExpired) => cause.to_string(),
            _ => self.error.clone(),
        }
    }

    /// Whether the engine shows neither an identity nor a manager it has spoken with. While it is
    /// pending, this is how a join looks that has got nowhere. In error it says less: a member
    /// whose node cannot start shows none either.
    pub(crate) fn has_never_joined(&self) -> bool {
        self.node.is_none() && self.managers.iter().all(|one| one.node.as_str().is_empty())
    }
}

impl Swarm {
    /// The engine's own part in a swarm. About 10 ms: engines gather more for it than is used.
    ///
    /// # Errors
    /// [`SwarmError::Engine`].
    pub async fn local(&self, cancel: &CancellationToken) -> Result<LocalState, SwarmError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Info {
            swarm: LocalState,
        }
        let info: Info = self
            .engine
            .get_json("/info", &[], cancel)
            .await
            .map_err(|error| SwarmError::of("read the node's swarm state", error))?;
        Ok(info.swarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_outside_a_swarm() {
        let state: LocalState = serde_json::from_str(
            r#"{"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "", "RemoteManagers": null}"#,
        )
        .unwrap();
        assert_eq!((state.state, state.node), (LocalNodeState::Inactive, None));
    }

    #[test]
    fn a_worker_knows_its_managers_and_not_the_swarm() {
        let state: LocalState = serde_json::from_str(
            r#"{"NodeID": "ftfe9mcppc96", "NodeAddr": "172.31.77.12", "LocalNodeState": "active", "ControlAvailable": false,
                "Error": "", "RemoteManagers": [{"NodeID": "ilnaz1gxzv90", "Addr": "172.31.77.11:2377"}]}"#,
        )
        .unwrap();
        assert_eq!(state.node, Some(NodeId::new("ftfe9mcppc96")));
        assert_eq!(state.managers[0].address, "172.31.77.11:2377");
        assert!(!state.is_manager && state.cluster.is_none() && state.tls_info.is_null());
        assert!(!state.auto_lock);
    }

    #[test]
    fn a_manager_knows_whether_it_comes_back_locked() {
        let state: LocalState = serde_json::from_str(
            r#"{"NodeID": "ilnaz1gxzv90", "NodeAddr": "172.31.77.11", "LocalNodeState": "active", "ControlAvailable": true,
                "Error": "", "RemoteManagers": null, "Cluster": {"ID": "lg4y5h3a5a3r",
                "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": true}}}}"#,
        )
        .unwrap();
        assert!(state.is_manager && state.auto_lock);
        assert_eq!(state.cluster.as_deref(), Some("lg4y5h3a5a3r"));
    }

    #[test]
    fn a_manager_that_was_demoted_just_now_is_not_asked() {
        let state = |error: &str| -> LocalState {
            let info = serde_json::json!({"LocalNodeState": "active", "ControlAvailable": true, "Error": error});
            serde_json::from_value(info).unwrap()
        };
        assert!(state("").answers_for_swarm());
        assert!(
            state("rpc error: code = Unknown desc = The swarm does not have a leader.")
                .answers_for_swarm()
        );
        let demoted = state(
            "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.",
        );
        assert!(demoted.is_manager && !demoted.answers_for_swarm());
    }
}
