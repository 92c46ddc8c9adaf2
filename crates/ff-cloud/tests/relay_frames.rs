//! The relay as one sees it who writes frames by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use axum::extract::ws::{Message as AtAgent, WebSocket};
use ff_protocol::close;
use ff_protocol::socket::LARGEST_CLIENT_FRAME;
use serde_json::json;
use support::backend::Backend;
use support::relayed::{World, at_agent, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client without a library.
struct Raw(TcpStream);

impl Raw {
    async fn ask(world: &World, path: &str) -> (Self, String) {
        let address = world.online.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(stream.read_u8()).await.unwrap());
        }
        (Self(stream), String::from_utf8(head).unwrap())
    }

    /// Both ends of a relayed socket.
    async fn connect(world: &mut World) -> (Self, WebSocket) {
        let path = format!("/api/vms/{}/terminals/t/socket?userId=test-user", world.vm);
        let (client, head) = Self::ask(world, &path).await;
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        // The answer to the key of RFC 6455, 1.3; it is sent as it is.
        assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(!head.contains("extensions"), "{head}");
        let (_, agent) = within(world.heard.sockets.recv()).await.unwrap();
        (client, agent)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame of less than 126 bytes: first byte and payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = within(self.0.read_u8()).await.unwrap();
        let length = within(self.0.read_u8()).await.unwrap();
        assert!(length < 126);
        let mut payload = vec![0; length.into()];
        within(self.0.read_exact(&mut payload)).await.unwrap();
        (first, payload)
    }
}

/// A frame of a client with a mask of zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn bad_input_terminal_6_what_are_no_frames_ends_the_socket_with_its_code() {
    let mut world = World::new(Backend::Sqlite).await;
    let length = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (what, bytes, code) in [
        ("a reserved bit", masked(0xc2, b"x"), close::PROTOCOL),
        ("an opcode of nobody", masked(0x83, b"x"), close::PROTOCOL),
        ("no mask", vec![0x82, 1, b'x'], close::PROTOCOL),
        ("a ping in pieces", masked(0x09, b""), close::PROTOCOL),
        (
            "a large ping",
            vec![0x89, 0xfe, 0, 126, 0, 0, 0, 0],
            close::PROTOCOL,
        ),
        ("it continues nothing", masked(0x80, b"x"), close::PROTOCOL),
        (
            "a message within another",
            [masked(0x02, b"x"), masked(0x82, b"y")].concat(),
            close::PROTOCOL,
        ),
        ("half a close code", masked(0x88, b"x"), close::PROTOCOL),
        ("a length beyond 63 bits", length(1 << 63), close::PROTOCOL),
        ("a long form of a short length", length(5), close::PROTOCOL),
        (
            "more than a message may have",
            length(LARGEST_CLIENT_FRAME as u64 + 1),
            close::TOO_LARGE,
        ),
    ] {
        let (mut client, mut agent) = Raw::connect(&mut world).await;
        client.send(&masked(0x82, b"before")).await;
        client.send(&bytes).await;
        let (first, payload) = client.frame().await;
        assert_eq!(first, 0x88, "{what}");
        assert_eq!(payload[..2], code.to_be_bytes(), "{what}");
        assert!(payload.len() > 2, "{what}: no reason");
        // What it still says is not listened to, and the connection ends.
        client.send(&[0x55; 100_000]).await;
        let mut rest = Vec::new();
        within(client.0.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty(), "{what}: {rest:?}");
        drop(client);
        let before = AtAgent::Binary(b"before".as_slice().into());
        assert_eq!(at_agent(&mut agent).await, before, "{what}");
        // Of a message that was begun its first piece may have come.
        match at_agent(&mut agent).await {
            AtAgent::Close(Some(frame)) if code == close::TOO_LARGE => assert_eq!(frame.code, code),
            AtAgent::Close(Some(frame)) => assert_eq!(frame.code, close::GOING_AWAY, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn bad_input_terminal_7_who_has_no_right_is_refused_before_the_upgrade() {
    let mut world = World::new(Backend::Sqlite).await;
    let other = world
        .online
        .client("other")
        .create_vm(None)
        .await
        .unwrap()
        .id;
    let own = &world.vm;
    for path in [
        // The VM of another, there or not; a workspace nobody has; one who has nothing.
        format!("/api/vms/{other}/terminals/t/socket?userId=test-user"),
        "/api/vms/no-such/terminals/t/socket?userId=test-user".to_owned(),
        "/api/workspaces/no-such/socket?userId=test-user".to_owned(),
        "/api/workspaces/no-such/terminals/t/socket?userId=test-user".to_owned(),
        format!("/api/vms/{own}/terminals/t/socket?userId=other"),
        format!("/api/vms/{own}/terminals/t/socket?userId=stranger"),
    ] {
        let (mut client, head) = Raw::ask(&world, &path).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
        assert!(head.contains("application/problem+json"), "{path}: {head}");
        let mut body = vec![0; 1024];
        let count = within(client.0.read(&mut body)).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body[..count]).unwrap();
        assert_eq!(problem["code"], json!("not_found"), "{path}: {problem}");
    }
    assert!(
        world.heard.sockets.try_recv().is_err(),
        "an agent was asked"
    );
}

/// Takes as long as it takes until the relay pings.
#[tokio::test]
async fn both_legs_are_pinged_and_never_within_a_frame() {
    let mut world = World::new(Backend::Sqlite).await;
    let (mut client, mut agent) = Raw::connect(&mut world).await;
    let payload: Vec<u8> = (0..70_000_u32).map(|number| number as u8).collect();
    let frame = masked(0x82, &payload);
    client.send(&frame[..60_000]).await;
    // The way down is free, the way up is not.
    assert_eq!(client.frame().await, (0x89, Vec::new()));
    let silence = tokio::time::timeout(Duration::from_secs(1), agent.recv()).await;
    assert!(silence.is_err(), "{silence:?}");
    client.send(&frame[60_000..]).await;
    let came = within(agent.recv()).await.unwrap().unwrap();
    assert!(
        came == AtAgent::Binary(payload.into()),
        "the frame is not whole"
    );
    let ping = within(agent.recv()).await.unwrap().unwrap();
    assert_eq!(ping, AtAgent::Ping(Default::default()));

    // Both answer; no answer is passed on to the other, who did not ask.
    client.send(&masked(0x8a, b"")).await;
    client.send(&masked(0x89, b"you?")).await;
    assert_eq!(client.frame().await, (0x8a, b"you?".to_vec()));
    agent
        .send(AtAgent::Binary(b"last".as_slice().into()))
        .await
        .unwrap();
    assert_eq!(client.frame().await, (0x82, b"last".to_vec()));
    client.send(&masked(0x82, b"bye")).await;
    let came = within(agent.recv()).await.unwrap().unwrap();
    assert_eq!(came, AtAgent::Binary(b"bye".as_slice().into()));
}
