//! What has to be done so that the swarm has a stack as its files say, and what stands in the way.

mod networks;
mod ports;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use skep_engine::{ApiVersion, EngineError};
use skep_model::Advice;
use tokio_util::sync::CancellationToken;

use super::{
    IMAGE_LABEL, NAMESPACE_LABEL, Stacks,
    change::{Change, changes},
    fault::{Obstacle, StackError},
    objects::{Network, Object},
    project::Project,
    service::Wanted,
};
use crate::{Kind, ServiceError, api::Id, spec::image};

/// The first version of the API with `StartInterval` in health checks.
const START_INTERVAL: ApiVersion = ApiVersion { major: 1, minor: 44 };

/// When the digest of an image is asked for at its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ResolveImage {
    #[default]
    Always,
    /// If the file names another image than at the last deployment.
    Changed,
    Never,
}

/// What is to be done with one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Create,
    Update(Vec<Change>),
    Keep,
    /// It is in the swarm and not in the files.
    Prune,
}

/// One object of a stack, and what is to be done with it.
#[derive(Debug, Clone)]
pub struct Step {
    pub kind: Kind,
    pub name: String,
    pub action: Action,
    pub id: Option<Id>,
    pub(super) version: u64,
    pub(super) desired: Desired,
}

#[derive(Debug, Clone)]
pub(super) enum Desired {
    Network(Network),
    Object(Object),
    Service(Value),
    Nothing,
}

/// What a deployment does, in its order. What is pruned comes last.
#[derive(Debug, Clone)]
pub struct Plan {
    pub stack: String,
    /// Every object of the files, and then what only the swarm has.
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
}

impl Step {
    /// A step for an object that is not there, of which nothing is sent: for showing only.
    pub fn new(kind: Kind, name: &str, action: Action) -> Self {
        step(kind, name, action, None, Desired::Nothing)
    }
}

impl Plan {
    /// Whether there is nothing to create or change.
    pub fn is_done(&self) -> bool {
        let idle = |step: &Step| matches!(step.action, Action::Keep | Action::Prune);
        self.steps.iter().all(idle)
    }

    /// The services that are left over.
    pub fn pruned(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action == Action::Prune)
    }
}

struct Found {
    services: Vec<Value>,
    networks: Vec<Value>,
    secrets: Vec<Value>,
    configs: Vec<Value>,
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn is_of(stack: &str, labels: &Value) -> bool {
    labels[NAMESPACE_LABEL] == stack
}

fn obstacle(problem: impl Into<String>, fix: impl Into<Advice>) -> Obstacle {
    Obstacle { problem: problem.into(), fix: fix.into() }
}

impl Stacks {
    /// What has to be done for `project`. Nothing is touched.
    ///
    /// # Errors
    /// [`StackError::Obstacles`] with everything that stands in the way; [`StackError::Service`].
    pub async fn plan(
        &self,
        project: &Project,
        resolve: ResolveImage,
        cancel: &CancellationToken,
    ) -> Result<Plan, StackError> {
        let list = async |path: &str, action| {
            let list: Result<Vec<Value>, _> = self.engine().get_json(path, &[], cancel).await;
            list.map_err(ServiceError::of(action))
        };
        let found = Found {
            services: list("/services", "list the services").await?,
            networks: list("/networks", "list the networks").await?,
            secrets: list("/secrets", "list the secrets").await?,
            configs: list("/configs", "list the configs").await?,
        };
        let stack = &project.stack;
        let mut obstacles = Vec::new();
        let mut steps = Vec::new();
        for network in &project.networks {
            steps.extend(networks::step_of(stack, network, &found, &mut obstacles));
        }
        for (kind, objects) in [(Kind::Secret, &project.secrets), (Kind::Config, &project.configs)]
        {
            let steps_of =
                objects.iter().map(|object| self.object_step(stack, kind, object, &found, cancel));
            for step in try_join_all(steps_of).await? {
                match step {
                    Ok(step) => steps.extend(step),
                    Err(obstacle) => obstacles.push(obstacle),
                }
            }
        }
        obstacles.extend(ports::taken(project, &found));
        obstacles.extend(self.unknown_to_engine(project));
        let (specs, warnings) =
            self.images(project, &found, resolve, &mut obstacles, cancel).await?;
        for (wanted, spec) in project.services.iter().zip(specs) {
            match service_step(stack, wanted, spec, &found) {
                Ok(step) => steps.push(step),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        let names: BTreeSet<_> =
            project.services.iter().map(|wanted| wanted.name.as_str()).collect();
        for service in &found.services {
            let name = text(service, "/Spec/Name");
            if is_of(stack, &service["Spec"]["Labels"]) && !names.contains(name) {
                steps.push(step(
                    Kind::Service,
                    name,
                    Action::Prune,
                    Some(service),
                    Desired::Nothing,
                ));
            }
        }
        if obstacles.is_empty() {
            return Ok(Plan { stack: stack.clone(), steps, warnings });
        }
        Err(StackError::Obstacles { stack: stack.clone(), obstacles })
    }

    /// What an older engine would leave out without a word.
    fn unknown_to_engine(&self, project: &Project) -> Vec<Obstacle> {
        let found = self.engine().api_version();
        if found >= START_INTERVAL {
            return Vec::new();
        }
        let path = "/TaskTemplate/ContainerSpec/Healthcheck/StartInterval";
        let asks = project.services.iter().filter(|wanted| wanted.spec.pointer(path).is_some());
        asks.map(|wanted| {
            obstacle(
                format!(
                    "{} has healthcheck.start_interval, which needs API {START_INTERVAL}: this engine speaks {found}",
                    wanted.name
                ),
                "remove it, or update the engine",
            )
        })
        .collect()
    }

    /// Secrets cannot be read back, and neither they nor configs can be changed. Whether a secret's
    /// data is what the file has is asked with an update of a version long gone: an engine refuses
    /// other data before it looks at the version (swarmkit, `manager/controlapi/secret.go`).
    async fn object_step(
        &self,
        stack: &str,
        kind: Kind,
        object: &Object,
        found: &Found,
        cancel: &CancellationToken,
    ) -> Result<Result<Option<Step>, Obstacle>, StackError> {
        let name = &object.name;
        let all = if kind == Kind::Secret { &found.secrets } else { &found.configs };
        let known = all.iter().find(|one| text(one, "/Spec/Name") == name);
        let (create, known) = match (&object.create, known) {
            (None, Some(_)) => return Ok(Ok(None)),
            (None, None) => {
                let problem = format!("there is no {kind} {name}, which is declared external");
                let fix = Advice::MakeObject { kind: kind.to_string(), name: name.clone() };
                return Ok(Err(obstacle(problem, fix)));
            }
            (Some(_), None) => {
                let desired = Desired::Object(object.clone());
                return Ok(Ok(Some(step(kind, name, Action::Create, None, desired))));
            }
            (Some(create), Some(known)) => (create, known),
        };
        if !is_of(stack, &known["Spec"]["Labels"]) {
            let problem = format!("there is a {kind} {name} already, and it is not of this stack");
            return Ok(Err(obstacle(
                problem,
                "declare it `external: true`, or give another `name`",
            )));
        }
        let same = match (&object.data, kind) {
            (None, _) => true,
            (Some(data), Kind::Config) => text(known, "/Spec/Data") == data.to_base64(),
            (Some(_), _) => self.is_same_secret(text(known, "/ID"), object, cancel).await?,
        };
        if !same {
            let problem = format!(
                "{kind} {name} has other data than {}: {kind}s cannot be changed in a swarm",
                object.origin
            );
            let fix =
                format!("give it another `name`, as {name}_v2: its services are then updated");
            return Ok(Err(obstacle(problem, fix)));
        }
        let of = |spec: &Value| json!({"Labels": spec["Labels"], "Templating": spec["Templating"]});
        let found = changes(&of(&known["Spec"]), &of(create));
        let action = if found.is_empty() { Action::Keep } else { Action::Update(found) };
        let desired = Desired::Object(object.clone());
        Ok(Ok(Some(step(kind, name, action, Some(known), desired))))
    }

    async fn is_same_secret(
        &self,
        id: &str,
        object: &Object,
        cancel: &CancellationToken,
    ) -> Result<bool, StackError> {
        let path = format!("/secrets/{id}/update");
        let answer =
            self.engine().post_json(&path, &[("version", "1")], &object.body(), cancel).await;
        match answer {
            Err(error) if refused(&error, "only updates to Labels") => Ok(false),
            Err(error) if refused(&error, "out of sequence") => Ok(true),
            Ok(_) => Ok(true),
            Err(error) => Err(ServiceError::of("compare the secret")(error).into()),
        }
    }

    /// The specs of the services, with their images as they are to be.
    async fn images(
        &self,
        project: &Project,
        found: &Found,
        resolve: ResolveImage,
        obstacles: &mut Vec<Obstacle>,
        cancel: &CancellationToken,
    ) -> Result<(Vec<Value>, Vec<String>), StackError> {
        let mut warnings = BTreeSet::new();
        let specs = join_all(project.services.iter().map(async |wanted| {
            let mut spec = wanted.spec.clone();
            let known = found.services.iter().find(|one| text(one, "/Spec/Name") == wanted.name);
            let same =
                known.filter(|known| known["Spec"]["Labels"][IMAGE_LABEL] == wanted.image.as_str());
            let keep = |spec: &mut Value, known: &Value| {
                let task = &known["Spec"]["TaskTemplate"];
                spec["TaskTemplate"]["ContainerSpec"]["Image"] =
                    task["ContainerSpec"]["Image"].clone();
                let platforms = &task["Placement"]["Platforms"];
                if !platforms.is_null() {
                    spec["TaskTemplate"]["Placement"]["Platforms"] = platforms.clone();
                }
            };
            spec["TaskTemplate"]["ContainerSpec"]["Image"] = image::with_tag(&wanted.image).into();
            match (resolve, same) {
                (ResolveImage::Always, _) | (ResolveImage::Changed, None) => {
                    let services = self.services_for(&spec);
                    let warning = services.pin(&mut spec, cancel).await?;
                    // A registry that cannot be asked is no reason to let go of a digest.
                    if let (Some(_), Some(known)) = (&warning, same) {
                        keep(&mut spec, known);
                    }
                    Ok((spec, warning))
                }
                (_, Some(known)) => {
                    keep(&mut spec, known);
                    Ok((spec, None))
                }
                (ResolveImage::Never, None) => Ok((spec, None)),
            }
        }))
        .await;
        let mut done = Vec::new();
        for (wanted, spec) in project.services.iter().zip(specs) {
            match spec {
                Ok((spec, warning)) => {
                    warnings.extend(warning);
                    done.push(spec);
                }
                Err(error @ ServiceError::NoImage { .. }) => {
                    obstacles.push(obstacle(
                        format!("{}: {error}", wanted.name),
                        "correct `image`; credentials are sent with --with-registry-auth",
                    ));
                    done.push(wanted.spec.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((done, warnings.into_iter().collect()))
    }
}

fn refused(error: &EngineError, words: &str) -> bool {
    error.api().is_some_and(|(_, message)| message.contains(words))
}

fn step(kind: Kind, name: &str, action: Action, known: Option<&Value>, desired: Desired) -> Step {
    let id = known.map(|known| match known.get("ID") {
        Some(_) => Id::new(text(known, "/ID")),
        None => Id::new(text(known, "/Id")),
    });
    let version = known.and_then(|known| known.pointer("/Version/Index")?.as_u64());
    Step { kind, name: name.into(), action, id, version: version.unwrap_or_default(), desired }
}

fn service_step(
    stack: &str,
    wanted: &Wanted,
    mut spec: Value,
    found: &Found,
) -> Result<Step, Obstacle> {
    let name = &wanted.name;
    let Some(known) = found.services.iter().find(|one| text(one, "/Spec/Name") == name) else {
        return Ok(step(Kind::Service, name, Action::Create, None, Desired::Service(spec)));
    };
    if !is_of(stack, &known["Spec"]["Labels"]) {
        let problem = format!("there is a service {name} already, and it is not of this stack");
        return Err(obstacle(problem, "remove it, or give the stack another name"));
    }
    // What forces an update is kept, so that none is forced.
    spec["TaskTemplate"]["ForceUpdate"] = known["Spec"]["TaskTemplate"]["ForceUpdate"].clone();
    let mut old = known["Spec"].clone();
    let names: BTreeMap<_, _> =
        found.networks.iter().map(|one| (text(one, "/Id"), text(one, "/Name"))).collect();
    // The engine stores networks by identifier, a file names them: both are compared by name.
    let attached = old.pointer_mut("/TaskTemplate/Networks").and_then(Value::as_array_mut);
    for network in attached.into_iter().flatten() {
        if let Some(name) = names.get(text(network, "/Target")) {
            network["Target"] = (*name).into();
        }
    }
    if let Some(list) = old.pointer_mut("/TaskTemplate/Networks").and_then(Value::as_array_mut) {
        list.sort_by(|one, other| text(one, "/Target").cmp(text(other, "/Target")));
    }
    let mode = |spec: &Value| spec["Mode"].as_object().and_then(|mode| mode.keys().next().cloned());
    if mode(&old) != mode(&spec) {
        let problem = format!("service {name} is of another mode, and modes cannot be changed");
        return Err(obstacle(problem, Advice::RemoveService(name.to_string())));
    }
    let changes = changes(&old, &spec);
    let action = if changes.is_empty() { Action::Keep } else { Action::Update(changes) };
    Ok(step(Kind::Service, name, action, Some(known), Desired::Service(spec)))
}
