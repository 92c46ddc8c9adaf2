use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const RUN: &str = "https://github.com/o/r/actions/runs/";

fn checks(value: Value) -> Vec<Check> {
    serde_json::from_value(value).unwrap()
}

fn run(id: &str, conclusion: &str) -> Value {
    let url = format!("{RUN}{id}/job/1");
    json!({"name": "build", "workflowName": "CI", "detailsUrl": url, "status": "COMPLETED", "conclusion": conclusion})
}

fn with(mut check: Value, field: &str, value: &str) -> Value {
    check[field] = json!(value);
    check
}

#[rstest]
#[case::conclusion(json!({"status": "COMPLETED", "conclusion": "SUCCESS"}), CiStatus::Success)]
#[case::in_any_case(json!({"status": "completed", "conclusion": "neutral"}), CiStatus::Success)]
#[case::conclusion_before_the_end(json!({"status": "QUEUED", "conclusion": "FAILURE"}), CiStatus::Pending)]
#[case::empty_conclusion(json!({"status": "COMPLETED", "conclusion": ""}), CiStatus::Unknown)]
#[case::conclusion_over_state(json!({"status": "COMPLETED", "conclusion": "SUCCESS", "state": "FAILURE"}), CiStatus::Success)]
#[case::state_over_status(json!({"status": "COMPLETED", "conclusion": null, "state": "ERROR"}), CiStatus::Failure)]
#[case::commit_status(json!({"context": "ci", "state": "SUCCESS"}), CiStatus::Success)]
#[case::nothing(json!({}), CiStatus::Pending)]
#[case::stale(json!({"status": "COMPLETED", "conclusion": "STALE"}), CiStatus::Unknown)]
#[case::waits(json!({"status": "WAITING"}), CiStatus::Pending)]
#[case::requested(json!({"status": "REQUESTED", "conclusion": ""}), CiStatus::Pending)]
#[case::could_not_start(json!({"status": "COMPLETED", "conclusion": "STARTUP_FAILURE"}), CiStatus::Failure)]
#[case::error(json!({"status": "COMPLETED", "conclusion": "ERROR"}), CiStatus::Failure)]
fn one_check(#[case] check: Value, #[case] expected: CiStatus) {
    assert_eq!(status(Some(&checks(json!([check])))), expected);
}

#[test]
fn the_worst_counts_in_any_order() {
    let of = |state: &str| json!({"context": state, "state": state});
    let cases = [
        (
            ["FAILURE", "PENDING", "SUCCESS", "STALE"],
            CiStatus::Failure,
        ),
        (
            ["EXPECTED", "PENDING", "SUCCESS", "STALE"],
            CiStatus::Pending,
        ),
        (
            ["SUCCESS", "SUCCESS", "SUCCESS", "STALE"],
            CiStatus::Unknown,
        ),
        (
            ["SUCCESS", "SKIPPED", "NEUTRAL", "SUCCESS"],
            CiStatus::Success,
        ),
    ];
    for (mut states, expected) in cases {
        for _ in 0..states.len() {
            states.rotate_left(1);
            let all = checks(states.iter().map(|state| of(state)).collect());
            assert_eq!(status(Some(&all)), expected, "{states:?}");
        }
    }
    assert_eq!(status(None), CiStatus::Unknown);
    assert_eq!(status(Some(&[])), CiStatus::Success);
}

#[rstest]
#[case::larger_run(json!([run("10", "SUCCESS"), run("9", "FAILURE")]), &["SUCCESS"])]
#[case::in_any_order(json!([run("9", "FAILURE"), run("10", "SUCCESS")]), &["SUCCESS"])]
#[case::in_any_case(json!([run("9", "FAILURE"), with(with(run("10", "SUCCESS"), "name", "BUILD"), "workflowName", "ci")]), &["SUCCESS"])]
#[case::other_workflow(json!([run("9", "FAILURE"), with(run("10", "SUCCESS"), "workflowName", "Other")]), &["FAILURE", "SUCCESS"])]
#[case::other_name(json!([run("9", "FAILURE"), with(run("10", "SUCCESS"), "name", "test")]), &["FAILURE", "SUCCESS"])]
#[case::without_name(json!([with(run("9", "FAILURE"), "name", ""), with(run("10", "SUCCESS"), "name", "")]), &["FAILURE", "SUCCESS"])]
#[case::no_run_of_actions(json!([with(run("9", "FAILURE"), "detailsUrl", "https://ci/9"), run("10", "SUCCESS")]), &["FAILURE", "SUCCESS"])]
#[case::later_end(json!([with(run("9", "SUCCESS"), "completedAt", "2026-01-02T00:00:00Z"), with(run("9", "FAILURE"), "startedAt", "2026-01-01T00:00:00Z")]), &["SUCCESS"])]
#[case::later_start(json!([with(run("9", "SUCCESS"), "startedAt", "2026-01-03T00:00:00Z"), with(run("9", "FAILURE"), "completedAt", "2026-01-02T00:00:00Z")]), &["SUCCESS"])]
#[case::a_time_over_none(json!([with(run("9", "SUCCESS"), "startedAt", "2026-01-03T00:00:00Z"), run("9", "FAILURE")]), &["SUCCESS"])]
#[case::last_of_equals(json!([run("9", "FAILURE"), run("9", "SUCCESS")]), &["SUCCESS"])]
#[case::run_over_time(json!([with(run("9", "FAILURE"), "startedAt", "2027-01-03T00:00:00Z"), run("10", "SUCCESS")]), &["SUCCESS"])]
fn runs_that_were_repeated(#[case] all: Value, #[case] expected: &[&str]) {
    let all = checks(all);
    let kept: Vec<_> = latest(&all)
        .into_iter()
        .map(|c| c.conclusion.clone().unwrap())
        .collect();
    assert_eq!(kept, expected);
}

#[rstest]
#[case("https://github.com/o/r/actions/runs/123/job/4", Some("123"))]
#[case("https://github.com/o/r/actions/runs/123", Some("123"))]
#[case("https://github.com/o/r/actions/runs/123?x=1", Some("123"))]
#[case("https://github.com/actions/runs/x/actions/runs/5", Some("5"))]
#[case("https://github.com/o/r/actions/runs/", None)]
#[case("https://ci.example/runs/5", None)]
#[case("", None)]
fn run_ids(#[case] url: &str, #[case] expected: Option<&str>) {
    let check = Check {
        details_url: Some(url.into()),
        ..Check::default()
    };
    assert_eq!(check.run_id(), expected);
}
