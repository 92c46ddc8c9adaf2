use super::*;
use crate::session::transcript::transcript_dir;

fn of(lines: &[&str]) -> Transcript {
    let tmp = tempfile::tempdir().unwrap();
    let (home, cwd) = (tmp.path(), tmp.path().join("work"));
    let dir = transcript_dir(home, &cwd);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("c-1.jsonl"), lines.join("\n")).unwrap();
    of_cli(home, &cwd, "c-1", &mut Budget::default())
}

fn line(kind: &str, uuid: &str, content: Value) -> Value {
    json!({
        "type": kind, "uuid": uuid, "sessionId": "c-1", "timestamp": "2026-11-22T11:25:36.027Z",
        "message": {"role": kind, "content": content},
    })
}

#[test]
fn prompts_answers_and_results_of_tools_are_told_apart() {
    let text = json!([{"type": "text", "text": "and"}, {"type": "text", "text": "this"}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]);
    let mut ran = line("user", "u-3", result);
    ran["toolUseResult"] = json!({"stdout": "x"});
    let lines = [
        line("user", "u-1", json!("hello")),
        line("assistant", "u-2", json!([{"type": "text", "text": "hi"}])),
        ran,
        line("user", "u-4", text),
    ];
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let found = of(&lines);
    assert_eq!(found.cut, None);
    let kinds: Vec<_> = found.said.iter().map(|said| said.kind).collect();
    use EntryKind::{ClaudeMessage, UserMessage};
    assert_eq!(
        kinds,
        [UserMessage, ClaudeMessage, ClaudeMessage, UserMessage]
    );
    assert_eq!(found.said[0].payload["text"], "hello");
    assert_eq!(found.said[1].payload["message"]["content"][0]["text"], "hi");
    assert_eq!(found.said[2].payload["tool_use_result"]["stdout"], "x");
    assert_eq!(found.said[3].payload["text"], "and\nthis");
    assert_eq!(found.said[3].payload["uuid"], "u-4");
    assert_eq!(
        found.said[0].at.to_rfc3339(),
        "2026-11-22T11:25:36.027+00:00"
    );
}

#[test]
fn noise_is_left_out() {
    let mut side = line("assistant", "s", json!("x"));
    side["isSidechain"] = json!(true);
    let mut meta = line("user", "m", json!("x"));
    meta["isMeta"] = json!(true);
    let mut undated = line("user", "d", json!("x"));
    undated["timestamp"] = json!("soon");
    let good = line("user", "g", json!("hello")).to_string();
    let (side, meta, undated) = (side.to_string(), meta.to_string(), undated.to_string());
    let lines = [
        &side,
        &meta,
        &undated,
        "not json",
        "{}",
        r#"{"type":"summary","summary":"x"}"#,
        &good,
        &good[..40],
    ];
    let found = of(&lines);
    assert_eq!(found.said.len(), 1);
    assert_eq!(found.said[0].payload["uuid"], "g");
}

#[test]
fn of_a_long_conversation_the_end_is_taken() {
    let lines: Vec<String> = (0..MOST + 3)
        .map(|n| line("user", &format!("u-{n}"), json!(n.to_string())).to_string())
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let found = of(&lines);
    assert_eq!(found.said.len(), MOST);
    assert_eq!(found.said[0].payload["uuid"], "u-3");
    assert_eq!(found.cut, Some(OLDER_LEFT_OUT));
}

#[test]
fn what_is_too_much_is_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("closed.json");
    std::fs::write(&file, r#"{"messages": []}"#).unwrap();
    let mut budget = Budget(20);
    assert_eq!(of_closed(&file, &mut budget).cut, None);
    assert_eq!(of_closed(&file, &mut budget).cut, Some(TOO_MUCH));
}

#[test]
fn the_file_of_a_closed_session_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("closed.json");
    let at = "2026-11-22T11:25:36.027Z";
    let agent = json!({"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}});
    let messages = json!([
        {"id": "m-1", "source": "user", "text": "hello", "timestamp": at, "order": 0},
        {"id": "s-1", "source": "agent", "message": agent, "timestamp": at, "order": 1},
        {"id": "s-2", "source": "agent", "timestamp": at, "order": 2},
        {"id": "s-3", "source": "else", "timestamp": at},
    ]);
    std::fs::write(
        &file,
        json!({"version": 1, "messages": messages}).to_string(),
    )
    .unwrap();
    let found = of_closed(&file, &mut Budget::default());
    assert_eq!(found.said.len(), 2);
    assert_eq!(found.said[0].payload["text"], "hello");
    assert_eq!(found.said[1].payload["message"]["content"][0]["text"], "hi");
    assert_eq!(found.said[1].payload["uuid"], "s-1");
    std::fs::write(&file, "not json").unwrap();
    assert_eq!(
        of_closed(&file, &mut Budget::default()),
        Transcript::default()
    );
}
