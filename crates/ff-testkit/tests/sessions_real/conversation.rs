//! What a user sees and does in a turn.

use ff_protocol::session::{Activity, EntryKind, TurnOutcome};
use ff_protocol::socket::{DeltaKind, WorkspaceFrame};
use serde_json::{Value, json};

use crate::vm::{Vm, brings, entries, last_words};

fn pieces(frames: &[WorkspaceFrame]) -> Vec<&str> {
    let piece = |frame| match frame {
        &WorkspaceFrame::Delta {
            ref text,
            kind: DeltaKind::Text,
            ..
        } => Some(text.as_str()),
        _ => None,
    };
    frames.iter().filter_map(piece).collect()
}

#[tokio::test]
async fn a_turn_streams_asks_and_does_only_what_was_allowed() {
    let vm = Vm::new().await;
    let mut socket = vm.socket().await;
    let session = vm
        .start(json!({ "prompt": "SLOW 8", "permissions": "STRICT" }))
        .await;
    let frames = socket
        .until(|frame| brings(frame, EntryKind::TurnEnded))
        .await;
    let streamed = pieces(&frames);
    assert!(
        streamed.len() >= 5,
        "{} pieces: {streamed:?}",
        streamed.len()
    );
    let detail = vm.ended(&session, 1).await;
    assert_eq!(streamed.concat().trim(), last_words(&detail).trim());
    let turn = detail.session.last_turn.clone().unwrap();
    let usage = turn.usage.unwrap();
    assert!(
        usage.input_tokens > 0 && usage.output_tokens > 0,
        "{usage:?}"
    );
    let cost = turn.cost_usd.unwrap();
    assert!(cost > 0.0);
    assert_eq!(detail.session.total_cost_usd, Some(cost));

    let plan = "TOOL Write {\"file_path\":\"allowed.txt\",\"content\":\"by leave\\n\"}\n\
                TOOL Bash {\"command\":\"touch refused.txt\",\"description\":\"make a file\"}";
    let checkout = vm.in_checkout("pwd").await;
    vm.prompt(
        &session,
        &plan.replace("allowed.txt", &format!("{checkout}/allowed.txt")),
    )
    .await;
    let asked = vm.request(&session, 1).await;
    assert_eq!(
        (&asked["toolName"], &asked["kind"]),
        (&json!("Write"), &json!("permission"))
    );
    assert_eq!(
        vm.in_checkout("ls allowed.txt 2>&1; true").await,
        "ls: cannot access 'allowed.txt': No such file or directory"
    );
    assert_eq!(
        vm.detail(&session).await.session.activity,
        Activity::WaitingForUser
    );
    vm.answer(&session, &asked, json!({ "allow": true })).await;
    let asked = vm.request(&session, 2).await;
    assert_eq!(asked["input"]["command"], "touch refused.txt");
    let reason = "not on a Wednesday";
    vm.answer(
        &session,
        &asked,
        json!({ "allow": false, "message": reason }),
    )
    .await;
    let detail = vm.ended(&session, 2).await;
    assert_eq!(
        vm.in_checkout("cat allowed.txt; ls refused.txt 2>&1; true")
            .await,
        "by leave\nls: cannot access 'refused.txt': No such file or directory"
    );
    let request = vm.asked(&session.provider_session_id).pop().unwrap();
    let told = request.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .any(|message| {
            let blocks = message["content"].as_array().cloned().unwrap_or_default();
            let refused =
                |block: &Value| block["type"] == "tool_result" && block["is_error"] == true;
            blocks
                .iter()
                .any(|block| refused(block) && block["content"].to_string().contains(reason))
        });
    assert!(
        told,
        "the reason did not reach the model: {}",
        request.body["messages"]
    );
    assert!(
        last_words(&detail).contains(&format!("[2 error] {reason}")),
        "{}",
        last_words(&detail)
    );
    assert!(detail.session.total_cost_usd.unwrap() > cost);

    let question = json!({ "questions": [{
        "question": "Which colour?", "header": "Colour", "multiSelect": false,
        "options": [{ "label": "red", "description": "warm" }, { "label": "blue", "description": "cold" }],
    }]});
    vm.prompt(&session, &format!("TOOL AskUserQuestion {question}"))
        .await;
    let asked = vm.request(&session, 3).await;
    assert_eq!(asked["kind"], "question");
    assert_eq!(
        asked["input"]["questions"][0]["options"][1]["label"],
        "blue"
    );
    vm.answer(
        &session,
        &asked,
        json!({ "allow": true, "answers": { "Which colour?": "blue" } }),
    )
    .await;
    let detail = vm.ended(&session, 3).await;
    let words = last_words(&detail);
    assert!(
        words.contains("[1 ok]") && words.contains("blue"),
        "{words}"
    );

    vm.prompt(&session, &format!("TOOL AskUserQuestion {question}"))
        .await;
    let asked = vm.request(&session, 4).await;
    let own = json!({ "allow": true, "other": { "Which colour?": "neither of them" } });
    vm.answer(&session, &asked, own).await;
    let words = last_words(&vm.ended(&session, 4).await);
    assert!(
        words.contains("[1 ok]") && words.contains("neither of them"),
        "{words}"
    );
}

#[tokio::test]
async fn a_turn_is_cut_by_the_user_and_another_goes_on_after_its_end() {
    let vm = Vm::new().await;
    let mut socket = vm.socket().await;
    let session = vm
        .start(json!({ "prompt": "SLOW 300", "permissions": "STRICT" }))
        .await;
    socket
        .until(|frame| matches!(frame, WorkspaceFrame::Delta { .. }))
        .await;
    vm.post(&format!("/sessions/{}/interrupt", session.id), Value::Null)
        .await;
    let detail = vm.ended(&session, 1).await;
    assert_eq!(
        detail.session.last_turn.clone().unwrap().outcome,
        TurnOutcome::Interrupted
    );
    let words: String = detail.messages.iter().map(|entry| entry.text()).collect();
    assert!(
        words.contains("slow 1/300") && !words.contains("slow 299/300"),
        "{words}"
    );

    let checkout = vm.in_checkout("pwd").await;
    let inner = format!(
        "SLOW 8\nTOOL Write {}",
        json!({ "file_path": format!("{checkout}/late.txt"), "content": "late\n" })
    );
    let task = json!({ "description": "write late", "prompt": inner, "subagent_type": "general-purpose", "run_in_background": true });
    vm.prompt(&session, &format!("TOOL Agent {task}\nSAY it is under way"))
        .await;
    let asked = vm.request(&session, 1).await;
    let detail = vm.detail(&session).await;
    assert_eq!(
        entries(&detail, EntryKind::TurnEnded).count(),
        2,
        "asked within the turn: {asked}"
    );
    let words: String = detail.messages.iter().map(|entry| entry.text()).collect();
    assert!(words.contains("it is under way"), "{words}");
    assert_eq!(detail.session.activity, Activity::WaitingForUser);
    vm.answer(&session, &asked, json!({ "allow": true })).await;
    let detail = vm.ended(&session, 3).await;
    assert_eq!(vm.in_checkout("cat late.txt").await, "late");
    let ends = entries(&detail, EntryKind::TurnEnded);
    assert_eq!(
        ends.last().unwrap().payload["origin"]["kind"],
        "task-notification"
    );
}
