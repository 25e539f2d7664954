//! The ways out where it is not clear which swarm is a cluster's: none of them ends one unasked.

use skep_cluster::{ClusterError, survey::Found, up::Doubt};
use skep_model::MachineName;
use skep_swarm::Cause;

use super::{Exit, Failure};

/// What to do where the engine's own words say that the swarm can decide nothing now, whatever was
/// asked of it.
pub(super) fn of_swarm(failure: &Failure) -> Option<String> {
    let reasons = std::iter::once(&failure.message).chain(&failure.causes);
    reasons.filter_map(|reason| Cause::of(&reason.text)).find_map(|cause| match cause {
        Cause::NoLeader => Some(
            "`skep status` shows which managers are missing, and `skep up` starts those that are off"
                .to_owned(),
        ),
        Cause::Locked => {
            Some("`skep swarm unlock` gives the managers the swarm's unlock key".to_owned())
        }
        _ => None,
    })
}

/// Both swarms shown, and ways out that end neither unasked.
pub(super) fn several_swarms(error: &ClusterError, swarms: &[Found]) -> Failure {
    let names = |names: &[MachineName]| {
        names.iter().map(MachineName::as_str).collect::<Vec<_>>().join(", ")
    };
    let line = |swarm: &Found| {
        let id = swarm.id.as_deref().unwrap_or("of unknown ID");
        let workers: Vec<MachineName> =
            swarm.machines.iter().filter(|name| !swarm.managers.contains(name)).cloned().collect();
        let managers = match swarm.managers.as_slice() {
            [] => format!("managers not among the machines ({})", hosts(swarm)),
            some => format!("managed by {}", names(some)),
        };
        let others =
            if workers.is_empty() { String::new() } else { format!(", with {}", names(&workers)) };
        format!("swarm {id}: {managers}{others}")
    };
    let fix = "keep one: move what runs in the other to it, then let the other's machines leave, \
               workers first and its last manager last (`skep swarm leave MACHINE` says what that \
               ends, and wants --force for it); `skep up` then takes them in";
    Failure::of(Exit::Preflight, error).listing(swarms.iter().map(line).collect()).with_fix(fix)
}

fn hosts(swarm: &Found) -> String {
    swarm.manager_hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What to do where a node may have the swarm. None of it ends one that may live.
pub(crate) fn way_out_of(doubt: &Doubt, option: &str) -> String {
    match doubt {
        Doubt::Several(_) => format!("`skep status{option}` shows who is in which"),
        Doubt::Locked(machines) | Doubt::NoQuorum { locked: machines, .. }
            if !machines.is_empty() =>
        {
            let names: Vec<_> = machines.iter().map(MachineName::as_str).collect();
            format!(
                "`skep swarm unlock{option} {}` with the swarm's unlock key, then the same command \
                 again",
                names.join(" ")
            )
        }
        Doubt::Unasked(_) => format!(
            "see why it does not answer (`skep status{option}`); the same command goes on once it \
             does"
        ),
        Doubt::ManagersAway(_) => format!(
            "start the machine that manages it, wherever that is. Only if its managers are gone for \
             good, and with them all that the swarm knew, `skep up{option} --new-swarm` makes \
             another one, which ends what the nodes still run"
        ),
        Doubt::NoQuorum { quorum, .. } if quorum.is_there() => {
            format!("wait: they elect a leader within seconds; `skep status{option}` looks again")
        }
        Doubt::Locked(_) | Doubt::NoQuorum { .. } => format!(
            "start the missing managers, or put their disks back. Only if they are gone for good: \
             `skep swarm init{option} --force-new-cluster MACHINE` on a manager that is left makes \
             it the only one, with all services"
        ),
        Doubt::NoManager => format!("`skep up{option}` goes on where it stopped"),
    }
}
