//! What the ratchet does about a workspace.

use ff_protocol::workspace::{CiStatus, PrState, RatchetDispatchOutcome};

use crate::derive::pr;

/// Times a fixer that died is started again for the same key.
pub const MAX_RETRIES: i64 = 3;

/// What the decision follows from. What is seen of the pull request is fresh; what was dispatched is
/// as it stands after [`super::fixer::standing`] was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// Whether the ratchet acts on the workspace.
    pub enabled: bool,
    /// State of the pull request.
    pub pr_state: PrState,
    /// State of its checks.
    pub ci_status: CiStatus,
    /// Whether it conflicts with its base.
    pub has_merge_conflict: bool,
    /// Whether `reviewDecision` is `CHANGES_REQUESTED`.
    pub changes_requested: bool,
    /// Things said by reviewers that wait for an answer.
    pub feedback: usize,
    /// Whether reviewers were active since a fixer was last told.
    pub new_review_activity: bool,
    /// The fixer that was running when the check began.
    pub fixer: Fixer,
    /// Key of what is seen now.
    pub key: &'a str,
    /// Key of what a fixer was last started for.
    pub dispatched_key: Option<&'a str>,
    /// How that fixer ended.
    pub outcome: Option<RatchetDispatchOutcome>,
    /// Times it was started again for that key.
    pub retries: i64,
    /// Whether any other session of the workspace works.
    pub session_works: bool,
}

/// The fixer that was running when the check began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixer {
    /// There was none, or this check settled it.
    None,
    /// It is at work.
    Working,
    /// Somebody else settled it meanwhile.
    SettledElsewhere,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the ratchet is off.
    Disabled,
    /// The pull request is merged: stop fixers that run; they count as completed.
    Merged,
    /// The fixer is at work.
    FixerActive,
    /// Nothing now.
    Wait(Wait),
    /// Start a fixer.
    Trigger {
        /// Times it was started again for this key, with this one.
        retry: i64,
    },
}

/// Why nothing is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is no pull request that is open.
    NotOpen,
    /// Its checks have no result yet.
    ChecksRun,
    /// The fixer was settled by somebody else; the next check sees what is left.
    SettledElsewhere,
    /// Fixers died as often as they may. Mark it as stalled.
    RetriesUsedUp,
    /// Another session works in the workspace.
    SessionWorks,
    /// All is well.
    Clean,
    /// There is nothing a fixer could do.
    NothingToFix,
    /// A fixer has been here and changed nothing. Mark it as stalled.
    AlreadyTried,
}

impl Wait {
    /// Whether the workspace is to be marked as stalled.
    pub fn stalls(self) -> bool {
        matches!(self, Self::RetriesUsedUp | Self::AlreadyTried)
    }
}

/// The decision, first match:
///
/// | # | condition | action |
/// |---|---|---|
/// | 0 | not enabled | `Disabled` |
/// | 1 | PR `MERGED` | `Merged` |
/// | 2 | PR not open (a draft is open) | wait, `NotOpen` |
/// | 3 | checks neither `SUCCESS` nor `FAILURE`, and no conflict | wait, `ChecksRun` |
/// | 4 | the fixer works | `FixerActive` |
/// | 5 | the fixer was settled by somebody else during this check | wait, `SettledElsewhere` |
/// | 6a | key unchanged, fixer `DIED`, 3 retries or more | wait, `RetriesUsedUp`: stalled |
/// | 6b | key unchanged, fixer `DIED`, another session works | wait, `SessionWorks` |
/// | 6c | key unchanged, fixer `DIED` | trigger, one retry more |
/// | 7 | checks `SUCCESS`, no changes requested, no feedback, no conflict, no new review activity | wait, `Clean` |
/// | 8 | none of: checks `FAILURE`, conflict, changes requested, feedback | wait, `NothingToFix` |
/// | 9 | key unchanged | wait, `AlreadyTried`: stalled |
/// | 10 | another session works | wait, `SessionWorks` |
/// | 11 | | trigger, no retry |
pub fn decide(input: &Input<'_>) -> Action {
    if !input.enabled {
        return Action::Disabled;
    }
    if input.pr_state == PrState::Merged {
        return Action::Merged;
    }
    if !pr::is_active(input.pr_state) {
        return Action::Wait(Wait::NotOpen);
    }
    let has_result = matches!(input.ci_status, CiStatus::Success | CiStatus::Failure);
    if !has_result && !input.has_merge_conflict {
        return Action::Wait(Wait::ChecksRun);
    }
    match input.fixer {
        Fixer::Working => return Action::FixerActive,
        Fixer::SettledElsewhere => return Action::Wait(Wait::SettledElsewhere),
        Fixer::None => {}
    }
    let unchanged = input.dispatched_key == Some(input.key);
    if unchanged && input.outcome == Some(RatchetDispatchOutcome::Died) {
        return after_a_death(input);
    }
    let asked = input.changes_requested || input.feedback > 0;
    let broken = input.ci_status == CiStatus::Failure || input.has_merge_conflict;
    if !asked && !broken {
        let clean = input.ci_status == CiStatus::Success && !input.new_review_activity;
        return Action::Wait(match clean {
            true => Wait::Clean,
            false => Wait::NothingToFix,
        });
    }
    if unchanged {
        return Action::Wait(Wait::AlreadyTried);
    }
    if input.session_works {
        return Action::Wait(Wait::SessionWorks);
    }
    Action::Trigger { retry: 0 }
}

fn after_a_death(input: &Input<'_>) -> Action {
    if input.retries >= MAX_RETRIES {
        return Action::Wait(Wait::RetriesUsedUp);
    }
    if input.session_works {
        return Action::Wait(Wait::SessionWorks);
    }
    Action::Trigger {
        retry: input.retries + 1,
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
