//! The tables once more, as lists of conditions, and every combination of inputs held against them.

use std::collections::BTreeMap;

use ff_protocol::derived::{
    FlowPhase as F, InitPhase, PendingRequest as P, RatchetState as R, StatusCode as C,
};
use ff_protocol::workspace::{CiStatus as Ci, PrState as Pr, WorkspaceStatus as S};

use super::sessions::Activity;
use super::{flow, init, ratchet, sidebar, status};

/// The result of the first row whose condition holds.
fn first<T: Copy>(rows: &[(bool, T)]) -> T {
    rows.iter().find(|(holds, _)| *holds).unwrap().1
}

const BOOLS: [bool; 2] = [false, true];
const STATES: [Pr; 7] = [
    Pr::None,
    Pr::Draft,
    Pr::Open,
    Pr::ChangesRequested,
    Pr::Approved,
    Pr::Merged,
    Pr::Closed,
];
const CHECKS: [Ci; 4] = [Ci::Unknown, Ci::Pending, Ci::Success, Ci::Failure];
const STATUSES: [S; 6] = [
    S::New,
    S::Provisioning,
    S::Ready,
    S::Failed,
    S::Archiving,
    S::Archived,
];

/// All combinations of what is known of a pull request, with the two states that follow.
fn pull_requests() -> Vec<(ratchet::Input<'static>, bool, R, F)> {
    let mut all = Vec::new();
    for pr_state in STATES {
        for ci_status in CHECKS {
            for enabled in BOOLS {
                for has_merge_conflict in BOOLS {
                    for review_state in [None, Some("APPROVED"), Some("CHANGES_REQUESTED")] {
                        for has_url in BOOLS {
                            let input = ratchet::Input {
                                enabled,
                                pr_state,
                                ci_status,
                                has_merge_conflict,
                                review_state,
                            };
                            let seen = seen(input);
                            all.push((input, has_url, seen, phase(input, has_url, seen)));
                        }
                    }
                }
            }
        }
    }
    all
}

fn seen(i: ratchet::Input<'_>) -> R {
    let active = matches!(
        i.pr_state,
        Pr::Open | Pr::Draft | Pr::ChangesRequested | Pr::Approved
    );
    first(&[
        (!i.enabled, R::Idle),
        (i.pr_state == Pr::Merged, R::Merged),
        (!active, R::Idle),
        (i.ci_status == Ci::Failure, R::CiFailed),
        (i.has_merge_conflict, R::MergeConflict),
        (
            matches!(i.ci_status, Ci::Pending | Ci::Unknown),
            R::CiRunning,
        ),
        (
            i.review_state == Some("CHANGES_REQUESTED"),
            R::ReviewPending,
        ),
        (true, R::Ready),
    ])
}

fn phase(i: ratchet::Input<'_>, has_url: bool, seen: R) -> F {
    let inactive = matches!(i.pr_state, Pr::None | Pr::Closed);
    first(&[
        (i.pr_state == Pr::Merged, F::Merged),
        (!has_url || inactive, F::NoPr),
        (matches!(i.ci_status, Ci::Unknown | Ci::Pending), F::CiWait),
        (!i.enabled, F::Ready),
        (
            matches!(seen, R::CiFailed | R::ReviewPending),
            F::RatchetFixing,
        ),
        (matches!(seen, R::Ready | R::Merged), F::Ready),
        (true, F::RatchetVerify),
    ])
}

#[test]
fn ratchet_and_flow_go_by_the_first_row() {
    let mut hits = BTreeMap::new();
    for (input, has_pr_url, seen, phase) in pull_requests() {
        assert_eq!(ratchet::state(input), seen, "{input:?}");
        let flow = flow::state(flow::Input {
            has_pr_url,
            pr_state: input.pr_state,
            ci_status: input.ci_status,
            ratchet_enabled: input.enabled,
            ratchet_state: seen,
        });
        assert_eq!(flow.phase, phase, "{input:?} {has_pr_url}");
        let moves = matches!(phase, F::CiWait | F::RatchetFixing | F::RatchetVerify);
        assert_eq!(flow.is_working, moves);
        let animated = phase == F::CiWait && input.enabled;
        assert_eq!(flow.should_animate_ratchet_button, animated);
        *hits.entry(format!("{seen:?} {phase:?}")).or_insert(0) += 1;
    }
    println!("combinations by ratchet and flow: {hits:?}");
    assert!(hits.len() >= 12, "{hits:?}");
}

fn expected(i: &status::Input) -> C {
    let in_flow = i.flow != F::NoPr;
    let conflict = in_flow && i.has_merge_conflict;
    let pending = i.sessions.pending;
    first(&[
        (i.status == S::Archiving, C::Archiving),
        (i.status == S::Archived, C::Archived),
        (
            i.flow == F::Merged || i.pr_state == Pr::Merged || i.ratchet_state == R::Merged,
            C::Merged,
        ),
        (i.pr_state == Pr::Closed, C::PrClosed),
        (pending == Some(P::PermissionRequest), C::NeedsPermission),
        (pending == Some(P::PlanApproval), C::NeedsPlanApproval),
        (pending == Some(P::UserQuestion), C::NeedsAnswer),
        (i.sessions.has_error, C::SessionError),
        (matches!(i.status, S::New | S::Provisioning), C::SettingUp),
        (i.status == S::Failed, C::SetupFailed),
        (i.sessions.is_working, C::AgentWorking),
        (i.sessions.is_starting, C::StartingSession),
        (i.auto_iterating, C::AutoIterating),
        (
            in_flow && i.ratchet_enabled && i.dispatch_stalled,
            C::RatchetStalled,
        ),
        (conflict && i.ratchet_enabled, C::FixingMergeConflict),
        (conflict, C::MergeConflict),
        (i.flow == F::CiWait, C::WaitingForCi),
        (
            i.flow == F::RatchetFixing && i.ratchet_state == R::ReviewPending,
            C::FixingReviewComments,
        ),
        (i.flow == F::RatchetFixing, C::FixingCiFailures),
        (i.flow == F::RatchetVerify, C::CheckingPr),
        (
            i.flow == F::Ready && i.ci_status == Ci::Success,
            C::ReadyToMerge,
        ),
        (i.flow == F::Ready, C::ReadyForReview),
        (!i.has_had_sessions, C::NoSessionStarted),
        (true, C::ReadyForNextPrompt),
    ])
}

fn activities() -> Vec<Activity> {
    let mut all = Vec::new();
    let asked = [
        None,
        Some(P::PlanApproval),
        Some(P::UserQuestion),
        Some(P::PermissionRequest),
    ];
    for pending in asked {
        for is_working in BOOLS {
            for is_starting in BOOLS {
                for has_error in BOOLS {
                    all.push(Activity {
                        is_working,
                        is_starting,
                        pending,
                        has_error,
                    });
                }
            }
        }
    }
    all
}

#[test]
fn the_status_goes_by_the_first_row() {
    let mut hits = BTreeMap::new();
    let (pull_requests, activities) = (pull_requests(), activities());
    for (pr, _, ratchet_state, flow) in &pull_requests {
        for sessions in &activities {
            for status in STATUSES {
                for bits in 0..8u8 {
                    let bit = |at: u8| bits & (1 << at) != 0;
                    let input = status::Input {
                        status,
                        has_had_sessions: bit(0),
                        sessions: *sessions,
                        pr_state: pr.pr_state,
                        ci_status: pr.ci_status,
                        has_merge_conflict: pr.has_merge_conflict,
                        ratchet_enabled: pr.enabled,
                        dispatch_stalled: bit(1),
                        ratchet_state: *ratchet_state,
                        flow: *flow,
                        auto_iterating: bit(2),
                    };
                    let code = status::code(&input);
                    assert_eq!(code, expected(&input), "{input:?}");
                    *hits.entry(format!("{code:?}")).or_insert(0) += 1;
                }
            }
        }
    }
    println!("combinations by status: {hits:?}");
    // A ratchet that is on sees a conflict before it verifies anything else, so nothing is left
    // for `CheckingPr` but a conflict, and that is told first.
    assert_eq!(hits.len(), 23, "{hits:?}");
    assert!(!hits.contains_key("CheckingPr"));
}

#[test]
fn what_needs_the_user_waits_and_what_is_archived_stands_nowhere() {
    use ff_protocol::derived::KanbanColumn::{Done, Waiting, Working};
    for name in [
        "ARCHIVING",
        "ARCHIVED",
        "MERGED",
        "PR_CLOSED",
        "NEEDS_PERMISSION",
        "NEEDS_PLAN_APPROVAL",
        "NEEDS_ANSWER",
        "SESSION_ERROR",
        "SETTING_UP",
        "SETUP_FAILED",
        "AGENT_WORKING",
        "STARTING_SESSION",
        "AUTO_ITERATING",
        "RATCHET_STALLED",
        "FIXING_MERGE_CONFLICT",
        "MERGE_CONFLICT",
        "WAITING_FOR_CI",
        "FIXING_REVIEW_COMMENTS",
        "FIXING_CI_FAILURES",
        "CHECKING_PR",
        "READY_TO_MERGE",
        "READY_FOR_REVIEW",
        "NO_SESSION_STARTED",
        "READY_FOR_NEXT_PROMPT",
    ] {
        let code: C = serde_json::from_value(name.into()).unwrap();
        let reason = status::describe(code);
        assert_eq!(reason.needs_user, reason.column == Some(Waiting), "{name}");
        let archived = matches!(code, C::Archiving | C::Archived);
        assert_eq!(reason.column.is_none(), archived, "{name}");
        let ended = matches!(code, C::Merged | C::PrClosed);
        assert_eq!(reason.column == Some(Done), ended, "{name}");
        let works = !archived && !ended && !reason.needs_user;
        assert_eq!(reason.column == Some(Working), works, "{name}");
        assert!(!reason.label.is_empty());
    }
}

#[test]
fn the_side_bar_goes_by_the_first_row() {
    use ff_protocol::derived::SidebarCi as B;
    let seen = [
        R::Idle,
        R::CiRunning,
        R::CiFailed,
        R::MergeConflict,
        R::ReviewPending,
        R::Ready,
        R::Merged,
    ];
    let mut hits = BTreeMap::new();
    for pr_state in STATES {
        for ci in CHECKS {
            for ratchet_state in seen {
                for has_pr_url in BOOLS {
                    let expected = first(&[
                        (!has_pr_url, B::None),
                        (pr_state == Pr::Merged, B::Merged),
                        (pr_state == Pr::Closed, B::Closed),
                        (ratchet_state == R::MergeConflict, B::Conflict),
                        (ci == Ci::Success, B::Passing),
                        (ci == Ci::Failure, B::Failing),
                        (ci == Ci::Pending, B::Running),
                        (ratchet_state == R::CiFailed, B::Failing),
                        (ratchet_state == R::CiRunning, B::Running),
                        (true, B::Unknown),
                    ]);
                    let got = sidebar::ci(flow::Input {
                        has_pr_url,
                        pr_state,
                        ci_status: ci,
                        ratchet_enabled: true,
                        ratchet_state,
                    });
                    assert_eq!(got, expected, "{pr_state:?} {ci:?} {ratchet_state:?}");
                    *hits.entry(format!("{got:?}")).or_insert(0) += 1;
                }
            }
        }
    }
    println!("combinations by side bar: {hits:?}");
    assert_eq!(hits.len(), 8);
}

#[test]
fn only_what_may_be_retried_offers_it_but_for_one_quirk() {
    for status in STATUSES {
        for path in [None, Some(""), Some(" \t"), Some("/w")] {
            for error in [None, Some(""), Some("err")] {
                let input = init::Input {
                    status,
                    worktree_path: path,
                    init_error_message: error,
                };
                let policy = init::policy(input);
                let offered = policy.banner.is_some_and(|banner| banner.show_retry);
                let quirk = status == S::Ready && policy.phase == InitPhase::BlockedFailed;
                assert_eq!(init::retry(input).is_some(), offered && !quirk, "{input:?}");
            }
        }
    }
}
