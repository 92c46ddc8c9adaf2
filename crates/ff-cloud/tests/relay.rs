//! Forwarding and the relay, with an engine whose sockets the test holds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as AtAgent};
use bytes::Bytes;
use ff_protocol::close;
use ff_protocol::socket::LARGEST_CLIENT_FRAME;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use support::backend::Backend;
use support::relayed::{World, at_agent, at_client, ended, within};
use tokio_tungstenite::tungstenite::{self, Message, protocol};

async fn bytes_and_text_pass_exactly_and_in_order(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    let large: Bytes = (0..1 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for bytes in [
        large.clone(),
        Bytes::new(),
        Bytes::from_static(b"\x00\xff\x1b[31m"),
    ] {
        client.send(Message::Binary(bytes.clone())).await.unwrap();
        assert!(at_agent(&mut agent).await == AtAgent::Binary(bytes.clone()));
        agent.send(AtAgent::Binary(bytes.clone())).await.unwrap();
        assert!(at_client(&mut client).await == Message::Binary(bytes));
    }
    for number in 0..500 {
        let text = format!("{{\"n\": {number}}} \u{1f980}");
        client.send(Message::text(text.clone())).await.unwrap();
        agent.send(AtAgent::Text(text.into())).await.unwrap();
    }
    for number in 0..500 {
        let text = format!("{{\"n\": {number}}} \u{1f980}");
        assert_eq!(
            at_agent(&mut agent).await,
            AtAgent::Text(text.clone().into())
        );
        assert_eq!(at_client(&mut client).await, Message::text(text));
    }
}

async fn close_codes_and_reasons_pass_both_ways(backend: Backend) {
    let mut world = World::new(backend).await;
    for code in [1000, 1011, 4321] {
        let (mut client, mut agent) = world.connect().await;
        agent
            .send(AtAgent::Binary(Bytes::from_static(b"last words")))
            .await
            .unwrap();
        let frame = CloseFrame {
            code,
            reason: "the shell ended".into(),
        };
        agent.send(AtAgent::Close(Some(frame))).await.unwrap();
        assert_eq!(
            at_client(&mut client).await,
            Message::binary(b"last words".as_slice())
        );
        assert_eq!(
            ended(at_client(&mut client).await),
            (code, "the shell ended".into())
        );
        while let Some(Ok(_)) = within(agent.recv()).await {}

        let (mut client, mut agent) = world.connect().await;
        client
            .send(Message::binary(b"exit\r".as_slice()))
            .await
            .unwrap();
        let frame = protocol::CloseFrame {
            code: code.into(),
            reason: "bye".into(),
        };
        client.close(Some(frame)).await.unwrap();
        assert_eq!(
            at_agent(&mut agent).await,
            AtAgent::Binary(Bytes::from_static(b"exit\r"))
        );
        let frame = CloseFrame {
            code,
            reason: "bye".into(),
        };
        assert_eq!(at_agent(&mut agent).await, AtAgent::Close(Some(frame)));
    }
}

async fn a_client_that_vanishes_ends_the_agents_side(backend: Backend) {
    let mut world = World::new(backend).await;
    let (client, mut agent) = world.connect().await;
    drop(client);
    match at_agent(&mut agent).await {
        AtAgent::Close(Some(frame)) => assert_eq!(frame.code, close::GOING_AWAY),
        other => panic!("{other:?}"),
    }
}

/// The producer is stopped long before it has sent all, and everything arrives once the reader
/// reads.
async fn a_slow_reader_stops_its_writer_in_bounded_memory(backend: Backend) {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 2048;
    const BOUND: usize = 24 << 20;
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    let (stuck, mut told) = tokio::sync::mpsc::channel(1);
    let producing = tokio::spawn(async move {
        for sent in 0..PIECES {
            let message = AtAgent::Binary(vec![sent as u8; PIECE].into());
            let mut sending = Box::pin(agent.send(message));
            loop {
                match tokio::time::timeout(Duration::from_secs(1), &mut sending).await {
                    Ok(done) => break done.unwrap(),
                    Err(_) => {
                        let _ = stuck.try_send(sent * PIECE);
                    }
                }
            }
        }
        agent
    });
    let before = within(told.recv())
        .await
        .expect("the writer was never stopped");
    assert!(before < BOUND, "{before} bytes went into the relay");
    for received in 0..PIECES {
        match at_client(&mut client).await {
            Message::Binary(bytes) => {
                assert!(bytes.len() == PIECE && bytes.iter().all(|b| *b == received as u8));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut agent = within(producing).await.unwrap();
    client.send(Message::binary(b"x".as_slice())).await.unwrap();
    assert_eq!(
        at_agent(&mut agent).await,
        AtAgent::Binary(Bytes::from_static(b"x"))
    );
}

async fn the_end_of_the_server_is_told_to_both(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    world.server.app.lifecycle.soft.cancel();
    assert_eq!(
        ended(at_client(&mut client).await),
        (close::RESTART, "the server is stopping".into())
    );
    match at_agent(&mut agent).await {
        AtAgent::Close(Some(frame)) => assert_eq!(frame.code, close::RESTART),
        other => panic!("{other:?}"),
    }
    while let Some(Ok(_)) = within(client.next()).await {}
    while let Some(Ok(_)) = within(agent.recv()).await {}
    drop(agent);
    within(&mut world.online.task).await.unwrap();
}

async fn a_lost_agent_is_told_from_a_sleeping_vm(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, agent) = world.connect().await;
    drop(agent);
    let (code, reason) = ended(at_client(&mut client).await);
    assert_eq!(code, close::TRY_LATER, "{reason}");

    // One whose machine ended is started again, and the client comes back by itself.
    let (mut client, agent) = world.connect().await;
    world.server.provider.kill(&world.vm);
    drop(agent);
    let (code, reason) = ended(at_client(&mut client).await);
    assert!(close::reconnects(code), "{code} {reason}");
    let (mut client, mut agent) = world.connect().await;
    assert_eq!(world.server.provider.started.load(SeqCst), 2);

    // An agent that is stopped with its VM speaks of a restart.
    let suspend = format!("/api/vms/{}/suspend", world.vm);
    let asked = world
        .server
        .post(&suspend, json!({"tier": "stopped"}))
        .await;
    assert_eq!(asked.body["state"], "STOPPED", "{asked:?}");
    let frame = CloseFrame {
        code: close::RESTART,
        reason: "stopping".into(),
    };
    // The server may have been first.
    let _ = agent.send(AtAgent::Close(Some(frame))).await;
    let (code, reason) = ended(at_client(&mut client).await);
    assert_eq!(code, close::SUSPENDED, "{reason}");
}

async fn a_message_beyond_the_limit_ends_the_socket(backend: Backend) {
    let mut world = World::new(backend).await;
    let (mut client, mut agent) = world.connect().await;
    let sending = client.send(Message::Binary(vec![0; LARGEST_CLIENT_FRAME + 1].into()));
    // The server may be gone before all is written.
    let _ = within(sending).await;
    match at_agent(&mut agent).await {
        AtAgent::Close(Some(frame)) => assert_eq!(frame.code, close::TOO_LARGE),
        other => panic!("{other:?}"),
    }
}

async fn refusals_come_before_the_upgrade(backend: Backend) {
    let world = World::new(backend).await;
    let refused = tokio_tungstenite::connect_async(world.url("stranger"))
        .await
        .unwrap_err();
    match refused {
        tungstenite::Error::Http(response) => assert_eq!(response.status(), 404),
        other => panic!("{other:?}"),
    }
    let path = format!("/api/vms/{}/terminals/t/socket", world.vm);
    let plain = world.server.get(&path).await;
    assert_eq!((plain.status.as_u16(), plain.code()), (400, "bad_request"));
    let bad = world
        .server
        .get(&format!("/api/vms/{}/terminals/T%2F../socket", world.vm))
        .await;
    assert_eq!((bad.status.as_u16(), bad.code()), (400, "bad_request"));
}

async fn a_request_is_forwarded_without_what_is_ours(backend: Backend) {
    let world = World::new(backend).await;
    let path = format!("/api/vms/{}/terminals", world.vm);
    let answer = reqwest::Client::new()
        .post(format!("{}{path}?userId=test-user&x=1", world.online.url))
        .header("cookie", "c=d")
        .header("x-ff-user", "test-user")
        .header("idempotency-key", "k")
        .json(&json!({"name": "n"}))
        .send()
        .await
        .unwrap();
    assert!(answer.headers().contains_key("x-request-id"));
    let seen: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["uri"], format!("{path}?x=1"));
    assert_eq!(seen["body"], r#"{"name":"n"}"#);
    assert_eq!(
        seen["headers"],
        json!([
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "ff-deadline",
            "host",
            "idempotency-key",
            "x-request-id"
        ])
    );
    let unknown = "no-such".parse().unwrap();
    let refused = world.client.engine().sessions(&unknown).await.unwrap_err();
    assert_eq!(refused.code(), Some(ff_protocol::ErrorCode::NotFound));
}

async fn a_read_of_a_sleeping_vm_wakes_it_only_when_asked(backend: Backend) {
    let world = World::new(backend).await;
    let path = format!("/api/vms/{}/terminals", world.vm);
    let suspend = format!("/api/vms/{}/suspend", world.vm);
    let asked = world
        .server
        .post(&suspend, json!({"tier": "stopped"}))
        .await;
    assert_eq!(asked.body["state"], "STOPPED", "{asked:?}");
    assert_eq!(world.server.get(&path).await.code(), "suspended");
    let woken = world.server.get(&format!("{path}?wake=true")).await;
    assert_eq!(woken.body["uri"], path);
}

both_dbs! {
    bytes_and_text_pass_exactly_and_in_order
    close_codes_and_reasons_pass_both_ways
    a_client_that_vanishes_ends_the_agents_side
    a_slow_reader_stops_its_writer_in_bounded_memory
    the_end_of_the_server_is_told_to_both
    a_lost_agent_is_told_from_a_sleeping_vm
    a_message_beyond_the_limit_ends_the_socket
    refusals_come_before_the_upgrade
    a_request_is_forwarded_without_what_is_ours
    a_read_of_a_sleeping_vm_wakes_it_only_when_asked
}
