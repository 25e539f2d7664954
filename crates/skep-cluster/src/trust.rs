//! Which CA certificates machines are to trust, and which they have.
//!
//! - What is wished stands in the cluster's record, for all machines or for one, and is changed before
//!   any machine is touched.
//! - What a machine has been given stands in a file of its own, written by whoever has told it. So
//!   who is behind can be told without asking a machine, and a certificate that was removed while a
//!   machine was off is known to be there still.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use skep_guest::certificate::{Anchor, AnchorName, CaCertificate, Registry};
use skep_model::MachineName;
use skep_store::StoreError;

use crate::{
    ClusterError, ClusterRecord, Home, MachineRecord,
    record::{StoredAnchor, StoredName},
};

/// The newest schema of `trust.json` this program knows.
const SCHEMA: u64 = 1;

/// What a machine has been given: `trust.json` in its directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    schema: u64,
    /// Everything it may have: what was begun to be given counts.
    pub(crate) may_have: BTreeSet<StoredName>,
    /// What it had when it was last brought up to date.
    pub(crate) confirmed: BTreeSet<StoredName>,
}

impl Given {
    pub(crate) fn just(names: BTreeSet<StoredName>) -> Self {
        Self { schema: SCHEMA, may_have: names.clone(), confirmed: names }
    }

    /// What is known of a machine; none if nothing is: then it has what was wished when it was made,
    /// and skep has not told it anything since.
    pub(crate) fn load(home: &Home, record: &ClusterRecord, machine: &MachineName) -> Option<Self> {
        let path = home.layout().cluster(record.name.as_str()).machine(machine.as_str()).trust();
        // One that is damaged says nothing, and is written anew when the machine is told again.
        skep_store::read_json(&path, SCHEMA).unwrap_or_else(|_| Some(Self::default()))
    }

    pub(crate) fn save(
        &self,
        home: &Home,
        record: &ClusterRecord,
        machine: &MachineName,
    ) -> Result<(), StoreError> {
        let path = home.layout().cluster(record.name.as_str()).machine(machine.as_str()).trust();
        skep_store::write_json(&path, &Self { schema: SCHEMA, ..self.clone() })
    }
}

/// A machine that does not have what is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Which machine.
    pub machine: MachineName,
    /// What it lacks, by subject.
    pub lacks: Vec<String>,
    /// What it still has, by the beginning of the fingerprint.
    pub still_has: Vec<String>,
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [("lacks", &self.lacks), ("still trusts", &self.still_has)];
        let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<_> =
            parts.map(|(verb, list)| format!("{verb} {}", list.join(", "))).collect();
        write!(f, "its CA certificates are not those that are wished: it {}", parts.join(" and "))
    }
}

/// The machines that do not have the certificates that are wished, as far as the store knows: no
/// machine is asked. Each is brought up to date when it is started, and by `up`.
///
/// # Errors
/// [`ClusterError::Certificate`] if the record is damaged.
pub fn behind(home: &Home, record: &ClusterRecord) -> Result<Vec<Behind>, ClusterError> {
    let mut behind = Vec::new();
    for machine in &record.machines {
        let Some(given) = Given::load(home, record, &machine.name) else { continue };
        let wished = record.wished(machine)?;
        let lacks = wished.iter().filter(|anchor| !given.confirmed.contains(&(*anchor).into()));
        let lacks: Vec<_> = lacks.map(|anchor| anchor.certificate.subject().to_owned()).collect();
        let names: BTreeSet<StoredName> = wished.iter().map(Into::into).collect();
        let still_has = given.may_have.difference(&names).map(short).collect::<Vec<_>>();
        if !lacks.is_empty() || !still_has.is_empty() {
            behind.push(Behind { machine: machine.name.clone(), lacks, still_has });
        }
    }
    Ok(behind)
}

fn short(name: &StoredName) -> String {
    let digits = name.fingerprint.get(..16).unwrap_or(&name.fingerprint);
    match &name.registry {
        Some(registry) => format!("{digits} for {registry}"),
        None => digits.to_owned(),
    }
}

/// Notes what each machine has as of now, where that is not known yet: to be called before what is
/// wished changes.
pub(crate) fn note_before(home: &Home, record: &ClusterRecord) -> Result<(), ClusterError> {
    for machine in &record.machines {
        let files = home.layout().cluster(record.name.as_str()).machine(machine.name.as_str());
        // One that has never been made gets what is wished then.
        if files.directory().exists() && Given::load(home, record, &machine.name).is_none() {
            let names = record.wished(machine)?.iter().map(Into::into).collect();
            Given::just(names).save(home, record, &machine.name)?;
        }
    }
    Ok(())
}

/// What is wished changes: for these machines, or for all.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// Every machine, also those that are made later.
    All,
    /// These.
    These(&'a [MachineName]),
}

impl ClusterRecord {
    /// The certificates that a machine is to trust.
    pub(crate) fn wished(&self, machine: &MachineRecord) -> Result<Vec<Anchor>, ClusterError> {
        let system = self.ca_certificates.iter().map(|pem| (None, pem));
        let stored = |anchor: &'_ StoredAnchor| (anchor.registry.clone(), anchor.pem.clone());
        let all = system
            .map(|(registry, pem)| (registry, pem.clone()))
            .chain(self.registry_certificates.iter().map(stored));
        let mut wished = Vec::new();
        for (registry, pem) in all {
            let anchor = anchor(registry, &pem)?;
            if !machine.without.contains(&(&anchor).into()) {
                wished.push(anchor);
            }
        }
        for own in &machine.certificates {
            let anchor = anchor(own.registry.clone(), &own.pem)?;
            if !wished.contains(&anchor) {
                wished.push(anchor);
            }
        }
        Ok(wished)
    }

    /// Wishes certificates.
    pub(crate) fn wish(
        &mut self,
        certificates: &[CaCertificate],
        registry: Option<&Registry>,
        whose: Whose<'_>,
    ) {
        for certificate in certificates {
            let own = Anchor { registry: registry.cloned(), certificate: certificate.clone() };
            let name = StoredName::from(&own);
            let stored =
                StoredAnchor { registry: name.registry.clone(), pem: certificate.pem().to_owned() };
            let for_all = self.is_for_all(&stored);
            match whose {
                Whose::All => {
                    if !for_all {
                        match registry {
                            None => self.ca_certificates.push(stored.pem.clone()),
                            Some(_) => self.registry_certificates.push(stored.clone()),
                        }
                    }
                    for machine in &mut self.machines {
                        machine.certificates.retain(|own| *own != stored);
                        machine.without.retain(|other| *other != name);
                    }
                }
                Whose::These(names) => {
                    let meant = |machine: &&mut MachineRecord| names.contains(&machine.name);
                    for machine in self.machines.iter_mut().filter(meant) {
                        machine.without.retain(|other| *other != name);
                        if !for_all && !machine.certificates.contains(&stored) {
                            machine.certificates.push(stored.clone());
                        }
                    }
                }
            }
        }
    }

    /// Wishes certificates no more.
    pub(crate) fn wish_no_more(&mut self, anchors: &[AnchorName], whose: Whose<'_>) {
        for name in anchors.iter().map(StoredName::from) {
            let is = |registry: Option<&String>, pem: &str| {
                registry == name.registry.as_ref() && fingerprint(pem) == name.fingerprint
            };
            match whose {
                Whose::All => {
                    self.ca_certificates.retain(|pem| !is(None, pem));
                    self.registry_certificates.retain(|own| !is(own.registry.as_ref(), &own.pem));
                    for machine in &mut self.machines {
                        machine.certificates.retain(|own| !is(own.registry.as_ref(), &own.pem));
                        machine.without.retain(|other| *other != name);
                    }
                }
                Whose::These(names) => {
                    let for_all = self.ca_certificates.iter().any(|pem| is(None, pem))
                        || self
                            .registry_certificates
                            .iter()
                            .any(|own| is(own.registry.as_ref(), &own.pem));
                    let meant = |machine: &&mut MachineRecord| names.contains(&machine.name);
                    for machine in self.machines.iter_mut().filter(meant) {
                        machine.certificates.retain(|own| !is(own.registry.as_ref(), &own.pem));
                        if for_all && !machine.without.contains(&name) {
                            machine.without.push(name.clone());
                        }
                    }
                }
            }
        }
    }

    fn is_for_all(&self, anchor: &StoredAnchor) -> bool {
        match anchor.registry {
            None => self.ca_certificates.contains(&anchor.pem),
            Some(_) => self.registry_certificates.contains(anchor),
        }
    }
}

fn anchor(registry: Option<String>, pem: &str) -> Result<Anchor, ClusterError> {
    let mut certificates = CaCertificate::parse_trusted([pem])?;
    let damaged = || ClusterError::Request {
        reason: "a certificate in the cluster's record is damaged".into(),
    };
    let certificate = certificates.pop().ok_or_else(damaged)?;
    let registry = registry.map(|name| name.parse::<Registry>()).transpose();
    Ok(Anchor { registry: registry.map_err(|_| damaged())?, certificate })
}

fn fingerprint(pem: &str) -> String {
    let mut parsed = CaCertificate::parse_trusted([pem]).unwrap_or_default();
    parsed.pop().map(|certificate| certificate.fingerprint().to_owned()).unwrap_or_default()
}

#[cfg(test)]
#[path = "trust_tests.rs"]
pub(crate) mod tests;
