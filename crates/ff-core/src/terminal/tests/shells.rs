//! The shell: its terminal, its jobs, its end and that of everything it started.

use ff_protocol::ErrorCode;
use ff_protocol::terminal::{CreateTerminal, Exit};

use super::world::{World, lives};

#[tokio::test]
async fn exit_code_and_signal_are_told_to_all() {
    let world = World::new();
    let ends = [
        ("exit 7", 7, None),
        ("kill -9 $$", 137, Some(9)),
        ("exit 137", 137, None),
    ];
    for (command, code, signal) in ends {
        let terminal = world.open().await;
        let mut viewer = world.attach(&terminal);
        viewer
            .type_in(&format!("echo last''words; {command}\n"))
            .await;
        assert_eq!(viewer.exit().await, Exit { code, signal });
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
        assert_eq!((ended.exit_code, ended.exit_signal), (Some(code), signal));
        let refused = viewer.input.send(viewer.typed, "x").await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Gone);
        let how = Exit { code, signal }.to_string();
        assert!(refused.to_string().contains(&how), "{refused}");
        // Closing it again is no error.
        world.terminals.close(&terminal.id).await.unwrap();
    }
}

#[tokio::test]
async fn jobs_are_stopped_and_go_on() {
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    // One that speaks is in the foreground: until then the keys are the shell's.
    viewer
        .type_in("sh -c 'echo rea\"\"dy; exec sleep 600'\n")
        .await;
    viewer.until("ready\r\n").await;
    viewer.type_in("\u{1a}").await;
    viewer.until("Stopped").await;
    viewer
        .type_in("bg; kill %1; wait %1; echo state''=$?\n")
        .await;
    viewer.until("state=143").await;
    viewer
        .type_in("sh -c 'echo aga\"\"in; exec sleep 600'\n")
        .await;
    viewer.until("again\r\n").await;
    viewer.type_in("\u{3}").await;
    viewer.type_in("echo code''=$?\n").await;
    viewer.until("code=130").await;
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn characters_are_utf_8() {
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    viewer
        .type_in("locale charmap; stty -a | grep -wo -- '-*iutf8' | sed 's/^/mode=/'; echo e''nd\n")
        .await;
    viewer.until("end\r\n").await;
    let text = viewer.text();
    assert!(
        text.contains("UTF-8\r\n") && text.contains("mode=iutf8\r\n"),
        "{text:?}"
    );
    world.terminals.shutdown().await;
}

#[tokio::test]
async fn closing_ends_what_left_group_session_terminal_or_environment() {
    let world = World::new();
    let terminal = world.open().await;
    let mut viewer = world.attach(&terminal);
    let start = [
        "nohup sleep 600 >/dev/null 2>&1 &",
        "(trap '' HUP TERM; exec sleep 601) &",
        "setsid -f sleep 602;",
        "env -i PATH=$PATH sleep 603 &",
        "setsid -f sh -c 'env -i sleep 604; :' &",
        "(exec setsid sh -c 'trap \"\" HUP; sleep 605; :') & disown -a;",
    ]
    .join(" ");
    let list = "sleep 0.5; echo pid''s: $(pgrep -f '^sleep 60[0-9]') $$ :e''nd";
    viewer.type_in(&format!("{start} {list}\n")).await;
    viewer.until(":end\r\n").await;
    let text = viewer.text();
    let (_, pids) = text.rsplit_once("pids: ").unwrap();
    let pids: Vec<&str> = pids
        .split_once(" :end")
        .unwrap()
        .0
        .split_whitespace()
        .collect();
    assert!(
        pids.len() >= 7 && pids.iter().all(|pid| lives(pid)),
        "{pids:?}"
    );
    let mark = format!("FF_TERMINAL_ID={}", terminal.id);
    let own = std::fs::read(format!("/proc/{}/environ", pids[pids.len() - 1])).unwrap();
    assert!(String::from_utf8_lossy(&own).contains(&mark));
    world.terminals.close(&terminal.id).await.unwrap();
    let left: Vec<_> = pids.iter().filter(|pid| lives(pid)).collect();
    assert!(
        left.is_empty(),
        "{left:?} of {pids:?} outlived the terminal"
    );
    let exit = viewer.exit().await;
    assert!(matches!(exit.signal, Some(1 | 9)), "{exit:?}");
}

#[tokio::test]
async fn terminals_are_renamed_and_names_are_had_once() {
    let world = World::new();
    let (one, two) = (world.open().await, world.open().await);
    let rename = |id, name: &str| world.terminals.rename(id, name.to_owned());
    assert_eq!(rename(&one.id, " build ").unwrap().name, "build");
    assert_eq!(rename(&one.id, "build").unwrap().name, "build");
    assert_eq!(world.terminals.list(None)[0].name, "build");
    let taken = rename(&two.id, "build").unwrap_err();
    assert_eq!(taken.code(), ErrorCode::Conflict);
    let create = CreateTerminal {
        name: Some("build".into()),
        ..Default::default()
    };
    let cwd = world.dir.path().to_owned();
    let again = world
        .terminals
        .create(cwd.clone(), None, create.clone())
        .await;
    assert_eq!(again.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(
        rename(&two.id, "\n").unwrap_err().code(),
        ErrorCode::Invalid
    );
    world.terminals.close(&one.id).await.unwrap();
    // A name is free when its shell has ended, though it is still listed.
    world.terminals.create(cwd, None, create).await.unwrap();
    let builds = world.terminals.list(None);
    let builds = builds.iter().filter(|it| it.name == "build").count();
    assert_eq!(builds, 2);
    world.terminals.shutdown().await;
}
