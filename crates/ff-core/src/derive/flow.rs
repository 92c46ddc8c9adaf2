//! Where a workspace is on the way from a branch to a merge.

use ff_protocol::derived::{CiObservation, FlowPhase, FlowState, RatchetState};
use ff_protocol::workspace::{CiStatus, PrState, Workspace};

use super::{pr, ratchet};

/// What the flow follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Whether the pull request has an address.
    pub has_pr_url: bool,
    /// Its state.
    pub pr_state: PrState,
    /// State of its checks.
    pub ci_status: CiStatus,
    /// Whether the ratchet acts on the workspace.
    pub ratchet_enabled: bool,
    /// What the ratchet sees.
    pub ratchet_state: RatchetState,
}

impl From<&Workspace> for Input {
    fn from(workspace: &Workspace) -> Self {
        Self {
            has_pr_url: has_url(workspace.pr.url.as_deref()),
            pr_state: workspace.pr.state,
            ci_status: workspace.pr.ci_status,
            ratchet_enabled: workspace.ratchet.enabled,
            ratchet_state: ratchet::state(workspace.into()),
        }
    }
}

/// Whether there is an address: an empty one is none.
pub fn has_url(url: Option<&str>) -> bool {
    url.is_some_and(|url| !url.is_empty())
}

/// The flow, first match:
///
/// | # | condition | phase | working | button moves |
/// |---|---|---|---|---|
/// | 1 | PR `MERGED` (with or without address) | `MERGED` | no | no |
/// | 2 | no address, or PR not active | `NO_PR` | no | no |
/// | 3 | checks `UNKNOWN` or `PENDING` | `CI_WAIT` | yes | if enabled |
/// | 4 | ratchet not enabled | `READY` | no | no |
/// | 5 | ratchet sees `CI_FAILED` or `REVIEW_PENDING` | `RATCHET_FIXING` | yes | no |
/// | 6 | ratchet sees `READY` or `MERGED` | `READY` | no | no |
/// | 7 | | `RATCHET_VERIFY` | yes | no |
pub fn state(input: Input) -> FlowState {
    let has_active_pr = input.has_pr_url && pr::is_active(input.pr_state);
    let phase = phase(input, has_active_pr);
    FlowState {
        phase,
        ci_observation: observation(input.ci_status),
        is_working: matches!(
            phase,
            FlowPhase::CiWait | FlowPhase::RatchetFixing | FlowPhase::RatchetVerify
        ),
        should_animate_ratchet_button: phase == FlowPhase::CiWait && input.ratchet_enabled,
        has_active_pr,
    }
}

fn phase(input: Input, has_active_pr: bool) -> FlowPhase {
    if input.pr_state == PrState::Merged {
        return FlowPhase::Merged;
    }
    if !has_active_pr {
        return FlowPhase::NoPr;
    }
    if matches!(input.ci_status, CiStatus::Unknown | CiStatus::Pending) {
        return FlowPhase::CiWait;
    }
    if !input.ratchet_enabled {
        return FlowPhase::Ready;
    }
    match input.ratchet_state {
        RatchetState::CiFailed | RatchetState::ReviewPending => FlowPhase::RatchetFixing,
        RatchetState::Ready | RatchetState::Merged => FlowPhase::Ready,
        RatchetState::Idle | RatchetState::CiRunning | RatchetState::MergeConflict => {
            FlowPhase::RatchetVerify
        }
    }
}

/// What is known of the checks.
///
/// | checks | result |
/// |---|---|
/// | `UNKNOWN` | `NOT_FETCHED` |
/// | `PENDING` | `CHECKS_PENDING` |
/// | `FAILURE` | `CHECKS_FAILED` |
/// | `SUCCESS` | `CHECKS_PASSED` |
pub fn observation(ci: CiStatus) -> CiObservation {
    match ci {
        CiStatus::Unknown => CiObservation::NotFetched,
        CiStatus::Pending => CiObservation::ChecksPending,
        CiStatus::Failure => CiObservation::ChecksFailed,
        CiStatus::Success => CiObservation::ChecksPassed,
    }
}
