//! `deploy` of a service: how many tasks, where, and how they are changed.

use std::collections::BTreeMap;

use super::reader::{Fields, Spot, unknown};
use crate::{
    api::{EndpointMode, FailureAction, RestartCondition, UpdateOrder},
    spec::{
        Cpus, GenericResource, KeyValue, Label, Memory, NewMode, PositiveSpan, Preference, Ratio,
        Resources, Restart, Rollout, ServiceCreate, Span,
    },
};

/// Reads `deploy` into `service`.
pub(super) fn deploy(spot: &Spot<'_>, service: &mut ServiceCreate) {
    let Some(mut fields) = spot.fields() else { return };
    let options = &mut service.options;
    options.labels.extend(labels(fields.take("labels")));
    let replicas = fields.take("replicas");
    let mode = fields
        .take("mode")
        .and_then(|spot| spot.word(&["replicated", "global", "replicated-job", "global-job"]));
    let mode = mode.as_deref().unwrap_or("replicated");
    options.replicas = replicas.as_ref().and_then(|spot| spot.whole::<u64>());
    service.mode = match mode {
        "global" => NewMode::Global,
        "global-job" => NewMode::GlobalJob,
        "replicated-job" => NewMode::ReplicatedJob,
        _ => NewMode::Replicated,
    };
    if let (NewMode::Global | NewMode::GlobalJob, Some(spot)) = (service.mode, replicas) {
        let problem = format!("a service of mode {mode} has one task on each node");
        spot.wrong::<()>(problem, "remove `replicas`, or use mode replicated");
    }
    let update = |spot: Option<Spot<'_>>| spot.and_then(|spot| rollout(&spot)).unwrap_or_default();
    options.update = update(fields.take("update_config"));
    options.rollback = update(fields.take("rollback_config"));
    let restart = fields.take("restart_policy").and_then(|spot| self::restart(&spot));
    options.restart = restart.unwrap_or_default();
    let resources = fields.take("resources").and_then(|spot| self::resources(&spot));
    options.resources = resources.unwrap_or_default();
    if let Some(spot) = fields.take("placement") {
        placement(&spot, service);
    }
    let endpoint_mode = fields.take("endpoint_mode");
    service.options.endpoint_mode = endpoint_mode.and_then(|spot| spot.api(EndpointMode::WORDS));
    fields.end(unknown);
}

/// A mapping of labels, in the order of their names.
pub(super) fn labels(spot: Option<Spot<'_>>) -> impl Iterator<Item = Label> {
    key_values(spot).map(Label)
}

/// A mapping of texts, in the order of their names.
pub(super) fn key_values(spot: Option<Spot<'_>>) -> impl Iterator<Item = KeyValue> {
    let pairs: BTreeMap<_, _> = spot.and_then(|spot| spot.pairs()).unwrap_or_default();
    pairs.into_iter().map(|(key, value)| KeyValue { key, value })
}

/// A duration that is not negative.
pub(super) fn span(spot: Option<Spot<'_>>) -> Option<Span> {
    spot?.parse::<PositiveSpan>().map(|span| span.0)
}

fn rollout(spot: &Spot<'_>) -> Option<Rollout> {
    let mut fields = spot.fields()?;
    let parallelism = fields.take("parallelism").and_then(|spot| spot.whole::<u64>());
    let delay = span(fields.take("delay"));
    let action = fields.take("failure_action");
    let failure_action = action.and_then(|spot| spot.api(FailureAction::WORDS));
    let monitor = span(fields.take("monitor"));
    let ratio = fields.take("max_failure_ratio").and_then(|spot| spot.parse::<Ratio>());
    let order = fields.take("order").and_then(|spot| spot.api(UpdateOrder::WORDS));
    fields.end(unknown);
    Some(Rollout {
        // An empty mapping asks for this.
        parallelism: parallelism.or(Some(1)),
        delay,
        monitor,
        failure_action,
        max_failure_ratio: ratio,
        order,
    })
}

fn restart(spot: &Spot<'_>) -> Option<Restart> {
    let mut fields = spot.fields()?;
    let condition = fields.take("condition");
    let restart = Restart {
        condition: condition.and_then(|spot| spot.api(RestartCondition::WORDS)),
        delay: span(fields.take("delay")),
        max_attempts: fields.take("max_attempts").and_then(|spot| spot.whole()),
        window: span(fields.take("window")),
    };
    fields.end(unknown);
    Some(restart)
}

fn resources(spot: &Spot<'_>) -> Option<Resources> {
    let mut fields = spot.fields()?;
    let mut resources = Resources::default();
    if let Some(mut fields) = fields.take("limits").and_then(|spot| spot.fields()) {
        (resources.limit_cpu, resources.limit_memory) = amounts(&mut fields);
        resources.limit_pids = fields.take("pids").and_then(|spot| spot.whole());
        fields.end(unknown);
    }
    if let Some(mut fields) = fields.take("reservations").and_then(|spot| spot.fields()) {
        (resources.reserve_cpu, resources.reserve_memory) = amounts(&mut fields);
        let generic = fields.take("generic_resources").and_then(|spot| spot.items());
        resources.generic =
            generic.into_iter().flatten().filter_map(|spot| generic_of(&spot)).collect();
        fields.end(|key| match key {
            "devices" => Some((
                "a swarm reserves devices as generic resources only",
                "use `generic_resources`, which the engines of the nodes announce",
            )),
            _ => None,
        });
    }
    fields.end(unknown);
    Some(resources)
}

fn amounts(fields: &mut Fields<'_>) -> (Option<Cpus>, Option<Memory>) {
    let cpus = fields.take("cpus").and_then(|spot| spot.parse());
    (cpus, fields.take("memory").and_then(|spot| spot.parse()))
}

fn generic_of(spot: &Spot<'_>) -> Option<GenericResource> {
    let mut fields = spot.fields()?;
    let discrete = fields.take("discrete_resource_spec").and_then(|spot| {
        let mut fields = spot.fields()?;
        let kind = fields.take("kind").and_then(|spot| spot.text());
        let count = fields.take("value").and_then(|spot| spot.whole());
        fields.end(unknown);
        Some(GenericResource { kind: kind?, count: count? })
    });
    fields.end(unknown);
    discrete
}

fn placement(spot: &Spot<'_>, service: &mut ServiceCreate) {
    let Some(mut fields) = spot.fields() else { return };
    let options = &mut service.options;
    let constraints = fields.take("constraints").and_then(|spot| spot.texts());
    options.constraints = constraints.unwrap_or_default();
    let preference = |spot: Spot<'_>| {
        let mut fields = spot.fields()?;
        let spread = fields.take("spread").and_then(|spot| spot.text());
        fields.end(unknown);
        Some(Preference { spread: spread? })
    };
    let preferences = fields.take("preferences").and_then(|spot| spot.items());
    options.placement_preferences =
        preferences.into_iter().flatten().filter_map(preference).collect();
    let most = fields.take("max_replicas_per_node");
    options.replicas_max_per_node = most.and_then(|spot| spot.whole());
    fields.end(unknown);
}
