//! What a stack has besides its services: networks, volumes, secrets and configs.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use skep_read::limit;

use super::{
    NAMESPACE_LABEL,
    fault::Place,
    normal::World,
    reader::{Spot, unknown},
    scope,
};
use crate::spec::{DriverConfig, VolumeOptions};

const OVERLAY: &str = "overlay";

/// What a secret or config holds. Its text appears nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Data(Vec<u8>);

impl Data {
    /// As the API has it.
    pub(super) fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} bytes)", self.0.len())
    }
}

/// A network: the stack's own, or one that must be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub name: String,
    /// What it is made as; `None` if it is not the stack's.
    pub create: Option<Value>,
    pub place: Option<Place>,
}

/// A volume; it is made where a task needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    pub name: String,
    /// `VolumeOptions` of a mount, without what the mount says itself.
    pub(super) options: VolumeOptions,
}

/// A secret or a config: the stack's own, or one that must be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub name: String,
    /// What it is made as, without its data; `None` if it is not the stack's.
    pub create: Option<Value>,
    pub data: Option<Data>,
    /// Where that came from, as messages say.
    pub origin: String,
    pub place: Place,
}

impl Object {
    /// The body of a request that makes or changes it.
    pub(super) fn body(&self) -> Value {
        let mut body = self.create.clone().unwrap_or_default();
        if let Some(data) = &self.data {
            body["Data"] = data.to_base64().into();
        }
        body
    }
}

/// Labels of something that is the stack's.
pub(super) fn stack_labels(stack: &str, labels: BTreeMap<String, String>) -> Map<String, Value> {
    let mut map: Map<String, Value> =
        labels.into_iter().map(|(key, value)| (key, value.into())).collect();
    map.insert(NAMESPACE_LABEL.into(), stack.into());
    map
}

/// `external` and `name`: the name in the swarm, and whether it is not the stack's.
fn name_of(
    stack: &str,
    key: &str,
    external: Option<Spot<'_>>,
    name: Option<Spot<'_>>,
) -> (String, bool) {
    let mut old_name = None;
    let is_external = external.is_some_and(|spot| match &spot.node.content {
        // The old form `external: {name: …}`.
        super::yaml::Content::Map(_) => {
            if let Some(mut fields) = spot.fields() {
                old_name = fields.take("name").and_then(|spot| spot.text());
                fields.end(unknown);
            }
            if let (Some(_), Some(name)) = (&old_name, &name) {
                name.wrong::<()>("the name is given twice", "remove `external.name`");
            }
            true
        }
        _ => spot.truth().unwrap_or_default(),
    });
    let name = name.and_then(|spot| spot.text()).filter(|name| !name.is_empty()).or(old_name);
    let own = || if is_external { key.to_owned() } else { scope(stack, key) };
    (name.unwrap_or_else(own), is_external)
}

/// Reads a member of the top-level `networks`; `None` stands for the default network that no file
/// declares.
pub(super) fn network(stack: &str, key: &str, spot: Option<&Spot<'_>>) -> Network {
    let spot = spot.filter(|spot| !spot.node.is_null());
    let place = spot.map(|spot| spot.place().clone());
    let mut create = json!({
        "CheckDuplicate": true,
        "Driver": OVERLAY,
        "Labels": stack_labels(stack, BTreeMap::new()),
    });
    let Some(mut fields) = spot.and_then(Spot::fields) else {
        return Network { name: scope(stack, key), create: Some(create), place };
    };
    let (name, external) = name_of(stack, key, fields.take("external"), fields.take("name"));
    if external {
        fields.end(|_| Some(("an external network is used as it is", "remove this key")));
        return Network { name, create: None, place };
    }
    if let Some(driver) = fields.take("driver").and_then(|spot| spot.text()) {
        create["Driver"] = driver.into();
    }
    for (key, flag) in [("internal", "Internal"), ("attachable", "Attachable")] {
        if let Some(true) = fields.take(key).and_then(|spot| spot.truth()) {
            create[flag] = true.into();
        }
    }
    if let Some(options) = fields.take("driver_opts").and_then(|spot| spot.pairs()) {
        create["Options"] = json!(options);
    }
    if let Some(labels) = fields.take("labels").and_then(|spot| spot.pairs()) {
        create["Labels"] = stack_labels(stack, labels).into();
    }
    if let Some(ipam) = fields.take("ipam").and_then(|spot| ipam(&spot)) {
        create["IPAM"] = ipam;
    }
    fields.end(|key| match key {
        "enable_ipv6" => Some((
            "docker does not give it to a stack's network",
            "make the network with `docker network create --ipv6` and declare it external",
        )),
        _ => None,
    });
    Network { name, create: Some(create), place }
}

/// Adds a field that is there.
fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn ipam(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    put(&mut map, "Driver", fields.take("driver").and_then(|spot| spot.text()));
    let pools = fields.take("config").and_then(|spot| {
        let pool = |spot: &Spot<'_>| {
            let mut fields = spot.fields()?;
            let subnet = fields.take("subnet").and_then(|spot| spot.text());
            fields.end(|_| {
                Some((
                    "a stack's network takes a `subnet` only",
                    "make the network with `docker network create` and declare it external",
                ))
            });
            Some(json!({"Subnet": subnet?}))
        };
        Some(spot.items()?.iter().filter_map(pool).collect::<Vec<_>>())
    });
    put(&mut map, "Config", pools);
    fields.end(unknown);
    Some(map).filter(|map| !map.is_empty()).map(Value::Object)
}

/// Labels and driver of a volume that is made where a task needs it.
pub(super) fn volume_options(
    labels: Map<String, Value>,
    driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
) -> VolumeOptions {
    let driver_config = (driver.is_some() || options.is_some()).then(|| DriverConfig {
        name: driver,
        options: options
            .map(|all| all.into_iter().map(|(key, value)| (key, value.into())).collect()),
    });
    VolumeOptions { labels: Some(labels), driver_config, ..VolumeOptions::default() }
}

/// Reads a member of the top-level `volumes`.
pub(super) fn volume(stack: &str, key: &str, spot: &Spot<'_>) -> Volume {
    let own = |labels| stack_labels(stack, labels);
    if spot.node.is_null() {
        let options = volume_options(own(BTreeMap::new()), None, None);
        return Volume { name: scope(stack, key), options };
    }
    let Some(mut fields) = spot.fields() else {
        return Volume { name: scope(stack, key), options: VolumeOptions::default() };
    };
    let (name, external) = name_of(stack, key, fields.take("external"), fields.take("name"));
    if external {
        fields.end(|_| Some(("an external volume is used as it is", "remove this key")));
        return Volume { name, options: VolumeOptions::default() };
    }
    let driver = fields.take("driver").and_then(|spot| spot.text());
    let options = fields.take("driver_opts").and_then(|spot| spot.pairs());
    let labels = fields.take("labels").and_then(|spot| spot.pairs()).unwrap_or_default();
    if let Some(spot) = fields.take("x-cluster-spec") {
        spot.wrong::<()>("cluster volumes (CSI) are not supported", "use a volume driver");
    }
    fields.end(unknown);
    Volume { name, options: volume_options(own(labels), driver, options) }
}

/// Reads a member of the top-level `secrets` or `configs`. Its file is read now.
pub(super) fn object(
    stack: &str,
    key: &str,
    spot: &Spot<'_>,
    secret: bool,
    world: &World<'_>,
) -> Option<Object> {
    let mut fields = spot.fields()?;
    let (name, external) = name_of(stack, key, fields.take("external"), fields.take("name"));
    let place = spot.place().clone();
    if external {
        fields.end(|_| Some(("it is external and used as it is", "remove this key")));
        return Some(Object { name, create: None, data: None, origin: String::new(), place });
    }
    let labels = fields.take("labels").and_then(|spot| spot.pairs()).unwrap_or_default();
    let mut create = json!({"Name": name, "Labels": stack_labels(stack, labels)});
    if let Some(template) = fields.take("template_driver").and_then(|spot| spot.text()) {
        create["Templating"] = json!({"Name": template});
    }
    let driver = if secret { fields.take("driver") } else { None };
    let driver_options = if secret { fields.take("driver_opts") } else { None };
    let sources = [
        fields.take("file"),
        if secret { fields.take("environment") } else { None },
        if secret { None } else { fields.take("content") },
        driver,
    ];
    fields.end(unknown);
    if sources.iter().flatten().count() != 1 {
        let (what, ways) = match secret {
            true => ("secret", "file, environment, driver and external"),
            false => ("config", "file, content and external"),
        };
        return spot.wrong(
            format!(
                "a {what} comes from one place, and this has {}",
                sources.iter().flatten().count()
            ),
            format!("write one of {ways}"),
        );
    }
    let [file, environment, content, driver] = sources;
    let limit = if secret { limit::SECRET } else { limit::CONFIG };
    let (data, origin) = if let Some(spot) = file {
        let path = world.absolute(&spot.text()?);
        match skep_read::bytes(&path, limit) {
            Ok(data) => match world.spend(data.len()) {
                Ok(()) => (data, path),
                Err(problem) => return spot.wrong(problem, ""),
            },
            Err(error) => return spot.wrong(format!("cannot read {path}: {error}"), ""),
        }
    } else if let Some(spot) = environment {
        let name = spot.text()?;
        match world.environment.get(&name) {
            Some(value) => (value.clone().into_bytes(), format!("the variable {name}")),
            None => return spot.wrong(format!("the variable {name} is not set"), "set it"),
        }
    } else if let Some(spot) = content {
        (spot.text()?.into_bytes(), spot.place().to_string())
    } else {
        let plugin = driver?.text()?;
        create["Driver"] = json!({"Name": plugin});
        if let Some(options) = driver_options.and_then(|spot| spot.pairs()) {
            create["Driver"]["Options"] = json!(options);
        }
        let origin = format!("the driver {plugin}");
        return Some(Object { name, create: Some(create), data: None, origin, place });
    };
    // The engine would refuse either, when half of the stack is there.
    let size = data.len() as u64;
    let what = if secret { "secret" } else { "config" };
    if size == 0 {
        return spot.wrong(format!("{origin} is empty, and a {what} holds something"), "");
    }
    if size > limit {
        let problem = format!("{origin} has {size} bytes, and a {what} holds at most {limit}");
        return spot.wrong(problem, "");
    }
    Some(Object { name, create: Some(create), data: Some(Data(data)), origin, place })
}
