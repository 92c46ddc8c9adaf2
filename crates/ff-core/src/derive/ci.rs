//! State of a pull request's checks, from `statusCheckRollup` as `gh` prints it.
//!
//! The original reads checks in two ways that differ for rare values. One is taken here:
//!
//! | value | its PR sync | its ratchet | here |
//! |---|---|---|---|
//! | conclusion `STARTUP_FAILURE`, `ERROR` | `FAILURE` | `UNKNOWN` | `FAILURE` |
//! | status `WAITING`, `REQUESTED` | `UNKNOWN` | `PENDING` | `PENDING` |
//! | status it has no name for | `UNKNOWN` | `PENDING` | `UNKNOWN` |

use std::collections::HashMap;

use ff_protocol::Timestamp;
use ff_protocol::workspace::CiStatus;
use serde::{Deserialize, Serialize};

const FAILING: [&str; 6] = [
    "FAILURE",
    "ERROR",
    "ACTION_REQUIRED",
    "TIMED_OUT",
    "CANCELLED",
    "STARTUP_FAILURE",
];
const PENDING: [&str; 6] = [
    "PENDING",
    "EXPECTED",
    "QUEUED",
    "IN_PROGRESS",
    "WAITING",
    "REQUESTED",
];
const PASSING: [&str; 3] = ["SUCCESS", "SKIPPED", "NEUTRAL"];

/// One entry of `statusCheckRollup`: a check run, or a commit status (which has only `context`,
/// `state` and `targetUrl`). A field that is absent, `null` or empty is taken as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Check {
    /// Name of the check run.
    pub name: Option<String>,
    /// Workflow that it belongs to.
    pub workflow_name: Option<String>,
    /// Name of the commit status.
    pub context: Option<String>,
    /// Page of the check run.
    pub details_url: Option<String>,
    /// `COMPLETED`, or what it does until then.
    pub status: Option<String>,
    /// How it ended.
    pub conclusion: Option<String>,
    /// State of the commit status.
    pub state: Option<String>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
}

impl Check {
    /// The run of GitHub Actions that the check belongs to, by its page's address.
    pub fn run_id(&self) -> Option<&str> {
        let url = filled(self.details_url.as_ref())?;
        url.split("/actions/runs/").skip(1).find_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let digits = &rest[..end.unwrap_or(rest.len())];
            (!digits.is_empty()).then_some(digits)
        })
    }

    /// How it ended, upper-cased, if it failed.
    pub fn failing_conclusion(&self) -> Option<String> {
        let conclusion = filled(self.conclusion.as_ref())?.to_uppercase();
        FAILING.contains(&conclusion.as_str()).then_some(conclusion)
    }

    /// The value that counts, upper-cased.
    fn effective(&self) -> String {
        let status = filled(self.status.as_ref()).map(str::to_uppercase);
        let ended = status.as_deref() == Some("COMPLETED");
        let conclusion = filled(self.conclusion.as_ref()).filter(|_| ended);
        let state = filled(self.state.as_ref());
        let value = conclusion.or(state).map(str::to_uppercase);
        value.or(status).unwrap_or_else(|| "PENDING".to_owned())
    }

    /// What makes two checks runs of the same; none for what is no run of GitHub Actions.
    fn identity(&self) -> Option<String> {
        self.run_id()?;
        let name = filled(self.name.as_ref())?.to_lowercase();
        let workflow = self.workflow_name.as_deref().unwrap_or_default();
        Some(format!("{}|{name}", workflow.to_lowercase()))
    }

    /// Where the check stands among runs of the same: the largest is kept.
    fn age(&self) -> (u128, Option<Timestamp>) {
        // More digits than these do not come from GitHub; such a run is the latest.
        let run = self
            .run_id()
            .map_or(0, |id| id.parse().unwrap_or(u128::MAX));
        let time = |text: &Option<String>| {
            let text = text.as_deref()?;
            let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
            Some(time.to_utc())
        };
        (run, time(&self.started_at).max(time(&self.completed_at)))
    }
}

/// A text that says something.
fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// The checks without those that were run again, in their order.
///
/// | check | kept |
/// |---|---|
/// | page with `/actions/runs/<n>` and a name | one per workflow and name (in any case): largest `<n>`, then latest start or end, then last |
/// | other | always |
pub fn latest(checks: &[Check]) -> Vec<&Check> {
    let mut best: HashMap<String, usize> = HashMap::new();
    for (at, check) in checks.iter().enumerate() {
        let Some(identity) = check.identity() else {
            continue;
        };
        let kept = best.entry(identity).or_insert(at);
        if check.age() >= checks[*kept].age() {
            *kept = at;
        }
    }
    let kept = |(at, check): &(usize, &Check)| {
        let identity = check.identity();
        identity.is_none_or(|identity| best.get(&identity) == Some(at))
    };
    let all = checks.iter().enumerate();
    all.filter(kept).map(|(_, check)| check).collect()
}

/// The state of all checks together, first match, after [`latest`]. What counts of a check is the
/// first of: its conclusion if its status is `COMPLETED`, its state, its status, `PENDING`.
///
/// | # | checks | result |
/// |---|---|---|
/// | 1 | not told (`null`) | `UNKNOWN` |
/// | 2 | any of `FAILURE`, `ERROR`, `ACTION_REQUIRED`, `TIMED_OUT`, `CANCELLED`, `STARTUP_FAILURE` | `FAILURE` |
/// | 3 | any of `PENDING`, `EXPECTED`, `QUEUED`, `IN_PROGRESS`, `WAITING`, `REQUESTED` | `PENDING` |
/// | 4 | all of `SUCCESS`, `SKIPPED`, `NEUTRAL`; or there are none | `SUCCESS` |
/// | 5 | | `UNKNOWN` |
pub fn status(checks: Option<&[Check]>) -> CiStatus {
    let Some(checks) = checks else {
        return CiStatus::Unknown;
    };
    let values: Vec<String> = latest(checks).into_iter().map(Check::effective).collect();
    let any = |set: &[&str]| values.iter().any(|value| set.contains(&value.as_str()));
    if any(&FAILING) {
        CiStatus::Failure
    } else if any(&PENDING) {
        CiStatus::Pending
    } else if values.iter().all(|v| PASSING.contains(&v.as_str())) {
        CiStatus::Success
    } else {
        CiStatus::Unknown
    }
}

#[cfg(test)]
mod tests;
