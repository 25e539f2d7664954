//! The settings of a whole swarm: what `docker swarm update` changes.
//!
//! Source: `SwarmSpec` of the Docker Engine API; the meaning of each setting is `docker swarm
//! update`'s (`cli/command/swarm/opts.go` of docker/cli).

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Swarm, error::SwarmError, retry::Retry};

const UPDATE: &str = "update the swarm";

/// The shortest life of a node's certificate that managers take.
pub const SHORTEST_EXPIRY: Duration = Duration::from_secs(3600);

/// An external signing authority that managers ask for nodes' certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalCa {
    /// The protocol: `cfssl`.
    pub protocol: String,
    pub url: String,
    /// The root certificate that its certificates belong to, as PEM; the swarm's own if `None`.
    pub ca_cert: Option<String>,
    /// The API's `Options`, passed on as they are.
    pub options: BTreeMap<String, String>,
}

/// What shall change about a swarm; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwarmUpdate {
    /// Whether managers keep their keys encrypted, so that they need the unlock key to start.
    pub autolock: Option<bool>,
    /// How long nodes' certificates are valid.
    pub cert_expiry: Option<Duration>,
    pub dispatcher_heartbeat: Option<Duration>,
    pub external_cas: Option<Vec<ExternalCa>>,
    /// How many Raft snapshots are kept besides the current one.
    pub max_snapshots: Option<u64>,
    /// How many log entries lie between two Raft snapshots.
    pub snapshot_interval: Option<u64>,
    /// How many former tasks of a slot are kept; all of them if negative.
    pub task_history_limit: Option<i64>,
}

impl SwarmUpdate {
    /// Refuses what managers would: when a swarm is made, they would do so after it is there.
    ///
    /// # Errors
    /// [`SwarmError::Setting`].
    pub fn check(&self) -> Result<(), SwarmError> {
        match self.cert_expiry {
            Some(expiry) if expiry < SHORTEST_EXPIRY => Err(SwarmError::Setting {
                wrong: "certificates of nodes are valid for 1h at least".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Edits a swarm's specification (the API's `SwarmSpec`) and says whether that changed it.
    /// `root` is the root certificate of external authorities that name none.
    pub fn apply(&self, spec: &mut Value, root: Option<&str>) -> bool {
        if !spec.is_object() {
            *spec = Map::new().into();
        }
        let before = spec.clone();
        let mut set = |part: &str, field: &str, value: Value| {
            // An engine may send null for a part that has only defaults.
            if !spec[part].is_object() {
                spec[part] = Map::new().into();
            }
            spec[part][field] = value;
        };
        if let Some(limit) = self.task_history_limit {
            set("Orchestration", "TaskHistoryRetentionLimit", limit.into());
        }
        if let Some(period) = self.dispatcher_heartbeat {
            set("Dispatcher", "HeartbeatPeriod", nanoseconds(period));
        }
        if let Some(kept) = self.max_snapshots {
            set("Raft", "KeepOldSnapshots", kept.into());
        }
        if let Some(interval) = self.snapshot_interval {
            set("Raft", "SnapshotInterval", interval.into());
        }
        if let Some(autolock) = self.autolock {
            set("EncryptionConfig", "AutoLockManagers", autolock.into());
        }
        if let Some(expiry) = self.cert_expiry {
            set("CAConfig", "NodeCertExpiry", nanoseconds(expiry));
        }
        if let Some(cas) = &self.external_cas {
            let all: Vec<Value> = cas.iter().map(|ca| external(ca, root)).collect();
            set("CAConfig", "ExternalCAs", all.into());
        }
        *spec != before
    }
}

fn nanoseconds(duration: Duration) -> Value {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX).into()
}

fn external(ca: &ExternalCa, root: Option<&str>) -> Value {
    let mut value = json!({"Protocol": ca.protocol, "URL": ca.url, "Options": ca.options});
    if let Some(root) = ca.ca_cert.as_deref().or(root) {
        value["CACert"] = root.into();
    }
    value
}

/// The root certificate in the API's `Swarm` object.
pub(crate) fn trust_root(swarm: &Value) -> Option<&str> {
    swarm["TLSInfo"]["TrustRoot"].as_str().filter(|root| !root.is_empty())
}

impl Swarm {
    /// Changes the swarm's settings, in the specification as the engine returned it, so that
    /// nothing in it is lost. Returns whether managers are locked from now on and were not before:
    /// then there is a new unlock key.
    ///
    /// # Errors
    /// [`SwarmError::Setting`] before the engine is asked; [`SwarmError::Refused`] if the node is
    /// not a manager; [`SwarmError::Engine`].
    pub async fn update_swarm(
        &self,
        update: &SwarmUpdate,
        cancel: &CancellationToken,
    ) -> Result<bool, SwarmError> {
        update.check()?;
        let before = self
            .edit_swarm(UPDATE, &[], cancel, |swarm| {
                let root = trust_root(swarm).map(str::to_owned);
                update.apply(&mut swarm["Spec"], root.as_deref());
                Ok(())
            })
            .await?;
        Ok(update.autolock == Some(true) && !is_autolocked(&before))
    }

    /// Edits the swarm's specification and sends it with `query`, tried again if another client
    /// changed it in between. Returns the object as it was before.
    pub(crate) async fn edit_swarm(
        &self,
        action: &'static str,
        query: &[(&str, &str)],
        cancel: &CancellationToken,
        edit: impl Fn(&mut Value) -> Result<(), SwarmError>,
    ) -> Result<Value, SwarmError> {
        let retry = Retry::new(cancel);
        loop {
            match self.edit_once(action, query, cancel, &edit).await {
                Err(error) if retry.is_worth(&error).await => {}
                ended => return ended,
            }
        }
    }

    async fn edit_once(
        &self,
        action: &'static str,
        query: &[(&str, &str)],
        cancel: &CancellationToken,
        edit: &impl Fn(&mut Value) -> Result<(), SwarmError>,
    ) -> Result<Value, SwarmError> {
        let before = self.swarm_object(action, cancel).await?;
        let mut swarm = before.clone();
        edit(&mut swarm)?;
        let version = swarm["Version"]["Index"].to_string();
        let query: Vec<_> =
            std::iter::once(("version", version.as_str())).chain(query.iter().copied()).collect();
        self.engine
            .post_json("/swarm/update", &query, &swarm["Spec"], cancel)
            .await
            .map_err(|error| SwarmError::of(action, error))?;
        Ok(before)
    }

    pub(crate) async fn swarm_object(
        &self,
        action: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Value, SwarmError> {
        self.engine
            .get_json("/swarm", &[], cancel)
            .await
            .map_err(|error| SwarmError::of(action, error))
    }
}

/// Whether managers keep their keys encrypted, by the API's `Swarm` object.
pub(crate) fn is_autolocked(swarm: &Value) -> bool {
    swarm["Spec"]["EncryptionConfig"]["AutoLockManagers"].as_bool().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_place_and_the_others_stay() {
        let mut spec = json!({"Name": "default", "Raft": {"ElectionTick": 10, "New": 1},
            "EncryptionConfig": null, "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000_i64}});
        let update = SwarmUpdate {
            autolock: Some(true),
            cert_expiry: Some(Duration::from_secs(48 * 3600)),
            dispatcher_heartbeat: Some(Duration::from_secs(3)),
            external_cas: Some(vec![ExternalCa {
                protocol: "cfssl".into(),
                url: "https://ca".into(),
                ca_cert: None,
                options: BTreeMap::new(),
            }]),
            max_snapshots: Some(0),
            snapshot_interval: Some(500),
            task_history_limit: Some(-1),
        };
        assert!(update.apply(&mut spec, Some("ROOT")));
        assert_eq!(
            spec,
            json!({"Name": "default",
                "Raft": {"ElectionTick": 10, "New": 1, "KeepOldSnapshots": 0, "SnapshotInterval": 500},
                "EncryptionConfig": {"AutoLockManagers": true},
                "Orchestration": {"TaskHistoryRetentionLimit": -1},
                "Dispatcher": {"HeartbeatPeriod": 3_000_000_000_i64},
                "CAConfig": {"NodeCertExpiry": 172_800_000_000_000_i64, "ExternalCAs": [
                    {"Protocol": "cfssl", "URL": "https://ca", "Options": {}, "CACert": "ROOT"}]}})
        );
        assert!(!update.apply(&mut spec, Some("ROOT")), "asked again, there is nothing to do");
    }

    #[test]
    fn a_certificate_that_is_valid_too_shortly_is_refused_before_a_swarm_is_made() {
        let update = |expiry| SwarmUpdate { cert_expiry: Some(expiry), ..SwarmUpdate::default() };
        assert!(update(Duration::from_secs(3600)).check().is_ok());
        let error = update(Duration::from_secs(59 * 60)).check().unwrap_err().to_string();
        assert!(error.contains("1h at least"), "{error}");
    }
}
