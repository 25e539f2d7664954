//! What of the host's own apt configuration a build has to share to reach the same mirrors.
//!
//! mmdebstrap gives apt an empty configuration. A proxy may carry a password, so it is handed on by
//! environment, never as an argument.

/// Options that are handed on as they are; none can hold a secret.
const SHARED: [&str; 5] = [
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
    "Acquire::ForceIPv4",
    "Acquire::ForceIPv6",
    "Acquire::Retries",
];

/// What a build hands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AptOptions {
    /// Options as apt writes them: `Acquire::Retries "3"`.
    pub(crate) options: Vec<String>,
    /// Variables that name a proxy, in the environment.
    pub(crate) proxies: Vec<(&'static str, String)>,
}

impl AptOptions {
    /// Reads the output of `apt-config dump`: a line `Name "value";` for each option.
    pub(crate) fn parse(dump: &str) -> Self {
        let mut found = Self::default();
        for line in dump.lines() {
            let Some((name, value)) = line.trim().trim_end_matches(';').split_once(' ') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            if value.is_empty() {
                continue;
            }
            let variable = match name.to_ascii_lowercase().as_str() {
                "acquire::http::proxy" => "http_proxy",
                "acquire::https::proxy" => "https_proxy",
                name => {
                    let shared = SHARED.iter().find(|shared| shared.eq_ignore_ascii_case(name));
                    found.options.extend(shared.map(|shared| format!("{shared} \"{value}\"")));
                    continue;
                }
            };
            // apt's word for no proxy at all.
            let value = if value.eq_ignore_ascii_case("DIRECT") { "" } else { value };
            found.proxies.push((variable, value.to_owned()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_go_by_environment_and_the_rest_by_name() {
        let dump = "APT \"\";\nAcquire \"\";\nAcquire::http::Proxy \"http://bee:honey@proxy.example:3128\";\n\
            Acquire::https::Proxy \"DIRECT\";\nAcquire::http::Proxy::internal.example \"DIRECT\";\n\
            Acquire::check-valid-until \"false\";\nDir::Etc \"etc/apt\";\nAcquire::Retries \"3\";\nbroken\n";
        let found = AptOptions::parse(dump);
        assert_eq!(
            found.options,
            ["Acquire::Check-Valid-Until \"false\"", "Acquire::Retries \"3\""]
        );
        assert_eq!(
            found.proxies,
            [
                ("http_proxy", "http://bee:honey@proxy.example:3128".to_owned()),
                ("https_proxy", String::new())
            ]
        );
    }
}
