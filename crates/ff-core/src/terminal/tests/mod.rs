//! Terminals with the real login shell of the machine.

mod world;

use std::time::Duration;

use ff_protocol::terminal::{CreateTerminal, Size};
use ff_protocol::{ErrorCode, TerminalId, WorkspaceId};

use self::world::{DEADLINE, World, lives};
use super::*;

#[tokio::test]
async fn a_login_shell_runs_in_the_directory_with_its_terminal() {
    let world = World::new();
    let terminal = world
        .open_sized(Size {
            cols: 101,
            rows: 31,
        })
        .await;
    let mut viewer = world.attach(&terminal);
    viewer
        .type_in("echo [$(stty size)] [$TERM] [$COLORTERM] [$HOME] [$0]; pwd -P\n")
        .await;
    let home = world.dir.path().to_str().unwrap();
    viewer
        .until(&format!(
            "[31 101] [xterm-256color] [truecolor] [{home}] [-"
        ))
        .await;
    let real = world.dir.path().canonicalize().unwrap();
    viewer.until(&format!("{}\r\n", real.display())).await;
    assert_eq!(viewer.acked, viewer.typed);
    assert!(world.terminals.last_input_at().is_some());
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn the_smallest_viewer_sets_the_size_and_programs_hear_of_it() {
    let world = World::new();
    let terminal = world.open().await;
    let mut large = world.attach(&terminal);
    let small = world.attach(&terminal);
    large
        .input
        .resize(Size {
            cols: 120,
            rows: 40,
        })
        .unwrap();
    small.input.resize(Size { cols: 90, rows: 50 }).unwrap();
    large.type_in("echo \"<$(stty size)>\"\n").await;
    large.until("<40 90>").await;
    assert_eq!(
        world.terminals.list(None)[0].size,
        Size { cols: 90, rows: 40 }
    );
    drop(small);
    while large.next().await
        != (ViewerEvent::Size {
            size: Size {
                cols: 120,
                rows: 40,
            },
        })
    {}
    large.type_in("echo \"<$(stty size)>\"\n").await;
    large.until("<40 120>").await;
    let refused = large.input.resize(Size { cols: 0, rows: 1 }).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn a_viewer_that_comes_back_sees_the_same_bytes_from_its_offset() {
    let world = World::new();
    let terminal = world.open().await;
    let mut first = world.attach(&terminal);
    first
        .type_in("for i in 1 2 3; do echo line-$i; done; echo e''nd\n")
        .await;
    first.until("end\r\n").await;
    let incarnation = first.attached.incarnation.clone();
    for cut in [0, 1, first.seen.len() / 2, first.seen.len() - 1] {
        let place = Some((incarnation.as_str(), cut as u64));
        let mut second = world.attach_as(&terminal, TerminalId::generate(), place);
        assert_eq!(second.attached.offset, cut as u64);
        while cut + second.seen.len() < first.seen.len() {
            second.next().await;
        }
        assert_eq!(second.seen[..first.seen.len() - cut], first.seen[cut..]);
    }
    let other = world.attach_as(&terminal, TerminalId::generate(), Some(("another", 5)));
    assert_eq!(other.attached.offset, 0);
    let beyond = Some((incarnation.as_str(), u64::MAX));
    assert_eq!(
        world
            .attach_as(&terminal, TerminalId::generate(), beyond)
            .attached
            .offset,
        0
    );
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn input_sent_again_is_typed_once_and_a_gap_is_refused() {
    let world = World::new();
    let terminal = world.open().await;
    let id = TerminalId::generate();
    let mut first = world.attach_as(&terminal, id.clone(), None);
    first.type_in("echo a''b\n").await;
    first.until("ab\r\n").await;
    drop(first);
    let mut second = world.attach_as(&terminal, id, None);
    assert_eq!(second.attached.input_offset, 10);
    second.input.send(0, b"echo a''b\n".to_vec()).await.unwrap();
    second
        .input
        .send(5, b"a''b\necho c''d\n".to_vec())
        .await
        .unwrap();
    second.until("cd\r\n").await;
    assert_eq!(
        second.text().matches("ab\r\n").count(),
        1,
        "{:?}",
        second.text()
    );
    let gap = second.input.send(99, b"x".to_vec()).await.unwrap_err();
    assert_eq!(gap.code(), ErrorCode::Invalid);
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn a_slow_viewer_stops_nobody_and_is_told_what_it_missed() {
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
    // Keeps only what is needed to see the end.
    let mut tail = Vec::new();
    while !String::from_utf8_lossy(&tail).contains("end") {
        if let ViewerEvent::Output { bytes, .. } = quick.output.next().await {
            tail.extend_from_slice(&bytes);
            let over = tail.len().saturating_sub(100);
            tail.drain(..over);
        }
    }
    let skipped = loop {
        match slow.output.next().await {
            ViewerEvent::Skipped { offset } => break offset,
            ViewerEvent::Output { offset, .. } => assert!(offset < before + 1, "read at {offset}"),
            _ => {}
        }
    };
    assert!(skipped > 1_900_000, "{skipped}");
    let mut rest = Vec::new();
    while !String::from_utf8_lossy(&rest[rest.len().saturating_sub(100)..]).contains("end") {
        if let ViewerEvent::Output { offset, bytes } = slow.output.next().await {
            assert_eq!(offset, skipped + rest.len() as u64);
            rest.extend_from_slice(&bytes);
        }
    }
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn input_that_nobody_reads_holds_back_its_viewer_only() {
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    viewer
        .type_in("stty raw -echo; echo rea''dy; sleep 600\n")
        .await;
    viewer.until("ready").await;
    let (typist, start) = (world.attach(&terminal), 0);
    let flood = async {
        for chunk in 0..64 {
            typist
                .input
                .send(start + chunk * 16_384, vec![b'x'; 16_384])
                .await
                .unwrap();
        }
    };
    let flooded = tokio::time::timeout(Duration::from_millis(500), flood).await;
    assert!(flooded.is_err(), "a megabyte was taken though nobody reads");
    tokio::time::timeout(DEADLINE, world.terminals.close(&terminal.id))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn exit_codes_are_those_of_a_shell() {
    let world = World::new();
    for (command, code) in [("exit 7", 7), ("kill -9 $$", 137)] {
        let terminal = world.open().await;
        let mut viewer = world.attach(&terminal);
        viewer
            .type_in(&format!("echo last''words; {command}\n"))
            .await;
        assert_eq!(viewer.exit_code().await, code);
        assert!(
            viewer.text().contains("lastwords\r\n"),
            "{:?}",
            viewer.text()
        );
        let listed = world.terminals.list(None);
        let ended = listed
            .iter()
            .find(|listed| listed.id == terminal.id)
            .unwrap();
        assert_eq!(ended.exit_code, Some(code));
        let refused = viewer
            .input
            .send(viewer.typed, b"x".to_vec())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Gone);
        // Closing it again is no error.
        world.terminals.close(&terminal.id).await.unwrap();
    }
}

#[tokio::test]
async fn closing_ends_every_process_of_the_session() {
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    viewer.type_in("nohup sleep 600 >/dev/null 2>&1 & (trap '' HUP TERM; sleep 601) & echo pid''s: $(pgrep -s 0 sleep) $$ :e''nd\n").await;
    viewer.until(":end\r\n").await;
    let text = viewer.text();
    let pids = text
        .rsplit_once("pids: ")
        .unwrap()
        .1
        .split_once(" :end")
        .unwrap()
        .0;
    let pids: Vec<&str> = pids.split_whitespace().collect();
    assert!(
        pids.len() >= 2 && pids.iter().all(|pid| lives(pid)),
        "{pids:?}"
    );
    world.terminals.close(&terminal.id).await.unwrap();
    assert!(
        !pids.iter().any(|pid| lives(pid)),
        "{pids:?} outlived the terminal"
    );
    let code = viewer.exit_code().await;
    assert!(code == 129 || code == 137, "{code}");
}

#[tokio::test]
async fn terminals_are_listed_by_place_and_limited() {
    let world = World::new();
    let workspace = WorkspaceId::generate();
    let cwd = world.dir.path().to_owned();
    let named = CreateTerminal {
        name: Some(" build ".into()),
        size: Size::default(),
    };
    let first = world
        .terminals
        .create(cwd.clone(), Some(workspace.clone()), named)
        .await
        .unwrap();
    assert_eq!(
        (first.name.as_str(), first.workspace_id.as_ref()),
        ("build", Some(&workspace))
    );
    assert!(world.terminals.list(None).is_empty());
    assert_eq!(world.terminals.list(Some(&workspace)), [first]);
    for _ in 1..20 {
        world.open().await;
    }
    let create = |cwd: PathBuf, create| world.terminals.create(cwd, None, create);
    let full = create(cwd.clone(), CreateTerminal::default())
        .await
        .unwrap_err();
    assert_eq!(full.code(), ErrorCode::LimitReached);
    world.terminals.close_workspace(&workspace).await.unwrap();
    create(cwd.clone(), CreateTerminal::default())
        .await
        .unwrap();

    let nowhere = create(cwd.join("missing"), CreateTerminal::default())
        .await
        .unwrap_err();
    assert_eq!(nowhere.code(), ErrorCode::Conflict);
    let bad = CreateTerminal {
        name: Some("a\nb".into()),
        size: Size::default(),
    };
    assert_eq!(
        create(cwd.clone(), bad).await.unwrap_err().code(),
        ErrorCode::Invalid
    );
    let unknown = world
        .terminals
        .close(&TerminalId::generate())
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::NotFound);
    world.terminals.shutdown().await;
    let stopped = create(cwd, CreateTerminal::default()).await.unwrap_err();
    assert_eq!(stopped.code(), ErrorCode::ShuttingDown);
}
