use proptest::prelude::*;

use super::*;
use crate::node::tests::node;

/// `managers` of which the first `reachable` are heard, and two workers.
fn swarm(managers: usize, reachable: usize) -> Vec<Node> {
    let manager = |at: usize| {
        let rank = match at {
            0 if reachable > 0 => "leader",
            _ if at < reachable => "reachable",
            _ => "unreachable",
        };
        let state = if at < reachable { "ready" } else { "down" };
        node(&format!("m{at}"), &format!("manager{}", at + 1), state, Some(rank))
    };
    let mut nodes: Vec<Node> = (0..managers).map(manager).collect();
    nodes.push(node("w0", "worker1", "ready", None));
    nodes.push(node("w1", "worker2", "down", None));
    nodes
}

fn ids(names: &[&str]) -> Vec<NodeId> {
    names.iter().map(|name| NodeId::new(*name)).collect()
}

fn text(judgement: Judgement) -> String {
    match judgement {
        Judgement::Fine => "fine".to_owned(),
        Judgement::Warn { text } => format!("warn: {text}"),
        Judgement::Refuse { text, force_helps } => format!("refuse ({force_helps}): {text}"),
    }
}

#[test]
fn the_judgements_as_a_person_reads_them() {
    let of = |managers, reachable, change, targets: &[&str]| {
        let judgement = text(judge(&swarm(managers, reachable), change, &ids(targets)));
        format!("{reachable} of {managers}, {change} {}\n  {judgement}", targets.join(" and "))
    };
    let lines = [
        of(1, 1, Change::Promote, &["w0"]),
        of(1, 1, Change::Promote, &["w1"]),
        of(2, 2, Change::Promote, &["w0"]),
        of(3, 1, Change::Promote, &["w0"]),
        of(1, 1, Change::Demote, &["m0"]),
        of(3, 3, Change::Demote, &["m2"]),
        of(3, 2, Change::Demote, &["m2"]),
        of(3, 2, Change::Demote, &["m1"]),
        of(5, 5, Change::Remove, &["m3", "m4"]),
        of(1, 1, Change::Stop, &["m0"]),
        of(3, 3, Change::Stop, &["m0"]),
        of(3, 2, Change::Stop, &["m0"]),
        of(5, 5, Change::Stop, &["m0"]),
        of(1, 1, Change::Leave, &["m0"]),
        of(3, 3, Change::Leave, &["m1"]),
        of(2, 2, Change::Leave, &["m1"]),
        of(3, 3, Change::Leave, &["w0", "w1"]),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_advice_on_a_number_of_managers() {
    let lines: Vec<String> = (0..=9)
        .map(|count| format!("{count}: {}", advice(count).unwrap_or_else(|| "fine".to_owned())))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_quorum_that_is_lost_is_said_to_be() {
    let of = |members, reachable| Quorum { members, reachable }.to_string();
    assert_eq!(of(3, 1), "quorum lost: 1 of 3 managers reachable, 2 needed");
    assert_eq!(of(3, 2), "2 of 3 managers reachable, 2 needed");
    assert_eq!(of(1, 0), "quorum lost: 0 of 1 manager reachable, 1 needed");
    assert_eq!(Quorum::of(&swarm(5, 2)), Quorum { members: 5, reachable: 2 });
}

const LOSSES: [Change; 4] = [Change::Demote, Change::Remove, Change::Stop, Change::Leave];

proptest! {
    #[test]
    fn a_majority_is_more_than_half_and_no_more(managers in 1usize..200) {
        prop_assert!(needed(managers) * 2 > managers);
        prop_assert!((needed(managers) - 1) * 2 <= managers);
        prop_assert_eq!(needed(managers) + tolerated(managers), managers);
    }

    #[test]
    fn one_more_than_an_odd_number_tolerates_no_more(half in 0usize..50) {
        prop_assert_eq!(tolerated(2 * half + 2), tolerated(2 * half + 1));
        prop_assert!(advice(2 * half + 2).is_some());
    }

    #[test]
    fn what_is_not_refused_keeps_the_quorum(managers in 1usize..8, away in 0usize..8, targets in prop::collection::btree_set(0usize..8, 1..8), change in prop::sample::select(LOSSES.to_vec())) {
        let reachable = managers.saturating_sub(away);
        let targets: Vec<usize> = targets.into_iter().filter(|at| *at < managers).collect();
        prop_assume!(!targets.is_empty());
        let names: Vec<NodeId> = targets.iter().map(|at| NodeId::new(format!("m{at}"))).collect();
        let judgement = judge(&swarm(managers, reachable), change, &names);
        let left = (0..reachable).filter(|at| !targets.contains(at)).count();
        let members = match change {
            Change::Stop | Change::Leave => managers,
            _ => managers - targets.len(),
        };
        let keeps = members > 0 && left >= needed(members);
        let had = reachable >= needed(managers);
        match judgement {
            Judgement::Refuse { .. } => prop_assert!(!keeps || !had),
            Judgement::Fine | Judgement::Warn { .. } => prop_assert!(keeps || !had),
        }
    }

    #[test]
    fn workers_never_matter_to_a_loss(managers in 1usize..8, reachable in 0usize..8, change in prop::sample::select(LOSSES.to_vec())) {
        let nodes = swarm(managers, reachable.min(managers));
        prop_assert_eq!(judge(&nodes, change, &ids(&["w0", "w1", "unknown"])), Judgement::Fine);
    }

    #[test]
    fn a_refusal_says_how_to_go_on(managers in 1usize..8, reachable in 0usize..8, at in 0usize..8, change in prop::sample::select(LOSSES.to_vec())) {
        let nodes = swarm(managers, reachable.min(managers));
        if let Judgement::Refuse { text, force_helps } = judge(&nodes, change, &ids(&[&format!("m{at}")])) {
            prop_assert_eq!(text.contains("--force"), force_helps, "{}", text);
            prop_assert!(text.contains("first"), "{}", text);
        }
    }
}
