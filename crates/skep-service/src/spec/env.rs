//! Environment variables of a service's containers.

use crate::spec::value::ValueError;

/// `NAME=VALUE` as it is; `NAME` alone takes its value from `lookup`, and stays alone where that
/// has none, as with docker.
///
/// # Errors
/// [`ValueError`] if the name is empty.
pub fn variable(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, ValueError> {
    match text.split_once('=') {
        Some(("", _)) => Err(ValueError::new("environment variable", text, "its name is empty")),
        None if text.is_empty() => {
            Err(ValueError::new("environment variable", text, "write NAME=VALUE"))
        }
        Some(_) => Ok(text.into()),
        None => Ok(lookup(text).map_or_else(|| text.into(), |value| format!("{text}={value}"))),
    }
}

/// The variables of a file: a line each, `NAME=VALUE` as it stands; `NAME` alone takes its value
/// from `lookup` and is left out where that has none; lines that begin with `#` are comments.
///
/// # Errors
/// [`ValueError`] with the number of the line.
pub fn file(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, ValueError> {
    let mut variables = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        let wrong = |fix: &str| {
            // A value may be a secret: only the name is repeated.
            let what = "environment variable";
            ValueError::new(what, name, format!("line {}: {fix}", number + 1))
        };
        if name.is_empty() {
            return Err(wrong("its name is empty"));
        }
        if name.contains([' ', '\t']) {
            return Err(wrong("its name has a blank in it"));
        }
        match value {
            Some(value) => variables.push(format!("{name}={value}")),
            None => variables.extend(lookup(name).map(|value| format!("{name}={value}"))),
        }
    }
    Ok(variables)
}

/// The name of a variable.
pub(crate) fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

/// Each variable once, with its last value, where that stands.
pub(crate) fn last_of_each(variables: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(variables.len());
    for variable in variables {
        kept.retain(|other| name(other) != name(variable));
        kept.push(variable.clone());
    }
    kept
}

/// `variables` with those of `add` in the place of their namesakes, or at the end.
pub(crate) fn merged(variables: &[String], add: &[String]) -> Vec<String> {
    let mut merged = variables.to_vec();
    for variable in add {
        match merged.iter_mut().find(|other| name(other) == name(variable)) {
            Some(other) => other.clone_from(variable),
            None => merged.push(variable.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "HERE").then(|| "x=y".into())
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_name_alone_takes_its_value_from_outside() {
        assert_eq!(variable("HERE", lookup).unwrap(), "HERE=x=y");
        assert_eq!(variable("GONE", lookup).unwrap(), "GONE");
        assert_eq!(variable("A=", lookup).unwrap(), "A=");
        assert!(variable("=a", lookup).is_err() && variable("", lookup).is_err());
    }

    #[test]
    fn a_file_is_read_by_lines() {
        let text = "\u{feff}# comment\n\n  A=1 \nHERE\nGONE\nB=c=d # kept\r\n";
        assert_eq!(file(text, lookup).unwrap(), ["A=1 ", "HERE=x=y", "B=c=d # kept"]);
        let error = file("A=1\nMY KEY=secret", lookup).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_last_value_of_a_variable_counts() {
        assert_eq!(last_of_each(&strings(&["A=1", "B=2", "A=3"])), ["B=2", "A=3"]);
        assert_eq!(
            merged(&strings(&["A=1", "B=2"]), &strings(&["C=4", "A=3"])),
            ["A=3", "B=2", "C=4"]
        );
    }
}
