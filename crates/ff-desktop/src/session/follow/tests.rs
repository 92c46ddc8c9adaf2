use std::sync::atomic::{AtomicU64, Ordering};

use ff_protocol::session::{EntryKind, JournalEntry, PermissionPreset};
use ff_protocol::workspace::CloudWorkspace;
use serde_json::{Value, json};

use super::*;

fn session() -> Session {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    Session {
        id: "s-1".parse().unwrap(),
        workspace_id: "w-1".parse().unwrap(),
        name: None,
        workflow: "followup".into(),
        model: None,
        permissions: PermissionPreset::Relaxed,
        status: SessionStatus::Running,
        activity: Activity::Working,
        last_turn: None,
        error: None,
        provider_session_id: "p".into(),
        permission_mode: Default::default(),
        thinking_tokens: None,
        fork_of: None,
        queued: 0,
        held: false,
        total_cost_usd: None,
        warning: None,
        closed_at: None,
        created_at: now,
        updated_at: now,
    }
}

fn turn(outcome: TurnOutcome, at: &str) -> LastTurn {
    LastTurn {
        outcome,
        reason: None,
        result: None,
        ended_at: at.parse().unwrap(),
        failure: None,
        usage: None,
        cost_usd: None,
    }
}

fn entry(session: &str, kind: EntryKind, payload: Value) -> Happening {
    static SEQ: AtomicU64 = AtomicU64::new(1);
    Happening::Entry(Box::new(JournalEntry {
        seq: SEQ.fetch_add(1, Ordering::Relaxed),
        session_id: session.parse().unwrap(),
        kind,
        payload,
        created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }))
}

fn assistant(content: Value) -> Happening {
    let payload = json!({"type": "assistant", "message": {"content": content}});
    entry("s-1", EntryKind::ClaudeMessage, payload)
}

fn known() -> Known {
    Known {
        id: "w-1".parse().unwrap(),
        local: None::<ff_protocol::workspace::Workspace>,
        cloud: None::<CloudWorkspace>,
    }
}

#[test]
fn a_turn_ends_when_a_new_one_is_over_and_nothing_works() {
    let mut now = session();
    assert!(!has_ended(&now, &Before::default()));
    now.last_turn = Some(turn(TurnOutcome::Completed, "2026-01-01T00:00:01Z"));
    assert!(!has_ended(&now, &Before::default()), "the CLI still works");
    now.activity = Activity::Idle;
    assert!(has_ended(&now, &Before::default()));
    let mut before = Before {
        last_turn: now.last_turn.clone(),
        ..Before::default()
    };
    assert!(!has_ended(&now, &before), "that was the turn before");
    now.status = SessionStatus::Failed;
    assert!(has_ended(&now, &before));
    before.failed_at = Some(now.updated_at);
    assert!(!has_ended(&now, &before), "it had failed before");
    now.updated_at += std::time::Duration::from_secs(1);
    assert!(has_ended(&now, &before), "it failed again");
}

#[test]
fn only_a_completed_turn_is_success() {
    let mut now = session();
    now.activity = Activity::Idle;
    now.last_turn = Some(turn(TurnOutcome::Completed, "2026-01-01T00:00:01Z"));
    assert!(verdict(&known(), &now).is_ok());
    for (outcome, exit) in [
        (TurnOutcome::Failed, Exit::Failed),
        (TurnOutcome::TimedOut, Exit::Failed),
        (TurnOutcome::Interrupted, Exit::Interrupted),
    ] {
        now.last_turn = Some(turn(outcome, "2026-01-01T00:00:01Z"));
        assert_eq!(verdict(&known(), &now).unwrap_err().exit, exit);
    }
    now.status = SessionStatus::Failed;
    now.error = Some("claude is not there".into());
    let failure = verdict(&known(), &now).unwrap_err();
    assert!(failure.text.contains("claude is not there"));
}

#[test]
fn text_that_was_streamed_is_not_shown_again() {
    let mut render = Render::new("s-1".parse().unwrap(), 0);
    let delta = |text: &str| Happening::Delta("s-1".parse().unwrap(), text.into());
    assert_eq!(render.show(&delta("Hel")).text, "Hel");
    assert_eq!(render.show(&delta("lo")).text, "lo");
    let whole = assistant(json!([{"type": "text", "text": "Hello!"}]));
    assert_eq!(render.show(&whole).text, "!\n");
    let unstreamed = assistant(json!([{"type": "text", "text": "Bye"}]));
    assert_eq!(render.show(&unstreamed).text, "Bye\n");
    assert_eq!(render.end(), "");
}

#[test]
fn a_tool_call_is_one_short_line() {
    let mut render = Render::new("s-1".parse().unwrap(), 0);
    let call = json!([{"type": "tool_use", "name": "Bash", "input": {"command": "ls\n  -l"}}]);
    assert_eq!(render.show(&assistant(call)).lines, ["> Bash: ls -l"]);
    let long =
        json!([{"type": "tool_use", "name": "Write", "input": {"file_path": "x".repeat(500)}}]);
    let lines = render.show(&assistant(long)).lines;
    assert_eq!(lines[0].chars().count(), 120);
}

#[test]
fn a_message_that_waits_for_a_login_says_so() {
    let mut render = Render::new("s-1".parse().unwrap(), 0);
    let payload = json!({"type": "login_required", "reason": "Not logged in", "uuid": "u"});
    let waits = render.show(&entry("s-1", EntryKind::ClaudeMessage, payload));
    assert_eq!(waits.lines.len(), 1);
    for words in ["Not logged in", "claude auth login"] {
        assert!(waits.lines[0].contains(words), "{}", waits.lines[0]);
    }
}

#[test]
fn other_sessions_of_the_workspace_are_left_out() {
    let mut render = Render::new("s-1".parse().unwrap(), 0);
    let payload = json!({"type": "assistant", "message": {"content": "theirs"}});
    let theirs = entry("s-2", EntryKind::ClaudeMessage, payload);
    assert_eq!(render.show(&theirs), render::Shown::default());
    let delta = Happening::Delta("s-2".parse().unwrap(), "theirs".into());
    assert_eq!(render.show(&delta), render::Shown::default());
}

#[test]
fn a_question_lists_its_choices() {
    let payload = json!({
        "requestId": "r-1", "kind": "question", "toolName": "AskUserQuestion",
        "input": {"questions": [{"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]}]},
    });
    let mut render = Render::new("s-1".parse().unwrap(), 0);
    let shown = render.show(&entry("s-1", EntryKind::Request, payload));
    let request = shown.request.unwrap();
    assert_eq!(request.lines(), ["? Which?", "  1) red", "  2) blue"]);
    assert!(!request.refusal("no").allow);
}

#[test]
fn what_was_there_before_is_not_shown() {
    let mut render = Render::new("s-1".parse().unwrap(), u64::MAX - 1);
    let old = assistant(json!([{"type": "text", "text": "old"}]));
    assert_eq!(render.show(&old), render::Shown::default());
}
