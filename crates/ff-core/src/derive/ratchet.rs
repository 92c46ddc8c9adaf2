//! What the ratchet sees in a pull request. Never stored.

use ff_protocol::derived::RatchetState;
use ff_protocol::workspace::{CiStatus, PrState, Workspace};

use super::pr;

/// What the state follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// Whether the ratchet acts on the workspace.
    pub enabled: bool,
    /// State of its pull request.
    pub pr_state: PrState,
    /// State of its checks.
    pub ci_status: CiStatus,
    /// Whether it conflicts with its base.
    pub has_merge_conflict: bool,
    /// GitHub's `reviewDecision`, as it came.
    pub review_state: Option<&'a str>,
}

impl<'a> From<&'a Workspace> for Input<'a> {
    fn from(workspace: &'a Workspace) -> Self {
        Self {
            enabled: workspace.ratchet.enabled,
            pr_state: workspace.pr.state,
            ci_status: workspace.pr.ci_status,
            has_merge_conflict: workspace.pr.has_merge_conflict,
            review_state: workspace.pr.review_state.as_deref(),
        }
    }
}

/// The state, first match. Reviews count by `reviewDecision` and not by the PR's state, so a draft
/// with changes requested is `REVIEW_PENDING`.
///
/// | # | condition | result |
/// |---|---|---|
/// | 1 | not enabled | `IDLE` |
/// | 2 | PR `MERGED` | `MERGED` |
/// | 3 | PR not `OPEN`, `DRAFT`, `CHANGES_REQUESTED`, `APPROVED` | `IDLE` |
/// | 4 | checks `FAILURE` | `CI_FAILED` |
/// | 5 | merge conflict | `MERGE_CONFLICT` |
/// | 6 | checks `PENDING` or `UNKNOWN` | `CI_RUNNING` |
/// | 7 | `reviewDecision` is `CHANGES_REQUESTED` | `REVIEW_PENDING` |
/// | 8 | | `READY` |
pub fn state(input: Input<'_>) -> RatchetState {
    if !input.enabled {
        return RatchetState::Idle;
    }
    if input.pr_state == PrState::Merged {
        return RatchetState::Merged;
    }
    if !pr::is_active(input.pr_state) {
        return RatchetState::Idle;
    }
    match input.ci_status {
        CiStatus::Failure => RatchetState::CiFailed,
        _ if input.has_merge_conflict => RatchetState::MergeConflict,
        CiStatus::Pending | CiStatus::Unknown => RatchetState::CiRunning,
        CiStatus::Success if input.review_state == Some(pr::CHANGES_REQUESTED) => {
            RatchetState::ReviewPending
        }
        CiStatus::Success => RatchetState::Ready,
    }
}
