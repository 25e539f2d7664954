//! Finding a node by what a person writes.

use std::{convert::Infallible, fmt, str::FromStr};

use crate::{
    error::{Candidate, SwarmError},
    node::{Node, NodeId, NodeState},
};

/// What a person writes for a node. Source: `docker node`, whose `self` is the node asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `self`: the node that is asked.
    Own,
    /// An identifier, a host's name or the beginning of an identifier, looked for in that order.
    Named(String),
}

impl FromStr for Selector {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "self" { Selector::Own } else { Selector::Named(text.to_owned()) })
    }
}

impl From<&NodeId> for Selector {
    fn from(node: &NodeId) -> Self {
        Selector::Named(node.as_str().to_owned())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Selector::Own => "self",
            Selector::Named(name) => name,
        })
    }
}

impl Selector {
    /// The nodes it may mean. An identifier given in full hides a host of that name, and a
    /// host's name hides an identifier that begins so.
    pub fn matches<'a>(&self, nodes: &'a [Node], own: Option<&NodeId>) -> Vec<&'a Node> {
        let all = |test: &dyn Fn(&Node) -> bool| -> Vec<&'a Node> {
            nodes.iter().filter(|node| test(node)).collect()
        };
        let name = match self {
            Selector::Own => return all(&|node| Some(&node.id) == own),
            Selector::Named(name) if name.is_empty() => return Vec::new(),
            Selector::Named(name) => name.as_str(),
        };
        let found = all(&|node| node.id.as_str() == name);
        if !found.is_empty() {
            return found;
        }
        let found = all(&|node| node.hostname == name);
        if !found.is_empty() {
            return found;
        }
        all(&|node| node.id.as_str().starts_with(name))
    }
}

/// The one node that `selector` means; `own` is the identifier of the node asked.
///
/// # Errors
/// [`SwarmError::UnknownNode`] and [`SwarmError::AmbiguousNode`], with the candidates.
pub fn find<'a>(
    nodes: &'a [Node],
    selector: &Selector,
    own: Option<&NodeId>,
) -> Result<&'a Node, SwarmError> {
    match selector.matches(nodes, own).as_slice() {
        [node] => Ok(node),
        [] => Err(SwarmError::UnknownNode {
            selector: selector.to_string(),
            candidates: nodes.iter().map(candidate).collect(),
        }),
        several => Err(SwarmError::AmbiguousNode {
            selector: selector.to_string(),
            candidates: several.iter().map(|node| candidate(node)).collect(),
        }),
    }
}

/// The nodes that a host has left behind: down, and another node of the same name is ready. An
/// engine that joins again, or whose join failed half way, leaves such an old self in the list. One
/// that was a manager has to be demoted before it can be removed.
pub fn old_selves(nodes: &[Node]) -> Vec<&Node> {
    let is_ready = |name: &str| {
        nodes.iter().any(|node| node.state == NodeState::Ready && node.hostname == name)
    };
    nodes
        .iter()
        .filter(|node| node.state == NodeState::Down)
        .filter(|node| is_ready(&node.hostname))
        .collect()
}

fn candidate(node: &Node) -> Candidate {
    Candidate {
        hostname: node.hostname.clone(),
        id: node.id.clone(),
        state: node.state.capitalized(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::node::tests::node;

    fn nodes() -> Vec<Node> {
        vec![
            node("abc111", "manager1", "ready", Some("leader")),
            node("abd222", "worker1", "ready", None),
            node("xyz333", "worker2", "down", None),
            node("xyw444", "worker2", "ready", None),
            node("worker1x", "abc", "ready", None),
        ]
    }

    fn found(text: &str) -> Result<String, String> {
        let selector: Selector = text.parse().unwrap();
        let own = NodeId::new("abd222");
        find(&nodes(), &selector, Some(&own))
            .map(|node| node.id.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_identifier_comes_before_a_name_and_a_name_before_a_prefix() {
        assert_eq!(found("xyz333").as_deref(), Ok("xyz333"));
        assert_eq!(found("worker1").as_deref(), Ok("abd222"));
        assert_eq!(found("abc").as_deref(), Ok("worker1x"));
        assert_eq!(found("abd").as_deref(), Ok("abd222"));
        assert_eq!(found("self").as_deref(), Ok("abd222"));
    }

    #[test]
    fn what_is_not_clear_is_answered_with_the_candidates() {
        assert_eq!(
            found("worker2").unwrap_err(),
            "`worker2` may be any of several nodes: worker2 (xyz333, Down), worker2 (xyw444, Ready); give the ID"
        );
        assert!(found("xy").unwrap_err().contains("may be any of several"));
        assert!(found("worker9").unwrap_err().starts_with(
            "there is no node `worker9` in the swarm; it has manager1 (abc111, Ready), worker1"
        ));
        assert!(found("").is_err());
    }

    #[test]
    fn an_old_self_is_one_whose_host_is_back() {
        let mut nodes = nodes();
        nodes.push(node("old555", "manager1", "down", Some("unreachable")));
        nodes.push(node("off666", "worker7", "down", None));
        let old: Vec<&str> = old_selves(&nodes).into_iter().map(|node| node.id.as_str()).collect();
        assert_eq!(old, ["xyz333", "old555"], "a host that is off is nobody's old self");
    }

    proptest! {
        #[test]
        fn an_identifier_in_full_is_never_ambiguous(ids in prop::collection::btree_set("[a-c]{1,4}", 1..6), names in prop::collection::vec("[a-c]{1,4}", 6)) {
            let nodes: Vec<Node> = ids.iter().zip(&names).map(|(id, name)| node(id, name, "ready", None)).collect();
            for wanted in &nodes {
                let selector = Selector::from(&wanted.id);
                prop_assert_eq!(&find(&nodes, &selector, None).unwrap().id, &wanted.id);
            }
        }
    }
}
