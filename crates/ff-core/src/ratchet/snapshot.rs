//! The key of what the ratchet saw: equal keys mean that nothing it acts on has changed.

use ff_protocol::Timestamp;
use ff_protocol::workspace::CiStatus;

use crate::derive::ci::{self, Check};

/// What the key is made of.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Number of the pull request.
    pub pr_number: i64,
    /// Its checks, as `gh` tells them.
    pub checks: Option<&'a [Check]>,
    /// Whether `reviewDecision` is `CHANGES_REQUESTED`.
    pub changes_requested: bool,
    /// When reviewers were last active ([`super::reviews::activity`]).
    pub review_activity: Option<Timestamp>,
    /// Whether the branch conflicts with its base.
    pub has_merge_conflict: bool,
}

/// The key, `pr:<number>|<checks>|<reviews>|merge:<conflict or clean>`. The same as the original's,
/// so that a workspace that was brought over is not acted on twice.
///
/// | part | text |
/// |---|---|
/// | checks | `ci:<STATUS>`; if they failed `ci:FAILURE:` and [`failures`] |
/// | reviews | `changes-requested` or `no-changes-requested`, then `:` and milliseconds since 1970 or `none` |
pub fn key(seen: &Seen<'_>) -> String {
    let checks = match ci::status(seen.checks) {
        CiStatus::Failure => format!("FAILURE:{}", failures(seen.checks.unwrap_or_default())),
        CiStatus::Pending => "PENDING".to_owned(),
        CiStatus::Success => "SUCCESS".to_owned(),
        CiStatus::Unknown => "UNKNOWN".to_owned(),
    };
    let requested = match seen.changes_requested {
        true => "changes-requested",
        false => "no-changes-requested",
    };
    let activity = seen.review_activity.map_or_else(
        || "none".to_owned(),
        |time| time.timestamp_millis().to_string(),
    );
    let merge = match seen.has_merge_conflict {
        true => "conflict",
        false => "clean",
    };
    let number = seen.pr_number;
    format!("pr:{number}|ci:{checks}|{requested}:{activity}|merge:{merge}")
}

/// The checks whose conclusion is a failure, without those that were run again:
/// `<name>:<conclusion>:<run>`, sorted, with `|` between.
///
/// | run | when |
/// |---|---|
/// | number of the GitHub Actions run | the page's address has one |
/// | the page's address | else, if there is one |
/// | `no-run-id-or-details-url` | else |
///
/// `unknown` when there is none: a commit status has a state and no conclusion.
pub fn failures(checks: &[Check]) -> String {
    let mut failed: Vec<String> = ci::latest(checks)
        .into_iter()
        .filter_map(|check| {
            let conclusion = check.failing_conclusion()?;
            let name = check.name.as_deref().or(check.context.as_deref());
            let url = check.details_url.as_deref().filter(|url| !url.is_empty());
            let run = check.run_id().or(url).unwrap_or("no-run-id-or-details-url");
            Some(format!("{}:{conclusion}:{run}", name.unwrap_or_default()))
        })
        .collect();
    failed.sort();
    match failed.is_empty() {
        true => "unknown".to_owned(),
        false => failed.join("|"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn seen(checks: Option<&[Check]>) -> Seen<'_> {
        Seen {
            pr_number: 7,
            checks,
            changes_requested: false,
            review_activity: None,
            has_merge_conflict: false,
        }
    }

    fn check(name: &str, conclusion: &str, url: Value) -> Value {
        json!({"name": name, "status": "COMPLETED", "conclusion": conclusion, "detailsUrl": url})
    }

    const RUN: &str = "https://github.com/o/r/actions/runs/";

    #[rstest]
    #[case::one(json!([check("build", "FAILURE", json!(format!("{RUN}123/job/9")))]), "build:FAILURE:123")]
    #[case::sorted_and_joined(
        json!([
            check("test", "TIMED_OUT", json!(format!("{RUN}2/job/1"))),
            check("lint", "SUCCESS", json!(format!("{RUN}2/job/2"))),
            check("build", "cancelled", json!("https://ci.example/9")),
            check("audit", "ACTION_REQUIRED", json!(null)),
            check("docs", "STARTUP_FAILURE", json!("")),
        ]),
        "audit:ACTION_REQUIRED:no-run-id-or-details-url|build:CANCELLED:https://ci.example/9\
         |docs:STARTUP_FAILURE:no-run-id-or-details-url|test:TIMED_OUT:2"
    )]
    #[case::run_again_counts_once(
        json!([
            check("build", "FAILURE", json!(format!("{RUN}1/job/1"))),
            check("build", "TIMED_OUT", json!(format!("{RUN}2/job/1"))),
        ]),
        "build:TIMED_OUT:2"
    )]
    #[case::a_commit_status_has_no_conclusion(json!([{"context": "ci", "state": "FAILURE", "targetUrl": "x"}]), "unknown")]
    fn failing_checks_are_named(#[case] checks: Value, #[case] expected: &str) {
        let checks: Vec<Check> = serde_json::from_value(checks).unwrap();
        assert_eq!(
            key(&seen(Some(&checks))),
            format!("pr:7|ci:FAILURE:{expected}|no-changes-requested:none|merge:clean")
        );
    }

    #[test]
    fn reviews_and_conflict_are_in_the_key() {
        let seen = Seen {
            pr_number: 41,
            changes_requested: true,
            review_activity: chrono::DateTime::from_timestamp_millis(1_700_000_000_123),
            has_merge_conflict: true,
            ..seen(Some(&[]))
        };
        assert_eq!(
            key(&seen),
            "pr:41|ci:SUCCESS|changes-requested:1700000000123|merge:conflict"
        );
    }

    #[test]
    fn what_is_not_told_is_unknown() {
        assert_eq!(
            key(&seen(None)),
            "pr:7|ci:UNKNOWN|no-changes-requested:none|merge:clean"
        );
    }
}
