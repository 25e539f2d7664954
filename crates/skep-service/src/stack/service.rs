//! One service of a stack, as the `ServiceSpec` of the Docker Engine API that docker's
//! `cli/compose/convert` makes of it.

mod attached;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    IMAGE_LABEL, NAMESPACE_LABEL,
    deploy::{deploy, key_values, labels, span},
    mounts::mount,
    normal::World,
    objects::{Network, Object, Volume},
    reader::{Fields, Spot, unknown},
    scope,
    unsupported::service_key,
};
use crate::{
    api::PublishedPort,
    spec::{
        CredentialSpec, FileReference, Health, Host, KeyValue, Label, Options, PositiveSpan,
        ServiceCreate, Ulimit, Words,
    },
};

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
    let name = scope(stack, key);
    let mut service = ServiceCreate {
        name: Some(name.clone()),
        image: image.clone(),
        ..ServiceCreate::default()
    };
    if let Some(spot) = fields.take("deploy") {
        deploy(&spot, &mut service);
    }
    let options = &mut service.options;
    options.labels.extend([label(NAMESPACE_LABEL, stack), label(IMAGE_LABEL, &image)]);
    if let Some(spot) = fields.take("logging") {
        logging(&spot, options);
    }
    options.networks =
        attached::networks(stack, key, fields.take("networks"), spot, declared, used);
    let ports = attached::ports(fields.take("ports"));
    container(stack, &mut fields, declared, world, &mut service);
    fields.end(service_key);
    if image.is_empty() {
        return spot.wrong("the service has no image", "write `image: NAME:TAG`");
    }
    let mut spec = match service.stack_spec() {
        Ok(spec) => spec,
        Err(error) => return spot.wrong(error.to_string(), ""),
    };
    // In docker's order, and one that is published twice without a number is two.
    if !ports.is_empty() {
        spec["EndpointSpec"]["Ports"] = ports.iter().map(PublishedPort::to_json).collect();
    }
    Some(Wanted { name, image, spec })
}

/// A label that a stack's objects have.
fn label(key: &str, value: &str) -> Label {
    Label(KeyValue { key: key.into(), value: value.into() })
}

fn container(
    stack: &str,
    fields: &mut Fields<'_>,
    declared: &Declared,
    world: &World<'_>,
    service: &mut ServiceCreate,
) {
    let options = &mut service.options;
    options.container_labels = labels(fields.take("labels")).collect();
    options.container_labels.push(label(NAMESPACE_LABEL, stack));
    let mut texts = |key: &str| fields.take(key).and_then(|spot| spot.texts());
    options.entrypoint = texts("entrypoint").map(Words);
    service.args = texts("command").unwrap_or_default();
    options.dns = texts("dns").unwrap_or_default();
    options.dns_search = texts("dns_search").unwrap_or_default();
    options.cap_add = texts("cap_add").unwrap_or_default();
    options.cap_drop = texts("cap_drop").unwrap_or_default();
    let mut text = |key: &str| fields.take(key).and_then(|spot| spot.text());
    options.hostname = text("hostname");
    options.workdir = text("working_dir");
    options.user = text("user");
    options.stop_signal = text("stop_signal");
    let mut truth = |key: &str| fields.take(key).and_then(|spot| spot.truth());
    options.init = truth("init");
    options.tty = truth("tty").filter(|yes| *yes);
    options.open_stdin = truth("stdin_open").filter(|yes| *yes);
    options.read_only = truth("read_only").filter(|yes| *yes);
    options.stop_grace_period = span(fields.take("stop_grace_period"));
    let env = fields.take("environment").and_then(|spot| environment(&spot));
    options.env = env.unwrap_or_default();
    options.credential_spec = fields.take("credential_spec").and_then(|spot| credentials(&spot));
    let health = fields.take("healthcheck").and_then(|spot| health(&spot));
    options.health = health.unwrap_or_default();
    let hosts = fields.take("extra_hosts").and_then(|spot| hosts(&spot));
    options.hosts = hosts.unwrap_or_default();
    let mounts = fields.take("volumes").and_then(|spot| spot.items());
    let mount = |spot: Spot<'_>| mount(&spot, &declared.volumes, world);
    options.mounts = mounts.into_iter().flatten().filter_map(mount).collect();
    let secrets = fields.take("secrets");
    options.secrets = references(secrets, "secret", &declared.secrets);
    let configs = fields.take("configs");
    options.configs = references(configs, "config", &declared.configs);
    let isolation = fields.take("isolation");
    options.isolation = isolation.and_then(|spot| spot.word(&["default", "process", "hyperv"]));
    options.sysctls = key_values(fields.take("sysctls")).collect();
    let ulimits = fields.take("ulimits").and_then(|spot| spot.members());
    options.ulimits = ulimits.into_iter().flatten().filter_map(ulimit).collect();
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

fn health(spot: &Spot<'_>) -> Option<Health> {
    let mut fields = spot.fields()?;
    let test_spot = fields.take("test");
    let test = test_spot.as_ref().and_then(Spot::texts);
    let disabled = fields.take("disable").and_then(|spot| spot.truth()).unwrap_or_default();
    let mut span = |key: &str| fields.take(key).and_then(|spot| spot.parse::<PositiveSpan>());
    let health = Health {
        test,
        interval: span("interval"),
        timeout: span("timeout"),
        start_period: span("start_period"),
        start_interval: span("start_interval"),
        retries: fields.take("retries").and_then(|spot| spot.whole::<u32>()).map(u64::from),
        none: false,
    };
    fields.end(unknown);
    if disabled {
        if let Some(spot) = test_spot {
            return spot.wrong("a health check that is disabled has a test", "remove one of them");
        }
        return Some(Health { none: true, ..Health::default() });
    }
    if let (Some(spot), Some(first)) =
        (&test_spot, health.test.as_ref().and_then(|test| test.first()))
        && !matches!(first.as_str(), "NONE" | "CMD" | "CMD-SHELL")
    {
        return spot.wrong(
            format!("a test begins with CMD, CMD-SHELL or NONE, and not with `{first}`"),
            "write it as one text to have a shell run it",
        );
    }
    Some(health)
}

fn hosts(spot: &Spot<'_>) -> Option<Vec<Host>> {
    let host = |spot: &Spot<'_>| {
        let text = spot.text()?;
        match text.split_once(':') {
            Some((name, address)) if !name.is_empty() && !address.is_empty() => {
                Some(Host { name: name.into(), address: address.into() })
            }
            _ => spot.wrong(format!("`{text}` is no host with its address"), "write host=address"),
        }
    };
    Some(spot.items()?.iter().filter_map(host).collect())
}

fn credentials(spot: &Spot<'_>) -> Option<CredentialSpec> {
    let mut fields = spot.fields()?;
    let file = fields.take("file").and_then(|spot| spot.text());
    let registry = fields.take("registry").and_then(|spot| spot.text());
    fields.end(|key| match key {
        "config" => {
            Some(("a credential spec from a config is not supported", "use `file` or `registry`"))
        }
        _ => None,
    });
    match (file, registry) {
        (Some(file), None) => Some(CredentialSpec::File(file)),
        (None, Some(registry)) => Some(CredentialSpec::Registry(registry)),
        _ => spot.wrong("a credential spec has one of `file` and `registry`", ""),
    }
}

/// Secrets or configs of a service, in the order of their names.
fn references(
    spot: Option<Spot<'_>>,
    kind: &str,
    declared: &BTreeMap<String, Object>,
) -> Vec<FileReference> {
    let reference = |spot: Spot<'_>| {
        let mut fields = spot.fields()?;
        let source_spot = fields.take("source");
        let source = source_spot.as_ref().and_then(Spot::text);
        let mut text = |key: &str| fields.take(key).and_then(|spot| spot.text());
        let (target, uid, gid) = (text("target"), text("uid"), text("gid"));
        let mode = fields.take("mode").and_then(|spot| spot.whole::<u32>());
        fields.end(unknown);
        let Some(source) = source else {
            return spot.wrong(format!("`source`, the {kind}, is missing"), "");
        };
        let Some(object) = declared.get(&source) else {
            return source_spot.as_ref().unwrap_or(&spot).wrong(
                format!("there is no {kind} `{source}` in this stack"),
                format!("declare it at the top: `{kind}s: {{{source}: …}}`"),
            );
        };
        let usual = FileReference::new(&object.name, &target.unwrap_or(source));
        Some(FileReference {
            uid: uid.unwrap_or(usual.uid),
            gid: gid.unwrap_or(usual.gid),
            mode: mode.unwrap_or(usual.mode),
            ..usual
        })
    };
    let items = spot.and_then(|spot| spot.items()).unwrap_or_default();
    let mut all: Vec<_> = items.into_iter().filter_map(reference).collect();
    all.sort_by(|one, other| one.source.cmp(&other.source));
    all
}

fn ulimit((entry, spot): (&super::yaml::Entry, Spot<'_>)) -> Option<Ulimit> {
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
    Some(Ulimit { name: entry.key.clone(), hard, soft })
}

fn logging(spot: &Spot<'_>, options: &mut Options) {
    let Some(mut fields) = spot.fields() else { return };
    let driver = fields.take("driver").and_then(|spot| spot.text());
    options.log_driver = Some(driver.unwrap_or_default());
    options.log_options = key_values(fields.take("options")).collect();
    fields.end(unknown);
}
