//! What the reconciler does about a VM, from what its row and its provider say. Pure.

use ff_protocol::vm::VmState;

use crate::compute::Power;

/// What is known of a VM.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its state.
    pub state: VmState,
    /// What its machine does, if it has one.
    pub power: Option<Power>,
    /// It had a home, and has none.
    pub home_lost: bool,
    /// Its row was last written before this server started.
    pub orphan: bool,
    /// Its state has lasted beyond its deadline.
    pub overdue: bool,
    /// It failed for no other reason than that the provider did not answer.
    pub unanswered: bool,
}

/// What to do about a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is at rest, or somebody works on it.
    Nothing,
    /// It runs: hear its agent.
    Watch,
    /// Go on removing it.
    Remove,
    /// Go on bringing it up: who did has gone.
    Drive,
    /// It did not come up in time.
    Fail,
    /// End `suspending` by what the machine does.
    SettleSuspending,
    /// Its machine has ended.
    NoteEnded,
    /// Its machine is frozen and should not be, or is not and should.
    Thaw,
    /// Its machine runs and should not.
    StopMachine,
    /// Its frozen machine has ended.
    NoteStopped,
    /// Its home is gone.
    LoseHome,
    /// Wake it after all: it was to wake, and the provider did not answer.
    TryAgain,
}

/// Decides.
pub fn action(facts: Facts) -> Action {
    use VmState::*;
    let off = matches!(facts.power, Some(Power::Off { .. }) | None);
    match facts.state {
        Terminating => Action::Remove,
        Terminated => Action::Nothing,
        Provisioning | Resuming if facts.overdue => Action::Fail,
        Provisioning | Resuming if facts.orphan => Action::Drive,
        Suspending if facts.overdue || facts.orphan => Action::SettleSuspending,
        Provisioning | Resuming | Suspending => Action::Nothing,
        Running | Frozen | Stopped if facts.home_lost && off => Action::LoseHome,
        Running | Pooled if off => Action::NoteEnded,
        Running => match facts.power {
            Some(Power::Frozen) => Action::Thaw,
            _ => Action::Watch,
        },
        Frozen if off => Action::NoteStopped,
        Frozen => match facts.power {
            Some(Power::On) => Action::Thaw,
            _ => Action::Nothing,
        },
        Failed if facts.unanswered => Action::TryAgain,
        Stopped | Failed if !off => Action::StopMachine,
        Stopped | Failed | Pooled => Action::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [VmState; 10] = [
        VmState::Pooled,
        VmState::Provisioning,
        VmState::Running,
        VmState::Suspending,
        VmState::Frozen,
        VmState::Stopped,
        VmState::Resuming,
        VmState::Failed,
        VmState::Terminating,
        VmState::Terminated,
    ];
    const POWERS: [Option<Power>; 4] =
        [None, Some(Power::OFF), Some(Power::On), Some(Power::Frozen)];

    fn of(state: VmState, power: Option<Power>) -> Facts {
        Facts {
            state,
            power,
            home_lost: false,
            orphan: false,
            overdue: false,
            unanswered: false,
        }
    }

    #[test]
    fn a_row_whose_machine_does_what_it_says_is_left_alone() {
        use VmState::*;
        for (state, power, expected) in [
            (Running, Some(Power::On), Action::Watch),
            (Pooled, Some(Power::On), Action::Nothing),
            (Frozen, Some(Power::Frozen), Action::Nothing),
            (Stopped, Some(Power::OFF), Action::Nothing),
            (Stopped, None, Action::Nothing),
            (Failed, None, Action::Nothing),
            (Terminated, None, Action::Nothing),
        ] {
            assert_eq!(action(of(state, power)), expected, "{state:?} {power:?}");
        }
    }

    #[test]
    fn a_row_whose_machine_does_something_else_is_moved() {
        use VmState::*;
        for (state, power, expected) in [
            (Running, None, Action::NoteEnded),
            (Running, Some(Power::OFF), Action::NoteEnded),
            (Running, Some(Power::Frozen), Action::Thaw),
            (Pooled, None, Action::NoteEnded),
            (Frozen, Some(Power::On), Action::Thaw),
            (Frozen, Some(Power::OFF), Action::NoteStopped),
            (Frozen, None, Action::NoteStopped),
            (Stopped, Some(Power::On), Action::StopMachine),
            (Stopped, Some(Power::Frozen), Action::StopMachine),
            (Failed, Some(Power::On), Action::StopMachine),
        ] {
            assert_eq!(action(of(state, power)), expected, "{state:?} {power:?}");
        }
    }

    #[test]
    fn what_failed_for_want_of_an_answer_is_tried_again_whatever_its_machine_does() {
        for power in POWERS {
            let facts = Facts {
                unanswered: true,
                ..of(VmState::Failed, power)
            };
            assert_eq!(action(facts), Action::TryAgain, "{power:?}");
        }
    }

    #[test]
    fn who_works_on_a_vm_is_left_to_it_until_the_deadline() {
        for state in [
            VmState::Provisioning,
            VmState::Resuming,
            VmState::Suspending,
        ] {
            for power in POWERS {
                let facts = of(state, power);
                assert_eq!(action(facts), Action::Nothing);
                let orphan = Facts {
                    orphan: true,
                    ..facts
                };
                let overdue = Facts {
                    overdue: true,
                    ..orphan
                };
                let settles = state == VmState::Suspending;
                let (then, late) = match settles {
                    true => (Action::SettleSuspending, Action::SettleSuspending),
                    false => (Action::Drive, Action::Fail),
                };
                assert_eq!((action(orphan), action(overdue)), (then, late));
            }
        }
    }

    #[test]
    fn a_lost_home_is_never_taken_for_a_new_one_and_removals_go_on() {
        for state in ALL {
            for power in POWERS {
                let facts = Facts {
                    home_lost: true,
                    ..of(state, power)
                };
                let off = matches!(power, None | Some(Power::Off { .. }));
                let owned = matches!(state, VmState::Running | VmState::Frozen | VmState::Stopped);
                if owned && off {
                    assert_eq!(action(facts), Action::LoseHome);
                }
                if state == VmState::Terminating {
                    assert_eq!(action(facts), Action::Remove);
                }
            }
        }
    }
}
