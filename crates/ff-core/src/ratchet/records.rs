//! What becomes of a workspace's ratchet record.

use ff_protocol::workspace::{PullRequest, Ratchet, RatchetDispatchOutcome};

/// The record after the pull request was read again. When anything a fixer could have changed is
/// different, what an ended fixer came to no longer counts; its key stays.
///
/// | a change of | and outcome | record |
/// |---|---|---|
/// | url, number, state, `reviewDecision`, checks or conflict | `COMPLETED` or `DIED` | outcome none, 0 retries, not stalled |
/// | the same | `RUNNING` or none | unchanged |
/// | nothing of these | | unchanged |
pub fn after_pr_change(ratchet: &Ratchet, before: &PullRequest, after: &PullRequest) -> Ratchet {
    let changed = before.url != after.url
        || before.number != after.number
        || before.state != after.state
        || before.review_state != after.review_state
        || before.ci_status != after.ci_status
        || before.has_merge_conflict != after.has_merge_conflict;
    let ended = matches!(
        ratchet.dispatch_outcome,
        Some(RatchetDispatchOutcome::Completed | RatchetDispatchOutcome::Died)
    );
    match changed && ended {
        false => ratchet.clone(),
        true => Ratchet {
            dispatch_outcome: None,
            dispatch_retry_count: 0,
            dispatch_stalled: false,
            ..ratchet.clone()
        },
    }
}

/// The record after the ratchet was turned off: nothing of a dispatch is left.
pub fn disabled(ratchet: &Ratchet) -> Ratchet {
    Ratchet {
        enabled: false,
        last_checked_at: ratchet.last_checked_at,
        ..Ratchet::default()
    }
}

#[cfg(test)]
mod tests {
    use ff_protocol::workspace::{CiStatus, PrState};

    use super::*;

    fn ratchet(outcome: Option<RatchetDispatchOutcome>) -> Ratchet {
        Ratchet {
            enabled: true,
            dispatch_snapshot_key: Some("key".into()),
            dispatch_outcome: outcome,
            dispatch_retry_count: 2,
            dispatch_stalled: true,
            ..Ratchet::default()
        }
    }

    #[test]
    fn each_field_that_counts_resets_an_ended_dispatch_and_no_other_does() {
        let before = PullRequest::default();
        let counting: [fn(&mut PullRequest); 6] = [
            |pr| pr.url = Some("u".into()),
            |pr| pr.number = Some(1),
            |pr| pr.state = PrState::Open,
            |pr| pr.review_state = Some("APPROVED".into()),
            |pr| pr.ci_status = CiStatus::Success,
            |pr| pr.has_merge_conflict = true,
        ];
        let other: [fn(&mut PullRequest); 2] = [
            |pr| pr.synced_at = chrono::DateTime::from_timestamp(1, 0),
            |pr| pr.review_last_comment_id = Some("c".into()),
        ];
        use RatchetDispatchOutcome::{Completed, Died, Running};
        for outcome in [None, Some(Running), Some(Completed), Some(Died)] {
            let old = ratchet(outcome);
            for change in counting {
                let mut after = before.clone();
                change(&mut after);
                let new = after_pr_change(&old, &before, &after);
                let ended = matches!(outcome, Some(Completed | Died));
                assert_eq!(new != old, ended, "{outcome:?} {after:?}");
                assert_eq!(new.dispatch_snapshot_key, old.dispatch_snapshot_key);
                if ended {
                    let rest = (
                        new.dispatch_outcome,
                        new.dispatch_retry_count,
                        new.dispatch_stalled,
                    );
                    assert_eq!(rest, (None, 0, false));
                }
            }
            for change in other {
                let mut after = before.clone();
                change(&mut after);
                assert_eq!(after_pr_change(&old, &before, &after), old);
            }
        }
    }

    #[test]
    fn turning_it_off_leaves_nothing_of_a_dispatch() {
        let off = disabled(&ratchet(Some(RatchetDispatchOutcome::Died)));
        assert_eq!(off, Ratchet::default());
    }
}
