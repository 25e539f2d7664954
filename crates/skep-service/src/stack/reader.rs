//! Reading values out of a tree, so that nothing is passed over: every key of a mapping is taken
//! by name, and what is left when all are taken is a mistake at its line.

use std::{cell::RefCell, collections::BTreeMap, str::FromStr};

use skep_model::Advice;

use super::{
    fault::{Fault, Place},
    yaml::{Content, Entry, Node},
};
use crate::spec::ValueError;

/// What was found wrong so far. Reading goes on after a mistake, so that all are reported at once.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0.into_inner()
    }
}

/// A value, its path, and where mistakes are collected.
#[derive(Debug, Clone)]
pub(super) struct Spot<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    pub(super) faults: &'n Faults,
}

impl<'n> Spot<'n> {
    pub(super) fn place(&self) -> &'n Place {
        &self.node.place
    }

    /// Reports a mistake; there is no value then.
    pub(super) fn wrong<T>(&self, problem: impl Into<String>, fix: impl Into<Advice>) -> Option<T> {
        let fault = Fault::at(&self.node.place, problem).of(self.path.as_str()).with_fix(fix);
        self.faults.add(fault);
        None
    }

    fn child(&self, node: &'n Node, path: String) -> Spot<'n> {
        Spot { node, path, faults: self.faults }
    }

    fn unexpected<T>(&self, expected: &str) -> Option<T> {
        self.wrong(format!("{} stands here in place of {expected}", self.node.kind()), "")
    }

    pub(super) fn text(&self) -> Option<String> {
        match &self.node.content {
            Content::Scalar { text, .. } => Some(text.clone()),
            _ => self.unexpected("a single value"),
        }
    }

    /// A text that must not look like a truth, which docker refuses there.
    pub(super) fn value(&self) -> Option<String> {
        match &self.node.content {
            Content::Scalar { text, plain: true } if truth(text).is_some() && text.len() > 1 => {
                self.wrong(
                    format!("`{text}` is a truth in YAML and no text"),
                    format!("put it in quotes: \"{text}\""),
                )
            }
            _ => self.text(),
        }
    }

    pub(super) fn word(&self, words: &[&str]) -> Option<String> {
        let text = self.text()?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        self.wrong(
            format!("`{text}` is not possible here"),
            format!("write one of {}", words.join(", ")),
        )
    }

    /// One of these words of the API.
    pub(super) fn api<T: for<'w> From<&'w str>>(&self, words: &[&str]) -> Option<T> {
        self.word(words).map(|word| T::from(&word))
    }

    pub(super) fn truth(&self) -> Option<bool> {
        let text = self.text()?;
        truth(&text).or_else(|| self.wrong(format!("`{text}` is neither true nor false"), ""))
    }

    /// A whole number, with `0` or `0o` before it in base eight, with `0x` in base sixteen.
    pub(super) fn whole<T: TryFrom<i64>>(&self) -> Option<T> {
        let text = self.text()?;
        let (digits, base) = match text.as_str() {
            octal if octal.starts_with("0o") => (&octal[2..], 8),
            hexadecimal if hexadecimal.starts_with("0x") => (&hexadecimal[2..], 16),
            octal if octal.len() > 1 && octal.starts_with('0') => (&octal[1..], 8),
            decimal => (decimal, 10),
        };
        let number = i64::from_str_radix(digits, base).ok();
        number.and_then(|number| T::try_from(number).ok()).or_else(|| {
            self.wrong(format!("`{text}` is no number, or none that is possible here"), "")
        })
    }

    /// A value of a service flag's kind.
    pub(super) fn parse<T: FromStr<Err = ValueError>>(&self) -> Option<T> {
        let text = self.text()?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.wrong(error.to_string(), ""),
        }
    }

    pub(super) fn items(&self) -> Option<Vec<Spot<'n>>> {
        match &self.node.content {
            Content::List(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.child(item, format!("{}[{index}]", self.path)))
                    .collect(),
            ),
            _ => self.unexpected("a list"),
        }
    }

    pub(super) fn texts(&self) -> Option<Vec<String>> {
        Some(self.items()?.iter().filter_map(Spot::value).collect())
    }

    /// The members of a mapping whose keys are names.
    pub(super) fn members(&self) -> Option<Vec<(&'n Entry, Spot<'n>)>> {
        match &self.node.content {
            Content::Map(entries) => Some(
                entries
                    .iter()
                    .map(|entry| (entry, self.child(&entry.value, self.join(&entry.key))))
                    .collect(),
            ),
            _ => self.unexpected("a mapping"),
        }
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A mapping from names to texts; nothing is an empty text.
    pub(super) fn pairs(&self) -> Option<BTreeMap<String, String>> {
        let pair = |(entry, spot): (&Entry, Spot<'n>)| {
            let value = if spot.node.is_null() { String::new() } else { spot.value()? };
            Some((entry.key.clone(), value))
        };
        Some(self.members()?.into_iter().filter_map(pair).collect())
    }

    /// A mapping whose keys have meanings.
    pub(super) fn fields(&self) -> Option<Fields<'n>> {
        Some(Fields { left: self.members()? })
    }
}

/// A mapping whose keys have meanings. [`Fields::end`] must be called when all are taken.
#[derive(Debug)]
#[must_use]
pub(super) struct Fields<'n> {
    left: Vec<(&'n Entry, Spot<'n>)>,
}

impl<'n> Fields<'n> {
    /// The value of a key; `None` if it is not there or nothing.
    pub(super) fn take(&mut self, key: &str) -> Option<Spot<'n>> {
        let index = self.left.iter().position(|(entry, _)| entry.key == key)?;
        Some(self.left.swap_remove(index).1).filter(|spot| !spot.node.is_null())
    }

    /// Reports every key that was not taken, except extensions (`x-…`).
    pub(super) fn end<F: Into<Advice>>(self, why: impl Fn(&str) -> Option<(&'static str, F)>) {
        for (entry, spot) in self.left {
            if entry.key.starts_with("x-") {
                continue;
            }
            let (problem, fix) = match why(&entry.key) {
                Some((problem, fix)) => (problem.to_owned(), fix.into()),
                None => (format!("`{}` is no key that is known here", entry.key), "".into()),
            };
            let fault = Fault::at(&entry.place, problem).of(spot.path.as_str()).with_fix(fix);
            spot.faults.add(fault);
        }
    }
}

/// Source: <https://yaml.org/type/bool.html>, as docker reads truths.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// No key has an explanation of its own.
pub(super) fn unknown(_: &str) -> Option<(&'static str, &'static str)> {
    None
}
