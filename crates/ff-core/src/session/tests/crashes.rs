//! What is left after the CLI, or the engine, has died.

use ff_protocol::session::{
    Activity, EntryKind, MessageState, RequestState, Session, SessionStatus, TurnOutcome,
};
use ff_protocol::{ClientId, ErrorCode};
use serde_json::json;

use super::world::{World, answer, prompt, until};
use crate::clock;
use crate::session::transcript::transcript_dir;
use crate::store::{Asked, Change, ProcessMark, RequestRecord, Write};

/// The records of a session whose engine died while a message was under way.
async fn crashed(world: &World, text: &str) -> (Session, String) {
    let start = world.sessions.start(&world.workspace, Default::default());
    let mut session = start.await.unwrap();
    session.status = SessionStatus::Running;
    session.activity = Activity::Working;
    let uuid = uuid::Uuid::new_v4().to_string();
    let enter = Change::Enter {
        id: ClientId::generate(),
        uuid: uuid.clone(),
    };
    let payload = json!({ "text": text, "uuid": uuid });
    let write = Write::entry(&session, EntryKind::UserMessage, payload).and(enter);
    world
        .store
        .write(write.and_session(&session))
        .await
        .unwrap();
    (session, uuid)
}

fn transcript(world: &World, session: &Session, lines: &[serde_json::Value]) {
    let dir = transcript_dir(&world.config.home, &world.worktree());
    std::fs::create_dir_all(&dir).unwrap();
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let file = dir.join(format!("{}.jsonl", session.provider_session_id));
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

fn user(uuid: &str) -> serde_json::Value {
    json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": "hi"}})
}

fn said(uuid: &str, text: &str, stop: &str) -> serde_json::Value {
    json!({"type": "assistant", "uuid": uuid, "message":
        {"content": [{"type": "text", "text": text}], "stop_reason": stop}})
}

#[tokio::test]
async fn a_message_no_cli_ever_had_is_sent_by_the_next_engine() {
    let world = World::new("").await;
    let (session, uuid) = crashed(&world, "hi").await;
    let next = world.again();
    let mut events = next.watch(&world.workspace).events;
    next.recover().await.unwrap();
    assert!(world.starts().is_empty());
    next.go_on().await.unwrap();
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Completed);
    let messages = world.journal().await;
    let messages = messages
        .iter()
        .filter(|it| it.kind == EntryKind::UserMessage);
    assert_eq!(messages.count(), 1);
    let kept = std::fs::read_to_string(
        transcript_dir(&world.config.home, &world.worktree())
            .join(format!("{}.jsonl", session.provider_session_id)),
    );
    assert_eq!(kept.unwrap().matches(&uuid).count(), 1);
    next.shutdown().await;
}

#[tokio::test]
async fn a_cut_turn_is_interrupted_and_the_queue_waits_for_the_user() {
    let world = World::new("").await;
    let (session, uuid) = crashed(&world, "first").await;
    let waiting = Change::Enter {
        id: ClientId::generate(),
        uuid: uuid::Uuid::new_v4().to_string(),
    };
    let payload = json!({ "text": "second", "uuid": "x" });
    let write = Write::entry(&session, EntryKind::UserMessage, payload).and(waiting);
    world.store.write(write).await.unwrap();
    transcript(
        &world,
        &session,
        &[user(&uuid), said("a-1", "let me see", "tool_use")],
    );
    let next = world.again();
    next.recover().await.unwrap();
    let row = world.row(&session.id).await;
    assert_eq!(
        (row.status, row.activity),
        (SessionStatus::Idle, Activity::Idle)
    );
    assert_eq!((row.queued, row.held), (1, true));
    let turn = row.last_turn.unwrap();
    assert_eq!(turn.outcome, TurnOutcome::Interrupted);
    assert!(turn.reason.unwrap().contains("engine ended"));
    use EntryKind::{ClaudeMessage, Status, TurnEnded, UserMessage};
    let kinds = [UserMessage, UserMessage, ClaudeMessage, TurnEnded, Status];
    assert_eq!(world.kinds().await, kinds);
    assert!(world.starts().is_empty());
    // Once more changes nothing.
    world.again().recover().await.unwrap();
    assert_eq!(world.kinds().await, kinds);

    let mut events = next.watch(&world.workspace).events;
    next.resume(&world.workspace, &session.id).await.unwrap();
    until(&world, &mut events, &session.id, |row| {
        row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed
    })
    .await;
    let row = world.row(&session.id).await;
    assert_eq!((row.queued, row.held), (0, false));
    assert!(world.starts()[0].contains("--resume"));
    next.shutdown().await;
}

#[tokio::test]
async fn a_turn_whose_result_was_not_entered_is_taken_from_the_transcript() {
    let world = World::new("").await;
    let (session, uuid) = crashed(&world, "hi").await;
    let line = json!({"type": "assistant", "uuid": "a-1", "message": {}});
    let known = Write::entry(&session, EntryKind::ClaudeMessage, line);
    world.store.write(known).await.unwrap();
    let lines = [
        user(&uuid),
        said("a-1", "x", "tool_use"),
        said("a-2", "all done", "end_turn"),
    ];
    transcript(&world, &session, &lines);
    world.again().recover().await.unwrap();
    let row = world.row(&session.id).await;
    let turn = row.last_turn.unwrap();
    assert_eq!(turn.outcome, TurnOutcome::Completed);
    assert_eq!(turn.result.as_deref(), Some("all done"));
    use EntryKind::{ClaudeMessage, Status, TurnEnded, UserMessage};
    let kinds = [UserMessage, ClaudeMessage, ClaudeMessage, TurnEnded, Status];
    assert_eq!(world.kinds().await, kinds);
    assert_eq!(world.last(ClaudeMessage).await["uuid"], "a-2");
    assert!(world.store.queued(&session.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_recorded_process_and_what_carries_the_mark_are_ended() {
    let world = World::new("").await;
    let (session, _) = crashed(&world, "hi").await;
    let start = |marked: bool| {
        let mut command = tokio::process::Command::new("sleep");
        command.arg("600").process_group(0).kill_on_drop(true);
        if marked {
            command.env("FF_SESSION_ID", session.id.as_str());
        }
        command.spawn().unwrap()
    };
    let (mut leader, mut marked) = (start(false), start(true));
    let mark = crate::processes::mark::of(leader.id().unwrap());
    let process = Change::Process(session.id.clone(), mark);
    world
        .store
        .write(Write::default().and(process))
        .await
        .unwrap();
    let mut stranger = start(false);
    world.again().recover().await.unwrap();
    assert!(!leader.wait().await.unwrap().success());
    assert!(!marked.wait().await.unwrap().success());
    assert_eq!(world.store.process(&session.id).await.unwrap(), None);

    let reused = crate::processes::mark::of(stranger.id().unwrap()).unwrap();
    let reused = ProcessMark {
        start: reused.start + 1,
        ..reused
    };
    let (session, _) = crashed(&world, "hi").await;
    let process = Change::Process(session.id.clone(), Some(reused));
    world
        .store
        .write(Write::default().and(process))
        .await
        .unwrap();
    let next = world.again();
    next.recover().await.unwrap();
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "a number reused by another was killed"
    );
    stranger.kill().await.unwrap();
    next.shutdown().await;
}

const ASKS: &str = r#"
on_user() {
  case $2 in
    *other*) say '{"type":"control_request","request_id":"cli-2","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"rm"}}}' ;;
    *plain*) result "$1" plain ;;
    *) say '{"type":"control_request","request_id":"cli-1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"}}}' ;;
  esac
}
on_answer() {
  case $1 in
    *'"behavior":"allow"'*) result "$current" allowed ;;
    *) result "$current" denied ;;
  esac
}
"#;

/// A session whose CLI was killed while it waited for the user.
async fn orphaned(world: &World, text: &str) -> (Session, serde_json::Value) {
    let mut events = world.events();
    let session = world.start_strict(text).await;
    until(world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    let request = world.last(EntryKind::Request).await;
    let pid = world.store.process(&session.id).await.unwrap().unwrap().pid;
    let status = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
    let row = until(world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert_eq!(world.last(EntryKind::Answer).await["outcome"], "orphaned");
    (row, request)
}

#[tokio::test]
async fn an_answer_after_the_clis_death_resumes_and_counts_for_the_same_request() {
    let world = World::new(ASKS).await;
    let (session, request) = orphaned(&world, "hi").await;
    let open = world
        .sessions
        .requests(&world.workspace, None)
        .await
        .unwrap();
    assert_eq!((open.len(), open[0].state), (1, RequestState::Orphaned));
    let mut events = world.events();
    let given = ff_protocol::session::Answer {
        id: Some(ClientId::generate()),
        ..answer(&request, true)
    };
    let say = |answer| world.sessions.answer(&world.workspace, &session.id, answer);
    say(given.clone()).await.unwrap();
    let done = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    let row = until(&world, &mut events, &session.id, done).await;
    assert_eq!(row.last_turn.unwrap().result.as_deref(), Some("allowed"));
    // Nobody was asked again, and the same answer may come twice.
    let asked = world.kinds().await;
    assert_eq!(
        asked
            .iter()
            .filter(|kind| **kind == EntryKind::Request)
            .count(),
        1
    );
    say(given).await.unwrap();
    let late = say(answer(&request, false)).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);
    assert!(
        late.to_string()
            .contains("answered already: allowed by a test"),
        "{late}"
    );
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn what_comes_to_a_process_that_does_not_stay_waits_for_the_next_engine() {
    let world = World::new(ASKS).await;
    let (session, request) = orphaned(&world, "hi").await;
    let starts = world.starts().len();
    let passing = world.again();
    passing.rest();
    let given = answer(&request, true);
    passing
        .answer(&world.workspace, &session.id, given)
        .await
        .unwrap();
    passing.shutdown().await;
    let row = world.row(&session.id).await;
    assert_eq!(
        (row.activity, row.queued, row.held),
        (Activity::Idle, 1, false)
    );
    assert_eq!(world.starts().len(), starts);

    let next = world.again();
    next.recover().await.unwrap();
    let mut events = next.watch(&world.workspace).events;
    next.go_on().await.unwrap();
    let done = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    let row = until(&world, &mut events, &session.id, done).await;
    assert_eq!(row.last_turn.unwrap().result.as_deref(), Some("allowed"));
    next.shutdown().await;
}

#[tokio::test]
async fn an_answer_does_not_count_for_another_request() {
    let world = World::new(&ASKS.replace("*other*", "*other*|*decided*")).await;
    let (session, request) = orphaned(&world, "hi").await;
    let mut events = world.events();
    let given = answer(&request, true);
    world
        .sessions
        .answer(&world.workspace, &session.id, given)
        .await
        .unwrap();
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    let other = world.last(EntryKind::Request).await;
    assert_eq!(other["input"]["command"], "rm");
    assert_ne!(other["requestId"], request["requestId"]);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_request_asked_again_is_the_same_and_one_not_asked_again_is_moot() {
    let world = World::new(ASKS).await;
    let (session, request) = orphaned(&world, "hi").await;
    let mut events = world.events();
    world.prompt(&session.id, "hi").await;
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    assert_eq!(
        world.last(EntryKind::Request).await["requestId"],
        request["requestId"]
    );
    world
        .sessions
        .stop(&world.workspace, &session.id)
        .await
        .unwrap();

    world.prompt(&session.id, "plain").await;
    let done = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    until(&world, &mut events, &session.id, done).await;
    assert!(
        world
            .sessions
            .requests(&world.workspace, None)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.last(EntryKind::Answer).await["outcome"], "cancelled");
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_request_that_was_open_when_the_engine_died_takes_its_answer_later() {
    let world = World::new(ASKS).await;
    let (session, uuid) = crashed(&world, "hi").await;
    transcript(&world, &session, &[user(&uuid)]);
    let request = RequestRecord {
        id: ff_protocol::RequestId::generate(),
        workspace: world.workspace.clone(),
        session: session.id.clone(),
        kind: ff_protocol::session::RequestKind::Permission,
        asked: Asked {
            tool_name: "Bash".into(),
            input: json!({"command": "ls"}),
            tool_use_id: None,
            description: None,
        },
        state: RequestState::Open,
        answer: None,
        carried: false,
        created_at: clock::now(),
        answered_at: None,
    };
    let strict = Session {
        permissions: ff_protocol::session::PermissionPreset::Strict,
        ..session.clone()
    };
    let write = Write::default().and(Change::Request(Box::new(request.clone())));
    world.store.write(write.and_session(&strict)).await.unwrap();
    let next = world.again();
    next.recover().await.unwrap();
    use EntryKind::{Answer, Status, TurnEnded, UserMessage};
    assert_eq!(
        world.kinds().await,
        [UserMessage, Answer, TurnEnded, Status]
    );
    let mut events = next.watch(&world.workspace).events;
    let given = answer(&json!({"requestId": request.id}), true);
    next.answer(&world.workspace, &session.id, given)
        .await
        .unwrap();
    let done = |row: &Session| row.last_turn.as_ref().unwrap().outcome == TurnOutcome::Completed;
    until(&world, &mut events, &session.id, done).await;
    next.shutdown().await;
}

#[tokio::test]
async fn a_message_lost_by_a_dying_cli_is_sent_again_but_not_for_ever() {
    let script = "keeps=false\non_user() { if [ -e \"$here/second\" ]; then result \"$1\" ok; else touch \"$here/second\"; kill -9 $$; fi; }";
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    assert_eq!(row.last_turn.unwrap().outcome, TurnOutcome::Completed);
    assert_eq!(world.starts().len(), 2);
    world.sessions.shutdown().await;

    let world = World::new("keeps=false\non_user() { kill -9 $$; }").await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert_eq!(world.starts().len(), 3);
    assert_eq!((row.queued, row.held, row.last_turn), (1, true, None));
    assert_eq!(world.store.queued(&session.id).await.unwrap().len(), 1);
    // The user may take it back.
    let stopped = world
        .sessions
        .stop(&world.workspace, &session.id)
        .await
        .unwrap();
    assert_eq!(stopped.taken_back.len(), 1);
    let stopped = stopped.session;
    assert_eq!((stopped.queued, stopped.held), (0, false));
    assert!(world.store.queued(&session.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_turn_that_ended_before_its_cli_died_is_taken_from_the_transcript() {
    let script = r#"
on_user() {
  printf '{"type":"assistant","uuid":"a-1","message":{"content":[{"type":"text","text":"all done"}],"stop_reason":"end_turn"}}\n' >> "$transcript"
  kill -9 $$
}
"#;
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    let failed = |row: &Session| row.status == SessionStatus::Failed;
    let row = until(&world, &mut events, &session.id, failed).await;
    let turn = row.last_turn.unwrap();
    assert_eq!(turn.outcome, TurnOutcome::Completed);
    assert_eq!(turn.result.as_deref(), Some("all done"));
    use EntryKind::{ClaudeMessage, Status, TurnEnded, UserMessage};
    let kinds = [UserMessage, Status, ClaudeMessage, TurnEnded, Status];
    assert_eq!(world.kinds().await, kinds);
    assert_eq!(world.last(ClaudeMessage).await["uuid"], "a-1");
    assert!(world.store.queued(&session.id).await.unwrap().is_empty());
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn messages_behind_a_killed_turn_stay_and_go_on_with_the_next_one() {
    let script = "on_user() { [[ $2 == *die* ]] && { until [ -e \"$here/go\" ]; do sleep 0.02; done; kill -9 $$; }; result \"$1\" \"$(field content \"$2\")\"; }";
    let world = World::new(script).await;
    let mut events = world.events();
    let session = world.start("die").await;
    world.prompt(&session.id, "second").await;
    std::fs::write(world.dir.path().join("go"), "").unwrap();
    let row = until(&world, &mut events, &session.id, |row| {
        row.status == SessionStatus::Failed
    })
    .await;
    assert_eq!((row.queued, row.held), (1, true));
    world.prompt(&session.id, "third").await;
    let third = |row: &Session| {
        let turn = row.last_turn.as_ref().unwrap();
        turn.result.as_deref() == Some("third")
    };
    until(&world, &mut events, &session.id, third).await;
    let ends: Vec<_> = world
        .journal()
        .await
        .into_iter()
        .filter(|it| it.kind == EntryKind::TurnEnded)
        .map(|it| it.payload["result"].as_str().unwrap_or("cut").to_owned())
        .collect();
    assert_eq!(ends, ["cut", "second", "third"]);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_message_under_one_id_is_entered_once() {
    let world = World::new("").await;
    let mut events = world.events();
    let session = world.start("first").await;
    let once = ff_protocol::session::Prompt {
        id: Some(ClientId::generate()),
        ..prompt("second")
    };
    let send = |prompt| world.sessions.prompt(&world.workspace, &session.id, prompt);
    let (one, two) = tokio::join!(send(once.clone()), send(once.clone()));
    one.unwrap();
    two.unwrap();
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::Idle
    })
    .await;
    send(once.clone()).await.unwrap();
    let messages = world.kinds().await;
    let messages = messages
        .iter()
        .filter(|kind| **kind == EntryKind::UserMessage)
        .count();
    assert_eq!(messages, 2);
    let other = ff_protocol::session::Prompt {
        text: "else".into(),
        ..once
    };
    assert_eq!(send(other).await.unwrap_err().code(), ErrorCode::Conflict);
    let state = MessageState::Done;
    assert_ne!(state, MessageState::Queued);
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_message_that_a_dying_cli_was_not_given_yet_goes_to_the_next() {
    // A change that is not answered keeps messages back.
    let world = World::new("on_control() { touch \"$here/asked\"; }").await;
    let mut events = world.events();
    let session = world.start("first").await;
    until(&world, &mut events, &session.id, |row| {
        row.last_turn.is_some()
    })
    .await;
    let change = ff_protocol::session::Configure {
        model: Some("some-model".into()),
        ..Default::default()
    };
    let configure = world
        .sessions
        .configure(&world.workspace, &session.id, change);
    let die = async {
        world.prompt(&session.id, "second").await;
        let row = world.row(&session.id).await;
        assert_eq!((row.queued, row.held), (1, false));
        let process = world.store.process(&session.id).await.unwrap().unwrap();
        let pid = process.pid.to_string();
        let kill = std::process::Command::new("kill")
            .args(["-9", &pid])
            .status();
        assert!(kill.unwrap().success());
    };
    let (configured, ()) = tokio::join!(configure, die);
    assert_eq!(configured.unwrap().model.as_deref(), Some("some-model"));
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::Idle && row.queued == 0
    })
    .await;
    let ends = world.kinds().await;
    let ends = ends.iter().filter(|kind| **kind == EntryKind::TurnEnded);
    assert_eq!(ends.count(), 2);
    assert!(world.starts()[1].contains("--model some-model"));
    world.sessions.shutdown().await;
}
