//! Which CA certificates machines are to trust, and which they have.
//!
//! - What is desired stands in the cluster's record, for all machines or for one, and is changed
//!   before any machine is touched.
//! - What a machine has been given stands in a file of its own, written by the command that gave
//!   it. So a machine that is behind is known without asking it, and a certificate that was removed
//!   while a machine was off is known to be there still.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use skep_model::MachineName;
use skep_pki::{Anchor, AnchorName, CaCertificate, Registry};
use skep_store::StoreError;

use crate::{ClusterRecord, Home, MachineRecord};

/// The newest schema of `trust.json` this program knows.
const SCHEMA: u64 = 1;

/// What a machine has been given: `trust.json` in its directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    schema: u64,
    /// Everything it may have: what was begun to be given counts.
    pub(crate) may_have: BTreeSet<AnchorName>,
    /// What it had when it was last brought up to date.
    pub(crate) confirmed: BTreeSet<AnchorName>,
}

impl Given {
    pub(crate) fn just(names: BTreeSet<AnchorName>) -> Self {
        Self { schema: SCHEMA, may_have: names.clone(), confirmed: names }
    }

    /// What is known of a machine; none if nothing is: then it has what was desired when it was
    /// made, and skep has not changed it since.
    pub(crate) fn load(home: &Home, record: &ClusterRecord, machine: &MachineName) -> Option<Self> {
        let path = home.layout().cluster(&record.name).machine(machine).trust();
        // One that is damaged says nothing, and is written anew with the next change.
        skep_store::read_json(&path, SCHEMA).unwrap_or_else(|_| Some(Self::default()))
    }

    pub(crate) fn save(
        &self,
        home: &Home,
        record: &ClusterRecord,
        machine: &MachineName,
    ) -> Result<(), StoreError> {
        let path = home.layout().cluster(&record.name).machine(machine).trust();
        skep_store::write_json(&path, &Self { schema: SCHEMA, ..self.clone() })
    }
}

/// A machine that does not have what is desired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
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
        write!(f, "its CA certificates are not the desired ones: it {}", parts.join(" and "))
    }
}

/// The machines that do not have the certificates that are desired, as far as the store knows: no
/// machine is asked. Each is brought up to date when it is started, and by `up`.
///
pub fn behind(home: &Home, record: &ClusterRecord) -> Vec<Behind> {
    let mut behind = Vec::new();
    for machine in &record.machines {
        let Some(given) = Given::load(home, record, &machine.name) else { continue };
        let desired = record.anchors_of(machine);
        let lacks = desired.iter().filter(|anchor| !given.confirmed.contains(&anchor.name()));
        let lacks: Vec<_> = lacks.map(|anchor| anchor.certificate.subject().to_owned()).collect();
        let names: BTreeSet<AnchorName> = desired.iter().map(Anchor::name).collect();
        let still_has = given.may_have.difference(&names).map(ToString::to_string);
        let still_has: Vec<_> = still_has.collect();
        if !lacks.is_empty() || !still_has.is_empty() {
            behind.push(Behind { machine: machine.name.clone(), lacks, still_has });
        }
    }
    behind
}

/// Notes what each machine has as of now, where that is not known yet: to be called before what is
/// desired changes.
pub(crate) fn note_before(home: &Home, record: &ClusterRecord) -> Result<(), StoreError> {
    for machine in &record.machines {
        let files = home.layout().cluster(&record.name).machine(&machine.name);
        // One that has never been made gets what is desired then.
        if files.directory().exists() && Given::load(home, record, &machine.name).is_none() {
            let names = record.anchors_of(machine).iter().map(Anchor::name).collect();
            Given::just(names).save(home, record, &machine.name)?;
        }
    }
    Ok(())
}

/// The machines for which the desired certificates change: these, or all.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    All,
    These(&'a [MachineName]),
}

impl ClusterRecord {
    /// The certificates that a machine is to trust.
    pub(crate) fn anchors_of(&self, machine: &MachineRecord) -> Vec<Anchor> {
        let mut desired = Anchor::all_for(&self.ca_certificates, None);
        desired.extend(self.registry_certificates.iter().cloned());
        desired.retain(|anchor| !machine.without.contains(&anchor.name()));
        for own in &machine.certificates {
            add_once(&mut desired, own);
        }
        desired
    }

    /// Adds certificates to the desired ones.
    pub(crate) fn add_anchors(
        &mut self,
        certificates: &[CaCertificate],
        registry: Option<&Registry>,
        which: Which<'_>,
    ) {
        for anchor in Anchor::all_for(certificates, registry) {
            let name = anchor.name();
            match which {
                Which::All => {
                    self.add_for_all(&anchor);
                    for machine in &mut self.machines {
                        machine.certificates.retain(|own| *own != anchor);
                        machine.without.retain(|other| *other != name);
                    }
                }
                Which::These(names) => {
                    let for_all = self.is_for_all(&name);
                    for machine in meant(&mut self.machines, names) {
                        machine.without.retain(|other| *other != name);
                        if !for_all {
                            add_once(&mut machine.certificates, &anchor);
                        }
                    }
                }
            }
        }
    }

    /// Takes certificates off the desired ones.
    pub(crate) fn remove_anchors(&mut self, anchors: &[AnchorName], which: Which<'_>) {
        for name in anchors {
            match which {
                Which::All => {
                    if name.registry.is_none() {
                        self.ca_certificates.retain(|own| own.fingerprint() != name.fingerprint);
                    }
                    self.registry_certificates.retain(|own| !own.is_named(name));
                    for machine in &mut self.machines {
                        machine.certificates.retain(|own| !own.is_named(name));
                        machine.without.retain(|other| other != name);
                    }
                }
                Which::These(names) => {
                    let for_all = self.is_for_all(name);
                    for machine in meant(&mut self.machines, names) {
                        machine.certificates.retain(|own| !own.is_named(name));
                        if for_all {
                            add_once(&mut machine.without, name);
                        }
                    }
                }
            }
        }
    }

    /// Adds a certificate that every machine is to trust, but those that are not to.
    pub(crate) fn add_for_all(&mut self, anchor: &Anchor) {
        match anchor.registry {
            None => add_once(&mut self.ca_certificates, &anchor.certificate),
            Some(_) => add_once(&mut self.registry_certificates, anchor),
        }
    }

    fn is_for_all(&self, name: &AnchorName) -> bool {
        match name.registry {
            None => self.ca_certificates.iter().any(|own| own.fingerprint() == name.fingerprint),
            Some(_) => self.registry_certificates.iter().any(|own| own.is_named(name)),
        }
    }
}

fn add_once<T: Clone + PartialEq>(list: &mut Vec<T>, one: &T) {
    if !list.contains(one) {
        list.push(one.clone());
    }
}

fn meant<'a>(
    machines: &'a mut [MachineRecord],
    names: &[MachineName],
) -> impl Iterator<Item = &'a mut MachineRecord> {
    machines.iter_mut().filter(|machine| names.contains(&machine.name))
}

#[cfg(test)]
pub(crate) mod tests;
