//! When GitHub is asked about a workspace's pull request. Pure.
//!
//! | workspace | asked |
//! |---|---|
//! | not `READY`, another's, or on its way | never |
//! | its pull request is open | every interval; after a turn at once, 30 s apart |
//! | closed | every 15 intervals: it may be opened again |
//! | merged | never: that is for good |
//! | it has none, and its branch and its repository on GitHub are known | 3 min · 2^(n-1) after the nth look in vain, 6 h at most, each ± 20 %; from the beginning after a turn |

use std::time::Duration;

use ff_protocol::Timestamp;
use ff_protocol::workspace::{Owner, PrState, PullRequest, Workspace, WorkspaceStatus};

/// First pause between two looks for a pull request.
const FIRST_PAUSE: Duration = Duration::from_secs(180);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// A turn that ended has its pull request read anew, but not twice within this.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(30);
/// So many intervals for one that is closed.
const CLOSED: u32 = 15;
/// How far the interval grows while GitHub takes no more requests.
const SLOWEST: u32 = 4;

/// What is to be done about a workspace's pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing now.
    Nothing,
    /// Read it.
    Sync,
    /// Look for one.
    Discover,
}

/// What is due for a workspace of `owner`. `turned`: a turn has just ended in it, or its user
/// waits for news.
pub(super) fn due(
    workspace: &Workspace,
    owner: &Owner,
    on_github: bool,
    turned: bool,
    interval: Duration,
    now: Timestamp,
) -> Due {
    let acts = workspace.owner == *owner
        && workspace.handoff_id.is_none()
        && workspace.status == WorkspaceStatus::Ready;
    if !acts {
        return Due::Nothing;
    }
    let pr = &workspace.pr;
    if pr.url.is_none() {
        let can_be = on_github && workspace.branch_name.is_some();
        let last = pr.discovery_last_checked_at;
        let is_time = pr.discovery_next_check_at.is_none_or(|at| at <= now)
            && last.is_none_or(|at| elapsed(at, now) >= COOL_DOWN);
        return match can_be && is_time {
            true => Due::Discover,
            false => Due::Nothing,
        };
    }
    let after = match (pr.state, turned) {
        (PrState::Merged, _) => return Due::Nothing,
        (_, true) => COOL_DOWN,
        (PrState::Closed, false) => interval * CLOSED,
        (_, false) => interval,
    };
    let old = pr.synced_at.is_none_or(|at| elapsed(at, now) >= after);
    if old { Due::Sync } else { Due::Nothing }
}

/// What is noted when a pull request is looked for. `dice` is in `0..=1000`.
pub(super) fn looked_for(before: &PullRequest, now: Timestamp, dice: u32) -> PullRequest {
    let count = before.discovery_retry_count.max(0) + 1;
    let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX).min(20);
    let pause = (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE);
    let pause = pause * (800 + dice.min(1000) * 2 / 5) / 1000;
    PullRequest {
        discovery_last_checked_at: Some(now),
        discovery_retry_count: count,
        discovery_next_check_at: Some(now + pause),
        ..before.clone()
    }
}

/// A clock that was set back makes everything old.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    (now - since).to_std().unwrap_or(Duration::MAX)
}

/// How fast looks follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace(u32);

impl Default for Pace {
    fn default() -> Self {
        Self(1)
    }
}

impl Pace {
    /// The interval at this pace.
    pub(super) fn of(self, interval: Duration) -> Duration {
        interval * self.0
    }

    /// After a look in which GitHub did, or did not, take all requests.
    pub(super) fn after(self, limited: bool) -> Self {
        match limited {
            true => Self((self.0 * 2).min(SLOWEST)),
            false => Self::default(),
        }
    }
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
