use ff_protocol::agent::CauseKind;
use ff_protocol::session::{Activity, EntryKind, SessionStatus, StartSession, TurnOutcome};
use ff_protocol::{ErrorCode, HandoffId, SessionId, WorkspaceId};

use super::world::{World, prompt, until};
use crate::session::Event;

fn outcome(session: &ff_protocol::session::Session) -> Option<TurnOutcome> {
    session.last_turn.as_ref().map(|turn| turn.outcome)
}

#[tokio::test]
async fn a_turn_runs_from_prompt_to_result_through_noise() {
    let script = r#"
on_user() {
  say 'not json at all'; say ''; say '{"type":"brand_new","x":1}'; printf '\xff\xfe\n'
  say '{"type":"system","subtype":"init","session_id":"id-from-the-cli"}'
  say '{"type":"stream_event","event":{"delta":{"type":"text_delta","text":"he"}}}'
  say '{"type":"stream_event","event":{"delta":{"type":"text_delta","text":"llo"}}}'
  say '{"type":"assistant","message":{"content":[{"type":"text","text":"hello"}]}}'
  result "$1" hello
}
"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("hi \"there\"\nsecond line").await;
    assert_eq!(
        (session.status, session.activity),
        (SessionStatus::Running, Activity::Working)
    );

    let mut deltas = String::new();
    let mut watched = world.events();
    let done = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    let turn = done.last_turn.clone().unwrap();
    assert_eq!(
        (turn.outcome, turn.reason, turn.result),
        (TurnOutcome::Completed, None, Some("hello".into()))
    );
    assert_eq!(
        (done.status, done.activity),
        (SessionStatus::Running, Activity::Idle)
    );
    assert_eq!(done.provider_session_id, "id-from-the-cli");
    while let Ok(event) = watched.try_recv() {
        if let Event::Delta { text, .. } = event {
            deltas.push_str(&text);
        }
    }
    assert_eq!(deltas, "hello");
    use EntryKind::{ClaudeMessage, Status, TurnEnded, UserMessage};
    // Noise is recorded as such, and a line of an unknown kind is kept whole.
    assert_eq!(
        world.kinds().await,
        [
            UserMessage,
            Status,
            ClaudeMessage,
            ClaudeMessage,
            ClaudeMessage,
            ClaudeMessage,
            TurnEnded
        ]
    );
    let lines: Vec<_> = world.journal().await[2..6]
        .iter()
        .map(|entry| entry.payload["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["skipped", "brand_new", "skipped", "assistant"]);
    assert_eq!(
        world.last(UserMessage).await["text"],
        "hi \"there\"\nsecond line"
    );
    assert!(!world.sessions.workspace_busy(&world.workspace));
    assert!(
        world
            .store
            .workspace(&world.workspace)
            .await
            .unwrap()
            .unwrap()
            .has_had_sessions
    );
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn success_with_is_error_fails_the_turn_but_not_the_session() {
    let world = World::new(r#"on_user() { result "$1" "API Error: 529" true; }"#).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    assert_eq!(outcome(&row), Some(TurnOutcome::Failed));
    assert_eq!(
        row.last_turn.unwrap().failure,
        Some(ff_protocol::session::TurnFailure::Overloaded)
    );
    assert_eq!(row.status, SessionStatus::Running);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn messages_wait_for_their_turn_and_go_in_order() {
    let script = r#"
on_user() {
  if [[ $2 == *'"content":"first"'* ]]; then until [ -e "$here/go" ]; do sleep 0.02; done; fi
  result "$1" "$(field content "$2")"
}
"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("first").await;
    world.prompt(&session.id, "second").await;
    world.prompt(&session.id, "third").await;
    until(&world, &mut events, &session.id, |row| row.queued == 2).await;
    let causes = world.sessions.causes();
    let kinds: Vec<CauseKind> = causes.working.iter().map(|cause| cause.kind).collect();
    assert_eq!(kinds, [CauseKind::Turn, CauseKind::QueuedMessage]);
    assert_eq!(causes.working[0].name, format!("session {}", session.id));
    assert!(causes.holding.is_empty(), "{causes:?}");
    std::fs::write(world.dir.path().join("go"), "").unwrap();
    let last = |row: &ff_protocol::session::Session| {
        row.last_turn
            .as_ref()
            .and_then(|turn| turn.result.clone())
            .as_deref()
            == Some("third")
    };
    until(&world, &mut events, &session.id, last).await;
    let ends: Vec<String> = world
        .journal()
        .await
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::TurnEnded)
        .map(|entry| entry.payload["result"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ends, ["first", "second", "third"]);
    assert_eq!(world.starts().len(), 1);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn the_queue_has_a_limit() {
    let world = World::new("on_user() { sleep 600; }").await;
    let session = world.start("first").await;
    let mut refused = None;
    for _ in 0..102 {
        let prompt = prompt("more");
        if let Err(error) = world
            .sessions
            .prompt(&world.workspace, &session.id, prompt)
            .await
        {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap().code(), ErrorCode::LimitReached);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_background_task_and_the_turn_after_it_keep_the_session_busy() {
    let script = r#"
on_user() {
  say '{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b"}]}'
  result "$1" started
  until [ -e "$here/go" ]; do sleep 0.02; done
  say '{"type":"system","subtype":"task_notification","task_id":"b","status":"completed"}'
  say '{"type":"system","subtype":"background_tasks_changed","tasks":[]}'
  say '{"type":"system","subtype":"init","session_id":"s"}'
  say '{"type":"result","subtype":"success","is_error":false,"result":"noted","origin":{"kind":"task-notification"}}'
}
"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("go").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    assert_eq!(row.activity, Activity::Working);
    let causes = world.sessions.causes().working;
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert_eq!(causes[0].kind, CauseKind::BackgroundTask);
    assert_eq!(causes[0].name, format!("session {}", session.id));
    std::fs::write(world.dir.path().join("go"), "").unwrap();
    let row = until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::Idle
    })
    .await;
    assert_eq!(row.last_turn.unwrap().result.as_deref(), Some("noted"));
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn an_idle_cli_is_closed_and_the_next_message_resumes_the_conversation() {
    let world = World::with("", super::world::quick(), |config| {
        config.idle_cli = std::time::Duration::from_millis(50);
    })
    .await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Idle
    })
    .await;
    assert_eq!(
        (outcome(&row), row.error),
        (Some(TurnOutcome::Completed), None)
    );

    world.prompt(&session.id, "again").await;
    until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Idle
    })
    .await;
    let starts = world.starts();
    assert!(
        starts[0].contains(&format!("--session-id {}", row.provider_session_id)),
        "{starts:?}"
    );
    assert!(
        starts[1].contains(&format!("--resume {}", row.provider_session_id)),
        "{starts:?}"
    );
    let row = world.row(&session.id).await;
    assert_eq!(row.provider_session_id, session.provider_session_id);
}

#[tokio::test]
async fn a_session_without_a_prompt_waits_without_a_process() {
    let world = World::new("").await;
    let start = StartSession {
        prompt: Some("  ".into()),
        model: Some("some-model".into()),
        ..StartSession::default()
    };
    let session = world.sessions.start(&world.workspace, start).await.unwrap();
    assert_eq!(
        (session.status, session.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    assert!(world.starts().is_empty());
    let session = world.prompt(&session.id, "now").await;
    assert_eq!(session.status, SessionStatus::Running);
    world.sessions.shutdown().await;
    assert!(
        world.starts()[0].ends_with("--model some-model"),
        "{:?}",
        world.starts()
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_their_code() {
    let world = World::new("").await;
    let start = |start| world.sessions.start(&world.workspace, start);
    let option = StartSession {
        model: Some("--settings".into()),
        ..StartSession::default()
    };
    assert_eq!(start(option).await.unwrap_err().code(), ErrorCode::Invalid);
    let long = StartSession {
        prompt: Some("x".repeat((1 << 20) + 1)),
        ..StartSession::default()
    };
    assert_eq!(start(long).await.unwrap_err().code(), ErrorCode::TooLarge);
    let other = world
        .sessions
        .start(&WorkspaceId::generate(), StartSession::default())
        .await;
    assert_eq!(other.unwrap_err().code(), ErrorCode::NotFound);

    let session = start(StartSession::default()).await.unwrap();
    let prompt = |id: SessionId, text: &str| {
        let prompt = super::world::prompt(text);
        let world = &world;
        async move {
            world
                .sessions
                .prompt(&world.workspace, &id, prompt)
                .await
                .map(|_| ())
        }
    };
    assert_eq!(
        prompt(session.id.clone(), " \n").await.unwrap_err().code(),
        ErrorCode::Invalid
    );
    assert_eq!(
        prompt(SessionId::generate(), "x").await.unwrap_err().code(),
        ErrorCode::NotFound
    );

    let handoff = HandoffId::generate();
    let row = world
        .store
        .workspace(&world.workspace)
        .await
        .unwrap()
        .unwrap();
    let record = crate::store::HandoffRecord {
        id: handoff.clone(),
        workspace_id: row.id.clone(),
        project_id: row.project_id.clone(),
        role: crate::store::Role::Sender,
        epoch: row.epoch + 1,
        manifest: None,
        committed: None,
    };
    let begun = world.store.begin_handoff(&record, &row.owner, row.epoch);
    assert!(begun.await.unwrap());
    let moving = prompt(session.id.clone(), "x").await.unwrap_err();
    assert_eq!(moving.code(), ErrorCode::HandoffActive);
    let cloud = ff_protocol::workspace::Owner::Cloud;
    assert!(
        world
            .store
            .release_workspace(&row.id, &handoff, Some((&cloud, 2)))
            .await
            .unwrap()
    );
    let foreign = prompt(session.id, "x").await.unwrap_err();
    assert_eq!(foreign.code(), ErrorCode::NotOwner);
    assert!(world.starts().is_empty() && world.journal().await.is_empty());
}

#[tokio::test]
async fn a_workspace_has_five_live_sessions() {
    let world = World::new("on_user() { sleep 600; }").await;
    for _ in 0..5 {
        world.start("hi").await;
    }
    let start = StartSession {
        prompt: Some("hi".into()),
        ..StartSession::default()
    };
    let sixth = world
        .sessions
        .start(&world.workspace, start)
        .await
        .unwrap_err();
    assert_eq!(sixth.code(), ErrorCode::LimitReached);
    assert_eq!(
        world.store.sessions(&world.workspace).await.unwrap().len(),
        5
    );
    world
        .sessions
        .stop_workspace(&world.workspace)
        .await
        .unwrap();
    assert_eq!(world.start("hi").await.status, SessionStatus::Running);
    world.sessions.shutdown().await;
}
