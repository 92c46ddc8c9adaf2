use std::sync::atomic::{AtomicU64, Ordering};

use ff_protocol::session::{EntryKind, JournalEntry, PermissionMode, PermissionPreset};
use ff_protocol::socket::{ClientFrame, DeltaKind};
use ff_protocol::workspace::CloudWorkspace;
use serde_json::{Value, json};

use super::render::Shown;
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
        permission_mode: PermissionMode::Default,
        thinking_tokens: None,
        fork_of: None,
        queued: 0,
        held: false,
        login_required: None,
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
        failure: None,
        result: None,
        usage: None,
        cost_usd: None,
        ended_at: at.parse().unwrap(),
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

fn render(look: Look) -> Render {
    Render::new("s-1".parse().unwrap(), 0, look)
}

fn delta(text: &str) -> Happening {
    Happening::Delta("s-1".parse().unwrap(), DeltaKind::Text, text.into())
}

fn thinking(text: &str) -> Happening {
    Happening::Delta("s-1".parse().unwrap(), DeltaKind::Thinking, text.into())
}

fn known() -> Known {
    Known {
        id: "w-1".parse().unwrap(),
        local: None::<ff_protocol::workspace::Workspace>,
        cloud: None::<CloudWorkspace>,
        cloud_told: false,
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
    let mut render = render(Look::default());
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
    let mut render = render(Look::default());
    let call = json!([{"type": "tool_use", "name": "Bash", "input": {"command": "ls\n  -l"}}]);
    assert_eq!(render.show(&assistant(call)).lines, ["> Bash: ls -l"]);
    let long =
        json!([{"type": "tool_use", "name": "Write", "input": {"file_path": "x".repeat(500)}}]);
    let lines = render.show(&assistant(long)).lines;
    assert_eq!(lines[0].chars().count(), 120);
}

#[test]
fn a_message_that_waits_for_a_login_says_so() {
    let mut render = render(Look::default());
    let payload = json!({"type": "login_required", "reason": "Not logged in", "uuid": "u"});
    let waits = render.show(&entry("s-1", EntryKind::ClaudeMessage, payload));
    assert_eq!(waits.lines.len(), 1);
    for words in ["Not logged in", "claude auth login"] {
        assert!(waits.lines[0].contains(words), "{}", waits.lines[0]);
    }
}

#[test]
fn other_sessions_of_the_workspace_are_left_out() {
    let mut render = render(Look::default());
    let payload = json!({"type": "assistant", "message": {"content": "theirs"}});
    let theirs = entry("s-2", EntryKind::ClaudeMessage, payload);
    assert_eq!(render.show(&theirs), Shown::default());
    let delta = Happening::Delta("s-2".parse().unwrap(), DeltaKind::Text, "theirs".into());
    assert_eq!(render.show(&delta), Shown::default());
}

#[test]
fn a_question_lists_its_choices() {
    let payload = json!({
        "requestId": "r-1", "kind": "question", "toolName": "AskUserQuestion",
        "input": {"questions": [{"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]}]},
    });
    let mut render = render(Look::default());
    let shown = render.show(&entry("s-1", EntryKind::Request, payload));
    let request = shown.request.unwrap();
    assert_eq!(request.lines(), ["? Which?", "  1) red", "  2) blue"]);
    assert!(!request.refusal("no").allow);
}

#[test]
fn what_was_there_before_is_not_shown() {
    let mut render = Render::new("s-1".parse().unwrap(), u64::MAX - 1, Look::default());
    let old = assistant(json!([{"type": "text", "text": "old"}]));
    assert_eq!(render.show(&old), Shown::default());
}

#[test]
fn what_was_caught_up_with_is_not_shown_again() {
    let mut render = render(Look::default());
    assert_eq!(render.show(&delta("Hel")).text, "Hel");
    render.show(&Happening::CaughtUp);
    assert_eq!(render.show(&delta("Hello, wor")).text, "lo, wor");
    assert_eq!(render.show(&delta("ld")).text, "ld");
    render.show(&Happening::CaughtUp);
    let whole = assistant(json!([{"type": "text", "text": "Hello, world!"}]));
    assert_eq!(render.show(&whole).text, "!\n");
    assert_eq!(render.show(&delta("Next")).text, "Next", "another message");
}

#[test]
fn a_hole_in_what_was_streamed_loses_nothing() {
    let mut render = render(Look::default());
    render.show(&delta("one "));
    render.show(&delta("three"));
    let whole = assistant(json!([{"type": "text", "text": "one two three"}]));
    assert_eq!(render.show(&whole).text, "\nwo three\n");
}

#[test]
fn a_subagent_writes_between_the_pieces() {
    let mut render = render(Look::default());
    render.show(&delta("Hel"));
    let payload = json!({"type": "assistant", "parent_tool_use_id": "t", "message": {"content": [
        {"type": "tool_use", "name": "Read", "input": {"file_path": "a.rs"}}]}});
    let shown = render.show(&entry("s-1", EntryKind::ClaudeMessage, payload));
    assert_eq!(
        (shown.text.as_str(), &*shown.lines),
        ("\n", &["  > Read: a.rs".to_owned()][..])
    );
    assert_eq!(render.show(&delta("lo")).text, "lo");
    let whole = assistant(json!([{"type": "text", "text": "Hello"}]));
    assert_eq!(render.show(&whole).text, "\n");
}

#[test]
fn thinking_stands_back_and_is_left_out_where_only_the_answer_counts() {
    assert_eq!(render(Look::default()).show(&thinking("hm")).text, "");
    let mut detailed = render(Look {
        colour: true,
        detail: true,
    });
    assert_eq!(detailed.show(&thinking("hm")).text, "\u{1b}[2mhm\u{1b}[0m");
    assert_eq!(detailed.show(&delta("Yes")).text, "\nYes");
}

#[test]
fn no_escape_of_the_model_reaches_the_terminal() {
    let evil = "\u{1b}]0;x\u{7}";
    let mut render = render(Look {
        colour: false,
        detail: true,
    });
    let calls = json!([{"type": "tool_use", "name": evil, "input": {"command": evil}}]);
    let plan =
        json!({"requestId": "r-1", "kind": "plan", "toolName": evil, "input": {"plan": evil}});
    let result =
        json!({"type": "user", "message": {"content": [{"type": "tool_result", "content": evil}]}});
    let happenings = [
        delta(evil),
        thinking(evil),
        assistant(json!([{"type": "text", "text": evil}])),
        assistant(calls),
        entry("s-1", EntryKind::ClaudeMessage, result),
        entry("s-1", EntryKind::Request, plan),
        Happening::Note(evil.into()),
    ];
    let mut all = String::new();
    for happening in &happenings {
        let shown = render.show(happening);
        all.push_str(&shown.text);
        all.extend(shown.lines);
        all.extend(
            shown
                .request
                .into_iter()
                .flat_map(|request| request.lines()),
        );
    }
    assert!(all.matches("x\u{2407}").count() >= 6, "{all:?}");
    assert!(!all.contains(['\u{1b}', '\u{7}']), "{all:?}");
}

fn result_of(result: Value, is_error: bool) -> Vec<String> {
    let payload = json!({"type": "user", "tool_use_result": result, "message": {"content": [
        {"type": "tool_result", "is_error": is_error, "content": "first\n\nsecond\nthird"}]}});
    let mut render = render(Look {
        colour: true,
        detail: true,
    });
    render
        .show(&entry("s-1", EntryKind::ClaudeMessage, payload))
        .lines
}

#[test]
fn a_result_is_short_and_a_change_is_a_diff() {
    let dim = |text: &str| format!("\u{1b}[2m{text}\u{1b}[0m");
    assert_eq!(
        result_of(json!({"stdout": "x"}), false),
        [dim("  < first (+2 lines)")]
    );
    assert_eq!(
        result_of(json!("no"), true),
        ["\u{1b}[31m  ! first (+2 lines)\u{1b}[0m"]
    );
    let edit = json!({"structuredPatch": [{"lines": [" same", "-old", "+new"]}]});
    assert_eq!(
        result_of(edit, false),
        [
            dim("   same"),
            "\u{1b}[31m  -old\u{1b}[0m".into(),
            "\u{1b}[32m  +new\u{1b}[0m".into()
        ]
    );
    let long = json!({"type": "create", "structuredPatch": [], "content": "line\n".repeat(100)});
    let lines = result_of(long, false);
    assert_eq!(lines.len(), 41);
    assert_eq!(lines[40], dim("  ... 60 more lines"));
}

fn dialog(payload: Value) -> Dialog {
    Dialog::new(Request::of(&payload).unwrap())
}

#[test]
fn a_permission_is_given_or_refused_with_a_reason() {
    let asked = || {
        dialog(json!({"requestId": "r-1", "kind": "permission", "toolName": "Bash", "input": {}}))
    };
    for (line, allow, message) in [
        ("Y", true, None),
        ("n", false, Some("the user refused")),
        ("", false, Some("the user refused")),
        ("use make instead", false, Some("use make instead")),
    ] {
        let answer = asked().hear(Some(line)).unwrap();
        assert_eq!(
            (answer.allow, answer.message.as_deref()),
            (allow, message),
            "{line}"
        );
        let frame = asked().request().frame(&session().id, answer);
        assert!(
            matches!(&frame, ClientFrame::PermissionResponse { allow: given, .. } if *given == allow),
            "{frame:?}"
        );
    }
    assert!(
        !asked().hear(None).unwrap().allow,
        "the end of input refuses"
    );
}

#[test]
fn each_question_is_answered_by_number_or_text() {
    let mut dialog = dialog(json!({
        "requestId": "r-1", "kind": "question", "toolName": "AskUserQuestion",
        "input": {"questions": [
            {"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]},
            {"question": "What else?", "multiSelect": true, "options": [{"label": "a"}, {"label": "b"}, {"label": "c"}]},
        ]},
    }));
    assert!(dialog.asks().starts_with("Which?"));
    assert!(dialog.hear(Some("")).is_none());
    assert!(dialog.hear(Some("2")).is_none());
    assert!(dialog.asks().starts_with("What else?"));
    let answer = dialog.hear(Some("1, 3")).unwrap();
    let given = |frame| match frame {
        ClientFrame::QuestionResponse { answers, other, .. } => (answers, other),
        other => panic!("no answer to a question: {other:?}"),
    };
    let (answers, other) = given(dialog.request().frame(&session().id, answer));
    let answers = answers.unwrap();
    assert_eq!(
        (&*answers["Which?"], &*answers["What else?"]),
        ("blue", "a, c")
    );
    assert_eq!(other, None);
    // As it stands there, and what does not.
    assert!(dialog.hear(Some("red")).is_none());
    let answer = dialog.hear(Some("1, 1")).unwrap();
    let (answers, other) = given(dialog.request().frame(&session().id, answer));
    assert_eq!(answers.unwrap()["Which?"], "red");
    assert_eq!(other.unwrap()["What else?"], "1, 1");
}
