use std::collections::BTreeMap;

use ff_protocol::workspace::CiStatus::{Failure, Pending, Success, Unknown};
use ff_protocol::workspace::RatchetDispatchOutcome::{Completed, Died, Running};
use rstest::rstest;

use super::*;

/// An open pull request with checks that failed, seen for the first time.
const FAILED: Input<'static> = Input {
    enabled: true,
    pr_state: PrState::Open,
    ci_status: Failure,
    has_merge_conflict: false,
    changes_requested: false,
    feedback: 0,
    new_review_activity: false,
    fixer: Fixer::None,
    key: "now",
    dispatched_key: None,
    outcome: None,
    retries: 0,
    session_works: false,
};
const CLEAN: Input<'static> = Input {
    ci_status: Success,
    ..FAILED
};
const DEAD: Input<'static> = Input {
    dispatched_key: Some("now"),
    outcome: Some(Died),
    ..FAILED
};

#[rstest]
#[case::row_0(Input { enabled: false, pr_state: PrState::Merged, ..FAILED }, Action::Disabled)]
#[case::row_1(Input { pr_state: PrState::Merged, fixer: Fixer::Working, ..FAILED }, Action::Merged)]
#[case::row_2_closed(Input { pr_state: PrState::Closed, ..FAILED }, Action::Wait(Wait::NotOpen))]
#[case::row_2_none(Input { pr_state: PrState::None, ..FAILED }, Action::Wait(Wait::NotOpen))]
#[case::row_3_pending(Input { ci_status: Pending, fixer: Fixer::Working, ..FAILED }, Action::Wait(Wait::ChecksRun))]
#[case::row_3_unknown(Input { ci_status: Unknown, changes_requested: true, ..FAILED }, Action::Wait(Wait::ChecksRun))]
#[case::not_row_3(Input { ci_status: Pending, has_merge_conflict: true, ..FAILED }, Action::Trigger { retry: 0 })]
#[case::row_4(Input { fixer: Fixer::Working, ..DEAD }, Action::FixerActive)]
#[case::row_5(Input { fixer: Fixer::SettledElsewhere, ..DEAD }, Action::Wait(Wait::SettledElsewhere))]
#[case::row_6a(Input { retries: 3, session_works: true, ..DEAD }, Action::Wait(Wait::RetriesUsedUp))]
#[case::row_6b(Input { session_works: true, ..DEAD }, Action::Wait(Wait::SessionWorks))]
#[case::row_6c(Input { retries: 2, ..DEAD }, Action::Trigger { retry: 3 })]
#[case::not_row_6_other_key(Input { dispatched_key: Some("then"), retries: 3, ..DEAD }, Action::Trigger { retry: 0 })]
#[case::row_7(CLEAN, Action::Wait(Wait::Clean))]
#[case::row_7_though_it_died_for_another_key(Input { ci_status: Success, dispatched_key: Some("then"), ..DEAD }, Action::Wait(Wait::Clean))]
#[case::row_8(Input { new_review_activity: true, ..CLEAN }, Action::Wait(Wait::NothingToFix))]
#[case::row_9_completed(Input { outcome: Some(Completed), session_works: true, ..DEAD }, Action::Wait(Wait::AlreadyTried))]
#[case::row_9_outcome_was_not_carried(Input { outcome: None, ..DEAD }, Action::Wait(Wait::AlreadyTried))]
#[case::row_10(Input { session_works: true, ..FAILED }, Action::Wait(Wait::SessionWorks))]
#[case::row_11_checks(FAILED, Action::Trigger { retry: 0 })]
#[case::row_11_conflict(Input { has_merge_conflict: true, ..CLEAN }, Action::Trigger { retry: 0 })]
#[case::row_11_changes(Input { changes_requested: true, ..CLEAN }, Action::Trigger { retry: 0 })]
#[case::row_11_feedback(Input { feedback: 1, ..CLEAN }, Action::Trigger { retry: 0 })]
#[case::row_11_draft(Input { pr_state: PrState::Draft, ..FAILED }, Action::Trigger { retry: 0 })]
fn each_row(#[case] input: Input<'static>, #[case] expected: Action) {
    assert_eq!(decide(&input), expected);
}

/// The table once more, as a list of conditions that are looked at for every input.
fn rows(i: &Input<'_>) -> Vec<(&'static str, bool, Action)> {
    let key_same = i.dispatched_key == Some(i.key);
    let died = key_same && i.outcome == Some(Died);
    let wait = Action::Wait;
    vec![
        ("0", !i.enabled, Action::Disabled),
        ("1", i.pr_state == PrState::Merged, Action::Merged),
        (
            "2",
            matches!(i.pr_state, PrState::None | PrState::Closed),
            wait(Wait::NotOpen),
        ),
        (
            "3",
            matches!(i.ci_status, Pending | Unknown) && !i.has_merge_conflict,
            wait(Wait::ChecksRun),
        ),
        ("4", i.fixer == Fixer::Working, Action::FixerActive),
        (
            "5",
            i.fixer == Fixer::SettledElsewhere,
            wait(Wait::SettledElsewhere),
        ),
        ("6a", died && i.retries >= 3, wait(Wait::RetriesUsedUp)),
        ("6b", died && i.session_works, wait(Wait::SessionWorks)),
        (
            "6c",
            died,
            Action::Trigger {
                retry: i.retries + 1,
            },
        ),
        (
            "7",
            i.ci_status == Success
                && !i.changes_requested
                && i.feedback == 0
                && !i.has_merge_conflict
                && !i.new_review_activity,
            wait(Wait::Clean),
        ),
        (
            "8",
            !(i.ci_status == Failure
                || i.has_merge_conflict
                || i.changes_requested
                || i.feedback > 0),
            wait(Wait::NothingToFix),
        ),
        ("9", key_same, wait(Wait::AlreadyTried)),
        ("10", i.session_works, wait(Wait::SessionWorks)),
        ("11", true, Action::Trigger { retry: 0 }),
    ]
}

fn inputs() -> Vec<Input<'static>> {
    use PrState as P;
    let states = [
        P::None,
        P::Draft,
        P::Open,
        P::ChangesRequested,
        P::Approved,
        P::Merged,
        P::Closed,
    ];
    let (mut all, bools) = (vec![FAILED], [false, true]);
    macro_rules! each {
        ($field:ident in $values:expr) => {
            all = all
                .iter()
                .flat_map(|input| {
                    $values.map(|value| Input {
                        $field: value,
                        ..*input
                    })
                })
                .collect();
        };
    }
    each!(enabled in bools);
    each!(pr_state in states);
    each!(ci_status in [Unknown, Pending, Success, Failure]);
    each!(has_merge_conflict in bools);
    each!(changes_requested in bools);
    each!(feedback in [0, 1]);
    each!(new_review_activity in bools);
    each!(fixer in [Fixer::None, Fixer::Working, Fixer::SettledElsewhere]);
    each!(dispatched_key in [None, Some("then"), Some("now")]);
    each!(outcome in [None, Some(Running), Some(Completed), Some(Died)]);
    each!(retries in [0, 2, 3]);
    each!(session_works in bools);
    all
}

#[test]
fn every_combination_goes_by_the_first_row_that_matches() {
    let mut hits = BTreeMap::new();
    for input in inputs() {
        let (row, _, expected) = rows(&input)
            .into_iter()
            .find(|(_, holds, _)| *holds)
            .unwrap();
        assert_eq!(decide(&input), expected, "row {row}: {input:?}");
        *hits.entry(row).or_insert(0) += 1;
    }
    println!("combinations by row: {hits:?}");
    assert_eq!(hits.len(), 14, "a row is never reached: {hits:?}");
}

#[test]
fn what_stalls_is_what_was_tried_in_vain() {
    for wait in [
        Wait::NotOpen,
        Wait::ChecksRun,
        Wait::SettledElsewhere,
        Wait::SessionWorks,
        Wait::Clean,
        Wait::NothingToFix,
    ] {
        assert!(!wait.stalls(), "{wait:?}");
    }
    assert!(Wait::RetriesUsedUp.stalls() && Wait::AlreadyTried.stalls());
}
