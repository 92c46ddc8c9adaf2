//! Terminals with the real login shell of the machine.

mod shells;
mod viewers;
mod world;

use std::time::Duration;

use ff_protocol::terminal::{CreateTerminal, Size};
use ff_protocol::{ErrorCode, TerminalId, WorkspaceId};

use self::world::{DEADLINE, World};
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
        assert_eq!(second.attached.offset, Some(cut as u64));
        while cut + second.seen.len() < first.seen.len() {
            second.next().await;
        }
        assert_eq!(second.seen[..first.seen.len() - cut], first.seen[cut..]);
    }
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn input_sent_again_is_typed_once_and_a_gap_is_refused() {
    let world = World::new();
    let terminal = world.open().await;
    let id = TerminalId::generate();
    let begin = Some((terminal.incarnation.as_str(), 0));
    let mut first = world.attach_as(&terminal, id.clone(), begin);
    first.type_in("echo a''b\n").await;
    first.until("ab\r\n").await;
    drop(first);
    let mut second = world.attach_as(&terminal, id, begin);
    assert_eq!(second.attached.input_offset, 10);
    second.input.send(0, &b"echo a''b\n"[..]).await.unwrap();
    second
        .input
        .send(5, &b"a''b\necho c''d\n"[..])
        .await
        .unwrap();
    second.until("cd\r\n").await;
    assert_eq!(
        second.text().matches("ab\r\n").count(),
        1,
        "{:?}",
        second.text()
    );
    let gap = second.input.send(99, &b"x"[..]).await.unwrap_err();
    assert_eq!(gap.code(), ErrorCode::Invalid);
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
async fn terminals_are_listed_by_place_and_limited() {
    let world = World::with(TerminalConfig {
        open: 3,
        ..Default::default()
    });
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
    for _ in 1..3 {
        world.open().await;
    }
    let create = |cwd: PathBuf, create| world.terminals.create(cwd, None, create);
    let full = create(cwd.clone(), CreateTerminal::default())
        .await
        .unwrap_err();
    assert_eq!(full.code(), ErrorCode::LimitReached);
    assert!(full.to_string().contains("3 terminals are open"), "{full}");
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
