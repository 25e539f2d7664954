//! Stacks: services and what they need, from Compose files.
//!
//! Files become a [`Project`]: what is to be in the swarm, as the JSON that docker's `stack deploy`
//! sends, and every mistake at its line. A [`Plan`] is the difference between that and what the
//! swarm has; [`Stacks::apply`] makes it so, and [`Stacks::prune`] removes what is left over.
//!
//! Labels and names are those of the docker CLI (`cli/compose/convert`), so that either tool goes
//! on with what the other has deployed.
//!
//! **Start reading** at [`Project::load`], then [`Stacks::plan`].

mod apply;
mod change;
mod deploy;
mod fault;
mod interpolate;
mod last;
mod merge;
mod mounts;
mod normal;
mod objects;
mod plan;
mod project;
mod reader;
mod service;
mod unsupported;
mod yaml;

pub use apply::Deployed;
pub use change::Change;
pub use fault::{Fault, Obstacle, Place, StackError};
pub use objects::{Data, Network, Object, Volume};
pub use plan::{Action, Plan, ResolveImage, Step};
pub use project::{Project, Source, check_name};
pub use service::Wanted;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;
use skep_engine::Engine;

use crate::{Services, spec::image};

/// One manager's engine, asked about stacks.
#[derive(Debug, Clone)]
pub struct Stacks {
    services: Services,
    /// The same engine with what logs in to a registry, by the registry's host.
    registries: BTreeMap<String, Services>,
}

impl Stacks {
    /// What `engine`, which must be a manager's, has and does. Nothing is asked yet.
    pub fn new(engine: &Engine) -> Self {
        Self { services: Services::new(engine), registries: BTreeMap::new() }
    }

    /// The same, with credentials for one registry: they are used when its images are looked up,
    /// and given to the nodes that pull them. `auth` is a value of the API's `X-Registry-Auth`.
    #[must_use]
    pub fn with_registry_auth(mut self, registry: &str, auth: &SecretString) -> Self {
        let engine = self.services.engine().with_registry_auth(auth);
        self.registries.insert(registry.to_owned(), Services::new(&engine));
        self
    }

    /// The engine with the credentials that the image of a `ServiceSpec` needs.
    fn services_for(&self, spec: &Value) -> &Services {
        let image = spec.pointer("/TaskTemplate/ContainerSpec/Image").and_then(Value::as_str);
        let registry = image.map(image::registry);
        registry.and_then(|host| self.registries.get(host)).unwrap_or(&self.services)
    }
}

/// The name of the stack that an object belongs to. docker's label.
pub const NAMESPACE_LABEL: &str = "com.docker.stack.namespace";

/// The image of a service as its file has it, without the digest. docker's label.
pub const IMAGE_LABEL: &str = "com.docker.stack.image";

/// The network of services that name none.
const DEFAULT_NETWORK: &str = "default";

/// The name in the swarm of something that a stack's file calls `name`.
fn scope(stack: &str, name: &str) -> String {
    format!("{stack}_{name}")
}
