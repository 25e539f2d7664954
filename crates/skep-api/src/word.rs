//! Words of the API as enums.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{self, Visitor},
};

/// An enum of the words that the API has for one field, and of the default, which is what an engine
/// means when it leaves the field out.
///
/// A word that is none of them is `Other` and keeps its text. It sorts before the others: a state that
/// is not known is not taken for one that is over.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, default $default:ident { $($(#[$one:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            /// A word that is not known here.
            Other(Box<str>),
            $($(#[$one])* $variant,)+
        }

        impl $name {
            /// The words that are known.
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            /// The API's word.
            pub fn as_str(&self) -> &str {
                match self {
                    Self::Other(text) => text,
                    $(Self::$variant => $text,)+
                }
            }

            /// The word as the docker CLI shows it in a column: `Ready`.
            pub fn capitalized(&self) -> String {
                let mut letters = self.as_str().chars();
                letters.next().map(char::to_uppercase).into_iter().flatten().chain(letters).collect()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }

        /// An empty word is the default, as for an engine.
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other if other.is_empty() => Self::default(),
                    other => Self::Other(other.into()),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::word::read(from)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                text.as_str().into()
            }
        }

        impl From<$name> for serde_json::Value {
            fn from(word: $name) -> Self {
                word.as_str().into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl From<&$name> for serde_json::Value {
            fn from(word: &$name) -> Self {
                word.as_str().into()
            }
        }

    };
}

pub(crate) use words;

/// Reads a word without making a text of it, which nearly none of them needs.
pub(crate) fn read<'de, D: Deserializer<'de>, T: for<'a> From<&'a str>>(
    from: D,
) -> Result<T, D::Error> {
    struct Word<T>(PhantomData<T>);

    impl<T: for<'a> From<&'a str>> Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            Ok(T::from(text))
        }
    }

    from.deserialize_str(Word(PhantomData))
}

#[cfg(test)]
mod tests {
    use crate::{Availability, NodeState, PortProtocol, TaskState};

    #[test]
    fn a_word_that_is_not_known_is_written_as_it_was_read() {
        for text in ["\"active\"", "\"drain\"", "\"resting\""] {
            let word: Availability = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&word).unwrap(), text);
        }
        assert_eq!(NodeState::from("asleep"), NodeState::Other("asleep".into()));
        assert_eq!(serde_json::from_str::<PortProtocol>("\"\"").unwrap(), PortProtocol::Tcp);
    }

    #[test]
    fn a_state_that_is_not_known_is_not_over() {
        assert!(!TaskState::from("hibernating").is_over());
        assert!(TaskState::from("hibernating") < TaskState::New);
    }
}
