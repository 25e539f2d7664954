use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn service(mode: &Value, update: &str) -> Service {
    let update = if update.is_empty() { Value::Null } else { json!({"State": update}) };
    let service = json!({"ID": "s", "Spec": {"Name": "web", "Mode": mode}, "UpdateStatus": update});
    serde_json::from_value(service).unwrap()
}

fn replicated(replicas: u64) -> Value {
    json!({"Replicated": {"Replicas": replicas}})
}

/// A task as `slot@node desired state`.
fn task(text: &str) -> Task {
    let words: Vec<&str> = text.split(' ').collect();
    let (slot, node) = words[0].split_once('@').unwrap();
    let task = json!({"ID": text.replace(' ', "-"), "ServiceID": "s", "Slot": slot.parse::<u64>().unwrap(), "NodeID": node,
        "DesiredState": words[1], "Status": {"State": words[2], "Err": words.get(3).unwrap_or(&"")}});
    serde_json::from_value(task).unwrap()
}

fn nodes() -> Vec<Node> {
    let node = |id: &str, state: &str, availability: &str| json!({"ID": id, "Description": {"Hostname": id}, "Status": {"State": state}, "Spec": {"Availability": availability}});
    let all =
        [node("a", "ready", "active"), node("b", "ready", "active"), node("x", "down", "active")];
    all.into_iter().map(|node| serde_json::from_value(node).unwrap()).collect()
}

fn judged(mode: &Value, update: &str, tasks: &[&str]) -> (u64, u64, Verdict) {
    let tasks: Vec<Task> = tasks.iter().map(|text| task(text)).collect();
    let service = service(mode, update);
    let picture = judge(&service, &tasks, &nodes());
    (picture.good, picture.wanted, picture.verdict)
}

#[test]
fn replicas_are_counted_slot_by_slot() {
    use Verdict::{Going, Stable};
    let two = replicated(2);
    let run = |tasks: &[&str]| judged(&two, "", tasks);
    assert_eq!(run(&[]), (0, 2, Going));
    assert_eq!(run(&["1@a running running", "2@b running preparing"]), (1, 2, Going));
    assert_eq!(run(&["1@a running running", "2@b running running"]), (2, 2, Stable));
    // The engine is yet to take one away.
    let three = ["1@a running running", "2@b running running", "3@a running running"];
    assert_eq!(run(&three), (3, 2, Going));
    let removed = ["1@a running running", "2@b running running", "3@a remove running"];
    assert_eq!(run(&removed), (2, 2, Stable));
    // A task that is on its way out does not run, and its successor counts.
    let restarted = ["1@a running running", "2@b shutdown failed", "2@b ready ready"];
    assert_eq!(run(&restarted), (1, 2, Going));
    assert_eq!(run(&["1@a shutdown running", "2@b running running"]), (1, 2, Going));
    assert_eq!(judged(&replicated(0), "", &[]), (0, 0, Stable));
}

#[test]
fn the_dead_do_not_count() {
    let two = replicated(2);
    assert_eq!(
        judged(&two, "", &["1@a running running", "2@x running running"]),
        (1, 2, Verdict::Going)
    );
    let moved = ["1@a running running", "2@x running running", "2@b running running"];
    assert_eq!(judged(&two, "", &moved), (2, 2, Verdict::Stable));
    // Nor a node that is no longer in the swarm.
    let gone = ["1@a running running", "2@gone running running"];
    assert_eq!(judged(&two, "", &gone).2, Verdict::Going);
}

#[test]
fn an_update_has_converged_when_the_engine_says_so() {
    let one = replicated(1);
    let whole = ["1@a running running"];
    for (state, verdict) in [
        ("", Verdict::Stable),
        ("updating", Verdict::Going),
        ("completed", Verdict::Done),
        ("paused", Verdict::Paused),
        ("rollback_started", Verdict::Going),
        ("rollback_paused", Verdict::Paused),
        ("rollback_completed", Verdict::RolledBack),
    ] {
        assert_eq!(judged(&one, state, &whole).2, verdict, "{state}");
    }
    for state in ["", "completed", "rollback_completed"] {
        assert_eq!(judged(&one, state, &["1@a running starting"]).2, Verdict::Going, "{state}");
    }
    assert_eq!(judged(&one, "paused", &[]).2, Verdict::Paused);
}

#[test]
fn a_global_service_is_one_on_each_node_that_is_there() {
    let global = json!({"Global": {}});
    let run = |tasks: &[&str]| judged(&global, "", tasks);
    // Before the engine has made any, the nodes that will have one count.
    assert_eq!(run(&[]), (0, 2, Verdict::Going));
    assert_eq!(run(&["0@a running running", "0@b running starting"]), (1, 2, Verdict::Going));
    assert_eq!(run(&["0@a running running", "0@b running running"]), (2, 2, Verdict::Stable));
    let dead = ["0@a running running", "0@b running running", "0@x running running"];
    assert_eq!(run(&dead), (2, 2, Verdict::Stable));
    let drained = ["0@a running running", "0@b shutdown shutdown"];
    assert_eq!(run(&drained), (1, 1, Verdict::Stable));
    // On no node at all it has not converged.
    assert_eq!(run(&["0@a shutdown shutdown", "0@b shutdown shutdown"]), (0, 0, Verdict::Going));
    let leaving = ["0@a running running", "0@b remove running"];
    assert_eq!(run(&leaving), (1, 1, Verdict::Stable));
    assert_eq!(run(&["0@a running running", "0@b shutdown failed"]).2, Verdict::Going);
}

#[test]
fn a_job_is_done_when_enough_have_ended_well() {
    let job = json!({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}});
    let run = |tasks: &[&str]| judged(&job, "", tasks);
    assert_eq!(run(&["0@a complete running"]), (0, 2, Verdict::Going));
    assert_eq!(run(&["0@a complete complete", "1@b complete running"]), (1, 2, Verdict::Going));
    assert_eq!(run(&["0@a complete complete", "1@b complete complete"]), (2, 2, Verdict::Done));
    let again = ["0@a complete complete", "1@b shutdown failed", "1@b complete complete"];
    assert_eq!(run(&again), (2, 2, Verdict::Done));
}

#[test]
fn an_earlier_run_of_a_job_does_not_count() {
    let mut service = service(&json!({"GlobalJob": {}}), "");
    service.job_status = serde_json::from_value(json!({"JobIteration": {"Index": 2}})).unwrap();
    let run = |iteration: u64| {
        let mut task = task("0@a complete complete");
        task.job_iteration = serde_json::from_value(json!({"Index": iteration})).unwrap();
        let tasks = [task];
        judge(&service, &tasks, &nodes()).verdict
    };
    assert_eq!(run(1), Verdict::Going);
    assert_eq!(run(2), Verdict::Done);
}

#[test]
fn what_is_over_and_what_has_no_node_is_told() {
    let told = |tasks: &[&str]| {
        let tasks: Vec<Task> = tasks.iter().map(|text| task(text)).collect();
        let service = service(&replicated(2), "");
        let picture = judge(&service, &tasks, &nodes());
        (picture.exhausted(&service).count(), picture.without_a_node().len())
    };
    assert_eq!(told(&["1@a running running", "2@b shutdown failed"]), (1, 0));
    // It has failed, and the engine has not decided yet.
    assert_eq!(told(&["1@a running running", "2@b running failed"]), (0, 0));
    assert_eq!(told(&["1@a running running", "2@ running pending nowhere"]), (0, 1));
    assert_eq!(told(&["1@a running running", "2@ running pending"]), (0, 0));
    // What moves may make room.
    assert_eq!(told(&["1@a running preparing", "2@ running pending nowhere"]), (0, 0));
}

proptest! {
    #[test]
    fn what_has_converged_runs_in_as_many_slots_as_wanted_on_nodes_that_are_there(
        tasks in prop::collection::vec((1u64..5, "[abx]", 0usize..4, 0usize..6), 0..10),
        replicas in 0u64..5,
        update in prop::sample::select(vec!["", "updating", "completed", "paused", "rollback_completed"]),
    ) {
        let desired = ["ready", "running", "shutdown", "remove"];
        let states = ["pending", "running", "running", "failed", "shutdown", "starting"];
        let texts: Vec<String> = tasks.iter().map(|(slot, node, d, s)| format!("{slot}@{node} {} {}", desired[*d], states[*s])).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (good, wanted, verdict) = judged(&replicated(replicas), update, &texts);
        let slots: std::collections::BTreeSet<u64> = tasks
            .iter()
            .filter(|(_, node, d, s)| node != "x" && *d < 2 && (*s == 1 || *s == 2))
            .map(|(slot, ..)| *slot)
            .collect();
        prop_assert!(good <= slots.len() as u64);
        prop_assert_eq!(wanted, replicas);
        if matches!(verdict, Verdict::Stable | Verdict::Done | Verdict::RolledBack) {
            prop_assert_eq!(good, wanted);
            prop_assert!(update != "updating" && update != "paused");
        }
        // The order in which an engine lists tasks decides nothing.
        let turned: Vec<&str> = texts.iter().rev().copied().collect();
        prop_assert_eq!(judged(&replicated(replicas), update, &turned), (good, wanted, verdict));
    }
}
