//! A machine's life.
//!
//! ```text
//!              create            start              stop
//!   Absent ───────────► Stopped ────────► Running ────────► Stopped
//!     ▲                    │                 │  ▲               │
//!     │       remove       │            fail │  │ start         │
//!     ├────────────────────┘                 ▼  │               │
//!     │       remove                       Failed               │
//!     ├──────────────────────────────────────┤                  │
//!     │       remove                                            │
//!     └─────────────────────────────────────────────────────────┘
//!
//!   kill is a stop that does not ask; restart is a stop followed by a start.
//! ```
//!
//! Creation is not a state: whether a half-made machine exists is for the journal, and the
//! driver's answer is always one of these four.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a driver finds when it looks for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineState {
    /// There is nothing of that name.
    Absent,
    /// It exists and does not run.
    Stopped,
    /// It runs. Whether it is ready is for the guest to say.
    Running,
    /// It exists and ended on its own, or its driver cannot use it as it is.
    Failed,
}

/// What may be asked of a machine, or happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// Make it, without starting it.
    Create,
    Start,
    /// Power off, asking the guest first.
    Stop,
    /// Power off at once.
    Kill,
    /// The machine ended without being asked.
    Fail,
    /// Remove it with everything that belongs to it.
    Remove,
}

impl MachineState {
    /// The state a transition leads to, or `None` where it makes no sense. Asking for what is
    /// already so (create or start a running machine, remove an absent one) is legal and changes nothing:
    /// an interrupted command can be given again.
    pub fn after(self, transition: Transition) -> Option<MachineState> {
        use MachineState::{Absent, Failed, Running, Stopped};
        use Transition::{Create, Fail, Kill, Remove, Start, Stop};
        match (self, transition) {
            (Absent, Create) => Some(Stopped),
            (Stopped | Running | Failed, Create) => Some(self),
            (Stopped | Running | Failed, Start) => Some(Running),
            (Stopped | Running | Failed, Stop | Kill) => Some(Stopped),
            (Running, Fail) => Some(Failed),
            (Absent | Stopped | Failed, Fail) => None,
            (Absent | Stopped | Running | Failed, Remove) => Some(Absent),
            (Absent, Start | Stop | Kill) => None,
        }
    }

    /// Whether the machine exists in any form.
    pub fn exists(self) -> bool {
        self != MachineState::Absent
    }
}

impl fmt::Display for MachineState {
    /// docker-machine's word for the state, as its `ls` and `status` print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            MachineState::Absent => "Not Found",
            MachineState::Stopped => "Stopped",
            MachineState::Running => "Running",
            MachineState::Failed => "Error",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = MachineState> {
        use MachineState::*;
        prop_oneof![Just(Absent), Just(Stopped), Just(Running), Just(Failed)]
    }

    fn any_transition() -> impl Strategy<Value = Transition> {
        use Transition::*;
        prop_oneof![Just(Create), Just(Start), Just(Stop), Just(Kill), Just(Fail), Just(Remove)]
    }

    proptest! {
        #[test]
        fn every_state_can_be_removed(state in any_state()) {
            prop_assert_eq!(state.after(Transition::Remove), Some(MachineState::Absent));
        }

        #[test]
        fn what_was_asked_can_be_asked_again(state in any_state(), transition in any_transition()) {
            prop_assume!(transition != Transition::Fail);
            if let Some(next) = state.after(transition) {
                prop_assert_eq!(next.after(transition), Some(next));
            }
        }

        #[test]
        fn only_create_makes_something_of_nothing(transition in any_transition()) {
            let next = MachineState::Absent.after(transition);
            prop_assert_eq!(next.is_some_and(MachineState::exists), transition == Transition::Create);
        }
    }
}
