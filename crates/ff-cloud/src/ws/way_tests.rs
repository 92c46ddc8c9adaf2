//! A way between a sender and a reader in memory, and what the reader gets.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use tokio::io::ReadBuf;

use super::super::inbox::ROOM;
use super::*;

const MASK: [u8; 4] = [0xa5, 0x5a, 0x00, 0xff];

/// What has been sent and not read yet.
#[derive(Default)]
struct Sent(VecDeque<u8>, bool);

impl AsyncRead for Sent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() && !self.1 {
            return Poll::Pending;
        }
        let count = buffer.remaining().min(self.0.len());
        let bytes: Vec<u8> = self.0.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

/// What has been written, and how much more is taken.
#[derive(Default)]
struct Reader(Vec<u8>, usize);

impl AsyncWrite for Reader {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.1);
        self.1 -= count;
        self.0.extend_from_slice(&bytes[..count]);
        match count {
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A gate that the test opens, and what it was told.
#[derive(Default)]
struct Door {
    open: Cell<bool>,
    waits: Cell<bool>,
    noted: Cell<usize>,
    saying: RefCell<Vec<bool>>,
}

impl Gate for Door {
    fn is_open(&self) -> bool {
        self.open.get()
    }
    fn is_known_open(&self) -> bool {
        self.open.get()
    }
    fn wait_for_it(&self, waits: bool) {
        self.waits.set(waits);
    }
    fn note_activity(&self) {
        self.noted.set(self.noted.get() + 1);
    }
    fn saying(&self, now: bool) {
        self.saying.borrow_mut().push(now);
    }
}

struct Line {
    sender: Sender,
    way: Way,
    sent: Sent,
    reader: Reader,
    door: Door,
}

impl Line {
    fn new(sender: Sender) -> Self {
        let way = match sender {
            Sender::Client => Way::up(Kind::Terminal, &[], Rooms::default()),
            Sender::Server => Way::down(&[], Rooms::default()),
        };
        let (door, reader) = (Door::default(), Reader(Vec::new(), usize::MAX));
        door.open.set(true);
        let sent = Sent::default();
        Self {
            sender,
            way,
            sent,
            reader,
            door,
        }
    }

    fn go(&mut self) -> Option<Happened> {
        let mut cx = Context::from_waker(Waker::noop());
        let (from, to) = (&mut self.sent, &mut self.reader);
        match self.way.poll(&mut cx, from, to, &self.door) {
            Poll::Ready(happened) => Some(happened),
            Poll::Pending => None,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Option<Happened> {
        self.sent.0.extend(bytes);
        self.go()
    }

    fn frame(&self, opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
        frame(self.sender, opcode, last, payload)
    }

    /// The reader's frames since the last time: first byte and unmasked payload.
    fn read(&mut self) -> Vec<(u8, Vec<u8>)> {
        split(self.sender, &std::mem::take(&mut self.reader.0))
    }
}

fn frame(sender: Sender, opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = u8::from(sender == Sender::Client) << 7;
    let mut bytes = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    match sender {
        Sender::Server => bytes.extend(payload),
        Sender::Client => {
            bytes.extend(MASK);
            bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
        }
    }
    bytes
}

/// The frames of a stream, as they stand; panics if they are none.
fn cut(sender: Sender, mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[1] & 0x80 != 0, sender == Sender::Client);
        let (header, length) = match bytes[1] & 0x7f {
            126 => (
                4,
                u64::from(u16::from_be_bytes(bytes[2..4].try_into().unwrap())),
            ),
            127 => (10, u64::from_be_bytes(bytes[2..10].try_into().unwrap())),
            length => (2, u64::from(length)),
        };
        let mask = if sender == Sender::Client { 4 } else { 0 };
        let (frame, rest) = bytes.split_at(header + mask + length as usize);
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// First byte and unmasked payload of each frame.
fn split(sender: Sender, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let read = |frame: &&[u8]| {
        let header = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let body = &frame[header..];
        let payload = match sender {
            Sender::Server => body.to_vec(),
            Sender::Client => {
                let (mask, body) = body.split_at(4);
                body.iter()
                    .zip(mask.iter().cycle())
                    .map(|(a, b)| a ^ b)
                    .collect()
            }
        };
        (frame[0], payload)
    };
    cut(sender, bytes).iter().map(read).collect()
}

const PING: (u8, Vec<u8>) = (0x89, Vec::new());

#[test]
fn a_ping_is_placed_only_between_frames_whatever_their_length() {
    for sender in [Sender::Client, Sender::Server] {
        for length in [3, 125, 126, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let mut line = Line::new(sender);
            let bytes = line.frame(2, true, &payload);
            let (last, rest) = bytes.split_last().unwrap();
            let begun = bytes.len() - payload.len() + 1;
            for piece in [&rest[..begun], &rest[begun..begun + 1], &rest[begun + 1..]] {
                line.way.waiting.ping();
                assert_eq!(line.send(piece), None);
            }
            let under_way = line.reader.0.len();
            assert!(
                under_way <= rest.len() + 6,
                "more than the frame and a ping"
            );
            line.send(&[*last]);
            // The first was placed before the frame: of the others there is one.
            let expected = vec![PING, (0x82, payload), PING];
            assert!(line.read() == expected, "{sender:?}, {length} bytes");
        }
    }
}

#[test]
fn our_pings_are_answered_to_us_and_theirs_by_us_and_neither_is_passed_on() {
    for sender in [Sender::Client, Sender::Server] {
        let mut line = Line::new(sender);
        let begun = line.frame(1, false, b"a mess");
        let ended = line.frame(0, true, b"age");
        line.send(&begun);
        let asked = line.frame(9, true, b"there?");
        let asked = line.send(&[line.frame(10, true, b""), asked, ended].concat());
        let Some(Happened::Pinged(payload)) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!(line.go(), None);
        assert_eq!(
            line.read(),
            [(0x01, b"a mess".to_vec()), (0x80, b"age".to_vec())]
        );
        // The other way's reader is who asked.
        let mut back = Line::new(match sender {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        });
        back.way.waiting.pong(payload.clone());
        back.way.waiting.pong(payload);
        back.go();
        assert_eq!(back.read(), [(0x8a, b"there?".to_vec())]);
    }
}

#[test]
fn a_goodbye_comes_behind_the_frame_under_way_and_nothing_behind_it() {
    for sender in [Sender::Client, Sender::Server] {
        let mut line = Line::new(sender);
        let large = line.frame(2, false, &[7; 70_000]);
        let next = line.frame(0, true, b"more");
        line.send(&large[..60_000]);
        line.way.end(Some((1012, "the server is stopping".into())));
        assert_eq!(line.go(), None);
        assert!(!line.way.is_said(), "a frame is under way");
        line.send(&[&large[60_000..], &next].concat());
        assert!(line.way.is_said());
        let goodbye = [&1012u16.to_be_bytes()[..], b"the server is stopping"].concat();
        assert!(line.read() == [(0x02, vec![7; 70_000]), (0x88, goodbye)]);
        // Theirs is still heard.
        let close = line.frame(8, true, &[0x03, 0xe8]);
        let closed = Stop::Closed(Some((1000, String::new())));
        assert_eq!(line.send(&close), Some(Happened::Ended(closed)));
        assert!(line.way.is_heard() && line.reader.0.is_empty());
    }
}

#[test]
fn there_is_no_goodbye_within_a_frame_that_does_not_end() {
    let mut line = Line::new(Sender::Server);
    let large = line.frame(2, true, &[7; 70_000]);
    line.send(&large[..60_000]);
    line.sent.1 = true;
    assert_eq!(line.go(), Some(Happened::Ended(Stop::Lost)));
    line.way.end(Some((1013, String::new())));
    assert_eq!(line.go(), None);
    assert!(line.way.is_said());
    assert_eq!(line.reader.0, &large[..60_000]);
}

#[test]
fn nothing_goes_through_a_shut_gate_and_input_asks_for_it_to_open() {
    let mut line = Line::new(Sender::Client);
    line.door.open.set(false);
    let resize = line.frame(1, true, b"resize");
    let ping = line.frame(9, true, b"");
    line.way.waiting.ping();
    assert!(matches!(
        line.send(&[&resize[..], &ping].concat()),
        Some(Happened::Pinged(_))
    ));
    assert_eq!(line.send(&resize), None);
    assert!(line.reader.0.is_empty() && !line.door.waits.get() && !line.way.is_held_up());
    let input = line.frame(2, true, &[3; 200_000]);
    assert_eq!(line.send(&input), None);
    assert!(line.door.waits.get() && line.way.is_held_up());
    assert!(
        line.sent.0.len() >= 200_000 - ROOM,
        "the client is not slowed down"
    );
    assert!(line.door.saying.borrow().is_empty() && line.door.noted.get() > 0);

    line.door.open.set(true);
    assert_eq!(line.go(), None);
    assert!(!line.door.waits.get());
    assert_eq!(line.door.saying.borrow().last(), Some(&false));
    let resize = (0x81, b"resize".to_vec());
    assert!(line.read() == [resize.clone(), resize, (0x82, vec![3; 200_000]), PING]);
}

#[test]
fn a_frame_that_a_gate_cuts_goes_on_when_it_opens() {
    let mut line = Line::new(Sender::Client);
    let input = line.frame(2, true, b"make test");
    line.send(&input[..9]);
    line.door.open.set(false);
    line.send(&input[9..]);
    assert_eq!(line.reader.0, &input[..9]);
    assert!(line.door.waits.get(), "the rest of an intent is one");
    line.door.open.set(true);
    line.go();
    assert_eq!(line.read(), [(0x82, b"make test".to_vec())]);
}

#[test]
fn much_that_is_no_input_asks_for_it_too() {
    let mut line = Line::new(Sender::Client);
    line.door.open.set(false);
    let resize = line.frame(1, true, &[b' '; 1000]);
    for _ in 0..=MOST_HELD / 1000 {
        line.send(&resize);
    }
    assert!(line.door.waits.get());
}

#[test]
fn a_reader_that_does_not_read_stops_its_sender() {
    let mut line = Line::new(Sender::Server);
    line.reader.1 = 1000;
    let frames = line.frame(2, true, &[1; 10_000]).repeat(100);
    assert_eq!(line.send(&frames), None);
    assert_eq!(line.reader.0.len(), 1000);
    assert!(line.way.is_held_up());
    assert!(frames.len() - line.sent.0.len() <= ROOM);
    line.reader.1 = usize::MAX;
    line.go();
    assert!(!line.way.is_held_up() && line.reader.0 == frames);
}

/// What is done to a line, one after the other.
#[derive(Debug, Clone)]
enum Act {
    /// So many bytes come.
    Come(usize),
    /// The reader takes so many.
    Take(usize),
    Ping,
    Gate(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => prop_oneof![1..20usize, 1..40_000usize].prop_map(Act::Come),
        8 => prop_oneof![1..20usize, 1..40_000usize].prop_map(Act::Take),
        3 => Just(Act::Ping),
        2 => any::<bool>().prop_map(Act::Gate),
    ];
    proptest::collection::vec(act, 1..80)
}

fn sent() -> impl Strategy<Value = Vec<(u8, bool, usize)>> {
    let data = (1..3u8, prop_oneof![0..300usize, 0..70_000usize]);
    let frame = prop_oneof![
        4 => data.prop_map(|(opcode, length)| vec![(opcode, true, length)]),
        2 => (1..3u8, 0..200usize, 0..126usize, 0..200usize).prop_map(|(opcode, a, ping, b)| {
            vec![(opcode, false, a), (9, true, ping), (0, true, b)]
        }),
        2 => (9..11u8, 0..126usize).prop_map(|(opcode, length)| vec![(opcode, true, length)]),
    ];
    proptest::collection::vec(frame, 1..30).prop_map(|frames| frames.concat())
}

#[test]
fn fuzz_a_reader_gets_the_senders_messages_and_our_pings_between_them() {
    let counts = RefCell::new(BTreeMap::<&str, usize>::new());
    let add = |what, more| *counts.borrow_mut().entry(what).or_default() += more;
    let kept = FileFailurePersistence::SourceParallel("proptest-regressions");
    let config = ProptestConfig {
        cases: 300,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(kept)),
        ..ProptestConfig::default()
    };
    let senders = prop_oneof![Just(Sender::Client), Just(Sender::Server)];
    let tried = TestRunner::new(config).run(&(senders, sent(), acts()), |(sender, sent, acts)| {
        let mut line = Line::new(sender);
        line.reader.1 = 0;
        let (mut stream, mut messages, mut asked) =
            (VecDeque::<u8>::new(), Vec::<Vec<u8>>::new(), 0);
        for (number, (opcode, last, length)) in sent.into_iter().enumerate() {
            let bytes = line.frame(opcode, last, &vec![number as u8; length]);
            stream.extend(&bytes);
            match opcode {
                9 => asked += 1,
                10 => add("pongs", 1),
                _ => messages.push(bytes),
            }
        }
        let (mut answered, mut pings) = (0, 0);
        let mut go = |line: &mut Line| {
            while let Some(happened) = line.go() {
                assert!(matches!(happened, Happened::Pinged(_)), "{happened:?}");
                answered += 1;
            }
        };
        for act in acts {
            match act {
                Act::Come(count) => {
                    let count = count.min(stream.len());
                    line.sent.0.extend(stream.drain(..count));
                    add("pieces", 1);
                }
                Act::Take(count) => line.reader.1 += count,
                Act::Ping => {
                    line.way.waiting.ping();
                    pings += 1;
                }
                Act::Gate(open) => {
                    line.door.open.set(open || sender == Sender::Server);
                    add("gate", 1);
                }
            }
            let (open, before) = (line.door.open.get(), line.reader.0.len());
            go(&mut line);
            assert!(open || line.reader.0.len() == before, "through a shut gate");
        }
        line.door.open.set(true);
        line.reader.1 = usize::MAX;
        line.sent.0.extend(stream);
        go(&mut line);
        assert_eq!(answered, asked);
        let got = cut(sender, &line.reader.0).into_iter();
        let (ours, theirs): (Vec<_>, Vec<_>) = got.partition(|frame| frame[0] == PING.0);
        assert!(ours.len() <= pings && (pings == 0 || !ours.is_empty()));
        assert!(
            theirs.concat() == messages.concat(),
            "other frames than were sent"
        );
        add("pings of ours", ours.len());
        add("pings of theirs", asked);
        add("messages", messages.len());
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
    let counts = counts.into_inner();
    println!("ways: {counts:?}");
    assert_eq!(counts.len(), 6, "something never came");
}
