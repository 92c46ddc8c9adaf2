//! What the CLI might say: anything at all, and its own lines with damage.
//!
//! A case that failed once is kept in `proptest-regressions` and tried first ever after.

mod damage;
mod reading;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseResult, TestRunner};
use serde_json::Value;

/// How often something was generated.
#[derive(Default)]
pub(super) struct Counts(RefCell<BTreeMap<String, u32>>);

impl Counts {
    pub(super) fn add(&self, what: &str) {
        *self.0.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    /// Prints them. Fails if one of `needed` never came: then the cases show less than they claim.
    pub(super) fn told(&self, name: &str, needed: &[&str]) {
        let counts = self.0.borrow();
        println!("{name}: {counts:?}");
        for what in needed {
            assert!(counts.contains_key(*what), "{name}: never {what}");
        }
    }
}

/// Tries `cases` cases.
pub(super) fn check<S: Strategy<Value: Debug>>(
    cases: u32,
    source: &'static str,
    strategy: S,
    test: impl Fn(S::Value) -> TestCaseResult,
) {
    let kept = FileFailurePersistence::SourceParallel("proptest-regressions");
    let config = ProptestConfig {
        cases,
        source_file: Some(source),
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("{error}");
    }
}

/// Words that mean something in a line, so that chance meets the reader's branches.
const WORDS: [&str; 42] = [
    "type",
    "subtype",
    "system",
    "init",
    "status",
    "stream_event",
    "assistant",
    "user",
    "result",
    "control_request",
    "control_response",
    "control_cancel_request",
    "command_lifecycle",
    "conversation_reset",
    "background_tasks_changed",
    "tasks",
    "task_id",
    "session_id",
    "request_id",
    "request",
    "response",
    "can_use_tool",
    "tool_name",
    "input",
    "event",
    "delta",
    "text_delta",
    "thinking_delta",
    "text",
    "thinking",
    "message",
    "content",
    "tool_use",
    "tool_result",
    "id",
    "tool_use_id",
    "is_error",
    "errors",
    "usage",
    "total_cost_usd",
    "api_error_status",
    "error",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

/// Any JSON, with the reader's own words in it.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Any object that calls itself a line of a known kind.
fn line() -> impl Strategy<Value = Value> {
    let kind = proptest::sample::select(&WORDS[2..14]);
    let inner = proptest::sample::select(&WORDS[..]);
    let fields = proptest::collection::vec((word(), json()), 0..8);
    (kind, inner, fields, json()).prop_map(|(kind, inner, fields, body)| {
        let mut line = Value::Object(fields.into_iter().collect());
        line["type"] = kind.into();
        line["subtype"] = inner.into();
        line["request_id"] = "r".into();
        line["event"] = body.clone();
        line["message"] = body;
        line
    })
}
