//! State of a pull request, from what `gh pr view` says of it.

use ff_protocol::workspace::PrState;

/// The state, first match:
///
/// | # | `state` | `isDraft` | `reviewDecision` | result |
/// |---|---|---|---|---|
/// | 1 | `MERGED` | | | `MERGED` |
/// | 2 | `CLOSED` | | | `CLOSED` |
/// | 3 | | yes | | `DRAFT` |
/// | 4 | | | `APPROVED` | `APPROVED` |
/// | 5 | | | `CHANGES_REQUESTED` | `CHANGES_REQUESTED` |
/// | 6 | | | | `OPEN` |
pub fn state(state: &str, is_draft: bool, review_decision: Option<&str>) -> PrState {
    match (state, is_draft, review_decision) {
        ("MERGED", ..) => PrState::Merged,
        ("CLOSED", ..) => PrState::Closed,
        (_, true, _) => PrState::Draft,
        (_, _, Some("APPROVED")) => PrState::Approved,
        (_, _, Some(CHANGES_REQUESTED)) => PrState::ChangesRequested,
        _ => PrState::Open,
    }
}

/// GitHub's `reviewDecision` when a reviewer wants changes.
pub const CHANGES_REQUESTED: &str = "CHANGES_REQUESTED";

/// `reviewDecision` as it is kept: `gh` writes "no decision" as an empty string.
pub fn review_decision(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Whether the branch conflicts with its base, by `mergeStateStatus`.
pub fn has_merge_conflict(merge_state_status: &str) -> bool {
    merge_state_status == "DIRTY"
}

/// Whether the pull request can still change: `OPEN`, `DRAFT`, `CHANGES_REQUESTED`, `APPROVED`.
pub fn is_active(state: PrState) -> bool {
    use PrState::{Approved, ChangesRequested, Closed, Draft, Merged, None, Open};
    match state {
        Open | Draft | ChangesRequested | Approved => true,
        None | Merged | Closed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_decision_is_none() {
        assert_eq!(review_decision(Some(String::new())), None);
        assert_eq!(
            review_decision(Some("APPROVED".into())).as_deref(),
            Some("APPROVED")
        );
        assert_eq!(state("OPEN", false, Some("")), PrState::Open);
    }

    #[test]
    fn only_dirty_is_a_conflict() {
        assert!(has_merge_conflict("DIRTY"));
        for other in ["CLEAN", "BLOCKED", "BEHIND", "UNSTABLE", "UNKNOWN", ""] {
            assert!(!has_merge_conflict(other), "{other}");
        }
    }
}
