//! Fifty viewers of one terminal, ten of whom do not read.

use ff_protocol::close;
use ff_protocol::terminal::{decode_frame, encode_frame};
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::terminals::{Seen, open};
use crate::world::{DEADLINE, Socket, World, close_code, next, next_json, say};

const READING: usize = 40;
const STALLED: usize = 10;
/// More than the kernel keeps of a connection that nobody reads.
const SIZE: usize = 6_000_000;
const START: &[u8] = b"begin\r\n";
/// At a rate at which a reader is never behind.
const FLOOD: &str = "stty -opost -echo; printf 'beg''in\\r\\n'; \
    for ((i = 0; i < 120; i++)); do head -c 50000 ~/flood; sleep 0.05; done; exit 3\n";

/// One that takes hardly anything unless it is read.
async fn stalled(world: &World, path: &str) -> WebSocketStream<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(world.address()).await.unwrap();
    let url = format!("ws://{}{path}", world.address());
    client_async(url, stream).await.unwrap().0
}

async fn digest(mut socket: Socket) -> (usize, Vec<u8>) {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut head = Vec::new();
    let mut begun = false;
    loop {
        match next(&mut socket).await {
            Message::Binary(frame) => {
                let (_, bytes) = decode_frame(&frame).unwrap();
                head.extend_from_slice(bytes);
                if !begun {
                    let Some(at) = head.windows(START.len()).position(|it| it == START) else {
                        continue;
                    };
                    head.drain(..at + START.len());
                    begun = true;
                }
                // The shell has last words of its own.
                head.truncate(SIZE - size);
                size += head.len();
                hash.update(&head);
                head.clear();
            }
            Message::Text(text) => assert!(!text.contains("redraw"), "it fell behind"),
            Message::Close(frame) => {
                assert_eq!(u16::from(frame.unwrap().code), close::DONE);
                return (size, hash.finalize().to_vec());
            }
            _ => {}
        }
    }
}

/// Reads what is left: how many redraws, how many bytes, and the exit code.
async fn late(mut socket: WebSocketStream<tokio::net::TcpStream>) -> (usize, usize, Option<Value>) {
    let (mut redraws, mut size) = (0, 0);
    let read = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(frame) => size += frame.len(),
                Message::Text(text) => {
                    let said: Value = serde_json::from_str(&text).unwrap();
                    redraws += usize::from(said["type"] == "redraw");
                    if said["type"] == "exited" {
                        return Some(said["code"].clone());
                    }
                }
                _ => {}
            }
        }
        None
    };
    let exited = tokio::time::timeout(DEADLINE, read).await.unwrap();
    (redraws, size, exited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_do_not_read_hold_up_nobody() {
    let world = World::new().await;
    let block: Vec<u8> = (0..50_000u32)
        .map(|at| b' ' + (at * 7 % 90) as u8)
        .collect();
    std::fs::write(world.home().join("flood"), &block).unwrap();
    let (path, begin) = open(&world).await;
    let from = format!("{path}/socket?from={begin}");
    let mut silent = Vec::new();
    for _ in 0..STALLED {
        silent.push(stalled(&world, &from).await);
    }
    let mut reading = Vec::new();
    for nth in 0..READING {
        let readonly = if nth % 2 == 1 { "&readonly=true" } else { "" };
        let mut socket = world.connect(&format!("{from}{readonly}")).await;
        assert_eq!(next_json(&mut socket).await["type"], "attached");
        reading.push(socket);
    }
    let input = encode_frame(0, FLOOD.as_bytes());
    say(&mut reading[0], Message::binary(input)).await;
    let digests = reading
        .into_iter()
        .map(|socket| tokio::spawn(digest(socket)));
    let all = tokio::time::timeout(DEADLINE, join_all(digests))
        .await
        .unwrap();
    let wanted = Sha256::digest(block.repeat(SIZE / block.len())).to_vec();
    for seen in all {
        let (size, hash) = seen.unwrap();
        assert_eq!((size, hash == wanted), (SIZE, true));
    }
    // They read what the kernel has kept, then the screen anew, and hear the end; unless they have
    // been silent for so long that they were let go.
    for socket in silent {
        let (redraws, size, exited) = late(socket).await;
        assert!(size < SIZE, "{size} bytes");
        if let Some(code) = exited {
            assert!(redraws >= 1 && code == 3, "{redraws} redraws, {code}");
        }
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn input_of_one_that_only_watches_is_refused() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    let from = format!("{path}/socket?from={begin}");
    let mut watcher = world.connect(&format!("{from}&readonly=true")).await;
    next_json(&mut watcher).await;
    let tiny = r#"{"type":"resize","size":{"cols":5,"rows":5}}"#;
    say(&mut watcher, Message::text(tiny)).await;
    say(&mut watcher, Message::binary(encode_frame(0, b"exit\n"))).await;
    assert_eq!(close_code(&mut watcher).await, close::POLICY);
    let mut typist = world.connect(&from).await;
    next_json(&mut typist).await;
    let line = b"echo \"<$(stty size)>\"\n";
    say(&mut typist, Message::binary(encode_frame(0, line))).await;
    Seen::default().until(&mut typist, "<30 100>").await;
    world.core.shutdown().await;
}

#[tokio::test]
async fn a_viewer_that_comes_twice_ends_its_first_connection() {
    let world = World::new().await;
    let (path, _) = open(&world).await;
    let mut old = world.connect(&format!("{path}/socket?viewer=me")).await;
    next_json(&mut old).await;
    let mut new = world.connect(&format!("{path}/socket?viewer=me")).await;
    next_json(&mut new).await;
    assert_eq!(close_code(&mut old).await, close::POLICY);
    say(&mut new, Message::binary(encode_frame(0, b"exit 4\n"))).await;
    assert_eq!(close_code(&mut new).await, close::DONE);
    world.core.shutdown().await;
}
