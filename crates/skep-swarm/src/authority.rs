//! The certificate authority of a swarm: its root, and replacing it.
//!
//! Source: `docker swarm ca` (`cli/command/swarm/ca.go` and `progress/root_rotation.go` of
//! docker/cli) for what counts as done.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use skep_context::pause;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Swarm,
    error::SwarmError,
    node::Node,
    spec::{ExternalCa, SwarmUpdate, trust_root},
};

const LOOK: &str = "look at the swarm's CA";
const ROTATE: &str = "rotate the swarm's CA";

/// How often a rotation is looked at, as docker does.
const INTERVAL: Duration = Duration::from_millis(200);

/// How the authority is replaced. Without a certificate and a key managers make new ones.
#[derive(Debug, Clone, Default)]
pub struct CaRotation {
    /// PEM, the new root's.
    pub ca_cert: Option<String>,
    /// PEM.
    pub ca_key: Option<SecretString>,
    /// How long nodes' certificates are valid.
    pub cert_expiry: Option<Duration>,
    pub external_cas: Option<Vec<ExternalCa>>,
}

impl CaRotation {
    /// Edits a swarm's specification (the API's `SwarmSpec`).
    fn apply(&self, spec: &mut Value) {
        let settings = SwarmUpdate {
            cert_expiry: self.cert_expiry,
            external_cas: self.external_cas.clone(),
            ..SwarmUpdate::default()
        };
        settings.apply(spec, self.ca_cert.as_deref());
        if !spec["CAConfig"].is_object() {
            spec["CAConfig"] = Map::new().into();
        }
        let config = &mut spec["CAConfig"];
        let key = self.ca_key.as_ref().map(ExposeSecret::expose_secret);
        for (field, value) in [("SigningCACert", self.ca_cert.as_deref()), ("SigningCAKey", key)] {
            match (value, config.as_object_mut()) {
                (Some(value), _) => config[field] = value.into(),
                (None, Some(config)) => drop(config.remove(field)),
                (None, None) => {}
            }
        }
        if self.ca_cert.is_none() && self.ca_key.is_none() {
            let forced = config["ForceRotate"].as_u64().unwrap_or_default();
            config["ForceRotate"] = (forced + 1).into();
        }
    }
}

/// How far a rotation has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    pub certificates: usize,
    pub roots: usize,
    pub nodes: usize,
    /// Names of the nodes without such a certificate.
    pub behind: Vec<String>,
    /// Whether the managers have nothing left to do.
    pub is_done: bool,
}

impl Rotation {
    fn of(swarm: &Value, nodes: &[Node]) -> Self {
        let wanted = &swarm["TLSInfo"];
        let has = |node: &Node, field: &str| node.tls_info[field] == wanted[field];
        let has_certificate =
            |node: &&Node| has(node, "CertIssuerPublicKey") && has(node, "CertIssuerSubject");
        let has_root = |node: &&Node| has(node, "TrustRoot");
        let certificates = nodes.iter().filter(has_certificate).count();
        let roots = nodes.iter().filter(has_root).count();
        let in_progress = swarm["RootRotationInProgress"].as_bool().unwrap_or_default();
        let behind = nodes.iter().filter(|node| !has_certificate(node) || !has_root(node));
        Self {
            certificates,
            // Roots are exchanged once all certificates are.
            roots: if certificates == nodes.len() && !in_progress { roots } else { 0 },
            nodes: nodes.len(),
            behind: behind.map(|node| node.called().to_owned()).collect(),
            is_done: !in_progress && certificates == nodes.len() && roots == nodes.len(),
        }
    }
}

impl Swarm {
    /// The swarm's root certificate, as PEM; `None` where the engine does not tell.
    ///
    /// # Errors
    /// [`SwarmError::Refused`] if this node is not a manager; [`SwarmError::Engine`].
    pub async fn trust_root(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, SwarmError> {
        let swarm = self.swarm_object(LOOK, cancel).await?;
        Ok(trust_root(&swarm).map(|root| root.trim().to_owned()))
    }

    /// Begins to replace the authority: [`Swarm::until_rotated`] waits for the nodes.
    ///
    /// # Errors
    /// [`SwarmError::Setting`] before the engine is asked; as [`Swarm::trust_root`].
    pub async fn rotate_ca(
        &self,
        rotation: &CaRotation,
        cancel: &CancellationToken,
    ) -> Result<(), SwarmError> {
        SwarmUpdate { cert_expiry: rotation.cert_expiry, ..SwarmUpdate::default() }.check()?;
        let edited = self.edit_swarm(ROTATE, &[], cancel, |swarm| {
            rotation.apply(&mut swarm["Spec"]);
            Ok(())
        });
        edited.await.map(drop)
    }

    /// Waits until every node has a certificate of the swarm's authority and trusts nothing else;
    /// `told` receives how far it has come. A node that is off is waited for like the others.
    ///
    /// # Errors
    /// [`SwarmError::NotReady`] at the deadline and [`SwarmError::Cancelled`], with the nodes that
    /// are behind: the managers go on without being watched. As [`Swarm::trust_root`].
    pub async fn until_rotated(
        &self,
        deadline: Duration,
        on_look: impl Fn(&Rotation),
        cancel: &CancellationToken,
    ) -> Result<(), SwarmError> {
        let end = Instant::now() + deadline;
        let mut waiting = Vec::new();
        loop {
            if cancel.is_cancelled() {
                return Err(SwarmError::Cancelled { waiting });
            }
            let looked = async {
                let swarm = self.swarm_object(LOOK, cancel).await?;
                Ok::<_, SwarmError>(Rotation::of(&swarm, &self.nodes(cancel).await?))
            };
            match looked.await {
                Ok(rotation) => {
                    on_look(&rotation);
                    if rotation.is_done {
                        return Ok(());
                    }
                    let is = |node: &String| format!("{node}: its certificate is an old one");
                    waiting = rotation.behind.iter().map(is).collect();
                }
                Err(error) if error.may_pass() => {}
                Err(_) if cancel.is_cancelled() => continue,
                Err(error) => return Err(error),
            }
            if Instant::now() + INTERVAL >= end {
                return Err(SwarmError::NotReady { deadline, waiting });
            }
            pause(cancel, INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::tests::node;

    #[test]
    fn a_rotation_keeps_what_it_does_not_name_and_its_key_to_itself() {
        let mut spec = json!({"Name": "default", "CAConfig": {"NodeCertExpiry": 9, "New": 1,
            "ForceRotate": 2, "SigningCACert": "old"}});
        CaRotation::default().apply(&mut spec);
        assert_eq!(
            spec,
            json!({"Name": "default", "CAConfig": {"NodeCertExpiry": 9, "New": 1, "ForceRotate": 3}})
        );
        let own = CaRotation {
            ca_cert: Some("CERT".into()),
            ca_key: Some(SecretString::from("KEY")),
            ..CaRotation::default()
        };
        own.apply(&mut spec);
        assert_eq!(spec["CAConfig"]["SigningCAKey"], "KEY");
        assert_eq!(spec["CAConfig"]["ForceRotate"], 3, "a new certificate is change enough");
        assert!(!format!("{own:?}").contains("KEY"));
    }

    #[test]
    fn certificates_come_before_roots_and_roots_before_the_end() {
        let info = |root: &str, issuer: &str| json!({"TrustRoot": root, "CertIssuerPublicKey": issuer, "CertIssuerSubject": "s"});
        let mut nodes =
            vec![node("a", "m1", "ready", Some("leader")), node("b", "w1", "ready", None)];
        let swarm =
            |busy: bool| json!({"TLSInfo": info("new", "new"), "RootRotationInProgress": busy});
        nodes[0].tls_info = info("new", "new");
        nodes[1].tls_info = info("old", "old");
        let begun = Rotation::of(&swarm(true), &nodes);
        assert_eq!((begun.certificates, begun.roots, begun.is_done), (1, 0, false));
        assert_eq!(begun.behind, ["w1"]);
        nodes[1].tls_info = info("old", "new");
        let half = Rotation::of(&swarm(false), &nodes);
        assert_eq!((half.certificates, half.roots, half.is_done), (2, 1, false));
        nodes[1].tls_info = info("new", "new");
        assert!(Rotation::of(&swarm(false), &nodes).is_done);
    }
}
