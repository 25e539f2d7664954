//! How evenly a service's tasks lie on the nodes, and laying them anew.
//!
//! A swarm moves no task of its own accord: a node that comes back stays empty until something
//! changes. A forced update replaces every task, as the service's update settings say, and the
//! scheduler places each where the fewest are.

use std::collections::BTreeMap;

use serde_json::Value;
use skep_model::natural;
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, Mode, Node, Service, Task, TaskState},
    error::ServiceError,
    placement::{Obstacle, is_eligible, sites},
};

/// How often an update that came too late for its version is made again.
const TRIES: usize = 5;

/// How the tasks of a service lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// Nodes with how many tasks they have: those that have some, and those that may, in natural
    /// order of their names.
    pub nodes: Vec<(String, usize)>,
    /// Whether laying the tasks anew would make it more even.
    pub uneven: bool,
}

/// How the running tasks of `service` lie on the nodes. `tasks` are those of all services.
///
/// It is uneven if some node has at least two tasks more than another that could take one. With
/// placement preferences, which spread over groups of nodes first, groups are compared, and nodes
/// within a group.
pub fn spread(service: &Service, nodes: &[Node], tasks: &[Task]) -> Spread {
    let count = |id: &Id| {
        let here = |task: &&Task| {
            task.service_id == service.id
                && task.node_id == *id
                && task.desired_state <= TaskState::Running
                && !task.status.state.is_over()
        };
        tasks.iter().filter(here).count()
    };
    // A port or a resource that its own tasks hold is given back as they move.
    let takes_more = |id: &Id| {
        let others: Vec<Task> =
            tasks.iter().filter(|task| task.service_id != service.id).cloned().collect();
        sites(service, nodes, &others).iter().any(|site| {
            site.node == *id
                && !site.obstacles.iter().any(|one| !matches!(one, Obstacle::MaxReplicas { .. }))
        })
    };
    let mut lying: Vec<(&Node, usize)> = nodes
        .iter()
        .map(|node| (node, count(&node.id)))
        .filter(|(node, count)| *count > 0 || is_eligible(service, node))
        .collect();
    lying.sort_by(|(a, _), (b, _)| natural(&a.hostname, &b.hostname));
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (node, count) in &lying {
        let group = groups.entry(group(service, node)).or_default();
        group.sum += count;
        group.most = group.most.max(*count);
        if takes_more(&node.id) {
            group.least = Some(group.least.map_or(*count, |least| least.min(*count)));
        }
    }
    let most = groups.values().map(|group| group.sum).max().unwrap_or_default();
    let uneven = groups.values().any(|group| {
        let within = group.least.is_some_and(|least| least + 1 < group.most);
        within || (group.least.is_some() && group.sum + 1 < most && groups.len() > 1)
    });
    let nodes = lying.iter().map(|(node, count)| (node.hostname.clone(), *count)).collect();
    Spread { nodes, uneven: uneven && matches!(service.spec.mode, Mode::Replicated { .. }) }
}

/// Nodes that the first placement preference counts as one.
#[derive(Default)]
struct Group {
    sum: usize,
    most: usize,
    /// The fewest on a node that could take one more.
    least: Option<usize>,
}

fn group(service: &Service, node: &Node) -> String {
    let first = service.spec.task_template.placement.preferences.first();
    let by = first.and_then(|one| one["Spread"]["SpreadDescriptor"].as_str()).unwrap_or_default();
    if let Some(label) = by.strip_prefix("node.labels.") {
        return node.labels.get(label).cloned().unwrap_or_default();
    }
    let label = by.strip_prefix("engine.labels.").unwrap_or_default();
    node.engine_labels.get(label).cloned().unwrap_or_default()
}

impl Services {
    /// How the tasks of a service lie now.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn spread(
        &self,
        service: &Service,
        cancel: &CancellationToken,
    ) -> Result<Spread, ServiceError> {
        let nodes = self.nodes(cancel).await?;
        let tasks = self.tasks(&[("desired-state", "running")], cancel).await?;
        Ok(spread(service, &nodes, &tasks))
    }

    /// Replaces every task of a service, with nothing else changed: `docker service update
    /// --force`. If another client changes it meanwhile, its change is kept.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn replace_tasks(
        &self,
        service: &Id,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let path = format!("/services/{service}");
        let mut tries = TRIES;
        loop {
            let found = self.engine.get_json(&path, &[], cancel).await;
            let mut found: Value = found.map_err(ServiceError::of("look at the service"))?;
            let version = found["Version"]["Index"].to_string();
            let count = &mut found["Spec"]["TaskTemplate"]["ForceUpdate"];
            *count = (count.as_u64().unwrap_or_default() + 1).into();
            let query = [("version", version.as_str()), ("registryAuthFrom", "spec")];
            let update = format!("{path}/update");
            tries -= 1;
            match self.engine.post_json(&update, &query, &found["Spec"], cancel).await {
                Err(error)
                    if tries > 0
                        && error
                            .api()
                            .is_some_and(|(_, text)| text.contains("out of sequence")) => {}
                ended => return ended.map(drop).map_err(ServiceError::of("update the service")),
            }
        }
    }
}

#[cfg(test)]
mod tests;
