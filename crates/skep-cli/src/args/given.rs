//! Which arguments were given, and not left at their defaults.

use std::collections::BTreeSet;

use clap::{ArgMatches, Args, FromArgMatches, parser::ValueSource};

/// The IDs of the arguments that the command line or the environment gives.
///
/// Flattened into a struct as its *first* field: those after it take their values out of what this
/// one looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given(BTreeSet<String>);

impl Given {
    /// Whether an argument was given, by its ID.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// The IDs of those that were given.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Args for Given {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |id: &&clap::Id| {
            matches!(
                matches.value_source(id.as_str()),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        };
        Ok(Self(matches.ids().filter(given).map(|id| id.as_str().to_owned()).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
