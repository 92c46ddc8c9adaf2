//! The follower against a parser that has all bytes before it, and against that of a library.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

use super::*;

const MOST: usize = 100_000;
/// Two bytes, eight of length, four of mask.
const LONGEST_HEADER: usize = 14;
/// So many bytes are always enough for a step: the largest control frame.
const ENOUGH: usize = LONGEST_HEADER + LARGEST_CONTROL;

/// A frame as it is sent, and how it breaks the rules.
#[derive(Debug, Clone)]
struct Sent {
    opcode: u8,
    last: bool,
    payload: usize,
    damage: Damage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    None,
    ReservedBit(u8),
    Mask,
    /// The length in two or eight bytes though fewer would do.
    LongLength,
    /// A length that nobody has so many bytes for, and none that follow.
    Length(u64),
}

impl Sent {
    fn good(opcode: u8, last: bool, payload: usize) -> Self {
        let damage = Damage::None;
        Self {
            opcode,
            last,
            payload,
            damage,
        }
    }

    fn bytes(&self, sender: Sender) -> Vec<u8> {
        let reserved = match self.damage {
            Damage::ReservedBit(bit) => 0x10 << bit,
            _ => 0,
        };
        let masked = (sender == Sender::Client) != (self.damage == Damage::Mask);
        let mask_bit = u8::from(masked) << 7;
        let mut bytes = vec![u8::from(self.last) << 7 | reserved | self.opcode];
        let length = match self.damage {
            Damage::Length(length) => length,
            _ => self.payload as u64,
        };
        let long = self.damage == Damage::LongLength;
        match length {
            0..=125 if !long => bytes.push(mask_bit | length as u8),
            0..=125 => {
                bytes.push(mask_bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            126..=0xffff if !long => {
                bytes.push(mask_bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        if masked {
            bytes.extend([0xa5, 0x5a, 0x00, 0xff]);
        }
        if !matches!(self.damage, Damage::Length(_)) {
            // A close has a code, whatever else it says.
            let mask = if masked {
                [0xa5, 0x5a, 0x00, 0xff]
            } else {
                [0; 4]
            };
            let plain = [0x03, 0xe8].into_iter().chain(std::iter::repeat(b'x'));
            let body = plain
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask);
            bytes.extend(body.take(self.payload));
        }
        bytes
    }

    /// What is wrong with it behind others, told from what it was meant to be.
    fn fault(&self, open: &mut Option<u64>) -> Option<&'static str> {
        let control = self.opcode >= 8;
        let length = match self.damage {
            Damage::Length(length) => length,
            _ => self.payload as u64,
        };
        match self.damage {
            Damage::ReservedBit(_) => return Some("reserved bit"),
            _ if !matches!(self.opcode, 0 | 1 | 2 | 8 | 9 | 10) => return Some("opcode"),
            Damage::Mask => return Some("mask"),
            _ if control && (!self.last || length > 125) => return Some("control"),
            Damage::LongLength if control || self.payload <= 0xffff => {
                return Some(if control { "control" } else { "length" });
            }
            Damage::Length(length) if length >> 63 == 1 => return Some("length"),
            _ => {}
        }
        if control {
            let half = self.opcode == 8 && length == 1;
            return half.then_some("close");
        }
        if (self.opcode == 0) != open.is_some() {
            return Some("continuation");
        }
        let message = open.unwrap_or(0) + length;
        *open = (!self.last).then_some(message);
        (message > MOST as u64).then_some("too large")
    }
}

/// One frame, as it was found.
type Found = (usize, bool);

/// What a follower finds in pieces of these sizes: frames by their ends, whether they are control
/// frames, and the violation.
fn follow(sender: Sender, stream: &[u8], cuts: &[usize]) -> (Vec<Found>, Option<Violation>) {
    let mut follower = Follower::new(sender, MOST);
    let (mut found, mut at, mut there) = (Vec::new(), 0, 0);
    let mut cuts = cuts.iter().cycle();
    loop {
        let step = match follower.step(&stream[at..there]) {
            Ok(step) => step,
            Err(violation) => return (found, Some(violation)),
        };
        let more = match step {
            Step::More => {
                assert!(there - at < ENOUGH, "it waits with enough before it");
                true
            }
            Step::Data { bytes, .. } => {
                at += bytes;
                if follower.is_between_frames() {
                    found.push((at, false));
                }
                false
            }
            Step::Control { bytes, .. } => {
                at += bytes;
                found.push((at, true));
                false
            }
        };
        if more || at == there {
            if there == stream.len() {
                return (found, None);
            }
            there = (there + cuts.next().unwrap()).min(stream.len());
        }
    }
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        proptest::sample::select(&[0, 1, 2, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537][..]),
        0..400usize,
        0..70_000usize,
    ]
}

/// Frames as a sender might send them: mostly messages in one to four pieces with control frames
/// between, now and then anything.
fn frames() -> impl Strategy<Value = Vec<Sent>> {
    let control = || {
        (proptest::sample::select(&[9u8, 10][..]), 0..126usize)
            .prop_map(|(opcode, payload)| Sent::good(opcode, true, payload))
    };
    let pieces = proptest::collection::vec((lengths(), proptest::option::of(control())), 1..5);
    let message = (1..3u8, pieces).prop_map(|(opcode, pieces)| {
        let count = pieces.len();
        let mut frames = Vec::new();
        for (number, (payload, control)) in pieces.into_iter().enumerate() {
            let opcode = if number == 0 { opcode } else { 0 };
            // Not all of them large: messages stay below the limit mostly.
            let payload = if count > 1 { payload % 40_000 } else { payload };
            frames.push(Sent::good(opcode, number + 1 == count, payload));
            frames.extend(control);
        }
        frames
    });
    let damage = prop_oneof![
        Just(Damage::None),
        (0..3u8).prop_map(Damage::ReservedBit),
        Just(Damage::Mask),
        Just(Damage::LongLength),
        prop_oneof![
            Just(u64::MAX),
            Just(1 << 63),
            Just(1 << 40),
            Just(MOST as u64 + 1)
        ]
        .prop_map(Damage::Length),
    ];
    let anything = (
        prop_oneof![0..16u8, 0..3u8],
        any::<bool>(),
        lengths(),
        damage,
    )
        .prop_map(|(opcode, last, payload, damage)| {
            vec![Sent {
                opcode,
                last,
                payload,
                damage,
            }]
        });
    let close = (0..126usize).prop_map(|payload| vec![Sent::good(8, true, payload)]);
    let part = prop_oneof![
        8 => message,
        3 => control().prop_map(|frame| vec![frame]),
        2 => anything,
        1 => close,
    ];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        proptest::collection::vec(1..20usize, 1..50),
        proptest::collection::vec(1..70_000usize, 1..20),
    ]
}

fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let kept = FileFailurePersistence::SourceParallel("proptest-regressions");
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn fuzz_frames_end_where_they_end_however_the_stream_is_cut() {
    let counts = RefCell::new(BTreeMap::<&str, u32>::new());
    let count = |what| *counts.borrow_mut().entry(what).or_default() += 1;
    let senders = prop_oneof![Just(Sender::Client), Just(Sender::Server)];
    check(
        400,
        (senders, frames(), cuts()),
        |(sender, frames, cuts)| {
            let (mut stream, mut ends, mut open, mut fault) = (Vec::new(), Vec::new(), None, None);
            for frame in &frames {
                fault = frame.fault(&mut open);
                stream.extend(frame.bytes(sender));
                if fault.is_some() {
                    break;
                }
                ends.push((stream.len(), frame.opcode >= 8));
                count(match frame.opcode {
                    0 => "continuation",
                    1 | 2 => "message",
                    8 => "close",
                    _ => "ping or pong",
                });
                count(match frame.payload {
                    0..=125 => "7 bits",
                    126..=0xffff => "16 bits",
                    _ => "64 bits",
                });
            }
            let (found, violation) = follow(sender, &stream, &cuts);
            assert_eq!(found, ends);
            match (fault, violation) {
                (None, None) => count("nothing wrong"),
                (Some("too large"), Some(Violation::TooLarge)) => count("too large"),
                (Some(fault), Some(Violation::Malformed(_))) => count(fault),
                (fault, violation) => panic!("{fault:?}, but {violation:?}"),
            }
            // The library knows where frames end, and not what may follow what.
            let mut cursor = Cursor::new(&stream[..ends.last().map_or(0, |end| end.0)]);
            for (end, _) in ends {
                let (_, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
                cursor.set_position(cursor.position() + length);
                assert_eq!(cursor.position(), end as u64);
            }
        },
    );
    let counts = counts.into_inner();
    println!("frames: {counts:?}");
    for needed in [
        "message",
        "continuation",
        "close",
        "ping or pong",
        "7 bits",
        "16 bits",
        "64 bits",
        "nothing wrong",
        "too large",
        "reserved bit",
        "opcode",
        "mask",
        "control",
        "length",
        "continuation",
    ] {
        assert!(counts.contains_key(needed), "never {needed}");
    }
}

#[test]
fn fuzz_any_bytes_are_followed_or_refused() {
    let counts = RefCell::new([0; 3]);
    let senders = prop_oneof![Just(Sender::Client), Just(Sender::Server)];
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    // The first byte is often a good one, or all would end there.
    let first = prop_oneof![any::<u8>(), Just(0x82), Just(0x01), Just(0x89)];
    check(
        2000,
        (senders, first, bytes, cuts()),
        |(sender, first, mut bytes, cuts)| {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let whole = follow(sender, &bytes, &[usize::MAX >> 1]);
            assert_eq!(follow(sender, &bytes, &cuts), whole);
            counts.borrow_mut()[match (whole.0.len(), whole.1) {
                (_, None) => 0,
                (0, Some(_)) => 1,
                (_, Some(_)) => 2,
            }] += 1;
        },
    );
    let [followed, at_once, later] = counts.into_inner();
    println!("bytes: {followed} followed, {at_once} refused at once, {later} behind a frame");
    assert!(followed > 0 && at_once > 0 && later > 0);
}

#[test]
fn a_header_may_be_split_anywhere() {
    for sender in [Sender::Client, Sender::Server] {
        for payload in [0, 1, 125, 126, 65_535, 65_536] {
            let frame = Sent::good(2, true, payload).bytes(sender);
            for cut in 1..=LONGEST_HEADER.min(frame.len() - 1) {
                let cuts = [cut, frame.len()];
                assert_eq!(
                    follow(sender, &frame, &cuts),
                    (vec![(frame.len(), false)], None)
                );
            }
        }
    }
}

#[test]
fn bad_input_terminal_6_what_are_no_frames_is_seen_in_its_header() {
    let text = |payload| Sent::good(1, true, payload);
    let begun = Sent::good(1, false, 5);
    let damaged = |damage| Sent { damage, ..text(5) };
    let malformed: [(&str, Vec<Sent>); 13] = [
        (
            "the first reserved bit",
            vec![damaged(Damage::ReservedBit(2))],
        ),
        (
            "the last reserved bit",
            vec![damaged(Damage::ReservedBit(0))],
        ),
        ("a data opcode of nobody", vec![Sent::good(3, true, 5)]),
        ("a control opcode of nobody", vec![Sent::good(11, true, 5)]),
        ("masked by the wrong one", vec![damaged(Damage::Mask)]),
        (
            "a length in more bytes than it needs",
            vec![damaged(Damage::LongLength)],
        ),
        (
            "a length beyond 63 bits",
            vec![damaged(Damage::Length(1 << 63))],
        ),
        ("a ping in pieces", vec![Sent::good(9, false, 5)]),
        ("a ping of 126 bytes", vec![Sent::good(9, true, 126)]),
        ("half a close code", vec![Sent::good(8, true, 1)]),
        ("it continues nothing", vec![Sent::good(0, true, 5)]),
        (
            "it continues what has ended",
            vec![text(5), Sent::good(0, true, 5)],
        ),
        ("a message within another", vec![begun.clone(), text(5)]),
    ];
    for sender in [Sender::Client, Sender::Server] {
        let violation = |frames: &[Sent]| {
            let stream = frames.iter().flat_map(|frame| frame.bytes(sender));
            let stream: Vec<u8> = stream.collect();
            follow(sender, &stream, &[1]).1
        };
        for (what, frames) in &malformed {
            let seen = violation(frames);
            assert!(
                matches!(seen, Some(Violation::Malformed(_))),
                "{what}: {seen:?}"
            );
        }
        let most = Sent::good(2, true, MOST);
        assert_eq!(violation(std::slice::from_ref(&most)), None);
        let too_large = Some(Violation::TooLarge);
        assert_eq!(violation(&[Sent::good(2, true, MOST + 1)]), too_large);
        let whole = [begun.clone(), Sent::good(0, true, MOST - 4)];
        assert_eq!(violation(&whole), too_large, "{sender:?}: in pieces");
        let enough = [
            begun.clone(),
            Sent::good(9, true, 3),
            Sent::good(0, true, MOST - 5),
        ];
        assert_eq!(violation(&enough), None);
    }
}
