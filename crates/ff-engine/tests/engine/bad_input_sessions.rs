//! Bad input to sessions, by the numbers of `CONTRIBUTING.md`, by REST and by the socket.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Socket, World, answered, next_json, say};

async fn socket(world: &World) -> Socket {
    let path = format!("/api/workspaces/{}/socket", world.workspace);
    let mut socket = world.connect(&path).await;
    next_json(&mut socket).await;
    socket
}

/// Code and words of the problem with which a frame is rejected.
async fn refused(socket: &mut Socket, frame: Value) -> (String, String) {
    say(socket, Message::text(frame.to_string())).await;
    let answer = answered(socket).await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("rejected"), &frame["id"])
    );
    problem(&answer["problem"])
}

fn problem(problem: &Value) -> (String, String) {
    let word = |name: &str| problem[name].as_str().unwrap().to_owned();
    (word("code"), word("detail"))
}

#[tokio::test]
async fn bad_input_session_1_a_message_to_a_closed_session_is_a_conflict() {
    let world = World::new().await;
    let id = world.finished_session("first").await;
    let path = format!("{}/{id}", world.sessions());
    for _ in 0..2 {
        let (status, closed) = world.post(&format!("{path}/close"), "").await;
        assert_eq!((status, &closed["status"]), (200, &json!("IDLE")));
        assert!(closed["closedAt"].is_string(), "{closed}");
    }
    let before = world.journal().await;
    let body = r#"{"text":"too late"}"#;
    let (status, answer) = world.post(&format!("{path}/messages"), body).await;
    assert_eq!((status, problem(&answer).0.as_str()), (409, "conflict"));
    let frame = json!({"type": "user_message", "id": "x-1", "sessionId": id, "text": "too late"});
    let (code, detail) = refused(&mut socket(&world).await, frame).await;
    assert_eq!(code, "conflict");
    assert!(detail.contains("closed"), "{detail}");
    assert_eq!(world.journal().await, before);
    assert_eq!(world.heard(), ["first"]);
    assert!(world.core.sessions().processes().is_empty());
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_input_session_2_an_over_long_message_is_refused_with_the_limit() {
    const LIMIT: usize = 1 << 20;
    let world = World::new().await;
    let id = world.finished_session("first").await;
    let before = world.journal().await;
    let text = "x".repeat(LIMIT + 1);
    let (mut socket, limit) = (socket(&world).await, LIMIT.to_string());
    let path = format!("{}/{id}/messages", world.sessions());
    let (status, answer) = world
        .post(&path, &json!({ "text": text }).to_string())
        .await;
    assert_eq!((status, problem(&answer).0.as_str()), (413, "too_large"));
    assert!(problem(&answer).1.contains(&limit), "{answer}");
    let start = json!({ "prompt": text }).to_string();
    let (status, answer) = world.post(&world.sessions(), &start).await;
    assert_eq!((status, problem(&answer).0.as_str()), (413, "too_large"));
    let frame = json!({"type": "user_message", "id": "x-1", "sessionId": id, "text": text});
    let (code, detail) = refused(&mut socket, frame).await;
    assert_eq!(code, "too_large");
    assert!(detail.contains(&limit), "{detail}");
    assert_eq!(world.journal().await, before);
    let (_, list) = world.get(&world.sessions()).await;
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        1,
        "a session was made"
    );

    // A body that no message can have is not even read.
    let (status, answer) = world.post(&path, &"x".repeat((16 << 20) + 1)).await;
    assert_eq!((status, problem(&answer).0.as_str()), (413, "too_large"));
    assert!(
        problem(&answer).1.contains(&(16 << 20).to_string()),
        "{answer}"
    );
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_input_session_3_a_second_answer_is_a_conflict_and_says_who_was_first() {
    let world = World::new().await;
    let start = r#"{"prompt":"ask","permissions":"STRICT"}"#;
    let (_, session) = world.post(&world.sessions(), start).await;
    let id = session["id"].as_str().unwrap();
    world.until_activity(id, "waiting_for_user").await;
    let path = format!("{}/{id}", world.sessions());
    let (status, waiting) = world.get(&format!("{path}/requests")).await;
    assert_eq!(
        (status, waiting["items"].as_array().unwrap().len()),
        (200, 1)
    );
    let request = &waiting["items"][0]["requestId"];

    let answer = |id: &str, by: &str, allow: bool| {
        json!({"requestId": request, "allow": allow, "id": id, "by": by}).to_string()
    };
    let answers = format!("{path}/answers");
    let first = answer("x-1", "Ann", true);
    assert_eq!(world.post(&answers, &first).await, (204, Value::Null));
    let (status, second) = world.post(&answers, &answer("x-2", "Bob", false)).await;
    assert_eq!((status, problem(&second).0.as_str()), (409, "conflict"));
    assert!(problem(&second).1.contains("Ann"), "{second}");
    let frame = json!({
        "type": "permission_response", "id": "x-3", "sessionId": id, "requestId": request,
        "allow": false, "by": "Cem",
    });
    let (code, detail) = refused(&mut socket(&world).await, frame).await;
    assert_eq!(code, "conflict");
    assert!(detail.contains("Ann"), "{detail}");
    assert_eq!(
        world.post(&answers, &first).await.0,
        204,
        "the same once more"
    );
    let session = world.until_idle(id).await;
    assert_eq!(
        session["lastTurn"]["result"].as_str().unwrap().trim(),
        "allowed"
    );
    let journal = world.journal().await;
    let answers = journal.iter().filter(|entry| entry["kind"] == "answer");
    assert_eq!(answers.count(), 1);
    world.core.shutdown().await;
}
