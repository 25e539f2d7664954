//! The settings of a machine's engine beyond skep's own: docker-machine's `--engine-…`.
//!
//! docker-machine writes them into the engine's command line; here they become keys of its
//! `daemon.json`, which has the same names with lists in the plural. Source of the names: dockerd's
//! reference, "Daemon configuration file".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ClusterError;

/// Options of one machine's engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineOptions {
    /// Variables of its environment, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Registries that may be asked without TLS.
    pub insecure_registries: Vec<String>,
    /// Labels, `KEY=VALUE`.
    pub labels: Vec<String>,
    /// Anything else, `FLAG=VALUE`.
    pub opts: Vec<String>,
    pub registry_mirrors: Vec<String>,
    pub storage_driver: Option<String>,
    /// Further names in its certificate.
    pub tls_sans: Vec<String>,
}

/// Flags that may be given more than once, with their keys in `daemon.json`: lists there.
const LISTS: [(&str, &str); 17] = [
    ("add-runtime", "runtimes"),
    ("allow-nondistributable-artifacts", "allow-nondistributable-artifacts"),
    ("authorization-plugin", "authorization-plugins"),
    ("cdi-spec-dir", "cdi-spec-dirs"),
    ("default-address-pool", "default-address-pools"),
    ("default-ulimit", "default-ulimits"),
    ("dns", "dns"),
    ("dns-opt", "dns-opts"),
    ("dns-option", "dns-opts"),
    ("dns-search", "dns-search"),
    ("exec-opt", "exec-opts"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log-opts"),
    ("node-generic-resource", "node-generic-resources"),
    ("registry-mirror", "registry-mirrors"),
    ("storage-opt", "storage-opts"),
];

/// Keys that are lists or objects of another shape than `VALUE`, and so cannot be given as a flag.
const SHAPED: [&str; 3] = ["runtimes", "default-address-pools", "default-ulimits"];

/// Keys whose value is a text even where it looks like a number or a truth.
const TEXTS: [&str; 9] = [
    "bip",
    "cgroup-parent",
    "data-root",
    "default-runtime",
    "exec-root",
    "group",
    "ip",
    "log-driver",
    "swarm-default-advertise-addr",
];

/// What skep sets itself, as flags: the engine refuses to start if a setting is there twice.
const RESERVED: [&str; 9] =
    ["host", "hosts", "H", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey", "config-file"];

/// Looks at an engine's settings, before there is one to refuse them; whether each has
/// a place in `daemon.json` is asked with [`daemon_json`].
///
/// # Errors
/// [`ClusterError::Request`] naming the option and what to write instead.
pub fn check(options: &EngineOptions) -> Result<(), ClusterError> {
    for name in &options.tls_sans {
        if !skep_pki::is_server_name(name) {
            return refuse(format!(
                "`--tls-san {name}`: no certificate can be issued for that; write a host name, \
                 *.DOMAIN or an IP address"
            ));
        }
    }
    for mirror in &options.registry_mirrors {
        if !is_mirror(mirror) {
            return refuse(format!(
                "`--engine-registry-mirror {mirror}`: write it as http://HOST[:PORT] or \
                 https://HOST[:PORT]"
            ));
        }
    }
    for registry in &options.insecure_registries {
        if !is_registry(registry) {
            return refuse(format!(
                "`--engine-insecure-registry {registry}`: write it as HOST[:PORT], or a network as \
                 10.1.0.0/16"
            ));
        }
    }
    if let Some(driver) = options.storage_driver.as_deref().filter(|name| !is_word(name)) {
        return refuse(format!(
            "`--engine-storage-driver {driver}`: there is none of that name; leave it out, or take \
             overlay2"
        ));
    }
    Ok(())
}

/// What dockerd takes as a mirror: a URL of a host, with nothing behind it and no user in it.
fn is_mirror(text: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| is_host(rest.strip_suffix('/').unwrap_or(rest)))
}

/// What it takes as an insecure registry: a host, or a network.
fn is_registry(text: &str) -> bool {
    // dockerd passes over a scheme, with a warning.
    let text = text.strip_prefix("http://").or(text.strip_prefix("https://")).unwrap_or(text);
    text.parse::<ipnet::IpNet>().is_ok() || is_host(text)
}

/// `HOST[:PORT]`, an address of IPv6 in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some("0"))),
        None => text.rsplit_once(':').map_or((text, Some("0")), |(host, port)| (host, Some(port))),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    !host.is_empty()
        && !host.starts_with('-')
        && host.chars().all(is_part)
        && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// A driver's name: `overlay2`, `fuse-overlayfs`.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The keys of `daemon.json` that say what the options say.
///
/// # Errors
/// [`ClusterError::Request`] naming the option that has no place there, and what to do instead.
pub fn daemon_json(options: &EngineOptions) -> Result<Map<String, Value>, ClusterError> {
    let mut keys = Map::new();
    for (key, values) in [
        ("insecure-registries", &options.insecure_registries),
        ("registry-mirrors", &options.registry_mirrors),
        ("labels", &options.labels),
    ] {
        if !values.is_empty() {
            keys.insert(key.into(), json!(values));
        }
    }
    if let Some(label) = options.labels.iter().find(|label| !is_pair(label)) {
        return refuse(format!("`--engine-label {label}`: write it as KEY=VALUE"));
    }
    if let Some(driver) = &options.storage_driver {
        keys.insert("storage-driver".into(), json!(driver));
    }
    let mut proxies = Map::new();
    for variable in &options.env {
        let (name, value) = proxy(variable)?;
        proxies.insert(name.into(), json!(value));
    }
    if !proxies.is_empty() {
        keys.insert("proxies".into(), Value::Object(proxies));
    }
    for option in &options.opts {
        add(&mut keys, option)?;
    }
    Ok(keys)
}

fn is_pair(text: &str) -> bool {
    text.split_once('=').is_some_and(|(key, _)| !key.is_empty())
}

/// A variable of the engine's environment, as a key of `proxies`: the engine's own settings have no
/// place for any other.
fn proxy(variable: &str) -> Result<(&'static str, &str), ClusterError> {
    let Some((name, value)) = variable.split_once('=') else {
        return refuse(format!("`--engine-env {variable}`: write it as KEY=VALUE"));
    };
    let key = match name.to_ascii_uppercase().as_str() {
        "HTTP_PROXY" => "http-proxy",
        "HTTPS_PROXY" => "https-proxy",
        "NO_PROXY" => "no-proxy",
        _ => {
            return refuse(format!(
                "`--engine-env {name}=…`: an engine is told HTTP_PROXY, HTTPS_PROXY and NO_PROXY \
                 and no other variable; leave {name} out, or look for an option of the engine's \
                 that does the same (`--engine-opt`)"
            ));
        }
    };
    Ok((key, value))
}

/// Adds one `FLAG=VALUE`, or `FLAG` alone, which is a truth.
fn add(keys: &mut Map<String, Value>, option: &str) -> Result<(), ClusterError> {
    let (flag, value) = match option.split_once('=') {
        Some((flag, value)) => (flag, Some(value)),
        None => (option, None),
    };
    let flag = flag.trim_start_matches('-');
    let is_flag = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if flag.is_empty() || !flag.chars().all(is_flag) {
        return refuse(format!("`--engine-opt {option}`: write it as FLAG=VALUE"));
    }
    if RESERVED.contains(&flag) {
        return refuse(format!(
            "`--engine-opt {option}`: skep sets `{flag}` itself, for the engine to be reached; \
             leave it out"
        ));
    }
    let listed = LISTS.iter().find(|(name, key)| *name == flag || *key == flag);
    let key = listed.map_or(flag, |(_, key)| key);
    if SHAPED.contains(&key) {
        return refuse(format!(
            "`--engine-opt {option}`: `{key}` has a shape of its own in daemon.json and cannot be \
             given as a flag"
        ));
    }
    if listed.is_some() {
        let Some(value) = value else {
            return refuse(format!("`--engine-opt {option}`: write it as {flag}=VALUE"));
        };
        return add_to_list(keys, key, option, value);
    }
    keys.insert(key.into(), value.map_or(Value::Bool(true), |value| scalar(key, value)));
    Ok(())
}

fn add_to_list(
    keys: &mut Map<String, Value>,
    key: &str,
    option: &str,
    value: &str,
) -> Result<(), ClusterError> {
    if key == "log-opts" {
        // The one that is an object of texts.
        let Some((name, value)) = value.split_once('=') else {
            return refuse(format!("`--engine-opt {option}`: write it as log-opt=KEY=VALUE"));
        };
        if let Value::Object(all) = keys.entry(key).or_insert_with(|| json!({})) {
            all.insert(name.into(), json!(value));
        }
        return Ok(());
    }
    if let Value::Array(all) = keys.entry(key).or_insert_with(|| json!([])) {
        all.push(json!(value));
    }
    Ok(())
}

/// A value of the type its text has.
fn scalar(key: &str, value: &str) -> Value {
    if TEXTS.contains(&key) {
        return json!(value);
    }
    match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => number.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)),
    }
}

fn refuse<T>(reason: String) -> Result<T, ClusterError> {
    Err(ClusterError::Request { reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opts(opts: &[&str]) -> Result<Value, String> {
        let opts = opts.iter().map(ToString::to_string).collect();
        let options = EngineOptions { opts, ..EngineOptions::default() };
        daemon_json(&options).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_becomes_a_key_of_its_type() {
        assert_eq!(opts(&["debug=true"]), Ok(json!({"debug": true})));
        assert_eq!(
            opts(&["icc=false", "live-restore"]),
            Ok(json!({"icc": false, "live-restore": true}))
        );
        assert_eq!(opts(&["mtu=1400"]), Ok(json!({"mtu": 1400})));
        assert_eq!(opts(&["--log-driver=journald"]), Ok(json!({"log-driver": "journald"})));
        assert_eq!(opts(&["data-root=7"]), Ok(json!({"data-root": "7"})));
        assert_eq!(opts(&["new-thing=what it is"]), Ok(json!({"new-thing": "what it is"})));
        assert_eq!(opts(&["bip=10.1.0.1/24"]), Ok(json!({"bip": "10.1.0.1/24"})));
    }

    #[test]
    fn what_may_be_said_twice_becomes_a_list() {
        assert_eq!(opts(&["dns=8.8.8.8"]), Ok(json!({"dns": ["8.8.8.8"]})));
        assert_eq!(
            opts(&["dns=8.8.8.8", "dns=9.9.9.9", "storage-opt=size=10G"]),
            Ok(json!({"dns": ["8.8.8.8", "9.9.9.9"], "storage-opts": ["size=10G"]}))
        );
        assert_eq!(
            opts(&["log-opt=max-size=10m", "log-opt=max-file=3"]),
            Ok(json!({"log-opts": {"max-size": "10m", "max-file": "3"}}))
        );
    }

    #[test]
    fn what_has_no_place_is_refused_by_name() {
        for (option, word) in [
            ("host=tcp://0.0.0.0:1", "`host`"),
            ("tlsverify", "`tlsverify`"),
            ("", "FLAG=VALUE"),
            ("a b=c", "FLAG=VALUE"),
            ("dns", "dns=VALUE"),
            ("log-opt=x", "log-opt=KEY=VALUE"),
            ("add-runtime=x=y", "`runtimes`"),
        ] {
            let said = opts(&[option]).unwrap_err();
            assert!(said.contains(word), "{option}: {said}");
        }
    }

    #[test]
    fn what_the_engine_would_refuse_is_refused_before_there_is_one() {
        let of = |set: &dyn Fn(&mut EngineOptions)| {
            let mut options = EngineOptions::default();
            set(&mut options);
            check(&options).map_err(|error| error.to_string())
        };
        for name in ["::1", "10.0.0.1", "My.Host", "*.a.b", "a"] {
            assert_eq!(of(&|options| options.tls_sans = vec![name.into()]), Ok(()), "{name}");
        }
        for name in ["", "*", "*.", "*.a", "a.*.b", "-a", "a b", "*a.b.c", "[::1]"] {
            let said = of(&|options| options.tls_sans = vec![name.into()]).unwrap_err();
            assert!(said.starts_with(&format!("`--tls-san {name}`")), "{said}");
        }
        for mirror in ["http://m", "https://m:5000/", "http://[::1]:5000"] {
            let ended = of(&|options| options.registry_mirrors = vec![mirror.into()]);
            assert_eq!(ended, Ok(()), "{mirror}");
        }
        for mirror in ["", "m", "ftp://m", "http://", "http://u:p@m", "http://m/x", "http://m:x"] {
            let said = of(&|options| options.registry_mirrors = vec![mirror.into()]).unwrap_err();
            assert!(said.contains("--engine-registry-mirror"), "{said}");
        }
        for registry in ["reg:5000", "10.0.0.0/8", "fd00::/8", "http://reg", "[::1]:5000"] {
            let ended = of(&|options| options.insecure_registries = vec![registry.into()]);
            assert_eq!(ended, Ok(()), "{registry}");
        }
        for registry in ["", "-reg", "reg:70000", "a b", "reg/path", "10.0.0.0/40"] {
            let said = of(&|options| options.insecure_registries = vec![registry.into()]);
            assert!(said.unwrap_err().contains("--engine-insecure-registry"));
        }
        let driver = |name: &str| of(&|options| options.storage_driver = Some(name.into()));
        assert_eq!(driver("fuse-overlayfs"), Ok(()));
        assert!(driver("-x").is_err() && driver("over lay").is_err());
    }

    #[test]
    fn proxies_are_the_variables_an_engine_is_told() {
        let told = |env: &[&str]| {
            let env = env.iter().map(ToString::to_string).collect();
            daemon_json(&EngineOptions { env, ..EngineOptions::default() })
        };
        assert_eq!(
            Value::Object(told(&["HTTP_PROXY=http://p:1", "no_proxy=a,b"]).unwrap()),
            json!({"proxies": {"http-proxy": "http://p:1", "no-proxy": "a,b"}})
        );
        let said = told(&["FOO=hunter2"]).unwrap_err().to_string();
        assert!(said.contains("FOO") && !said.contains("hunter2"), "{said}");
        assert!(told(&["FOO"]).is_err());
    }

    #[test]
    fn what_has_a_flag_of_its_own_goes_with_what_was_given_as_an_option() {
        let options = EngineOptions {
            labels: vec!["env=prod".into()],
            insecure_registries: vec!["reg:5000".into()],
            registry_mirrors: vec!["http://m".into()],
            storage_driver: Some("overlay2".into()),
            opts: vec!["label=tier=web".into()],
            ..EngineOptions::default()
        };
        assert_eq!(
            Value::Object(daemon_json(&options).unwrap()),
            json!({
                "insecure-registries": ["reg:5000"],
                "registry-mirrors": ["http://m"],
                "labels": ["env=prod", "tier=web"],
                "storage-driver": "overlay2",
            })
        );
        let wrong = EngineOptions { labels: vec!["env".into()], ..EngineOptions::default() };
        assert!(daemon_json(&wrong).is_err());
        assert!(daemon_json(&EngineOptions::default()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_option_makes_it_panic_or_sets_what_the_guest_sets(option in ".{0,24}") {
            if let Ok(Value::Object(keys)) = opts(&[&option]) {
                let hosts = ["hosts", "host", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey"];
                prop_assert!(!hosts.iter().any(|key| keys.contains_key(*key)));
            }
        }
    }
}
