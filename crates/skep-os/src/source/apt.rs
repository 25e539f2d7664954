//! apt's configuration of repositories, sources.list(5): one-line and deb822.

use std::{collections::BTreeMap, path::PathBuf};

/// One suite of one repository with binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// Its address, without a slash at its end.
    pub(super) uri: String,
    /// The suite, without a slash at its end.
    pub(super) suite: String,
    pub(super) components: Vec<String>,
    /// The architectures it is restricted to; all of the host's if empty.
    pub(super) architectures: Vec<String>,
    /// The keyring it is checked with, if it names a file.
    pub(super) keyring: Option<PathBuf>,
    /// Whether it carries a key in its own configuration, or names keys by fingerprint.
    pub(super) inline_key: bool,
}

impl Repository {
    /// Whether apt uses it for an architecture.
    pub(super) fn serves(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|one| one == architecture)
    }
}

/// Reads a one-line file: `deb [option=value …] URI SUITE COMPONENT…` a line, `#` starts a comment.
pub(super) fn parse_list(text: &str) -> Vec<Repository> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Repository> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let mut fields = BTreeMap::new();
    for (name, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
        fields.insert(name.trim_end_matches(['+', '-']).to_ascii_lowercase(), value);
    }
    let components: Vec<String> = words.map(String::from).collect();
    let architectures = fields.get("arch").map_or_else(Vec::new, |value| split(value, ','));
    Some(repository(uri, suite, components, architectures, fields.get("signed-by").copied()))
}

/// Reads a deb822 file: stanzas of `Field: value`, separated by empty lines; a line that starts with
/// a space goes on with the field before, one that starts with `#` is a comment.
pub(super) fn parse_sources(text: &str) -> Vec<Repository> {
    let mut found = Vec::new();
    let mut stanza: BTreeMap<String, String> = BTreeMap::new();
    let mut field = String::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            found.extend(expand(&std::mem::take(&mut stanza)));
            field.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = stanza.get_mut(&field) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            field = name.trim().to_ascii_lowercase();
            stanza.insert(field.clone(), value.trim().to_owned());
        }
    }
    found
}

/// A stanza stands for every suite at every address it names.
fn expand(stanza: &BTreeMap<String, String>) -> Vec<Repository> {
    let words = |name: &str| stanza.get(name).map_or_else(Vec::new, |value| split(value, ' '));
    let disabled = stanza.get("enabled").is_some_and(|value| {
        ["no", "false", "without", "off", "disable", "0"]
            .contains(&value.to_ascii_lowercase().as_str())
    });
    if disabled || !words("types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let signed_by = stanza.get("signed-by").map(String::as_str);
    let mut found = Vec::new();
    for uri in words("uris") {
        for suite in words("suites") {
            let parts = (words("components"), words("architectures"));
            found.push(repository(&uri, &suite, parts.0, parts.1, signed_by));
        }
    }
    found
}

fn repository(
    uri: &str,
    suite: &str,
    components: Vec<String>,
    architectures: Vec<String>,
    signed_by: Option<&str>,
) -> Repository {
    let signed_by = signed_by.map(str::trim).filter(|value| !value.is_empty());
    let keyring = signed_by.filter(|value| value.starts_with('/'));
    let first = keyring.and_then(|value| value.split([',', ' ', '\n']).next());
    Repository {
        uri: uri.trim_end_matches('/').to_owned(),
        suite: suite.trim_end_matches('/').to_owned(),
        components,
        architectures,
        keyring: first.map(PathBuf::from),
        inline_key: signed_by.is_some() && first.is_none(),
    }
}

fn split(value: &str, separator: char) -> Vec<String> {
    let separators = |c: char| c == separator || c.is_whitespace();
    value.split(separators).filter(|word| !word.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_line_with_options_and_comments() {
        let text = "# deb http://old/debian bookworm main\n\
            deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/k.gpg ] http://m/debian/ bookworm main contrib # ours\n\
            deb-src http://m/debian bookworm main\n\
            deb\thttps://m/debian-security bookworm-security/ main\n\
            debian http://m/debian bookworm main\n\
            deb http://only-an-address\n";
        let found = parse_list(text);
        assert_eq!(found.len(), 2, "{found:#?}");
        assert_eq!(found[0].uri, "http://m/debian");
        assert_eq!(found[0].components, ["main", "contrib"]);
        assert_eq!(found[0].keyring, Some("/usr/share/keyrings/k.gpg".into()));
        assert!(found[0].serves("arm64") && !found[0].serves("i386"));
        assert_eq!(found[1].suite, "bookworm-security");
        assert!(found[1].serves("i386"));
    }

    #[test]
    fn deb822_with_continuation_comments_and_a_key_of_its_own() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://a/debian\n http://b/debian\n\
            Suites: trixie trixie-updates\nComponents: main\nSigned-By: /k.gpg\n\n\n\
            Types: deb\nURIs: http://v/apt\nSuites: trixie\nComponents: main\n\
            Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off/debian\nSuites: trixie\nComponents: main\n\n\
            types: deb-src\nuris: http://s/debian\nsuites: trixie\ncomponents: main\n";
        let found = parse_sources(text);
        let names: Vec<String> =
            found.iter().map(|one| format!("{} {}", one.uri, one.suite)).collect();
        assert_eq!(
            names,
            [
                "http://a/debian trixie",
                "http://a/debian trixie-updates",
                "http://b/debian trixie",
                "http://b/debian trixie-updates",
                "http://v/apt trixie",
            ]
        );
        assert!(!found[0].inline_key);
        assert!(found[4].inline_key);
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-z0-9][a-z0-9.-]{0,12}"
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(?s).{0,200}") {
            parse_list(&text);
            parse_sources(&text);
        }

        /// The same repository in either form is the same repository.
        #[test]
        fn both_forms_say_the_same(
            host in word(),
            suite in word(),
            components in prop::collection::vec(word(), 1..4),
            architectures in prop::collection::vec(word(), 0..3),
            keyring in prop::option::of("/[a-z]{1,8}\\.gpg"),
        ) {
            let mut options = Vec::new();
            let mut fields = format!("Types: deb\nURIs: http://{host}/x/\nSuites: {suite}\nComponents: {}\n", components.join(" "));
            if !architectures.is_empty() {
                options.push(format!("arch={}", architectures.join(",")));
                fields.push_str(&format!("Architectures: {}\n", architectures.join(" ")));
            }
            if let Some(keyring) = &keyring {
                options.push(format!("signed-by={keyring}"));
                fields.push_str(&format!("Signed-By: {keyring}\n"));
            }
            let line = format!("deb [{}] http://{host}/x {suite} {}\n", options.join(" "), components.join("  "));
            prop_assert_eq!(parse_list(&line), parse_sources(&fields));
        }
    }
}
