//! `deploy` of a service: how many tasks, where, and how they are changed.

use serde_json::{Map, Value, json};

use super::reader::{Spot, unknown};
use crate::spec::value::{Cpus, Memory, PositiveSpan, Ratio};

/// What a service's `deploy` asks for, as parts of a `ServiceSpec`.
#[derive(Debug)]
pub(super) struct Deploy {
    pub(super) labels: Map<String, Value>,
    pub(super) mode: Value,
    pub(super) update_config: Option<Value>,
    pub(super) rollback_config: Option<Value>,
    pub(super) resources: Value,
    pub(super) restart_policy: Option<Value>,
    pub(super) placement: Value,
    pub(super) endpoint_mode: Option<String>,
}

impl Default for Deploy {
    fn default() -> Self {
        Self {
            labels: Map::new(),
            mode: json!({"Replicated": {}}),
            update_config: None,
            rollback_config: None,
            resources: json!({}),
            restart_policy: None,
            placement: json!({}),
            endpoint_mode: None,
        }
    }
}

/// Reads `deploy`.
pub(super) fn deploy(spot: &Spot<'_>) -> Deploy {
    let mut deploy = Deploy::default();
    let Some(mut fields) = spot.fields() else { return deploy };
    let labels = fields.take("labels").and_then(|spot| spot.pairs()).unwrap_or_default();
    deploy.labels = labels.into_iter().map(|(key, value)| (key, value.into())).collect();
    let replicas = fields.take("replicas");
    let mode = fields
        .take("mode")
        .and_then(|spot| spot.word(&["replicated", "global", "replicated-job", "global-job"]));
    deploy.mode = self::mode(mode.as_deref().unwrap_or("replicated"), replicas.as_ref());
    deploy.update_config = fields.take("update_config").and_then(|spot| update(&spot));
    deploy.rollback_config = fields.take("rollback_config").and_then(|spot| update(&spot));
    deploy.restart_policy = fields.take("restart_policy").and_then(|spot| restart(&spot));
    if let Some(spot) = fields.take("resources") {
        deploy.resources = resources(&spot).unwrap_or_default();
    }
    if let Some(spot) = fields.take("placement") {
        deploy.placement = placement(&spot).unwrap_or_default();
    }
    deploy.endpoint_mode =
        fields.take("endpoint_mode").and_then(|spot| spot.word(&["vip", "dnsrr"]));
    fields.end(unknown);
    deploy
}

fn mode(mode: &str, replicas: Option<&Spot<'_>>) -> Value {
    let count = replicas.and_then(|spot| spot.whole::<u64>());
    match (mode, replicas) {
        ("global" | "global-job", Some(spot)) => {
            let problem = format!("a service of mode {mode} has one task on each node");
            spot.wrong::<()>(problem, "remove `replicas`, or use mode replicated");
            Value::Null
        }
        ("global", None) => json!({"Global": {}}),
        ("global-job", None) => json!({"GlobalJob": {}}),
        ("replicated-job", _) => match count {
            Some(count) => {
                json!({"ReplicatedJob": {"MaxConcurrent": count, "TotalCompletions": count}})
            }
            None => json!({"ReplicatedJob": {}}),
        },
        _ => match count {
            Some(count) => json!({"Replicated": {"Replicas": count}}),
            None => json!({"Replicated": {}}),
        },
    }
}

/// Adds a field that is there.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

/// A duration in nanoseconds.
pub(super) fn span(spot: Option<Spot<'_>>) -> Option<i64> {
    spot?.parse::<PositiveSpan>().map(|span| span.0.as_nanoseconds())
}

fn update(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    let parallelism = fields.take("parallelism").and_then(|spot| spot.whole::<u64>());
    map.insert("Parallelism".into(), parallelism.unwrap_or(1).into());
    put(&mut map, "Delay", span(fields.take("delay")));
    let action = fields.take("failure_action");
    let action = action.and_then(|spot| spot.word(&["pause", "continue", "rollback"]));
    put(&mut map, "FailureAction", action);
    put(&mut map, "Monitor", span(fields.take("monitor")));
    let ratio = fields.take("max_failure_ratio").and_then(|spot| spot.parse::<Ratio>());
    map.insert("MaxFailureRatio".into(), ratio.map_or(json!(0), |ratio| ratio.as_f64().into()));
    let order = fields.take("order");
    let order = order.and_then(|spot| spot.word(&["stop-first", "start-first"]));
    map.insert("Order".into(), order.unwrap_or_default().into());
    fields.end(unknown);
    Some(map.into())
}

fn restart(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    let condition = fields.take("condition");
    let condition = condition.and_then(|spot| spot.word(&["none", "on-failure", "any"]));
    put(&mut map, "Condition", condition);
    put(&mut map, "Delay", span(fields.take("delay")));
    let attempts = fields.take("max_attempts").and_then(|spot| spot.whole::<u64>());
    put(&mut map, "MaxAttempts", attempts);
    put(&mut map, "Window", span(fields.take("window")));
    fields.end(unknown);
    Some(map.into())
}

fn resources(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    let limits = fields.take("limits").and_then(|spot| {
        let mut fields = spot.fields()?;
        let mut limits = amounts(&mut fields);
        put(&mut limits, "Pids", fields.take("pids").and_then(|spot| spot.whole::<i64>()));
        fields.end(unknown);
        Some(limits)
    });
    put(&mut map, "Limits", limits);
    let reservations = fields.take("reservations").and_then(|spot| {
        let mut fields = spot.fields()?;
        let mut reserved = amounts(&mut fields);
        let generic = fields
            .take("generic_resources")
            .and_then(|spot| Some(spot.items()?.iter().filter_map(generic).collect::<Vec<_>>()));
        put(&mut reserved, "GenericResources", generic);
        fields.end(|key| match key {
            "devices" => Some((
                "a swarm reserves devices as generic resources only",
                "use `generic_resources`, which the engines of the nodes announce",
            )),
            _ => None,
        });
        Some(reserved)
    });
    put(&mut map, "Reservations", reservations);
    fields.end(unknown);
    Some(map.into())
}

fn amounts(fields: &mut super::reader::Fields<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    let cpus = fields.take("cpus").and_then(|spot| spot.parse::<Cpus>());
    put(&mut map, "NanoCPUs", cpus.map(Cpus::nano));
    let memory = fields.take("memory").and_then(|spot| spot.parse::<Memory>());
    put(&mut map, "MemoryBytes", memory.map(Memory::bytes));
    map
}

fn generic(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let discrete = fields.take("discrete_resource_spec").and_then(|spot| {
        let mut fields = spot.fields()?;
        let kind = fields.take("kind").and_then(|spot| spot.text());
        let value = fields.take("value").and_then(|spot| spot.whole::<i64>());
        fields.end(unknown);
        Some(json!({"DiscreteResourceSpec": {"Kind": kind?, "Value": value?}}))
    });
    fields.end(unknown);
    discrete
}

fn placement(spot: &Spot<'_>) -> Option<Value> {
    let mut fields = spot.fields()?;
    let mut map = Map::new();
    put(&mut map, "Constraints", fields.take("constraints").and_then(|spot| spot.texts()));
    let preferences = fields.take("preferences").and_then(|spot| {
        let preference = |spot: &Spot<'_>| {
            let mut fields = spot.fields()?;
            let spread = fields.take("spread").and_then(|spot| spot.text());
            fields.end(unknown);
            Some(json!({"Spread": {"SpreadDescriptor": spread?}}))
        };
        Some(spot.items()?.iter().filter_map(preference).collect::<Vec<_>>())
    });
    put(&mut map, "Preferences", preferences);
    let most = fields.take("max_replicas_per_node").and_then(|spot| spot.whole::<u64>());
    put(&mut map, "MaxReplicas", most);
    fields.end(unknown);
    Some(map.into())
}
