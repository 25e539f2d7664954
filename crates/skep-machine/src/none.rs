//! Engines that are known by their URL and by nothing else, as docker-machine's `none`.
//!
//! There is nothing to make, to switch or to log in to: a record (`none.json`, schema 1) in the
//! machine's directory says that the machine is there, and removing the machine forgets it.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use skep_model::{Check, ClusterName, MachineName, MachineState, Port};
use skep_store::{Layout, Resource, StoreError, file, read_json, write_record};
use tokio_util::sync::CancellationToken;

use crate::{
    Driver, DriverOptions, Features, MachineError, MachineId, MachinePlan, Reach, Request, System,
    Work,
};

/// What machines of this driver are like.
pub(crate) const FEATURES: Features = Features {
    makes_machines: false,
    sizes_disks: false,
    forwards_ports: false,
    system: System::Nothing,
};

/// The newest schema of `none.json` this program knows.
const SCHEMA: u64 = 1;

/// The port of an engine whose URL names none: with TLS, and without.
const PORTS: (u16, u16) = (2376, 2375);

/// Engines by URL.
#[derive(Debug)]
pub struct NoneDriver {
    layout: Layout,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: u64,
    url: EngineUrl,
}

impl NoneDriver {
    /// A driver of the machines of a store.
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    fn record(&self, cluster: &ClusterName, machine: &str) -> std::path::PathBuf {
        self.layout.cluster(cluster.as_str()).machine(machine).none()
    }

    /// The machines that have a record, whole or not.
    fn machines(&self, cluster: &ClusterName) -> Result<Vec<MachineName>, StoreError> {
        let names = skep_store::file::names(&self.layout.cluster(cluster.as_str()).machines())?;
        let recorded = names.into_iter().filter(|name| self.record(cluster, name).exists());
        Ok(recorded.filter_map(|name| name.parse().ok()).collect())
    }

    fn refused(id: &MachineId, action: &'static str, done: &str) -> MachineError {
        MachineError::Driver {
            machine: id.machine.clone(),
            action,
            reason: format!("hosts without a driver cannot be {done}"),
        }
    }
}

fn resource(id: &MachineId) -> Resource {
    Resource::new("engine", id.machine.as_str())
}

#[async_trait]
impl Driver for NoneDriver {
    async fn preflight(&self, request: &Request, _: &CancellationToken) -> Vec<Check> {
        let check = match &request.options {
            DriverOptions::None(Some(url)) => match url.authority() {
                Ok(_) => Check::pass("engine's URL", url.0.clone()),
                Err(error) => Check::fail("engine's URL", error.to_string(), FORM),
            },
            _ => Check::fail(
                "engine's URL",
                "there is none, and this driver makes no machines",
                "say where the engine is with `machine create --driver none --url tcp://HOST:PORT`",
            ),
        };
        vec![check]
    }

    async fn prepare(
        &self,
        _: &ClusterName,
        _: Option<Ipv4Net>,
        _: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        Ok(None)
    }

    fn reach(
        &self,
        id: &MachineId,
        _: Ipv4Addr,
        options: &DriverOptions,
    ) -> Result<Reach, MachineError> {
        let cannot = |reason: String| MachineError::Driver {
            machine: id.machine.clone(),
            action: "reach",
            reason,
        };
        let DriverOptions::None(Some(url)) = options else {
            return Err(cannot("its engine's URL is not known".into()));
        };
        let authority = url.authority().map_err(|error| cannot(error.to_string()))?;
        let host: IpAddr = authority.host.parse().map_err(|_| {
            cannot(format!("`{}` is a name, and addresses are not asked for here", authority.host))
        })?;
        Ok(Reach { host, ssh: 22, engine: authority.port })
    }

    fn resource(&self, id: &MachineId) -> Resource {
        resource(id)
    }

    async fn publish(
        &self,
        _: &MachineId,
        _: &[Port],
        _: &CancellationToken,
    ) -> Result<(), MachineError> {
        Ok(())
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let DriverOptions::None(Some(url)) = &plan.options else {
            return Err(MachineError::Driver {
                machine: plan.id.machine.clone(),
                action: "create",
                reason: "its engine's URL is not known".into(),
            });
        };
        let resource = resource(&plan.id);
        work.journal.intent(&resource)?;
        let path = self.record(&plan.id.cluster, plan.id.machine.as_str());
        write_record(&path, &Record { schema: SCHEMA, url: url.clone() })?;
        Ok(work.journal.made(&resource)?)
    }

    async fn start(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        let path = self.record(&id.cluster, id.machine.as_str());
        match read_json::<Record>(&path, SCHEMA)? {
            Some(_) => Ok(()),
            None => Err(MachineError::NoSuchMachine { machine: id.machine.clone() }),
        }
    }

    async fn stop(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        Err(Self::refused(id, "stop", "stopped"))
    }

    async fn kill(&self, id: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        Err(Self::refused(id, "kill", "killed"))
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let machines = self.machines(cluster)?.into_iter();
        Ok(machines.map(|machine| (machine, MachineState::Running)).collect())
    }

    async fn console(&self, _: &MachineId) -> Result<String, MachineError> {
        Ok(String::new())
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        file::remove(&self.record(&id.cluster, id.machine.as_str()))?;
        Ok(work.journal.gone(&resource(id))?)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        let machines = self.machines(cluster)?.into_iter();
        let cluster = cluster.clone();
        let id = |machine| MachineId { cluster: cluster.clone(), machine };
        Ok(machines.map(|machine| resource(&id(machine))).collect())
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        // A name that is none would lead out of the machines' directory.
        if resource.kind == "engine" && resource.name.parse::<MachineName>().is_ok() {
            file::remove(&self.record(cluster, &resource.name))?;
        }
        Ok(work.journal.gone(resource)?)
    }
}

/// How an engine's URL is written.
const FORM: &str = "write it as tcp://HOST:PORT";

/// An engine's URL, as it was given: `tcp://192.168.99.100:2376`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineUrl(pub String);

/// Where an engine's URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host: a name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether nothing but plain HTTP is spoken there: `http://`, or the port that is kept for it.
    pub plain: bool,
}

/// A text that is no engine's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no engine's URL: {reason}")]
pub struct UrlError {
    /// The text.
    pub url: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl EngineUrl {
    /// Where it leads. `tcp://`, `http://` and `https://` are the same way, as for the docker CLI;
    /// a port that is left out is 2376, or 2375 after `http://`.
    ///
    /// # Errors
    /// [`UrlError`]: another scheme, no host, a port that is none, something behind the port.
    pub fn authority(&self) -> Result<Authority, UrlError> {
        let wrong = |reason| UrlError { url: self.0.clone(), reason };
        let (scheme, rest) = self.0.split_once("://").ok_or(wrong("it has no scheme"))?;
        if !["tcp", "http", "https"].contains(&scheme) {
            return Err(wrong("its scheme is neither tcp nor http nor https"));
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) =
                    bracketed.split_once(']').ok_or(wrong("a bracket is not closed"))?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
            }
            None => {
                rest.split_once(':').map_or((rest, Some("")), |(host, port)| (host, Some(port)))
            }
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || !host.chars().all(is_part) {
            return Err(wrong("it names no host"));
        }
        let port = match port.ok_or(wrong("its port is none"))? {
            "" if scheme == "http" => PORTS.1,
            "" => PORTS.0,
            text => {
                text.parse().ok().filter(|&port: &u16| port > 0).ok_or(wrong("its port is none"))?
            }
        };
        let plain = scheme == "http" || (scheme == "tcp" && port == PORTS.1);
        Ok(Authority { host: host.to_owned(), port, plain })
    }

    /// What stands behind the scheme, which is what docker-machine calls the machine's address:
    /// `192.168.99.100:2376`. Of an address of IPv6 it is that alone, as every command takes it.
    pub fn address(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let rest = rest.trim_end_matches('/');
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        bracketed.map_or(rest, |(host, _)| host)
    }
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Authority, UrlError> {
        EngineUrl(text.into()).authority()
    }

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        let led = |text: &str| read(text).map(|found| (found.host, found.port, found.plain));
        assert_eq!(led("tcp://127.0.0.1:23760"), Ok(("127.0.0.1".into(), 23760, false)));
        assert_eq!(led("tcp://build:2376/"), Ok(("build".into(), 2376, false)));
        assert_eq!(led("tcp://build"), Ok(("build".into(), 2376, false)));
        assert_eq!(led("tcp://build:2375"), Ok(("build".into(), 2375, true)));
        assert_eq!(led("http://build"), Ok(("build".into(), 2375, true)));
        assert_eq!(led("https://build:2375"), Ok(("build".into(), 2375, false)));
        assert_eq!(led("tcp://[fd00::2]:2376"), Ok(("fd00::2".into(), 2376, false)));
        assert_eq!(led("tcp://[fd00::2]"), Ok(("fd00::2".into(), 2376, false)));
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_reason() {
        for text in [
            "garbage",
            "",
            "tcp://",
            "tcp://:2376",
            "tcp://host:0",
            "tcp://host:99999",
            "tcp://host:1:2",
            "tcp://host/path",
            "tcp://[fd00::2",
            "tcp://[fd00::2]2376",
            "ftp://host",
            "unix:///run/docker.sock",
            "tcp://a b:1",
        ] {
            read(text).expect_err(text);
        }
    }

    #[test]
    fn the_address_is_what_docker_machine_calls_it() {
        assert_eq!(EngineUrl("tcp://127.0.0.1:1".into()).address(), "127.0.0.1:1");
        assert_eq!(EngineUrl("garbage".into()).address(), "garbage");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", tail in "[\\[\\]:/a0%.]{0,12}") {
            let _ = read(&text);
            let _ = read(&format!("tcp://{tail}"));
        }
    }
}
