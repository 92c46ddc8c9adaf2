//! The gate of a real agent: what passes it, when it closes, and that nothing is lost or late.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics to fail"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ff_protocol::ErrorCode;
use ff_protocol::agent::{CauseKind, Quiesce, SuspendTier};
use futures_util::StreamExt;
use support::{SOON, World, answer, eventually, find, typed};

fn deadline_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = i64::try_from(now.as_millis()).unwrap() + seconds * 1000;
    format!("ff-deadline: {at}\r\n")
}

#[tokio::test]
async fn a_quiesced_agent_changes_nothing_until_it_is_released() {
    let world = World::new();
    world.quiet().await;
    let quiesce = world.quiesce("q1");
    let first = world.agent.quiesce(&quiesce, SOON).await.unwrap();
    assert!(first.holding.is_empty());
    assert_eq!(world.health().await.quiesced.as_deref(), Some("q1"));
    // The same again is the same; another is refused.
    assert_eq!(world.agent.quiesce(&quiesce, SOON).await.unwrap(), first);
    let other = world.agent.quiesce(&world.quiesce("q2"), SOON).await;
    assert_eq!(other.unwrap_err().code(), Some(ErrorCode::Busy));

    let refused = world.try_terminal().await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Quiesced));
    assert_eq!(refused.problem().unwrap().status, 409);
    assert_eq!(world.terminals().await, 0);

    world.agent.release("q2", SOON).await.unwrap();
    assert!(world.try_terminal().await.is_err(), "another id opened it");
    for _ in 0..2 {
        world.agent.release("q1", SOON).await.unwrap();
    }
    assert_eq!(world.health().await.quiesced, None);
    world.try_terminal().await.unwrap();
    assert_eq!(world.terminals().await, 1);
}

#[tokio::test]
async fn a_quiesce_ends_by_itself_also_while_the_agent_is_frozen() {
    let world = World::new();
    world.quiet().await;
    let quiesce = Quiesce {
        ttl_seconds: 2,
        ..world.quiesce("q1")
    };
    world.agent.quiesce(&quiesce, SOON).await.unwrap();
    eventually("the end", async || {
        world.health().await.quiesced.is_none().then_some(())
    })
    .await;
    world.agent.quiesce(&quiesce, SOON).await.unwrap();
    world.signal("STOP");
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.signal("CONT");
    world.try_terminal().await.unwrap();

    let endless = Quiesce {
        ttl_seconds: 0,
        ..quiesce
    };
    let refused = world.agent.quiesce(&endless, SOON).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Invalid));
}

#[tokio::test]
async fn a_request_read_after_its_deadline_is_not_executed() {
    let world = World::new();
    let path = format!("/api/vms/{}/terminals", world.vm);
    let (status, problem) = answer(world.write("POST", &path, &deadline_in(-1))).await;
    assert_eq!((status, problem["code"].as_str()), (504, Some("timeout")));
    let (status, _) = answer(world.write("POST", &path, "ff-deadline: soon\r\n")).await;
    assert_eq!(status, 400);
    assert_eq!(world.terminals().await, 0);

    // It waits in the kernel of a frozen machine, like the one after it.
    world.signal("STOP");
    let late = world.write("POST", &path, &deadline_in(1));
    let in_time = world.write("POST", &path, &deadline_in(600));
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.signal("CONT");
    assert_eq!(answer(late).await.0, 504);
    assert_eq!(answer(in_time).await.0, 201);
    assert_eq!(world.terminals().await, 1);
}

#[tokio::test]
async fn what_works_refuses_by_name_and_quiet_must_last() {
    let world = World::new();
    let busy = "nohup bash -c 'while [ ! -e end ]; do :; done' >/dev/null 2>&1 & echo ru''ns\n";
    let mut terminal = world.terminal().await;
    typed(&mut terminal, busy, "runs").await;
    let cause = eventually("the loop", async || {
        find(&world.health().await.working, CauseKind::Process, "bash")
    });
    let cause = cause.await;
    assert!(cause.name.contains("terminal 1"), "{cause:?}");
    let quiesce = world.quiesce("q1");
    let refused = world.agent.quiesce(&quiesce, SOON).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Busy));
    assert!(refused.to_string().contains(&cause.name), "{refused}");
    // A refused quiesce leaves the gate open.
    assert_eq!(world.health().await.quiesced, None);

    std::fs::write(world.path("end"), "").unwrap();
    world.quiet().await;
    let patient = Quiesce {
        idle_seconds: 3600,
        ..quiesce.clone()
    };
    let refused = world.agent.quiesce(&patient, SOON).await.unwrap_err();
    assert!(refused.to_string().contains("quiet"), "{refused}");
    world.agent.quiesce(&quiesce, SOON).await.unwrap();
}

#[tokio::test]
async fn a_program_in_the_foreground_holds_off_a_stop_and_no_freeze() {
    let world = World::new();
    let mut terminal = world.terminal().await;
    // What only sleeps in the background is nothing.
    typed(&mut terminal, "sleep 4242 & echo sle''eps\n", "sleeps").await;
    let health = world.health().await;
    assert!(find(&health.working, CauseKind::TerminalInput, "").is_some());
    assert!(health.holding.is_empty(), "{health:?}");
    terminal.input().send("cat\n").await.unwrap();
    // The shell's child is a shell until it has become `cat`.
    let held = eventually("cat in the foreground", async || {
        let held = world.health().await.holding;
        let cat = find(&held, CauseKind::Foreground, "cat in terminal 1");
        cat.is_some().then_some(held)
    });
    let held = held.await;

    world.quiet().await;
    let stop = Quiesce {
        tier: SuspendTier::Stopped,
        ..world.quiesce("q1")
    };
    let refused = world.agent.quiesce(&stop, SOON).await.unwrap_err();
    assert!(
        refused.to_string().contains("cat in terminal 1"),
        "{refused}"
    );
    let let_go = Quiesce {
        let_go: true,
        ..stop
    };
    let answered = world.agent.quiesce(&let_go, SOON).await.unwrap();
    assert_eq!(answered.holding, held);
    world.agent.release("q1", SOON).await.unwrap();
    let answered = world.agent.quiesce(&world.quiesce("q2"), SOON).await;
    assert_eq!(answered.unwrap().holding, held);
    world.agent.release("q2", SOON).await.unwrap();

    typed(&mut terminal, "\u{4}echo ba''ck\n", "back\r\n").await;
    eventually("the end of cat", async || {
        world.health().await.holding.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_typed_during_a_quiesce_arrives_once_after_it() {
    let world = World::new();
    let mut terminal = world.terminal().await;
    world.quiet().await;
    world
        .agent
        .quiesce(&world.quiesce("q1"), SOON)
        .await
        .unwrap();
    for word in ["echo one >> no''te\n", "echo two >> no''te\n"] {
        terminal.input().send(word.to_owned()).await.unwrap();
    }
    world.signal("STOP");
    terminal.input().send("echo three >> note\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.signal("CONT");
    // Long enough for what should not happen.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!world.path("note").exists(), "it was typed while quiesced");
    assert!(world.health().await.working.is_empty());
    world.agent.release("q1", SOON).await.unwrap();
    typed(&mut terminal, "echo do''ne\n", "done\r\n").await;
    let note = std::fs::read_to_string(world.path("note")).unwrap();
    assert_eq!(note, "one\ntwo\nthree\n");
}

#[tokio::test]
async fn reports_come_at_once_at_changes_and_as_a_sign_of_life() {
    let world = World::new();
    world.quiet().await;
    let mut reports = world.agent.reports().await.unwrap();
    let first = reports.next().await.unwrap().unwrap();
    assert_eq!((&first.vm_id, first.quiesced), (&world.vm, None));
    world
        .agent
        .quiesce(&world.quiesce("q1"), SOON)
        .await
        .unwrap();
    let changed = async {
        loop {
            let report = reports.next().await.unwrap().unwrap();
            if report.quiesced.as_deref() == Some("q1") {
                return report;
            }
        }
    };
    let changed = tokio::time::timeout(SOON * 3, changed).await.unwrap();
    let again = tokio::time::timeout(SOON * 3, reports.next()).await;
    let again = again.unwrap().unwrap().unwrap();
    assert!(again.uptime_seconds > changed.uptime_seconds);
    assert_eq!(again.quiesced, changed.quiesced);

    // Four at a time; one that goes makes room.
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(world.agent.reports().await.unwrap());
    }
    let refused = world.agent.reports().await.err().unwrap();
    assert_eq!(refused.code(), Some(ErrorCode::LimitReached));
    assert!(refused.problem().unwrap().request_id.is_some());
    more.pop();
    let room = eventually("room", async || world.agent.reports().await.ok());
    drop(room.await);

    world.signal("TERM");
    let end = async { while let Some(Ok(_)) = reports.next().await {} };
    tokio::time::timeout(SOON * 3, end).await.unwrap();
}

#[tokio::test]
async fn a_socket_outlives_a_freeze_that_is_longer_than_silence_may_be() {
    let world = World::new();
    let id = world.try_terminal().await.unwrap();
    let path = format!("/api/vms/{}/terminals/{id}/socket", world.vm);
    let mut socket = world.agent.dial(&path, Default::default()).await.unwrap();
    assert!(socket.next().await.unwrap().is_ok());
    world.signal("STOP");
    tokio::time::sleep(Duration::from_secs(65)).await;
    world.signal("CONT");
    let ends = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return;
            }
        }
    };
    let ended = tokio::time::timeout(SOON, ends).await;
    assert!(ended.is_err(), "a freeze was taken for silence");
}
