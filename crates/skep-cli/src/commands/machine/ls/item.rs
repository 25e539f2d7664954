//! One line of the list.

use std::time::Duration;

use serde_json::{Value, json};
use skep_cluster::{
    machines::{engine_release, swarm_part},
    survey::role_in,
};
use skep_machine::DriverKind;
use skep_model::{ClusterName, MachineState, Role};
use skep_swarm::LocalNodeState;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    advice::worded,
    commands::machine::{
        facts::{Found, driver_name},
        inspect::host_options,
        where_is::version_error,
    },
    context::Context,
    failure::Failure,
    persona::Persona,
};

/// What docker-machine calls a line's type, for errors.
pub(super) const TYPE: &str = "commands.HostListItem";

/// The default columns.
pub(super) const TABLE: &str = "{{.Name}}\t{{.Active}}\t{{.DriverName}}\t{{.State}}\t{{.URL}}\t\
     {{.Swarm}}\t{{.DockerVersion}}\t{{.Error}}";

/// The fields of a template.
pub(super) const FIELDS: [&str; 15] = [
    "Name",
    "Active",
    "ActiveHost",
    "ActiveSwarm",
    "DriverName",
    "State",
    "URL",
    "SwarmOptions",
    "Swarm",
    "EngineOptions",
    "HostOptions",
    "Error",
    "DockerVersion",
    "ResponseTime",
    "Role",
];

/// The header of each field in a table.
pub(super) fn headers() -> Value {
    json!({
        "Name": "NAME",
        "Active": "ACTIVE",
        "ActiveHost": "ACTIVE_HOST",
        "ActiveSwarm": "ACTIVE_SWARM",
        "DriverName": "DRIVER",
        "State": "STATE",
        "URL": "URL",
        "SwarmOptions": "SWARM_OPTIONS",
        "Swarm": "SWARM",
        "EngineOptions": "ENGINE_OPTIONS",
        "HostOptions": "HOST_OPTIONS",
        "Error": "ERRORS",
        "DockerVersion": "DOCKER",
        "ResponseTime": "RESPONSE",
        "Role": "ROLE",
    })
}

/// A machine, or what is left of one.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) state: String,
    /// The machine, if its record can be read.
    found: Option<Found>,
    /// The cluster's name, where its record cannot be read.
    damaged: Option<String>,
    driver: String,
    url: Option<String>,
    active: bool,
    release: Option<String>,
    /// Its role in a swarm, as its engine says it, else as it was last known.
    role: Option<Role>,
    error: Option<String>,
    took: Duration,
}

impl Item {
    pub(super) fn new(
        context: &Context,
        found: Found,
        state: String,
        error: Option<String>,
        took: Duration,
    ) -> Self {
        let url = found.url().ok();
        let host = context.environment("DOCKER_HOST").filter(|host| !host.is_empty());
        Self {
            name: found.machine.name.to_string(),
            state,
            damaged: None,
            driver: driver_name(context.persona, found.cluster.record().driver),
            active: url.is_some() && url == host,
            url,
            role: found.machine.role,
            found: Some(found),
            release: None,
            error,
            took,
        }
    }

    /// The machines that a cluster with a damaged record has had, by their directories; or the
    /// cluster itself, if there are none.
    pub(super) fn damaged(
        context: &Context,
        cluster: &ClusterName,
        failure: &Failure,
    ) -> Vec<Self> {
        let names = || {
            let names = context.home().ok()?.layout().cluster(cluster).machine_names().ok()?;
            (!names.is_empty()).then(|| names.iter().map(ToString::to_string).collect())
        };
        let names = names().unwrap_or_else(|| vec![cluster.to_string()]);
        let one = |name| Self {
            name,
            state: MachineState::Failed.to_string(),
            found: None,
            damaged: Some(cluster.to_string()),
            driver: "not found".to_owned(),
            url: None,
            active: false,
            release: None,
            role: None,
            error: Some(worded(&failure.message, Persona::Skep)),
            took: Duration::ZERO,
        };
        names.into_iter().map(one).collect()
    }

    fn runs(&self) -> bool {
        self.state == MachineState::Running.to_string()
    }

    /// Asks the engine for its release if the machine runs, and with `roles` for its part in a swarm.
    pub(super) async fn ask_engine(
        &mut self,
        patience: Duration,
        roles: bool,
        cancel: &CancellationToken,
    ) {
        let Some(found) = self.found.as_ref().filter(|_| self.runs()) else { return };
        let start = Instant::now();
        let left = patience.saturating_sub(self.took);
        let (cluster, name) = (&found.cluster, found.machine.name.as_str());
        let release = timeout(left, engine_release(cluster, name, cancel));
        let part = async {
            match roles {
                true => timeout(left, swarm_part(cluster, name, cancel)).await.ok()?.ok(),
                false => None,
            }
        };
        let (release, part) = tokio::join!(release, part);
        match release {
            Ok(Ok(release)) => self.release = Some(release),
            Ok(Err(error)) => self.error = Some(version_error(&error)),
            Err(_) => {
                let seconds = patience.as_secs_f32();
                self.error =
                    Some(format!("Unable to query docker version: no answer within {seconds} s"));
            }
        }
        match part {
            // On its way back into its swarm: it is what it was.
            Some(part) if matches!(part.state, LocalNodeState::Pending | LocalNodeState::Error) => {
            }
            Some(part) => self.role = role_in(&part),
            None => {}
        }
        self.took += start.elapsed();
    }

    pub(super) fn has_driver(&self, wanted: &str) -> bool {
        let kind = self.found.as_ref().map(|found| found.cluster.record().driver);
        self.driver.eq_ignore_ascii_case(wanted)
            || wanted.to_ascii_lowercase().parse::<DriverKind>().is_ok_and(|one| Some(one) == kind)
    }

    pub(super) fn has_label(&self, wanted: &str) -> bool {
        let labels = self.found.as_ref().map(|found| &found.machine.engine.labels);
        labels.is_some_and(|labels| labels.iter().any(|label| label == wanted))
    }

    /// The cluster of a machine that has a role in it.
    pub(super) fn cluster_with_roles(&self) -> Option<&str> {
        let found = self.found.as_ref().filter(|_| self.role.is_some())?;
        Some(found.cluster.record().name.as_str())
    }

    fn swarm(&self) -> String {
        match (self.cluster_with_roles(), self.role) {
            (Some(cluster), Some(Role::Manager)) => format!("{cluster} (manager)"),
            (Some(cluster), _) => cluster.to_owned(),
            (None, _) => String::new(),
        }
    }

    /// The value that a template gets.
    pub(super) fn fields(&self) -> Value {
        let options = self.found.as_ref().map(host_options).unwrap_or_default();
        json!({
            "Name": self.name,
            "Active": if self.active { "*" } else { "-" },
            "ActiveHost": self.active,
            "ActiveSwarm": false,
            "DriverName": self.driver,
            "State": self.state,
            "URL": self.url.as_deref().filter(|_| self.runs()).unwrap_or_default(),
            "SwarmOptions": options["SwarmOptions"],
            "Swarm": self.swarm(),
            "EngineOptions": options["EngineOptions"],
            "HostOptions": options,
            "Error": plain(self.error.as_deref().unwrap_or_default()),
            "DockerVersion": match &self.release {
                Some(release) => format!("v{}", plain(release)),
                None => "Unknown".to_owned(),
            },
            "ResponseTime": duration(self.took),
            "Role": self.role.map(|role| role.to_string()).unwrap_or_default(),
        })
    }

    /// The object that `--format json` prints.
    pub(super) fn document(&self) -> Value {
        let found = self.found.as_ref();
        let record = found.map(|found| found.cluster.record());
        let reach = found.and_then(|found| found.cluster.reach(&found.machine).ok());
        let state = match self.state.as_str() {
            "Not Found" => "absent".to_owned(),
            "Error" => "failed".to_owned(),
            other => other.to_lowercase(),
        };
        json!({
            "name": self.name,
            "cluster": record.map(|record| record.name.as_str()).or(self.damaged.as_deref()),
            "role": self.role,
            "driver": record.map(|record| record.driver),
            "state": state,
            "address": reach.map(|reach| reach.host),
            "cluster_address":
                found.and_then(|found| found.cluster.record().address(&found.machine)),
            "url": self.url,
            "docker_version": self.release,
            "error": self.error,
        })
    }
}

/// A text that stays in its cell.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

/// A time as Go prints it, to the millisecond: `57ms`, `1.057s`.
fn duration(time: Duration) -> String {
    match time.as_millis() {
        0 => "0s".to_owned(),
        millis @ 1..1000 => format!("{millis}ms"),
        millis => {
            let seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
            format!("{}s", seconds.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_gos() {
        let shown = |millis| duration(Duration::from_millis(millis));
        assert_eq!(
            [shown(0), shown(57), shown(1057), shown(1500)],
            ["0s", "57ms", "1.057s", "1.5s"]
        );
        assert_eq!(shown(10_000), "10s");
    }

    #[test]
    fn what_an_engine_says_stays_in_its_cell() {
        assert_eq!(plain("a\n b\tc\u{1b}"), "a  b c");
    }
}
