//! A server that says anything: whatever comes, the viewer's output is one piece without gap or
//! repetition between redraws, its input is sent in order, and nothing grows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Text(String),
    Frame(u64, usize),
    Follow(usize),
    Bytes(Vec<u8>),
    Ack(u64),
    Lost,
    Type(usize),
    Send,
}

fn attached() -> impl Strategy<Value = String> {
    let offset = proptest::option::of(prop_oneof![0u64..100, any::<u64>()]);
    let input = prop_oneof![0u64..100, any::<u64>()];
    ("[ab]", offset, input, any::<u16>()).prop_map(|(incarnation, offset, input_offset, cols)| {
        let size = Size { cols, rows: 1 };
        let control = ServerControl::Attached {
            incarnation,
            offset,
            input_offset,
            size,
        };
        serde_json::to_string(&control).unwrap()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = ["redraw", "live", "ack", "size", "exited", "skipped"];
    let plain = (proptest::sample::select(&kinds[..]), any::<u64>()).prop_map(|(kind, offset)| {
        format!(
            r#"{{"type":"{kind}","offset":{offset},"code":{},"size":{{"cols":1,"rows":2}}}}"#,
            offset as i32
        )
    });
    let live = (0u64..100).prop_map(|offset| format!(r#"{{"type":"live","offset":{offset}}}"#));
    prop_oneof![
        6 => attached().prop_map(Step::Text),
        4 => Just(Step::Text(r#"{"type":"redraw"}"#.into())),
        4 => live.prop_map(Step::Text),
        2 => plain.prop_map(Step::Text),
        1 => ".{0,40}".prop_map(Step::Text),
        3 => (prop_oneof![0u64..200, any::<u64>()], 0usize..60).prop_map(|(at, len)| Step::Frame(at, len)),
        8 => (0usize..60).prop_map(Step::Follow),
        1 => proptest::collection::vec(any::<u8>(), 0..12).prop_map(Step::Bytes),
        3 => (0u64..40_000).prop_map(Step::Ack),
        3 => Just(Step::Lost),
        4 => (0usize..20_000).prop_map(Step::Type),
        6 => Just(Step::Send),
    ]
}

/// The byte of a stream at an offset.
fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(31) >> 3) as u8
}

fn frame(offset: u64, len: usize) -> Bytes {
    let bytes: Vec<u8> = (0..len as u64)
        .map(|at| byte(offset.wrapping_add(at)))
        .collect();
    Bytes::from(encode_frame(offset, &bytes))
}

#[test]
fn fuzz_what_a_server_says() {
    let counts = RefCell::new(BTreeMap::<&'static str, u32>::new());
    let count = |what| *counts.borrow_mut().entry(what).or_default() += 1;
    let config = ProptestConfig {
        cases: 3_000,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    let steps = proptest::collection::vec(step(), 1..60);
    let ran = TestRunner::new(config).run(&steps, |steps| {
        let mut track = Track::new(Size::default(), None, false);
        let mut seen: Option<u64> = None;
        for step in steps {
            let told = match step {
                Step::Text(text) => match serde_json::from_str::<ServerControl>(&text) {
                    Ok(control) => track.control(control),
                    Err(_) => {
                        count("no control frame");
                        continue;
                    }
                },
                Step::Frame(offset, len) => track.output(&frame(offset, len)),
                Step::Follow(len) => {
                    let at = track.output.unwrap_or(0).saturating_sub(3);
                    track.output(&frame(at, len))
                }
                Step::Bytes(bytes) => track.output(&Bytes::from(bytes)),
                Step::Ack(more) => {
                    let offset = track.acked.saturating_add(more);
                    track.control(ServerControl::Ack { offset })
                }
                Step::Lost => {
                    track.disconnected();
                    count("lost");
                    continue;
                }
                Step::Type(len) => {
                    if track.has_room() {
                        track.push_input(&vec![7; len]);
                    }
                    prop_assert!(track.unacked.len() < UNACKED + 20_000);
                    continue;
                }
                Step::Send => {
                    while let Some(frame) = track.next_frame() {
                        if let Outgoing::Binary(frame) = frame {
                            count("input sent");
                            prop_assert!(frame.len() <= PIECE + HEADER_LEN);
                        }
                    }
                    prop_assert!(track.sent <= track.unacked.len());
                    continue;
                }
            };
            match told {
                Err(Disorder(why)) => {
                    count(why);
                    track.disconnected();
                }
                Ok(None) => count("nothing to tell"),
                Ok(Some(TerminalEvent::Attached { resumed, .. })) => {
                    count(if resumed { "resumed" } else { "attached anew" });
                    if !resumed {
                        seen = track.output;
                    }
                }
                Ok(Some(TerminalEvent::Output(bytes))) => {
                    count("output");
                    let at = seen.expect("output without a place");
                    prop_assert!(!bytes.is_empty());
                    for (nth, found) in bytes.iter().enumerate() {
                        prop_assert_eq!(*found, byte(at + nth as u64), "at {}", at);
                    }
                    seen = Some(at + bytes.len() as u64);
                }
                Ok(Some(TerminalEvent::Redraw(_))) => {
                    count("redraw");
                    seen = None;
                }
                Ok(Some(TerminalEvent::Live { offset })) => {
                    count("live");
                    seen = Some(offset);
                }
                Ok(Some(TerminalEvent::Exited(_))) => count("exited"),
                Ok(Some(_)) => count("another event"),
            }
            prop_assert!(track.sent <= track.unacked.len());
        }
        Ok(())
    });
    println!("what a server said: {:?}", counts.borrow());
    if let Err(error) = ran {
        panic!("{error}");
    }
    let needed = [
        "output",
        "redraw",
        "live",
        "resumed",
        "attached anew",
        "output is missing",
        "it attached twice",
        "input sent",
    ];
    for what in needed {
        assert!(counts.borrow().contains_key(what), "never {what}");
    }
}
