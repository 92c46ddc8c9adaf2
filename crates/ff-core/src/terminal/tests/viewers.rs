//! What viewers see that fall behind, come back, or only watch.

use std::time::Duration;

use ff_protocol::terminal::Size;
use ff_protocol::{ErrorCode, TerminalId};

use super::world::{DEADLINE, Viewer, World};
use crate::terminal::{Attach, TerminalConfig, ViewerEvent};

/// Reads on until the screen was drawn anew and the output goes on.
async fn redrawn(viewer: &mut Viewer) {
    while viewer.next().await != ViewerEvent::Redraw {}
    while !matches!(viewer.next().await, ViewerEvent::Live { .. }) {}
}

#[tokio::test]
async fn who_knows_no_place_that_is_kept_gets_one_redraw_then_the_output() {
    let world = World::with(TerminalConfig {
        ring_bytes: 1000,
        ..Default::default()
    });
    let terminal = world.open().await;
    let mut first = world.attach(&terminal);
    first
        .type_in("echo sh''own; seq 1 1000; echo e''nd\n")
        .await;
    // The ring is small: it may be shown the end in a redraw.
    first.shows("end").await;
    let incarnation = terminal.incarnation.as_str();
    for from in [None, Some(("another", 5)), Some((incarnation, 3))] {
        let mut late = world.attach_as(&terminal, TerminalId::generate(), from);
        assert_eq!(late.attached.offset, None, "{from:?}");
        redrawn(&mut late).await;
        late.type_in("echo aft''er\n").await;
        late.until("after\r\n").await;
        // What came since it was drawn follows it, once.
        let all = [&late.drawn[..], &late.seen[..]].concat();
        let all = String::from_utf8_lossy(&all).into_owned();
        assert!(all.contains("1000") && all.contains("end"), "{all:?}");
        assert!(late.text().matches("end\r\n").count() <= 1);
        assert!(late.seen.len() < 3000, "{:?}", late.text());
    }
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn nothing_is_drawn_of_a_terminal_that_has_shown_nothing() {
    let world = World::new();
    let terminal = world.open().await;
    let viewer = world.attach_as(&terminal, TerminalId::generate(), None);
    // The shell may have been quicker.
    let state = viewer.output.screen.look().ring.end();
    assert!(viewer.attached.offset == Some(0) || state > 0);
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn a_slow_viewer_stops_nobody_and_gets_a_redraw() {
    let world = World::new();
    let terminal = world.open().await;
    let mut slow = world.attach(&terminal);
    let mut quick = world.attach(&terminal);
    quick.type_in("echo rea''dy\n").await;
    slow.until("ready\r\n").await;
    let before = slow.seen.len() as u64;
    quick
        .type_in("stty -echo; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo e''nd\n")
        .await;
    quick.shows("end\r\n").await;
    let live = loop {
        match slow.next().await {
            ViewerEvent::Live { offset } => break offset,
            ViewerEvent::Output { offset, .. } => assert!(offset < before + 1, "read at {offset}"),
            _ => {}
        }
    };
    assert!(live > 2_900_000, "{live}");
    let drawn = String::from_utf8_lossy(&slow.drawn).into_owned();
    assert!(drawn.contains("xxxxxxxx") && drawn.contains("end"));
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn of_two_connections_of_a_viewer_the_later_one_counts() {
    let world = World::new();
    let terminal = world.open().await;
    let id = TerminalId::generate();
    let mut old = world.attach_as(&terminal, id.clone(), None);
    old.type_in("echo o''ne\n").await;
    old.input.resize(Size { cols: 10, rows: 5 }).unwrap();
    let mut new = world.attach_as(&terminal, id, None);
    assert_eq!(new.attached.input_offset, old.typed);
    while old.next().await != ViewerEvent::Replaced {}
    let refused = old.input.send(old.typed, "echo two\n").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    // What is late of the old one changes nothing.
    old.input.resize(Size { cols: 11, rows: 6 }).unwrap();
    let window = Size { cols: 90, rows: 30 };
    new.input.resize(window).unwrap();
    drop(old);
    new.type_in("echo \"<$(stty size)>\"\n").await;
    new.shows("<30 90>").await;
    assert_eq!(world.terminals.list(None)[0].size, window);
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn who_only_watches_sees_all_and_changes_nothing() {
    let world = World::new();
    let terminal = world.open().await;
    let mut typist = world.attach(&terminal);
    let attach = Attach {
        from: Some((terminal.incarnation.clone(), 0)),
        read_only: true,
    };
    let mut watcher = world
        .attach_with(&terminal, TerminalId::generate(), attach)
        .unwrap();
    watcher.input.resize(Size { cols: 5, rows: 5 }).unwrap();
    let refused = watcher.input.send(0, "exit\n").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    typist
        .type_in("echo \"<$(stty size)>\"; echo e''nd\n")
        .await;
    typist.until("end\r\n").await;
    watcher.until("end\r\n").await;
    assert_eq!(watcher.seen, typist.seen);
    assert!(watcher.text().contains("<24 80>"), "{:?}", watcher.text());
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn an_offset_in_the_future_is_refused() {
    let world = World::new();
    let terminal = world.open().await;
    let attach = Attach {
        from: Some((terminal.incarnation.clone(), u64::MAX)),
        read_only: false,
    };
    let refused = world.attach_with(&terminal, TerminalId::generate(), attach);
    let refused = refused.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    assert!(refused.to_string().contains("in the future"), "{refused}");
    world.terminals.shutdown().await;
}

/// Raw mode, in which nothing is cut: in canonical mode the kernel keeps 4,095 bytes of a line.
#[tokio::test]
async fn a_paste_of_ten_megabytes_reaches_a_program_that_reads_slowly() {
    const SIZE: usize = 10_000_000;
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    let slow = "stty raw -echo; echo rea''dy; \
        while head -c 500000; do sleep 0.02; done | head -c 10000000 | sha256sum; stty sane\n";
    viewer.type_in(slow).await;
    viewer.until("ready").await;
    // One line, all of it.
    let paste: Vec<u8> = (0..SIZE).map(|at| b'!' + (at * 7 % 90) as u8).collect();
    let digest = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(&paste))
    };
    let paste = bytes::Bytes::from(paste);
    let start = viewer.typed;
    let pasting = async {
        for at in (0..SIZE).step_by(16_384) {
            let piece = paste.slice(at..SIZE.min(at + 16_384));
            viewer.input.send(start + at as u64, piece).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, pasting).await.unwrap();
    viewer.shows(&digest).await;
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn a_viewer_far_behind_a_flood_is_drawn_a_few_times_and_sees_the_end() {
    let world = World::with(TerminalConfig {
        ring_bytes: 16_384,
        ..Default::default()
    });
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    viewer
        .type_in("stty -echo; echo rea''dy; seq 1 200000; echo e''nd\n")
        .await;
    viewer.until("ready").await;
    let (mut redraws, mut last) = (0, Vec::new());
    while !String::from_utf8_lossy(&last).contains("end\r\n") {
        match viewer.output.next().await {
            ViewerEvent::Redraw => redraws += 1,
            ViewerEvent::Output { bytes, .. } | ViewerEvent::Drawn { bytes } => {
                last.extend_from_slice(&bytes);
                let over = last.len().saturating_sub(4000);
                last.drain(..over);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            _ => {}
        }
    }
    assert!(redraws > 0);
    world.terminals.shutdown().await;
}
