//! `--filter KEY=VALUE`: values of one key are alternatives, different keys must all hold.

use regex::bytes::{Regex, RegexBuilder};

use super::item::Item;
use crate::failure::Failure;

const KEYS: [&str; 5] = ["driver", "label", "name", "state", "swarm"];

#[derive(Debug, Default)]
pub(super) struct Filters {
    drivers: Vec<String>,
    labels: Vec<String>,
    names: Vec<Regex>,
    states: Vec<String>,
    swarms: Vec<String>,
}

impl Filters {
    /// Understands filters.
    ///
    /// # Errors
    /// A [`Failure`] that names the filter.
    pub(super) fn parse(filters: &[String]) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        for filter in filters {
            let wrong = |what: &str| {
                Failure::usage(format!("--filter {filter}: {what}"))
                    .with_fix(format!("write KEY=VALUE with one of {}", KEYS.join(", ")))
            };
            let (key, value) =
                filter.split_once('=').ok_or_else(|| wrong("there is no `=` in it"))?;
            match key.trim().to_ascii_lowercase().as_str() {
                "driver" => parsed.drivers.push(value.to_owned()),
                "label" if value.contains('=') => parsed.labels.push(value.to_owned()),
                "label" => return Err(wrong("a label is written label=KEY=VALUE")),
                // Names are ASCII, so no more than that need be known of characters.
                "name" => match RegexBuilder::new(value).unicode(false).build() {
                    Ok(name) => parsed.names.push(name),
                    Err(error) => {
                        return Err(wrong(&format!("it is no regular expression: {error}")));
                    }
                },
                "state" => parsed.states.push(value.to_owned()),
                "swarm" => parsed.swarms.push(value.to_owned()),
                _ => return Err(wrong("there is no such filter")),
            }
        }
        Ok(parsed)
    }

    /// Whether the machines' states must be known.
    pub(super) fn need_states(&self) -> bool {
        !self.states.is_empty()
    }

    /// Whether it must be known which machines are in a swarm.
    pub(super) fn need_roles(&self) -> bool {
        !self.swarms.is_empty()
    }

    /// Whether a machine is among those that are wanted.
    pub(super) fn let_through(&self, item: &Item) -> bool {
        let any = |wanted: &[String], is: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| is(wanted))
        };
        any(&self.drivers, &|wanted| item.has_driver(wanted))
            && any(&self.labels, &|wanted| item.has_label(wanted))
            && any(&self.states, &|wanted| item.state.eq_ignore_ascii_case(wanted))
            && any(&self.swarms, &|wanted| item.cluster_with_roles() == Some(wanted))
            && (self.names.is_empty()
                || self.names.iter().any(|name| name.is_match(item.name.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_filters_nothing_is_named() {
        for (filter, what) in [
            ("name", "there is no `=` in it"),
            ("colour=red", "there is no such filter"),
            ("label=x", "a label is written label=KEY=VALUE"),
            ("name=(", "it is no regular expression"),
        ] {
            let failure = Filters::parse(&[filter.to_owned()]).unwrap_err();
            assert!(failure.message.text.contains(what), "{filter}: {}", failure.message.text);
        }
    }

    #[test]
    fn states_are_asked_for_where_they_matter() {
        let parse = |filter: &str| Filters::parse(&[filter.to_owned()]).unwrap();
        assert!(parse("state=Running").need_states());
        assert!(!parse("name=web").need_states());
    }
}
