//! The rows of a list of tasks.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use skep_model::natural;
use tokio_util::sync::CancellationToken;

use super::{NamedNode, NamedService, name_of, service::Container};
use crate::{
    Services,
    api::{Id, PortStatus, PublishedPort, TaskState},
    error::ServiceError,
    find::find,
    kind::Kind,
    list::filters_json,
};

/// Whether rows name services and nodes, or give their identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Resolved,
    Ids,
}

/// One line of a list of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    pub id: Id,
    /// `web.1`, or `web.NODE-ID` where there is one on each node.
    pub name: String,
    pub service_id: Id,
    /// Which of a service's replicas, from 1; 0 for a service with one on each node.
    pub slot: u64,
    /// Whether a later task has taken its place: a line above it has the same name.
    pub previous: bool,
    /// The image, in full.
    pub image: String,
    /// Where; empty until it is placed.
    pub node_id: Id,
    /// The node's name or identifier; empty until it is placed.
    pub node: String,
    pub desired: TaskState,
    pub state: TaskState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What went wrong, in full.
    pub error: String,
    /// What it publishes on its own node.
    pub ports: Vec<PublishedPort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "ID")]
    id: Id,
    created_at: Option<Timestamp>,
    spec: Spec,
    #[serde(rename = "ServiceID")]
    service_id: Id,
    slot: u64,
    #[serde(rename = "NodeID")]
    node_id: Id,
    status: Status,
    desired_state: TaskState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Spec {
    container_spec: Container,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Status {
    timestamp: Option<Timestamp>,
    state: TaskState,
    err: String,
    port_status: PortStatus,
}

impl Services {
    /// The tasks that `filters` let through: by the natural order of their names, of those with
    /// one name the newest first. Filters are as for [`Services::tasks`].
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn task_rows(
        &self,
        filters: &[(&str, &str)],
        names: Names,
        cancel: &CancellationToken,
    ) -> Result<Vec<TaskRow>, ServiceError> {
        let tasks = self.answers(filters, cancel);
        if names == Names::Ids {
            return Ok(rows(tasks.await?, &HashMap::new(), &HashMap::new()));
        }
        let (tasks, services, nodes) =
            tokio::try_join!(tasks, self.service_names(cancel), self.node_names(cancel))?;
        Ok(rows(tasks, &by_id(services), &nodes))
    }

    /// The tasks of some services, found by what a person writes, as [`Services::task_rows`]; and,
    /// for each service that is not there, that it is not.
    ///
    /// # Errors
    /// [`ServiceError::Ambiguous`], [`ServiceError::Engine`].
    pub async fn task_rows_of(
        &self,
        services: &[String],
        filters: &[(&str, &str)],
        names: Names,
        cancel: &CancellationToken,
    ) -> Result<(Vec<TaskRow>, Vec<ServiceError>), ServiceError> {
        let all = self.service_names(cancel).await?;
        let mut unknown = Vec::new();
        let mut filters = filters.to_vec();
        let asked = filters.len();
        for text in services {
            match find(Kind::Service, &all, text) {
                Ok(service) => filters.push(("service", service.id.as_str())),
                Err(error @ ServiceError::Unknown { .. }) => unknown.push(error),
                Err(error) => return Err(error),
            }
        }
        if filters.len() == asked {
            return Ok((Vec::new(), unknown));
        }
        let tasks = self.answers(&filters, cancel);
        if names == Names::Ids {
            return Ok((rows(tasks.await?, &HashMap::new(), &HashMap::new()), unknown));
        }
        let (tasks, nodes) = tokio::try_join!(tasks, self.node_names(cancel))?;
        Ok((rows(tasks, &by_id(all), &nodes), unknown))
    }

    async fn answers(
        &self,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<Answer>, ServiceError> {
        let filters = filters_json(filters);
        let query: &[_] = if filters == "{}" { &[] } else { &[("filters", filters.as_str())] };
        let list = self.engine.get_json("/tasks", query, cancel).await;
        list.map_err(ServiceError::of("list the tasks"))
    }

    async fn service_names(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<NamedService>, ServiceError> {
        let list = self.engine.get_json("/services", &[], cancel).await;
        list.map_err(ServiceError::of("list the services"))
    }

    async fn node_names(
        &self,
        cancel: &CancellationToken,
    ) -> Result<HashMap<Id, String>, ServiceError> {
        let list = self.engine.get_json::<Vec<NamedNode>>("/nodes", &[], cancel).await;
        let list = list.map_err(ServiceError::of("list the nodes"))?;
        Ok(list.into_iter().map(NamedNode::called).collect())
    }
}

fn by_id(services: Vec<NamedService>) -> HashMap<Id, String> {
    services.into_iter().map(|service| (service.id, service.spec.name)).collect()
}

fn rows(
    tasks: Vec<Answer>,
    services: &HashMap<Id, String>,
    nodes: &HashMap<Id, String>,
) -> Vec<TaskRow> {
    let mut named: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let service = name_of(&task.service_id, services);
            let name = match task.slot {
                0 => format!("{service}.{}", task.node_id),
                slot => format!("{service}.{slot}"),
            };
            (name, task)
        })
        .collect();
    named.sort_by(|(a, first), (b, second)| {
        natural(a, b).then_with(|| second.created_at.cmp(&first.created_at))
    });
    let mut rows: Vec<TaskRow> = Vec::with_capacity(named.len());
    for (name, task) in named {
        let previous = rows.last().is_some_and(|row| row.name == name);
        rows.push(row(name, previous, task, nodes));
    }
    rows
}

fn row(name: String, previous: bool, task: Answer, nodes: &HashMap<Id, String>) -> TaskRow {
    TaskRow {
        id: task.id,
        name,
        service_id: task.service_id,
        slot: task.slot,
        previous,
        image: task.spec.container_spec.image,
        node: name_of(&task.node_id, nodes),
        node_id: task.node_id,
        desired: task.desired_state,
        state: task.status.state,
        since: task.status.timestamp,
        error: task.status.err,
        ports: task.status.port_status.ports,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_s_history_is_newest_first_below_its_present() {
        let tasks: Vec<Answer> = serde_json::from_str(
            r#"[{"ID":"t1","ServiceID":"s","Slot":1,"NodeID":"n","CreatedAt":"2026-01-01T00:00:00Z"},
                {"ID":"t10","ServiceID":"s","Slot":10,"CreatedAt":"2026-01-01T00:00:01Z"},
                {"ID":"t2","ServiceID":"s","Slot":1,"NodeID":"m","CreatedAt":"2026-01-01T00:00:02Z"},
                {"ID":"t3","ServiceID":"s","Slot":2,"NodeID":"n","CreatedAt":"2026-01-01T00:00:00Z"},
                {"ID":"g","ServiceID":"global","NodeID":"n","CreatedAt":"2026-01-01T00:00:00Z"}]"#,
        )
        .unwrap();
        let services = HashMap::from([(Id::new("s"), "web".to_owned())]);
        let nodes = HashMap::from([(Id::new("n"), "worker1".to_owned())]);
        let rows = rows(tasks, &services, &nodes);
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.id.as_str(), row.previous, row.node.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("global.n", "g", false, "worker1"),
                ("web.1", "t2", false, "m"),
                ("web.1", "t1", true, "worker1"),
                ("web.2", "t3", false, "worker1"),
                ("web.10", "t10", false, ""),
            ]
        );
    }
}
