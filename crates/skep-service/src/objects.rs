//! What services use beside them: secrets, configs and networks.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, or_default},
    error::ServiceError,
    find::{Named, find},
    kind::Kind,
    list::filters_json,
    spec::Label,
};

pub mod network;

/// A secret or a config, without what is in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Object {
    #[serde(rename = "ID")]
    pub id: Id,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub spec: ObjectSpec,
}

/// What a secret or a config is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ObjectSpec {
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Who keeps a secret, if not the swarm itself.
    #[serde(deserialize_with = "or_default")]
    pub driver: DriverName,
}

/// `{"Name": …}`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DriverName {
    pub name: String,
}

impl Named for Object {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.spec.name
    }
}

/// A secret or a config to be made.
pub struct NewObject {
    pub name: String,
    pub labels: Vec<Label>,
    /// What is in it: 1 to 500 kB, of a config 1 MB. Nothing for a secret that a driver keeps.
    pub data: SecretSlice<u8>,
    /// Who keeps a secret, if not the swarm itself.
    pub driver: Option<String>,
    /// Who fills in what is written as a template: `golang`.
    pub template_driver: Option<String>,
}

impl fmt::Debug for NewObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewObject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which of the two kinds that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Only tasks that it was given to can read it.
    Secret,
    /// Every client of a manager can read it.
    Config,
}

impl ObjectKind {
    fn path(self) -> &'static str {
        match self {
            ObjectKind::Secret => "/secrets",
            ObjectKind::Config => "/configs",
        }
    }

    /// What messages call it.
    pub fn kind(self) -> Kind {
        match self {
            ObjectKind::Secret => Kind::Secret,
            ObjectKind::Config => Kind::Config,
        }
    }

    fn actions(self) -> [&'static str; 4] {
        match self {
            ObjectKind::Secret => {
                ["list the secrets", "create the secret", "read the secret", "remove the secret"]
            }
            ObjectKind::Config => {
                ["list the configs", "create the config", "read the config", "remove the config"]
            }
        }
    }
}

impl Services {
    /// All secrets, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn secrets(&self, cancel: &CancellationToken) -> Result<Vec<Object>, ServiceError> {
        self.objects(ObjectKind::Secret, &[], cancel).await
    }

    /// All configs, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn configs(&self, cancel: &CancellationToken) -> Result<Vec<Object>, ServiceError> {
        self.objects(ObjectKind::Config, &[], cancel).await
    }

    /// Those that `filters` (the API's: `id`, `name`, `label`) let through, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn objects(
        &self,
        kind: ObjectKind,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<Object>, ServiceError> {
        let filters = filters_json(filters);
        let query: &[(&str, &str)] =
            if filters == "{}" { &[] } else { &[("filters", filters.as_str())] };
        let list = self.engine.get_json(kind.path(), query, cancel).await;
        list.map_err(ServiceError::of(kind.actions()[0]))
    }

    /// The ones that `names` mean, in their order: everything is found before anything is returned.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`], [`ServiceError::Ambiguous`], [`ServiceError::Engine`].
    pub async fn find_objects(
        &self,
        kind: ObjectKind,
        names: &[String],
        cancel: &CancellationToken,
    ) -> Result<Vec<Object>, ServiceError> {
        let all = self.objects(kind, &[], cancel).await?;
        names.iter().map(|name| find(kind.kind(), &all, name).cloned()).collect()
    }

    /// Makes a secret or a config and returns its identifier.
    ///
    /// # Errors
    /// [`ServiceError::Engine`]; what is in it is never part of one.
    pub async fn create_object(
        &self,
        kind: ObjectKind,
        new: &NewObject,
        cancel: &CancellationToken,
    ) -> Result<Id, ServiceError> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let labels = new.labels.iter().map(|label| (&label.0.key, &label.0.value));
        let mut body = json!({
            "Name": new.name,
            "Labels": labels.collect::<BTreeMap<_, _>>(),
        });
        if !new.data.expose_secret().is_empty() {
            body["Data"] = STANDARD.encode(new.data.expose_secret()).into();
        }
        for (key, driver) in [("Driver", &new.driver), ("Templating", &new.template_driver)] {
            if let Some(driver) = driver {
                body[key] = json!({ "Name": driver });
            }
        }
        let action = kind.actions()[1];
        let path = format!("{}/create", kind.path());
        let answer = self.engine.post_json(&path, &[], &body, cancel).await;
        let answer = answer.map_err(ServiceError::of(action))?;
        let id = answer["ID"].as_str().ok_or(ServiceError::Answer { action, field: "ID" })?;
        Ok(Id::new(id))
    }

    /// A secret or a config as the engine returns it, nothing left out. A secret's content is never
    /// in it; a config's is, in base64.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn inspect_object(
        &self,
        kind: ObjectKind,
        id: &Id,
        cancel: &CancellationToken,
    ) -> Result<Value, ServiceError> {
        let found = self.engine.get_json(&format!("{}/{id}", kind.path()), &[], cancel).await;
        found.map_err(ServiceError::of(kind.actions()[2]))
    }

    /// Removes a secret or a config that no service uses.
    ///
    /// # Errors
    /// [`ServiceError::Engine`], which names the services that use it.
    pub async fn remove_object(
        &self,
        kind: ObjectKind,
        id: &Id,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let removed = self.engine.delete(&format!("{}/{id}", kind.path()), &[], cancel).await;
        removed.map_err(ServiceError::of(kind.actions()[3]))
    }
}
