//! What is asked of hand-offs and should not be, one numbered test each. What bundles may not hold
//! is shown where they are unpacked, in `ff-core/src/handoff`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test panics to fail"
)]

#[macro_use]
mod support;

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use ff_client::{ByteStream, ClientError, CloudClient};
use ff_cloud::db::entity::{handoff, workspace};
use ff_protocol::handoff::{BUNDLE_FORMAT, CreateHandoff, Direction, HandoffState};
use ff_protocol::ownership::{Claim, Claims, Reclaim};
use ff_protocol::workspace::Owner;
use ff_protocol::{DesktopId, ErrorCode, WorkspaceId};
use futures_util::stream;
use sea_orm::EntityTrait;
use serde_json::Value;
use support::backend::Backend;
use support::moving::{SHA, World, ids, manifest, problem, pull, send};
use support::request;

async fn bad_input_handoff_4_a_newer_manifest_is_refused_by_its_version(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    let newer = BUNDLE_FORMAT + 1;
    let mut body = serde_json::to_value(manifest(&ask)).unwrap();
    body["format"] = newer.into();
    // Nothing that this version knows is in its place.
    body["sessions"] = serde_json::json!({"all": [], "what": "new"});
    body["encryption"] = "new".into();
    for step in ["offer", "restore"] {
        let path = format!("/api/handoffs/{}/{step}", ask.id);
        let answer = world.server.post(&path, body.clone()).await;
        assert_eq!(answer.code(), "invalid", "{answer:?}");
        let said = answer.body["detail"].as_str().unwrap();
        let words = format!("has format {newer}, and this version knows {BUNDLE_FORMAT} at most");
        assert!(said.contains(&words), "{said}");
    }
    assert_eq!(world.engine.calls().len(), 1, "the VM is not asked");
    assert_eq!(world.state(&ask.id).await, HandoffState::Transferring);
    let early = problem(world.client.commit(&ask.id).await);
    assert_eq!(early.code, ErrorCode::Conflict);
}

/// The body ends before the length that it was given.
async fn bad_input_handoff_5_a_stream_that_is_cut_is_no_part(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    let cut = world
        .client
        .put_part(&ask.id, SHA, (0, 11), bytes(b"first "))
        .await;
    cut.unwrap_err();
    let unsized_body = request(
        Method::PUT,
        &format!("/api/handoffs/{}/parts/{SHA}", ask.id),
        None,
    );
    let answer = world
        .server
        .send(unsized_body.map(|_| Body::from_stream(bytes(b"x"))))
        .await;
    assert_eq!(answer.code(), "bad_request", "{answer:?}");
    assert_eq!(world.state(&ask.id).await, HandoffState::Transferring);
    let early = problem(world.client.commit(&ask.id).await);
    assert_eq!(early.code, ErrorCode::Conflict);
}

fn bytes(bytes: &'static [u8]) -> ByteStream {
    Box::pin(stream::iter([Ok(Bytes::from_static(bytes))]))
}

async fn bad_input_handoff_6_an_id_that_stands_for_something_else_is_409(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    let other_workspace = send(&desktop, &WorkspaceId::generate(), 0);
    let others = [
        CreateHandoff {
            id: ask.id.clone(),
            ..other_workspace
        },
        CreateHandoff {
            epoch: 1,
            ..ask.clone()
        },
        CreateHandoff {
            desktop_id: DesktopId::generate(),
            ..ask.clone()
        },
        CreateHandoff {
            direction: Direction::Pull,
            ..ask.clone()
        },
    ];
    let refused = async || {
        for other in &others {
            let before = rows(&world).await;
            let said = world.refused(other).await;
            assert_eq!((said.status, said.code), (409, ErrorCode::Conflict));
            assert!(said.detail.contains("stands for another"), "{said}");
            assert_eq!(rows(&world).await, before);
        }
    };
    refused().await;
    assert_eq!(world.engine.calls().len(), 1, "the VM is not asked");
    let other = manifest(&send(&desktop, &workspace, 3));
    let said = problem(world.client.restore(&ask.id, &other).await);
    assert_eq!(said.code, ErrorCode::Invalid, "{said}");

    world
        .client
        .restore(&ask.id, &manifest(&ask))
        .await
        .unwrap();
    world.client.commit(&ask.id).await.unwrap();
    refused().await;
    world.client.finalize(&ask.id).await.unwrap();
    refused().await;
    let calls = world.engine.calls();
    for late in [
        problem(world.client.restore(&ask.id, &manifest(&ask)).await),
        problem(world.client.offer(&ask.id, &manifest(&ask)).await),
        problem(
            world
                .client
                .put_part(&ask.id, SHA, (0, 1), bytes(b"x"))
                .await,
        ),
    ] {
        assert_eq!((late.status, late.code), (409, ErrorCode::Conflict));
    }
    assert_eq!(world.engine.calls(), calls, "the VM is not asked");
}

async fn rows(world: &World) -> (Vec<handoff::Model>, Vec<workspace::Model>) {
    let db = world.server.app.db.read();
    let handoffs = handoff::Entity::find().all(db).await.unwrap();
    let workspaces = workspace::Entity::find().all(db).await.unwrap();
    (handoffs, workspaces)
}

/// Someone else's is as one that there is not, whatever is asked.
async fn bad_input_handoff_7_someone_else_s_workspace_is_404(backend: Backend) {
    let world = World::new(backend).await;
    let stranger = world.online.client("stranger");
    stranger.create_vm(None).await.unwrap();
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    let (before, calls) = (rows(&world).await, world.engine.calls());

    for desktop in [&desktop, &DesktopId::generate()] {
        let theirs = stranger.create_handoff(&pull(desktop, &workspace, 1)).await;
        not_found("pull", theirs);
    }
    steps(&stranger, &back).await;
    let take = Reclaim {
        owner: Owner::Desktop(DesktopId::generate()),
        epoch: 9,
    };
    not_found("reclaim", stranger.reclaim(&workspace, &take).await);
    not_found("show", stranger.workspace(&workspace).await);
    let engine = stranger.engine();
    let session = engine.start_session(&workspace, &Default::default()).await;
    not_found("session", session);
    let claims = Claims {
        claims: vec![Claim {
            workspace_id: workspace.clone(),
            owner: take.owner.clone(),
            epoch: 9,
            by: None,
            copy: true,
            name: "Mine".into(),
            project_name: "Project".into(),
            branch_name: "fix-it".into(),
        }],
        lost: vec![back.id.clone()],
    };
    assert_eq!(stranger.claim(&claims).await.unwrap(), []);

    assert_eq!(rows(&world).await, before);
    assert_eq!(world.engine.calls(), calls, "the VM is not asked");
    assert_eq!(world.state(&back.id).await, HandoffState::Transferring);
    world.client.commit(&back.id).await.unwrap();
}

async fn steps(stranger: &CloudClient, theirs: &CreateHandoff) {
    let (id, manifest) = (&theirs.id, manifest(theirs));
    not_found("show", stranger.handoff(id).await);
    not_found("offer", stranger.offer(id, &manifest).await);
    not_found("put", stranger.put_part(id, SHA, (0, 1), bytes(b"x")).await);
    not_found("get", stranger.get_part(id, SHA, 0).await.map(drop));
    not_found("restore", stranger.restore(id, &manifest).await);
    not_found("commit", stranger.commit(id).await);
    not_found("finalize", stranger.finalize(id).await);
    not_found("abort", stranger.abort(id).await);
}

fn not_found<T: std::fmt::Debug>(what: &str, answer: Result<T, ClientError>) {
    let said = problem(answer);
    assert_eq!(
        (said.status, said.code),
        (404, ErrorCode::NotFound),
        "{what}: {said}"
    );
}

/// The events of a hand-off are told to its user alone.
async fn bad_input_handoff_7_nor_does_anybody_else_follow_it(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    for path in [
        format!("/api/handoffs/{}/events", ask.id),
        format!("/api/handoffs/{}", ask.id),
    ] {
        let mut asked = request(Method::GET, &path, None::<Value>);
        let user = "stranger".parse().unwrap();
        asked.headers_mut().insert("x-ff-user", user);
        let answer = world.server.send(asked).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found"));
    }
}

both_dbs! {
    bad_input_handoff_4_a_newer_manifest_is_refused_by_its_version
    bad_input_handoff_5_a_stream_that_is_cut_is_no_part
    bad_input_handoff_6_an_id_that_stands_for_something_else_is_409
    bad_input_handoff_7_someone_else_s_workspace_is_404
    bad_input_handoff_7_nor_does_anybody_else_follow_it
}
