use std::collections::HashMap;

use ff_protocol::close;
use serde_json::{Value, json};

use crate::world::{Socket, World, close_code, next_json};

fn path(world: &World) -> String {
    format!("/api/workspaces/{}/socket", world.workspace)
}

fn seqs(entries: &Value) -> Vec<u64> {
    entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect()
}

/// Reads until an entry of this kind; gives the `seq` of all entries and the deltas.
async fn until(socket: &mut Socket, kind: &str) -> (Vec<u64>, String) {
    let (mut seen, mut text) = (Vec::new(), String::new());
    loop {
        let frame = next_json(socket).await;
        match frame["type"].as_str().unwrap() {
            "claude_message" => {
                seen.push(frame["entry"]["seq"].as_u64().unwrap());
                if frame["entry"]["kind"] == kind {
                    return (seen, text);
                }
            }
            "delta" => {
                assert_eq!(frame["kind"], "text");
                text.push_str(frame["text"].as_str().unwrap());
            }
            other => assert_eq!(other, "status"),
        }
    }
}

#[tokio::test]
async fn a_follower_sees_every_entry_once_with_deltas_between() {
    let world = World::new().await;
    let id = world.finished_session("first").await;
    let mut socket = world.connect(&path(&world)).await;
    let snapshot = next_json(&mut socket).await;
    assert_eq!(snapshot["type"], "messages_snapshot");
    assert_eq!(seqs(&snapshot["messages"]), [1, 2, 3, 4]);
    assert_eq!(snapshot["sessions"][0]["id"], id);

    let prompt = format!("{}/{id}/messages", world.sessions());
    world.post(&prompt, r#"{"text":"second"}"#).await;
    let (seen, text) = until(&mut socket, "turn_ended").await;
    assert_eq!((seen, text.as_str()), (vec![5, 6, 7], "second"));
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_follower_that_comes_back_goes_on_where_it_was() {
    let world = World::new().await;
    world.finished_session("first").await;
    let mut socket = world.connect(&path(&world)).await;
    let journal = next_json(&mut socket).await["journal"]
        .as_str()
        .unwrap()
        .to_owned();
    drop(socket);
    world.finished_session("second").await;
    for (after, first) in [
        (format!("{journal}:4"), 5),
        (format!("{journal}:8"), 9),
        (format!("{journal}:0"), 1),
        // Too far ahead, or of another journal: all of it again.
        (format!("{journal}:9"), 1),
        ("another:4".to_owned(), 1),
    ] {
        let mut socket = world
            .connect(&format!("{}?after={after}", path(&world)))
            .await;
        let snapshot = next_json(&mut socket).await;
        let expected: Vec<u64> = (first..=8).collect();
        assert_eq!(seqs(&snapshot["messages"]), expected, "{after}");
        assert_eq!(snapshot["journal"], journal);
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn followers_of_busy_sessions_miss_and_repeat_nothing() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(world.finished_session(name).await);
    }
    // More than one page and one snapshot frame.
    let large = "x".repeat(30_000);
    for round in 0..25 {
        for id in &ids {
            let body = json!({ "text": format!("{round} {large}") }).to_string();
            let (status, _) = world
                .post(&format!("{}/{id}/messages", world.sessions()), &body)
                .await;
            assert_eq!(status, 200);
        }
    }
    // Joins while the sessions work.
    let mut socket = world.connect(&path(&world)).await;
    let snapshot = next_json(&mut socket).await;
    let mut seen = seqs(&snapshot["messages"]);
    let mut pieces: HashMap<Value, String> = HashMap::new();
    while seen.len() < 12 + 25 * 3 * 3 {
        let frame = next_json(&mut socket).await;
        if frame["type"] == "delta" {
            let text = frame["text"].as_str().unwrap();
            let session = frame["sessionId"].clone();
            pieces.entry(session).or_default().push_str(text);
        }
        if frame["type"] == "claude_message" {
            let entry = &frame["entry"];
            seen.push(entry["seq"].as_u64().unwrap());
            let told = pieces.remove(&entry["sessionId"]);
            if entry["payload"]["type"] == "assistant" {
                let whole = &entry["payload"]["message"]["content"][0]["text"];
                let fits = told.is_none_or(|told| *whole == told);
                assert!(fits, "pieces of another message before {}", entry["seq"]);
            }
        }
    }
    let expected: Vec<u64> = (1..=seen.len() as u64).collect();
    assert_eq!(seen, expected);
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_told_so_and_goes_on_where_it_was() {
    let world = World::new().await;
    let mut socket = world.connect(&path(&world)).await;
    let snapshot = next_json(&mut socket).await;
    world.finished_session("flood").await;
    let mut entries = Vec::new();
    loop {
        let frame = next_json(&mut socket).await;
        entries.extend(frame.get("entry").cloned());
        if frame["type"] == "lagged" {
            break;
        }
    }
    assert_eq!(close_code(&mut socket).await, close::GOING_AWAY);
    let stored = world.journal().await;
    assert!(entries.len() < stored.len(), "it missed nothing");
    let journal = snapshot["journal"].as_str().unwrap();
    let after = format!("{}?after={journal}:{}", path(&world), entries.len());
    let mut socket = world.connect(&after).await;
    let missed = next_json(&mut socket).await["messages"].clone();
    entries.extend(missed.as_array().unwrap().iter().cloned());
    assert_eq!(entries, stored);
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_stopping_engine_says_that_it_comes_back() {
    let world = World::new().await;
    let mut socket = world.connect(&path(&world)).await;
    next_json(&mut socket).await;
    world.core.shutdown().await;
    assert_eq!(close_code(&mut socket).await, close::RESTART);
}

#[tokio::test]
async fn bad_places_and_plain_requests_are_refused() {
    let world = World::new().await;
    let (status, problem) = world.get(&path(&world)).await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad_request")));
    for path in [
        format!("{}?after=nonsense", path(&world)),
        "/api/workspaces/nobody/socket".to_owned(),
    ] {
        assert!(world.try_connect(&path).await.is_err(), "{path}");
    }
}
