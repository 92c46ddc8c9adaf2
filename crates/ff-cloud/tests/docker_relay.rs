//! A terminal and requests over a freeze, on the real engine, looked at from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

mod support;

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use support::engine::Online;
use support::host::soon;
use support::relayed::Client;
use support::world::{Made, World, docker, inspect};
use tokio_tungstenite::tungstenite::Message;

/// A viewer of a terminal that counts its input, and what it has seen.
struct Viewer {
    socket: Client,
    typed: u64,
    seen: String,
}

impl Viewer {
    async fn attach(online: &Online, vm: &Made) -> Self {
        let base = online.url.replace("http", "ws");
        let client = online.client("test-user");
        let place = ff_client::TerminalPlace::Vm(vm.id.parse().unwrap());
        let terminal = client
            .engine()
            .create_terminal(&place, &Default::default())
            .await
            .unwrap();
        let url = format!(
            "{base}{}/terminals/{}/socket?viewer=v&userId=test-user",
            vm.path, terminal.id
        );
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self {
            socket,
            typed: 0,
            seen: String::new(),
        }
    }

    async fn enter(&mut self, line: &str) {
        let mut frame = self.typed.to_be_bytes().to_vec();
        frame.extend_from_slice(line.as_bytes());
        frame.push(b'\r');
        self.typed += line.len() as u64 + 1;
        self.socket.send(Message::binary(frame)).await.unwrap();
    }

    /// Reads until `end` shows.
    async fn until(&mut self, end: &str) {
        let read = async {
            while !self.seen.contains(end) {
                match self.socket.next().await.unwrap().unwrap() {
                    Message::Binary(frame) => self.seen += &String::from_utf8_lossy(&frame[8..]),
                    Message::Close(frame) => panic!("it was closed: {frame:?}"),
                    _ => {}
                }
            }
        };
        soon(end, read).await;
    }

    /// The server answers a ping; what the shell still had to say may come before.
    async fn lives(&mut self) {
        let ping = Message::Ping(Bytes::from_static(b"there?"));
        self.socket.send(ping).await.unwrap();
        let answered = async {
            loop {
                match self.socket.next().await.unwrap().unwrap() {
                    Message::Pong(_) => return,
                    Message::Close(frame) => panic!("it was closed: {frame:?}"),
                    Message::Binary(frame) => self.seen += &String::from_utf8_lossy(&frame[8..]),
                    _ => {}
                }
            }
        };
        soon("the server's pong", answered).await;
    }
}

/// Asks for a freeze until nothing works in the VM any more.
async fn freeze(world: &World, vm: &Made) {
    let path = format!("{}/suspend", vm.path);
    let asked = async {
        loop {
            let asked = world.server.post(&path, json!({"tier": "frozen"})).await;
            match asked.code() {
                "busy" => tokio::time::sleep(Duration::from_millis(500)).await,
                _ => return asked,
            }
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(120), asked).await;
    let asked = asked.expect("it works for ever");
    assert_eq!(asked.body["state"], "FROZEN", "{asked:?}");
    assert_eq!(inspect(&vm.container)["State"]["Status"], "paused");
}

/// How often the engine thawed the VM.
fn thaws(vm: &Made, since: &str) -> usize {
    let until = docker(&["info", "--format", "{{.SystemTime}}"]);
    let container = format!("container={}", vm.container);
    let events = docker(&[
        "events",
        "--since",
        since,
        "--until",
        &until,
        "--filter",
        &container,
        "--filter",
        "event=unpause",
        "--format",
        "{{.Action}}",
    ]);
    events.lines().count()
}

#[tokio::test]
async fn a_terminal_stays_open_while_its_vm_is_frozen_and_a_line_wakes_it() {
    let world = World::new(&[]).await;
    let online = Online::start(&world.server).await;
    let vm = world.vm().await;
    let since = docker(&["info", "--format", "{{.SystemTime}}"]);
    let mut viewer = Viewer::attach(&online, &vm).await;
    viewer.enter("echo first-$((40 + 2))-$$").await;
    viewer.until("first-42-").await;
    let pid = vm.shell("pgrep -n bash || pgrep -n sh");

    freeze(&world, &vm).await;
    viewer.seen.clear();
    viewer.lives().await;
    assert_eq!(inspect(&vm.container)["State"]["Status"], "paused");
    assert_eq!(thaws(&vm, &since), 0);

    viewer
        .enter("echo second-$((40 + 3))-$$ >> ~/lines; cat ~/lines")
        .await;
    viewer.until(&format!("second-43-{pid}")).await;
    assert_eq!(vm.shell("cat ~/lines"), format!("second-43-{pid}"));
    assert_eq!(inspect(&vm.container)["State"]["Status"], "running");
    assert_eq!(thaws(&vm, &since), 1);
    let shown = world.server.get(&vm.path).await;
    assert_eq!(shown.body["state"], "RUNNING");
}

#[tokio::test]
async fn twenty_changes_at_once_thaw_a_vm_once() {
    let world = World::new(&[]).await;
    let vm = world.vm().await;
    freeze(&world, &vm).await;
    let since = docker(&["info", "--format", "{{.SystemTime}}"]);
    let path = format!("{}/terminals", vm.path);
    let posts = (0..20).map(|_| world.server.post(&path, json!({})));
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    let listed = world.server.get(&path).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 20);
    assert_eq!(thaws(&vm, &since), 1);
}
