//! Roles while they change. A node's role is first set (`Spec.Role`), then the managers' Raft
//! group takes it in or lets it go (`ManagerStatus`). In between, the group counts a member that is
//! on its way out, and refuses what it would allow a moment later.
//!
//! Source: `manager/role_manager.go` and `manager/controlapi/node.go` of swarmkit: what cannot be
//! carried out at once is looked at again every 5 s.

use std::{ops::ControlFlow, time::Duration};

use skep_context::{after, poll_until};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Swarm,
    error::SwarmError,
    node::{Node, NodeId, NodeRole, NodeState},
    quorum::{Change, Judgement, judge},
    retry::INTERVAL,
};

/// How long the managers may take to let a node go before others go on without waiting.
const SETTLED: Duration = Duration::from_secs(15);

/// How long a node may take to become a manager: 0.6 s, but 15 s and more if it was demoted just
/// before, which the next promotion need not wait for.
const ENTERED: Duration = Duration::from_secs(3);

/// Whether a node was demoted and the managers have not let it go yet.
fn is_leaving_managers(node: &Node) -> bool {
    node.role == NodeRole::Worker && node.manager.is_some()
}

/// Whether a node that can become a manager is not yet one that the others hear.
fn is_entering_managers(node: &Node) -> bool {
    node.role == NodeRole::Manager && node.state == NodeState::Ready && !node.is_reachable_manager()
}

/// The nodes as they will be once the managers have demoted those that are to be workers.
fn once_settled(nodes: &[Node]) -> Vec<Node> {
    let settled = |node: &Node| {
        let manager = if is_leaving_managers(node) { None } else { node.manager.clone() };
        Node { manager, ..node.clone() }
    };
    nodes.iter().map(settled).collect()
}

impl Swarm {
    /// The nodes as [`Swarm::nodes`] has them, once no demotion is under way any more: by such a
    /// list [`quorum::judge`](crate::quorum::judge) decides. A demotion that the managers cannot
    /// finish, because too few of them are there, is not waited for longer than a few rounds.
    ///
    /// # Errors
    /// As [`Swarm::nodes`].
    pub async fn settled_nodes(&self, cancel: &CancellationToken) -> Result<Vec<Node>, SwarmError> {
        let polled = poll_until(cancel, INTERVAL, after(SETTLED), async || {
            let nodes = self.nodes(cancel).await?;
            Ok::<_, SwarmError>(match nodes.iter().any(is_leaving_managers) {
                true => ControlFlow::Continue(nodes),
                false => ControlFlow::Break(nodes),
            })
        });
        Ok(polled.await?.met().unwrap_or_else(|unsettled| unsettled))
    }

    /// Waits until the managers have carried out the role that a node was given, before the next
    /// one's is changed. A node that cannot be waited for (one that is down becomes no manager) or
    /// takes too long is left to them.
    ///
    /// # Errors
    /// As [`Swarm::nodes`], but for what may pass.
    pub async fn until_role_settled(
        &self,
        node: &NodeId,
        cancel: &CancellationToken,
    ) -> Result<(), SwarmError> {
        let begin = Instant::now();
        let polled = poll_until(cancel, INTERVAL, begin + SETTLED, async || {
            let nodes = match self.nodes(cancel).await {
                Ok(nodes) => nodes,
                // A leader that is demoted hands over first.
                Err(error) if error.may_pass() => return Ok(ControlFlow::Continue(Some(error))),
                Err(error) => return Err(error),
            };
            let waits = nodes.iter().find(|one| one.id == *node).is_some_and(|node| {
                is_leaving_managers(node) || is_entering_managers(node) && begin.elapsed() < ENTERED
            });
            Ok(if waits { ControlFlow::Continue(None) } else { ControlFlow::Break(()) })
        });
        match polled.await?.met() {
            Err(Some(error)) => Err(error),
            Ok(()) | Err(None) => Ok(()),
        }
    }

    /// The list of nodes, once the managers have a leader. They have none while they elect one,
    /// which takes seconds after a manager is lost, started or unlocked.
    ///
    /// # Errors
    /// As [`Swarm::nodes`], with the last refusal once `patience` is over.
    pub async fn nodes_once_led(
        &self,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<Vec<Node>, SwarmError> {
        let polled = poll_until(cancel, INTERVAL, after(patience), async || {
            match self.nodes(cancel).await {
                Err(error) if error.may_pass() => Ok(ControlFlow::Continue(error)),
                ended => ended.map(ControlFlow::Break),
            }
        });
        polled.await?.met()
    }

    /// Whether the managers will allow the demotion of `node` that they refuse now, because an
    /// earlier change is not done yet.
    pub(crate) async fn will_allow_demotion(
        &self,
        node: &NodeId,
        cancel: &CancellationToken,
    ) -> bool {
        // Without a list there is no telling; the next try asks the managers again.
        let Ok(nodes) = self.nodes(cancel).await else { return true };
        let judged = judge(&once_settled(&nodes), Change::Demote, std::slice::from_ref(node));
        !matches!(judged, Judgement::Refuse { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;

    #[test]
    fn a_member_on_its_way_out_counts_no_more_once_it_is_gone() {
        let mut nodes = vec![
            node("a", "m1", "ready", Some("leader")),
            node("b", "m2", "ready", Some("reachable")),
            node("c", "m3", "ready", Some("unreachable")),
        ];
        let demote = |nodes: &[Node]| judge(nodes, Change::Demote, &[NodeId::new("b")]);
        assert!(matches!(demote(&nodes), Judgement::Refuse { .. }), "one of three is lost");
        assert!(matches!(demote(&once_settled(&nodes)), Judgement::Refuse { .. }));
        nodes[2].role = NodeRole::Worker;
        assert!(is_leaving_managers(&nodes[2]));
        assert!(!matches!(demote(&once_settled(&nodes)), Judgement::Refuse { .. }));
    }

    #[test]
    fn a_node_that_is_down_is_not_waited_for() {
        let mut promoted = node("a", "w1", "ready", None);
        promoted.role = NodeRole::Manager;
        assert!(is_entering_managers(&promoted));
        promoted.state = NodeState::Down;
        assert!(!is_entering_managers(&promoted));
    }
}
