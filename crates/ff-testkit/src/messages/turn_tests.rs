use serde_json::json;

use super::*;

fn turn(messages: Value) -> Turn {
    Turn::from_body(
        &json!({"model": "m", "messages": messages, "tools": [{"name": "Bash"}]}),
        None,
    )
}

fn result(id: &str, content: Value) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": content})
}

#[test]
fn the_prompt_is_the_last_text_the_user_typed() {
    let read = turn(json!([
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
        {"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nnever mind\n</system-reminder>"},
            {"type": "text", "text": "new <system-reminder>x</system-reminder>"},
            {"type": "text", "text": "<system-reminder>unclosed"},
        ]},
        {"role": "system", "content": "an aside"},
    ]));
    assert_eq!(read.prompt, "new");
    assert_eq!(read.n_messages, 4);
    assert!(read.results.is_empty() && read.offers("Bash") && !read.is_side_request());
}

#[test]
fn results_since_the_prompt_keep_order_name_and_error() {
    let mut failed = result(
        "t2",
        json!([{"type": "text", "text": "a"}, {"type": "image"}]),
    );
    failed["is_error"] = true.into();
    let read = turn(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [result("t1", json!("one"))]},
        {"role": "user", "content": [failed]},
    ]));
    let texts: Vec<_> = read
        .results
        .iter()
        .map(|r| (r.text.as_str(), r.is_error))
        .collect();
    assert_eq!(texts, [("one", false), ("a\n[image]", true)]);
    assert_eq!(read.results[0].name.as_deref(), Some("Bash"));
}

#[test]
fn after_an_interrupt_the_new_text_starts_a_new_turn() {
    let read = turn(json!([
        {"role": "user", "content": "go"},
        {"role": "user", "content": [
            result("t1", json!("stopped")),
            {"type": "text", "text": "[Request interrupted by user for tool use]"},
            {"type": "text", "text": "again"},
        ]},
    ]));
    assert_eq!(read.prompt, "again");
    assert!(read.results.is_empty());
}

#[test]
fn a_message_sent_mid_turn_is_no_new_prompt() {
    let read = turn(json!([
        {"role": "user", "content": "go"},
        {"role": "user", "content": [result("t1", json!("one"))]},
        {"role": "system", "content": [{"type": "text", "text": format!(
            "{MID_TURN_MARK}\nfaster\n\nThis is how Claude Code surfaces it.\n\n{MID_TURN_MARK}\nthen\n\nstop"
        )}]},
    ]));
    assert_eq!(read.prompt, "go");
    assert_eq!(read.results.len(), 1);
    assert_eq!(read.interjections, ["faster", "then\n\nstop"]);
}

#[test]
fn the_session_comes_from_the_header_or_the_metadata() {
    let body = json!({"metadata": {"user_id": "{\"session_id\":\"s1\"}"}});
    assert_eq!(
        Turn::from_body(&body, None).session_id.as_deref(),
        Some("s1")
    );
    assert_eq!(
        Turn::from_body(&body, Some("s2")).session_id.as_deref(),
        Some("s2")
    );
    assert!(Turn::from_body(&Value::Null, None).is_side_request());
}
