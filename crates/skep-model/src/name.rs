//! Names of machines and clusters.
//!
//! A machine's name becomes its host name (RFC 1123 label), the name of its node in the swarm and
//! part of a container's or virtual machine's name, so it is held to the strictest of the three:
//! 1 to 63 characters, lower-case letters, digits and hyphens, with a letter or digit at each end.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name accepted, in characters: the length of a DNS label.
pub const MAX_LENGTH: usize = 63;

/// Why a text is not a name. Each variant's message names the text and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    #[error("a {kind} name must not be empty")]
    Empty {
        /// What was to be named: `machine` or `cluster`.
        kind: &'static str,
    },
    /// The text has more than [`MAX_LENGTH`] characters.
    #[error(
        "the {kind} name `{head}…` has {length} characters; at most {MAX_LENGTH} fit a host name: \
         try `{suggested}`"
    )]
    TooLong {
        kind: &'static str,
        /// The first characters of the text.
        head: String,
        length: usize,
        /// The nearest name that would be accepted.
        suggested: String,
    },
    #[error("the {kind} name `{name}` starts with a hyphen: is it an option in the wrong place?")]
    LooksLikeOption { kind: &'static str, name: String },
    /// A character that a host name cannot have.
    #[error(
        "the {kind} name `{name}` has {character:?}; a name has only a-z, 0-9 and `-`: try \
         `{suggested}`"
    )]
    BadCharacter {
        kind: &'static str,
        name: String,
        /// The first character that is not allowed.
        character: char,
        suggested: String,
    },
    #[error(
        "the {kind} name `{name}` ends with a hyphen; end it with a letter or a digit: try \
         `{suggested}`"
    )]
    EndsWithHyphen { kind: &'static str, name: String, suggested: String },
}

impl NameError {
    /// The nearest name that would be accepted, where there is one.
    pub fn suggested(&self) -> Option<&str> {
        match self {
            Self::TooLong { suggested, .. }
            | Self::BadCharacter { suggested, .. }
            | Self::EndsWithHyphen { suggested, .. } => Some(suggested),
            Self::Empty { .. } | Self::LooksLikeOption { .. } => None,
        }
    }
}

fn validate(kind: &'static str, text: &str) -> Result<(), NameError> {
    let length = text.chars().count();
    if length == 0 {
        return Err(NameError::Empty { kind });
    }
    if length > MAX_LENGTH {
        let head = text.chars().take(12).collect();
        return Err(NameError::TooLong { kind, head, length, suggested: nearest(kind, text) });
    }
    if text.starts_with('-') {
        return Err(NameError::LooksLikeOption { kind, name: text.into() });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(character) = text.chars().find(|&c| !allowed(c)) {
        return Err(NameError::BadCharacter {
            kind,
            name: text.into(),
            character,
            suggested: nearest(kind, text),
        });
    }
    if text.ends_with('-') {
        let suggested = nearest(kind, text);
        return Err(NameError::EndsWithHyphen { kind, name: text.into(), suggested });
    }
    Ok(())
}

/// The nearest acceptable name: lower case, everything else replaced by single hyphens, as long as
/// one may be; if nothing is left of it, one by number.
fn nearest(kind: &str, text: &str) -> String {
    let replaced: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let name = replaced.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    let name = name.get(..MAX_LENGTH).unwrap_or(&name).trim_end_matches('-');
    if name.is_empty() { format!("{kind}1") } else { name.to_owned() }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                validate($kind, text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                validate($kind, &text).map(|()| Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The name of one machine: its host name and, in a swarm, its node's name.
    MachineName,
    "machine"
);
name_type!(
    /// The name of one cluster in a store.
    ClusterName,
    "cluster"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<MachineName>().unwrap_err().to_string()
    }

    #[test]
    fn each_bad_name_gets_an_answer_of_its_own() {
        assert_eq!(error(""), "a machine name must not be empty");
        assert!(error(&"a".repeat(64)).contains("has 64 characters"));
        assert!(error("--managers").contains("is it an option in the wrong place?"));
        assert!(error("Manager1").ends_with("try `manager1`"));
        assert!(error("worker.1").ends_with("try `worker-1`"));
        assert!(error("../etc").ends_with("try `etc`"));
        assert!(error("arbeiter-ü").contains("'ü'"));
        assert!(error("日本").ends_with("try `machine1`"));
        assert!(error("worker-").contains("ends with a hyphen") && error("a-").ends_with("`a`"));
        assert!(error(&"a".repeat(64)).ends_with(&format!("try `{}`", "a".repeat(63))));
    }

    proptest! {
        #[test]
        fn accepted_names_are_dns_labels(text in "\\PC{0,70}") {
            if let Ok(name) = text.parse::<MachineName>() {
                prop_assert!(name.as_str().len() <= MAX_LENGTH);
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!name.as_str().starts_with('-') && !name.as_str().ends_with('-'));
            }
        }

        #[test]
        fn a_suggested_name_is_accepted(text in "\\PC{1,80}") {
            if let Err(error) = text.parse::<MachineName>()
                && let Some(name) = error.suggested()
            {
                prop_assert!(name.parse::<MachineName>().is_ok(), "{name}");
            }
        }

        #[test]
        fn a_name_survives_serialization(text in "[a-z][a-z0-9-]{0,20}[a-z0-9]") {
            let name: MachineName = text.parse().unwrap();
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<MachineName>(&json).unwrap(), name);
        }
    }
}
