//! The states of a VM, as pure rules.
//!
//! ```text
//!   provisioning ► pooled ┐ claimed
//!         └──────────────┤
//!                        ▼
//!        ┌──────────► running ───────────────┐ crash, removed by hand
//!        │ became busy   │ idle              │
//!        │               ▼                   │
//!        └────────── suspending              │
//!                     │      │               │
//!                     ▼      ▼               │
//!                  frozen ► stopped          │
//!                     └──┬───┘               │
//!                        ▼                   │
//!                     resuming ◄─────────────┘
//!                        │  ▲
//!                        │  └── failed ◄── provisioning, suspending, resuming
//!                        ▼
//!                     running
//!
//!   any but terminated ► terminating ► terminated
//! ```
//!
//! `provisioning ► pooled` is a VM that is made ahead of need; `running ► resuming` and
//! `frozen ► resuming` are also how one that ended by itself is started again.
//! `provisioning`, `suspending`, `resuming` and `terminating` are transitional: someone drives
//! them, and they have a deadline. A removal never fails for good: it is tried again until the
//! container and the home are gone.

use std::time::Duration;

use ff_protocol::vm::VmState::{self, *};

/// Whether a VM may go from one state to the other.
pub fn allowed(from: VmState, to: VmState) -> bool {
    match (from, to) {
        (Terminated, _) => false,
        (Terminating, to) => to == Terminated,
        (_, Terminating) => true,
        (Provisioning, Pooled | Running) | (Pooled, Running) => true,
        (Running, Suspending | Resuming) => true,
        (Suspending, Frozen | Stopped | Running) => true,
        (Frozen, Stopped | Resuming) => true,
        (Stopped | Failed, Resuming) => true,
        (Resuming, Running) => true,
        (Provisioning | Suspending | Resuming, Failed) => true,
        _ => false,
    }
}

/// How long a transitional state may last before it counts as stuck; `None` for states that last.
pub fn limit(state: VmState) -> Option<Duration> {
    match state {
        Provisioning | Resuming => Some(Duration::from_secs(100)),
        Suspending => Some(Duration::from_secs(90)),
        Terminating => Some(Duration::from_secs(60)),
        Pooled | Running | Frozen | Stopped | Failed | Terminated => None,
    }
}

/// Whether someone is to move the VM on from this state.
pub fn transitional(state: VmState) -> bool {
    limit(state).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [VmState; 10] = [
        Pooled,
        Provisioning,
        Running,
        Suspending,
        Frozen,
        Stopped,
        Resuming,
        Failed,
        Terminating,
        Terminated,
    ];

    /// The design's table, written out.
    const EDGES: [(VmState, VmState); 25] = [
        (Pooled, Running),
        (Pooled, Terminating),
        (Provisioning, Pooled),
        (Provisioning, Running),
        (Provisioning, Failed),
        (Provisioning, Terminating),
        (Running, Suspending),
        (Running, Resuming),
        (Running, Terminating),
        (Suspending, Frozen),
        (Suspending, Stopped),
        (Suspending, Running),
        (Suspending, Failed),
        (Suspending, Terminating),
        (Frozen, Stopped),
        (Frozen, Resuming),
        (Frozen, Terminating),
        (Stopped, Resuming),
        (Stopped, Terminating),
        (Resuming, Running),
        (Resuming, Failed),
        (Resuming, Terminating),
        (Failed, Resuming),
        (Failed, Terminating),
        (Terminating, Terminated),
    ];

    #[test]
    fn exactly_the_edges_of_the_design_are_allowed() {
        for from in ALL {
            for to in ALL {
                assert_eq!(
                    allowed(from, to),
                    EDGES.contains(&(from, to)),
                    "{from:?} -> {to:?}"
                );
            }
        }
    }

    #[test]
    fn every_live_state_can_reach_running_and_the_end() {
        for from in ALL {
            let mut reached = vec![from];
            let mut next = 0;
            while next < reached.len() {
                let here = reached[next];
                let on = ALL.into_iter().filter(|to| allowed(here, *to));
                let new: Vec<_> = on.filter(|to| !reached.contains(to)).collect();
                reached.extend(new);
                next += 1;
            }
            assert!(reached.contains(&Terminated), "{from:?}");
            let ends = matches!(from, Terminating | Terminated);
            assert_eq!(reached.contains(&Running), !ends, "{from:?}");
        }
    }

    #[test]
    fn only_states_that_someone_drives_have_a_deadline() {
        let driven: Vec<_> = ALL.into_iter().filter(|s| transitional(*s)).collect();
        assert_eq!(driven, [Provisioning, Suspending, Resuming, Terminating]);
    }
}
