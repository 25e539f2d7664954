//! What machines are to the swarms that were found.

use skep_model::{MachineState, Role};
use skep_swarm::{LocalNodeState, Node, NodeId, Reachability};

use crate::{
    ClusterRecord, MachineRecord,
    former::former,
    survey::{Part, Survey},
};

/// What a machine is to the swarms that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No manager, as far as is known.
    Free,
    /// In the list of the swarm at this place, as these nodes: the one it is, and those it was.
    Listed(usize, Vec<NodeId>),
    /// A manager whose swarm's list is not available.
    Unasked,
}

pub(crate) fn standing(
    record: &ClusterRecord,
    survey: &Survey,
    machine: &MachineRecord,
) -> Standing {
    let part = survey.part(&machine.name);
    let local = part.and_then(Part::local);
    let own = local.and_then(|local| local.node.as_ref());
    let lists = survey.swarms.iter().enumerate();
    for (place, nodes) in lists.filter_map(|(place, swarm)| Some((place, swarm.nodes.as_ref()?))) {
        let entries = entries(record, machine, own, nodes);
        // One that says which node it is stands where that node is listed, and nowhere else.
        let is_here = own.is_none_or(|own| entries.contains(own));
        if is_here && !entries.is_empty() {
            return Standing::Listed(place, entries);
        }
    }
    match part {
        Some(Part::Known(local)) => match local.state {
            LocalNodeState::Inactive => Standing::Free,
            LocalNodeState::Active if !local.is_manager => Standing::Free,
            LocalNodeState::Active | LocalNodeState::Locked => Standing::Unasked,
            LocalNodeState::Pending | LocalNodeState::Error => absent(record, survey, machine),
        },
        // Nothing was ever there that could have been a node.
        Some(Part::Off(MachineState::Absent)) if machine.node.is_none() => Standing::Free,
        Some(Part::Off(_) | Part::Silent(_)) | None => absent(record, survey, machine),
    }
}

/// One whose engine says nothing of it, and that is in no list that was available.
fn absent(record: &ClusterRecord, survey: &Survey, machine: &MachineRecord) -> Standing {
    let address = record.address(machine).map(|address| address.to_string());
    let is_heard_of = survey
        .swarms
        .iter()
        .filter(|swarm| swarm.nodes.is_none())
        .any(|swarm| address.as_ref().is_some_and(|own| swarm.manager_hosts.contains(own)));
    let is_listed_nowhere = survey.swarms.iter().any(|swarm| swarm.nodes.is_some());
    if is_heard_of || (machine.role == Some(Role::Manager) && !is_listed_nowhere) {
        return Standing::Unasked;
    }
    Standing::Free
}

/// The nodes that a machine is and was, its own first.
pub(crate) fn entries(
    record: &ClusterRecord,
    machine: &MachineRecord,
    own: Option<&NodeId>,
    nodes: &[Node],
) -> Vec<NodeId> {
    let none = NodeId::new("");
    let known = [own, machine.node.as_ref()].into_iter().flatten();
    let known = known.filter(|id| nodes.iter().any(|node| node.id == **id));
    let former = former(record, machine, nodes, own.unwrap_or(&none));
    let mut entries: Vec<NodeId> = Vec::new();
    for id in known.chain(former.into_iter().map(|node| &node.id)) {
        if !entries.contains(id) {
            entries.push(id.clone());
        }
    }
    entries
}

/// A swarm's list as it is about to be: managers whose machines are off are heard by no other,
/// though the others notice it only some seconds later.
pub(crate) fn corrected(record: &ClusterRecord, survey: &Survey, place: usize) -> Vec<Node> {
    let Some(mut nodes) = survey.swarms.get(place).and_then(|swarm| swarm.nodes.clone()) else {
        return Vec::new();
    };
    let off = record.machines.iter().filter(|machine| {
        matches!(survey.part(&machine.name), Some(Part::Off(_))) && machine.system().has_login()
    });
    for machine in off {
        let gone = entries(record, machine, None, &nodes);
        for node in nodes.iter_mut().filter(|node| gone.contains(&node.id)) {
            if let Some(manager) = &mut node.manager {
                manager.reachability = Reachability::Unreachable;
            }
        }
    }
    nodes
}
