//! What was said, what waits, and who may stop a workspace from leaving.

use std::path::Path;

use ff_protocol::ErrorCode;
use ff_protocol::handoff::Export;
use ff_protocol::session::{
    Activity, EntryKind, RequestKind, RequestState, Session, SessionStatus,
};
use ff_protocol::workspace::Owner;
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;

use super::world::{Machine, World, test_session};
use crate::clock;
use crate::processes::mark;
use crate::store::{Asked, Change, Item, RequestRecord, Write};

async fn prompt(machine: &Machine, session: &Session, id: &str) {
    let entry = json!({"text": format!("message {id}")});
    let enter = Change::Enter {
        id: id.parse().unwrap(),
        uuid: uuid::Uuid::new_v4().to_string(),
    };
    let write = Write::entry(session, EntryKind::UserMessage, entry).and(enter);
    machine.core.store().write(write).await.unwrap();
}

fn asked(session: &Session, state: RequestState) -> RequestRecord {
    RequestRecord {
        id: "req-1".parse().unwrap(),
        workspace: session.workspace_id.clone(),
        session: session.id.clone(),
        kind: RequestKind::Permission,
        asked: Asked {
            tool_name: "Bash".into(),
            input: json!({"command": "touch x"}),
            tool_use_id: Some("tool-1".into()),
            description: None,
        },
        state,
        answer: None,
        carried: false,
        created_at: clock::now(),
        answered_at: None,
    }
}

#[tokio::test]
async fn messages_that_wait_requests_and_settings_move_with_the_workspace() {
    let world = World::new().await;
    let session = Session {
        model: Some("opus".into()),
        thinking_tokens: Some(4000),
        queued: 2,
        held: true,
        ..test_session(&world.workspace)
    };
    let store = world.desktop.core.store();
    store.insert_session(&session).await.unwrap();
    prompt(&world.desktop, &session, "m-1").await;
    prompt(&world.desktop, &session, "m-2").await;
    let open = Change::Request(Box::new(asked(&session, RequestState::Open)));
    store.write(Write::default().and(open)).await.unwrap();
    world.send().await;

    let (store, id) = (world.vm.core.store(), &world.workspace.id);
    let texts: Vec<_> = store.queued(&session.id).await.unwrap();
    let texts: Vec<_> = texts.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["message m-1", "message m-2"]);
    let there = store.session(id, &session.id).await.unwrap().unwrap();
    assert_eq!(
        (
            there.model.as_deref(),
            there.thinking_tokens,
            there.queued,
            there.held
        ),
        (Some("opus"), Some(4000), 2, true)
    );
    let waiting = store.waiting_requests(id, None).await.unwrap();
    assert_eq!(
        waiting[0].state,
        RequestState::Orphaned,
        "its CLI stayed behind"
    );
    assert_eq!(waiting[0].asked, asked(&session, RequestState::Open).asked);
    // The same message comes again, from a client that did not hear that it was taken.
    let known = store.message(id, &"m-1".parse().unwrap()).await.unwrap();
    assert_eq!(known.unwrap().session, session.id);

    world.pull(2).await;
    let back = world
        .desktop
        .core
        .store()
        .queued(&session.id)
        .await
        .unwrap();
    assert_eq!(back.len(), 2);
}

#[tokio::test]
async fn what_an_import_knew_of_sessions_comes_back_with_the_paths_of_this_machine() {
    let world = World::new().await;
    let session = test_session(&world.workspace);
    let store = world.desktop.core.store();
    store.insert_session(&session).await.unwrap();
    let origin = format!(
        "INSERT INTO session_origins VALUES ('{}', 'AGENT', 'CODEX', '/home/ada/old', '{{\"a\":1}}')",
        session.id
    );
    let file = world.desktop.home.join("data/core.db");
    let db = Database::connect(format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    db.execute_unprepared(&origin).await.unwrap();
    let before = store.session_origins().await.unwrap();
    world.send().await;
    let there = world.vm.core.store().session_origins().await.unwrap();
    let there = &there[&session.id];
    assert_eq!(
        (there.provider.as_str(), &there.project_path),
        ("CODEX", &None)
    );
    assert_eq!(there.metadata, Some(json!({"a": 1})));
    world.pull(2).await;
    let back = store.session_origins().await.unwrap();
    assert_eq!(
        back[&session.id].project_path.as_deref(),
        Some("/home/ada/old")
    );
    assert_eq!(back.len(), before.len());
}

#[tokio::test]
async fn an_item_of_another_session_is_refused() {
    let world = World::new().await;
    let session = test_session(&world.workspace);
    world
        .desktop
        .core
        .store()
        .insert_session(&session)
        .await
        .unwrap();
    prompt(&world.desktop, &session, "m-1").await;
    let (out, mut manifest) = world.prepare_send().await;
    world.carry(&world.desktop, &world.vm, &manifest).await;
    manifest.sessions.clear();
    manifest.parts.retain(|part| part.name != "journal.jsonl");
    let refused = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &manifest)
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    assert!(refused.to_string().contains("conversations"), "{refused}");
    let items = world
        .vm
        .core
        .store()
        .conversation(&world.workspace.id)
        .await;
    assert_eq!(items.unwrap(), Vec::<Item>::new());
}

/// A session whose row names a process that lives: this one.
async fn lives(world: &World, session: &Session) {
    let store = world.desktop.core.store();
    store.insert_session(session).await.unwrap();
    let process = Change::Process(session.id.clone(), mark::of(std::process::id()));
    store.write(Write::default().and(process)).await.unwrap();
}

#[tokio::test]
async fn a_live_session_of_the_ratchet_keeps_a_workspace_and_a_stale_one_does_not() {
    let world = World::new().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let fixer = Session {
        workflow: "ratchet".into(),
        status: SessionStatus::Running,
        ..test_session(&world.workspace)
    };
    lives(&world, &fixer).await;
    for interrupt in [false, true] {
        let refused = core.handoff_begin_send(id, interrupt).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RatchetActive);
        assert!(refused.to_string().contains(fixer.id.as_str()), "{refused}");
    }
    assert_eq!(core.workspace(id).await.unwrap().handoff_id, None);
    // The row still says that it runs; its process is gone.
    let gone = mark::of(std::process::id()).map(|it| crate::store::ProcessMark { start: 1, ..it });
    let process = Change::Process(fixer.id.clone(), gone);
    core.store()
        .write(Write::default().and(process))
        .await
        .unwrap();
    core.handoff_begin_send(id, false).await.unwrap();
}

#[tokio::test]
async fn a_turn_of_another_process_keeps_a_workspace_unless_it_may_be_interrupted() {
    let world = World::new().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let busy = Session {
        status: SessionStatus::Running,
        activity: Activity::Working,
        ..test_session(&world.workspace)
    };
    lives(&world, &busy).await;
    let refused = core.handoff_begin_send(id, false).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TurnActive);
    assert!(refused.to_string().contains("--interrupt"), "{refused}");
    core.handoff_begin_send(id, true).await.unwrap();
}

/// Between the check and the commit nothing can begin, and what begins all the same stops it.
#[tokio::test]
async fn a_session_of_the_ratchet_between_check_and_commit_is_blocked() {
    let world = World::new().await;
    let handoff = world.restored().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let start = core.sessions().start(id, Default::default()).await;
    assert_eq!(start.unwrap_err().code(), ErrorCode::HandoffActive);
    let fixer = Session {
        workflow: "ratchet".into(),
        status: SessionStatus::Running,
        ..test_session(&world.workspace)
    };
    lives(&world, &fixer).await;
    let refused = core.handoff_unchanged(&handoff).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RatchetActive);
}

#[tokio::test]
async fn a_file_edited_during_a_pull_stops_it_at_the_commit() {
    let world = World::new().await;
    let there = world.send().await.worktree_path.unwrap();
    let incoming = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap();
    let export = Export {
        workspace_id: world.workspace.id.clone(),
        to: Owner::Desktop(incoming.desktop_id),
        epoch: 2,
        have: incoming.have,
        interrupt: false,
    };
    let vm = &world.vm.core;
    let id = &incoming.handoff_id;
    let first = vm.handoff_export(id, &export).await.unwrap();
    vm.handoff_unchanged(id).await.unwrap();
    let head = world.commit(&world.vm, &there, "late.txt");
    let refused = vm.handoff_unchanged(id).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Conflict);
    let second = vm.handoff_export(id, &export).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(second.git.head, head);
    assert!(Path::new(&there).join("late.txt").exists());
}
