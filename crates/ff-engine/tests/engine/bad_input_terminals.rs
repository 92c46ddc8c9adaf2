//! Bad input of terminals, numbered as in CONTRIBUTING.md. What a relay does to frames is its own.

use ff_protocol::close;
use ff_protocol::terminal::{decode_frame, encode_frame};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_tungstenite::tungstenite::Message;

use crate::terminals::{Seen, open};
use crate::world::{World, closed, next, next_json, say};

#[tokio::test]
async fn bad_input_terminal_1_sizes_without_room_or_beyond_reason() {
    let world = World::new().await;
    let place = format!("/api/vms/{}/terminals", world.vm);
    let size = |cols: u16, rows: u16| json!({ "cols": cols, "rows": rows });
    let bad = [
        (0, 0),
        (0, 24),
        (80, 0),
        (65_535, 24),
        (80, 65_535),
        (65_535, 65_535),
    ];
    let (path, begin) = open(&world).await;
    for (cols, rows) in bad {
        let create = json!({ "size": size(cols, rows) }).to_string();
        let (status, problem) = world.post(&place, &create).await;
        assert_eq!(
            (status, &problem["code"]),
            (422, &json!("invalid")),
            "{cols}x{rows}"
        );
        let mut socket = world.connect(&format!("{path}/socket")).await;
        let resize = json!({ "type": "resize", "size": size(cols, rows) });
        say(&mut socket, Message::text(resize.to_string())).await;
        let (code, reason) = closed(&mut socket).await;
        assert_eq!(code, close::POLICY, "{cols}x{rows}");
        assert!(reason.contains("1 to 1000 columns"), "{reason}");
    }
    let (_, list) = world.get(&place).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["size"], size(100, 30));

    let mut socket = world.connect(&format!("{path}/socket?from={begin}")).await;
    next_json(&mut socket).await;
    let least = json!({ "type": "resize", "size": size(1, 1) });
    say(&mut socket, Message::text(least.to_string())).await;
    let line = b"echo \"<$(stty size)>\"\n";
    say(&mut socket, Message::binary(encode_frame(0, line))).await;
    Seen::default().until(&mut socket, "<1 1>").await;
    world.core.shutdown().await;
}

/// What a server says that is out of order is tried in `ff-client`, under the same number.
#[tokio::test]
async fn bad_input_terminal_2_control_frames_of_the_other_side_or_of_none() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    let mut socket = world.connect(&format!("{path}/socket?from={begin}")).await;
    // Before anything was said to us, and again.
    for _ in 0..2 {
        for text in [
            r#"{"type":"resize","size":{"cols":90,"rows":20}}"#,
            r#"{"type":"live","offset":7}"#,
            r#"{"type":"redraw"}"#,
            r#"{"type":"attached","incarnation":"x","offset":1,"inputOffset":2,"size":{"cols":1,"rows":1}}"#,
            r#"{"type":"exited","code":0}"#,
            r#"{"type":"resize"}"#,
            r#"{"type":"resize","size":{"cols":-1,"rows":70000}}"#,
            r#"{"type":7}"#,
            "[]",
            "",
            "not JSON",
        ] {
            say(&mut socket, Message::text(text)).await;
        }
    }
    let line = b"echo \"<$(stty size)>\"\n";
    let mut seen = Seen::default();
    next_json(&mut socket).await;
    say(&mut socket, Message::binary(encode_frame(0, line))).await;
    seen.until(&mut socket, "<20 90>").await;
    assert_eq!(seen.acked, line.len() as u64);
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_input_terminal_3_nothing_there_or_not_yet() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    let incarnation = begin.trim_end_matches(":0");
    let place = path.rsplit_once('/').unwrap().0;
    let unknown = format!("{place}/0198-unknown/socket");
    for (path, code, words) in [
        (unknown, close::NOT_FOUND, "no such terminal"),
        (
            format!("{path}/socket?from={incarnation}:1000000"),
            close::POLICY,
            "in the future",
        ),
        (
            format!("{path}/socket?from={incarnation}:{}", u64::MAX),
            close::POLICY,
            "in the future",
        ),
    ] {
        let mut socket = world.connect(&path).await;
        let (found, reason) = closed(&mut socket).await;
        assert_eq!(found, code, "{path}");
        assert!(reason.contains(words), "{path}: {reason}");
        assert!(!close::reconnects(code));
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_input_terminal_4_input_to_a_shell_that_has_ended() {
    let world = World::new().await;
    for (end, status) in [("exit 7", "exit code 7"), ("kill -9 $$", "signal 9")] {
        let (path, begin) = open(&world).await;
        let mut socket = world.connect(&format!("{path}/socket?from={begin}")).await;
        next_json(&mut socket).await;
        let line = format!("{end}\n");
        say(
            &mut socket,
            Message::binary(encode_frame(0, line.as_bytes())),
        )
        .await;
        closed(&mut socket).await;
        let mut late = world.connect(&format!("{path}/socket")).await;
        say(&mut late, Message::binary(encode_frame(0, b"echo late\n"))).await;
        let mut said = Vec::new();
        let (code, reason) = loop {
            match next(&mut late).await {
                Message::Text(text) => said.push(text.to_string()),
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    break (u16::from(frame.code), frame.reason.to_string());
                }
                _ => {}
            }
        };
        assert_eq!(code, close::DONE);
        assert_eq!(reason, format!("the shell ended with {status}"));
        assert!(
            !said.iter().any(|text| text.contains(r#""ack""#)),
            "{said:?}"
        );
        let exited = said.last().unwrap();
        assert!(exited.contains(r#""type":"exited""#), "{said:?}");
    }
    world.core.shutdown().await;
}

#[tokio::test]
async fn bad_input_terminal_5_floods_of_escapes_and_broken_utf_8() {
    let world = World::new().await;
    let (path, begin) = open(&world).await;
    let mut socket = world.connect(&format!("{path}/socket?from={begin}")).await;
    next_json(&mut socket).await;
    // Half escapes, strings without an end, absurd numbers, bytes that are no character.
    let pieces: [&[u8]; 8] = [
        b"\x1b[",
        b"\x1b]0;",
        b"\x1bP1$q",
        b"\x1b[999999999;888888888;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7;7mx",
        b"\xff\xfe\xc3(\xf0\x9f",
        b"\x1b[?1049h\x1b[5;1r\x1b(0",
        b"\x1b_\x1b^\x1bX\x9b\x9d",
        "e\u{301}\u{301}\u{301}\u{200d}".as_bytes(),
    ];
    let mut flood = Vec::new();
    while flood.len() < 600_000 {
        let nth = flood.len() * 31 % 7 + flood.len() / 80_000;
        flood.extend(pieces[nth % pieces.len()].repeat(1 + flood.len() % 50));
    }
    // The terminal makes a carriage return of no byte in it.
    assert!(!flood.contains(&b'\n'));
    std::fs::write(world.home().join("flood"), &flood).unwrap();
    let before = resident();
    // At a pace at which a viewer that reads is never behind.
    let line = b"stty -echo; echo beg''in; for i in $(seq 30); do head -c 20000; sleep 0.01; done <flood; stty sane; printf '\\033c\\033\\134e''nd\\n'\n";
    say(&mut socket, Message::binary(encode_frame(0, line))).await;
    let mut all: Vec<u8> = Vec::new();
    loop {
        match next(&mut socket).await {
            Message::Binary(frame) => {
                let (offset, bytes) = decode_frame(&frame).unwrap();
                assert_eq!(offset, all.len() as u64, "it fell behind");
                all.extend_from_slice(bytes);
            }
            Message::Close(frame) => panic!("{frame:?}"),
            _ => {}
        }
        if all.ends_with(b"end\r\n") || all.windows(5).rev().take(4000).any(|it| it == b"end\r\n") {
            break;
        }
    }
    let start = all.windows(7).position(|it| it == b"begin\r\n").unwrap() + 7;
    let passed = &all[start..start + 600_000];
    assert!(
        Sha256::digest(passed) == Sha256::digest(&flood[..600_000]),
        "not as it was"
    );
    drop(all);
    // Who comes now is shown a screen, and the shell goes on.
    let mut late = world.connect(&format!("{path}/socket?viewer=late")).await;
    next_json(&mut late).await;
    say(
        &mut late,
        Message::binary(encode_frame(0, b"echo a''live\n")),
    )
    .await;
    let mut drawn = Vec::new();
    while !String::from_utf8_lossy(&drawn).contains("alive") {
        if let Message::Binary(frame) = next(&mut late).await {
            drawn.extend_from_slice(decode_frame(&frame).unwrap().1);
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "it took {grown} bytes more");
    world.core.shutdown().await;
}

/// Bytes that this process, with the engine in it, has in memory.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.trim().parse::<u64>().unwrap() * 1024
}
