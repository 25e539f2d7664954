//! Making services, changing them, taking an update back, removing them.
//!
//! Everything that can be known before is asked before: names become identifiers, ports are looked
//! for in the swarm's other services, a registry is asked for the image. Then there is one request.

use serde::Deserialize;
use serde_json::{Value, json};
use skep_engine::{ApiVersion, EngineError};
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, PublishedPort, Service, Version},
    error::ServiceError,
    kind::Kind,
    spec::{
        Mount, Options, Removals, Resolved, ServiceCreate, ServiceUpdate, SpecError, image,
        port::Claims,
    },
};

/// How often a change is tried on a fresh version while others change the same service.
const TRIES: u32 = 10;

/// How an image is asked for at its registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resolve {
    /// It is, so that each task gets the same content.
    #[default]
    Registry,
    /// It is not: each node asks for itself.
    Never,
}

/// A service that was made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub id: Id,
    /// What the user should know: the engine's warnings, and docker's about the image.
    pub warnings: Vec<String>,
}

/// A change of a service's JSON.
pub type Change<'a> = &'a mut (dyn FnMut(&mut Value) -> Result<(), SpecError> + Send);

impl Services {
    /// Makes a service. Nothing is made if anything it names is not there, a port of it is another
    /// service's, or the registry says that there is no such image.
    ///
    /// # Errors
    /// [`ServiceError::Spec`], [`ServiceError::Unknown`], [`ServiceError::PortInUse`],
    /// [`ServiceError::NoImage`], [`ServiceError::Engine`].
    pub async fn create(
        &self,
        service: &ServiceCreate,
        resolve: Resolve,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        self.check_version(&service.options)?;
        let none = Removals::default();
        let resolved = self.resolve(&service.options, &none, cancel).await?;
        let mut spec = service.spec(&resolved)?;
        self.check_ports(None, service.options.ports(), cancel).await?;
        let mut warnings = Vec::new();
        if resolve == Resolve::Registry {
            warnings.extend(self.pin(&mut spec, cancel).await?);
        }
        let mut made = self.create_from(&spec, cancel).await?;
        made.warnings.extend(warnings);
        Ok(made)
    }

    /// Makes a service of its JSON, as it is.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn create_from(
        &self,
        spec: &Value,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        let action = "create the service";
        let answer = self.engine.post_json("/services/create", &[], spec, cancel).await;
        let answer = answer.map_err(ServiceError::of(action))?;
        let id = answer["ID"].as_str().ok_or(ServiceError::Answer { action, field: "ID" })?;
        Ok(Made { id: Id::new(id), warnings: warnings(&answer) })
    }

    /// Changes a service. If another client has changed it in between, the change is made again on
    /// the newer version.
    ///
    /// # Errors
    /// As [`Services::create`]; [`ServiceError::OutOfSequence`].
    pub async fn update(
        &self,
        service: &Service,
        update: &ServiceUpdate,
        resolve: Resolve,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        self.check_version(&update.options)?;
        let resolved = self.resolve(&update.options, &update.remove, cancel).await?;
        self.check_ports(Some(&service.id), update.options.ports(), cancel).await?;
        // Before the registry is asked: what makes no sense is reported at once.
        let mut spec = self.raw(&service.id, cancel).await?.spec;
        update.apply(&mut spec, &resolved)?;
        let mut warnings = Vec::new();
        let mut pinned = None;
        if update.image.is_some() && resolve == Resolve::Registry {
            warnings.extend(self.pin(&mut spec, cancel).await?);
            let task = &spec["TaskTemplate"];
            let platforms = task["Placement"]["Platforms"].clone();
            // Asked once: a change that is tried again must not come out with another digest.
            pinned = Some((task["ContainerSpec"]["Image"].clone(), platforms));
        }
        let mut change = |spec: &mut Value| {
            update.apply(spec, &resolved)?;
            if let Some((image, platforms)) = &pinned {
                set_image(spec, image, platforms);
            }
            Ok(())
        };
        let mut made = self.change(&service.id, &mut change, cancel).await?;
        made.warnings.extend(warnings);
        Ok(made)
    }

    /// Changes a service's JSON as the engine has it: `change` is called with it, and again if
    /// another client was faster. Credentials that the service has for its registry stay.
    ///
    /// # Errors
    /// What `change` returns; [`ServiceError::Engine`], [`ServiceError::OutOfSequence`].
    pub async fn change(
        &self,
        service: &Id,
        change: Change<'_>,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        for _ in 0..TRIES {
            let Raw { version, mut spec } = self.raw(service, cancel).await?;
            change(&mut spec)?;
            let mut query = Vec::new();
            if !self.engine.has_registry_auth() {
                query.push(("registryAuthFrom", "spec"));
            }
            match self.post_update(service, version, &query, &spec, cancel).await {
                Err(error) if is_out_of_sequence(&error) => {}
                ended => return ended,
            }
        }
        Err(ServiceError::OutOfSequence { service: service.to_string(), times: TRIES })
    }

    /// Changes how many tasks a service has.
    ///
    /// # Errors
    /// As [`ServiceUpdate::can_scale`] and [`Services::change`].
    pub async fn scale(
        &self,
        service: &Id,
        count: u64,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        self.change(service, &mut |spec| ServiceUpdate::scale(spec, count), cancel).await
    }

    /// Makes a service again what it was before its last update.
    ///
    /// # Errors
    /// [`ServiceError::Engine`], also if there was no update; [`ServiceError::OutOfSequence`].
    pub async fn roll_back(
        &self,
        service: &Id,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        let query = [("rollback", "previous")];
        for _ in 0..TRIES {
            let Raw { version, spec } = self.raw(service, cancel).await?;
            match self.post_update(service, version, &query, &spec, cancel).await {
                Err(error) if is_out_of_sequence(&error) => {}
                ended => return ended,
            }
        }
        Err(ServiceError::OutOfSequence { service: service.to_string(), times: TRIES })
    }

    /// Removes a service with its tasks.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn remove(
        &self,
        service: &Id,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let removed = self.engine.delete(&format!("/services/{service}"), &[], cancel).await;
        removed.map_err(ServiceError::of("remove the service"))
    }

    async fn post_update(
        &self,
        service: &Id,
        version: Version,
        query: &[(&str, &str)],
        spec: &Value,
        cancel: &CancellationToken,
    ) -> Result<Made, ServiceError> {
        let version = version.index.to_string();
        let mut all = vec![("version", version.as_str())];
        all.extend(query);
        let path = format!("/services/{service}/update");
        let answer = self.engine.post_json(&path, &all, spec, cancel).await;
        let answer = answer.map_err(ServiceError::of("update the service"))?;
        Ok(Made { id: service.clone(), warnings: warnings(&answer) })
    }

    async fn raw(&self, service: &Id, cancel: &CancellationToken) -> Result<Raw, ServiceError> {
        let raw = self.engine.get_json(&format!("/services/{service}"), &[], cancel).await;
        raw.map_err(ServiceError::of("read the service"))
    }

    /// The identifiers of the networks, secrets and configs that options name.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`] for the first that is not there; [`ServiceError::Engine`].
    pub async fn resolve(
        &self,
        options: &Options,
        remove: &Removals,
        cancel: &CancellationToken,
    ) -> Result<Resolved, ServiceError> {
        let mut resolved = Resolved::default();
        let named = options.networks.iter().map(|one| &one.network).chain(&remove.networks);
        for name in named {
            if !resolved.networks.contains_key(name) {
                let id = self.network_id(name, cancel).await?;
                resolved.networks.insert(name.clone(), id);
            }
        }
        if !options.secrets.is_empty() {
            let all = self.secrets(cancel).await?;
            for file in &options.secrets {
                let id = by_name(Kind::Secret, &all, &file.source)?;
                resolved.secrets.insert(file.source.clone(), id);
            }
        }
        let mut configs: Vec<&str> = options.configs.iter().map(|file| &*file.source).collect();
        if let Some(crate::spec::CredentialSpec::Config(name)) = &options.credential_spec {
            configs.push(name);
        }
        if !configs.is_empty() {
            let all = self.configs(cancel).await?;
            for name in configs {
                let id = by_name(Kind::Config, &all, name)?;
                resolved.configs.insert(name.into(), id);
            }
        }
        Ok(resolved)
    }

    async fn network_id(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<String, ServiceError> {
        let unknown = || ServiceError::Unknown { kind: Kind::Network, name: name.into() };
        if name.contains('/') || !fits_a_path(name) {
            return Err(unknown());
        }
        let path = format!("/networks/{name}");
        let found: Result<Value, _> =
            self.engine.get_json(&path, &[("scope", "swarm")], cancel).await;
        let action = "find the network";
        match found {
            Ok(network) => network["Id"]
                .as_str()
                .map(str::to_owned)
                .ok_or(ServiceError::Answer { action, field: "Id" }),
            Err(error) if error.api().is_some_and(|(status, _)| status == 404) => Err(unknown()),
            Err(error) => Err(ServiceError::of(action)(error)),
        }
    }

    /// Refuses ports that a service other than `own` has.
    ///
    /// # Errors
    /// [`ServiceError::PortInUse`], [`ServiceError::Engine`].
    pub async fn check_ports(
        &self,
        own: Option<&Id>,
        ports: impl Iterator<Item = PublishedPort>,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let wanted: Vec<_> = ports.filter(|port| port.published_port != 0).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        for service in self.list(cancel).await? {
            if own == Some(&service.id) {
                continue;
            }
            // What is asked for counts before it is in force; what the swarm chose, only then.
            let asked = service.spec.endpoint_spec.iter().flat_map(|spec| &spec.ports);
            let theirs: Claims = service.endpoint.ports.iter().chain(asked).collect();
            if let Some(port) = wanted.iter().find(|port| theirs.collides(port)) {
                return Err(ServiceError::PortInUse {
                    port: port.published_port,
                    protocol: port.protocol.to_string(),
                    service: service.spec.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Asks the image's registry for its digest and writes it into `spec`, with the platforms the
    /// image exists for. Where the registry cannot be asked, the image stays and docker's warning is
    /// returned. So it is where the registry refuses, but this manager has the image: it may be on
    /// the other nodes, too.
    ///
    /// # Errors
    /// [`ServiceError::NoImage`], if the registry says so; [`ServiceError::Engine`], only if the
    /// work was cancelled.
    pub async fn pin(
        &self,
        spec: &mut Value,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, ServiceError> {
        let image = spec["TaskTemplate"]["ContainerSpec"]["Image"].as_str().unwrap_or_default();
        let image = image.to_owned();
        let action = "ask for the image at its registry";
        let warning = Some(image::digest_warning(&image));
        if !fits_a_path(&image) {
            // It is no image's name, as the engine will say.
            return Ok(warning);
        }
        let path = format!("/distribution/{image}/json");
        let answer: Result<Value, _> = self.engine.get_json(&path, &[], cancel).await;
        match answer {
            Ok(answer) => {
                let Some((pinned, platforms)) = image::pinned(&image, &answer) else {
                    return Ok(warning);
                };
                let platform = |one: &crate::api::Platform| json!({ "Architecture": one.architecture, "OS": one.os });
                let platforms = platforms.iter().map(platform).collect();
                set_image(spec, &pinned.into(), &Value::Array(platforms));
                Ok(None)
            }
            Err(error @ EngineError::Cancelled { .. }) => Err(ServiceError::of(action)(error)),
            Err(error) => {
                let Some((message, denied)) = refusal(&error) else { return Ok(warning) };
                let here = format!("/images/{image}/json");
                let here: Result<Value, _> = self.engine.get_json(&here, &[], cancel).await;
                match here {
                    Ok(_) => Ok(warning),
                    Err(_) => Err(ServiceError::NoImage { image, message, denied }),
                }
            }
        }
    }

    /// Refuses what the engine would leave out without a word.
    fn check_version(&self, options: &Options) -> Result<(), SpecError> {
        let found = self.engine.api_version();
        let mounts = |asks: fn(&Mount) -> Option<bool>| {
            options.mounts.iter().any(|mount| asks(mount) == Some(true))
        };
        let subpath = |mount: &Mount| Some(mount.volume_options.as_ref()?.subpath.is_some());
        let writable = |mount: &Mount| mount.bind_options.as_ref()?.read_only_non_recursive;
        let readonly = |mount: &Mount| mount.bind_options.as_ref()?.read_only_force_recursive;
        let asked = [
            ("--health-start-interval", 44, options.health.start_interval.is_some()),
            ("volume-subpath", 45, mounts(subpath)),
            ("bind-recursive=writable", 44, mounts(writable)),
            ("bind-recursive=readonly", 44, mounts(readonly)),
        ];
        for (option, minor, is_asked) in asked {
            let needed = ApiVersion { major: 1, minor };
            if is_asked && found < needed {
                return Err(SpecError::Api { option, needed, found });
            }
        }
        Ok(())
    }
}

/// A service as the engine has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    version: Version,
    spec: Value,
}

/// Whether a name can stand in a request's path as it is. The names that an engine gives can.
fn fits_a_path(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

fn set_image(spec: &mut Value, image: &Value, platforms: &Value) {
    let task = &mut spec["TaskTemplate"];
    task["ContainerSpec"]["Image"] = image.clone();
    if platforms.as_array().is_some_and(|list| !list.is_empty()) {
        task["Placement"]["Platforms"] = platforms.clone();
    }
}

fn by_name(kind: Kind, all: &[crate::objects::Object], name: &str) -> Result<String, ServiceError> {
    let found = all.iter().find(|one| one.spec.name == name);
    found
        .map(|one| one.id.to_string())
        .ok_or_else(|| ServiceError::Unknown { kind, name: name.into() })
}

fn warnings(answer: &Value) -> Vec<String> {
    // `Warnings` of both answers; `create` of old engines has one `Warning`.
    let list = answer["Warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is_out_of_sequence(error: &ServiceError) -> bool {
    let ServiceError::Engine { source, .. } = error else { return false };
    source.api().is_some_and(|(_, message)| message.contains("update out of sequence"))
}

/// The registry's words, if it was the registry that said no, and whether credentials may help.
fn refusal(error: &EngineError) -> Option<(String, bool)> {
    let (status, message) = error.api()?;
    let denied = matches!(status, 401 | 403);
    // Another 404 is an engine that does not know the question; whatever else goes wrong between the
    // engine and its registry is a 500.
    (denied || (status == 404 && message.contains("unknown"))).then(|| (message.to_owned(), denied))
}
