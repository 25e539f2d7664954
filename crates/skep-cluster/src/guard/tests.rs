//! What is judged of machines in every condition of a swarm, and what the advice says.

use proptest::prelude::*;
use serde_json::json;
use skep_machine::DriverKind;
use skep_model::{MachineState, Role};
use skep_swarm::LocalState;

use super::*;
use crate::survey::Found;

/// How one manager of three is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// Running, and heard.
    Up,
    /// Off, and known to the others as unreachable.
    Off,
    /// Switched off just now: the others have not noticed.
    OffUnnoticed,
    /// Running, and its engine silent, unheard.
    Silent,
    /// Running, and waiting for its unlock key.
    Locked,
}

fn name(text: &str) -> MachineName {
    text.parse().unwrap()
}

fn names(texts: &[&str]) -> Vec<MachineName> {
    texts.iter().copied().map(name).collect()
}

fn address(place: usize) -> String {
    format!("10.9.0.{}", 10 + place)
}

fn node(place: usize, manager: bool, heard: bool) -> Node {
    let mut value = json!({
        "ID": format!("n{place}"),
        "Spec": {"Labels": {}, "Role": if manager { "manager" } else { "worker" },
            "Availability": "active"},
        "Description": {"Hostname": format!("m{place}")},
        "Status": {"State": if heard { "ready" } else { "down" }, "Addr": address(place)},
    });
    if manager {
        value["ManagerStatus"] = json!({
            "Reachability": if heard { "reachable" } else { "unreachable" },
            "Addr": format!("{}:2377", address(place)),
        });
    }
    serde_json::from_value(value).unwrap()
}

/// A cluster of machines m0, m1, …: managers of these kinds, and then so many workers that run.
struct World {
    record: ClusterRecord,
    survey: Survey,
}

fn world(managers: &[Is], workers: usize, locks: bool) -> World {
    let mut record = ClusterRecord::new("lab".parse().unwrap(), DriverKind::Container);
    let heard = managers.iter().filter(|is| matches!(is, Is::Up | Is::OffUnnoticed)).count();
    let really = managers.iter().filter(|is| **is == Is::Up).count();
    // A list is available as long as the managers that are asked have not noticed a loss.
    let has_list = really > 0 && heard >= needed(managers.len());
    let mut found = Found { known_managers: managers.len(), ..Found::default() };
    let mut parts = Vec::new();
    let mut nodes = Vec::new();
    for place in 0..managers.len() + workers {
        let is = managers.get(place).copied();
        let own = name(&format!("m{place}"));
        let role = if is.is_some() { Role::Manager } else { Role::Worker };
        let mut machine = MachineRecord::new(own.clone(), Some(role), place, record.driver);
        machine.address = Some(address(place).parse().unwrap());
        // Of one that is off, its node is known from before; of a silent one its address tells.
        machine.node = (is != Some(Is::Silent)).then(|| NodeId::new(format!("n{place}")));
        record.machines.push(machine);
        nodes.push(node(place, is.is_some(), matches!(is, None | Some(Is::Up | Is::OffUnnoticed))));
        let remotes: Vec<_> = (0..managers.len())
            .map(|other| json!({"NodeID": format!("n{other}"), "Addr": format!("{}:2377", address(other))}))
            .collect();
        let active = |control: bool| {
            let local: LocalState = serde_json::from_value(json!({
                "NodeID": format!("n{place}"), "LocalNodeState": "active",
                "ControlAvailable": control, "RemoteManagers": remotes,
                "Cluster": {"ID": if control { "s" } else { "" },
                    "Spec": {"EncryptionConfig": {"AutoLockManagers": locks}}},
            }))
            .unwrap();
            Part::Known(Box::new(local))
        };
        let part = match is {
            Some(Is::Up) => active(true),
            None => active(false),
            Some(Is::Off | Is::OffUnnoticed) => Part::Off(MachineState::Stopped),
            Some(Is::Silent) => Part::Silent(Box::new(ClusterError::Request {
                reason: "the engine does not answer".into(),
            })),
            Some(Is::Locked) => Part::Known(Box::new(
                serde_json::from_value(json!({"LocalNodeState": "locked"})).unwrap(),
            )),
        };
        if matches!(part, Part::Known(_)) && is != Some(Is::Locked) {
            found.machines.push(own.clone());
            found.managers.extend((is == Some(Is::Up)).then_some(own.clone()));
            found.manager_hosts.extend((0..managers.len()).map(address));
        }
        parts.push((own, part));
    }
    found.nodes = has_list.then_some(nodes);
    let mut survey = Survey::default();
    survey.parts = parts;
    if !found.machines.is_empty() {
        survey.swarms.push(found);
    }
    World { record, survey }
}

impl World {
    fn judge(&self, loss: Loss, targets: &[&str]) -> Verdict {
        judge(&self.record, &self.survey, loss, &names(targets))
    }

    /// What is refused, with what to do.
    fn refused(&self, loss: Loss, targets: &[&str]) -> String {
        match self.judge(loss, targets) {
            Verdict::Refuse { reason, fix } => {
                let fix = fix.words().map_or_else(|| format!("{fix:?}"), str::to_owned);
                let advice = reason.advice().map(|advice| format!(" | {advice:?}"));
                format!("{}{} | {fix}", reason.text, advice.unwrap_or_default())
            }
            other => panic!("{loss:?} of {targets:?}: {other:?}"),
        }
    }
}

#[test]
fn of_three_managers_one_can_be_spared() {
    let three = world(&[Is::Up; 3], 2, false);
    assert!(matches!(three.judge(Loss::Remove, &["m1"]), Verdict::Warn(_)));
    assert!(matches!(three.judge(Loss::Stop, &["m1"]), Verdict::Warn(_)));
    assert_eq!(three.judge(Loss::Restart, &["m0", "m1", "m2"]), Verdict::Fine);
    // Each is made a worker first, so that two of three can go, too.
    assert_eq!(three.judge(Loss::Remove, &["m1", "m2"]), Verdict::Fine);
    insta::assert_snapshot!(three.refused(Loss::Stop, &["m1", "m2", "m3"]), @r"stopping m1, m2 leaves 1 of 3 managers reachable and 2 needed: until enough managers are back nothing in the swarm can be changed, while its running tasks stay | start or promote others first, or use --force");
    for loss in [Loss::Remove, Loss::Stop, Loss::Restart] {
        assert_eq!(three.judge(loss, &["m3", "m4"]), Verdict::Fine, "workers, {loss:?}");
    }
}

#[test]
fn with_one_missing_none_can_be_spared() {
    for missing in [Is::Off, Is::OffUnnoticed, Is::Silent, Is::Locked] {
        let two = world(&[Is::Up, Is::Up, missing], 1, false);
        for loss in [Loss::Remove, Loss::Stop, Loss::Restart] {
            let text = two.refused(loss, &["m1"]);
            assert!(text.contains("leaves 1 of 3 managers reachable and 2 needed"), "{text}");
            assert!(text.contains("force"), "{text}");
        }
        // The missing one itself is none that is lost.
        assert!(matches!(two.judge(Loss::Remove, &["m2"]), Verdict::Warn(_)), "{missing:?}");
        assert!(!matches!(two.judge(Loss::Stop, &["m2"]), Verdict::Refuse { .. }), "{missing:?}");
        assert!(!matches!(two.judge(Loss::Restart, &["m2"]), Verdict::Refuse { .. }));
    }
    let two = world(&[Is::Up, Is::Up, Is::Off], 1, false);
    insta::assert_snapshot!(two.refused(Loss::Remove, &["m1"]), @r"removing m1 leaves 1 of 3 managers reachable and 2 needed: nothing in the swarm could be changed any more, while its running tasks stay | start m2 first, or promote others; --force goes on");
    insta::assert_snapshot!(two.refused(Loss::Restart, &["m1"]), @r"restarting m1 leaves 1 of 3 managers reachable and 2 needed: nothing in the swarm could be changed if it does not come back | start or remove the missing m2 first; --force goes on");
}

#[test]
fn the_last_manager_is_the_swarm() {
    let one = world(&[Is::Up], 1, false);
    insta::assert_snapshot!(one.refused(Loss::Remove, &["m0"]), @r"removing m0 takes the last manager away, and with it the swarm with its services, networks, configs and secrets is gone for good | Promote");
    insta::assert_snapshot!(one.refused(Loss::Remove, &["m1", "m0"]), @r#"removing m0 takes the last manager away, and with it the swarm with its services, networks, configs and secrets is gone for good | RemoveCluster(ClusterName("lab"))"#);
    insta::assert_snapshot!(one.refused(Loss::Stop, &["m0"]), @r"stopping m0 stops the swarm's only managers: nothing can be changed until one is back, while running tasks stay | promote another node first, or use --force");
    let Verdict::Warn(text) = one.judge(Loss::Restart, &["m0", "m1"]) else { panic!("a warning") };
    insta::assert_snapshot!(text.text, @r"nothing in the swarm can be changed while m0 restarts; running tasks of other nodes stay");
    let three = world(&[Is::Up; 3], 0, false);
    insta::assert_snapshot!(three.refused(Loss::Remove, &["m0", "m1", "m2"]), @r#"removing m0, m1, m2 takes the last managers away, and with them the swarm with its services, networks, configs and secrets is gone for good | RemoveCluster(ClusterName("lab"))"#);
}

#[test]
fn who_cannot_be_asked_is_taken_for_needed() {
    insta::assert_snapshot!(world(&[Is::Off], 1, false).refused(Loss::Remove, &["m0"]), @r#"m0 is a manager of a swarm that cannot be asked whether it can do without (m0 is not running); no other manager is known, and without it the swarm with its services, networks, configs and secrets is gone for good | First([Start([MachineName("m0")])])"#);
    insta::assert_snapshot!(world(&[Is::Locked], 1, false).refused(Loss::Remove, &["m0"]), @r#"m0 is a manager of a swarm that cannot be asked whether it can do without (m0 is locked); no other manager is known, and without it the swarm with its services, networks, configs and secrets is gone for good | First([Unlock(ClusterName("lab"))])"#);
    insta::assert_snapshot!(world(&[Is::Silent], 0, false).refused(Loss::Stop, &["m0"]), @r#"m0 is a manager of a swarm that cannot be asked whether it can do without (m0 does not answer: the engine does not answer) | First([LookAt(ClusterName("lab"))])"#);
    let lost = world(&[Is::Up, Is::Off, Is::Off], 1, false);
    insta::assert_snapshot!(lost.refused(Loss::Stop, &["m0"]), @r#"m0 is a manager of a swarm that cannot be asked whether it can do without (quorum lost: 1 of 3 managers reachable, 2 needed; m1, m2 are not running) | First([Start([MachineName("m1"), MachineName("m2")])])"#);
    insta::assert_snapshot!(lost.refused(Loss::Remove, &["m1"]), @r#"m1 is a manager of a swarm that cannot be asked whether it can do without (quorum lost: 1 of 3 managers reachable, 2 needed; m1, m2 are not running); the others may need it to be able to decide anything | First([Start([MachineName("m1"), MachineName("m2")])])"#);
    assert_eq!(lost.judge(Loss::Remove, &["m3"]), Verdict::Fine, "a worker");
    // The cure is not refused.
    for world in [world(&[Is::Silent], 0, false), lost] {
        assert_eq!(world.judge(Loss::Restart, &["m0"]), Verdict::Fine);
    }
}

#[test]
fn a_manager_that_the_record_does_not_know_is_found_by_what_its_workers_know() {
    let mut world = world(&[Is::Off], 1, false);
    world.record.machines[0].role = None;
    world.record.machines[0].node = None;
    assert!(world.refused(Loss::Remove, &["m0"]).contains("m0 is a manager of a swarm"));
}

#[test]
fn a_host_that_is_given_back_keeps_its_swarm() {
    let mut world = world(&[Is::Up], 1, false);
    world.record.machines[0].options =
        skep_machine::DriverOptions::Ssh(Some(skep_machine::ssh::Host {
            address: [10, 9, 0, 10].into(),
            ssh_port: 22,
            engine_port: 2376,
            user: "root".into(),
        }));
    assert_eq!(world.judge(Loss::Remove, &["m0"]), Verdict::Fine);
    assert!(matches!(world.judge(Loss::Stop, &["m0"]), Verdict::Refuse { .. }));
}

#[test]
fn machines_that_were_never_in_a_swarm_are_free() {
    let mut alone = world(&[Is::Off, Is::Off], 0, false);
    for machine in &mut alone.record.machines {
        machine.role = None;
        machine.node = None;
    }
    let outside: LocalState =
        serde_json::from_value(json!({"LocalNodeState": "inactive"})).unwrap();
    alone.survey.parts[1].1 = Part::Known(Box::new(outside));
    // This one was to be a manager, and has left, or was never one.
    alone.record.machines[1].role = Some(Role::Manager);
    for loss in [Loss::Remove, Loss::Stop, Loss::Restart] {
        assert_eq!(alone.judge(loss, &["m0", "m1"]), Verdict::Fine, "{loss:?}");
    }
    // An `up` that was interrupted has written this one down, and not come to make it.
    alone.record.machines[0].role = Some(Role::Manager);
    alone.survey.parts[0].1 = Part::Off(MachineState::Absent);
    assert_eq!(alone.judge(Loss::Remove, &["m0"]), Verdict::Fine);
    // Of this one the disk may be there, with all that is left of a swarm.
    alone.record.machines[0].node = Some(NodeId::new("n0"));
    assert!(matches!(alone.judge(Loss::Remove, &["m0"]), Verdict::Refuse { .. }));
}

#[test]
fn managers_that_come_back_locked_are_gone_until_they_are_unlocked() {
    let three = world(&[Is::Up; 3], 0, true);
    assert!(matches!(three.judge(Loss::Restart, &["m0"]), Verdict::Warn(_)));
    insta::assert_snapshot!(three.refused(Loss::Restart, &["m0", "m1"]), @r"the swarm locks its managers, and restarting m0, m1 leaves 1 of 3 managers reachable and 2 needed: nothing in it could be changed before they are unlocked | NoteUnlockKey | restart and unlock them one by one; --force goes on");
    let one = world(&[Is::Up], 0, true);
    let Verdict::Warn(text) = one.judge(Loss::Restart, &["m0"]) else { panic!("a warning") };
    insta::assert_snapshot!(text.text, @r"the swarm locks its managers: after the restart nothing in it can be changed before it is unlocked");
    assert_eq!(text.advice(), Some(Advice::NoteUnlockKey));
}

fn any_is() -> impl Strategy<Value = Is> {
    prop_oneof![
        4 => Just(Is::Up),
        1 => Just(Is::Off),
        1 => Just(Is::OffUnnoticed),
        1 => Just(Is::Silent),
        1 => Just(Is::Locked),
    ]
}

proptest! {
    #[test]
    fn what_is_let_through_leaves_a_quorum_where_there_was_one(
        managers in prop::collection::vec(any_is(), 1..6),
        taken in prop::collection::vec(any::<bool>(), 6),
        loss in prop_oneof![Just(Loss::Remove), Just(Loss::Stop)],
    ) {
        let targets: Vec<String> =
            (0..managers.len()).filter(|place| taken[*place]).map(|place| format!("m{place}")).collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let up = |place: &usize| managers[*place] == Is::Up;
        let reachable = (0..managers.len()).filter(up).count();
        let world = world(&managers, 1, false);
        if reachable >= needed(managers.len())
            && !matches!(world.judge(loss, &targets), Verdict::Refuse { .. })
        {
            let left = (0..managers.len()).filter(up).filter(|place| !taken[*place]).count();
            // Those that are removed are made workers first.
            let members = match loss {
                Loss::Remove => managers.len() - targets.len(),
                _ => managers.len(),
            };
            prop_assert!(left >= needed(members), "{left} of {members}");
        }
    }

    #[test]
    fn no_advice_costs_a_swarm_that_cannot_be_asked(
        managers in prop::collection::vec(
            prop::sample::select(&[Is::Off, Is::OffUnnoticed, Is::Silent, Is::Locked][..]),
            1..6,
        ),
        loss in prop_oneof![Just(Loss::Remove), Just(Loss::Stop), Just(Loss::Restart)],
    ) {
        let targets: Vec<String> = (0..managers.len()).map(|place| format!("m{place}")).collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        if let Verdict::Refuse { reason, fix } = world(&managers, 1, false).judge(loss, &targets) {
            prop_assert!(!reason.text.contains("leave"), "{reason:?}");
            let ends_it = format!("{fix:?}").to_lowercase();
            prop_assert!(!ends_it.contains("leave") && !ends_it.contains("remov"), "{ends_it}");
            prop_assert!(!ends_it.contains("down"), "{ends_it}");
        }
    }
}
