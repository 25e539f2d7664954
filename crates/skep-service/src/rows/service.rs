//! The rows of a list of services.

use std::collections::HashMap;

use serde::Deserialize;
use skep_model::natural;
use tokio_util::sync::CancellationToken;

use super::{NamedNode, PortRange, familiar, merged};
use crate::{
    Services,
    api::{Endpoint, Id, JobStatus, Mode, ServiceStatus, TaskState, Version},
    error::ServiceError,
    list::filters_json,
};

/// One line of a list of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    pub id: Id,
    pub name: String,
    pub mode: Mode,
    pub running: u64,
    pub desired: u64,
    /// Of a job, how many have ended well.
    pub completed: u64,
    /// At most so many on one node; 0 is no limit.
    pub max_per_node: u64,
    /// `nginx:1.26`
    pub image: String,
    pub ports: Vec<PortRange>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "ID")]
    id: Id,
    spec: Spec,
    endpoint: Endpoint,
    service_status: ServiceStatus,
    job_status: Option<JobStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Spec {
    name: String,
    mode: Mode,
    task_template: Template,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Template {
    container_spec: Container,
    placement: Placement,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Placement {
    max_replicas: u64,
}

/// A task on a node that does not answer: its service, and whether it counts as running.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct LostTask {
    #[serde(rename = "ServiceID")]
    service_id: Id,
    status: LostStatus,
    job_iteration: Option<Version>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct LostStatus {
    state: TaskState,
}

impl Services {
    /// The services that `filters` let through, in the natural order of their names. Filters are
    /// the API's: `id` and `name` (what it begins with), `label`, `mode`.
    ///
    /// Tasks on nodes that are down do not run, whatever the swarm last heard of them.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn service_rows(
        &self,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<ServiceRow>, ServiceError> {
        let filters = filters_json(filters);
        let mut query = vec![("status", "true")];
        if filters != "{}" {
            query.push(("filters", &filters));
        }
        let services = self.engine.get_json::<Vec<Answer>>("/services", &query, cancel);
        let nodes = self.engine.get_json::<Vec<NamedNode>>("/nodes", &[], cancel);
        let (services, nodes) =
            tokio::try_join!(services, nodes).map_err(ServiceError::of("list the services"))?;
        let lost = self.lost_tasks(&nodes, cancel).await?;
        Ok(rows(services, &lost))
    }

    /// The tasks on nodes that are down; the engine is asked only if there are such nodes.
    async fn lost_tasks(
        &self,
        nodes: &[NamedNode],
        cancel: &CancellationToken,
    ) -> Result<Vec<LostTask>, ServiceError> {
        let lost: Vec<_> = nodes.iter().filter(|node| node.is_lost()).collect();
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let filters: Vec<_> = lost.iter().map(|node| ("node", node.id.as_str())).collect();
        let filters = filters_json(&filters);
        let tasks = self.engine.get_json("/tasks", &[("filters", filters.as_str())], cancel).await;
        tasks.map_err(ServiceError::of("list the tasks"))
    }
}

fn rows(services: Vec<Answer>, lost: &[LostTask]) -> Vec<ServiceRow> {
    let mut silent: HashMap<&Id, Vec<&LostTask>> = HashMap::new();
    for task in lost.iter().filter(|task| task.status.state == TaskState::Running) {
        silent.entry(&task.service_id).or_default().push(task);
    }
    let mut rows: Vec<_> = services
        .into_iter()
        .map(|service| {
            let lost = silent.get(&service.id).map_or(0, |tasks| counted(tasks, &service));
            row(service, lost)
        })
        .collect();
    rows.sort_by(|a, b| natural(&a.name, &b.name));
    rows
}

/// How many of the tasks the engine counts: of a job, those of its last run.
fn counted(tasks: &[&LostTask], service: &Answer) -> u64 {
    let run = service.job_status.as_ref().map(|status| status.job_iteration);
    let current = |task: &&&LostTask| {
        run.is_none() || task.job_iteration.unwrap_or_default() >= run.unwrap_or_default()
    };
    tasks.iter().filter(current).count() as u64
}

fn row(service: Answer, lost: u64) -> ServiceRow {
    let Answer { id, spec, endpoint, service_status: status, .. } = service;
    ServiceRow {
        id,
        name: spec.name,
        mode: spec.mode,
        running: status.running_tasks.saturating_sub(lost),
        desired: status.desired_tasks,
        completed: status.completed_tasks,
        max_per_node: spec.task_template.placement.max_replicas,
        image: familiar(&spec.task_template.container_spec.image),
        ports: merged(&endpoint.ports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &str) -> Vec<Answer> {
        serde_json::from_str(text).unwrap()
    }

    const SERVICES: &str = r#"[
        {"ID":"b","Spec":{"Name":"web10","Mode":{"Replicated":{"Replicas":8}},"TaskTemplate":
            {"ContainerSpec":{"Image":"docker.io/library/nginx:1"},"Placement":{"MaxReplicas":2}}},
         "ServiceStatus":{"RunningTasks":11,"DesiredTasks":8}},
        {"ID":"a","Spec":{"Name":"web9","Mode":{"ReplicatedJob":{"TotalCompletions":5}}},
         "JobStatus":{"JobIteration":{"Index":7}},
         "ServiceStatus":{"RunningTasks":2,"DesiredTasks":2,"CompletedTasks":3}}]"#;

    #[test]
    fn tasks_of_nodes_that_are_down_do_not_run() {
        let lost: Vec<LostTask> = serde_json::from_str(
            r#"[{"ServiceID":"b","Status":{"State":"running"}},
                {"ServiceID":"b","Status":{"State":"running"}},
                {"ServiceID":"b","Status":{"State":"running"}},
                {"ServiceID":"b","Status":{"State":"failed"}},
                {"ServiceID":"a","Status":{"State":"running"},"JobIteration":{"Index":7}},
                {"ServiceID":"a","Status":{"State":"running"},"JobIteration":{"Index":6}}]"#,
        )
        .unwrap();
        let rows = rows(answers(SERVICES), &lost);
        let counts: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.running)).collect();
        assert_eq!(counts, [("web9", 1), ("web10", 8)]);
    }

    #[test]
    fn a_row_has_what_a_line_shows() {
        let rows = rows(answers(SERVICES), &[]);
        assert_eq!(rows[1].image, "nginx:1");
        assert_eq!(rows[1].max_per_node, 2);
        assert_eq!((rows[0].running, rows[0].desired, rows[0].completed), (2, 2, 3));
    }
}
