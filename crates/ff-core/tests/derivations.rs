//! The derivations against what the original application computed.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../examples/derive/samples.rs"]
mod samples;

use samples::{Report, judge};
use serde_json::{Value, json};

fn report(text: &str) -> Report {
    let report = judge(serde_json::from_str(text).unwrap()).unwrap();
    println!(
        "{}: {} rows, {} passed, {} by choice, {} failed",
        report.derivation,
        report.rows(),
        report.passed,
        report.chosen,
        report.failed.len()
    );
    report
}

macro_rules! fixture {
    ($name:ident, $rows:literal) => {
        #[test]
        fn $name() {
            let report = report(include_str!(concat!(
                "fixtures/derivations/",
                stringify!($name),
                ".json"
            )));
            assert_eq!(report.derivation, stringify!($name));
            assert!(report.failed.is_empty(), "{:#?}", report.failed);
            assert_eq!((report.passed, report.chosen), ($rows, 0));
        }
    };
}

fixture!(ci_status, 10);
fixture!(pr_state, 8);
fixture!(ratchet_state, 149);
fixture!(flow_state, 261);
fixture!(init_policy, 16);
fixture!(status_reason, 528);

fn ci_row(check: Value, sync: &str, ratchet: &str, key: &str) -> Value {
    let key = format!("pr:7|ci:{key}|no-changes-requested:none|merge:clean");
    json!([{"rollup": [check], "viaPrSync": sync, "viaRatchet": ratchet, "snapshotKey": key}])
}

#[test]
fn where_the_original_reads_checks_in_two_ways_one_is_taken() {
    let failed = json!({"name": "b", "status": "COMPLETED", "conclusion": "STARTUP_FAILURE"});
    let waits = json!({"name": "b", "status": "WAITING", "conclusion": ""});
    for (check, sync, ratchet, key) in [
        (&failed, "FAILURE", "UNKNOWN", "UNKNOWN"),
        (&waits, "UNKNOWN", "PENDING", "PENDING"),
    ] {
        let report = judge(ci_row(check.clone(), sync, ratchet, key)).unwrap();
        assert_eq!(report.chosen, 1, "{:?}", report.failed);
    }
}

/// The judge must be able to fail.
#[test]
fn a_wrong_sample_is_seen() {
    let passes = json!({"name": "b", "status": "COMPLETED", "conclusion": "SUCCESS"});
    let waits = json!({"name": "b", "status": "WAITING", "conclusion": ""});
    let wrong = [
        ci_row(passes.clone(), "FAILURE", "FAILURE", "FAILURE:unknown"),
        ci_row(passes.clone(), "SUCCESS", "SUCCESS", "PENDING"),
        ci_row(passes, "FAILURE", "SUCCESS", "SUCCESS"),
        ci_row(waits, "UNKNOWN", "PENDING", "UNKNOWN"),
        json!([{"in": {"state": "OPEN", "isDraft": true, "reviewDecision": null}, "out": "OPEN"}]),
    ];
    for sample in wrong {
        assert_eq!(judge(sample.clone()).unwrap().failed.len(), 1, "{sample}");
    }
    assert!(judge(json!([{"in": {"x": 1}, "out": 2}])).is_err());
    assert!(judge(json!([])).is_err());
}
