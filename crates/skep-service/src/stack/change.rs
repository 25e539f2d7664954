//! What differs between two `ServiceSpec`s, without what an engine fills in by itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A field that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `TaskTemplate.ContainerSpec.Image`
    pub field: String,
    /// What it was; `None` if it was not there.
    pub old: Option<Value>,
    /// What it is to be; `None` if it is to go.
    pub new: Option<Value>,
}

/// The differences, in the order of fields.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    flatten("", &normal("", old), &mut left);
    flatten("", &normal("", new), &mut right);
    let mut fields: Vec<_> = left.keys().chain(right.keys()).cloned().collect();
    fields.sort();
    fields.dedup();
    let change = |field: String| {
        let (old, new) = (left.get(&field).cloned(), right.get(&field).cloned());
        (old != new).then_some(Change { field, old, new })
    };
    fields.into_iter().filter_map(change).collect()
}

/// A spec without what says nothing: what is empty, and what an engine puts in where nothing was
/// asked. Identifiers of secrets and configs go too: their names are there.
fn normal(field: &str, value: &Value) -> Value {
    match value {
        // An engine that receives no number means one.
        Value::Object(map) if field == "Replicated" && !map.contains_key("Replicas") => {
            serde_json::json!({"Replicas": 1})
        }
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(key, value)| {
                let value = normal(key, value);
                (!says_nothing(field, key, &value)).then(|| (key.clone(), value))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(|value| normal("", value)).collect();
            // docker gives the files of one secret in an order of chance, which means nothing.
            if matches!(field, "Secrets" | "Configs") {
                list.sort_by_cached_key(|file| format!("{} {}", file["File"]["Name"], file));
            }
            Value::Array(list)
        }
        other => other.clone(),
    }
}

/// Defaults are those of moby's `daemon/cluster/convert`.
fn says_nothing(parent: &str, key: &str, value: &Value) -> bool {
    // What no value and zero or false tell apart.
    if matches!(key, "Replicas" | "MaxConcurrent" | "TotalCompletions" | "Init") {
        return value.is_null();
    }
    // The kind of service, which is an empty object.
    if parent == "Mode" {
        return value.is_null();
    }
    let default = match (parent, key) {
        (_, "SecretID" | "ConfigID") => return true,
        ("ContainerSpec", "Isolation") => "default",
        ("TaskTemplate", "Runtime") => "container",
        ("EndpointSpec", "Mode") => "vip",
        ("UpdateConfig" | "RollbackConfig", "FailureAction") => "pause",
        ("UpdateConfig" | "RollbackConfig", "Order") => "stop-first",
        ("RestartPolicy", "Condition") => "any",
        _ => "",
    };
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == default,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// One entry for each value; members of lists go by what names them.
fn flatten(field: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if field.is_empty() { "" } else { "." };
                flatten(&format!("{field}{dot}{key}"), value, out);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (index, value) in list.iter().enumerate() {
                let named = ["Target", "SecretName", "ConfigName", "Name", "TargetPort"];
                let name = named.iter().find_map(|key| match value.get(*key)? {
                    Value::String(name) => Some(name.clone()),
                    other => Some(other.to_string()),
                });
                let mut place = format!("{field}[{}]", name.unwrap_or_else(|| index.to_string()));
                // The same thing twice: the same secret in two files, a port published twice.
                let inside = |place: &str, out: &BTreeMap<String, Value>| {
                    out.keys().any(|known| known.starts_with(place))
                };
                if inside(&place, out) {
                    place = format!("{field}[{index}]");
                }
                flatten(&place, value, out);
            }
        }
        _ if field.is_empty() => {}
        other => {
            out.insert(field.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_engine_fills_in_is_no_change() {
        let asked = json!({"Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": {
            "ContainerSpec": {"Image": "a", "Privileges": {"CredentialSpec": null}},
            "Resources": {}, "Placement": {}}, "UpdateConfig": {"Parallelism": 1, "Order": ""},
            "EndpointSpec": {}});
        let kept = json!({"Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": {
            "ContainerSpec": {"Image": "a", "Isolation": "default"}, "Runtime": "container",
            "ForceUpdate": 0}, "UpdateConfig": {"Parallelism": 1, "Order": "stop-first",
            "FailureAction": "pause", "MaxFailureRatio": 0}, "EndpointSpec": {"Mode": "vip"}});
        assert_eq!(changes(&kept, &asked), []);
    }

    #[test]
    fn nothing_zero_and_false_are_told_apart_where_it_matters() {
        let mode = |mode| json!({"Mode": mode});
        let replicas = |count| mode(json!({"Replicated": {"Replicas": count}}));
        assert_eq!(changes(&replicas(0), &replicas(1)).len(), 1);
        assert_eq!(changes(&replicas(1), &mode(json!({"Replicated": {}}))), []);
        assert_eq!(changes(&mode(json!({"Global": {}})), &replicas(1)).len(), 2);
        let init = |init| json!({"ContainerSpec": {"Init": init}});
        assert_eq!(changes(&init(json!(null)), &init(json!(false))).len(), 1);
    }

    #[test]
    fn files_of_secrets_are_in_no_order() {
        let file = |name: &str| json!({"File": {"Name": name}, "SecretName": "s"});
        let secrets = |names: [&str; 2]| json!({"Secrets": names.map(file)});
        assert_eq!(changes(&secrets(["a", "b"]), &secrets(["b", "a"])), []);
        assert_eq!(changes(&secrets(["a", "b"]), &secrets(["c", "a"])).len(), 1);
    }

    #[test]
    fn a_change_says_which_field() {
        let port = |port| json!({"Ports": [{"TargetPort": 80, "PublishedPort": port}]});
        let found = changes(&port(8080), &port(8081));
        assert_eq!(
            found,
            [Change {
                field: "Ports[80].PublishedPort".into(),
                old: Some(8080.into()),
                new: Some(8081.into()),
            }]
        );
    }
}
