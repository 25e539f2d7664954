//! From what an engine says to what is known of its machine when a swarm is chosen.

use skep_model::Role;
use skep_swarm::{LocalNodeState, LocalState};

use super::founding::{Decision, Part, Seen, decide};
use crate::{
    ClusterError, ClusterRecord,
    survey::{Part as Asked, Survey},
    swarms::Doubt,
};

/// Refuses before anything is touched where all machines that were there before have answered, and
/// no swarm can come of what they say.
///
/// # Errors
/// [`ClusterError::NoSwarm`].
pub(super) fn look_ahead(
    record: &ClusterRecord,
    found: &Survey,
    replace: bool,
) -> Result<(), ClusterError> {
    let seen = record.machines.iter().map(|machine| {
        let seen = match found.part(&machine.name) {
            Some(Asked::Known(local)) => Seen::Here(part(Some(local), machine.role)),
            // One that is off, or still starting, may answer once it is waited for.
            Some(Asked::Off(_) | Asked::Silent(_)) => Seen::Awaited { existed: true },
            None => Seen::Awaited { existed: machine.node.is_some() },
        };
        (machine.name.clone(), machine.role == Some(Role::Manager), seen)
    });
    match decide(&seen.collect::<Vec<_>>(), replace) {
        Decision::Refuse(doubt) if doubt != Doubt::NoManager => Err(ClusterError::NoSwarm {
            cluster: record.name.clone(),
            doubt,
            untouched: true,
            failures: Vec::new(),
        }),
        _ => Ok(()),
    }
}

/// The part an engine has, from what it says; nothing for a machine that was just made.
///
/// An engine that has not got an identity reports no node ID; neither does one that failed to start
/// as the manager it is, as with expired certificates. So of those that are pending or in error
/// only a worker's is known to have nothing to lose.
pub(super) fn part(local: Option<&LocalState>, role: Option<Role>) -> Part {
    let Some(local) = local else { return Part::Outside };
    match (local.state, &local.node) {
        (LocalNodeState::Inactive, _) => Part::Outside,
        (LocalNodeState::Locked, _) => Part::Locked,
        (LocalNodeState::Active, _) if local.is_manager => match &local.cluster {
            Some(swarm) => Part::Manager { swarm: swarm.clone() },
            None => Part::NoQuorum,
        },
        (LocalNodeState::Pending | LocalNodeState::Error, None) if role == Some(Role::Worker) => {
            Part::Outside
        }
        (LocalNodeState::Active | LocalNodeState::Pending | LocalNodeState::Error, _) => Part::Node,
    }
}
