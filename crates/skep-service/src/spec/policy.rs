//! When tasks are started again, how updates go, and how containers are known to be healthy, with
//! the defaults that the docker CLI fills in as soon as one of several options is given.

use serde_json::{Value, json};

use crate::spec::{
    SpecError,
    command::Command,
    json::{child, set},
    options::{Health, Restart, Rollout},
    value::Span,
};

/// The default delay before a task is started again, and the default time for which a new task is
/// watched in an update. Source: swarmkit `api/defaults/service.go`.
const FIVE_SECONDS: i64 = 5_000_000_000;

pub(super) fn restart(task: &mut Value, asked: &Restart, command: Command) {
    if !asked.is_asked() {
        return;
    }
    if task["RestartPolicy"].is_null() {
        task["RestartPolicy"] = match command {
            // A stack's is what its file says, and the engine fills in the rest.
            Command::Stack => json!({}),
            _ => json!({ "Condition": "any", "Delay": FIVE_SECONDS, "MaxAttempts": 0 }),
        };
    }
    let policy = &mut task["RestartPolicy"];
    set(policy, "Condition", asked.condition.clone());
    set(policy, "Delay", nanoseconds(asked.delay));
    set(policy, "MaxAttempts", asked.max_attempts);
    set(policy, "Window", nanoseconds(asked.window));
}

pub(super) fn rollout(spec: &mut Value, key: &str, asked: &Rollout, command: Command) {
    if !asked.is_asked() {
        return;
    }
    if spec[key].is_null() {
        spec[key] = match command {
            // What Go makes of fields that are sent even when they are empty.
            Command::Stack => json!({ "Parallelism": 1, "MaxFailureRatio": 0, "Order": "" }),
            _ => json!({
                "Parallelism": 1,
                "FailureAction": "pause",
                "Monitor": FIVE_SECONDS,
                "MaxFailureRatio": 0.0,
                "Order": "stop-first",
            }),
        };
    }
    let config = &mut spec[key];
    set(config, "Parallelism", asked.parallelism);
    set(config, "Delay", nanoseconds(asked.delay));
    set(config, "Monitor", nanoseconds(asked.monitor));
    set(config, "FailureAction", asked.failure_action.clone());
    set(config, "MaxFailureRatio", asked.max_failure_ratio.map(|ratio| ratio.as_f64()));
    set(config, "Order", asked.order.clone());
}

pub(super) fn health(container: &mut Value, asked: &Health) -> Result<(), SpecError> {
    if asked.none {
        if asked.is_asked() {
            let (one, other) = ("--no-healthcheck", "--health-*");
            return Err(SpecError::Excludes { one, other });
        }
        container["Healthcheck"] = json!({ "Test": ["NONE"] });
    }
    if !asked.is_asked() {
        return Ok(());
    }
    let check = child(container, "Healthcheck");
    if check["Test"][0] == "NONE" {
        check["Test"] = Value::Null;
    }
    set(check, "Test", asked.test.clone());
    set(check, "Interval", nanoseconds(asked.interval.map(|span| span.0)));
    set(check, "Timeout", nanoseconds(asked.timeout.map(|span| span.0)));
    set(check, "Retries", asked.retries);
    set(check, "StartPeriod", nanoseconds(asked.start_period.map(|span| span.0)));
    set(check, "StartInterval", nanoseconds(asked.start_interval.map(|span| span.0)));
    let is_empty = |test: &Value| test.as_array().is_none_or(Vec::is_empty);
    if is_empty(&check["Test"])
        && let Some(check) = check.as_object_mut()
    {
        check.shift_remove("Test");
    }
    Ok(())
}

pub(super) fn nanoseconds(span: Option<Span>) -> Option<i64> {
    span.map(Span::as_nanoseconds)
}
