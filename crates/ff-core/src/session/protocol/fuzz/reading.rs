//! Reading one line.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::damage::{edits, hits};
use super::{Counts, check, json, line};
use crate::session::protocol::incoming::{Message, parse};

/// Lines of CLI 2.1.330 as it wrote them.
const REAL: &str = include_str!("real_lines.jsonl");

const KINDS: [&str; 11] = [
    "system",
    "stream_event",
    "assistant",
    "user",
    "result",
    "control_request",
    "control_response",
    "control_cancel",
    "command_lifecycle",
    "conversation_reset",
    "unknown",
];

fn real() -> impl Strategy<Value = &'static str> {
    select(REAL.lines().collect::<Vec<_>>())
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::System(_) => "system",
        Message::StreamEvent(_) => "stream_event",
        Message::Assistant(_) => "assistant",
        Message::User(_) => "user",
        Message::Result(_) => "result",
        Message::ControlRequest(_) => "control_request",
        Message::ControlResponse(_) => "control_response",
        Message::ControlCancel { .. } => "control_cancel",
        Message::CommandLifecycle(_) => "command_lifecycle",
        Message::ConversationReset { .. } => "conversation_reset",
        Message::Unknown => "unknown",
    }
}

/// Asks a message all that the driver would ask it.
fn question(message: &Message) -> Result<(), TestCaseError> {
    match message {
        Message::StreamEvent(event) => {
            let told = event.delta().is_some();
            prop_assert!(!told || event.parent_tool_use_id.is_none());
        }
        Message::Result(result) => {
            prop_assert_eq!(result.kind().is_some(), result.is_error);
            let _ = (result.aborted(), result.answers("u"));
            let why = result.failure();
            prop_assert!(
                !why.is_empty() && why.chars().count() <= 2_100,
                "{}",
                why.len()
            );
        }
        _ => {}
    }
    Ok(())
}

/// Reads a line that is JSON, whole.
fn read(line: &Value, counts: &Counts) -> Result<(), TestCaseError> {
    let text = line.to_string();
    let read =
        parse(text.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    // Not every number comes back as it was; what a second writing says is what counts.
    let again: Value = serde_json::from_str(&text).unwrap_or_default();
    prop_assert_eq!(&read.raw, &again);
    counts.add(kind(&read.message));
    question(&read.message)
}

#[test]
fn real_lines_are_all_understood() {
    let counts = Counts::default();
    for line in REAL.lines() {
        let read = parse(line.as_bytes()).unwrap();
        counts.add(kind(&read.message));
        // What 2.1.330 says and we have no use for.
        let known = !matches!(read.message, Message::Unknown) || line.contains("rate_limit_event");
        assert!(known, "{line}");
        question(&read.message).unwrap();
    }
    counts.told("real lines", &KINDS[..10]);
}

#[test]
fn any_json_is_read_and_kept_whole() {
    let counts = Counts::default();
    check(2_000, file!(), prop_oneof![json(), line()], |line| {
        read(&line, &counts)
    });
    let needed = [
        "unknown",
        "system",
        "stream_event",
        "assistant",
        "user",
        "result",
    ];
    counts.told("any JSON", &needed);
}

#[test]
fn real_lines_with_other_contents_are_read_and_kept_whole() {
    let counts = Counts::default();
    let strategy = (real(), edits());
    check(3_000, file!(), strategy, |(line, edits)| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_default();
        for edit in &edits {
            edit.apply(&mut line);
        }
        read(&line, &counts)
    });
    counts.told("edited lines", &KINDS);
}

#[test]
fn real_lines_with_broken_bytes_are_read_if_and_only_if_they_are_json() {
    let counts = Counts::default();
    let strategy = (real(), hits());
    check(3_000, file!(), strategy, |(line, hits)| {
        let mut line = line.as_bytes().to_vec();
        for hit in &hits {
            hit.apply(&mut line);
        }
        bytes(&line, &counts)
    });
    counts.told("broken lines", &["not JSON", "system", "result"]);
}

#[test]
fn any_bytes_are_refused_or_read() {
    let counts = Counts::default();
    let nested = (0usize..4_000).prop_map(|deep| "[".repeat(deep).into_bytes());
    let strategy = prop_oneof![
        any::<Vec<u8>>(),
        ".{0,200}".prop_map(String::into_bytes),
        nested
    ];
    check(3_000, file!(), strategy, |line| bytes(&line, &counts));
    counts.told("any bytes", &["not JSON"]);
}

fn bytes(line: &[u8], counts: &Counts) -> Result<(), TestCaseError> {
    let expected = serde_json::from_slice::<Value>(line).ok();
    let read = parse(line).ok();
    prop_assert_eq!(read.as_ref().map(|read| &read.raw), expected.as_ref());
    match &read {
        Some(read) => {
            counts.add(kind(&read.message));
            question(&read.message)
        }
        None => {
            counts.add("not JSON");
            Ok(())
        }
    }
}
