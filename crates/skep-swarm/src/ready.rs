//! Waiting until nodes are what they should be, as a manager sees them.

use std::{ops::ControlFlow, time::Duration};

use skep_context::{Polled, after, poll_until};
use skep_model::Role;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Swarm,
    error::SwarmError,
    node::{Node, NodeId, NodeState},
    select::Selector,
};

/// How often a manager is asked. One answer takes about a millisecond.
const INTERVAL: Duration = Duration::from_millis(30);

/// A node and what it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    node: String,
    role: Option<Role>,
}

impl Expected {
    /// The node of that identifier is ready.
    pub fn id(node: &NodeId) -> Self {
        Self { node: node.as_str().to_owned(), role: None }
    }

    /// A node of that host's name is ready. Where several have it, one of them suffices: a node
    /// that joins again leaves its old self behind.
    pub fn host(name: impl Into<String>) -> Self {
        Self { node: name.into(), role: None }
    }

    /// … and takes part among the managers, heard by the others.
    #[must_use]
    pub fn as_manager(self) -> Self {
        Self { role: Some(Role::Manager), ..self }
    }

    /// … and takes no part among the managers, or none any more.
    #[must_use]
    pub fn as_worker(self) -> Self {
        Self { role: Some(Role::Worker), ..self }
    }

    /// What is still missing, or `None` if the node is as it should be.
    fn missing(&self, nodes: &[Node]) -> Option<String> {
        let found = Selector::Named(self.node.clone()).matches(nodes, None);
        let reasons: Vec<String> = found.iter().filter_map(|node| self.missing_in(node)).collect();
        if reasons.len() < found.len() {
            return None;
        }
        let reason = reasons.into_iter().next_back();
        Some(reason.unwrap_or_else(|| "the manager does not list it".to_owned()))
    }

    fn missing_in(&self, node: &Node) -> Option<String> {
        if node.state != NodeState::Ready {
            let why = if node.message.is_empty() { "" } else { ": " };
            return Some(format!("its state is {}{why}{}", node.state.capitalized(), node.message));
        }
        match self.role {
            Some(Role::Manager) if node.manager.is_none() => {
                Some("it is not among the managers yet".to_owned())
            }
            Some(Role::Manager) if !node.is_reachable_manager() => {
                Some("the other managers do not hear it yet".to_owned())
            }
            Some(Role::Worker) if node.manager.is_some() => {
                Some("it is still among the managers".to_owned())
            }
            _ => None,
        }
    }
}

impl Swarm {
    /// Waits until every expected node is as it should be in this manager's list, and returns
    /// the list. A manager that cannot answer for a moment (its group elects a leader) is asked
    /// again.
    ///
    /// # Errors
    /// [`SwarmError::NotReady`] at the deadline, [`SwarmError::Cancelled`]; others as
    /// [`Swarm::nodes`], at once.
    pub async fn wait_until_ready(
        &self,
        expected: &[Expected],
        deadline: Duration,
        cancel: &CancellationToken,
    ) -> Result<Vec<Node>, SwarmError> {
        let end = after(deadline);
        // Asking without the time for an answer would hide what the last answer said.
        let polled = poll_until(cancel, INTERVAL, end - 2 * INTERVAL, async || {
            let left = end.saturating_duration_since(Instant::now());
            match Swarm::new(&self.engine.with_deadline(left)).nodes(cancel).await {
                Ok(nodes) => Ok(match waiting(expected, &nodes) {
                    waiting if waiting.is_empty() => ControlFlow::Break(nodes),
                    waiting => ControlFlow::Continue(waiting),
                }),
                Err(error) if error.may_pass() || cancel.is_cancelled() => {
                    let reason = format!("the manager did not answer: {}", in_full(&error));
                    Ok(ControlFlow::Continue(vec![reason]))
                }
                Err(error) => Err(error),
            }
        });
        match polled.await? {
            Polled::Met(nodes) => Ok(nodes),
            Polled::Late(waiting) => Err(SwarmError::NotReady { deadline, waiting }),
            Polled::Cancelled(waiting) => Err(SwarmError::Cancelled { waiting }),
        }
    }
}

fn waiting(expected: &[Expected], nodes: &[Node]) -> Vec<String> {
    expected
        .iter()
        .filter_map(|one| one.missing(nodes).map(|reason| format!("{}: {reason}", one.node)))
        .collect()
}

fn in_full(error: &SwarmError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;

    #[test]
    fn each_thing_missing_is_named() {
        let mut nodes = vec![
            node("a1", "manager1", "ready", Some("leader")),
            node("b1", "worker1", "ready", None),
            node("c1", "worker2", "down", None),
            node("d1", "manager2", "ready", Some("unreachable")),
        ];
        nodes[2].message = "heartbeat failure".to_owned();
        let expected = [
            Expected::host("manager1").as_manager(),
            Expected::host("worker1"),
            Expected::host("worker1").as_manager(),
            Expected::host("worker2"),
            Expected::id(&NodeId::new("d1")).as_manager(),
            Expected::host("manager1").as_worker(),
            Expected::host("worker9"),
        ];
        assert_eq!(
            waiting(&expected, &nodes),
            [
                "worker1: it is not among the managers yet",
                "worker2: its state is Down: heartbeat failure",
                "d1: the other managers do not hear it yet",
                "manager1: it is still among the managers",
                "worker9: the manager does not list it",
            ]
        );
    }

    #[test]
    fn an_old_self_does_not_stand_in_the_way() {
        let nodes = [node("old", "worker1", "down", None), node("new", "worker1", "ready", None)];
        assert!(waiting(&[Expected::host("worker1")], &nodes).is_empty());
        assert_eq!(waiting(&[Expected::id(&NodeId::new("old"))], &nodes).len(), 1);
    }
}
