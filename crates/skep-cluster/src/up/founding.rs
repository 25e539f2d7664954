//! Which swarm the machines of a cluster become nodes of: one that some of them are in already, or
//! a new one. A pure decision over what is known of each machine, taken again with each arrival.
//!
//! ```text
//!  a machine that was there before is still on the way ────────► wait
//!  managers of two swarms ─────────────────────────────────────► refuse
//!  a manager with a quorum ────────────────────────────────────► join through it
//!  managers without one ───────────────────────────────────────► wait for their quorum
//!  a locked node, one that cannot be asked, a worker whose
//!  managers are away: a node may have the swarm ───────────────► refuse
//!  none has, and the first manager of the record is here ──────► found
//! ```
//!
//! A second swarm beside a living one costs its user the first: every doubt is a refusal.

use skep_model::MachineName;

use crate::swarms::Doubt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has not arrived. One that was there before may be a node of a swarm.
    Awaited { existed: bool },
    /// It answers, and this is its part.
    Here(Part),
    /// It will not arrive. One that was there before may be a node all the same.
    GaveUp { existed: bool },
}

/// The part of a machine's engine in a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Outside,
    /// A manager of this swarm, which has a quorum.
    Manager {
        swarm: String,
    },
    /// A manager that has no quorum now.
    NoQuorum,
    /// A node that needs the unlock key.
    Locked,
    /// A node that is no manager, or has not come to be one again.
    Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Not yet clear.
    Wait,
    /// The machine at this place has the swarm.
    Join(usize),
    /// The machine at this place is a manager of the swarm, once it has a quorum.
    AwaitQuorum(usize),
    /// The machine at this place founds a new swarm.
    Found(usize),
    Refuse(Doubt),
}

/// Decides, given the machines in the record's order with whether each is to be a manager.
/// `replace` says that a swarm without managers may be given up for a new one.
pub(super) fn decide(machines: &[(MachineName, bool, Seen)], replace: bool) -> Decision {
    let named = |wanted: &dyn Fn(&Seen) -> bool| -> Vec<MachineName> {
        let machines = machines.iter().filter(|(_, _, seen)| wanted(seen));
        machines.map(|(name, _, _)| name.clone()).collect()
    };
    if machines.iter().any(|(_, _, seen)| *seen == Seen::Awaited { existed: true }) {
        return Decision::Wait;
    }
    let managers: Vec<(usize, &String)> = machines
        .iter()
        .enumerate()
        .filter_map(|(place, (_, _, seen))| match seen {
            Seen::Here(Part::Manager { swarm }) => Some((place, swarm)),
            _ => None,
        })
        .collect();
    if let Some((first, swarm)) = managers.first() {
        if managers.iter().all(|(_, other)| other == swarm) {
            return Decision::Join(*first);
        }
        let each = managers.iter().map(|(place, id)| (machines[*place].0.clone(), (*id).clone()));
        return Decision::Refuse(Doubt::Several(each.collect()));
    }
    let place =
        |part: Part| machines.iter().position(|(_, _, seen)| *seen == Seen::Here(part.clone()));
    if let Some(place) = place(Part::NoQuorum) {
        return Decision::AwaitQuorum(place);
    }
    let locked = named(&|seen| *seen == Seen::Here(Part::Locked));
    if !locked.is_empty() {
        return Decision::Refuse(Doubt::Locked(locked));
    }
    let unasked = named(&|seen| *seen == Seen::GaveUp { existed: true });
    if !unasked.is_empty() {
        return Decision::Refuse(Doubt::Unasked(unasked));
    }
    let nodes = named(&|seen| *seen == Seen::Here(Part::Node));
    if !nodes.is_empty() && !replace {
        return Decision::Refuse(Doubt::ManagersAway(nodes));
    }
    let mut candidates = machines.iter().enumerate().filter(|(_, (_, manager, seen))| {
        *manager && !matches!(seen, Seen::GaveUp { .. } | Seen::Here(Part::Node))
    });
    match candidates.next() {
        Some((place, (_, _, Seen::Here(Part::Outside)))) => Decision::Found(place),
        // A fresh manager that comes first in the record is worth the wait: its name is the one
        // that people look for. Fresh ones behind it are not.
        Some(_) => Decision::Wait,
        None => Decision::Refuse(Doubt::NoManager),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRESH: Seen = Seen::Awaited { existed: false };
    const OUTSIDE: Seen = Seen::Here(Part::Outside);
    const LOST: Seen = Seen::GaveUp { existed: true };

    fn manager(swarm: &str) -> Seen {
        Seen::Here(Part::Manager { swarm: swarm.into() })
    }

    fn machines(seen: &[(bool, Seen)]) -> Vec<(MachineName, bool, Seen)> {
        let named = |(number, (manager, seen)): (usize, &(bool, Seen))| {
            (format!("m{number}").parse().unwrap(), *manager, seen.clone())
        };
        seen.iter().enumerate().map(named).collect()
    }

    fn decided(seen: &[(bool, Seen)]) -> Decision {
        decide(&machines(seen), false)
    }

    fn names(names: &[&str]) -> Vec<MachineName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_fresh_manager_founds_without_waiting_for_the_others() {
        assert_eq!(decided(&[(true, FRESH), (true, OUTSIDE)]), Decision::Wait);
        let first = [(true, OUTSIDE), (true, FRESH), (false, FRESH)];
        assert_eq!(decided(&first), Decision::Found(0));
        let gave_up = Seen::GaveUp { existed: false };
        assert_eq!(decided(&[(true, gave_up.clone()), (true, OUTSIDE)]), Decision::Found(1));
        let none = [(true, gave_up), (false, OUTSIDE)];
        assert_eq!(decided(&none), Decision::Refuse(Doubt::NoManager));
    }

    #[test]
    fn a_swarm_that_is_there_is_joined_whoever_has_it() {
        let by_hand = [(false, manager("a")), (true, FRESH), (false, OUTSIDE)];
        assert_eq!(decided(&by_hand), Decision::Join(0));
        let unheard = [(true, LOST), (true, manager("a"))];
        assert_eq!(decided(&unheard), Decision::Join(1));
        let no_quorum = [(true, Seen::Here(Part::NoQuorum)), (true, LOST)];
        assert_eq!(decided(&no_quorum), Decision::AwaitQuorum(0));
    }

    #[test]
    fn two_swarms_are_shown_and_neither_is_joined() {
        let two = [(true, manager("a")), (true, manager("b")), (false, FRESH)];
        let shown = vec![("m0".parse().unwrap(), "a".into()), ("m1".parse().unwrap(), "b".into())];
        assert_eq!(decided(&two), Decision::Refuse(Doubt::Several(shown)));
    }

    #[test]
    fn who_may_have_the_swarm_is_not_passed_over() {
        let locked = [(true, Seen::Here(Part::Locked)), (true, OUTSIDE)];
        assert_eq!(decided(&locked), Decision::Refuse(Doubt::Locked(names(&["m0"]))));
        let silent = [(true, LOST), (true, OUTSIDE)];
        assert_eq!(decided(&silent), Decision::Refuse(Doubt::Unasked(names(&["m0"]))));
        let worker = [(true, OUTSIDE), (false, Seen::Here(Part::Node))];
        assert_eq!(decided(&worker), Decision::Refuse(Doubt::ManagersAway(names(&["m1"]))));
        assert_eq!(decide(&machines(&worker), true), Decision::Found(0));
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            any::<bool>().prop_map(|existed| Seen::Awaited { existed }),
            any::<bool>().prop_map(|existed| Seen::GaveUp { existed }),
            "[ab]".prop_map(|swarm| Seen::Here(Part::Manager { swarm })),
            Just(Seen::Here(Part::Outside)),
            Just(Seen::Here(Part::NoQuorum)),
            Just(Seen::Here(Part::Locked)),
            Just(Seen::Here(Part::Node)),
        ]
    }

    proptest! {
        #[test]
        fn nobody_founds_while_anybody_has_or_may_have_a_swarm(
            seen in prop::collection::vec((any::<bool>(), any_seen()), 0..8),
        ) {
            if let Decision::Found(place) = decided(&seen) {
                prop_assert_eq!(&seen[place], &(true, OUTSIDE));
                for (_, other) in &seen {
                    let harmless = [OUTSIDE, FRESH, Seen::GaveUp { existed: false }];
                    prop_assert!(harmless.contains(other), "beside {:?}", other);
                }
            }
        }

        #[test]
        fn once_all_have_come_or_given_up_it_is_decided(
            seen in prop::collection::vec((any::<bool>(), any_seen()), 0..8),
        ) {
            prop_assume!(!seen.iter().any(|(_, seen)| matches!(seen, Seen::Awaited { .. })));
            prop_assert_ne!(decided(&seen), Decision::Wait);
        }
    }
}
