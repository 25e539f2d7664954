//! How Go prints a value.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::Objects;

/// What an action leaves of a value in the output.
pub(crate) fn outer(value: &Value, objects: Objects) -> String {
    match value {
        Value::Null if objects == Objects::Maps => "<no value>".to_owned(),
        value => inner(value, objects),
    }
}

/// A value inside another, and what `%v` prints.
pub(crate) fn inner(value: &Value, objects: Objects) -> String {
    let mut text = String::new();
    write(&mut text, value, objects);
    text
}

fn write(text: &mut String, value: &Value, objects: Objects) {
    match value {
        // In a struct, what is nothing is a list that was never made.
        Value::Null if objects == Objects::Maps => text.push_str("<nil>"),
        Value::Null => text.push_str("[]"),
        Value::String(string) => text.push_str(string),
        // Writing to a string cannot fail.
        Value::Bool(_) => drop(write!(text, "{value}")),
        Value::Number(number) => text.push_str(&digits(number)),
        Value::Array(list) => {
            text.push('[');
            for (place, value) in list.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { " " });
                write(text, value, objects);
            }
            text.push(']');
        }
        Value::Object(map) if objects == Objects::Maps => {
            text.push_str("map[");
            for (place, (name, value)) in sorted(map).into_iter().enumerate() {
                let _ = write!(text, "{}{name}:", if place == 0 { "" } else { " " });
                write(text, value, objects);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (place, value) in map.values().enumerate() {
                text.push_str(if place == 0 { "" } else { " " });
                write(text, value, objects);
            }
            text.push('}');
        }
    }
}

/// A number; of a whole one, nothing behind the point.
pub(crate) fn digits(number: &Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A map's entries by name.
pub(crate) fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
}

/// The same value, with the entries of maps by name, as Go writes them as JSON.
pub(crate) fn in_order(value: &Value, objects: Objects) -> Value {
    match value {
        Value::Object(map) => {
            let entries = if objects == Objects::Maps { sorted(map) } else { map.iter().collect() };
            let entry = |(name, value): (&String, &Value)| (name.clone(), in_order(value, objects));
            Value::Object(entries.into_iter().map(entry).collect())
        }
        Value::Array(list) => list.iter().map(|value| in_order(value, objects)).collect(),
        other => other.clone(),
    }
}

/// What Go calls a value's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
