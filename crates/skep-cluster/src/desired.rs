//! What is asked for: how many machines, of which names, with which certificates.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use skep_machine::{DriverKind, DriverOptions, qemu, subnet::MAX_MACHINES};
use skep_model::{Advice, MachineName, Port, Reason, Role, Size};
use skep_pki::{Anchor, CaCertificate};

use crate::{ClusterError, ClusterRecord, MachineRecord};

/// The default number of managers.
pub(crate) const DEFAULT_MANAGERS: usize = 1;
/// The default number of workers.
pub(crate) const DEFAULT_WORKERS: usize = 3;

/// What the user asks of a cluster; what is left out stays as it is, or is chosen.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub driver: Option<DriverKind>,
    /// How virtual machines are run, where that driver is `qemu`.
    pub qemu: qemu::Options,
    pub managers: Option<usize>,
    pub workers: Option<usize>,
    pub subnet: Option<Ipv4Net>,
    /// CA certificates that every machine trusts from its first moment.
    pub ca_certificates: Vec<CaCertificate>,
    pub size: Size,
    /// The ports every machine answers on at its host address, in addition to those it does.
    pub publish: Vec<Port>,
    /// Whether a new swarm is made in place of one whose managers are all gone, with all it had.
    pub replace_swarm: bool,
}

impl Desired {
    /// The record of the cluster as it is to be, from the one of the cluster as it is.
    ///
    /// `made` are the machines that exist: those the driver knows, or that the journal says were
    /// made. Only they, and machines that were made by themselves, bind a new request: a machine
    /// that an `up` has only written down is changed or dropped as asked.
    ///
    /// # Errors
    /// [`ClusterError::Request`] naming what is impossible: no manager, too many machines, fewer
    /// machines than there are, another driver, subnet or size than they have. The record is then
    /// as it was.
    pub fn apply_to(
        &self,
        record: &mut ClusterRecord,
        made: &BTreeSet<MachineName>,
    ) -> Result<(), ClusterError> {
        let mut wanted = record.clone();
        let is_bound =
            |machine: &&MachineRecord| machine.role.is_none() || made.contains(&machine.name);
        let bound: Vec<MachineName> =
            record.machines.iter().filter(is_bound).map(|machine| machine.name.clone()).collect();
        self.refuse_drivers_of_others(record)?;
        self.refuse_machines_by_themselves(record)?;
        self.choose_driver(&mut wanted, &bound)?;
        self.choose_subnet(&mut wanted, &bound)?;
        self.choose_size(&mut wanted, &bound)?;
        if bound.is_empty() && !self.publish.is_empty() {
            wanted.publish.clear();
        }
        wanted.add_publish(&self.publish)?;
        self.choose_machines(&mut wanted, made)?;
        for anchor in Anchor::all_for(&self.ca_certificates, None) {
            wanted.add_for_all(&anchor);
        }
        *record = wanted;
        Ok(())
    }

    /// The driver of a kind, with what is asked of it.
    pub fn driver_options(&self, kind: DriverKind) -> DriverOptions {
        match kind {
            DriverKind::Qemu => DriverOptions::Qemu(self.qemu.clone()),
            other => other.into(),
        }
    }

    fn refuse_drivers_of_others(&self, record: &ClusterRecord) -> Result<(), ClusterError> {
        let kind = self.driver.unwrap_or(record.driver);
        if !kind.features().makes_machines {
            let text = format!("driver {kind} makes no machines");
            return refuse(Reason::new(text, Advice::TakeHosts(kind.to_string())));
        }
        Ok(())
    }

    fn refuse_machines_by_themselves(&self, record: &ClusterRecord) -> Result<(), ClusterError> {
        let alone = record.machines.iter().all(|machine| machine.role.is_none());
        if record.machines.is_empty() || !alone || self.managers.is_some() {
            return Ok(());
        }
        let names = record.machines.iter().map(|machine| &machine.name);
        let text = format!(
            "the machines of cluster {} were made by themselves ({}) and are in no swarm",
            record.name,
            list(names)
        );
        refuse(Reason::new(text, Advice::JoinSingles))
    }

    fn choose_driver(
        &self,
        wanted: &mut ClusterRecord,
        bound: &[MachineName],
    ) -> Result<(), ClusterError> {
        let kind = self.driver.unwrap_or(wanted.driver);
        if kind == wanted.driver {
            return Ok(());
        }
        if !bound.is_empty() {
            let text = format!(
                "the machines of cluster {} are of driver {} ({}): it cannot change to {kind}",
                wanted.name,
                wanted.driver,
                list(bound)
            );
            return refuse(Reason::new(text, Advice::OtherDriver(kind.to_string())));
        }
        // What was asked of the other driver may mean nothing to this one.
        wanted.driver = kind;
        for machine in &mut wanted.machines {
            machine.options = kind.into();
        }
        wanted.subnet = None;
        wanted.size = Size::default();
        wanted.publish.clear();
        Ok(())
    }

    /// Forgets the network that no machine is on if another one is asked for: it is to be made.
    fn choose_subnet(
        &self,
        wanted: &mut ClusterRecord,
        bound: &[MachineName],
    ) -> Result<(), ClusterError> {
        let (Some(asked), Some(there)) = (self.subnet, wanted.subnet) else { return Ok(()) };
        if asked == there {
            return Ok(());
        }
        if !bound.is_empty() {
            let text = format!(
                "the machines of cluster {} are on the network {there} ({}), which cannot change \
                 to {asked}",
                wanted.name,
                list(bound)
            );
            return refuse(Reason::new(text, Advice::OtherSubnet));
        }
        wanted.subnet = None;
        Ok(())
    }

    fn choose_size(
        &self,
        wanted: &mut ClusterRecord,
        bound: &[MachineName],
    ) -> Result<(), ClusterError> {
        let size = self.size.or(wanted.size);
        if size != wanted.size && !bound.is_empty() {
            let text = format!(
                "the machines of cluster {} keep the size they were made with ({})",
                wanted.name,
                list(bound)
            );
            return refuse(Reason::new(text, Advice::OtherSize));
        }
        wanted.size = size;
        Ok(())
    }

    fn choose_machines(
        &self,
        wanted: &mut ClusterRecord,
        made: &BTreeSet<MachineName>,
    ) -> Result<(), ClusterError> {
        let fresh = wanted.machines.is_empty();
        let default = |role, default| if fresh { default } else { wanted.count(Some(role)) };
        let managers = self.managers.unwrap_or(default(Role::Manager, DEFAULT_MANAGERS));
        let workers = self.workers.unwrap_or(default(Role::Worker, DEFAULT_WORKERS));
        if managers == 0 {
            return refuse("a swarm needs at least one manager: give --managers 1 or more");
        }
        let by_themselves = wanted.count(None);
        let all = managers.saturating_add(workers).saturating_add(by_themselves);
        if all > MAX_MACHINES {
            let others = match by_themselves {
                0 => String::new(),
                count => format!(", with the {count} that were made by themselves,"),
            };
            return refuse(format!(
                "{managers} managers and {workers} workers{others} are more than the \
                 {MAX_MACHINES} machines a cluster may have"
            ));
        }
        for (role, asked) in [(Role::Manager, managers), (Role::Worker, workers)] {
            wanted.drop_unmade(role, asked, made);
            let there = wanted.count(Some(role));
            if asked < there {
                let s = if there == 1 { "" } else { "s" };
                let text = format!("cluster {} has {there} {role}{s}", wanted.name);
                return refuse(Reason::new(text, Advice::KeepMachines(role, there)));
            }
            for _ in there..asked {
                wanted.add_machine(role)?;
            }
        }
        Ok(())
    }
}

fn machine_name(role: Role, number: usize) -> Result<MachineName, ClusterError> {
    // A role and at most three digits are always a name; the error is for the types' sake.
    format!("{role}{number}").parse().map_err(|_| ClusterError::Request {
        reason: format!("{number} machines are too many").into(),
    })
}

fn list<'a>(names: impl IntoIterator<Item = &'a MachineName>) -> String {
    names.into_iter().map(MachineName::as_str).collect::<Vec<_>>().join(", ")
}

fn refuse<T>(reason: impl Into<Reason>) -> Result<T, ClusterError> {
    Err(ClusterError::Request { reason: reason.into() })
}

impl ClusterRecord {
    /// How many of its machines have a role, or none.
    fn count(&self, role: Option<Role>) -> usize {
        self.machines.iter().filter(|machine| machine.role == role).count()
    }

    /// Forgets machines of a role that were never made, the last ones first, until `asked` are
    /// left.
    fn drop_unmade(&mut self, role: Role, asked: usize, made: &BTreeSet<MachineName>) {
        for _ in asked..self.count(Some(role)) {
            let unmade = |machine: &MachineRecord| {
                machine.role == Some(role) && !made.contains(&machine.name)
            };
            let Some(last) = self.machines.iter().rposition(unmade) else { return };
            self.machines.remove(last);
        }
    }

    /// Adds a machine of a role, under the first name by number that is free: roles change, and a
    /// worker of old may be a manager by now. A machine that was made by itself under that very
    /// name is the one that is meant, and gets the role.
    fn add_machine(&mut self, role: Role) -> Result<(), ClusterError> {
        for number in 1.. {
            let name = machine_name(role, number)?;
            match self.machines.iter_mut().find(|machine| machine.name == name) {
                Some(machine) if machine.role.is_none() => {
                    machine.role = Some(role);
                    break;
                }
                Some(_) => {}
                None => {
                    let place = self.free_place();
                    self.machines.push(MachineRecord::new(name, Some(role), place, self.driver));
                    break;
                }
            }
        }
        Ok(())
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

    /// The first place in the network that no machine has.
    pub(crate) fn free_place(&self) -> usize {
        let taken = |place| self.machines.iter().any(|machine| machine.place == place);
        (0..).find(|&place| !taken(place)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use skep_model::Advise as _;

    use super::*;

    fn fresh() -> ClusterRecord {
        ClusterRecord::new("demo".parse().unwrap(), DriverKind::Virtualbox)
    }

    fn asking(managers: Option<usize>, workers: Option<usize>) -> Desired {
        Desired { managers, workers, ..Default::default() }
    }

    fn all(record: &ClusterRecord) -> BTreeSet<MachineName> {
        record.machines.iter().map(|machine| machine.name.clone()).collect()
    }

    /// As for a cluster whose machines all exist.
    fn apply(desired: Desired, record: &mut ClusterRecord) -> Result<(), ClusterError> {
        let made = all(record);
        desired.apply_to(record, &made)
    }

    fn names(record: &ClusterRecord) -> Vec<&str> {
        record.machines.iter().map(|machine| machine.name.as_str()).collect()
    }

    #[test]
    fn nothing_asked_is_the_walkthroughs_four() {
        let mut record = fresh();
        apply(Desired::default(), &mut record).unwrap();
        assert_eq!(names(&record), ["manager1", "worker1", "worker2", "worker3"]);
    }

    #[test]
    fn asking_again_for_nothing_changes_nothing() {
        let mut record = fresh();
        apply(asking(Some(3), Some(2)), &mut record).unwrap();
        let before = names(&record).into_iter().map(str::to_owned).collect::<Vec<_>>();
        apply(Desired::default(), &mut record).unwrap();
        assert_eq!(names(&record), before);
    }

    #[test]
    fn what_cannot_be_had_is_said_with_its_reason() {
        let error = |desired: Desired, record: &mut ClusterRecord| {
            apply(desired, record).unwrap_err().to_string()
        };
        assert!(error(asking(Some(0), None), &mut fresh()).contains("at least one manager"));
        assert!(error(asking(Some(1), Some(100)), &mut fresh()).contains("100 machines"));
        assert!(error(asking(Some(usize::MAX), Some(2)), &mut fresh()).contains("100 machines"));
        let mut record = fresh();
        apply(asking(Some(1), Some(3)), &mut record).unwrap();
        assert!(error(asking(None, Some(2)), &mut record).contains("has 3 workers"));
        let other = Desired { driver: Some(DriverKind::Container), ..Default::default() };
        assert!(error(other, &mut record).contains("cannot change to container"));
        record.subnet = Some("192.168.99.0/24".parse().unwrap());
        let other =
            Desired { subnet: Some("192.168.98.0/24".parse().unwrap()), ..Default::default() };
        assert!(error(other, &mut record).contains("192.168.99.0/24"));
    }

    #[test]
    fn machines_that_were_never_made_bind_nothing() {
        let nothing = BTreeSet::new();
        let mut record = fresh();
        let first = Desired {
            driver: Some(DriverKind::Container),
            managers: Some(3),
            workers: Some(3),
            size: Size { memory: Some(5 << 20), ..Size::default() },
            publish: vec!["80".parse().unwrap()],
            ..Desired::default()
        };
        first.apply_to(&mut record, &nothing).unwrap();
        record.subnet = Some("192.168.99.0/24".parse().unwrap());

        let second = Desired {
            managers: Some(1),
            workers: Some(0),
            subnet: Some("192.168.98.0/24".parse().unwrap()),
            size: Size { memory: Some(512 << 20), ..Size::default() },
            publish: vec!["80:81".parse().unwrap()],
            ..Desired::default()
        };
        second.apply_to(&mut record, &nothing).unwrap();
        assert_eq!(names(&record), ["manager1"]);
        assert_eq!(record.size, second.size);
        assert_eq!(record.subnet, None, "the other network is to be made");
        assert_eq!(record.publish, second.publish);

        let third = Desired { driver: Some(DriverKind::Qemu), ..Desired::default() };
        third.apply_to(&mut record, &nothing).unwrap();
        assert_eq!(record.driver, DriverKind::Qemu);
        assert_eq!((record.size, &*record.publish), (Size::default(), [].as_slice()));
        assert_eq!(names(&record), ["manager1"], "what is left out stays as it was asked for");
    }

    #[test]
    fn machines_that_were_made_bind_what_they_have_and_no_more() {
        let mut record = fresh();
        apply(asking(Some(1), Some(3)), &mut record).unwrap();
        let made: BTreeSet<MachineName> =
            ["manager1", "worker2"].map(|name| name.parse().unwrap()).into();
        let error = |desired: Desired, record: &mut ClusterRecord| {
            let before = record.clone();
            let error = desired.apply_to(record, &made).unwrap_err().to_string();
            assert_eq!(*record, before, "a refused request changes nothing");
            error
        };
        let sized =
            Desired { size: Size { cpus: Some(1), ..Size::default() }, ..asking(None, None) };
        let said = error(sized, &mut record);
        assert!(said.contains("(manager1, worker2)"), "{said}");
        let said = error(asking(None, Some(0)), &mut record);
        assert!(said.ends_with("has 1 worker"), "{said}");
        asking(None, Some(1)).apply_to(&mut record, &made).unwrap();
        assert_eq!(names(&record), ["manager1", "worker2"]);
        asking(None, Some(2)).apply_to(&mut record, &made).unwrap();
        assert_eq!(names(&record), ["manager1", "worker2", "worker1"]);
    }

    #[test]
    fn no_refusal_advises_to_remove_the_cluster() {
        let mut record = fresh();
        apply(asking(Some(3), Some(3)), &mut record).unwrap();
        record.subnet = Some("192.168.99.0/24".parse().unwrap());
        let requests = [
            asking(Some(2), None),
            asking(None, Some(2)),
            Desired { driver: Some(DriverKind::Qemu), ..Desired::default() },
            Desired { subnet: Some("192.168.9.0/24".parse().unwrap()), ..Desired::default() },
            Desired { size: Size { cpus: Some(1), ..Size::default() }, ..Desired::default() },
        ];
        for request in requests {
            let advice = apply(request, &mut record).unwrap_err().advice();
            let ends_it = matches!(
                advice,
                Some(Advice::RemoveCluster(_) | Advice::GoOnRemoving(_) | Advice::All(_))
            );
            assert!(advice.is_some() && !ends_it, "{advice:?}");
        }
    }

    #[test]
    fn machines_are_counted_by_their_roles_and_not_by_their_names() {
        let mut record = fresh();
        apply(asking(Some(1), Some(2)), &mut record).unwrap();
        record.machines[1].role = Some(Role::Manager);
        apply(asking(Some(2), Some(1)), &mut record).unwrap();
        assert_eq!(names(&record), ["manager1", "worker1", "worker2"]);
        apply(asking(Some(3), Some(2)), &mut record).unwrap();
        assert_eq!(names(&record), ["manager1", "worker1", "worker2", "manager2", "worker3"]);
    }

    proptest! {
        #[test]
        fn growing_keeps_every_machine_where_it_is(
            first in (1usize..10, 0usize..40),
            more in (0usize..10, 0usize..40),
        ) {
            let mut record = fresh();
            apply(asking(Some(first.0), Some(first.1)), &mut record).unwrap();
            let before = record.machines.clone();
            apply(asking(Some(first.0 + more.0), Some(first.1 + more.1)), &mut record).unwrap();
            prop_assert!(record.machines.starts_with(&before));
            let mut places: Vec<_> = record.machines.iter().map(|machine| machine.place).collect();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), record.machines.len());
        }
    }
}
