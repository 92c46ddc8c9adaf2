//! Messages still being written, for who connects meanwhile.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Socket, World, next_json, say};

fn path(world: &World) -> String {
    format!("/api/workspaces/{}/socket", world.workspace)
}

/// Reads until the session has ended a turn; gives the deltas before its message and after it.
async fn until_end(socket: &mut Socket, session: &str) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after, mut whole) = (Vec::new(), Vec::new(), false);
    loop {
        let frame = next_json(socket).await;
        let of_session = |value: &Value| value["sessionId"] == session;
        match frame["type"].as_str().unwrap() {
            "delta" if of_session(&frame) => {
                let text = frame["text"].as_str().unwrap().to_owned();
                match whole {
                    true => after.push(text),
                    false => before.push(text),
                }
            }
            "claude_message" if of_session(&frame["entry"]) => {
                whole |= frame["entry"]["payload"]["type"] == "assistant";
                if frame["entry"]["kind"] == "turn_ended" {
                    return (before, after);
                }
            }
            _ => {}
        }
    }
}

async fn until_text(socket: &mut Socket, session: &str, wanted: &str) {
    let mut text = String::new();
    while text != wanted {
        let frame = next_json(socket).await;
        if frame["type"] == "delta" && frame["sessionId"] == session {
            text.push_str(frame["text"].as_str().unwrap());
        }
    }
}

#[tokio::test]
async fn who_connects_meanwhile_gets_what_was_written_so_far_in_one_piece() {
    let world = World::new().await;
    let mut first = world.connect(&path(&world)).await;
    let snapshot = next_json(&mut first).await;
    let start = r#"{"prompt":"slow to be or not"}"#;
    let (_, session) = world.post(&world.sessions(), start).await;
    let slow = session["id"].as_str().unwrap();
    until_text(&mut first, slow, "to be or not ").await;

    let mut second = world.connect(&path(&world)).await;
    next_json(&mut second).await;
    until_text(&mut second, slow, "to be or not ").await;

    // A message that waits for its turn is an entry too, and ends no message.
    let place = format!("{}/{slow}/messages", world.sessions());
    assert_eq!(world.post(&place, r#"{"text":"next"}"#).await.0, 200);
    let other = world.finished_session("other").await;
    let journal = snapshot["journal"].as_str().unwrap();
    let seq = world.journal().await.len();
    let mut third = world
        .connect(&format!("{}?after={journal}:{seq}", path(&world)))
        .await;
    assert_eq!(next_json(&mut third).await["messages"], json!([]));

    world.go();
    for (socket, pieces) in [(&mut first, 0), (&mut second, 0), (&mut third, 1)] {
        let (before, after) = until_end(socket, slow).await;
        assert_eq!(before.len(), pieces, "{before:?}");
        assert!(
            before.iter().all(|text| text == "to be or not "),
            "{before:?}"
        );
        assert_eq!(after, Vec::<String>::new());
        let (before, _) = until_end(socket, slow).await;
        assert_eq!(before, ["next"]);
    }

    // Of a message that is whole there are no pieces any more.
    world.until_idle(slow).await;
    let mut last = world.connect(&path(&world)).await;
    next_json(&mut last).await;
    for (session, text) in [(slow, "more"), (other.as_str(), "and more")] {
        let frame = json!({"type": "user_message", "id": text.replace(' ', "-"), "sessionId": session, "text": text});
        say(&mut last, Message::text(frame.to_string())).await;
        let (before, _) = until_end(&mut last, session).await;
        assert_eq!(before, [text]);
    }
    world.core.shutdown().await;
}
