//! What is asked for: how many machines, of which names, with which certificates.

use ipnet::Ipv4Net;
use skep_guest::certificate::CaCertificate;
use skep_machine::{DriverKind, subnet::MAX_MACHINES};
use skep_model::{MachineName, Port, Role, Size};

use crate::{ClusterError, ClusterRecord, MachineRecord};

/// How many managers a cluster has if nobody says.
pub const DEFAULT_MANAGERS: usize = 1;
/// How many workers a cluster has if nobody says.
pub const DEFAULT_WORKERS: usize = 3;

/// What a person asks of a cluster; what is left out stays as it is, or is chosen.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The driver of its machines.
    pub driver: Option<DriverKind>,
    /// How many managers.
    pub managers: Option<usize>,
    /// How many workers.
    pub workers: Option<usize>,
    /// The network of its machines.
    pub subnet: Option<Ipv4Net>,
    /// CA certificates that every machine trusts from its first moment.
    pub ca_certificates: Vec<CaCertificate>,
    /// How big each machine is.
    pub size: Size,
    /// The ports every machine answers on at its host address, in addition to those it does.
    pub publish: Vec<Port>,
    /// Whether a new swarm is made in place of one whose managers are all gone, with all it had.
    pub replace_swarm: bool,
}

impl Desired {
    /// The record of the cluster as it is to be, from the one of the cluster as it is.
    ///
    /// # Errors
    /// [`ClusterError::Request`] naming what cannot be had: no manager, too many machines, fewer
    /// machines than there are, another driver or subnet than the machines have.
    pub fn apply_to(&self, record: &mut ClusterRecord) -> Result<(), ClusterError> {
        let fresh = record.machines.is_empty();
        let kind = self.driver.unwrap_or(record.driver);
        if !kind.makes_machines() {
            return refuse(format!(
                "driver {kind} makes no machines: take those there are one by one with `skep \
                 machine create --driver {kind}`, and make a swarm of them with `skep swarm init` \
                 and `skep swarm join`"
            ));
        }
        let alone = record.machines.iter().all(|machine| machine.role.is_none());
        if !fresh && alone && self.managers.is_none() {
            let names: Vec<_> =
                record.machines.iter().map(|machine| machine.name.as_str()).collect();
            return refuse(format!(
                "the machines of cluster {} were made by themselves ({}): `skep swarm init MACHINE` \
                 and `skep swarm join MACHINE` make a swarm of them, `skep up --managers 1` adds \
                 machines that are one, and `skep up --name OTHER` makes another cluster",
                record.name,
                names.join(", ")
            ));
        }
        let has =
            |role| record.machines.iter().filter(|machine| machine.role == Some(role)).count();
        let (has_managers, has_workers) = (has(Role::Manager), has(Role::Worker));
        let default = |count, default| if fresh { default } else { count };
        let managers = self.managers.unwrap_or(default(has_managers, DEFAULT_MANAGERS));
        let workers = self.workers.unwrap_or(default(has_workers, DEFAULT_WORKERS));
        if managers == 0 {
            return refuse("a swarm needs at least one manager: give --managers 1 or more");
        }
        if managers.saturating_add(workers) > MAX_MACHINES {
            return refuse(format!(
                "{managers} managers and {workers} workers are more than the {MAX_MACHINES} \
                 machines a cluster may have"
            ));
        }
        for (what, asked, there) in
            [("managers", managers, has_managers), ("workers", workers, has_workers)]
        {
            if asked < there {
                return refuse(format!(
                    "cluster {} has {there} {what} and `up` removes no machine: ask for {there} or \
                     more, or begin again with `skep down`",
                    record.name
                ));
            }
        }
        if let Some(driver) = self.driver {
            if !fresh && driver != record.driver {
                return refuse(format!(
                    "cluster {} has {} machines: its driver cannot change to {driver}",
                    record.name, record.driver
                ));
            }
            record.driver = driver;
        }
        if let (Some(asked), Some(there)) = (self.subnet, record.subnet)
            && asked != there
        {
            return refuse(format!(
                "cluster {} has the subnet {there}, which cannot change to {asked}",
                record.name
            ));
        }
        let size = self.size.or(record.size);
        if !fresh && size != record.size {
            return refuse(format!(
                "the machines of cluster {} keep the size they were made with: leave --memory, \
                 --cpus and --disk-size out, or begin again with `skep down`",
                record.name
            ));
        }
        record.size = size;
        record.add_publish(&self.publish)?;
        for (role, count) in [(Role::Manager, managers), (Role::Worker, workers)] {
            for number in 1..=count {
                record.add_machine(machine_name(role, number)?, role);
            }
        }
        record.add_ca_certificates(&self.ca_certificates);
        Ok(())
    }
}

fn machine_name(role: Role, number: usize) -> Result<MachineName, ClusterError> {
    // A role and at most three digits are always a name; the error is for the types' sake.
    format!("{role}{number}")
        .parse()
        .map_err(|_| ClusterError::Request { reason: format!("{number} machines are too many") })
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, ClusterError> {
    Err(ClusterError::Request { reason: reason.into() })
}

impl ClusterRecord {
    fn add_machine(&mut self, name: MachineName, role: Role) {
        if self.machines.iter().any(|machine| machine.name == name) {
            return;
        }
        let place = self.free_place();
        self.machines.push(MachineRecord::new(name, Some(role), place));
    }

    /// Adds the ports its machines are to answer on, each once.
    pub(crate) fn add_publish(&mut self, ports: &[Port]) -> Result<(), ClusterError> {
        for port in ports {
            let taken = |other: &&Port| other.host == port.host && other.protocol == port.protocol;
            match self.publish.iter().find(taken) {
                Some(other) if other != port => {
                    return refuse(format!(
                        "port {}/{} is published already, as {other}",
                        port.host, port.protocol
                    ));
                }
                Some(_) => {}
                None => self.publish.push(*port),
            }
        }
        Ok(())
    }

    /// Adds the CA certificates its machines are to trust, each once.
    pub(crate) fn add_ca_certificates(&mut self, certificates: &[CaCertificate]) {
        for certificate in certificates {
            if !self.ca_certificates.iter().any(|pem| *pem == certificate.pem()) {
                self.ca_certificates.push(certificate.pem().to_owned());
            }
        }
    }

    /// The first place in the network that no machine has.
    pub(crate) fn free_place(&self) -> usize {
        let taken = |place| self.machines.iter().any(|machine| machine.place == place);
        (0..).find(|&place| !taken(place)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fresh() -> ClusterRecord {
        ClusterRecord::new("demo".parse().unwrap(), DriverKind::Fake)
    }

    fn asking(managers: Option<usize>, workers: Option<usize>) -> Desired {
        Desired { managers, workers, ..Default::default() }
    }

    fn names(record: &ClusterRecord) -> Vec<&str> {
        record.machines.iter().map(|machine| machine.name.as_str()).collect()
    }

    #[test]
    fn nothing_asked_is_the_walkthroughs_four() {
        let mut record = fresh();
        Desired::default().apply_to(&mut record).unwrap();
        assert_eq!(names(&record), ["manager1", "worker1", "worker2", "worker3"]);
    }

    #[test]
    fn asking_again_for_nothing_changes_nothing() {
        let mut record = fresh();
        asking(Some(3), Some(2)).apply_to(&mut record).unwrap();
        let before = names(&record).into_iter().map(str::to_owned).collect::<Vec<_>>();
        Desired::default().apply_to(&mut record).unwrap();
        assert_eq!(names(&record), before);
    }

    #[test]
    fn what_cannot_be_had_is_said_with_its_reason() {
        let error = |desired: Desired, record: &mut ClusterRecord| {
            desired.apply_to(record).unwrap_err().to_string()
        };
        assert!(error(asking(Some(0), None), &mut fresh()).contains("at least one manager"));
        assert!(error(asking(Some(1), Some(100)), &mut fresh()).contains("100 machines"));
        assert!(error(asking(Some(usize::MAX), Some(2)), &mut fresh()).contains("100 machines"));
        let mut record = fresh();
        asking(Some(1), Some(3)).apply_to(&mut record).unwrap();
        assert!(error(asking(None, Some(2)), &mut record).contains("has 3 workers"));
        let other = Desired { driver: Some(DriverKind::Container), ..Default::default() };
        assert!(error(other, &mut record).contains("cannot change to container"));
        record.subnet = Some("192.168.99.0/24".parse().unwrap());
        let other =
            Desired { subnet: Some("192.168.98.0/24".parse().unwrap()), ..Default::default() };
        assert!(error(other, &mut record).contains("192.168.99.0/24"));
    }

    proptest! {
        #[test]
        fn growing_keeps_every_machine_where_it_is(
            first in (1usize..10, 0usize..40),
            more in (0usize..10, 0usize..40),
        ) {
            let mut record = fresh();
            asking(Some(first.0), Some(first.1)).apply_to(&mut record).unwrap();
            let before = record.machines.clone();
            asking(Some(first.0 + more.0), Some(first.1 + more.1)).apply_to(&mut record).unwrap();
            prop_assert!(record.machines.starts_with(&before));
            let mut places: Vec<_> = record.machines.iter().map(|machine| machine.place).collect();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), record.machines.len());
        }
    }
}
