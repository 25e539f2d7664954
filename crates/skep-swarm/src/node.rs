//! A node as a manager lists it. For all that the engine knows, see
//! [`Swarm::inspect`](crate::Swarm::inspect).

pub use skep_api::{
    Availability, ManagerStatus, Node, NodeId, NodeRole, NodeState, Platform, Reachability,
};

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::Node;

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
}
