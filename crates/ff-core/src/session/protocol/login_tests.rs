use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::session::protocol::parse;

/// Lines of the CLI 2.1.330, cut to the fields that matter; made with an API and a token host
/// that answer as the case says.
const RECORDED: &str = include_str!("login_lines.jsonl");

fn of(line: &Value) -> Option<Sign> {
    sign(&parse(line.to_string().as_bytes()).unwrap())
}

fn recorded(case: &str) -> Vec<(String, Option<Sign>)> {
    let lines = RECORDED.lines().map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        (entry["case"].clone(), entry["line"].clone())
    });
    let lines: Vec<_> = lines
        .filter(|(name, _)| name == case)
        .map(|(_, line)| (line["type"].as_str().unwrap().to_owned(), of(&line)))
        .collect();
    assert!(!lines.is_empty(), "there is no case {case}");
    lines
}

fn out(reason: &str, absent: bool) -> Option<Sign> {
    let reason = reason.to_owned();
    Some(Sign::LoggedOut(LoggedOut { reason, absent }))
}

#[rstest]
#[case::no_login("no login", "Not logged in · Please run /login", true)]
#[case::refresh_refused(
    "dead refresh",
    "Failed to authenticate: OAuth session expired and could not be refreshed",
    false
)]
#[case::expired(
    "expired no refresh",
    "Failed to authenticate. API Error: 401 Invalid bearer token",
    false
)]
#[case::api_key("bad key", "Invalid API key · Fix external API key", false)]
#[case::revoked_403(
    "403",
    "Failed to authenticate: OAuth token revoked. Please log in again or contact your administrator.",
    false
)]
#[case::revoked_401(
    "401 revoked",
    "Failed to authenticate: OAuth token revoked. Please log in again or contact your administrator.",
    false
)]
fn every_recorded_form_is_recognised(
    #[case] name: &str,
    #[case] reason: &str,
    #[case] absent: bool,
) {
    let mut seen = Vec::new();
    for (kind, sign) in recorded(name) {
        let expected = (kind != "system").then(|| out(reason, absent)).flatten();
        assert_eq!(sign, expected, "{kind}");
        seen.push(kind);
    }
    assert!(
        seen.ends_with(&["assistant".to_owned(), "result".to_owned()]),
        "{seen:?}"
    );
}

#[test]
fn a_turn_that_works_is_an_answer_and_says_no_more() {
    let signs = recorded("fine");
    assert_eq!(signs[0], ("assistant".to_owned(), Some(Sign::Answered)));
    assert!(
        signs[1..].iter().all(|(_, sign)| sign.is_none()),
        "{signs:?}"
    );
    let delta = json!({"type":"stream_event","event":{"type":"message_start"}});
    assert_eq!(of(&delta), Some(Sign::Answered));
}

#[rstest]
#[case::old("Invalid API key · Please run /login")]
#[case::revoked("OAuth token revoked · Please run /login")]
#[case::expired("Login expired · Please run /login")]
#[case::limit("Login reached its time limit · Please run /login")]
#[case::api(
    "API Error: 401 {\"error\":{\"message\":\"OAuth token has expired.\"}} · Please run /login"
)]
fn results_without_an_error_field_are_recognised_by_their_text(#[case] text: &str) {
    let line = json!({"type":"result","subtype":"success","is_error":true,"result":text});
    assert_eq!(of(&line), out(text, false));
    let fine = json!({"type":"result","subtype":"success","is_error":false,"result":text});
    assert_eq!(of(&fine), None, "the model may say so");
    let noise = format!("warning: x\n  {text}\nmore");
    assert_eq!(
        LoggedOut::in_text(&noise).map(Sign::LoggedOut),
        out(text, false)
    );
}

#[test]
fn other_failures_are_none_of_ours() {
    for text in [
        "API Error: 529 Overloaded",
        "Credit balance is too low",
        "rate limited",
    ] {
        let line = json!({"type":"result","subtype":"success","is_error":true,"result":text,"api_error_status":529});
        assert_eq!(of(&line), None, "{text}");
    }
    let line = json!({"type":"assistant","message":{"content":[]},"error":"rate_limit"});
    assert_eq!(of(&line), None);
    let cut = json!({"type":"result","subtype":"error_during_execution","is_error":true,
        "errors":["Please run /login"],"terminal_reason":"aborted_streaming"});
    assert_eq!(of(&cut), None, "it was cut, not refused");
    assert_eq!(
        LoggedOut::in_text("No conversation found with session ID: x"),
        None
    );
}

#[test]
fn a_refresh_that_another_cli_makes_is_no_logout() {
    let text = "Failed to refresh OAuth token: another Claude Code process is refreshing it or exited mid-refresh. This is usually transient";
    let said = json!({"type":"assistant","message":{"content":[{"type":"text","text":text}]},"error":"server_error"});
    let ended = json!({"type":"result","subtype":"success","is_error":true,"result":text});
    assert_eq!(
        (of(&said), of(&ended)),
        (Some(Sign::Busy), Some(Sign::Busy))
    );
}

#[test]
fn a_reason_is_short_on_one_line_and_without_tokens() {
    let text = format!(
        "Failed to authenticate: token sk-ant-oat01-{} \u{1b}[31mis bad\n",
        "x".repeat(90)
    );
    let said = LoggedOut::in_text(&text).unwrap();
    assert_eq!(said.reason, "Failed to authenticate: token … [31mis bad");
    let long = LoggedOut::in_text(&format!("Not logged in {}", "y".repeat(5000))).unwrap();
    assert_eq!(
        (long.reason.chars().count(), long.absent),
        (LONGEST_REASON, true)
    );
}
