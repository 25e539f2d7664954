//! Which machines are sorted into which swarm, by answers as engines give them.

use proptest::prelude::*;
use serde_json::{Value, json};
use skep_machine::DriverKind;

use super::*;

/// What one machine's engine says, and the list it gives if it is a manager that has a quorum.
type Answer = (&'static str, Value, Option<Value>);

/// A manager with a quorum, whose list has these nodes, managers with a `*` behind their names.
fn leader(name: &'static str, swarm: &str, nodes: &[&str]) -> Answer {
    let list = nodes.iter().map(|node| {
        let manager = node.ends_with('*');
        let name = node.trim_end_matches('*');
        let role = if manager { "manager" } else { "worker" };
        let mut node = json!({"ID": format!("id-{name}"), "Spec": {"Role": role, "Availability": "active"},
            "Description": {"Hostname": name}, "Status": {"State": "ready"}});
        if manager {
            node["ManagerStatus"] = json!({"Reachability": "reachable", "Addr": "10.0.0.1:2377"});
        }
        node
    });
    let (own, list) = (format!("id-{name}"), list.collect::<Vec<_>>());
    let says = json!({"NodeID": own, "LocalNodeState": "active", "ControlAvailable": true,
        "Cluster": {"ID": swarm}, "RemoteManagers": [{"NodeID": own, "Addr": "10.0.0.1:2377"}]});
    (name, says, Some(list.into()))
}

/// A node that knows these managers, each at an address of its own; `control` if it is one.
fn node(name: &'static str, control: bool, managers: &[&str]) -> Answer {
    let remotes = managers.iter().enumerate().map(|(place, manager)| {
        json!({"NodeID": format!("id-{manager}"), "Addr": format!("10.0.0.{}:2377", place + 1)})
    });
    let says = json!({"NodeID": format!("id-{name}"), "LocalNodeState": "active",
        "ControlAvailable": control, "RemoteManagers": remotes.collect::<Vec<_>>()});
    (name, says, None)
}

fn state(name: &'static str, state: &str) -> Answer {
    (name, json!({"LocalNodeState": state}), None)
}

fn survey(answers: &[Answer]) -> (ClusterRecord, Survey) {
    let mut record = ClusterRecord::new("demo".parse().unwrap(), DriverKind::Container);
    record.subnet = Some("10.0.0.0/24".parse().unwrap());
    let mut survey = Survey::default();
    let mut lists = Vec::new();
    for (place, (name, says, list)) in answers.iter().enumerate() {
        let name: MachineName = name.parse().unwrap();
        let mut machine = MachineRecord::new(name.clone(), None, place, record.driver);
        machine.address = Some([10, 0, 0, u8::try_from(place + 1).unwrap()].into());
        record.machines.push(machine);
        let local: LocalState = serde_json::from_value(says.clone()).unwrap();
        survey.parts.push((name.clone(), Part::Known(Box::new(local))));
        if let Some(list) = list {
            lists.push((name, serde_json::from_value(list.clone()).unwrap()));
        }
    }
    survey.swarms = group(&record, &survey.parts, &lists);
    (record, survey)
}

fn shown(survey: &Survey) -> Vec<String> {
    let one = |swarm: &Found| {
        let names: Vec<&str> = swarm.machines.iter().map(MachineName::as_str).collect();
        format!("{}: {}", swarm.id.as_deref().unwrap_or("?"), names.join(" "))
    };
    survey.swarms.iter().map(one).collect()
}

#[test]
fn nodes_belong_where_the_list_has_them() {
    let (mut record, survey) = survey(&[
        leader("m1", "a", &["m1*", "w1", "m2*"]),
        node("w1", false, &["m1"]),
        leader("m2", "a", &["m1*", "w1", "m2*"]),
        state("alone", "inactive"),
    ]);
    assert_eq!(shown(&survey), ["a: m1 w1 m2"]);
    assert!(survey.only_one_swarm(&record).is_ok());
    survey.update(&mut record);
    let roles: Vec<_> = record.machines.iter().map(|machine| machine.role).collect();
    assert_eq!(
        roles,
        [Some(Role::Manager), Some(Role::Worker), Some(Role::Manager), None],
        "a machine that is in no swarm keeps what it was"
    );
    assert_eq!(record.swarm.as_deref(), Some("a"));
    assert_eq!(record.machines[1].node, Some(NodeId::new("id-w1")));
}

#[test]
fn two_swarms_are_told_apart_and_refused() {
    let (record, survey) = survey(&[
        leader("m1", "a", &["m1*", "w1"]),
        leader("m2", "b", &["m2*"]),
        node("w1", false, &["m1"]),
    ]);
    assert_eq!(shown(&survey), ["a: m1 w1", "b: m2"]);
    assert!(matches!(
        survey.only_one_swarm(&record),
        Err(ClusterError::SeveralSwarms { swarms, .. }) if swarms.len() == 2
    ));
}

#[test]
fn managers_without_a_quorum_know_each_other_and_are_known_by_their_workers() {
    let (record, survey) = survey(&[
        node("w1", false, &["m1", "m2", "m3"]),
        node("m1", true, &["m1", "m2", "m3"]),
        node("m2", true, &["m1", "m2", "m3"]),
    ]);
    assert_eq!(shown(&survey), ["?: w1 m1 m2"]);
    let swarm = &survey.swarms[0];
    assert_eq!((swarm.known_managers, swarm.managers.len()), (3, 2));
    assert!(swarm.nodes.is_none() && !swarm.lacks_its_managers(&record.addresses()));
}

#[test]
fn a_worker_of_managers_that_are_off_is_of_no_second_swarm_and_one_of_strangers_is() {
    let (record, survey_of_ours) =
        survey(&[leader("m1", "a", &["m1*"]), node("w1", false, &["gone"])]);
    assert_eq!(survey_of_ours.swarms.len(), 2);
    assert!(survey_of_ours.only_one_swarm(&record).is_ok(), "its manager may come back");
    let mut strangers = node("w1", false, &["gone"]);
    strangers.1["RemoteManagers"][0]["Addr"] = "192.0.2.7:2377".into();
    let (record, survey) = survey(&[leader("m1", "a", &["m1*"]), strangers]);
    assert!(survey.only_one_swarm(&record).is_err());
}

#[test]
fn a_locked_node_is_in_no_known_swarm_and_nobody_founds_beside_it() {
    let (record, survey) = survey(&[state("m1", "locked"), state("m2", "inactive")]);
    assert!(survey.swarms.is_empty());
    assert_eq!(survey.locked(), ["m1".parse().unwrap()]);
    assert_eq!(survey.role_of(&"m1".parse().unwrap()), Some(Role::Manager));
    let refused = survey.may_found(&"m2".parse().unwrap(), &record);
    assert!(matches!(refused, Err(ClusterError::NoSwarm { doubt: Doubt::Locked(_), .. })));
}

#[test]
fn a_swarm_that_is_there_is_not_founded_again() {
    let (record, survey) = survey(&[leader("m1", "a", &["m1*"]), state("m2", "inactive")]);
    let refused = survey.may_found(&"m2".parse().unwrap(), &record);
    assert!(matches!(refused, Err(ClusterError::SwarmExists { .. })));
    assert!(survey.may_found(&"m1".parse().unwrap(), &record).is_ok(), "its engine's to say");
    let (mut record, mut nobody) = self::survey(&[state("m1", "inactive")]);
    assert!(nobody.may_found(&"m1".parse().unwrap(), &record).is_ok());
    record.machines.push(MachineRecord::new("m2".parse().unwrap(), None, 1, record.driver));
    nobody.parts.push(("m2".parse().unwrap(), Part::Off(MachineState::Stopped)));
    assert!(nobody.may_found(&"m1".parse().unwrap(), &record).is_ok());
    record.machines[1].node = Some(NodeId::new("id-m2"));
    assert!(nobody.may_found(&"m1".parse().unwrap(), &record).is_err(), "it was a node");
}

proptest! {
    #[test]
    fn every_node_is_in_one_swarm_and_nobody_else_in_any(
        machines in prop::collection::vec((0usize..4, 0usize..3), 1..6),
    ) {
        const NAMES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
        let answers: Vec<Answer> = machines.iter().enumerate().map(|(place, (kind, swarm))| {
            let (name, swarm) = (NAMES[place], ["a", "b", "c"][*swarm]);
            match kind {
                0 => state(name, "inactive"),
                1 => leader(name, swarm, &[name]),
                2 => node(name, true, &[swarm]),
                _ => node(name, false, &[swarm]),
            }
        }).collect();
        let (_, survey) = survey(&answers);
        for (place, (kind, _)) in machines.iter().enumerate() {
            let name: MachineName = NAMES[place].parse().unwrap();
            let places = survey.swarms.iter().filter(|swarm| swarm.machines.contains(&name)).count();
            prop_assert_eq!(places, usize::from(*kind != 0));
        }
    }
}
