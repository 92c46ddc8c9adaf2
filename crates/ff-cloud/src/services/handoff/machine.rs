//! The states of a hand-off. Pure.
//!
//! ```text
//! send:  TRANSFERRING -> RESTORED -> COMMITTED -> FINALIZED
//! pull:  TRANSFERRING ------------->  COMMITTED -> FINALIZED
//! both:  TRANSFERRING | RESTORED -> ABORTED
//! ```

use ff_protocol::handoff::{Direction, HandoffState};

/// What is asked of a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Prepare the VM once more.
    Prepare,
    /// Put a part into the VM.
    PutPart,
    /// Get a part from the VM.
    GetPart,
    /// Restore in the VM.
    Restore,
    /// Move ownership.
    Commit,
    /// Note that the desktop has converged.
    Finalize,
    /// Give it up.
    Abort,
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Go,
    /// It is done already; answer the same again.
    Done,
}

use Direction::{Pull, Send};
use HandoffState::{Aborted, Committed, Finalized, Restored, Transferring};

const STATES: [HandoffState; 5] = [Transferring, Restored, Committed, Finalized, Aborted];

/// Judges an act.
///
/// # Errors
/// Why it cannot be, for people.
pub fn judge(direction: Direction, state: HandoffState, act: Act) -> Result<Verdict, &'static str> {
    use Verdict::{Done, Go};
    match (act, direction, state) {
        (Act::Abort, _, Aborted) => Ok(Done),
        (_, _, Aborted) => Err("the hand-off was given up"),

        (Act::Commit, _, Committed | Finalized) | (Act::Finalize, _, Finalized) => Ok(Done),
        (Act::Prepare, _, Committed | Finalized) => Ok(Done),
        (Act::Finalize, _, Committed) => Ok(Go),
        (_, _, Committed | Finalized) => Err("the hand-off is committed already"),

        (Act::Restore, Pull, _) => Err("a pulled workspace is restored by the desktop"),
        (Act::PutPart, Pull, _) => Err("a pull only fetches parts"),
        (Act::GetPart, Send, _) => Err("a send only brings parts"),
        (Act::Commit, Send, Transferring) => Err("the VM has not restored the workspace yet"),
        (Act::Finalize, _, _) => Err("the hand-off is not committed yet"),
        (_, _, Transferring | Restored) => Ok(Go),
    }
}

/// The states in which an act goes ahead, for the compare-and-swap that does it.
pub fn ready_for(direction: Direction, act: Act) -> Vec<HandoffState> {
    STATES
        .into_iter()
        .filter(|state| judge(direction, *state, act) == Ok(Verdict::Go))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Done, Go};
    use super::*;

    #[test]
    fn every_act_goes_ahead_exactly_where_it_should() {
        let live = vec![Transferring, Restored];
        for (act, send, pull) in [
            (Act::Prepare, live.clone(), live.clone()),
            (Act::PutPart, live.clone(), vec![]),
            (Act::GetPart, vec![], live.clone()),
            (Act::Restore, live.clone(), vec![]),
            (Act::Commit, vec![Restored], live.clone()),
            (Act::Finalize, vec![Committed], vec![Committed]),
            (Act::Abort, live.clone(), live.clone()),
        ] {
            assert_eq!(ready_for(Send, act), send, "{act:?}");
            assert_eq!(ready_for(Pull, act), pull, "{act:?}");
        }
    }

    #[test]
    fn what_is_done_answers_again_and_is_never_undone() {
        for direction in [Send, Pull] {
            for state in [Committed, Finalized] {
                assert_eq!(judge(direction, state, Act::Commit), Ok(Done));
                assert_eq!(judge(direction, state, Act::Prepare), Ok(Done));
                assert!(judge(direction, state, Act::Abort).is_err());
                assert!(judge(direction, state, Act::Restore).is_err());
            }
            assert_eq!(judge(direction, Committed, Act::Finalize), Ok(Go));
            assert_eq!(judge(direction, Finalized, Act::Finalize), Ok(Done));
            assert_eq!(judge(direction, Aborted, Act::Abort), Ok(Done));
            for act in [Act::Prepare, Act::Commit, Act::Finalize, Act::Restore] {
                assert!(judge(direction, Aborted, act).is_err());
            }
        }
    }
}
