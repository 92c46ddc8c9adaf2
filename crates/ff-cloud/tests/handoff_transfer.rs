//! What a hand-off moves, and what is done when a side was not listening.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use ff_protocol::handoff::HandoffState;
use ff_protocol::{ErrorCode, WorkspaceId};
use futures_util::{StreamExt, stream};
use support::moving::{SHA, World, ids, manifest, problem, pull, send};

#[tokio::test]
async fn a_bundle_that_is_not_what_was_agreed_is_refused() {
    let world = World::new().await;
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

#[tokio::test]
async fn an_agent_that_missed_a_commit_hears_of_it_later() {
    let world = World::new().await;
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

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("it takes too long")
}

/// The second piece is sent only when the first has come out at the other end, which cannot be
/// if the server collects them.
#[tokio::test]
async fn parts_pass_through_piece_by_piece() {
    let mut world = World::new().await;
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
    let putting = world.client.put_part(&ask.id, SHA, 11, body);
    let arriving = async {
        assert_eq!(world.heard.pieces.recv().await.unwrap(), "first ");
        arrived.send(()).await.unwrap();
        assert_eq!(world.heard.pieces.recv().await.unwrap(), "piece");
    };
    let both = async { tokio::join!(putting, arriving) };
    let (put, ()) = within(both).await;
    put.unwrap();
    let nothing = Box::pin(stream::empty());
    let refused = problem(world.client.put_part(&ask.id, "ff", 0, nothing).await);
    assert_eq!(refused.code, ErrorCode::BadRequest);
    assert_eq!(
        problem(world.client.get_part(&ask.id, SHA).await.map(|_| ())).code,
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
    let mut part = world.client.get_part(&back.id, SHA).await.unwrap();
    assert_eq!(within(part.next()).await.unwrap().unwrap(), "one");
    arrived.send(()).await.unwrap();
    assert_eq!(part.next().await.unwrap().unwrap(), "two");
    assert!(part.next().await.is_none());
}
