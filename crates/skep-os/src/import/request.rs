//! What is asked for: where an image comes from, its digest, its name.

use std::{fmt, path::PathBuf, str::FromStr};

use reqwest::Url;
use sha2::{Digest as _, Sha256};

use super::ImportError;
use crate::definition::hex;

/// How long a name may be, in bytes.
const NAME_LENGTH: usize = 64;

/// The name of an image whose address has none.
const NAMELESS: &str = "image.iso";

/// Where an image comes from. Printed, an address is without its user, password and query, which
/// may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    /// An address, http or https.
    Url(Url),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, _)) = text.split_once("://") else {
            return if text.is_empty() {
                Err("it is neither a file nor an address".into())
            } else {
                Ok(Self::File(text.into()))
            };
        };
        if !["http", "https"].contains(&scheme.to_lowercase().as_str()) {
            return Err(format!("`{scheme}` is not http or https; a file is given by its path"));
        }
        let url: Url = text.parse().map_err(|error| format!("it is not an address: {error}"))?;
        Ok(Self::Url(url))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => without_secrets(url).fmt(f),
        }
    }
}

impl Origin {
    /// What stands for the origin in file names: imports of the same wait for each other.
    pub(super) fn key(&self) -> Result<String, ImportError> {
        let text = match self {
            Self::File(path) => {
                let real = fs_err::canonicalize(path).map_err(ImportError::file(path))?;
                real.to_string_lossy().into_owned()
            }
            Self::Url(url) => url.to_string(),
        };
        Ok(hex(&Sha256::digest(text)))
    }

    /// Whether a host in between can change what comes.
    pub(super) fn is_unprotected(&self) -> bool {
        matches!(self, Self::Url(url) if url.scheme() == "http")
    }

    /// The name of the file, as far as it can be an image's name.
    pub(super) fn file_name(&self) -> String {
        let name = match self {
            Self::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Url(url) => {
                url.path_segments().and_then(|mut segments| segments.next_back().map(str::to_owned))
            }
        };
        let name: String = name
            .unwrap_or_default()
            .chars()
            .map(|c| if is_of_names(c) { c } else { '-' })
            .take(NAME_LENGTH)
            .collect();
        name.parse().map_or_else(|_| NAMELESS.to_owned(), |name: Name| name.0)
    }
}

fn without_secrets(url: &Url) -> Url {
    let mut url = url.clone();
    // An http address always takes these.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// A sha256: 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a sha256 has 64 hex digits".into());
        }
        Ok(Self(digits.to_lowercase()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image's name: up to 64 letters, digits, `.`, `_`, `-`, the first a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= NAME_LENGTH && text.chars().all(is_of_names) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a name has up to {NAME_LENGTH} letters, digits, dots, underscores and hyphens, and begins \
             with a letter or a digit"
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let origin: Origin = "https://bee:honey@hive.example/a/b.iso?token=wax#x".parse().unwrap();
        assert_eq!(origin.to_string(), "https://hive.example/a/b.iso");
        assert_eq!(origin.file_name(), "b.iso");
        let other: Origin = "https://hive.example/a/b.iso".parse().unwrap();
        assert_ne!(origin.key().unwrap(), other.key().unwrap());
    }

    #[test]
    fn what_is_neither_a_file_nor_an_address_is_refused() {
        for (text, reason) in [
            ("", "neither a file"),
            ("ftp://hive.example/a.iso", "`ftp` is not http"),
            ("https://", "not an address"),
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert_eq!("a.iso".parse(), Ok(Origin::File("a.iso".into())));
    }

    #[test]
    fn a_digest_is_read_as_people_write_it() {
        let digits = "0123456789abcdef".repeat(4);
        for text in [digits.clone(), digits.to_uppercase(), format!("sha256:{digits}")] {
            assert_eq!(text.parse::<Digest>().unwrap().as_str(), digits);
        }
        for text in ["", "0123", &"g".repeat(64), &format!("{digits}0")] {
            text.parse::<Digest>().unwrap_err();
        }
    }

    #[test]
    fn an_address_without_a_file_name_still_gives_a_name() {
        for text in ["http://hive.example", "http://hive.example/..", "http://hive.example/%20"] {
            let name = text.parse::<Origin>().unwrap().file_name();
            assert!(name.parse::<Name>().is_ok(), "{text}: {name}");
        }
    }

    proptest! {
        #[test]
        fn every_file_has_a_name(path in "\\PC{1,80}") {
            let name = Origin::File(path.into()).file_name();
            prop_assert!(name.parse::<Name>().is_ok(), "{}", name);
        }
    }
}
