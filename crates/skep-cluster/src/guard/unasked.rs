//! Managers whose swarm cannot be asked: why not, and what to do first.
//!
//! Nothing here ever advises to leave a swarm or to take a cluster down: a node that is locked,
//! pending or silent may have a swarm that is alive and well.

use skep_model::{Advice, MachineName, Role};
use skep_swarm::Quorum;

use super::{
    standing::{Standing, standing},
    verdict::{Loss, SWARM_GONE, Verdict},
};
use crate::{
    ClusterRecord, MachineRecord,
    survey::{Part, Survey},
    swarms::Doubt,
};

/// Refuses to take managers away whose swarm no engine can answer for.
pub(super) fn refuse(
    record: &ClusterRecord,
    survey: &Survey,
    loss: Loss,
    unasked: &[MachineName],
    targets: &[MachineName],
) -> Verdict {
    let managers: Vec<&MachineRecord> = record
        .machines
        .iter()
        .filter(|machine| standing(record, survey, machine) == Standing::Unasked)
        .collect();
    let part = |machine: &&&MachineRecord| survey.part(&machine.name);
    let (mut reasons, mut first) = (Vec::new(), Vec::new());
    let locked = survey.locked();
    if !locked.is_empty() {
        reasons.push(format!("{} {} locked", list(&locked), is_are(locked.len())));
        first.push(Advice::Unlock(record.name.clone()));
    }
    for swarm in survey.swarms.iter().filter(|swarm| swarm.nodes.is_none()) {
        if !swarm.managers.is_empty() && locked.is_empty() {
            let members = swarm.known_managers.max(swarm.managers.len());
            let quorum = Quorum { members, reachable: swarm.managers.len() };
            reasons.push(Doubt::NoQuorum { quorum, locked: Vec::new() }.to_string());
        }
    }
    let is_off = |machine: &&&MachineRecord| matches!(part(machine), Some(Part::Off(_)));
    let off: Vec<MachineName> =
        managers.iter().filter(is_off).map(|machine| machine.name.clone()).collect();
    if !off.is_empty() {
        reasons.push(format!("{} {} not running", list(&off), is_are(off.len())));
        first.push(Advice::Start(off));
    }
    for machine in &managers {
        match survey.part(&machine.name) {
            Some(Part::Silent(error)) => {
                reasons.push(format!("{} does not answer: {error}", machine.name));
                first.push(Advice::LookAt(record.name.clone()));
            }
            // The engine's own words for a lost quorum are many.
            Some(Part::Known(local)) if !local.error.is_empty() && reasons.is_empty() => {
                reasons.push(format!("{}: {}", machine.name, local.error));
            }
            _ => {}
        }
    }
    if reasons.is_empty() {
        reasons.push("no manager answers".to_owned());
    }
    if first.is_empty() {
        first.push("start its other managers".into());
    }
    first.dedup();
    let (is, manager) = match unasked.len() {
        1 => ("is", "a manager"),
        _ => ("are", "managers"),
    };
    let others = record.machines.iter().filter(|machine| {
        machine.role == Some(Role::Manager) || managers.iter().any(|one| one.name == machine.name)
    });
    let is_last = others.into_iter().all(|machine| targets.contains(&machine.name));
    let then = match (loss, is_last) {
        (Loss::Remove, true) => format!(
            "; no other manager is known, and without {} {SWARM_GONE}",
            if unasked.len() == 1 { "it" } else { "them" }
        ),
        (Loss::Remove, false) => "; the others may need it to be able to decide anything".into(),
        (Loss::Stop | Loss::Restart, _) => String::new(),
    };
    Verdict::refuse(
        format!(
            "{} {is} {manager} of a swarm that cannot be asked whether it can do without ({}){then}",
            list(unasked),
            reasons.join("; ")
        ),
        Advice::First(first),
    )
}

fn list(names: &[MachineName]) -> String {
    names.iter().map(MachineName::as_str).collect::<Vec<_>>().join(", ")
}

fn is_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}
