//! Services as the engine sends them, with nothing lost.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Services, api::Id, error::ServiceError};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Network {
    id: Id,
    name: String,
}

impl Services {
    /// A service as the engine sends it, with the values it takes where the service says none.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn inspect(
        &self,
        service: &Id,
        cancel: &CancellationToken,
    ) -> Result<Value, ServiceError> {
        let path = format!("/services/{service}");
        let found = self.engine.get_json(&path, &[("insertDefaults", "true")], cancel).await;
        found.map_err(ServiceError::of("inspect the service"))
    }

    /// The names of the swarm's networks, by identifier.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn network_names(
        &self,
        cancel: &CancellationToken,
    ) -> Result<HashMap<String, String>, ServiceError> {
        let filters = [("filters", r#"{"scope":["swarm"]}"#)];
        let list = self.engine.get_json::<Vec<Network>>("/networks", &filters, cancel).await;
        let list = list.map_err(ServiceError::of("list the networks"))?;
        Ok(list.into_iter().map(|network| (network.id.to_string(), network.name)).collect())
    }
}
