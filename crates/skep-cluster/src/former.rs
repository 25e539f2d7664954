//! The nodes that a machine used to be.
//!
//! An engine that leaves a swarm and joins again is a new node: its old one stays in the list as
//! down, for ever, a manager's counts against the quorum, and what was set on it (labels,
//! availability) is gone without a word. So a command that lets a machine join hands over what was
//! set, and takes the old node off the list.

use std::{collections::BTreeMap, net::Ipv4Addr};

use skep_context::Context;
use skep_model::MachineName;
use skep_swarm::{Availability, Node, NodeId, NodeUpdate, Swarm, SwarmError};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineRecord, reach::Cluster};

impl Cluster {
    /// Hands what was set on a machine's former nodes over to the node `own` that it is now, and
    /// takes them off the list. The swarm works meanwhile: what cannot be removed is shown by its
    /// step and is no failure.
    ///
    /// # Errors
    /// [`ClusterError::Swarm`] if the list cannot be read, or what was set cannot be set again.
    pub async fn replace_former_nodes(
        &self,
        swarm: &Swarm,
        machine: &MachineName,
        own: &NodeId,
        context: Context<'_>,
    ) -> Result<(), ClusterError> {
        let Context { events, cancel, .. } = context;
        let nodes = swarm.nodes(cancel).await?;
        let Some(record) = self.record().machine(machine.as_str()) else { return Ok(()) };
        let former = former(self.record(), record, &nodes, own);
        let Some(own) = nodes.iter().find(|node| node.id == *own) else { return Ok(()) };
        if former.is_empty() {
            return Ok(());
        }
        let kept = handed_over(own, &former);
        if kept != NodeUpdate::default() {
            let what = describe(&kept);
            let step = events.step(machine, format!("keeping what was set on its node: {what}"));
            step.end_with(swarm.update(&own.id, &kept, cancel).await)?;
        }
        for old in former {
            let step = events.step(machine, "removing its former node");
            let _ = step.end_with(remove(swarm, old, cancel).await);
        }
        Ok(())
    }
}

/// Takes a node that never comes back off the list, out of the managers first if it is one.
pub(crate) async fn remove(
    swarm: &Swarm,
    node: &Node,
    cancel: &CancellationToken,
) -> Result<(), SwarmError> {
    demote(swarm, node, cancel).await?;
    swarm.remove(&node.id, true, cancel).await?;
    Ok(())
}

/// Makes a node a worker if it is a manager, and waits until it is none any more.
pub(crate) async fn demote(
    swarm: &Swarm,
    node: &Node,
    cancel: &CancellationToken,
) -> Result<(), SwarmError> {
    if node.manager.is_some() {
        swarm.update(&node.id, &NodeUpdate::demote(), cancel).await?;
        swarm.until_role_settled(&node.id, cancel).await?;
    }
    Ok(())
}

/// The nodes that a machine used to be, the newest first: of its name, and at its address or known
/// by ID from before. A host of that name elsewhere, which another user has joined, is not ours.
pub(crate) fn former<'a>(
    record: &ClusterRecord,
    machine: &MachineRecord,
    nodes: &'a [Node],
    own: &NodeId,
) -> Vec<&'a Node> {
    let address = record.address(machine);
    let mut former: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.id != *own && node.hostname == machine.name.as_str())
        .filter(|node| {
            machine.node.as_ref() == Some(&node.id)
                || address.is_some_and(|address| is_at(node, address))
        })
        .collect();
    former.sort_by_key(|node| std::cmp::Reverse(node.version));
    former
}

/// Whether a node is reached at an address. A manager's own is in its status as a manager; what it
/// says as a node may be `0.0.0.0`.
fn is_at(node: &Node, address: Ipv4Addr) -> bool {
    let address = address.to_string();
    let of_manager = node.manager.as_ref().and_then(|manager| manager.addr.rsplit_once(':'));
    node.address == address || of_manager.is_some_and(|(host, _)| host == address)
}

/// What the former nodes had that the new one has not. Labels are taken from all of them, the
/// newest deciding, and so is an availability that was set: one that joins by hand comes
/// as active without having been asked to. What the new node was given already stays.
fn handed_over(own: &Node, former: &[&Node]) -> NodeUpdate {
    let mut labels = BTreeMap::new();
    for node in former.iter().rev() {
        labels.extend(node.labels.clone());
    }
    labels.retain(|name, _| !own.labels.contains_key(name));
    let set =
        former.iter().map(|node| &node.availability).find(|one| **one != Availability::Active);
    let availability = set.filter(|_| own.availability == Availability::Active).cloned();
    NodeUpdate { availability, label_add: labels, ..NodeUpdate::default() }
}

fn describe(update: &NodeUpdate) -> String {
    let labels = update.label_add.iter().map(|(name, value)| format!("label {name}={value}"));
    let availability = update.availability.as_ref().map(|one| format!("availability {one}"));
    labels.chain(availability).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_machine::DriverKind;

    use super::*;

    fn node(id: &str, version: u64, address: &str, availability: &str, labels: &[&str]) -> Node {
        let labels: BTreeMap<_, _> = labels.iter().map(|label| (*label, id)).collect();
        serde_json::from_value(json!({"ID": id, "Version": {"Index": version},
            "Spec": {"Role": "worker", "Availability": availability, "Labels": labels},
            "Description": {"Hostname": "worker1"}, "Status": {"State": "down", "Addr": address}}))
        .unwrap()
    }

    fn record() -> ClusterRecord {
        let mut record = ClusterRecord::new("demo".parse().unwrap(), DriverKind::Container);
        record.subnet = Some("10.0.0.0/24".parse().unwrap());
        let mut machine = MachineRecord::new(
            "worker1".parse().unwrap(),
            None,
            0,
            skep_machine::DriverKind::Container,
        );
        machine.address = Some([10, 0, 0, 5].into());
        record.machines.push(machine);
        record
    }

    #[test]
    fn a_machine_is_known_by_its_address_or_by_the_node_it_was() {
        let mut record = record();
        let nodes = [
            node("own", 9, "10.0.0.5", "active", &[]),
            node("old", 3, "10.0.0.5", "active", &[]),
            node("newer", 6, "10.0.0.5", "active", &[]),
            node("stranger", 8, "192.0.2.1", "active", &[]),
        ];
        let found = |record: &ClusterRecord| -> Vec<String> {
            let former = former(record, &record.machines[0], &nodes, &NodeId::new("own"));
            former.iter().map(|node| node.id.to_string()).collect()
        };
        assert_eq!(found(&record), ["newer", "old"]);
        record.machines[0].node = Some(NodeId::new("stranger"));
        assert_eq!(found(&record), ["stranger", "newer", "old"], "it was seen to be that one");
    }

    #[test]
    fn what_was_set_comes_back_and_what_is_set_now_stays() {
        let own = node("own", 9, "10.0.0.5", "active", &["here"]);
        let newer = node("newer", 6, "10.0.0.5", "active", &["here", "both"]);
        let old = node("old", 3, "10.0.0.5", "pause", &["both", "rare"]);
        let update = handed_over(&own, &[&newer, &old]);
        let labels: Vec<_> = update.label_add.into_iter().collect();
        assert_eq!(labels, [("both".into(), "newer".into()), ("rare".into(), "old".into())]);
        assert_eq!(update.availability, Some(Availability::Pause));
        let drained = node("own", 9, "10.0.0.5", "drain", &[]);
        assert_eq!(handed_over(&drained, &[&old]).availability, None);
    }
}
