//! Lists of services, tasks and nodes.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Node, Service, Task},
    error::ServiceError,
};

impl Services {
    /// All services, with how many of their tasks run, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn list(&self, cancel: &CancellationToken) -> Result<Vec<Service>, ServiceError> {
        let list = self.engine.get_json("/services", &[("status", "true")], cancel).await;
        list.map_err(ServiceError::of("list the services"))
    }

    /// The tasks that `filters` let through, in the engine's order. Filters are the API's:
    /// `[("service", "ID"), ("desired-state", "running")]`; values of one name are alternatives.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn tasks(
        &self,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<Task>, ServiceError> {
        let filters = filters_json(filters);
        let query: &[(&str, &str)] =
            if filters == "{}" { &[] } else { &[("filters", filters.as_str())] };
        let list = self.engine.get_json("/tasks", query, cancel).await;
        list.map_err(ServiceError::of("list the tasks"))
    }

    /// All nodes, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn nodes(&self, cancel: &CancellationToken) -> Result<Vec<Node>, ServiceError> {
        let list = self.engine.get_json("/nodes", &[], cancel).await;
        list.map_err(ServiceError::of("list the nodes"))
    }
}

/// The API's `filters` parameter: `{"name": ["value", …]}`.
pub(crate) fn filters_json(filters: &[(&str, &str)]) -> String {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in filters {
        all.entry(name).or_default().push(value);
    }
    serde_json::json!(all).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_one_name_are_alternatives() {
        let filters = [("service", "a"), ("node", "n"), ("service", "b")];
        assert_eq!(filters_json(&filters), r#"{"node":["n"],"service":["a","b"]}"#);
    }
}
