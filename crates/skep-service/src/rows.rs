//! The facts of lists: one row for each service, one for each task, in the docker CLI's order.
//!
//! Only what a row shows is read of an answer, so that a thousand tasks take little memory. Source
//! of what a row says: `cli/command/service` and `cli/command/task` of docker/cli 26.1.

mod image;
mod ports;
mod service;
mod task;

pub use image::familiar;
pub use ports::{PortRange, merged};
pub use service::ServiceRow;
pub use task::{Names, TaskRow};

use std::collections::HashMap;

use serde::Deserialize;

use crate::{
    api::{Id, NodeState},
    find::Named,
};

/// A service, as far as its name needs it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NamedService {
    #[serde(rename = "ID")]
    id: Id,
    spec: Name,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Name {
    name: String,
}

impl Named for NamedService {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.spec.name
    }
}

/// A node, as far as its name and its being there need it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NamedNode {
    #[serde(rename = "ID")]
    id: Id,
    spec: Name,
    description: Host,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Host {
    hostname: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Status {
    state: NodeState,
}

impl NamedNode {
    /// The name an operator gave it, else its host's.
    fn called(self) -> (Id, String) {
        let name = Some(self.spec.name).filter(|name| !name.is_empty());
        (self.id, name.unwrap_or(self.description.hostname))
    }

    /// Whether it has stopped answering its manager.
    fn is_lost(&self) -> bool {
        matches!(self.status.state, NodeState::Down | NodeState::Disconnected)
    }
}

/// The name for an identifier; the identifier itself where there is none.
fn name_of(id: &Id, names: &HashMap<Id, String>) -> String {
    let name = names.get(id).filter(|name| !name.is_empty());
    name.cloned().unwrap_or_else(|| id.as_str().to_owned())
}
