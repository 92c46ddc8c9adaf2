//! Relayed sockets while their VM sleeps and wakes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::extract::ws::{Message as AtAgent, WebSocket};
use bytes::Bytes;
use ff_cloud::db::entity::workspace;
use ff_protocol::close;
use ff_protocol::socket::LARGEST_CLIENT_FRAME;
use futures_util::{SinkExt, StreamExt};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::json;
use support::backend::Backend;
use support::relayed::{Client, World, at_agent, at_client, ended, within};
use tokio_tungstenite::tungstenite::Message;

/// Long enough for what must not happen to have happened.
const A_WHILE: Duration = Duration::from_millis(300);
const RESIZE: &str = r#"{"type":"resize","size":{"cols":80,"rows":24}}"#;

impl World {
    async fn suspend(&self, tier: &str) {
        let path = format!("/api/vms/{}/suspend", self.vm);
        let asked = self.server.post(&path, json!({ "tier": tier })).await;
        let state = tier.to_uppercase();
        assert_eq!(asked.body["state"], state, "{asked:?}");
    }

    async fn state(&self) -> String {
        let vm = self.server.get(&format!("/api/vms/{}", self.vm)).await;
        vm.body["state"].as_str().unwrap().to_owned()
    }

    fn thawed(&self) -> usize {
        self.server.provider.thawed.load(SeqCst)
    }
}

fn typed(line: &str) -> Bytes {
    let mut frame = vec![0; 8];
    frame.extend_from_slice(line.as_bytes());
    frame.into()
}

/// The server answers, whatever the VM does.
async fn answers_pings(client: &mut Client) {
    client
        .send(Message::Ping(Bytes::from_static(b"there?")))
        .await
        .unwrap();
    loop {
        match within(client.next()).await.unwrap().unwrap() {
            Message::Pong(bytes) => return assert_eq!(bytes, b"there?".as_slice()),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What has come so far at the agent, pings as well.
async fn nothing_comes(agent: &mut WebSocket) {
    let came = tokio::time::timeout(A_WHILE, agent.recv()).await;
    assert!(came.is_err(), "{came:?}");
}

/// Takes the pings of the beginning.
async fn settle(client: &mut Client, agent: &mut WebSocket) {
    client.send(Message::text("first")).await.unwrap();
    assert_eq!(at_agent(agent).await, AtAgent::Text("first".into()));
    while tokio::time::timeout(A_WHILE, agent.recv()).await.is_ok() {}
}

async fn sockets_stay_open_across_a_freeze_and_input_wakes_the_vm_once(backend: Backend) {
    let mut world = World::new(backend).await;
    let mut ends = Vec::new();
    for _ in 0..3 {
        let (mut client, mut agent) = world.connect().await;
        settle(&mut client, &mut agent).await;
        ends.push((client, agent));
    }
    world.suspend("frozen").await;
    for (client, agent) in &mut ends {
        client.send(Message::text(RESIZE)).await.unwrap();
        nothing_comes(agent).await;
        answers_pings(client).await;
    }
    assert_eq!((world.state().await, world.thawed()), ("FROZEN".into(), 0));

    for (client, _) in &mut ends {
        for line in ["one", "two", "three"] {
            client.send(Message::Binary(typed(line))).await.unwrap();
        }
        client.send(Message::text("last")).await.unwrap();
    }
    for (client, agent) in &mut ends {
        assert_eq!(at_agent(agent).await, AtAgent::Text(RESIZE.into()));
        for line in ["one", "two", "three"] {
            assert_eq!(at_agent(agent).await, AtAgent::Binary(typed(line)));
        }
        assert_eq!(at_agent(agent).await, AtAgent::Text("last".into()));
        nothing_comes(agent).await;
        agent.send(AtAgent::Binary(typed("out"))).await.unwrap();
        assert_eq!(at_client(client).await, Message::Binary(typed("out")));
    }
    assert_eq!((world.state().await, world.thawed()), ("RUNNING".into(), 1));
}

async fn a_terminal_that_is_only_watched_wakes_nothing_and_goes_on_after_a_thaw(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    settle(&mut client, &mut agent).await;
    for round in 1..3 {
        world.suspend("frozen").await;
        client.send(Message::text(RESIZE)).await.unwrap();
        nothing_comes(&mut agent).await;
        let woken = format!("/api/vms/{}/onboarding?wake=true", world.vm);
        assert_eq!(world.server.get(&woken).await.status, 200);
        assert_eq!(at_agent(&mut agent).await, AtAgent::Text(RESIZE.into()));
        assert_eq!(world.thawed(), round);
        agent.send(AtAgent::Binary(typed("out"))).await.unwrap();
        assert_eq!(at_client(&mut client).await, Message::Binary(typed("out")));
    }
}

async fn input_that_a_vm_may_not_have_read_any_more_wakes_it(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    settle(&mut client, &mut agent).await;
    client.send(Message::Binary(typed("late"))).await.unwrap();
    assert_eq!(at_agent(&mut agent).await, AtAgent::Binary(typed("late")));
    let path = format!("/api/vms/{}/suspend", world.vm);
    world.server.post(&path, json!({"tier": "frozen"})).await;
    world.server.until_state(world.vm.as_str(), "RUNNING").await;
    assert_eq!(world.thawed(), 1);
    nothing_comes(&mut agent).await;
}

async fn what_a_client_says_on_a_workspace_socket_wakes_the_vm_and_comes_once(backend: Backend) {
    let mut world = World::new(backend).await;
    let now = ff_cloud::clock::now();
    let row = workspace::Model {
        user_id: "test-user".into(),
        id: "w".into(),
        vm_id: world.vm.to_string(),
        name: "w".into(),
        project_name: "p".into(),
        branch_name: "b".into(),
        owner: "cloud".into(),
        epoch: 1,
        handoff_id: None,
        metadata: "{}".into(),
        created_at: now,
        updated_at: now,
    };
    workspace::Entity::insert(row.into_active_model())
        .exec(world.server.app.db.write())
        .await
        .unwrap();
    let base = world.online.url.replace("http", "ws");
    let connecting = tokio_tungstenite::connect_async(format!("{base}/api/workspaces/w/socket"));
    let (mut client, _) = within(connecting).await.unwrap();
    let (uri, mut agent) = within(world.heard.sockets.recv()).await.unwrap();
    assert_eq!(uri, "/api/workspaces/w/socket");
    world.suspend("frozen").await;
    answers_pings(&mut client).await;
    assert_eq!((world.state().await, world.thawed()), ("FROZEN".into(), 0));
    let largest = "x".repeat(LARGEST_CLIENT_FRAME);
    let said = ["one", "two", largest.as_str(), "four"];
    // The largest has no room on the way: it goes on while it comes.
    let saying = async {
        for text in said {
            client.send(Message::text(text)).await.unwrap();
        }
    };
    let hearing = async {
        for text in said {
            assert!(at_agent(&mut agent).await == AtAgent::Text(text.into()));
            agent.send(AtAgent::Text("accepted".into())).await.unwrap();
        }
    };
    tokio::join!(saying, hearing);
    for _ in said {
        assert_eq!(at_client(&mut client).await, Message::text("accepted"));
    }
    nothing_comes(&mut agent).await;
    assert_eq!((world.state().await, world.thawed()), ("RUNNING".into(), 1));
}

async fn a_stop_closes_the_sockets_and_says_how_to_come_back(backend: Backend) {
    let mut world = World::new(backend).await;
    for way in [&["stopped"][..], &["frozen", "stopped"]] {
        let (mut client, mut agent) = world.connect().await;
        client.send(Message::text("first")).await.unwrap();
        assert_eq!(at_agent(&mut agent).await, AtAgent::Text("first".into()));
        for tier in way {
            world.suspend(tier).await;
        }
        let (code, reason) = ended(at_client(&mut client).await);
        assert_eq!(code, close::SUSPENDED);
        assert!(reason.contains("connect again to wake it"), "{reason}");
        assert_eq!(world.state().await, "STOPPED");
    }
}

async fn a_removed_vm_is_gone(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, _agent) = world.connect().await;
    let path = format!("/api/vms/{}", world.vm);
    assert_eq!(world.server.delete(&path).await.status, 204);
    assert_eq!(
        ended(at_client(&mut client).await),
        (close::POLICY, "the VM is gone".into())
    );
}

async fn input_to_a_vm_that_cannot_wake_ends_the_socket_and_is_not_passed_on(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    settle(&mut client, &mut agent).await;
    world.suspend("frozen").await;
    world.server.provider.down.store(true, SeqCst);
    client.send(Message::Binary(typed("x"))).await.unwrap();
    let (code, reason) = ended(at_client(&mut client).await);
    assert!(
        matches!(code, close::SUSPENDED | close::TRY_LATER),
        "{code}"
    );
    assert!(reason.contains("connect again"), "{reason}");
    while let Some(Ok(message)) = within(agent.recv()).await {
        assert!(!matches!(message, AtAgent::Binary(_)), "{message:?}");
    }
}

both_dbs! {
    sockets_stay_open_across_a_freeze_and_input_wakes_the_vm_once
    a_terminal_that_is_only_watched_wakes_nothing_and_goes_on_after_a_thaw
    input_that_a_vm_may_not_have_read_any_more_wakes_it
    what_a_client_says_on_a_workspace_socket_wakes_the_vm_and_comes_once
    a_stop_closes_the_sockets_and_says_how_to_come_back
    a_removed_vm_is_gone
    input_to_a_vm_that_cannot_wake_ends_the_socket_and_is_not_passed_on
}
