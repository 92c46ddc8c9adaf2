use std::time::Duration;

use ff_protocol::session::{
    Activity, EntryKind, MessageState, Session, SessionStatus, TurnOutcome,
};

use super::world::{World, quick, until};
use crate::config::CoreConfig;

fn reason(row: &Session) -> String {
    row.last_turn
        .clone()
        .expect("no turn")
        .reason
        .expect("no reason")
}

#[tokio::test]
async fn a_missing_cli_fails_the_session_with_what_to_do() {
    let world = World::with("", quick(), |config: &mut CoreConfig| {
        config.claude = "/nowhere/claude".into()
    })
    .await;
    let session = world.start("hi").await;
    assert_eq!(
        (session.status, session.activity),
        (SessionStatus::Failed, Activity::Idle)
    );
    let error = session.error.clone().unwrap();
    assert!(
        error.contains("/nowhere/claude") && error.contains("install it"),
        "{error}"
    );
    assert_eq!(
        world.kinds().await,
        [EntryKind::UserMessage, EntryKind::Status]
    );
    assert_eq!(world.last(EntryKind::Status).await["unsent"], 1);
    assert_eq!(world.row(&session.id).await, session);
    // A later attempt is made anew.
    let again = world.prompt(&session.id, "again").await;
    assert_eq!(again.status, SessionStatus::Failed);
}

#[tokio::test]
async fn a_cli_that_cannot_start_says_why() {
    for (script, says) in [
        (
            "on_start() { echo 'no such option' >&2; exit 1; }",
            "exit code 1",
        ),
        (
            "on_start() { echo 'no such option' >&2; exit 127; }",
            "not installed",
        ),
        (
            "on_start() { echo 'no such option' >&2; kill -9 $$; }",
            "killed by signal 9",
        ),
    ] {
        let world = World::new(script).await;
        let mut events = world.events();
        let session = world.start("hi").await;
        let row = until(&world, &mut events, &session.id, |row| {
            row.status == SessionStatus::Failed
        })
        .await;
        let error = row.error.unwrap();
        assert!(
            error.contains(says) && error.ends_with("no such option"),
            "{error}"
        );
        assert_eq!((row.activity, row.last_turn), (Activity::Idle, None));
    }
}

#[tokio::test]
async fn a_silent_cli_is_given_up() {
    let limits = crate::session::driver::Limits {
        ready: Duration::from_millis(300),
        ..quick()
    };
    let world = World::with("on_start() { trap '' TERM; sleep 600; }", limits, |_| {}).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert!(row.error.unwrap().contains("did not get ready"));
}

#[tokio::test]
async fn a_cli_killed_in_a_turn_fails_the_session_and_a_message_starts_it_again() {
    let script = r#"on_user() { [[ $2 == *die* ]] && { echo 'last words' >&2; kill -9 $$; }; result "$1" alive; }"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("die").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert_eq!(
        row.last_turn.as_ref().unwrap().outcome,
        TurnOutcome::Interrupted
    );
    assert!(reason(&row).contains("killed by signal 9"), "{row:?}");
    assert!(row.error.unwrap().ends_with("last words"));
    assert_eq!(world.last(EntryKind::TurnEnded).await["subtype"], "cut");
    world.prompt(&session.id, "live").await;
    let alive = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    let row = until(&world, &mut events, &session.id, alive).await;
    assert_eq!((row.status, row.error), (SessionStatus::Running, None));
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_cli_that_ends_well_completes_the_session() {
    let world = World::new(r#"on_user() { result "$1" bye; exit 0; }"#).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Completed
    })
    .await;
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Completed);
}

#[tokio::test]
async fn a_cli_that_leaves_in_peace_before_each_answer_is_given_up() {
    let world = World::new("keeps=false; on_user() { echo left >> left.txt; exit 0; }").await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert!(row.error.unwrap().contains("exit code 0"));
    assert_eq!(row.queued, 1, "the message waits");
    let left = std::fs::read_to_string(world.worktree().join("left.txt")).unwrap();
    assert_eq!(left.lines().count(), 3);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn an_interrupt_ends_the_turn_and_the_session_goes_on() {
    let world = World::new(r#"on_user() { [[ $2 == *wait* ]] || result "$1" ok; }"#).await;
    let mut events = world.events();
    let session = world.start("wait").await;
    until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Running
    })
    .await;
    let row = world
        .sessions
        .interrupt(&world.workspace, &session.id, None)
        .await
        .unwrap();
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    world.prompt(&session.id, "go on").await;
    let done = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    let row = until(&world, &mut events, &session.id, done).await;
    assert_eq!(row.status, SessionStatus::Running);
    let idle = world
        .sessions
        .interrupt(&world.workspace, &session.id, None)
        .await
        .unwrap();
    assert_eq!(idle.last_turn, row.last_turn);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_cli_that_ignores_an_interrupt_is_killed() {
    let world =
        World::new("on_user() { say '{\"type\":\"user\"}'; }\non_interrupt() { :; }\ntrap '' TERM")
            .await;
    let mut events = world.events();
    let session = world.start("hi").await;
    // The message has reached the CLI, so there is a turn to interrupt.
    while world.kinds().await.last() != Some(&EntryKind::ClaudeMessage) {
        events.recv().await.unwrap();
    }
    world
        .sessions
        .interrupt(&world.workspace, &session.id, None)
        .await
        .unwrap();
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    assert!(row.error.unwrap().contains("was killed"));
}

#[tokio::test]
async fn a_turn_over_its_limit_times_out() {
    let limits = crate::session::driver::Limits {
        turn: Duration::from_millis(100),
        ..quick()
    };
    let world = World::with("on_user() { :; }", limits, |_| {}).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::TimedOut);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_stop_ends_everything_the_cli_started() {
    let script = r#"
on_user() {
  setsid sleep 600 & echo $! > "$here/child"
  mv "$here/child" "$here/child.pid"
  say '{"type":"user"}'
}
"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    while world.kinds().await.last() != Some(&EntryKind::ClaudeMessage) {
        events.recv().await.unwrap();
    }
    let child = std::fs::read_to_string(world.dir.path().join("child.pid")).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    assert!(std::fs::exists(&stat).unwrap());
    let row = world
        .sessions
        .stop(&world.workspace, &session.id)
        .await
        .unwrap()
        .session;
    assert_eq!(
        (row.status, row.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    let gone = std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    assert!(gone, "a child outlived the stop");
    let again = world
        .sessions
        .stop(&world.workspace, &session.id)
        .await
        .unwrap();
    assert_eq!(again.session.status, SessionStatus::Idle);
}

#[tokio::test]
async fn a_stop_tells_which_messages_it_takes_back() {
    let world = World::new("on_user() { :; }").await;
    let mut events = world.events();
    let session = world.start("first").await;
    for text in ["second", "third"] {
        world.prompt(&session.id, text).await;
    }
    until(&world, &mut events, &session.id, |row| row.queued == 2).await;
    let stop = || world.sessions.stop(&world.workspace, &session.id);
    let stopped = stop().await.unwrap();
    let texts: Vec<_> = stopped.taken_back.iter().map(|it| &*it.text).collect();
    assert_eq!(texts, ["second", "third"]);
    assert_eq!(stopped.session.queued, 0);
    assert_eq!(world.last(EntryKind::Status).await["unsent"], 2);
    let said = world.journal().await;
    let said = said.iter().filter(|it| it.kind == EntryKind::UserMessage);
    let seqs: Vec<u64> = said.map(|it| it.seq).collect();
    let fates = world.store.unfinished(&session.id).await.unwrap();
    let fates: Vec<_> = fates.iter().map(|it| (it.seq, it.state)).collect();
    use MessageState::{Cancelled, Interrupted};
    let wanted = [Interrupted, Cancelled, Cancelled];
    let wanted: Vec<_> = seqs.into_iter().zip(wanted).collect();
    assert_eq!(fates, wanted);
    assert_eq!(stop().await.unwrap().taken_back, []);
}

#[tokio::test]
async fn shutdown_ends_turns_and_takes_no_more_messages() {
    let world = World::new("on_user() { :; }").await;
    let session = world.start("hi").await;
    world.sessions.shutdown().await;
    let row = world.row(&session.id).await;
    assert_eq!(
        (row.status, row.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    let prompt = super::world::prompt("x");
    let refused = world
        .sessions
        .prompt(&world.workspace, &session.id, prompt)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ff_protocol::ErrorCode::ShuttingDown);
}

#[tokio::test]
async fn messages_behind_a_turn_that_a_shutdown_cuts_wait_for_the_user() {
    let world = World::new("on_user() { :; }").await;
    let mut events = world.events();
    let session = world.start("first").await;
    world.prompt(&session.id, "second").await;
    until(&world, &mut events, &session.id, |row| row.queued == 1).await;
    world.sessions.shutdown().await;
    let row = world.row(&session.id).await;
    assert_eq!(
        (row.status, row.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    assert_eq!((row.queued, row.held), (1, true));
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Interrupted);
    let next = world.again();
    next.recover().await.unwrap();
    next.go_on().await.unwrap();
    assert_eq!(world.starts().len(), 1);
    next.shutdown().await;
}
