//! One conversation led in several ways.

use ff_protocol::ClientId;
use ff_protocol::session::{EntryKind, JournalEntry, Session};
use ff_protocol::socket::WorkspaceFrame;
use serde_json::{Value, json};

use crate::vm::{Vm, brings};

const REFUSED: &str = "TOOL Bash {\"command\":\"touch never.txt\",\"description\":\"make a file\"}";
const LAST: &str = "SAY and that was all";

/// Kinds and texts of what was entered: ids, times, and how often the CLI says what it is doing
/// differ from run to run.
fn essence(messages: &[JournalEntry]) -> Vec<(EntryKind, String)> {
    let entry = |entry: &JournalEntry| {
        let payload = &entry.payload;
        let text = match entry.kind {
            EntryKind::ClaudeMessage if payload["type"] == "system" => return None,
            EntryKind::ClaudeMessage => match entry.text() {
                text if text.is_empty() => blocks(payload),
                text => text,
            },
            EntryKind::UserMessage => entry.text(),
            EntryKind::TurnEnded => payload["result"].to_string(),
            EntryKind::Request => format!("{} {}", payload["toolName"], payload["input"]),
            EntryKind::Answer => format!("{} {}", payload["allow"], payload["message"]),
            EntryKind::Status => payload["status"].to_string(),
        };
        Some((entry.kind, text))
    };
    messages.iter().filter_map(entry).collect()
}

/// Blocks that are no text: calls of tools and their results.
fn blocks(payload: &Value) -> String {
    let blocks = payload["message"]["content"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let block =
        |block: &Value| format!("{} {} {}", block["type"], block["input"], block["content"]);
    blocks.iter().map(block).collect()
}

async fn by_rest(vm: &Vm) -> Session {
    let session = vm.start(json!({ "permissions": "STRICT" })).await;
    vm.prompt(&session, REFUSED).await;
    let asked = vm.request(&session, 1).await;
    vm.answer(
        &session,
        &asked,
        json!({ "allow": false, "message": "rather not" }),
    )
    .await;
    vm.ended(&session, 1).await;
    vm.prompt(&session, LAST).await;
    session
}

async fn by_socket(vm: &Vm) -> Session {
    let session = vm.start(json!({ "permissions": "STRICT" })).await;
    let mut socket = vm.socket().await;
    let say = |kind: &str, rest: Value| {
        let mut frame =
            json!({ "type": kind, "id": ClientId::generate(), "sessionId": session.id });
        let fields = rest.as_object().unwrap().clone();
        frame.as_object_mut().unwrap().extend(fields);
        frame
    };
    socket
        .say(say("user_message", json!({ "text": REFUSED })))
        .await;
    let frames = socket
        .until(|frame| matches!(frame, WorkspaceFrame::PermissionRequest { .. }))
        .await;
    let request = frames.last().unwrap().entry().unwrap().payload["requestId"].clone();
    let answer = json!({ "requestId": request, "allow": false, "message": "rather not" });
    socket.say(say("permission_response", answer)).await;
    socket
        .until(|frame| brings(frame, EntryKind::TurnEnded))
        .await;
    socket
        .say(say("user_message", json!({ "text": LAST })))
        .await;
    socket
        .until(|frame| brings(frame, EntryKind::TurnEnded))
        .await;
    session
}

/// At a terminal, with `ff chat` on the desktop that sent the workspace.
async fn by_chat(vm: &Vm) -> Session {
    let known = vm.sessions().await;
    let workspace = vm.world.workspace().unwrap();
    let chat = ["chat", workspace, "--new", "--permissions", "strict"];
    let mut person = vm.world.ff(chat).in_a_terminal().unwrap();
    person.waits_for("/help lists").await.unwrap();
    person.enters(REFUSED).await.unwrap();
    person.waits_for("? Bash: touch never.txt").await.unwrap();
    person.waits_for("why not:").await.unwrap();
    person.enters("rather not").await.unwrap();
    let mut new = vm.sessions().await;
    new.retain(|session| known.iter().all(|known| known.id != session.id));
    let [session] = <[Session; 1]>::try_from(new).unwrap();
    vm.ended(&session, 1).await;
    person.enters(LAST).await.unwrap();
    vm.ended(&session, 2).await;
    person.waits_for("and that was all").await.unwrap();
    person.enters("/quit").await.unwrap();
    assert_eq!(person.leaves().await.unwrap(), 0);
    session
}

#[tokio::test]
async fn a_conversation_by_chat_by_socket_and_by_rest_leaves_the_same_journal() {
    let vm = Vm::new().await;
    let (rest, socket) = (by_rest(&vm).await, by_socket(&vm).await);
    let chat = by_chat(&vm).await;
    let journal = async |session: &Session| essence(&vm.ended(session, 2).await.messages);
    let by_rest = journal(&rest).await;
    assert_eq!(by_rest, journal(&socket).await, "REST, socket");
    assert_eq!(by_rest, journal(&chat).await, "REST, chat");
    let kinds: Vec<EntryKind> = by_rest.iter().map(|(kind, _)| *kind).collect();
    for kind in [
        EntryKind::UserMessage,
        EntryKind::ClaudeMessage,
        EntryKind::Request,
        EntryKind::Answer,
        EntryKind::TurnEnded,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is missing: {by_rest:#?}");
    }
    assert!(
        by_rest.iter().any(|(_, text)| text.contains("rather not")),
        "{by_rest:#?}"
    );
    assert_eq!(
        vm.in_checkout("ls never.txt 2>&1; true").await,
        "ls: cannot access 'never.txt': No such file or directory"
    );
}
