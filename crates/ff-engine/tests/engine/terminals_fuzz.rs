//! The terminal socket against clients that say anything: frames in and out of order, cut, bent
//! and at absurd offsets, on raw connections and through a library.

use std::collections::BTreeMap;

use ff_protocol::close;
use ff_protocol::terminal::encode_frame;
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::bad_input_terminals::resident;
use crate::terminals::{Seen, open};
use crate::world::{DEADLINE, World, next_json, say};

#[derive(Debug, Clone)]
enum Said {
    Resize(u16, u16),
    Control(String),
    Input(u64, Vec<u8>),
    Next(Vec<u8>),
    Short(Vec<u8>),
    Ping,
    Large,
}

fn said() -> impl Strategy<Value = Said> {
    let offset = prop_oneof![0u64..50, any::<u64>(), Just(u64::MAX)];
    prop_oneof![
        3 => (0u16..300, 0u16..300).prop_map(|(cols, rows)| Said::Resize(cols, rows)),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Said::Resize(cols, rows)),
        2 => r#"\{"type":"[a-z]{0,9}"(,"[a-z]{1,6}":[0-9"]{0,5})?\}?"#.prop_map(Said::Control),
        1 => ".{0,30}".prop_map(Said::Control),
        2 => (offset, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(offset, bytes)| Said::Input(offset, bytes)),
        6 => "[ -~]{0,20}".prop_map(|text| Said::Next(text.into_bytes())),
        1 => proptest::collection::vec(any::<u8>(), 0..8).prop_map(Said::Short),
        1 => Just(Said::Ping),
        1 => Just(Said::Large),
    ]
}

fn name(said: &Said) -> &'static str {
    match said {
        Said::Resize(..) => "resize",
        Said::Control(_) => "other text",
        Said::Input(..) => "input anywhere",
        Said::Next(_) => "input in order",
        Said::Short(_) => "no offset",
        Said::Ping => "ping",
        Said::Large => "too large",
    }
}

#[tokio::test]
async fn fuzz_clients_that_say_anything_harm_nobody() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    // One that behaves, all the while.
    let mut healthy = world.connect(&format!("{path}/socket?from={begin}")).await;
    next_json(&mut healthy).await;
    let raw = b"stty raw -echo; cat >/dev/null &\n";
    say(&mut healthy, Message::binary(encode_frame(0, raw))).await;
    let before = resident();
    let mut counts = BTreeMap::<String, u32>::new();
    let mut runner = TestRunner::default();
    for _ in 0..150 {
        let frames = proptest::collection::vec(said(), 1..12);
        let frames = frames.new_tree(&mut runner).unwrap().current();
        let mut socket = world.connect(&format!("{path}/socket")).await;
        let mut at = 0;
        for said in frames {
            *counts.entry(name(&said).into()).or_default() += 1;
            let message = match said {
                Said::Resize(cols, rows) => Message::text(format!(
                    r#"{{"type":"resize","size":{{"cols":{cols},"rows":{rows}}}}}"#
                )),
                Said::Control(text) => Message::text(text),
                Said::Input(offset, bytes) => Message::binary(encode_frame(offset, &bytes)),
                Said::Next(bytes) => {
                    let frame = encode_frame(at, &bytes);
                    at += bytes.len() as u64;
                    Message::binary(frame)
                }
                Said::Short(bytes) => Message::binary(bytes),
                Said::Ping => Message::Ping(vec![1, 2, 3].into()),
                Said::Large => Message::binary(vec![0; (1 << 20) + 1]),
            };
            // It may have closed by now.
            if socket.send(message).await.is_err() {
                break;
            }
        }
        let _ = socket.close(None).await;
        let ended = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|it| it.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        let code: Option<u16> = tokio::time::timeout(DEADLINE, ended).await.unwrap();
        let known = [1000, 1005, close::POLICY, close::TOO_LARGE, close::FAULT];
        assert!(code.is_none_or(|code| known.contains(&code)), "{code:?}");
        let code = code.map_or("without a code".to_owned(), |code| format!("closed {code}"));
        *counts.entry(code).or_default() += 1;
    }
    println!("terminal clients: {counts:?}");
    for kind in [
        "resize",
        "other text",
        "input anywhere",
        "no offset",
        "too large",
        "closed 1008",
    ] {
        assert!(counts.contains_key(kind), "never {kind}");
    }
    still_lives(&world, &path, before).await;
}

#[tokio::test]
async fn fuzz_bytes_that_are_no_frames_harm_nobody() {
    let world = World::new().await;
    let (path, _) = open(&world).await;
    let before = resident();
    let mut runner = TestRunner::default();
    let mut sizes = BTreeMap::<usize, u32>::new();
    for _ in 0..150 {
        let bytes = proptest::collection::vec(any::<u8>(), 1..2000);
        let mut bytes = bytes.new_tree(&mut runner).unwrap().current();
        // Often a masked frame of a length that never comes.
        if bytes.len() % 2 == 0 {
            let head = [0x82, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff];
            bytes.splice(0..0, head);
        }
        *sizes.entry(bytes.len() / 500 * 500).or_default() += 1;
        let mut stream = tokio::net::TcpStream::connect(world.address())
            .await
            .unwrap();
        let request = format!(
            "GET {path}/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        // It may end the connection before it has all.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let ended = async {
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        };
        tokio::time::timeout(DEADLINE, ended).await.unwrap();
    }
    println!("bytes of raw clients, by size: {sizes:?}");
    still_lives(&world, &path, before).await;
}

async fn still_lives(world: &World, path: &str, before: u64) {
    let mut socket = world.connect(&format!("{path}/socket?viewer=last")).await;
    next_json(&mut socket).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "it took {grown} bytes more");
    let (path, begin) = open(world).await;
    let mut socket = world.connect(&format!("{path}/socket?from={begin}")).await;
    next_json(&mut socket).await;
    say(
        &mut socket,
        Message::binary(encode_frame(0, b"echo a''live\n")),
    )
    .await;
    Seen::default().until(&mut socket, "alive").await;
    world.core.shutdown().await;
}
