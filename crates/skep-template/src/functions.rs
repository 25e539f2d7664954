//! The functions there are, but for `and` and `or`, which do not look at all of their arguments.

use std::cmp::Ordering;

use serde::Serialize as _;
use serde_json::{Value, ser::PrettyFormatter};

use crate::{
    Objects,
    print::{in_order, inner, type_name},
    printf::printf,
};

const ALL: [&str; 17] = [
    "and",
    "eq",
    "ge",
    "gt",
    "index",
    "json",
    "le",
    "len",
    "lt",
    "ne",
    "not",
    "or",
    "prettyjson",
    "print",
    "printf",
    "println",
    "slice",
];

/// Whether there is a function of a name.
pub(crate) fn is_one(name: &str) -> bool {
    ALL.contains(&name)
}

/// Whether a value counts as true.
pub(crate) fn truth(value: &Value, objects: Objects) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => objects != Objects::Maps || !map.is_empty(),
    }
}

/// What a function gives, or why it gives nothing.
pub(crate) fn call(name: &str, arguments: &[Value], objects: Objects) -> Result<Value, String> {
    let wrong = |wanted: &str| {
        format!("wrong number of args for {name}: want {wanted} got {}", arguments.len())
    };
    match name {
        "not" => match arguments {
            [value] => Ok(Value::Bool(!truth(value, objects))),
            _ => Err(wrong("1")),
        },
        "eq" => match arguments {
            [first, others @ ..] if !others.is_empty() => {
                let mut equal = false;
                for other in others {
                    equal |= is_equal(first, other).map_err(|reason| failed(name, &reason))?;
                }
                Ok(Value::Bool(equal))
            }
            _ => Err(failed(name, "missing argument for comparison")),
        },
        "ne" | "lt" | "le" | "gt" | "ge" => match arguments {
            [a, b] => compare(name, a, b).map(Value::Bool).map_err(|reason| failed(name, &reason)),
            _ => Err(wrong("2")),
        },
        "len" => match arguments {
            [value] => length(value).map(Value::from).map_err(|reason| failed(name, &reason)),
            _ => Err(wrong("1")),
        },
        "index" => match arguments {
            [value, places @ ..] => places
                .iter()
                .try_fold(value.clone(), |value, place| index(&value, place))
                .map_err(|reason| failed(name, &reason)),
            _ => Err(wrong("at least 1")),
        },
        "slice" => match arguments {
            [value, bounds @ ..] if bounds.len() <= 2 => {
                slice(value, bounds).map_err(|reason| failed(name, &reason))
            }
            _ => Err(wrong("1 to 3")),
        },
        "json" => match arguments {
            [value] => Ok(Value::String(in_order(value, objects).to_string())),
            _ => Err(wrong("1")),
        },
        "prettyjson" => match arguments {
            [value] => pretty(&in_order(value, objects)).map(Value::String),
            _ => Err(wrong("1")),
        },
        "print" => Ok(Value::String(print(arguments, objects))),
        "println" => {
            let words: Vec<_> = arguments.iter().map(|value| inner(value, objects)).collect();
            Ok(Value::String(format!("{}\n", words.join(" "))))
        }
        "printf" => match arguments {
            [Value::String(format), arguments @ ..] => {
                Ok(Value::String(printf(format, arguments, objects)))
            }
            [other, ..] => Err(format!("expected string; found {}", inner(other, objects))),
            [] => Err(wrong("at least 1")),
        },
        _ => Err(format!("{name:?} is not a defined function")),
    }
}

fn failed(name: &str, reason: &str) -> String {
    format!("error calling {name}: {reason}")
}

/// JSON for people: four blanks a level, as docker-machine's files have.
///
/// # Errors
/// What `serde_json` says, which is nothing of a value in memory.
pub fn pretty(value: &Value) -> Result<String, String> {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value.serialize(&mut serializer).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Go puts a blank between two values if neither is a text.
fn print(arguments: &[Value], objects: Objects) -> String {
    let mut text = String::new();
    let mut after_text = true;
    for value in arguments {
        if !after_text && !value.is_string() {
            text.push(' ');
        }
        text.push_str(&inner(value, objects));
        after_text = value.is_string();
    }
    text
}

fn is_equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(a == b || a.as_f64() == b.as_f64()),
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) => Ok(a == b),
        (Value::Null, _) | (_, Value::Null) => Ok(a == b),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err("non-comparable type".to_owned())
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn compare(name: &str, a: &Value, b: &Value) -> Result<bool, String> {
    if name == "ne" {
        return is_equal(a, b).map(|equal| !equal);
    }
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let order = order.ok_or("invalid type for comparison")?;
    Ok(match name {
        "lt" => order == Ordering::Less,
        "le" => order != Ordering::Greater,
        "gt" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(list) => Ok(list.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null => Err("len of nil pointer".to_owned()),
        other => Err(format!("len of type {}", type_name(other))),
    }
}

fn index(value: &Value, place: &Value) -> Result<Value, String> {
    let number = |length: usize| {
        let number = place.as_i64();
        let number = number
            .ok_or_else(|| format!("cannot index slice/array with type {}", type_name(place)))?;
        usize::try_from(number)
            .ok()
            .filter(|&number| number < length)
            .ok_or_else(|| format!("index out of range: {number}"))
    };
    match value {
        Value::Array(list) => Ok(list[number(list.len())?].clone()),
        Value::String(text) => Ok(text.as_bytes()[number(text.len())?].into()),
        Value::Object(map) => match place {
            Value::String(name) => Ok(map.get(name).cloned().unwrap_or_default()),
            other => Err(format!("value has type {}; should be string", type_name(other))),
        },
        Value::Null => Err("index of untyped nil".to_owned()),
        other => Err(format!("can't index item of type {}", type_name(other))),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::String(_) | Value::Array(_) => length(value)?,
        other => return Err(format!("can't slice item of type {}", type_name(other))),
    };
    let bound = |place: usize, otherwise: usize| match bounds.get(place) {
        None => Ok(otherwise),
        Some(bound) => bound
            .as_i64()
            .and_then(|bound| usize::try_from(bound).ok())
            .filter(|&bound| bound <= length)
            .ok_or_else(|| format!("index out of range: {bound}")),
    };
    let (start, end) = (bound(0, 0)?, bound(1, length)?);
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    match value {
        Value::String(text) => {
            Ok(Value::String(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()))
        }
        Value::Array(list) => Ok(Value::Array(list[start..end].to_vec())),
        _ => Ok(Value::Null),
    }
}
