use ff_protocol::{DesktopId, HandoffId, ProjectId};
use rstest::rstest;

use super::*;

const INTERVAL: Duration = Duration::from_secs(120);

fn workspace(pr: PullRequest) -> Workspace {
    let now = crate::clock::now();
    Workspace {
        status: WorkspaceStatus::Ready,
        branch_name: Some("work".into()),
        pr,
        ..Workspace::new(ProjectId::generate(), "work", Owner::Cloud, now)
    }
}

fn synced(state: PrState, ago: u64) -> (Workspace, Timestamp) {
    let now = crate::clock::now();
    let pr = PullRequest {
        url: Some("https://github.com/octo/demo/pull/7".into()),
        number: Some(7),
        state,
        synced_at: Some(now - Duration::from_secs(ago)),
        ..PullRequest::default()
    };
    (workspace(pr), now)
}

#[rstest]
#[case::fresh(PrState::Open, 119, false, Due::Nothing)]
#[case::old(PrState::Open, 120, false, Due::Sync)]
#[case::draft(PrState::Draft, 120, false, Due::Sync)]
#[case::turned(PrState::Open, 30, true, Due::Sync)]
#[case::turned_twice(PrState::Open, 29, true, Due::Nothing)]
#[case::closed(PrState::Closed, 1799, false, Due::Nothing)]
#[case::closed_long_ago(PrState::Closed, 1800, false, Due::Sync)]
#[case::closed_and_turned(PrState::Closed, 30, true, Due::Sync)]
#[case::merged(PrState::Merged, 1 << 30, true, Due::Nothing)]
fn one_that_is_known_is_read_as_often_as_it_may_change(
    #[case] state: PrState,
    #[case] ago: u64,
    #[case] turned: bool,
    #[case] expected: Due,
) {
    let (workspace, now) = synced(state, ago);
    let due = due(&workspace, &Owner::Cloud, true, turned, INTERVAL, now);
    assert_eq!(due, expected);
}

#[test]
fn what_is_not_ready_not_ours_or_on_its_way_is_left_alone() {
    let (ready, now) = synced(PrState::Open, 1000);
    let is = |workspace: &Workspace| due(workspace, &Owner::Cloud, true, true, INTERVAL, now);
    assert_eq!(is(&ready), Due::Sync);
    for status in [
        WorkspaceStatus::New,
        WorkspaceStatus::Provisioning,
        WorkspaceStatus::Failed,
        WorkspaceStatus::Archiving,
        WorkspaceStatus::Archived,
    ] {
        let other = Workspace {
            status,
            ..ready.clone()
        };
        assert_eq!(is(&other), Due::Nothing, "{status:?}");
    }
    let moving = Workspace {
        handoff_id: Some(HandoffId::generate()),
        ..ready.clone()
    };
    assert_eq!(is(&moving), Due::Nothing);
    let elsewhere = Workspace {
        owner: Owner::Desktop(DesktopId::generate()),
        ..ready
    };
    assert_eq!(is(&elsewhere), Due::Nothing);
}

#[test]
fn one_that_is_not_known_is_looked_for_when_it_is_time() {
    let now = crate::clock::now();
    let next = |at| {
        workspace(PullRequest {
            discovery_next_check_at: at,
            ..PullRequest::default()
        })
    };
    let is = |workspace: &Workspace, on_github| {
        due(workspace, &Owner::Cloud, on_github, false, INTERVAL, now)
    };
    assert_eq!(is(&next(None), true), Due::Discover);
    assert_eq!(is(&next(Some(now)), true), Due::Discover);
    let later = Some(now + Duration::from_secs(1));
    assert_eq!(is(&next(later), true), Due::Nothing);
    assert_eq!(is(&next(None), false), Due::Nothing, "not on GitHub");
    for (ago, expected) in [(29, Due::Nothing), (30, Due::Discover)] {
        let just = workspace(PullRequest {
            discovery_last_checked_at: Some(now - Duration::from_secs(ago)),
            ..PullRequest::default()
        });
        assert_eq!(is(&just, true), expected, "looked for {ago} s ago");
    }
    let branchless = Workspace {
        branch_name: None,
        ..next(None)
    };
    assert_eq!(is(&branchless, true), Due::Nothing);
}

#[test]
fn pauses_double_up_to_six_hours_and_are_scattered_by_a_fifth() {
    let now = crate::clock::now();
    let mut pr = PullRequest::default();
    let mut pauses = Vec::new();
    for count in 1..=10 {
        pr = looked_for(&pr, now, 500);
        assert_eq!(pr.discovery_retry_count, count);
        assert_eq!(pr.discovery_last_checked_at, Some(now));
        pauses.push((pr.discovery_next_check_at.unwrap() - now).num_minutes());
    }
    assert_eq!(pauses, [3, 6, 12, 24, 48, 96, 192, 360, 360, 360]);
    for (dice, seconds) in [(0, 144), (500, 180), (1000, 216), (u32::MAX, 216)] {
        let next = looked_for(&PullRequest::default(), now, dice);
        let pause = next.discovery_next_check_at.unwrap() - now;
        assert_eq!(pause.num_seconds(), seconds, "{dice}");
    }
    pr.discovery_retry_count = i64::MAX - 1;
    let last = looked_for(&pr, now, 500);
    assert_eq!(
        last.discovery_next_check_at.unwrap() - now,
        chrono::TimeDelta::hours(6)
    );
}

#[test]
fn too_many_requests_slow_it_down_and_one_good_look_ends_that() {
    let mut pace = Pace::default();
    let mut minutes = Vec::new();
    for limited in [true, true, true, false, true] {
        pace = pace.after(limited);
        minutes.push(pace.of(INTERVAL).as_secs() / 60);
    }
    assert_eq!(minutes, [4, 8, 8, 2, 4]);
}
