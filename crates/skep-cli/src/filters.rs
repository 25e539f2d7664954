//! `--filter KEY=VALUE`, looked at before anything is asked.

use crate::failure::Failure;

/// What a list of services can be filtered by.
pub const SERVICES: [&str; 4] = ["id", "label", "mode", "name"];
/// What a list of tasks can be filtered by.
pub const TASKS: [&str; 4] = ["desired-state", "id", "name", "node"];
/// What a list of the tasks of nodes can be filtered by.
pub const NODE_TASKS: [&str; 4] = ["desired-state", "id", "label", "name"];

/// What a list of secrets or configs can be filtered by.
pub const OBJECTS: [&str; 3] = ["id", "label", "name"];
/// What a list of networks can be filtered by.
pub const NETWORKS: [&str; 6] = ["driver", "id", "label", "name", "scope", "type"];

/// The keys and values of `filters`; each key must be one of `known`.
///
/// # Errors
/// A [`Failure`] that names the filter.
pub fn parse<'a>(
    filters: &'a [String],
    known: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    let parse = |filter: &'a String| {
        let wrong = |what: &str| {
            Failure::usage(format!("--filter {filter}: {what}"))
                .with_fix(format!("write KEY=VALUE with one of {}", known.join(", ")))
        };
        let (key, value) = filter.split_once('=').ok_or_else(|| wrong("there is no `=` in it"))?;
        let (key, value) = (key.trim(), value.trim());
        let key =
            known.iter().position(|known| key.eq_ignore_ascii_case(known)).map(|at| known[at]);
        let key = key.ok_or_else(|| wrong("there is no such filter"))?;
        check(key, value).map_err(|what| wrong(&what))?;
        // The word as it was written may be in other letters; the engine's is among ours.
        Ok((KEYS.iter().find(|one| **one == key).copied().unwrap_or_default(), value))
    };
    filters.iter().map(parse).collect()
}

/// Every key, so that a parsed one does not borrow from its caller's list.
const KEYS: [&str; 9] =
    ["desired-state", "driver", "id", "label", "mode", "name", "node", "scope", "type"];

fn check(key: &str, value: &str) -> Result<(), String> {
    let words: &[&str] = match key {
        "mode" => &["replicated", "global", "replicated-job", "global-job"],
        "desired-state" => &["running", "shutdown", "accepted"],
        _ => {
            return if value.is_empty() {
                Err("there is nothing after the `=`".into())
            } else {
                Ok(())
            };
        }
    };
    if words.contains(&value) {
        return Ok(());
    }
    Err(format!("`{value}` is none of {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(filter: &str) -> Result<(String, String), String> {
        let filters = [filter.to_owned()];
        let parsed = parse(&filters, &SERVICES).map_err(|failure| failure.message.text)?;
        Ok((parsed[0].0.into(), parsed[0].1.into()))
    }

    #[test]
    fn a_filter_is_a_key_and_a_value() {
        assert_eq!(parsed("name=web").unwrap(), ("name".into(), "web".into()));
        assert_eq!(parsed("Label = a=b").unwrap(), ("label".into(), "a=b".into()));
    }

    #[test]
    fn a_filter_that_filters_nothing_is_named() {
        for (filter, what) in [
            ("name", "there is no `=` in it"),
            ("colour=red", "there is no such filter"),
            ("name=", "there is nothing after the `=`"),
            ("mode=many", "`many` is none of replicated, global, replicated-job, global-job"),
        ] {
            assert_eq!(parsed(filter).unwrap_err(), format!("--filter {filter}: {what}"));
        }
    }
}
