//! Settings, forks, closing, watchdogs, and what a CLI says of itself.

use std::time::Duration;

use ff_protocol::ErrorCode;
use ff_protocol::session::{
    Activity, Configure, EntryKind, PermissionMode, PermissionPreset, Session, SessionStatus,
    StartSession, TurnOutcome,
};

use super::world::{World, prompt, quick, until};
use crate::session::driver::Limits;

const TAKES: &str = r#"
control() { say "{\"type\":\"control_response\",\"response\":{\"subtype\":\"$1\",\"request_id\":\"$(field request_id "$2")\",\"error\":\"Cannot set it\"}}"; }
on_control() { printf '%s\n' "$1" >> "$here/controls"; case $1 in *nonsense*) control error "$1" ;; *silent*) : ;; *) control success "$1" ;; esac; }
"#;

async fn idle(world: &World, session: &Session) {
    let mut events = world.events();
    until(world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_running_cli_takes_changes_at_once_and_the_next_one_starts_with_them() {
    let world = World::new(TAKES).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let set = |change| {
        world
            .sessions
            .configure(&world.workspace, &session.id, change)
    };
    let change = Configure {
        name: Some("a name".into()),
        model: Some("some-model".into()),
        permission_mode: Some(PermissionMode::Plan),
        thinking_tokens: Some(1000),
        permissions: Some(PermissionPreset::Strict),
    };
    let row = set(change).await.unwrap();
    assert_eq!(world.row(&session.id).await.model, row.model);
    assert_eq!(
        (row.name.as_deref(), row.model.as_deref()),
        (Some("a name"), Some("some-model"))
    );
    assert_eq!(
        (row.permission_mode, row.thinking_tokens),
        (PermissionMode::Plan, Some(1000))
    );
    let asked = std::fs::read_to_string(world.dir.path().join("controls")).unwrap();
    for part in [
        r#""model":"some-model""#,
        r#""mode":"plan""#,
        r#""max_thinking_tokens":1000"#,
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    let refused = Configure {
        model: Some("nonsense".into()),
        ..Configure::default()
    };
    let error = set(refused).await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().contains("Cannot set it")),
        (ErrorCode::Invalid, true)
    );
    assert_eq!(
        world.row(&session.id).await.model.as_deref(),
        Some("some-model")
    );

    world
        .sessions
        .stop(&world.workspace, &session.id)
        .await
        .unwrap();
    world.prompt(&session.id, "again").await;
    let mut events = world.events();
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::Idle
    })
    .await;
    let args = world.starts().pop().unwrap();
    assert!(
        args.contains("--model some-model") && args.contains("--permission-mode plan"),
        "{args}"
    );
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_cli_that_does_not_answer_a_change_is_not_waited_for() {
    let limits = Limits {
        control: Duration::from_millis(200),
        ..quick()
    };
    let world = World::with(TAKES, limits, |_| {}).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let change = Configure {
        model: Some("silent".into()),
        ..Configure::default()
    };
    let error = world
        .sessions
        .configure(&world.workspace, &session.id, change)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert_eq!(world.row(&session.id).await.model, None);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_fork_goes_on_from_the_conversation_and_leaves_it_alone() {
    let world = World::new("").await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let fork = StartSession {
        prompt: Some("and now".into()),
        fork_of: Some(session.id.clone()),
        ..StartSession::default()
    };
    let fork = world.sessions.start(&world.workspace, fork).await.unwrap();
    idle(&world, &fork).await;
    let args = world.starts().pop().unwrap();
    let expected = format!(
        "--resume {} --fork-session --session-id {}",
        session.provider_session_id, fork.provider_session_id
    );
    assert!(args.contains(&expected), "{args}");
    let unknown = StartSession {
        fork_of: Some(ff_protocol::SessionId::generate()),
        ..StartSession::default()
    };
    let unknown = world
        .sessions
        .start(&world.workspace, unknown)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::NotFound);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_closed_session_keeps_its_words_and_takes_no_more() {
    let world = World::new("").await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let close = || world.sessions.close(&world.workspace, &session.id);
    let closed = close().await.unwrap();
    let closed = closed.session;
    assert_eq!(closed.status, SessionStatus::Idle);
    assert!(closed.closed_at.is_some());
    let again = close().await.unwrap().session;
    assert_eq!(again.closed_at, closed.closed_at);
    let refused = world
        .sessions
        .prompt(&world.workspace, &session.id, prompt("x"))
        .await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Conflict);
    let refused = world.sessions.resume(&world.workspace, &session.id).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Conflict);
    assert!(world.kinds().await.contains(&EntryKind::TurnEnded));
    assert_eq!(world.starts().len(), 1);
}

#[tokio::test]
async fn a_resume_starts_the_cli_without_a_message() {
    let world = World::new("").await;
    let start = world
        .sessions
        .start(&world.workspace, StartSession::default());
    let session = start.await.unwrap();
    let row = world
        .sessions
        .resume(&world.workspace, &session.id)
        .await
        .unwrap();
    assert_eq!(row.status, SessionStatus::Running);
    let again = world
        .sessions
        .resume(&world.workspace, &session.id)
        .await
        .unwrap();
    assert_eq!(again.status, SessionStatus::Running);
    assert_eq!(world.starts().len(), 1);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn an_interrupt_under_one_id_interrupts_once() {
    let world = World::new(r#"on_user() { [[ $2 == *wait* ]] || result "$1" ok; }"#).await;
    let session = world.start("wait").await;
    let id = ff_protocol::ClientId::generate();
    let interrupt = || {
        world
            .sessions
            .interrupt(&world.workspace, &session.id, Some(&id))
    };
    interrupt().await.unwrap();
    idle(&world, &session).await;
    world.prompt(&session.id, "wait").await;
    interrupt().await.unwrap();
    assert!(world.sessions.workspace_busy(&world.workspace));
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_silent_turn_is_cut_but_not_while_a_tool_runs() {
    let limits = || Limits {
        silence: Duration::from_millis(300),
        ..quick()
    };
    let world = World::with("on_user() { :; }", limits(), |_| {}).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let turn = world.row(&session.id).await.last_turn.unwrap();
    assert_eq!(turn.outcome, TurnOutcome::TimedOut);
    assert!(turn.reason.unwrap().contains("no sign of life"));
    world.sessions.shutdown().await;

    let script = r#"
on_user() {
  say '{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t"}]}}'; sleep 1
  say '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t"}]}}'
  result "$1" built
}
"#;
    let world = World::with(script, limits(), |_| {}).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let turn = world.row(&session.id).await.last_turn.unwrap();
    assert_eq!(turn.outcome, TurnOutcome::Completed);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn bad_input_session_5_a_directory_that_is_gone_fails_the_session_with_what_to_do() {
    let world = World::new("").await;
    std::fs::remove_dir_all(world.worktree()).unwrap();
    let session = world.start("hi").await;
    assert_eq!(session.status, SessionStatus::Failed);
    let error = session.error.unwrap();
    let path = world.worktree().display().to_string();
    assert!(
        error.contains(&path) && error.contains("worktree add"),
        "{error}"
    );
    assert_eq!((session.queued, session.held), (1, true));
    std::fs::create_dir(world.worktree()).unwrap();
    world
        .sessions
        .resume(&world.workspace, &session.id)
        .await
        .unwrap();
    let mut events = world.events();
    until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn bad_input_session_6_noise_of_the_cli_is_recorded_and_skipped() {
    let script = r#"
on_user() {
  say '{"type":"assistant","mess'; head -c 300000 /dev/zero | tr '\0' x; say ''; printf '\xff\n'
  result "$1" done
}
"#;
    let world = World::with(script, quick(), |config| config.max_line_bytes = 100_000).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let row = world.row(&session.id).await;
    assert_eq!(row.status, SessionStatus::Running);
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Completed);
    let skipped: Vec<_> = world
        .journal()
        .await
        .into_iter()
        .filter(|it| it.payload["type"] == "skipped")
        .map(|it| it.payload["bytes"].as_u64().unwrap())
        .collect();
    assert_eq!(skipped, [25, 300_000, 1]);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn bad_input_session_7_an_untested_version_is_a_warning() {
    let script = r#"version=9.9.9"#;
    let world = World::new(script).await;
    let session = world.start("hi").await;
    idle(&world, &session).await;
    let row = world.row(&session.id).await;
    assert!(row.warning.unwrap().contains("9.9.9"));
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Completed);
    let offer = world
        .sessions
        .capabilities(&world.workspace, &session.id)
        .await
        .unwrap();
    assert_eq!(offer.cli_version.as_deref(), Some("9.9.9"));
    assert_eq!(offer.commands[0]["name"], "compact");
    world.sessions.shutdown().await;
}
