//! Making a plan true, and taking stacks away.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use serde_json::Value;
use skep_context::{Polled, after, poll_until, when};
use skep_engine::{Engine, EngineError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    NAMESPACE_LABEL, Stacks,
    fault::StackError,
    plan::{Action, Desired, Plan, Step},
};
use crate::{
    Kind, ServiceError, Services,
    api::{Id, Service, Task},
    list::filters_json,
};

/// How often is looked whether tasks have gone.
const INTERVAL: Duration = Duration::from_millis(200);

/// One service of a stack, deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub id: Id,
    pub name: String,
}

impl Stacks {
    /// Makes and changes what the plan says, in its order: networks, secrets, configs, services.
    /// Nothing is pruned. `tell` is called with each step before it is done, `warn` with warnings
    /// of the engine. Returns all services of the files, those that were not touched included.
    ///
    /// # Errors
    /// [`StackError::Object`] for the first that the engine refuses; the same plan made anew goes on
    /// from there.
    pub async fn apply(
        &self,
        plan: &Plan,
        mut tell: impl FnMut(&Step) + Send,
        mut warn: impl FnMut(String) + Send,
        cancel: &CancellationToken,
    ) -> Result<Vec<Deployed>, StackError> {
        let mut deployed = Vec::new();
        for step in plan.steps.iter().filter(|step| step.action != Action::Prune) {
            tell(step);
            let id = match (&step.action, &step.id) {
                (Action::Keep, Some(id)) => id.clone(),
                _ => self.make(step, &mut warn, cancel).await?,
            };
            if step.kind == Kind::Service {
                deployed.push(Deployed { id, name: step.name.clone() });
            }
        }
        Ok(deployed)
    }

    async fn make(
        &self,
        step: &Step,
        warn: &mut (impl FnMut(String) + Send),
        cancel: &CancellationToken,
    ) -> Result<Id, StackError> {
        let of = |source| StackError::Object {
            action: if step.id.is_some() { "update" } else { "create" },
            what: format!("{} {}", step.kind, step.name),
            source,
        };
        let body = match &step.desired {
            Desired::Network(network) => {
                let mut body = network.create.clone().unwrap_or_default();
                body["Name"] = step.name.as_str().into();
                body
            }
            Desired::Object(object) => object.body(),
            Desired::Service(spec) => self.with_identifiers(spec, cancel).await?,
            Desired::Nothing => Value::Null,
        };
        let collection = collection(step.kind);
        let engine = self.services_for(&body).engine().clone();
        let answer = match &step.id {
            None => {
                let path = format!("/{collection}/create");
                engine.post_json(&path, &[], &body, cancel).await
            }
            Some(id) => {
                let version = step.version.to_string();
                let mut query = vec![("version", version.as_str())];
                if step.kind == Kind::Service && !engine.has_registry_auth() {
                    query.push(("registryAuthFrom", "spec"));
                }
                let path = format!("/{collection}/{id}/update");
                engine.post_json(&path, &query, &body, cancel).await
            }
        };
        let answer = answer.map_err(of)?;
        let warnings = answer["Warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        warnings.iter().filter_map(Value::as_str).for_each(|text| warn(text.to_owned()));
        let made = answer["ID"].as_str().or(answer["Id"].as_str()).map(Id::new);
        made.or_else(|| step.id.clone()).ok_or_else(|| {
            ServiceError::Answer { action: "create an object of the stack", field: "ID" }.into()
        })
    }

    /// A spec with the identifiers of its secrets and configs, which are there by now.
    async fn with_identifiers(
        &self,
        spec: &Value,
        cancel: &CancellationToken,
    ) -> Result<Value, StackError> {
        let mut spec = spec.clone();
        for (list, name, id, path, kind) in [
            ("Secrets", "SecretName", "SecretID", "/secrets", Kind::Secret),
            ("Configs", "ConfigName", "ConfigID", "/configs", Kind::Config),
        ] {
            let container = &mut spec["TaskTemplate"]["ContainerSpec"];
            let Some(references) = container.get_mut(list).and_then(Value::as_array_mut) else {
                continue;
            };
            let all: Vec<Value> = self
                .engine()
                .get_json(path, &[], cancel)
                .await
                .map_err(ServiceError::of("find what the services use"))?;
            let ids: BTreeMap<_, _> =
                all.iter().map(|one| (one["Spec"]["Name"].as_str(), one["ID"].clone())).collect();
            for reference in references {
                let wanted = reference[name].as_str();
                let Some(found) = ids.get(&wanted).cloned() else {
                    let name = wanted.unwrap_or_default().to_owned();
                    return Err(ServiceError::Unknown { kind, name }.into());
                };
                reference[id] = found;
            }
        }
        Ok(spec)
    }

    /// Removes the services that are in the swarm and not in the files.
    ///
    /// # Errors
    /// [`StackError::Object`].
    pub async fn prune(
        &self,
        plan: &Plan,
        mut tell: impl FnMut(&Step) + Send,
        cancel: &CancellationToken,
    ) -> Result<(), StackError> {
        for step in plan.pruned() {
            tell(step);
            if let Some(id) = &step.id {
                remove(self.engine(), Kind::Service, &step.name, id.as_str(), cancel).await?;
            }
        }
        Ok(())
    }

    /// What a stack has: kind, name and identifier, in the order in which it is removed.
    ///
    /// # Errors
    /// [`StackError::Service`].
    pub async fn parts(
        &self,
        stack: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Kind, String, Id)>, StackError> {
        let label = format!("{NAMESPACE_LABEL}={stack}");
        let filters = filters_json(&[("label", &label)]);
        let mut parts = Vec::new();
        for kind in [Kind::Service, Kind::Secret, Kind::Config, Kind::Network] {
            let path = format!("/{}", collection(kind));
            let query = [("filters", filters.as_str())];
            let found: Vec<Value> = self
                .engine()
                .get_json(&path, &query, cancel)
                .await
                .map_err(ServiceError::of("list what the stack has"))?;
            let mut named: Vec<_> = found
                .iter()
                .map(|one| {
                    let name = one.pointer("/Spec/Name").unwrap_or(&one["Name"]);
                    let id = one.get("ID").unwrap_or(&one["Id"]);
                    (
                        kind,
                        name.as_str().unwrap_or_default().to_owned(),
                        Id::new(id.as_str().unwrap_or_default()),
                    )
                })
                .collect();
            named.sort_by(|one, other| one.1.cmp(&other.1));
            parts.extend(named);
        }
        Ok(parts)
    }

    /// Removes what [`Stacks::parts`] has found: services first, and networks once no task uses
    /// them any more. Goes on after a refusal. `tell` is called with each object before that.
    ///
    /// # Errors
    /// [`StackError::Left`] with what is still there; [`StackError::Service`].
    pub async fn remove(
        &self,
        stack: &str,
        parts: &[(Kind, String, Id)],
        wait: Option<Duration>,
        mut tell: impl FnMut(Kind, &str) + Send,
        cancel: &CancellationToken,
    ) -> Result<(), StackError> {
        let mut left = Vec::new();
        // Secrets and configs after the services that use them, as docker does; networks last, for
        // an engine refuses a network that a task still has.
        let deadline = after(wait.unwrap_or_default());
        let is_busy = |error: &StackError| matches!(error, StackError::Object { source, .. } if is_in_use(source));
        for (kind, name, id) in parts {
            tell(*kind, name);
            let removed = poll_until(cancel, INTERVAL, deadline, async || {
                match remove(self.engine(), *kind, name, id.as_str(), cancel).await {
                    Err(error) if is_busy(&error) => Ok(ControlFlow::Continue(error)),
                    ended => ended.map(ControlFlow::Break),
                }
            });
            match removed.await.and_then(Polled::met) {
                Err(error) if error.is_cancelled() => return Err(error),
                Err(StackError::Object { what, source, .. }) => {
                    left.push(format!("{what}: {source}"));
                }
                Err(error) => return Err(error),
                Ok(()) => {}
            }
        }
        if wait.is_some() {
            left.extend(self.tasks_left(stack, parts, deadline, cancel).await?);
        }
        // A manager lists a network for a moment after it has gone.
        if wait.is_some() && left.is_empty() {
            let polled = poll_until(cancel, INTERVAL, deadline, async || {
                Ok::<_, StackError>(when(self.parts(stack, cancel).await?.is_empty()))
            });
            if polled.await?.met().is_err() {
                left.push("something of it is listed still".to_owned());
            }
        }
        if left.is_empty() { Ok(()) } else { Err(StackError::Left { stack: stack.into(), left }) }
    }

    /// Waits until no task of the services runs.
    async fn tasks_left(
        &self,
        stack: &str,
        parts: &[(Kind, String, Id)],
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, StackError> {
        if !parts.iter().any(|(kind, ..)| *kind == Kind::Service) {
            return Ok(None);
        }
        let label = format!("{NAMESPACE_LABEL}={stack}");
        let polled = poll_until(cancel, INTERVAL, deadline, async || {
            let tasks: Vec<Task> = self.services().tasks(&[("label", &label)], cancel).await?;
            let running = tasks.iter().filter(|task| !task.status.state.is_over()).count();
            Ok::<_, ServiceError>(match running {
                0 => ControlFlow::Break(()),
                running => ControlFlow::Continue(running),
            })
        });
        let running = polled.await?.met().err();
        Ok(running.map(|running| format!("{running} tasks have not ended yet")))
    }

    /// The services of one stack, or of all, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn services_of(
        &self,
        stack: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Service>, ServiceError> {
        let all = self.services().list(cancel).await?;
        let is = |service: &Service| {
            let label = service.spec.labels.get(NAMESPACE_LABEL);
            label.is_some_and(|label| stack.is_none_or(|stack| stack == label))
        };
        Ok(all.into_iter().filter(is).collect())
    }

    /// Every stack with how many services it has, by name.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn list(
        &self,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<String, usize>, ServiceError> {
        let mut stacks = BTreeMap::new();
        for service in self.services_of(None, cancel).await? {
            if let Some(stack) = service.spec.labels.get(NAMESPACE_LABEL) {
                *stacks.entry(stack.clone()).or_default() += 1;
            }
        }
        Ok(stacks)
    }

    /// One manager's engine, asked about services.
    pub fn services(&self) -> &Services {
        &self.services
    }

    pub(super) fn engine(&self) -> &Engine {
        self.services.engine()
    }
}

/// Removes one object; one that is gone already is removed.
async fn remove(
    engine: &Engine,
    kind: Kind,
    name: &str,
    id: &str,
    cancel: &CancellationToken,
) -> Result<(), StackError> {
    match engine.delete(&format!("/{}/{id}", collection(kind)), &[], cancel).await {
        Ok(()) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(source) => {
            Err(StackError::Object { action: "remove", what: format!("{kind} {name}"), source })
        }
    }
}

/// Whether there is no such object. Of a network that has just gone, an engine says so with 500.
fn is_gone(error: &EngineError) -> bool {
    let gone = |(status, message): (u16, &str)| status == 404 || message.ends_with("not found");
    error.api().is_some_and(gone)
}

/// Whether a network cannot be removed since a task that is ending still has it. What a service has
/// stays in use however long one waits.
fn is_in_use(error: &EngineError) -> bool {
    let words = ["in use by task", "active endpoints"];
    error.api().is_some_and(|(_, message)| words.iter().any(|word| message.contains(word)))
}

fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::Network => "networks",
        Kind::Secret => "secrets",
        Kind::Config => "configs",
        _ => "services",
    }
}
