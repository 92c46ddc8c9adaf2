//! What clients say on the workspace socket.

use std::time::Duration;

use ff_protocol::{ClientId, close};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{DEADLINE, Socket, World, answered, close_code, next_json, say};

fn path(world: &World) -> String {
    format!("/api/workspaces/{}/socket", world.workspace)
}

async fn connect(world: &World) -> (Socket, Value) {
    let mut socket = world.connect(&path(world)).await;
    let snapshot = next_json(&mut socket).await;
    (socket, snapshot)
}

fn message(id: &str, session: &str, text: &str) -> Value {
    json!({"type": "user_message", "id": id, "sessionId": session, "text": text})
}

fn fresh() -> String {
    ClientId::generate().to_string()
}

/// Says it, and gives the answer to it.
async fn tell(socket: &mut Socket, frame: &Value) -> Value {
    say(socket, Message::text(frame.to_string())).await;
    let answer = answered(socket).await;
    assert_eq!(answer["id"], frame["id"], "{answer}");
    answer
}

async fn accepted(socket: &mut Socket, frame: &Value) {
    let answer = tell(socket, frame).await;
    assert_eq!(answer["type"], "accepted", "{answer}");
}

/// Code of the problem with which it is rejected.
async fn rejected(socket: &mut Socket, frame: &Value) -> (String, String) {
    let answer = tell(socket, frame).await;
    assert_eq!(answer["type"], "rejected", "{answer}");
    let word = |name: &str| answer["problem"][name].as_str().unwrap().to_owned();
    (word("code"), word("detail"))
}

/// The next answer to a frame of ours, or nothing for the next pong.
async fn next_answer_or_pong(socket: &mut Socket) -> Option<Value> {
    loop {
        let came = tokio::time::timeout(DEADLINE, socket.next()).await;
        match came.unwrap().unwrap().unwrap() {
            Message::Pong(_) => return None,
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "accepted" || frame["type"] == "rejected" {
                    return Some(frame);
                }
            }
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_counts_once_however_often_and_by_whichever_way_it_is_sent() {
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let rest = format!("{}/{session}/messages", world.sessions());
    let (by_socket, by_rest) = (fresh(), fresh());
    let one = message(&by_socket, &session, "one");
    let two = json!({"id": by_rest, "text": "two"}).to_string();

    let (mut socket, _) = connect(&world).await;
    accepted(&mut socket, &one).await;
    accepted(&mut socket, &one).await;
    let again = json!({"id": by_socket, "text": "one"}).to_string();
    assert_eq!(world.post(&rest, &again).await.0, 200);
    assert_eq!(world.post(&rest, &two).await.0, 200);
    accepted(&mut socket, &message(&by_rest, &session, "two")).await;
    drop(socket);
    let (mut socket, _) = connect(&world).await;
    accepted(&mut socket, &one).await;
    world.until_idle(&session).await;
    assert_eq!(world.said().await, ["first", "one", "two"]);
    assert_eq!(world.heard(), ["first", "one", "two"]);

    let other = message(&by_socket, &session, "something else");
    assert_eq!(rejected(&mut socket, &other).await.0, "conflict");
    let other = json!({"id": by_rest, "text": "something else"}).to_string();
    let (status, problem) = world.post(&rest, &other).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    let elsewhere = world.finished_session("elsewhere").await;
    let other = message(&by_socket, &elsewhere, "one");
    assert_eq!(rejected(&mut socket, &other).await.0, "conflict");
    assert_eq!(world.said().await, ["first", "one", "two", "elsewhere"]);
    world.core.shutdown().await;
}

#[tokio::test]
async fn what_a_client_said_before_it_left_is_carried_out() {
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let (mut socket, snapshot) = connect(&world).await;
    let journal = snapshot["journal"].as_str().unwrap();
    let known = snapshot["messages"].as_array().unwrap().len();
    let words: Vec<_> = (0..5).map(|n| format!("word {n}")).collect();
    let frames: Vec<_> = words
        .iter()
        .map(|word| message(&fresh(), &session, word))
        .collect();
    for frame in &frames {
        say(&mut socket, Message::text(frame.to_string())).await;
    }
    socket.close(None).await.unwrap();
    drop(socket);
    world.until_heard(1 + words.len()).await;

    // Not having been told, the client says it all again.
    let mut socket = world
        .connect(&format!("{}?after={journal}:{known}", path(&world)))
        .await;
    let mut entries = next_json(&mut socket).await["messages"]
        .as_array()
        .unwrap()
        .clone();
    for frame in &frames {
        say(&mut socket, Message::text(frame.to_string())).await;
    }
    let mut answers = 0;
    let turns = |entries: &[Value]| entries.iter().filter(|e| e["kind"] == "turn_ended").count();
    while answers < frames.len() || turns(&entries) < frames.len() {
        let frame = next_json(&mut socket).await;
        match frame["type"].as_str().unwrap() {
            "accepted" => answers += 1,
            "claude_message" => entries.push(frame["entry"].clone()),
            other => assert!(matches!(other, "delta" | "status"), "{frame}"),
        }
    }
    let stored = world.journal().await;
    assert_eq!(entries, stored[known..], "missed or repeated");
    assert_eq!(world.heard()[1..], words);
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_is_rejected_and_the_socket_goes_on() {
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let (mut socket, _) = connect(&world).await;
    let unknown_field = json!({"type": "interrupt", "id": "x-2", "sessionId": session, "n": 1});
    for (frame, id, code) in [
        ("{".to_owned(), None, "bad_request"),
        ("[\"interrupt\"]".to_owned(), None, "bad_request"),
        (json!({"type": "interrupt"}).to_string(), None, "invalid"),
        (
            json!({"type": "shout", "id": "x-1"}).to_string(),
            Some("x-1"),
            "invalid",
        ),
        (unknown_field.to_string(), Some("x-2"), "invalid"),
        (message("NO ID", &session, "x").to_string(), None, "invalid"),
        (
            message("x-3", "NO ID", "x").to_string(),
            Some("x-3"),
            "invalid",
        ),
        (
            message("x-4", "nobody", "x").to_string(),
            Some("x-4"),
            "not_found",
        ),
        (
            message("x-5", &session, " ").to_string(),
            Some("x-5"),
            "invalid",
        ),
        (
            json!({"type": "x".repeat(100_000)}).to_string(),
            None,
            "invalid",
        ),
    ] {
        say(&mut socket, Message::text(frame.clone())).await;
        let answer = answered(&mut socket).await;
        assert_eq!(answer["type"], "rejected", "{frame:.100}");
        assert_eq!(
            (answer["id"].as_str(), answer["problem"]["code"].as_str()),
            (id, Some(code)),
            "{frame:.100}: {answer}"
        );
        assert!(answer.to_string().len() < 1000, "{answer:.2000}");
    }
    say(&mut socket, Message::binary(vec![1, 2, 3])).await;
    assert_eq!(
        answered(&mut socket).await["problem"]["code"],
        "bad_request"
    );
    accepted(&mut socket, &message(&fresh(), &session, "good")).await;
    world.until_idle(&session).await;
    assert_eq!(world.said().await, ["first", "good"]);
    world.core.shutdown().await;
}

#[tokio::test]
async fn the_longest_message_fits_into_a_frame_and_a_larger_frame_says_so() {
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let (mut socket, _) = connect(&world).await;
    // In JSON each of these takes six bytes.
    let longest = message("x-1", "nobody", &"\u{1}".repeat(1 << 20));
    assert!(longest.to_string().len() > 6 << 20);
    assert_eq!(rejected(&mut socket, &longest).await.0, "not_found");
    let text = "x".repeat(1 << 20);
    accepted(&mut socket, &message("x-2", &session, &text)).await;
    assert!(world.said().await[1] == text, "it was not entered whole");

    let huge = format!("\"{}\"", "x".repeat(8 << 20));
    // The engine may be gone before all is written.
    let _ = socket.send(Message::text(huge)).await;
    assert_eq!(close_code(&mut socket).await, close::TOO_LARGE);
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_permission_refused_by_one_client_is_refused_for_all() {
    let world = World::new().await;
    let start = r#"{"prompt":"ask","permissions":"STRICT"}"#;
    let (_, session) = world.post(&world.sessions(), start).await;
    let session = session["id"].as_str().unwrap();
    world.until_activity(session, "waiting_for_user").await;
    let (mut ann, snapshot) = connect(&world).await;
    let (mut bob, _) = connect(&world).await;
    let asked = snapshot["messages"].as_array().unwrap().iter();
    let asked: Vec<_> = asked.filter(|entry| entry["kind"] == "request").collect();
    let request = &asked[0]["payload"]["requestId"];
    let refuse = json!({
        "type": "permission_response", "id": fresh(), "sessionId": session, "requestId": request,
        "allow": false, "message": "not today", "by": "Ann",
    });
    let allow = json!({
        "type": "permission_response", "id": fresh(), "sessionId": session, "requestId": request,
        "allow": true, "by": "Bob",
    });
    accepted(&mut ann, &refuse).await;
    let (code, detail) = rejected(&mut bob, &allow).await;
    assert_eq!(code, "conflict");
    assert!(detail.contains("Ann"), "{detail}");
    accepted(&mut ann, &refuse).await;
    let session = world.until_idle(session).await;
    assert_eq!(session["lastTurn"]["result"], "denied: not today");
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_question_comes_as_such_and_takes_its_answer() {
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let (mut socket, _) = connect(&world).await;
    accepted(&mut socket, &message(&fresh(), &session, "question")).await;
    let request = loop {
        let frame = next_json(&mut socket).await;
        if frame["type"] == "user_question" {
            break frame["entry"]["payload"].clone();
        }
    };
    assert_eq!(request["input"]["questions"][0]["question"], "Which");
    let frame = json!({
        "type": "question_response", "id": fresh(), "sessionId": session,
        "requestId": request["requestId"], "answers": {"Which": "this"},
    });
    accepted(&mut socket, &frame).await;
    let session = world.until_idle(&session).await;
    assert_eq!(session["lastTurn"]["result"], "allowed this");
    world.core.shutdown().await;
}

#[tokio::test]
async fn an_interrupt_ends_one_turn_and_not_the_next() {
    let world = World::new().await;
    let (_, session) = world.post(&world.sessions(), r#"{"prompt":"wait"}"#).await;
    let session = session["id"].as_str().unwrap();
    let (mut socket, _) = connect(&world).await;
    let interrupt = json!({"type": "interrupt", "id": fresh(), "sessionId": session});
    accepted(&mut socket, &interrupt).await;
    let cut = world.until_idle(session).await;
    assert_eq!(cut["lastTurn"]["outcome"], "interrupted");

    accepted(&mut socket, &message(&fresh(), session, "wait")).await;
    world.until_activity(session, "working").await;
    accepted(&mut socket, &interrupt).await;
    let rest = format!("{}/{session}/interrupt", world.sessions());
    let again = json!({"id": interrupt["id"]}).to_string();
    let (status, row) = world.post(&rest, &again).await;
    assert_eq!((status, &row["activity"]), (200, &json!("working")));
    world.until_heard(3).await;

    let (status, row) = world.post(&rest, &json!({"id": fresh()}).to_string()).await;
    assert_eq!(
        (status, &row["lastTurn"]["outcome"]),
        (200, &json!("interrupted"))
    );
    assert_eq!(world.heard(), ["wait", "interrupt", "wait", "interrupt"]);
    let (status, problem) = world.post(&rest, r#"{"id":"NO ID"}"#).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_closed_gate_holds_messages_of_which_no_more_are_read_than_may_wait() {
    const READ: usize = 16;
    let world = World::new().await;
    let session = world.finished_session("first").await;
    let (mut socket, _) = connect(&world).await;
    let before = world.journal().await;
    let permits = world.core.permits();
    permits.close("q", Duration::from_secs(600)).unwrap();
    let words: Vec<_> = (0..40).map(|n| format!("word {n}")).collect();
    let frames: Vec<_> = words
        .iter()
        .map(|word| message(&fresh(), &session, word))
        .collect();
    let texts: Vec<_> = frames.iter().map(Value::to_string).collect();
    let (first, rest) = texts.split_at(READ - 1);
    for text in first {
        say(&mut socket, Message::text(text)).await;
    }
    say(&mut socket, Message::Ping("read?".into())).await;
    assert!(next_answer_or_pong(&mut socket).await.is_none());
    assert_eq!(world.journal().await, before, "a message got through");
    for text in rest {
        say(&mut socket, Message::text(text)).await;
    }
    say(&mut socket, Message::Ping("read?".into())).await;

    assert!(permits.open("q"));
    let (mut answers, mut at_pong) = (Vec::new(), None);
    while answers.len() < frames.len() || at_pong.is_none() {
        match next_answer_or_pong(&mut socket).await {
            Some(answer) => answers.push(answer),
            None => at_pong = Some(answers.len()),
        }
    }
    for (answer, frame) in answers.iter().zip(&frames) {
        assert_eq!(answer["type"], "accepted", "{answer}");
        assert_eq!(answer["id"], frame["id"]);
    }
    let unanswered = frames.len() - at_pong.unwrap();
    assert!(
        unanswered <= READ,
        "{unanswered} were read before an answer"
    );
    assert_eq!(world.said().await[1..], words);
    world.until_idle(&session).await;
    assert_eq!(world.heard()[1..], words);
    world.core.shutdown().await;
}

/// A client's view of the journal.
#[derive(Default)]
struct Told {
    entries: Vec<Value>,
    place: String,
}

impl Told {
    /// Connects from where it was.
    async fn connect(&mut self, world: &World) -> Socket {
        let mut socket = world.connect(&(path(world) + &self.place)).await;
        let snapshot = next_json(&mut socket).await;
        let journal = snapshot["journal"].as_str().unwrap();
        self.place = format!("?after={journal}:");
        let missed = snapshot["messages"].as_array().unwrap();
        self.entries.extend(missed.iter().cloned());
        socket
    }

    /// Reads one frame; says whether it accepts something.
    async fn read(&mut self, socket: &mut Socket) -> bool {
        let frame = next_json(socket).await;
        self.entries.extend(frame.get("entry").cloned());
        assert!(
            frame["type"] != "rejected" && frame["type"] != "lagged",
            "{frame}"
        );
        frame["type"] == "accepted"
    }

    fn leave(&mut self) {
        let last = self
            .entries
            .last()
            .map_or(&json!(0), |entry| &entry["seq"])
            .clone();
        self.place += &last.to_string();
    }

    /// Talks for a while, and comes back now and then.
    async fn talk(world: &World, sessions: &[String], name: usize) -> Self {
        let mut told = Self::default();
        for round in 0..6 {
            let mut socket = told.connect(world).await;
            let mut unanswered = 0;
            for session in sessions {
                let text = format!("{name} {round}");
                let cut = json!({"type": "interrupt", "id": fresh(), "sessionId": session});
                for frame in [message(&fresh(), session, &text), cut] {
                    say(&mut socket, Message::text(frame.to_string())).await;
                    unanswered += 1;
                }
            }
            while unanswered > 0 {
                if told.read(&mut socket).await {
                    unanswered -= 1;
                }
            }
            told.leave();
        }
        told
    }
}

#[tokio::test]
async fn three_clients_that_talk_at_once_end_with_equal_journals() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for name in ["a", "b"] {
        sessions.push(world.finished_session(name).await);
    }
    let (one, two, three) = tokio::join!(
        Told::talk(&world, &sessions, 1),
        Told::talk(&world, &sessions, 2),
        Told::talk(&world, &sessions, 3)
    );
    for session in &sessions {
        let resume = format!("{}/{session}/resume", world.sessions());
        assert_eq!(world.post(&resume, "").await.0, 200);
        world.until_idle(session).await;
    }
    let stored = world.journal().await;
    assert_eq!(world.said().await.len(), 2 + 3 * 6 * 2);
    for mut told in [one, two, three] {
        let mut socket = told.connect(&world).await;
        while told.entries.len() < stored.len() {
            told.read(&mut socket).await;
        }
        assert_eq!(told.entries, stored);
    }
    world.core.shutdown().await;
}
