use super::*;

fn attached(incarnation: &str, offset: u64, input_offset: u64) -> ServerControl {
    ServerControl::Attached {
        incarnation: incarnation.into(),
        offset: Some(offset),
        input_offset,
        size: Size::default(),
    }
}

fn attach(track: &mut Track, incarnation: &str, offset: u64, input_offset: u64) -> bool {
    let event = track.control(attached(incarnation, offset, input_offset));
    match event.unwrap().unwrap() {
        TerminalEvent::Attached { resumed, .. } => resumed,
        other => panic!("{other:?}"),
    }
}

fn output(track: &mut Track, offset: u64, bytes: &[u8]) -> Option<TerminalEvent> {
    let frame = Bytes::from(encode_frame(offset, bytes));
    track.output(&frame).unwrap()
}

fn new() -> Track {
    Track::new(Size::default(), None, false)
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
        false,
    );
    track.push_input(b"ls\r");
    assert_eq!(track.next_frame(), None);
    assert_eq!(track.from(), None);
    assert!(!attach(&mut track, "a", 7, 0));
    assert!(matches!(track.next_frame(), Some(Outgoing::Text(text)) if text.contains("100")));
    assert_eq!(input(&mut track), [(0, b"ls\r".to_vec())]);
    assert_eq!(track.from().unwrap(), "a:7");
}

#[test]
fn repeated_output_is_trimmed_and_a_gap_is_an_error() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    assert_eq!(output(&mut track, 0, b"hello"), Some(text(b"hello")));
    track.disconnected();
    assert!(attach(&mut track, "a", 3, 0));
    assert_eq!(output(&mut track, 3, b"lo wor"), Some(text(b" wor")));
    assert_eq!(output(&mut track, 3, b"lo"), None);
    assert_eq!(track.from().unwrap(), "a:9");
    for bad in [
        encode_frame(10, b"x"),
        encode_frame(u64::MAX, b"xy"),
        b"short".to_vec(),
    ] {
        assert!(track.output(&Bytes::from(bad)).is_err());
    }
    assert_eq!(track.from().unwrap(), "a:9");
}

#[test]
fn unacknowledged_input_is_sent_again_from_where_the_server_stands() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    track.push_input(b"abcdef");
    assert_eq!(input(&mut track), [(0, b"abcdef".to_vec())]);
    track.control(ServerControl::Ack { offset: 2 }).unwrap();
    track.disconnected();
    track.push_input(b"gh");
    assert_eq!(track.next_frame(), None);
    // Two more bytes had arrived, their acknowledgement was lost.
    attach(&mut track, "a", 0, 4);
    assert_eq!(input(&mut track), [(4, b"efgh".to_vec())]);
    track.control(ServerControl::Ack { offset: 8 }).unwrap();
    track.push_input(b"i");
    assert_eq!(input(&mut track), [(8, b"i".to_vec())]);
}

#[test]
fn input_for_a_program_that_is_gone_does_not_reach_the_next() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    output(&mut track, 0, b"password: ");
    track.push_input(b"secret\r");
    track.disconnected();
    assert!(!attach(&mut track, "b", 5, 0));
    assert_eq!(input(&mut track), []);
    assert_eq!(track.from().unwrap(), "b:5");
}

#[test]
fn a_viewer_the_server_forgot_is_numbered_anew_without_loss() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    track.push_input(b"abc");
    input(&mut track);
    track.control(ServerControl::Ack { offset: 2 }).unwrap();
    track.disconnected();
    attach(&mut track, "a", 0, 0);
    assert_eq!(input(&mut track), [(0, b"c".to_vec())]);
}

#[test]
fn input_is_bounded_and_cut_into_pieces() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
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
    track.control(ServerControl::Ack { offset: next }).unwrap();
    assert!(track.has_room());
}

#[test]
fn a_redraw_is_no_output_and_one_that_breaks_off_is_begun_anew() {
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    output(&mut track, 0, b"hello");
    assert_eq!(track.control(ServerControl::Redraw), Ok(None));
    assert_eq!(
        output(&mut track, 0, b"drawn"),
        Some(TerminalEvent::Redraw(Bytes::from_static(b"drawn")))
    );
    // The screen is not what the output up to 5 makes it any more.
    track.disconnected();
    assert_eq!(track.from(), None);
    let again = ServerControl::Attached {
        incarnation: "a".into(),
        offset: None,
        input_offset: 0,
        size: Size::default(),
    };
    let event = track.control(again).unwrap().unwrap();
    assert!(matches!(
        event,
        TerminalEvent::Attached { resumed: false, .. }
    ));
    assert_eq!(track.control(ServerControl::Redraw), Ok(None));
    output(&mut track, 0, b"all");
    let live = track.control(ServerControl::Live { offset: 900 });
    assert_eq!(live, Ok(Some(TerminalEvent::Live { offset: 900 })));
    assert_eq!(output(&mut track, 900, b"on"), Some(text(b"on")));
    assert_eq!(track.from().unwrap(), "a:902");
}

#[test]
fn who_only_watches_tells_no_size() {
    let mut track = Track::new(Size::default(), None, true);
    attach(&mut track, "a", 0, 0);
    assert_eq!(track.next_frame(), None);
}

#[test]
fn bad_input_terminal_2_control_frames_out_of_order_end_the_connection() {
    let live = ServerControl::Live { offset: 1 };
    let ack = ServerControl::Ack { offset: 1 };
    let exit = ff_protocol::terminal::Exit {
        code: 0,
        signal: None,
    };
    let size = ServerControl::Size {
        size: Size::default(),
    };
    let first = [
        &live,
        &ack,
        &size,
        &ServerControl::Redraw,
        &ServerControl::Exited(exit),
    ];
    for control in first {
        assert!(new().control(control.clone()).is_err(), "{control:?}");
    }
    assert!(new().output(&Bytes::from(encode_frame(0, b"x"))).is_err());
    let mut track = new();
    attach(&mut track, "a", 0, 0);
    assert!(track.control(attached("a", 0, 0)).is_err());
    assert!(track.control(live).is_err());
    assert!(track.control(ack).is_err());
    track.control(ServerControl::Redraw).unwrap();
    assert!(track.control(ServerControl::Exited(exit)).is_err());
    assert!(track.control(size).is_ok());
}
