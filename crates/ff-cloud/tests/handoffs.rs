//! Hand-offs through the server, with an engine that plays its part.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use ff_protocol::handoff::{CreateHandoff, Direction, HandoffState};
use ff_protocol::workspace::{Location, Owner};
use ff_protocol::{DesktopId, ErrorCode, Problem, WorkspaceId};
use futures_util::future;
use support::backend::Backend;
use support::moving::{World, ids, manifest, problem, pull, send};

async fn a_send_moves_the_workspace_and_a_second_one_is_refused(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    let begun = world.client.create_handoff(&ask).await.unwrap();
    assert_eq!((begun.state, begun.epoch), (HandoffState::Transferring, 5));
    assert_eq!(begun.have, ["c0ffee"]);
    let early = problem(world.client.commit(&ask.id).await);
    assert_eq!(early.code, ErrorCode::Conflict);
    world
        .client
        .restore(&ask.id, &manifest(&ask))
        .await
        .unwrap();
    let committed = world.client.commit(&ask.id).await.unwrap();
    assert_eq!(
        (committed.state, committed.epoch),
        (HandoffState::Committed, 5)
    );
    let again = world.client.commit(&ask.id).await.unwrap();
    assert_eq!(again.updated_at, committed.updated_at);
    for _ in 0..2 {
        let done = world.client.finalize(&ask.id).await.unwrap();
        assert_eq!(done.state, HandoffState::Finalized);
    }
    let expected = [
        "receive fix-it for epoch 5",
        "restore",
        "finish true",
        "finish true",
    ];
    assert_eq!(world.engine.calls(), expected);

    let there = world.client.workspace(&workspace).await.unwrap();
    assert_eq!(
        (there.location, there.owner, there.epoch),
        (Location::Cloud, Owner::Cloud, 5)
    );
    assert_eq!(
        (&*there.name, &*there.branch_name),
        ("Fix it well", "fix-it")
    );
    assert_eq!(world.client.workspaces().await.unwrap().len(), 1);

    for epoch in [4, 5] {
        let twice = world.refused(&send(&desktop, &workspace, epoch)).await;
        assert_eq!((twice.code, twice.status), (ErrorCode::NotOwner, 409));
        assert!(twice.detail.contains("already in the cloud"), "{twice}");
    }
}

async fn without_a_vm_the_user_is_told_to_make_one(backend: Backend) {
    let world = World::new(backend).await;
    let client = world.online.client("nobody");
    let (desktop, workspace) = ids();
    let refused = problem(client.create_handoff(&send(&desktop, &workspace, 0)).await);
    assert_eq!(refused.code, ErrorCode::NotFound);
    assert!(refused.hint.unwrap().contains("ff cloud setup"));
}

async fn what_the_agent_refuses_passes_unchanged_and_leaves_nothing(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    for code in [
        ErrorCode::LoginRequired,
        ErrorCode::BranchMissing,
        ErrorCode::CloneFailed,
    ] {
        let ask = send(&desktop, &workspace, 0);
        let refusal = Problem::new(code, "because").with_hint("do this");
        *world.engine.refusal.lock().unwrap() = Some(refusal.clone());
        let refused = world.refused(&ask).await;
        assert_eq!(
            Problem {
                request_id: None,
                ..refused
            },
            refusal
        );
        assert_eq!(world.state(&ask.id).await, HandoffState::Aborted);
        assert_eq!(world.engine.calls().last().unwrap(), "finish false");
        let mirror = problem(world.client.workspace(&workspace).await);
        assert_eq!(mirror.code, ErrorCode::NotFound);
        assert_eq!(world.refused(&ask).await.code, ErrorCode::Conflict);
    }
    *world.engine.refusal.lock().unwrap() = None;
    world
        .client
        .create_handoff(&send(&desktop, &workspace, 0))
        .await
        .unwrap();
}

async fn an_id_stands_for_one_request(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    for _ in 0..2 {
        assert_eq!(
            world.client.create_handoff(&ask).await.unwrap().have,
            ["c0ffee"]
        );
    }
    let others = [
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
    for other in others {
        assert_eq!(world.refused(&other).await.code, ErrorCode::Conflict);
    }
    let stranger = world.online.client("stranger");
    assert_eq!(
        problem(stranger.handoff(&ask.id).await).code,
        ErrorCode::NotFound
    );
    assert_eq!(
        problem(stranger.commit(&ask.id).await).code,
        ErrorCode::NotFound
    );
    let all = future::join_all((0..10).map(|_| world.client.create_handoff(&ask))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
}

async fn a_handoff_is_taken_up_again_by_a_desktop_that_has_fetched_meanwhile(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let mut ask = send(&desktop, &workspace, 0);
    world.client.create_handoff(&ask).await.unwrap();
    ask.plan.as_mut().unwrap().project_name = "Renamed".into();
    world.client.create_handoff(&ask).await.unwrap();
    world.sent(&ask).await;

    let mut back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    back.have.push("fe7c4ed".into());
    world.client.create_handoff(&back).await.unwrap();
    assert_eq!(world.state(&back.id).await, HandoffState::Transferring);
}

async fn one_handoff_at_a_time_until_it_is_stale(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let first = pull(&desktop, &workspace, 1);
    let second = pull(&DesktopId::generate(), &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&first));
    world.client.create_handoff(&first).await.unwrap();
    *world.engine.manifest.lock().unwrap() = Some(manifest(&second));
    assert_eq!(world.refused(&second).await.code, ErrorCode::HandoffActive);
    world.age(&first.id, 14).await;
    assert_eq!(world.refused(&second).await.code, ErrorCode::HandoffActive);
    world.age(&first.id, 16).await;
    world.client.create_handoff(&second).await.unwrap();
    assert_eq!(world.state(&first.id).await, HandoffState::Aborted);
    assert_eq!(
        problem(world.client.commit(&first.id).await).code,
        ErrorCode::Conflict
    );
    world.client.commit(&second.id).await.unwrap();
}

async fn a_desktop_that_lost_its_handoff_begins_another_at_once(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let first = send(&desktop, &workspace, 0);
    world.client.create_handoff(&first).await.unwrap();
    let second = send(&desktop, &workspace, 0);
    world.client.create_handoff(&second).await.unwrap();
    assert_eq!(world.state(&first.id).await, HandoffState::Aborted);
    assert_eq!(
        problem(world.client.commit(&first.id).await).code,
        ErrorCode::Conflict
    );
    world
        .client
        .restore(&second.id, &manifest(&second))
        .await
        .unwrap();
    world.client.commit(&second.id).await.unwrap();
}

async fn owner_and_epoch_must_be_those_the_desktop_names(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let wrong = world.refused(&pull(&desktop, &workspace, 0)).await;
    assert_eq!(wrong.code, ErrorCode::NotOwner);
    assert!(wrong.detail.contains("epoch 1, not 0"), "{wrong}");

    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    world.client.commit(&back.id).await.unwrap();
    let other = world
        .refused(&send(&DesktopId::generate(), &workspace, 2))
        .await;
    assert!(other.detail.contains("another desktop"), "{other}");
    assert_eq!(
        world.refused(&send(&desktop, &workspace, 1)).await.code,
        ErrorCode::NotOwner
    );
    assert_eq!(
        world.refused(&pull(&desktop, &workspace, 2)).await.code,
        ErrorCode::NotOwner
    );
    // The owner goes on without having finalized the pull.
    world.sent(&send(&desktop, &workspace, 2)).await;
    assert_eq!(world.state(&back.id).await, HandoffState::Finalized);
    assert_eq!(world.client.workspace(&workspace).await.unwrap().epoch, 3);

    let unknown = world
        .refused(&pull(&desktop, &WorkspaceId::generate(), 0))
        .await;
    assert_eq!(unknown.code, ErrorCode::NotFound);
}

async fn many_commits_are_one_and_an_abort_beside_them_wins_or_loses_whole(backend: Backend) {
    let world = World::new(backend).await;
    for round in 0..5 {
        let (desktop, workspace) = ids();
        let ask = send(&desktop, &workspace, 7);
        world.restored(&ask).await;
        let commits = future::join_all((0..10).map(|_| world.client.commit(&ask.id)));
        let abort = async {
            match round {
                0 => None,
                _ => Some(world.client.abort(&ask.id).await),
            }
        };
        let (commits, abort) = tokio::join!(commits, abort);
        let mirror = world.client.workspace(&workspace).await;
        match world.state(&ask.id).await {
            HandoffState::Committed => {
                let first = commits[0].as_ref().unwrap().updated_at;
                assert!(
                    commits
                        .iter()
                        .all(|c| c.as_ref().unwrap().updated_at == first)
                );
                let mirror = mirror.unwrap();
                assert_eq!((mirror.owner, mirror.epoch), (Owner::Cloud, 8));
                if let Some(abort) = abort {
                    assert_eq!(problem(abort).code, ErrorCode::Conflict);
                }
            }
            HandoffState::Aborted => {
                assert!(commits.iter().all(Result::is_err));
                abort.unwrap().unwrap();
                assert_eq!(problem(mirror).code, ErrorCode::NotFound);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn an_abort_puts_everything_back(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.restored(&ask).await;
    for _ in 0..2 {
        world.client.abort(&ask.id).await.unwrap();
    }
    assert_eq!(world.engine.calls().last().unwrap(), "finish false");
    assert_eq!(
        problem(world.client.workspace(&workspace).await).code,
        ErrorCode::NotFound
    );

    let kept = send(&desktop, &workspace, 0);
    world.sent(&kept).await;
    assert_eq!(
        problem(world.client.abort(&kept.id).await).code,
        ErrorCode::Conflict
    );
    let back = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    world.client.abort(&back.id).await.unwrap();
    let there = world.client.workspace(&workspace).await.unwrap();
    assert_eq!((there.owner, there.epoch), (Owner::Cloud, 1));
    let again = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&again));
    world.client.create_handoff(&again).await.unwrap();
}

async fn a_pull_moves_it_back_and_the_cloud_no_longer_acts_on_it(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let engine = world.client.engine();
    engine
        .interrupt(&workspace, &"s".parse().unwrap())
        .await
        .unwrap_err();

    let ask = pull(&desktop, &workspace, 1);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&ask));
    let begun = world.client.create_handoff(&ask).await.unwrap();
    assert_eq!(*begun.manifest.unwrap(), manifest(&ask));
    world.client.commit(&ask.id).await.unwrap();
    world.client.finalize(&ask.id).await.unwrap();
    assert!(
        world
            .engine
            .calls()
            .contains(&format!("export to desktop:{desktop} at epoch 1"))
    );
    let there = world.client.workspace(&workspace).await.unwrap();
    assert_eq!((there.location, there.epoch), (Location::Desktop, 2));
    let refused = problem(engine.start_session(&workspace, &Default::default()).await);
    assert_eq!(refused.code, ErrorCode::NotOwner);
    assert!(refused.hint.unwrap().contains("ff send"));
}

async fn a_send_to_a_vm_that_is_removed_before_the_commit_stays_where_it_was(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 0);
    world.restored(&ask).await;
    let vm = world.client.vms().await.unwrap().remove(0).id;
    world.client.delete_vm(&vm).await.unwrap();
    let refused = problem(world.client.commit(&ask.id).await);
    assert_eq!(refused.code, ErrorCode::Conflict);
    let there = world.client.workspace(&workspace).await.unwrap();
    assert_eq!((there.owner, there.epoch), (Owner::Desktop(desktop), 0));
    world.client.abort(&ask.id).await.unwrap();
}

async fn a_name_that_no_database_keeps_is_refused(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let mut ask = send(&desktop, &workspace, 0);
    ask.plan.as_mut().unwrap().workspace_name = "a\0b".into();
    assert_eq!(world.refused(&ask).await.code, ErrorCode::Invalid);
}

async fn a_removed_vm_takes_its_workspaces_along(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let vm = world.client.vms().await.unwrap().remove(0).id;
    world.client.delete_vm(&vm).await.unwrap();
    assert_eq!(world.client.workspaces().await.unwrap(), []);
    world.client.create_vm(None).await.unwrap();
    world.sent(&send(&desktop, &workspace, 0)).await;
    let there = world.client.workspace(&workspace).await.unwrap();
    assert_ne!(there.vm_id, vm);
}

both_dbs! {
    a_send_moves_the_workspace_and_a_second_one_is_refused
    without_a_vm_the_user_is_told_to_make_one
    what_the_agent_refuses_passes_unchanged_and_leaves_nothing
    an_id_stands_for_one_request
    a_handoff_is_taken_up_again_by_a_desktop_that_has_fetched_meanwhile
    one_handoff_at_a_time_until_it_is_stale
    a_desktop_that_lost_its_handoff_begins_another_at_once
    owner_and_epoch_must_be_those_the_desktop_names
    many_commits_are_one_and_an_abort_beside_them_wins_or_loses_whole
    an_abort_puts_everything_back
    a_pull_moves_it_back_and_the_cloud_no_longer_acts_on_it
    a_send_to_a_vm_that_is_removed_before_the_commit_stays_where_it_was
    a_name_that_no_database_keeps_is_refused
    a_removed_vm_takes_its_workspaces_along
}
