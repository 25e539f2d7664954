//! What is asked of a manager about the nodes, and how they are changed.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    Swarm,
    cause::Cause,
    error::SwarmError,
    local::LocalState,
    node::{Node, NodeId},
    retry::Retry,
    row::{self, NodeRow},
    select::{self, Selector},
    update::NodeUpdate,
};

const LIST: &str = "list the nodes";
const INSPECT: &str = "inspect the node";
const UPDATE: &str = "update the node";
const REMOVE: &str = "remove the node";

impl Swarm {
    /// The swarm's nodes, in the manager's order.
    ///
    /// # Errors
    /// [`SwarmError::Refused`] if this node is not a manager; [`SwarmError::Engine`].
    pub async fn nodes(&self, cancel: &CancellationToken) -> Result<Vec<Node>, SwarmError> {
        self.engine
            .get_json("/nodes", &[], cancel)
            .await
            .map_err(|error| SwarmError::of(LIST, error))
    }

    /// The nodes, with the part of this node itself, both asked at once.
    async fn nodes_and_local(
        &self,
        cancel: &CancellationToken,
    ) -> Result<(Vec<Node>, LocalState), SwarmError> {
        tokio::try_join!(self.nodes(cancel), self.local(cancel))
    }

    /// The facts of `docker node ls`, in its order.
    ///
    /// # Errors
    /// As [`Swarm::nodes`].
    pub async fn rows(&self, cancel: &CancellationToken) -> Result<Vec<NodeRow>, SwarmError> {
        let (nodes, local) = self.nodes_and_local(cancel).await?;
        Ok(row::rows(&nodes, &local))
    }

    /// The one node that `selector` means.
    ///
    /// # Errors
    /// [`SwarmError::UnknownNode`], [`SwarmError::AmbiguousNode`], and as [`Swarm::nodes`].
    pub async fn node(
        &self,
        selector: &Selector,
        cancel: &CancellationToken,
    ) -> Result<Node, SwarmError> {
        let (nodes, own) = match selector {
            Selector::Own => {
                let (nodes, local) = self.nodes_and_local(cancel).await?;
                (nodes, local.node)
            }
            Selector::Named(_) => (self.nodes(cancel).await?, None),
        };
        select::find(&nodes, selector, own.as_ref()).cloned()
    }

    /// The node as the engine sends it, with nothing lost.
    ///
    /// # Errors
    /// As [`Swarm::nodes`].
    pub async fn inspect(
        &self,
        node: &NodeId,
        cancel: &CancellationToken,
    ) -> Result<Value, SwarmError> {
        self.object(INSPECT, node, cancel).await
    }

    /// Changes a node: the specification is edited in the JSON the engine returned, so that
    /// nothing in it is lost, and tried again if another client changed the node in between.
    /// Returns whether there was anything to change.
    ///
    /// A new role takes effect some time after this: [`Swarm::until_role_settled`]. Whether a
    /// demotion is wise is [`quorum::judge`](crate::quorum::judge)'s to say; the engine refuses
    /// only what loses the quorum at once. A refusal because the managers are not done with the
    /// change before (a demotion that is not finished, a promotion that has not begun) is waited
    /// out.
    ///
    /// # Errors
    /// [`SwarmError::Refused`], with [`Cause::LastManager`] or
    /// [`Cause::QuorumLoss`] for a demotion; [`SwarmError::Engine`].
    pub async fn update(
        &self,
        node: &NodeId,
        update: &NodeUpdate,
        cancel: &CancellationToken,
    ) -> Result<bool, SwarmError> {
        let retry = Retry::new(cancel);
        loop {
            match self.update_once(node, update, cancel).await {
                Err(error) if retry.is_worth(&error).await => {}
                Err(error)
                    if error.cause() == Some(Cause::QuorumLoss)
                        && retry.is_in_time()
                        && self.will_allow_demotion(node, cancel).await =>
                {
                    retry.pause().await;
                }
                ended => return ended,
            }
        }
    }

    async fn update_once(
        &self,
        node: &NodeId,
        update: &NodeUpdate,
        cancel: &CancellationToken,
    ) -> Result<bool, SwarmError> {
        let mut object = self.object(UPDATE, node, cancel).await?;
        if !update.apply(&mut object["Spec"]) {
            return Ok(false);
        }
        let version = object["Version"]["Index"].to_string();
        let path = format!("/nodes/{node}/update");
        self.engine
            .post_json(&path, &[("version", &version)], &object["Spec"], cancel)
            .await
            .map_err(|error| SwarmError::of(UPDATE, error))?;
        Ok(true)
    }

    /// Removes a node from the swarm's list. Returns whether it was there.
    ///
    /// # Errors
    /// [`SwarmError::Refused`], with [`Cause::MustDemote`] for a manager
    /// (even with `force`) or [`Cause::NotDown`] for a node that is up and
    /// no `force`; [`SwarmError::Engine`].
    pub async fn remove(
        &self,
        node: &NodeId,
        force: bool,
        cancel: &CancellationToken,
    ) -> Result<bool, SwarmError> {
        let query: &[_] = if force { &[("force", "true")] } else { &[] };
        match self.engine.delete(&format!("/nodes/{node}"), query, cancel).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.api(), Some((404, _))) => Ok(false),
            Err(error) => Err(SwarmError::of(REMOVE, error)),
        }
    }

    async fn object(
        &self,
        action: &'static str,
        node: &NodeId,
        cancel: &CancellationToken,
    ) -> Result<Value, SwarmError> {
        self.engine
            .get_json(&format!("/nodes/{node}"), &[], cancel)
            .await
            .map_err(|error| SwarmError::of(action, error))
    }
}
