//! A change of nodes: which are meant, whether the swarm survives it, and one after the other.

use skep_model::Role;
use skep_swarm::{
    Cause, Change, Judgement, Node as SwarmNode, NodeUpdate, Selector, Swarm, SwarmError,
    quorum::judge, select::find,
};

use crate::{
    args::Nodes,
    commands::print,
    context::Context,
    failure::{Exit, Failure},
};

pub(super) fn selector(text: &str) -> Selector {
    match text.parse() {
        Ok(selector) => selector,
        Err(never) => match never {},
    }
}

/// Everything a change of nodes begins with: a manager, the list, and the nodes that are meant.
pub(super) struct Meant {
    pub(super) swarm: Swarm,
    all: Vec<SwarmNode>,
    /// Each with its name as it was typed.
    pub(super) names: Vec<String>,
    pub(super) targets: Vec<SwarmNode>,
}

impl Meant {
    pub(super) async fn by(context: &Context, nodes: &Nodes) -> Result<Self, Failure> {
        let (swarm, all) = Self::list(context).await?;
        let own = swarm.local(&context.cancel).await?.node;
        let mut targets: Vec<(String, SwarmNode)> = Vec::new();
        // All names are understood before anything is changed.
        for name in &nodes.nodes {
            let node = find(&all, &selector(name), own.as_ref())?.clone();
            // One that is named twice is meant once.
            if !targets.iter().any(|(_, other)| other.id == node.id) {
                targets.push((name.clone(), node));
            }
        }
        // The node that is asked comes last: demoted, it could not be asked about the others.
        targets.sort_by_key(|(_, node)| Some(&node.id) == own.as_ref());
        let (names, targets) = targets.into_iter().unzip();
        Ok(Self { swarm, all, names, targets })
    }

    /// A manager and its list. One that is demoted while the list is waited for does not answer any
    /// more; then another one is asked.
    async fn list(context: &Context) -> Result<(Swarm, Vec<SwarmNode>), Failure> {
        let swarm = Swarm::new(&context.manager().await?);
        match swarm.settled_nodes(&context.cancel).await {
            Err(error) if error.cause() == Some(Cause::NotAManager) => {}
            ended => return Ok((swarm, ended?)),
        }
        let swarm = Swarm::new(&context.manager().await?);
        let all = swarm.settled_nodes(&context.cancel).await?;
        Ok((swarm, all))
    }

    pub(super) fn judge(
        &self,
        context: &Context,
        change: Change,
        force: bool,
    ) -> Result<(), Failure> {
        let targets: Vec<_> = self.targets.iter().map(|node| node.id.clone()).collect();
        enforce(context, judge(&self.all, change, &targets), force)
    }
}

/// Refuses what would cost the swarm its quorum, unless forced; warns of what is unwise.
pub(crate) fn enforce(context: &Context, judgement: Judgement, force: bool) -> Result<(), Failure> {
    match judgement {
        Judgement::Fine => {}
        Judgement::Refuse { text, force_helps } if !(force && force_helps) => {
            return Err(Failure::new(Exit::Preflight, text));
        }
        Judgement::Warn { text } | Judgement::Refuse { text, .. } => context.events.warn("", text),
    }
    Ok(())
}

pub(super) async fn change(
    context: &Context,
    nodes: &Nodes,
    update: &NodeUpdate,
    say: impl Fn(&str, bool) -> String,
) -> Result<(), Failure> {
    let meant = Meant::by(context, nodes).await?;
    match update.role {
        Some(Role::Worker) => meant.judge(context, Change::Demote, nodes.force)?,
        Some(Role::Manager) => meant.judge(context, Change::Promote, nodes.force)?,
        None => {}
    }
    if update.role == Some(Role::Manager) && context.global.engine.is_none() {
        context.cluster()?.until_demoted(&meant.targets, &context.cancel).await;
    }
    let last = meant.targets.len().saturating_sub(1);
    for (place, (name, node)) in meant.names.iter().zip(&meant.targets).enumerate() {
        let changed = meant.swarm.update(&node.id, update, &context.cancel).await;
        let changed = changed.map_err(|error| partly(error, place))?;
        // As docker does: the node as it was typed, as soon as it has changed.
        print(&format!("{}\n", say(name, changed)))?;
        // The managers carry one change out before they can say what the next one costs.
        if changed && update.role.is_some() && place < last {
            let settled = meant.swarm.until_role_settled(&node.id, &context.cancel).await;
            settled.map_err(|error| partly(error, place + 1))?;
        }
    }
    Ok(())
}

/// A failure after so many nodes were changed; the same command goes on with the others.
pub(super) fn partly(error: SwarmError, changed: usize) -> Failure {
    let failure = Failure::from(error);
    if changed == 0 { failure } else { Failure { exit: Exit::Partly, ..failure } }
}
