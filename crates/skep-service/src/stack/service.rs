//! One service of a stack, as the `ServiceSpec` of the Docker Engine API that docker's
//! `cli/compose/convert` makes of it.

mod attached;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    IMAGE_LABEL,
    deploy::{Deploy, deploy, put, span},
    mounts::mount,
    normal::World,
    objects::{Network, Object, Volume, stack_labels},
    reader::{Fields, Spot, unknown},
    scope,
    unsupported::service_key,
};

/// The permissions of a secret's or config's file if nobody says.
const FILE_MODE: u32 = 0o444;

/// What a service may refer to, by the names in the file.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) secrets: BTreeMap<String, Object>,
    pub(super) configs: BTreeMap<String, Object>,
}

/// A service that a stack is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its name in the swarm: `web_front`.
    pub name: String,
    /// Its image as the file has it.
    pub image: String,
    /// The `ServiceSpec`. Networks are there by their names; secrets and configs have no identifier.
    pub spec: Value,
}

/// Reads the service `key` of `stack`; names of networks it uses are put into `used`.
pub(super) fn service(
    stack: &str,
    key: &str,
    spot: &Spot<'_>,
    declared: &Declared,
    world: &World<'_>,
    used: &mut BTreeSet<String>,
) -> Option<Wanted> {
    let mut fields = spot.fields()?;
    let image_spot = fields.take("image");
    let image = image_spot.as_ref().and_then(Spot::text).unwrap_or_default();
    let Deploy {
        labels,
        mode,
        update_config,
        rollback_config,
        resources,
        restart_policy,
        placement,
        endpoint_mode,
    } = fields.take("deploy").map(|spot| deploy(&spot)).unwrap_or_default();
    let mut service_labels = labels;
    service_labels.insert(super::NAMESPACE_LABEL.into(), stack.into());
    service_labels.insert(IMAGE_LABEL.into(), image.as_str().into());

    let logging = fields.take("logging").and_then(|spot| logging(&spot));
    let networks = attached::networks(stack, key, fields.take("networks"), spot, declared, used);
    let endpoint = attached::endpoint(endpoint_mode, fields.take("ports"));
    let container = container(stack, &image, &mut fields, declared, world);
    fields.end(service_key);
    if image.is_empty() {
        return spot.wrong("the service has no image", "write `image: NAME:TAG`");
    }

    let mut template = Map::new();
    template.insert("ContainerSpec".into(), container.into());
    template.insert("Resources".into(), resources);
    put(&mut template, "RestartPolicy", restart_policy);
    template.insert("Placement".into(), placement);
    template.insert("Networks".into(), networks.into());
    put(&mut template, "LogDriver", logging);
    template.insert("ForceUpdate".into(), 0.into());
    let name = scope(stack, key);
    let mut spec = Map::new();
    spec.insert("Name".into(), name.as_str().into());
    spec.insert("Labels".into(), service_labels.into());
    spec.insert("TaskTemplate".into(), template.into());
    spec.insert("Mode".into(), mode);
    put(&mut spec, "UpdateConfig", update_config);
    put(&mut spec, "RollbackConfig", rollback_config);
    spec.insert("EndpointSpec".into(), endpoint);
    Some(Wanted { name, image, spec: spec.into() })
}

fn container(
    stack: &str,
    image: &str,
    fields: &mut Fields<'_>,
    declared: &Declared,
    world: &World<'_>,
) -> Map<String, Value> {
    let mut map = Map::new();
    let pairs = |spot: Spot<'_>| spot.pairs();
    map.insert("Image".into(), image.into());
    let labels = fields.take("labels").and_then(pairs).unwrap_or_default();
    map.insert("Labels".into(), stack_labels(stack, labels).into());
    put(&mut map, "Command", fields.take("entrypoint").and_then(|spot| spot.texts()));
    put(&mut map, "Args", fields.take("command").and_then(|spot| spot.texts()));
    put(&mut map, "Hostname", fields.take("hostname").and_then(|spot| spot.text()));
    put(&mut map, "Env", fields.take("environment").and_then(|spot| environment(&spot)));
    put(&mut map, "Dir", fields.take("working_dir").and_then(|spot| spot.text()));
    put(&mut map, "User", fields.take("user").and_then(|spot| spot.text()));
    let privileges = privileges(fields.take("credential_spec"));
    map.insert("Privileges".into(), privileges);
    for (key, name) in [("tty", "TTY"), ("stdin_open", "OpenStdin"), ("read_only", "ReadOnly")] {
        if let Some(true) = fields.take(key).and_then(|spot| spot.truth()) {
            map.insert(name.into(), true.into());
        }
    }
    put(&mut map, "StopSignal", fields.take("stop_signal").and_then(|spot| spot.text()));
    put(&mut map, "StopGracePeriod", span(fields.take("stop_grace_period")));
    put(&mut map, "Init", fields.take("init").and_then(|spot| spot.truth()));
    put(&mut map, "Healthcheck", fields.take("healthcheck").and_then(|spot| health(&spot)));
    put(&mut map, "Hosts", fields.take("extra_hosts").and_then(|spot| hosts(&spot)));
    let name_servers = fields.take("dns").and_then(|spot| spot.texts());
    let search = fields.take("dns_search").and_then(|spot| spot.texts());
    if name_servers.is_some() || search.is_some() {
        let mut dns = Map::new();
        put(&mut dns, "Nameservers", name_servers);
        put(&mut dns, "Search", search);
        map.insert("DNSConfig".into(), dns.into());
    }
    let mounts = fields.take("volumes").and_then(|spot| {
        let mount = |spot: &Spot<'_>| Some(mount(spot, &declared.volumes, world)?.to_json());
        Some(spot.items()?.iter().filter_map(mount).collect::<Vec<_>>())
    });
    put(&mut map, "Mounts", mounts);
    for (key, name, kind, objects) in [
        ("secrets", "Secrets", "secret", &declared.secrets),
        ("configs", "Configs", "config", &declared.configs),
    ] {
        let found = fields.take(key).and_then(|spot| references(&spot, kind, objects));
        put(&mut map, name, found);
    }
    let isolation = fields.take("isolation");
    let isolation = isolation.and_then(|spot| spot.word(&["default", "process", "hyperv"]));
    put(&mut map, "Isolation", isolation);
    put(&mut map, "Sysctls", fields.take("sysctls").and_then(pairs).map(|all| json!(all)));
    let add = fields.take("cap_add").and_then(|spot| spot.texts());
    let drop = fields.take("cap_drop").and_then(|spot| spot.texts());
    let (add, drop) = capabilities(add.unwrap_or_default(), drop.unwrap_or_default());
    put(&mut map, "CapabilityAdd", Some(add).filter(|all| !all.is_empty()));
    put(&mut map, "CapabilityDrop", Some(drop).filter(|all| !all.is_empty()));
    put(&mut map, "Ulimits", fields.take("ulimits").and_then(|spot| ulimits(&spot)));
    map
}

/// Sorted; a variable without a value is there by its name, which takes it from the image away.
fn environment(spot: &Spot<'_>) -> Option<Vec<String>> {
    let variable = |(entry, spot): (&super::yaml::Entry, Spot<'_>)| {
        if spot.node.is_null() {
            return Some(entry.key.clone());
        }
        Some(format!("{}={}", entry.key, spot.value()?))
    };
    let mut all: Vec<_> = spot.members()?.into_iter().filter_map(variable).collect();
    all.sort();
    Some(all)
}

fn health(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let test_spot = fields.take("test");
    let test = test_spot.as_ref().and_then(Spot::texts);
    let disabled = fields.take("disable").and_then(|spot| spot.truth()).unwrap_or_default();
    let mut map = Map::new();
    for (key, name) in [
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start_period", "StartPeriod"),
        ("start_interval", "StartInterval"),
    ] {
        put(&mut map, name, span(fields.take(key)));
    }
    put(&mut map, "Retries", fields.take("retries").and_then(|spot| spot.whole::<u32>()));
    fields.end(unknown);
    if disabled {
        if let Some(spot) = test_spot {
            return spot.wrong("a health check that is disabled has a test", "remove one of them");
        }
        return Some(json!({"Test": ["NONE"]}));
    }
    if let (Some(spot), Some(first)) = (&test_spot, test.as_ref().and_then(|test| test.first()))
        && !matches!(first.as_str(), "NONE" | "CMD" | "CMD-SHELL")
    {
        return spot.wrong(
            format!("a test begins with CMD, CMD-SHELL or NONE, and not with `{first}`"),
            "write it as one text to have a shell run it",
        );
    }
    put(&mut map, "Test", test);
    Some(map.into())
}

/// `host:address` as `address host`.
fn hosts(spot: &Spot<'_>) -> Option<Vec<String>> {
    let host = |spot: &Spot<'_>| {
        let text = spot.text()?;
        match text.split_once(':') {
            Some((host, address)) if !host.is_empty() && !address.is_empty() => {
                Some(format!("{address} {host}"))
            }
            _ => spot.wrong(format!("`{text}` is no host with its address"), "write host=address"),
        }
    };
    Some(spot.items()?.iter().filter_map(host).collect())
}

fn privileges(credentials: Option<Spot<'_>>) -> Value {
    let found = credentials.and_then(|spot| {
        let mut fields = spot.fields()?;
        let file = fields.take("file").and_then(|spot| spot.text());
        let registry = fields.take("registry").and_then(|spot| spot.text());
        fields.end(|key| match key {
            "config" => Some((
                "a credential spec from a config is not supported",
                "use `file` or `registry`",
            )),
            _ => None,
        });
        match (file, registry) {
            (Some(file), None) => Some(json!({"File": file})),
            (None, Some(registry)) => Some(json!({"Registry": registry})),
            _ => spot.wrong("a credential spec has one of `file` and `registry`", ""),
        }
    });
    json!({"CredentialSpec": found, "SELinuxContext": null})
}

/// Secrets or configs of a service, in the order of their names.
fn references(
    spot: &Spot<'_>,
    kind: &str,
    declared: &BTreeMap<String, Object>,
) -> Option<Vec<Value>> {
    let reference = |spot: &Spot<'_>| {
        let mut fields = spot.fields()?;
        let source_spot = fields.take("source");
        let source = source_spot.as_ref().and_then(Spot::text);
        let target = fields.take("target").and_then(|spot| spot.text());
        let uid = fields.take("uid").and_then(|spot| spot.text());
        let gid = fields.take("gid").and_then(|spot| spot.text());
        let mode = fields.take("mode").and_then(|spot| spot.whole::<u32>());
        fields.end(unknown);
        let Some(source) = source else {
            return spot.wrong(format!("`source`, the {kind}, is missing"), "");
        };
        let Some(object) = declared.get(&source) else {
            return source_spot.as_ref().unwrap_or(spot).wrong(
                format!("there is no {kind} `{source}` in this stack"),
                format!("declare it at the top: `{kind}s: {{{source}: …}}`"),
            );
        };
        let name_key = if kind == "secret" { "SecretName" } else { "ConfigName" };
        let mut map = Map::new();
        let file = json!({
            "Name": target.unwrap_or(source),
            "UID": uid.unwrap_or_else(|| "0".into()),
            "GID": gid.unwrap_or_else(|| "0".into()),
            "Mode": mode.unwrap_or(FILE_MODE),
        });
        map.insert("File".into(), file);
        map.insert(name_key.into(), object.name.as_str().into());
        Some((object.name.clone(), Value::Object(map)))
    };
    let mut all: Vec<_> = spot.items()?.iter().filter_map(reference).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(all.into_iter().map(|(_, reference)| reference).collect())
}

/// What is added and what is dropped, in docker's form; what is added is not dropped.
fn capabilities(add: Vec<String>, drop: Vec<String>) -> (Vec<String>, Vec<String>) {
    let normal = |names: Vec<String>| -> BTreeSet<String> {
        let name = |name: String| match name.trim().to_uppercase() {
            all if all == "ALL" || all.starts_with("CAP_") => all,
            name => format!("CAP_{name}"),
        };
        let names: BTreeSet<_> = names.into_iter().map(name).collect();
        if names.contains("ALL") { BTreeSet::from(["ALL".to_owned()]) } else { names }
    };
    let (add, drop) = (normal(add), normal(drop));
    let drop = drop.difference(&add).cloned().collect();
    (add.into_iter().collect(), drop)
}

fn ulimits(spot: &Spot<'_>) -> Option<Vec<Value>> {
    let limit = |(entry, spot): (&super::yaml::Entry, Spot<'_>)| {
        let (soft, hard) = match spot.node.content {
            super::yaml::Content::Map(_) => {
                let mut fields = spot.fields()?;
                let soft = fields.take("soft").and_then(|spot| spot.whole::<i64>());
                let hard = fields.take("hard").and_then(|spot| spot.whole::<i64>());
                fields.end(unknown);
                if soft.is_none() || hard.is_none() {
                    return spot.wrong("a limit has `soft` and `hard`", "or one number for both");
                }
                (soft?, hard?)
            }
            _ => spot.whole::<i64>().map(|limit| (limit, limit))?,
        };
        Some((entry.key.clone(), json!({"Name": entry.key, "Hard": hard, "Soft": soft})))
    };
    let all: BTreeMap<_, _> = spot.members()?.into_iter().filter_map(limit).collect();
    Some(all.into_values().collect())
}

fn logging(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    let driver = fields.take("driver").and_then(|spot| spot.text());
    map.insert("Name".into(), driver.unwrap_or_default().into());
    let options = fields.take("options").and_then(|spot| spot.pairs());
    put(&mut map, "Options", options.map(|options| json!(options)));
    fields.end(unknown);
    Some(map.into())
}
