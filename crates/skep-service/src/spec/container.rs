//! Values about a task's container: limits of processes, host names, capabilities, Windows
//! credentials; and what decides where it is placed.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use serde_json::{Value, json};

use crate::spec::value::ValueError;

/// `--ulimit nofile=1024:2048`; one number is both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile`
    pub name: String,
    /// Up to which a process may raise it.
    pub hard: i64,
    /// In force.
    pub soft: i64,
}

/// The limits there are, as `go-units` of docker names them.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

impl Ulimit {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "Name": self.name, "Hard": self.hard, "Soft": self.soft })
    }
}

impl FromStr for Ulimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |fix: String| ValueError::new("ulimit", text, fix);
        let (name, limits) =
            text.split_once('=').ok_or_else(|| wrong("write NAME=SOFT[:HARD]".into()))?;
        if !ULIMITS.contains(&name) {
            return Err(wrong(format!(
                "there is no limit `{name}`: it is one of {}",
                ULIMITS.join(", ")
            )));
        }
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let number = |text: &str| {
            text.parse::<i64>().map_err(|_| wrong(format!("`{text}` is no whole number")))
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        if hard != -1 && (soft > hard || soft == -1) {
            return Err(wrong(format!("the soft limit {soft} is above the hard limit {hard}")));
        }
        Ok(Self { name: name.into(), hard, soft })
    }
}

/// `--host db:10.0.0.5`: a line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    /// The address, or `host-gateway`.
    pub address: String,
}

impl Host {
    /// As swarm keeps it: the address first.
    pub(crate) fn to_entry(&self) -> String {
        format!("{} {}", self.address, self.name)
    }
}

impl FromStr for Host {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |fix: &str| ValueError::new("host", text, fix);
        let (name, address) = text
            .split_once([':', '='])
            .filter(|(name, address)| !name.is_empty() && !address.is_empty())
            .ok_or_else(|| wrong("write NAME:ADDRESS"))?;
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.unwrap_or(address);
        if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
            return Err(wrong("behind the colon must stand an IP address"));
        }
        Ok(Self { name: name.into(), address: address.into() })
    }
}

/// A host name to take away: `NAME`, from every address, or `NAME:ADDRESS`.
pub(crate) fn host_removal(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, ""))
}

/// `--dns-search example.org`, or `.` for none.
///
/// # Errors
/// [`ValueError`] if it is no domain.
pub fn search_domain(text: &str) -> Result<String, ValueError> {
    let domain = text.trim_matches(' ');
    if domain == "." {
        return Ok(domain.into());
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let letters = domain.contains(|c: char| c.is_ascii_alphabetic());
    if letters && domain.len() < 255 && domain.split('.').all(is_label) {
        return Ok(domain.into());
    }
    Err(ValueError::new("domain", text, "write one like example.org"))
}

/// `--placement-pref spread=node.labels.zone`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// What to spread tasks over: `node.labels.zone`.
    pub spread: String,
}

impl Preference {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "Spread": { "SpreadDescriptor": self.spread } })
    }
}

impl FromStr for Preference {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fix = "write spread=node.labels.NAME";
        let wrong = || ValueError::new("placement preference", text, fix);
        let (strategy, spread) = text.split_once('=').ok_or_else(wrong)?;
        if strategy != "spread" {
            return Err(wrong());
        }
        Ok(Self { spread: spread.into() })
    }
}

/// `--generic-resource gpu=2`: how many of something that nodes say they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericResource {
    /// `gpu`
    pub kind: String,
    pub count: i64,
}

impl GenericResource {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "DiscreteResourceSpec": { "Kind": self.kind, "Value": self.count } })
    }
}

impl FromStr for GenericResource {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |fix: &str| ValueError::new("generic resource", text, fix);
        let (kind, count) = text
            .split_once('=')
            .filter(|(kind, _)| !kind.is_empty())
            .ok_or_else(|| wrong("write KIND=COUNT"))?;
        let count = count.parse().ok().filter(|&count| count > 0).ok_or_else(|| {
            wrong("a service asks for a number of them, one or more, not for a certain one")
        })?;
        Ok(Self { kind: kind.into(), count })
    }
}

/// `--credential-spec config://NAME`, `file://FILE` or `registry://VALUE` (Windows); an empty one
/// takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CredentialSpec {
    #[default]
    None,
    /// In a config, by name.
    Config(String),
    /// In a file of the node.
    File(String),
    /// In the node's registry.
    Registry(String),
}

impl FromStr for CredentialSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Ok(Self::None);
        }
        match text.split_once("://") {
            Some(("config", value)) => Ok(Self::Config(value.into())),
            Some(("file", value)) => Ok(Self::File(value.into())),
            Some(("registry", value)) => Ok(Self::Registry(value.into())),
            _ => {
                let fix = "it begins with config://, file:// or registry://";
                Err(ValueError::new("credential spec", text, fix))
            }
        }
    }
}

/// Capabilities as engines name them: `CAP_NET_ADMIN` for `net_admin`; `ALL` and `RESET` stay.
fn normal(capability: &str) -> String {
    let name = capability.trim().to_uppercase();
    if name == ALL || name == RESET || name.starts_with("CAP_") {
        name
    } else {
        format!("CAP_{name}")
    }
}

const ALL: &str = "ALL";
const RESET: &str = "RESET";

fn set(capabilities: &[String]) -> BTreeSet<String> {
    capabilities.iter().map(|one| normal(one)).collect()
}

fn list(mut capabilities: BTreeSet<String>) -> Vec<String> {
    capabilities.remove(RESET);
    if capabilities.contains(ALL) {
        return vec![ALL.into()];
    }
    capabilities.into_iter().collect()
}

/// What a new service adds and drops: what is added is not dropped.
pub(crate) fn new_capabilities(add: &[String], drop: &[String]) -> (Vec<String>, Vec<String>) {
    let (add, mut drop) = (list(set(add)), list(set(drop)));
    drop.retain(|one| !add.contains(one));
    (add, drop)
}

/// What a service adds and drops after a change. Adding what was dropped takes it off the list of
/// what is dropped and no more than that, and the other way round; `RESET` empties a list first.
pub(crate) fn changed_capabilities(
    before: (&[String], &[String]),
    add: &[String],
    drop: &[String],
) -> (Vec<String>, Vec<String>) {
    let (mut adds, mut drops) = (set(before.0), set(before.1));
    let (mut add, mut drop) = (set(add), set(drop));
    if add.remove(RESET) {
        adds.clear();
    }
    if drop.remove(RESET) {
        drops.clear();
    }
    for one in drop.difference(&add) {
        if !adds.remove(one) {
            drops.insert(one.clone());
        }
    }
    for one in add {
        if !drops.remove(&one) {
            adds.insert(one);
        }
    }
    (list(adds), list(drops))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn ulimits_are_checked() {
        let ulimit = |text: &str| text.parse::<Ulimit>();
        assert_eq!(ulimit("nofile=10").unwrap(), ulimit("nofile=10:10").unwrap());
        assert_eq!(ulimit("core=0:-1").unwrap().hard, -1);
        for text in ["nofile", "files=1", "nofile=a", "nofile=2:1", "nofile=-1:5", "nofile=1:2:3"] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_turned_round() {
        let entry = |text: &str| text.parse::<Host>().unwrap().to_entry();
        assert_eq!(entry("db:10.0.0.5"), "10.0.0.5 db");
        assert_eq!(entry("db:fe80::1"), "fe80::1 db");
        assert_eq!(entry("db:host-gateway"), "host-gateway db");
        for text in ["db", "db:", ":10.0.0.5", "db:ten"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_small_values_say_what_to_write() {
        assert_eq!(search_domain("example.org.").unwrap(), "example.org");
        assert!(search_domain("1.2").is_err() && search_domain("a..b").is_err());
        assert!("zone".parse::<Preference>().is_err());
        assert!("pack=node.id".parse::<Preference>().is_err());
        assert_eq!("gpu=2".parse::<GenericResource>().unwrap().count, 2);
        assert!("gpu=UID1".parse::<GenericResource>().is_err());
        assert_eq!("config://a".parse(), Ok(CredentialSpec::Config("a".into())));
        assert!("a".parse::<CredentialSpec>().is_err());
    }

    #[test]
    fn what_is_added_is_not_dropped() {
        let (add, drop) =
            new_capabilities(&strings(&["net_admin"]), &strings(&["CAP_NET_ADMIN", "mknod"]));
        assert_eq!((add, drop), (strings(&["CAP_NET_ADMIN"]), strings(&["CAP_MKNOD"])));
        let (add, drop) = new_capabilities(&[], &strings(&["all", "mknod"]));
        assert_eq!((add, drop), (vec![], strings(&["ALL"])));
    }

    #[test]
    fn changing_capabilities_has_three_states() {
        let dropped = strings(&["CAP_CHOWN"]);
        let one = changed_capabilities((&[], &dropped), &dropped, &[]);
        assert_eq!(one, (vec![], vec![]));
        let two = changed_capabilities((&one.0, &one.1), &dropped, &[]);
        assert_eq!(two, (dropped.clone(), vec![]));
        let reset = changed_capabilities((&dropped, &[]), &strings(&["RESET", "kill"]), &[]);
        assert_eq!(reset, (strings(&["CAP_KILL"]), vec![]));
    }
}
