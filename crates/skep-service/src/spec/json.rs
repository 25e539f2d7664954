//! Editing JSON in place: only what is named is touched, everything else keeps its place.

use serde_json::{Map, Value, json};

use crate::spec::command::Command;

/// The object under `key`, made if there is none.
pub(super) fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    let slot = &mut value[key];
    if slot.is_null() {
        *slot = json!({});
    }
    slot
}

pub(super) fn set(value: &mut Value, key: &str, to: Option<impl Into<Value>>) {
    if let Some(to) = to {
        value[key] = to.into();
    }
}

/// The list under `key`; nothing there is an empty one.
pub(super) fn list(value: &Value, key: &str) -> Vec<Value> {
    value[key].as_array().cloned().unwrap_or_default()
}

/// The texts under `key`.
pub(super) fn strings(value: &Value, key: &str) -> Vec<String> {
    let texts = value[key].as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The text under `key`; nothing there is an empty one.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The map under `key`, without `remove` and with `add`; untouched if neither is asked for.
pub(super) fn edit_map<'a>(
    value: &mut Value,
    key: &str,
    remove: &[String],
    add: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let mut add = add.into_iter().peekable();
    if add.peek().is_none() && (remove.is_empty() || !value[key].is_object()) {
        return;
    }
    if let Some(map) = child(value, key).as_object_mut() {
        // As docker does: first away, then there.
        for gone in remove {
            map.shift_remove(gone);
        }
        map.extend(add.map(|(key, value)| (key.to_owned(), Value::from(value))));
    }
}

/// The texts under `key`, with `add` and without `remove`, in the order and as often as the command
/// has them.
pub(super) fn edit_strings(
    value: &mut Value,
    key: &str,
    remove: &[String],
    add: impl IntoIterator<Item = String>,
    command: Command,
) {
    let mut add = add.into_iter().peekable();
    if add.peek().is_none() && remove.is_empty() {
        return;
    }
    let mut all = strings(value, key);
    all.extend(add);
    all.retain(|one| !remove.contains(one));
    if command == Command::Update {
        all.sort();
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|one| seen.insert(one.clone()) || command == Command::Stack);
    value[key] = json!(all);
}

/// An object of texts.
pub(super) fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}
