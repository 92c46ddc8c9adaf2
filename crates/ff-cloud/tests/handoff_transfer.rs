//! What a hand-off moves, and what is done when a side was not listening.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use ff_cloud::db::entity::handoff;
use ff_cloud::db::{handoffs, workspaces};
use ff_protocol::agent::SuspendTier;
use ff_protocol::handoff::HandoffState;
use ff_protocol::{ErrorCode, WorkspaceId};
use futures_util::{StreamExt, stream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use support::backend::Backend;
use support::moving::{SHA, World, ids, manifest, problem, pull, send};

async fn a_bundle_that_is_not_what_was_agreed_is_refused(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    let foreign = manifest(&send(&desktop, &workspace, 0));
    assert_eq!(
        problem(world.client.restore(&ask.id, &foreign).await).code,
        ErrorCode::Invalid
    );
    world.engine.corrupt.store(true, SeqCst);
    let corrupt = problem(world.client.restore(&ask.id, &manifest(&ask)).await);
    assert_eq!(corrupt.code, ErrorCode::Corrupted);
    assert_eq!(
        problem(world.client.commit(&ask.id).await).code,
        ErrorCode::Conflict
    );
    world.client.abort(&ask.id).await.unwrap();

    world.engine.corrupt.store(false, SeqCst);
    world.sent(&send(&desktop, &workspace, 0)).await;
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&pull(&desktop, &workspace, 1)));
    assert_eq!(world.refused(&back).await.code, ErrorCode::Corrupted);
}

async fn an_agent_that_missed_a_commit_hears_of_it_later(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.restored(&ask).await;
    world.engine.deaf.store(true, SeqCst);
    world.client.commit(&ask.id).await.unwrap();
    assert!(
        world
            .client
            .finalize(&ask.id)
            .await
            .unwrap_err()
            .is_transient()
    );
    assert_eq!(world.state(&ask.id).await, HandoffState::Committed);
    world.server.app.handoffs.sweep().await.unwrap();
    assert_eq!(world.engine.calls().last().unwrap(), "restore");
    world.engine.deaf.store(false, SeqCst);
    for _ in 0..2 {
        world.server.app.handoffs.sweep().await.unwrap();
    }
    let finished = world
        .engine
        .calls()
        .iter()
        .filter(|call| *call == "finish true")
        .count();
    assert_eq!(finished, 1);

    let abandoned = send(&desktop, &WorkspaceId::generate(), 0);
    world.client.create_handoff(&abandoned).await.unwrap();
    world.age(&abandoned.id, 61).await;
    world.server.app.handoffs.sweep().await.unwrap();
    assert_eq!(world.state(&abandoned.id).await, HandoffState::Aborted);
}

/// Whoever stays in the middle of a hand-off keeps the workspace locked.
async fn an_agent_that_missed_an_abort_hears_of_it_later_and_is_not_woken_for_it(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let vm = world.client.vms().await.unwrap().remove(0).id;
    world.sent(&send(&desktop, &workspace, 0)).await;
    let ask = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&ask));
    world.client.create_handoff(&ask).await.unwrap();
    world.engine.deaf.store(true, SeqCst);
    world.client.abort(&ask.id).await.unwrap();
    let sweep = async || world.server.app.handoffs.sweep().await.unwrap();
    let told = || {
        let calls = world.engine.calls();
        calls.iter().filter(|call| *call == "finish false").count()
    };
    sweep().await;
    assert_eq!(told(), 0);
    world.engine.deaf.store(false, SeqCst);

    let vms = &world.server.app.vms;
    vms.suspend(&vm, None, SuspendTier::Stopped).await.unwrap();
    let started = world.server.provider.started.load(SeqCst);
    sweep().await;
    assert_eq!(told(), 0);
    assert_eq!(world.server.provider.started.load(SeqCst), started);

    world.server.app.vms.awake(&vm).await.unwrap();
    for _ in 0..2 {
        sweep().await;
        assert_eq!(told(), 1);
    }
}

async fn of_an_abort_nobody_is_told_when_the_vm_is_gone(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    world.engine.deaf.store(true, SeqCst);
    world.client.abort(&ask.id).await.unwrap();
    let vm = world.client.vms().await.unwrap().remove(0).id;
    world.client.delete_vm(&vm).await.unwrap();
    world.server.app.handoffs.sweep().await.unwrap();
    let untold = handoff::Entity::find()
        .filter(handoff::Column::AgentTold.eq(false))
        .all(world.server.app.db.read())
        .await
        .unwrap();
    assert_eq!(untold, []);
}

/// A part that has streamed for longer than a hand-off may rest is followed by one more piece.
async fn a_handoff_whose_part_still_streams_is_not_abandoned(backend: Backend) {
    let mut world = World::new(backend).await;
    let mut pieces = std::mem::replace(&mut world.heard.pieces, tokio::sync::mpsc::channel(1).1);
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    world.age(&ask.id, 61).await;
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let piece = stream::once(async move {
        gate.await.unwrap();
        Ok(Bytes::from_static(b"piece"))
    });
    let putting = world.client.put_part(&ask.id, SHA, (0, 5), Box::pin(piece));
    let watching = async {
        while world.client.handoff(&ask.id).await.unwrap().updated_at < minutes_ago(60) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.age(&ask.id, 61).await;
        go.send(()).unwrap();
        assert_eq!(pieces.recv().await.unwrap(), "piece");
        world.server.app.handoffs.sweep().await.unwrap();
    };
    let (put, ()) = within(async { tokio::join!(putting, watching) }).await;
    put.unwrap();
    assert_eq!(world.state(&ask.id).await, HandoffState::Transferring);
    world.client.abort(&ask.id).await.unwrap();

    world.sent(&send(&desktop, &workspace, 0)).await;
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let piece = stream::once(async move {
        gate.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from_static(b"piece"))
    });
    let body = Body::from_stream(piece);
    world.engine.parts.lock().unwrap().insert(SHA.into(), body);
    let mut part = world.client.get_part(&back.id, SHA, 0).await.unwrap();
    world.age(&back.id, 61).await;
    go.send(()).unwrap();
    assert_eq!(within(part.next()).await.unwrap().unwrap(), "piece");
    world.server.app.handoffs.sweep().await.unwrap();
    assert_eq!(world.state(&back.id).await, HandoffState::Transferring);
}

fn minutes_ago(minutes: i64) -> ff_protocol::Timestamp {
    ff_cloud::clock::now() - chrono::TimeDelta::minutes(minutes)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("it takes too long")
}

/// The second piece is sent only when the first has come out at the other end, which cannot be
/// if the server collects them.
async fn parts_pass_through_piece_by_piece(backend: Backend) {
    let mut world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    let (arrived, mut told) = tokio::sync::mpsc::channel::<()>(1);
    let first = stream::once(async { Ok(Bytes::from_static(b"first ")) });
    let second = stream::once(async move {
        told.recv().await;
        Ok(Bytes::from_static(b"piece"))
    });
    let body = Box::pin(first.chain(second));
    let putting = world.client.put_part(&ask.id, SHA, (0, 11), body);
    let arriving = async {
        assert_eq!(world.heard.pieces.recv().await.unwrap(), "first ");
        arrived.send(()).await.unwrap();
        assert_eq!(world.heard.pieces.recv().await.unwrap(), "piece");
    };
    let both = async { tokio::join!(putting, arriving) };
    let (put, ()) = within(both).await;
    put.unwrap();
    let nothing = Box::pin(stream::empty());
    let refused = problem(world.client.put_part(&ask.id, "ff", (0, 0), nothing).await);
    assert_eq!(refused.code, ErrorCode::BadRequest);
    assert_eq!(
        problem(world.client.get_part(&ask.id, SHA, 0).await.map(|_| ())).code,
        ErrorCode::Conflict
    );
    world.client.abort(&ask.id).await.unwrap();

    world.sent(&send(&desktop, &workspace, 0)).await;
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    let (arrived, mut told) = tokio::sync::mpsc::channel::<()>(1);
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"one")) });
    let second = stream::once(async move {
        told.recv().await;
        Ok(Bytes::from_static(b"two"))
    });
    let body = Body::from_stream(first.chain(second));
    world.engine.parts.lock().unwrap().insert(SHA.into(), body);
    let mut part = world.client.get_part(&back.id, SHA, 0).await.unwrap();
    assert_eq!(within(part.next()).await.unwrap().unwrap(), "one");
    arrived.send(()).await.unwrap();
    assert_eq!(part.next().await.unwrap().unwrap(), "two");
    assert!(part.next().await.is_none());
}

/// The swap itself, whatever the services above it have looked at before.
async fn a_commit_swaps_only_the_owner_epoch_and_handoff_it_was_begun_with(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    world.client.create_handoff(&ask).await.unwrap();
    let db = world.server.app.db.write();
    let row = handoffs::get(db, &ask.id).await.unwrap().unwrap();
    let strangers = [
        handoff::Model {
            from_owner: "desktop:another".into(),
            ..row.clone()
        },
        handoff::Model {
            epoch: row.epoch + 1,
            ..row.clone()
        },
        handoff::Model {
            id: "another".into(),
            ..row.clone()
        },
        handoff::Model {
            user_id: "another".into(),
            ..row.clone()
        },
    ];
    for stranger in &strangers {
        assert!(
            !workspaces::hand_over(db, stranger).await.unwrap(),
            "{stranger:?}"
        );
    }
    assert_eq!(world.client.workspace(&workspace).await.unwrap().epoch, 4);
    assert!(workspaces::hand_over(db, &row).await.unwrap());
    assert!(
        !workspaces::hand_over(db, &row).await.unwrap(),
        "a second time"
    );
    assert_eq!(world.client.workspace(&workspace).await.unwrap().epoch, 5);
}

both_dbs! {
    a_commit_swaps_only_the_owner_epoch_and_handoff_it_was_begun_with
    a_bundle_that_is_not_what_was_agreed_is_refused
    an_agent_that_missed_a_commit_hears_of_it_later
    an_agent_that_missed_an_abort_hears_of_it_later_and_is_not_woken_for_it
    of_an_abort_nobody_is_told_when_the_vm_is_gone
    a_handoff_whose_part_still_streams_is_not_abandoned
    parts_pass_through_piece_by_piece
}
