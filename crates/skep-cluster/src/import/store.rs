//! docker-machine's `config.json`, version 3, as docker-machine 0.16 writes it.
//!
//! Much of it is of no use here and passed over, and so is what a newer or older release may have
//! added; what is missing, or `null`, is as if it were empty. Nothing here touches the store.

use std::net::Ipv4Addr;

use serde::{Deserialize, Deserializer};

use crate::EngineOptions;

const VERSION: u64 = 3;

/// One machine of docker-machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// What stands behind it.
    pub driver: Driver,
    pub engine: EngineOptions,
}

/// What stands behind a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    Virtualbox(Box<VirtualBox>),
    Generic(Login),
    None { url: String },
    Other(String),
}

/// How a machine is logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Its address; `None` of one that is switched off.
    pub address: Option<Ipv4Addr>,
    pub user: String,
    pub port: u16,
    /// Where its private key was when this was written.
    pub key: String,
    pub engine_port: u16,
}

/// A machine of VirtualBox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualBox {
    pub login: Login,
    pub cpus: u32,
    /// Megabytes.
    pub memory: u64,
    /// Megabytes.
    pub disk: u64,
    /// The host's own address in the host-only network, with the network's prefix.
    pub host_only: String,
    pub host_only_nic: String,
    /// The card to the outside.
    pub nat_nic: String,
    pub ui: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "ConfigVersion")]
    version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    driver: RawDriver,
    driver_name: String,
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    host_options: HostOptions,
}

/// The fields of every driver, each with a name of its own.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawDriver {
    #[serde(rename = "IPAddress", deserialize_with = "or_default")]
    address: String,
    #[serde(rename = "SSHUser", deserialize_with = "or_default")]
    user: String,
    #[serde(rename = "SSHPort", deserialize_with = "or_default")]
    port: u64,
    #[serde(rename = "SSHKeyPath", deserialize_with = "or_default")]
    key: String,
    #[serde(deserialize_with = "or_default")]
    engine_port: u64,
    #[serde(rename = "URL", deserialize_with = "or_default")]
    url: String,
    #[serde(rename = "CPU", deserialize_with = "or_default")]
    cpus: i64,
    #[serde(deserialize_with = "or_default")]
    memory: u64,
    #[serde(deserialize_with = "or_default")]
    disk_size: u64,
    #[serde(rename = "HostOnlyCIDR", deserialize_with = "or_default")]
    host_only: String,
    #[serde(deserialize_with = "or_default")]
    host_only_nic_type: String,
    #[serde(deserialize_with = "or_default")]
    nat_nic_type: String,
    #[serde(rename = "UIType", deserialize_with = "or_default")]
    ui: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostOptions {
    #[serde(deserialize_with = "or_default")]
    engine_options: RawEngine,
    #[serde(deserialize_with = "or_default")]
    auth_options: RawAuth,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawEngine {
    #[serde(deserialize_with = "or_default")]
    arbitrary_flags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    insecure_registry: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    labels: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    registry_mirror: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    storage_driver: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAuth {
    #[serde(rename = "ServerCertSANs", deserialize_with = "or_default")]
    tls_sans: Vec<String>,
}

/// `null` is as nothing, which is how Go writes an empty list.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a machine's `config.json`.
///
/// # Errors
/// Why it cannot be read, in a few words.
pub fn read(text: &str) -> Result<Entry, String> {
    if text.trim().is_empty() {
        return Err("its config.json is empty: its create was cut short".into());
    }
    let damaged = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => format!(
                "its config.json is not one of docker-machine's (line {line}, column {column}: {})",
                wrong(&error)
            ),
            _ => format!("its config.json is damaged at line {line}, column {column}"),
        }
    };
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != VERSION {
        return Err(format!(
            "its config.json has version {version}, and only {VERSION} is read: a docker-machine of \
             0.5.5 or later brings it up to date (`docker-machine ls`)"
        ));
    }
    let config: Config = serde_json::from_str(text).map_err(damaged)?;
    let RawEngine {
        arbitrary_flags,
        env,
        insecure_registry,
        labels,
        registry_mirror,
        storage_driver,
    } = config.host_options.engine_options;
    let engine = EngineOptions {
        env,
        insecure_registries: insecure_registry,
        labels,
        opts: arbitrary_flags,
        registry_mirrors: registry_mirror,
        storage_driver: Some(storage_driver).filter(|driver| !driver.is_empty()),
        tls_sans: config.host_options.auth_options.tls_sans,
    };
    let driver = match config.driver_name.as_str() {
        "virtualbox" => Driver::Virtualbox(Box::new(config.driver.virtualbox()?)),
        "generic" => Driver::Generic(config.driver.login()?),
        "none" => Driver::None { url: config.driver.url },
        other => Driver::Other(other.to_owned()),
    };
    Ok(Entry { name: config.name, driver, engine })
}

/// What is wrong in words of the type that was expected, without the value, which may be a secret.
fn wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return text.split(" at line").next().unwrap_or_default().to_owned();
    }
    let kinds = ["null", "boolean", "integer", "floating point", "string", "sequence", "map"];
    let found = text.strip_prefix("invalid type: ");
    let kind = kinds.into_iter().find(|kind| found.is_some_and(|found| found.starts_with(kind)));
    kind.map_or_else(|| "an unexpected value".into(), |kind| format!("an unexpected {kind}"))
}

impl RawDriver {
    fn login(&self) -> Result<Login, String> {
        let port = |value: u64, default: u16, what: &str| match value {
            0 => Ok(default),
            value => u16::try_from(value).map_err(|_| format!("{value} is no port of its {what}")),
        };
        let address = match self.address.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                format!("its address `{text}` is none of IPv4's, which nodes of a swarm need")
            })?),
        };
        Ok(Login {
            address,
            user: if self.user.is_empty() { "root".into() } else { self.user.clone() },
            port: port(self.port, 22, "SSH server")?,
            key: self.key.clone(),
            engine_port: port(self.engine_port, 2376, "engine")?,
        })
    }

    fn virtualbox(&self) -> Result<VirtualBox, String> {
        let or = |text: &str, default: &str| {
            if text.is_empty() { default.to_owned() } else { text.to_owned() }
        };
        Ok(VirtualBox {
            login: self.login()?,
            cpus: u32::try_from(self.cpus).unwrap_or(1),
            memory: self.memory,
            disk: self.disk_size,
            host_only: or(&self.host_only, "192.168.99.1/24"),
            host_only_nic: or(&self.host_only_nic_type, "82540EM"),
            nat_nic: or(&self.nat_nic_type, "82540EM"),
            ui: or(&self.ui, "headless"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VIRTUALBOX: &str = include_str!("fixtures/virtualbox.json");
    const GENERIC: &str = include_str!("fixtures/generic.json");
    const NONE: &str = include_str!("fixtures/none.json");

    #[test]
    fn a_machine_of_virtualbox_is_read() {
        let entry = read(VIRTUALBOX).unwrap();
        assert_eq!(entry.name, "vb1");
        let Driver::Virtualbox(found) = entry.driver else { panic!("{:?}", entry.driver) };
        assert_eq!(found.login.address, Some([127, 0, 0, 1].into()));
        assert_eq!((found.login.user.as_str(), found.login.port), ("docker", 34007));
        assert_eq!((found.memory, found.cpus, found.disk), (1024, 1, 64));
        assert_eq!(found.host_only_nic, "Am79C973");
        assert_eq!(entry.engine, EngineOptions::default());
    }

    #[test]
    fn a_host_over_ssh_is_read() {
        let entry = read(GENERIC).unwrap();
        assert_eq!(entry.engine.labels, ["env=prod"]);
        let Driver::Generic(login) = entry.driver else { panic!("{:?}", entry.driver) };
        assert_eq!((login.user.as_str(), login.port, login.engine_port), ("root", 22022, 22376));
        assert_eq!(login.key, "/STORE/machines/gen1/id_rsa");
    }

    #[test]
    fn an_engines_url_is_read_with_what_its_engine_was_told() {
        let entry = read(NONE).unwrap();
        assert_eq!(entry.driver, Driver::None { url: "tcp://127.0.0.1:23760".into() });
        assert_eq!(entry.engine.opts, ["dns=8.8.8.8"]);
        assert_eq!(entry.engine.env, ["FOO=bar"]);
        assert_eq!(entry.engine.storage_driver.as_deref(), Some("overlay2"));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let said = |text: &str| read(text).unwrap_err();
        assert!(said("").contains("is empty"));
        assert!(said("{\"ConfigVersion\": 3").contains("damaged at line 1"));
        assert!(said("{\"ConfigVersion\": 2}").contains("version 2"));
        assert!(said("{\"ConfigVersion\": 3}").contains("not one of docker-machine's"));
        assert!(said("[]").contains("not one of docker-machine's"));
        assert!(said("null").contains("an unexpected null"), "{}", said("null"));
        let no_driver =
            r#"{"ConfigVersion": 3, "DriverName": "none", "Name": "a", "Driver": null}"#;
        assert!(said(no_driver).contains("an unexpected null"), "{}", said(no_driver));
        let secret =
            r#"{"ConfigVersion": 3, "DriverName": "none", "Name": "a", "Driver": "hunter2"}"#;
        assert!(!said(secret).contains("hunter2") && said(secret).contains("string"));
        assert!(said("{\"ConfigVersion\": 3}").contains("missing field `Driver`"));
        let far = VIRTUALBOX.replace("34007", "340070");
        assert!(said(&far).contains("340070 is no port"));
        let named = VIRTUALBOX.replace("\"127.0.0.1\"", "\"fd00::2\"");
        assert!(said(&named).contains("`fd00::2`"));
    }

    #[test]
    fn another_driver_is_read_as_such() {
        let text = NONE.replace("\"DriverName\": \"none\"", "\"DriverName\": \"amazonec2\"");
        assert_eq!(read(&text).unwrap().driver, Driver::Other("amazonec2".into()));
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_is_refused_and_no_more(cut in 0usize..2700) {
            let text = &VIRTUALBOX[..cut.min(VIRTUALBOX.len())];
            // The last brace is what makes it whole.
            prop_assert_eq!(read(text).is_ok(), text.trim_end().len() == VIRTUALBOX.trim_end().len());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = read(&text);
        }
    }
}
