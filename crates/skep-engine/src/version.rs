//! Versions of the Docker Engine API, and which of them skep speaks.

use std::{fmt, str::FromStr};

/// The oldest API version skep works with: Docker Engine 20.10, the oldest in a supported Debian.
pub const MINIMUM: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// The newest API version skep asks for; a newer engine answers in this one.
pub const MAXIMUM: ApiVersion = ApiVersion { major: 1, minor: 53 };

/// A version of the Docker Engine API, such as `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Has been 1 since the API exists.
    pub major: u16,
    /// Grows with each change.
    pub minor: u16,
}

/// A text that is not an API version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an API version: it has the form 1.41")]
pub struct NotAVersion(String);

impl ApiVersion {
    /// The version to speak with an engine whose newest is `self`.
    #[must_use]
    pub fn negotiated(self) -> Self {
        self.min(MAXIMUM)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| NotAVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let (old, new) = ("1.9".parse::<ApiVersion>().unwrap(), "1.41".parse().unwrap());
        assert!(old < new);
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in ["", "1", "1.", ".41", "v1.41", "1.41.2", "-1.4", "1.99999"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_version_survives_its_text(major: u16, minor: u16) {
            let version = ApiVersion { major, minor };
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }

        #[test]
        fn neither_side_is_asked_for_more_than_it_knows(major in 0u16..3, minor: u16) {
            let newest = ApiVersion { major, minor };
            prop_assert!(newest.negotiated() <= newest && newest.negotiated() <= MAXIMUM);
        }
    }
}
