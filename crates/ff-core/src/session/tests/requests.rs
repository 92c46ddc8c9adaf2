use ff_protocol::ErrorCode;
use ff_protocol::agent::CauseKind;
use ff_protocol::session::{Activity, EntryKind, SessionStatus};

use super::world::{World, answer, until};

const ASKS: &str = r#"
on_user() {
  say '{"type":"control_request","request_id":"cli-1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"},"tool_use_id":"t1"}}'
}
on_answer() {
  case $1 in
    *'"behavior":"allow"'*'"updatedInput":{"command":"ls"}'*) result "$current" allowed ;;
    *'"behavior":"deny"'*) result "$current" "denied: $(field message "$1")" ;;
    *'"subtype":"error"'*) result "$current" unsupported ;;
    *) result "$current" "not understood" true ;;
  esac
}
"#;

async fn result(
    world: &World,
    events: &mut tokio::sync::broadcast::Receiver<crate::session::Event>,
    id: &ff_protocol::SessionId,
) -> String {
    let row = until(world, events, id, |row| row.last_turn.is_some()).await;
    row.last_turn.unwrap().result.expect("no result")
}

#[tokio::test]
async fn a_strict_session_asks_the_user_and_takes_one_answer() {
    let world = World::new(ASKS).await;
    let mut events = world.events();
    let session = world.start_strict("hi").await;
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    let request = world.last(EntryKind::Request).await;
    assert_eq!(
        (&request["toolName"], &request["input"]["command"]),
        (&"Bash".into(), &"ls".into())
    );
    assert!(world.sessions.workspace_busy(&world.workspace));
    let causes = world.sessions.causes();
    assert!(causes.working.is_empty(), "{causes:?}");
    assert_eq!(causes.holding[0].kind, CauseKind::Permission);
    let name = format!("permission for Bash in session {}", session.id);
    assert_eq!(causes.holding[0].name, name);

    let allow = answer(&request, true);
    world
        .sessions
        .answer(&world.workspace, &session.id, allow.clone())
        .await
        .unwrap();
    assert_eq!(result(&world, &mut events, &session.id).await, "allowed");
    let second = world
        .sessions
        .answer(&world.workspace, &session.id, allow.clone())
        .await;
    assert_eq!(second.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(world.last(EntryKind::Answer).await["outcome"], "allowed");
    world.sessions.shutdown().await;
    let late = world
        .sessions
        .answer(&world.workspace, &session.id, allow)
        .await;
    assert_eq!(late.unwrap_err().code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn a_refusal_reaches_the_model_with_its_reason() {
    let world = World::new(ASKS).await;
    let mut events = world.events();
    let session = world.start_strict("hi").await;
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    let request = world.last(EntryKind::Request).await;
    let deny = ff_protocol::session::Answer {
        message: Some("not now".into()),
        ..answer(&request, false)
    };
    world
        .sessions
        .answer(&world.workspace, &session.id, deny)
        .await
        .unwrap();
    assert_eq!(
        result(&world, &mut events, &session.id).await,
        "denied: not now"
    );
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn a_relaxed_session_allows_tools_and_refuses_what_it_cannot_do() {
    let world = World::new(ASKS).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    assert_eq!(result(&world, &mut events, &session.id).await, "allowed");
    assert!(!world.kinds().await.contains(&EntryKind::Request));
    world.sessions.shutdown().await;

    let hook = ASKS.replace("can_use_tool", "hook_callback");
    let world = World::new(&hook).await;
    let mut events = world.events();
    let session = world.start("hi").await;
    assert_eq!(
        result(&world, &mut events, &session.id).await,
        "unsupported"
    );
    world.sessions.shutdown().await;
}

#[tokio::test]
async fn requests_end_with_the_cli_that_asked() {
    let world = World::new(ASKS).await;
    let mut events = world.events();
    let session = world.start_strict("hi").await;
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
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
    let closed = world.last(EntryKind::Answer).await;
    assert_eq!(closed["outcome"], "orphaned");
}

#[tokio::test]
async fn the_cli_may_take_a_request_back() {
    let script = format!(
        "{ASKS}\non_interrupt() {{ say '{{\"type\":\"control_cancel_request\",\"request_id\":\"cli-1\"}}'; aborted \"$current\"; }}"
    );
    let world = World::new(&script).await;
    let mut events = world.events();
    let session = world.start_strict("hi").await;
    until(&world, &mut events, &session.id, |row| {
        row.activity == Activity::WaitingForUser
    })
    .await;
    let row = world
        .sessions
        .interrupt(&world.workspace, &session.id, None)
        .await
        .unwrap();
    assert_eq!(row.activity, Activity::Idle);
    assert_eq!(world.last(EntryKind::Answer).await["outcome"], "cancelled");
    world.sessions.shutdown().await;
}
