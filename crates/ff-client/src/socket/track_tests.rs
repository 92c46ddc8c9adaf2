use super::*;

fn attached(incarnation: &str, offset: u64, input_offset: u64) -> ServerControl {
    ServerControl::Attached {
        incarnation: incarnation.into(),
        offset,
        input_offset,
        size: Size::default(),
    }
}

fn resumed(events: &[TerminalEvent]) -> bool {
    matches!(events, [TerminalEvent::Attached { resumed: true, .. }])
}

fn output(track: &mut Track, offset: u64, bytes: &[u8]) -> Vec<TerminalEvent> {
    let frame = Bytes::from(encode_frame(offset, bytes));
    track.output(&frame).unwrap()
}

fn text(bytes: &'static [u8]) -> TerminalEvent {
    TerminalEvent::Output(Bytes::from_static(bytes))
}

/// Takes the input frames there are.
fn input(track: &mut Track) -> Vec<(u64, Vec<u8>)> {
    let frames = std::iter::from_fn(|| track.next_frame());
    frames
        .filter_map(|frame| match frame {
            Outgoing::Binary(frame) => {
                decode_frame(&frame).map(|(offset, bytes)| (offset, bytes.to_vec()))
            }
            Outgoing::Text(_) => None,
        })
        .collect()
}

#[test]
fn sends_nothing_before_it_is_attached_then_size_then_input() {
    let mut track = Track::new(
        Size {
            cols: 100,
            rows: 30,
        },
        None,
    );
    track.push_input(b"ls\r");
    assert_eq!(track.next_frame(), None);
    assert_eq!(track.from(), None);
    assert!(!resumed(&track.control(attached("a", 7, 0))));
    assert!(matches!(track.next_frame(), Some(Outgoing::Text(text)) if text.contains("100")));
    assert_eq!(input(&mut track), [(0, b"ls\r".to_vec())]);
    assert_eq!(track.from().unwrap(), "a:7");
}

#[test]
fn repeated_output_is_trimmed_and_a_gap_is_told() {
    let mut track = Track::new(Size::default(), None);
    track.control(attached("a", 0, 0));
    assert_eq!(output(&mut track, 0, b"hello"), [text(b"hello")]);
    track.disconnected();
    assert!(resumed(&track.control(attached("a", 3, 0))));
    assert_eq!(output(&mut track, 3, b"lo wor"), [text(b" wor")]);
    assert_eq!(output(&mut track, 3, b"lo"), []);
    assert_eq!(
        output(&mut track, 100, b"x"),
        [TerminalEvent::Skipped, text(b"x")]
    );
    assert_eq!(track.from().unwrap(), "a:101");
    assert_eq!(track.output(&Bytes::from_static(b"short")), None);
}

#[test]
fn unacknowledged_input_is_sent_again_from_where_the_server_stands() {
    let mut track = Track::new(Size::default(), None);
    track.control(attached("a", 0, 0));
    track.push_input(b"abcdef");
    assert_eq!(input(&mut track), [(0, b"abcdef".to_vec())]);
    track.control(ServerControl::Ack { offset: 2 });
    track.disconnected();
    track.push_input(b"gh");
    assert_eq!(track.next_frame(), None);
    // Two more bytes had arrived, their acknowledgement was lost.
    track.control(attached("a", 0, 4));
    assert_eq!(input(&mut track), [(4, b"efgh".to_vec())]);
    track.control(ServerControl::Ack { offset: 8 });
    track.push_input(b"i");
    assert_eq!(input(&mut track), [(8, b"i".to_vec())]);
}

#[test]
fn input_for_a_program_that_is_gone_does_not_reach_the_next() {
    let mut track = Track::new(Size::default(), None);
    track.control(attached("a", 0, 0));
    output(&mut track, 0, b"password: ");
    track.push_input(b"secret\r");
    track.disconnected();
    assert!(!resumed(&track.control(attached("b", 5, 0))));
    assert_eq!(input(&mut track), []);
    assert_eq!(track.from().unwrap(), "b:5");
}

#[test]
fn a_viewer_the_server_forgot_is_numbered_anew_without_loss() {
    let mut track = Track::new(Size::default(), None);
    track.control(attached("a", 0, 0));
    track.push_input(b"abc");
    input(&mut track);
    track.control(ServerControl::Ack { offset: 2 });
    track.disconnected();
    track.control(attached("a", 0, 0));
    assert_eq!(input(&mut track), [(0, b"c".to_vec())]);
}

#[test]
fn input_is_bounded_and_cut_into_pieces() {
    let mut track = Track::new(Size::default(), None);
    track.control(attached("a", 0, 0));
    while track.has_room() {
        track.push_input(&[b'x'; 1000]);
    }
    let frames = input(&mut track);
    assert!(frames.iter().all(|(_, bytes)| bytes.len() <= PIECE));
    let mut next = 0;
    for (offset, bytes) in frames {
        assert_eq!(offset, next);
        next += bytes.len() as u64;
    }
    track.control(ServerControl::Ack { offset: next });
    assert!(track.has_room());
}
