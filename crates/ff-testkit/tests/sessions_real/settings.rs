//! Settings that a user changes while the CLI runs, as the API sees them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::vm::{Vm, entries};
use ff_protocol::session::EntryKind;

#[tokio::test]
async fn the_next_request_has_the_model_the_mode_and_the_budget_that_were_set() {
    let vm = Vm::new().await;
    let session = vm
        .start(
            json!({ "prompt": "SAY one", "permissions": "STRICT", "model": "claude-sonnet-4-5" }),
        )
        .await;
    vm.ended(&session, 1).await;
    let path = format!("/sessions/{}", session.id);
    let set = async |change: Value| vm.call(Method::PATCH, &path, change).await;
    let asked = || vm.asked(&session.provider_session_id).pop().unwrap().body;
    let before = asked();
    assert_eq!(before["model"], "claude-sonnet-4-5");

    let shown = set(json!({ "model": "claude-opus-4-5", "thinkingTokens": 2048 })).await;
    assert_eq!(
        (&shown["model"], &shown["thinkingTokens"]),
        (&json!("claude-opus-4-5"), &json!(2048))
    );
    vm.prompt(&session, "SAY two").await;
    vm.ended(&session, 2).await;
    let body = asked();
    assert_eq!(body["model"], "claude-opus-4-5");
    assert_eq!(
        body["thinking"]["budget_tokens"], 2048,
        "{}",
        body["thinking"]
    );
    assert_ne!(
        before["thinking"]["budget_tokens"], 2048,
        "{}",
        before["thinking"]
    );

    set(json!({ "permissionMode": "plan" })).await;
    vm.prompt(&session, "SAY three").await;
    vm.ended(&session, 3).await;
    let (planning, body) = ("Plan mode is active", asked());
    assert!(
        body["messages"].to_string().contains(planning),
        "{}",
        body["messages"]
    );
    assert!(!before.to_string().contains(planning));

    set(json!({ "permissionMode": "acceptEdits" })).await;
    let file = format!("{}/edited.txt", vm.in_checkout("pwd").await);
    vm.prompt(
        &session,
        &format!(
            "TOOL Write {}",
            json!({ "file_path": file, "content": "unasked\n" })
        ),
    )
    .await;
    let detail = vm.ended(&session, 4).await;
    assert_eq!(entries(&detail, EntryKind::Request).count(), 0, "it asked");
    assert_eq!(vm.in_checkout("cat edited.txt").await, "unasked");
}
