//! State of the checks as the side bar shows it.

use ff_protocol::derived::{RatchetState, SidebarCi};
use ff_protocol::workspace::{CiStatus, PrState};

use super::flow::Input;

/// The state, first match:
///
/// | # | condition | result |
/// |---|---|---|
/// | 1 | the pull request has no address | `NONE` |
/// | 2 | PR `MERGED` | `MERGED` |
/// | 3 | PR `CLOSED` | `CLOSED` |
/// | 4 | ratchet sees `MERGE_CONFLICT` | `CONFLICT` |
/// | 5 | checks `SUCCESS`, `FAILURE`, `PENDING` | `PASSING`, `FAILING`, `RUNNING` |
/// | 6 | ratchet sees `CI_FAILED`, `CI_RUNNING` | `FAILING`, `RUNNING` |
/// | 7 | | `UNKNOWN` |
pub fn ci(input: Input) -> SidebarCi {
    match (input.pr_state, input.ratchet_state, input.ci_status) {
        _ if !input.has_pr_url => SidebarCi::None,
        (PrState::Merged, ..) => SidebarCi::Merged,
        (PrState::Closed, ..) => SidebarCi::Closed,
        (_, RatchetState::MergeConflict, _) => SidebarCi::Conflict,
        (.., CiStatus::Success) => SidebarCi::Passing,
        (.., CiStatus::Failure) => SidebarCi::Failing,
        (.., CiStatus::Pending) => SidebarCi::Running,
        (_, RatchetState::CiFailed, CiStatus::Unknown) => SidebarCi::Failing,
        (_, RatchetState::CiRunning, CiStatus::Unknown) => SidebarCi::Running,
        _ => SidebarCi::Unknown,
    }
}
