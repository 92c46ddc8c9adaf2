//! The two sockets against servers that break off.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use ff_client::socket::{TerminalEvent, TerminalOptions, WorkspaceEvent, WorkspaceSocket};
use ff_client::{ClientError, TerminalPlace};
use ff_protocol::socket::{ClientFrame, WorkspaceFrame};
use ff_protocol::terminal::{Exit, ServerControl, Size, decode_frame, encode_frame};
use ff_protocol::{ClientId, ErrorCode, Problem, close};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

use common::Server;

/// Hands each connection to the test, with its query.
type Connections = mpsc::Receiver<(String, WebSocket)>;

async fn server() -> (Server, Connections) {
    let (sender, receiver) = mpsc::channel(8);
    let accept = |State(sender): State<mpsc::Sender<(String, WebSocket)>>,
                  RawQuery(query): RawQuery,
                  upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(async move |socket| {
            let _ = sender.send((query.unwrap_or_default(), socket)).await;
        })
    };
    let router = Router::new()
        .route("/api/vms/{v}/terminals/{t}/socket", get(accept))
        .route("/api/workspaces/{w}/socket", get(accept))
        .with_state(sender);
    (Server::start(router).await, receiver)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("it takes too long")
}

async fn tell(socket: &mut WebSocket, control: &ServerControl) {
    let text = serde_json::to_string(control).unwrap();
    socket.send(Message::Text(text.into())).await.unwrap();
}

fn attached(incarnation: &str, offset: u64, input_offset: u64) -> ServerControl {
    ServerControl::Attached {
        incarnation: incarnation.into(),
        offset: Some(offset),
        input_offset,
        size: Size::default(),
    }
}

async fn output(socket: &mut WebSocket, offset: u64, bytes: &[u8]) {
    let frame = encode_frame(offset, bytes);
    socket.send(Message::Binary(frame.into())).await.unwrap();
}

/// The next input of the client.
async fn input(socket: &mut WebSocket) -> (u64, Vec<u8>) {
    loop {
        match within(socket.recv()).await.unwrap().unwrap() {
            Message::Binary(frame) => {
                let (offset, bytes) = decode_frame(&frame).unwrap();
                return (offset, bytes.to_vec());
            }
            Message::Close(_) => panic!("closed"),
            _ => {}
        }
    }
}

fn place() -> TerminalPlace {
    TerminalPlace::Vm("v".parse().unwrap())
}

#[tokio::test]
async fn a_terminal_loses_and_repeats_nothing_over_a_broken_connection() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let terminal = "t".parse().unwrap();
    let mut viewer = client
        .engine()
        .attach(&place(), &terminal, TerminalOptions::default())
        .await
        .unwrap();
    let keys = viewer.input();
    let mut next = async || within(viewer.next()).await.unwrap().unwrap();

    let (query, mut socket) = within(connections.recv()).await.unwrap();
    let id = query.strip_prefix("viewer=").unwrap().to_owned();
    tell(&mut socket, &attached("a", 0, 0)).await;
    output(&mut socket, 0, b"hello").await;
    assert!(matches!(
        next().await,
        TerminalEvent::Attached { resumed: false, .. }
    ));
    assert_eq!(
        next().await,
        TerminalEvent::Output(Bytes::from_static(b"hello"))
    );
    keys.send("abc").await.unwrap();
    assert_eq!(input(&mut socket).await, (0, b"abc".to_vec()));
    tell(&mut socket, &ServerControl::Ack { offset: 1 }).await;
    drop(socket);
    assert!(matches!(next().await, TerminalEvent::Reconnecting(_)));
    keys.send("def").await.unwrap();

    let (query, mut socket) = within(connections.recv()).await.unwrap();
    assert_eq!(query, format!("viewer={id}&from=a:5"));
    tell(&mut socket, &attached("a", 3, 2)).await;
    output(&mut socket, 3, b"lo world").await;
    assert!(matches!(
        next().await,
        TerminalEvent::Attached { resumed: true, .. }
    ));
    assert_eq!(
        next().await,
        TerminalEvent::Output(Bytes::from_static(b" world"))
    );
    let mut typed = Vec::new();
    while typed.len() < 4 {
        let (offset, bytes) = input(&mut socket).await;
        assert_eq!(offset, 2 + typed.len() as u64);
        typed.extend(bytes);
    }
    assert_eq!(typed, b"cdef");
    let exit = Exit {
        code: 3,
        signal: None,
    };
    tell(&mut socket, &ServerControl::Exited(exit)).await;
    assert_eq!(next().await, TerminalEvent::Exited(exit));
    assert!(within(viewer.next()).await.is_none());
}

#[tokio::test]
async fn a_sleeping_vm_is_woken_by_the_next_key_only() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let mut viewer = client
        .engine()
        .attach(&place(), &"t".parse().unwrap(), TerminalOptions::default())
        .await
        .unwrap();
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    tell(&mut socket, &attached("a", 0, 0)).await;
    let frame = CloseFrame {
        code: close::SUSPENDED,
        reason: "asleep".into(),
    };
    socket.send(Message::Close(Some(frame))).await.unwrap();
    while let Some(Ok(_)) = within(socket.recv()).await {}
    assert!(matches!(
        within(viewer.next()).await,
        Some(Ok(TerminalEvent::Attached { .. }))
    ));
    assert_eq!(
        within(viewer.next()).await.unwrap().unwrap(),
        TerminalEvent::Suspended
    );
    viewer.input().resize(Size::default()).await.unwrap();
    assert!(connections.try_recv().is_err());
    viewer.input().send("x").await.unwrap();
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    tell(&mut socket, &attached("a", 0, 0)).await;
    assert_eq!(input(&mut socket).await, (0, b"x".to_vec()));
}

#[tokio::test]
async fn a_close_for_good_is_not_tried_again() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let mut viewer = client
        .engine()
        .attach(&place(), &"t".parse().unwrap(), TerminalOptions::default())
        .await
        .unwrap();
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    let frame = CloseFrame {
        code: close::MOVED,
        reason: "moved".into(),
    };
    socket.send(Message::Close(Some(frame))).await.unwrap();
    let error = within(viewer.next()).await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ClientError::Closed { code: close::MOVED, reason } if reason == "moved"),
        "{error}"
    );
    assert!(within(viewer.next()).await.is_none());
}

#[tokio::test]
async fn a_refused_handshake_comes_as_its_problem() {
    let problem = r#"{"status":404,"code":"not_found","detail":"there is no terminal `t`"}"#;
    let router = Router::new().fallback(move || async move {
        (StatusCode::NOT_FOUND, problem).into_response() as Response
    });
    let server = Server::start(router).await;
    let error = server
        .client()
        .engine()
        .attach(&place(), &"t".parse().unwrap(), TerminalOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no terminal `t`");
}

fn entry(seq: u64) -> serde_json::Value {
    json!({"seq": seq, "sessionId": "s", "kind": "user_message", "payload": {},
        "createdAt": "2026-01-01T00:00:00Z"})
}

fn frame(value: &serde_json::Value) -> Message {
    Message::Text(value.to_string().into())
}

#[tokio::test]
async fn a_workspace_is_followed_from_where_it_was() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let workspace = "w".parse().unwrap();
    let mut events = client.engine().follow(&workspace, None).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));

    let (query, mut socket) = within(connections.recv()).await.unwrap();
    assert_eq!(query, "");
    let snapshot = json!({"type": "messages_snapshot", "workspaceId": "w", "journal": "j",
        "messages": [entry(1), entry(2)], "sessions": []});
    socket.send(frame(&snapshot)).await.unwrap();
    let third = json!({"type": "claude_message", "entry": entry(3)});
    socket.send(frame(&third)).await.unwrap();
    socket
        .send(frame(&json!({"type": "from_the_future"})))
        .await
        .unwrap();
    socket
        .send(frame(&json!({"type": "lagged"})))
        .await
        .unwrap();

    let following = {
        let seen = seen.clone();
        async move {
            while let Some(event) = within(events.next()).await {
                match event {
                    Ok(WorkspaceEvent::Frame(frame)) => match *frame {
                        WorkspaceFrame::MessagesSnapshot { messages, .. } => {
                            seen.lock()
                                .await
                                .extend(messages.iter().map(|entry| entry.seq));
                        }
                        WorkspaceFrame::ClaudeMessage { entry } => {
                            seen.lock().await.push(entry.seq);
                        }
                        other => panic!("{other:?}"),
                    },
                    Ok(WorkspaceEvent::Reconnecting(_) | WorkspaceEvent::Suspended) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let serving = async {
        let (query, mut socket) = within(connections.recv()).await.unwrap();
        assert_eq!(query, "after=j:3");
        let snapshot = json!({"type": "messages_snapshot", "workspaceId": "w", "journal": "j",
            "messages": [], "sessions": []});
        socket.send(frame(&snapshot)).await.unwrap();
        socket.send(frame(&third)).await.unwrap();
        let fourth = json!({"type": "claude_message", "entry": entry(4)});
        socket.send(frame(&fourth)).await.unwrap();
        let frame = CloseFrame {
            code: close::DONE,
            reason: "".into(),
        };
        socket.send(Message::Close(Some(frame))).await.unwrap();
        while let Some(Ok(_)) = within(socket.recv()).await {}
    };
    tokio::join!(following, serving);
    assert_eq!(*seen.lock().await, [1, 2, 3, 4]);
}

async fn said(socket: &mut WebSocket) -> serde_json::Value {
    loop {
        match within(socket.recv()).await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(_) => panic!("closed"),
            _ => {}
        }
    }
}

fn message(text: &str) -> ClientFrame {
    ClientFrame::UserMessage {
        id: ClientId::generate(),
        session_id: "s".parse().unwrap(),
        text: text.into(),
    }
}

/// Reads on until the socket is over.
fn drained(mut events: WorkspaceSocket) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = within(events.next()).await {
            seen.push(format!("{event:?}"));
        }
        seen
    })
}

async fn close(socket: &mut WebSocket, code: u16) {
    let frame = CloseFrame {
        code,
        reason: "".into(),
    };
    socket.send(Message::Close(Some(frame))).await.unwrap();
    while let Some(Ok(_)) = within(socket.recv()).await {}
}

#[tokio::test]
async fn what_was_said_and_not_answered_is_said_again_under_the_same_id() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let events = client.engine().follow(&"w".parse().unwrap(), None).await;
    let events = events.unwrap();
    let sender = events.sender();
    let reading = drained(events);

    let (_, mut socket) = within(connections.recv()).await.unwrap();
    let (first, second) = (message("one"), message("two"));
    let saying = |frame: ClientFrame| {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(frame).await })
    };
    let told_first = saying(first.clone());
    assert_eq!(said(&mut socket).await, json!(first));
    let told_second = saying(second.clone());
    assert_eq!(said(&mut socket).await, json!(second));
    let accepted = json!({"type": "accepted", "id": first.id()});
    socket.send(frame(&accepted)).await.unwrap();
    within(told_first).await.unwrap().unwrap();
    drop(socket);

    let (_, mut socket) = within(connections.recv()).await.unwrap();
    assert_eq!(said(&mut socket).await, json!(second));
    let problem = Problem::new(ErrorCode::Conflict, "not now");
    let rejected = json!({"type": "rejected", "id": second.id(), "problem": problem});
    socket.send(frame(&rejected)).await.unwrap();
    let error = within(told_second).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Conflict));

    close(&mut socket, close::DONE).await;
    let seen = within(reading).await.unwrap();
    assert!(
        seen[0].contains("Accepted") && seen[1].contains("Reconnecting"),
        "{seen:?}"
    );
    let error = sender.send(message("late")).await.unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_followed_vm_that_sleeps_is_woken_by_what_is_said() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let mut events = client
        .engine()
        .follow(&"w".parse().unwrap(), None)
        .await
        .unwrap();
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    close(&mut socket, close::SUSPENDED).await;
    assert!(matches!(
        within(events.next()).await,
        Some(Ok(WorkspaceEvent::Suspended))
    ));
    assert!(connections.try_recv().is_err());
    let sender = events.sender();
    let reading = drained(events);
    let hello = message("hello");
    let telling = {
        let hello = hello.clone();
        tokio::spawn(async move { sender.send(hello).await })
    };
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    assert_eq!(said(&mut socket).await, json!(hello));
    let accepted = json!({"type": "accepted", "id": hello.id()});
    socket.send(frame(&accepted)).await.unwrap();
    within(telling).await.unwrap().unwrap();
    close(&mut socket, close::DONE).await;
    within(reading).await.unwrap();
}

#[tokio::test]
async fn questions_and_permission_requests_are_entries_too() {
    let (server, mut connections) = server().await;
    let client = server.client();
    let events = client.engine().follow(&"w".parse().unwrap(), None).await;
    let reading = drained(events.unwrap());
    let (_, mut socket) = within(connections.recv()).await.unwrap();
    let snapshot = json!({"type": "messages_snapshot", "workspaceId": "w", "journal": "j",
        "messages": [], "sessions": []});
    socket.send(frame(&snapshot)).await.unwrap();
    for (kind, seq) in [("user_question", 1), ("permission_request", 2)] {
        let asked = json!({"type": kind, "entry": entry(seq)});
        socket.send(frame(&asked)).await.unwrap();
        socket.send(frame(&asked)).await.unwrap();
    }
    socket
        .send(frame(&json!({"type": "lagged"})))
        .await
        .unwrap();
    let (query, mut socket) = within(connections.recv()).await.unwrap();
    assert_eq!(query, "after=j:2");
    close(&mut socket, close::DONE).await;
    let seen = within(reading).await.unwrap();
    assert_eq!(seen.len(), 4, "{seen:?}");
}
