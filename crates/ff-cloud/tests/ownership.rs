//! Who owns a workspace, where no hand-off says it: databases restored from before, sides that
//! are gone, desktops that race.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod support;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ff_cloud::db::entity::{handoff, workspace};
use ff_protocol::handoff::{Arrived, HandoffState, Offered, Progress};
use ff_protocol::ownership::{Claim, Claims, Reclaim};
use ff_protocol::workspace::{CloudWorkspace, Location, Owner};
use ff_protocol::{DesktopId, ErrorCode, HandoffId, UserId, WorkspaceId};
use futures_util::{StreamExt, future};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use support::backend::Backend;
use support::moving::{SHA, World, ids, manifest, problem, pull, send};

fn claim(workspace: &WorkspaceId, owner: Owner, epoch: u64, by: Option<&HandoffId>) -> Claim {
    Claim {
        workspace_id: workspace.clone(),
        owner,
        epoch,
        by: by.cloned(),
        copy: true,
        name: "Fix it".into(),
        project_name: "Project".into(),
        branch_name: "fix-it".into(),
    }
}

fn says(claim: Claim) -> Claims {
    Claims {
        claims: vec![claim],
        lost: Vec::new(),
    }
}

/// The database as it was before: an older owner and epoch, and nothing of hand-offs.
async fn restored_from_before(world: &World, workspace: &WorkspaceId, owner: &Owner, epoch: i64) {
    let db = world.server.app.db.write();
    handoff::Entity::delete_many().exec(db).await.unwrap();
    workspace::Entity::update_many()
        .filter(workspace::Column::Id.eq(workspace.as_str()))
        .col_expr(workspace::Column::Owner, Expr::value(owner.to_string()))
        .col_expr(workspace::Column::Epoch, Expr::value(epoch))
        .exec(db)
        .await
        .unwrap();
}

async fn shown(world: &World, workspace: &WorkspaceId) -> CloudWorkspace {
    world.client.workspace(workspace).await.unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn a_restored_server_follows_a_desktop_that_knows_better(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    world.sent(&ask).await;
    let me = Owner::Desktop(desktop.clone());
    restored_from_before(&world, &workspace, &me, 4).await;
    let word = claim(&workspace, Owner::Cloud, 5, Some(&ask.id));
    let rulings = world.client.claim(&says(word)).await.unwrap();
    assert_eq!(rulings, []);
    let now = shown(&world, &workspace).await;
    assert_eq!((now.owner, now.epoch), (Owner::Cloud, 5));
    // The VM hears of it, with the hand-off that led there.
    assert_eq!(
        world.engine.calls().last().unwrap(),
        "follow cloud at epoch 5"
    );
    let back = pull(&desktop, &workspace, 5);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
}

async fn a_restored_server_follows_the_vm_as_soon_as_it_is_heard(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 4)).await;
    let me = Owner::Desktop(desktop.clone());
    restored_from_before(&world, &workspace, &me, 4).await;
    let forgotten = WorkspaceId::generate();
    *world.engine.claims.lock().unwrap() = vec![
        claim(&workspace, Owner::Cloud, 5, None),
        claim(&forgotten, Owner::Cloud, 2, None),
        claim(&WorkspaceId::generate(), me, 9, None),
    ];
    let vm = world.client.vms().await.unwrap().remove(0).id;
    let suspend = format!("/api/vms/{vm}/suspend");
    world
        .server
        .post(&suspend, serde_json::json!({"tier": "stopped"}))
        .await;
    let again = send(&desktop, &workspace, 4);
    // Waking it is what hears it.
    let _ = world.client.create_handoff(&again).await;
    until("the server follows", async || {
        shown(&world, &workspace).await.epoch == 5
    })
    .await;
    assert_eq!(shown(&world, &workspace).await.owner, Owner::Cloud);
    until("the forgotten one is found", async || {
        world.client.workspace(&forgotten).await.is_ok()
    })
    .await;
    assert_eq!(shown(&world, &forgotten).await.epoch, 2);
    assert_eq!(world.client.workspaces().await.unwrap().len(), 2);
    let commit = problem(world.client.commit(&again.id).await);
    assert_eq!(commit.code, ErrorCode::Conflict, "there is no second owner");
}

async fn a_desktop_that_was_away_is_told_who_owns_it(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    world.sent(&ask).await;
    let me = Owner::Desktop(desktop);
    let rulings = world
        .client
        .claim(&says(claim(&workspace, me, 4, None)))
        .await
        .unwrap();
    assert_eq!(rulings.len(), 1);
    assert_eq!((&rulings[0].owner, rulings[0].epoch), (&Owner::Cloud, 5));
    assert_eq!(rulings[0].by.as_ref(), Some(&ask.id));
    let stranger = world.online.client("stranger");
    let word = claim(&workspace, Owner::Cloud, 99, None);
    assert_eq!(stranger.claim(&says(word)).await.unwrap(), []);
    assert_eq!(shown(&world, &workspace).await.epoch, 5);
}

async fn two_owners_at_one_epoch_are_a_conflict_until_a_person_decides(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 4)).await;
    *world.engine.claims.lock().unwrap() = vec![claim(&workspace, Owner::Cloud, 5, None)];
    let me = Owner::Desktop(desktop.clone());
    let word = says(claim(&workspace, me.clone(), 5, None));
    let rulings = world.client.claim(&word).await.unwrap();
    assert_eq!(
        (&rulings[0].owner, rulings[0].epoch),
        (&Owner::Contested, 5)
    );
    let now = shown(&world, &workspace).await;
    assert_eq!(
        (now.location, now.owner),
        (Location::Conflict, Owner::Contested)
    );
    let text = world
        .server
        .get(&format!("/api/workspaces/{workspace}"))
        .await;
    assert_eq!(text.body["location"], "CONFLICT");
    for ask in [send(&desktop, &workspace, 5), pull(&desktop, &workspace, 5)] {
        assert_eq!(world.refused(&ask).await.code, ErrorCode::Contested);
    }
    let inside = world.client.engine().waking().sessions(&workspace).await;
    assert_eq!(problem(inside).code, ErrorCode::Contested);

    let reclaim = Reclaim {
        owner: me.clone(),
        epoch: 5,
    };
    let low = problem(world.client.reclaim(&workspace, &reclaim).await);
    assert_eq!(low.code, ErrorCode::Conflict);
    let reclaim = Reclaim {
        epoch: 6,
        ..reclaim
    };
    for _ in 0..2 {
        let decided = world.client.reclaim(&workspace, &reclaim).await.unwrap();
        assert_eq!((decided.owner, decided.epoch), (me.clone(), 6));
    }
    let told = format!("follow {me} at epoch 6");
    assert_eq!(world.engine.calls().last().unwrap(), &told);
}

async fn the_cloud_takes_over_from_a_desktop_that_is_gone(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let first = send(&desktop, &workspace, 4);
    world.sent(&first).await;
    let back = pull(&desktop, &workspace, 5);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    world.client.commit(&back.id).await.unwrap();
    world.client.finalize(&back.id).await.unwrap();
    let reclaim = Reclaim {
        owner: Owner::Cloud,
        epoch: 7,
    };
    let none = problem(world.client.reclaim(&workspace, &reclaim).await);
    assert_eq!(none.code, ErrorCode::NotFound, "the VM has no copy");
    assert_eq!(shown(&world, &workspace).await.epoch, 6);
    let me = Owner::Desktop(desktop);
    *world.engine.claims.lock().unwrap() = vec![claim(&workspace, me.clone(), 6, None)];
    let taken = world.client.reclaim(&workspace, &reclaim).await.unwrap();
    assert_eq!((taken.owner, taken.epoch), (Owner::Cloud, 7));
    assert_eq!(world.engine.calls().last().unwrap(), "reclaim at epoch 7");
    let word = says(claim(&workspace, me, 6, None));
    let rulings = world.client.claim(&word).await.unwrap();
    assert_eq!((&rulings[0].owner, rulings[0].epoch), (&Owner::Cloud, 7));
    let stranger = world.online.client("stranger");
    let other = problem(stranger.reclaim(&workspace, &reclaim).await);
    assert_eq!(other.code, ErrorCode::NotFound);
}

async fn a_reclaim_gives_up_what_is_under_way(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 4)).await;
    let other = DesktopId::generate();
    let under_way = pull(&other, &workspace, 5);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&under_way));
    world.client.create_handoff(&under_way).await.unwrap();
    let reclaim = Reclaim {
        owner: Owner::Desktop(desktop),
        epoch: 6,
    };
    world.client.reclaim(&workspace, &reclaim).await.unwrap();
    assert_eq!(world.state(&under_way.id).await, HandoffState::Aborted);
    let late = problem(world.client.commit(&under_way.id).await);
    assert_eq!(late.code, ErrorCode::Conflict);
    assert_eq!(shown(&world, &workspace).await.owner, reclaim.owner);
}

async fn a_commit_of_which_the_server_lost_the_record_is_found_in_the_vm(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    world.restored(&ask).await;
    world.client.commit(&ask.id).await.unwrap();
    let me = Owner::Desktop(desktop);
    restored_from_before(&world, &workspace, &me, 4).await;
    *world.engine.claims.lock().unwrap() = vec![claim(&workspace, Owner::Cloud, 5, Some(&ask.id))];
    let asked = Claims {
        claims: vec![claim(&workspace, me.clone(), 4, None)],
        lost: vec![ask.id.clone()],
    };
    let rulings = world.client.claim(&asked).await.unwrap();
    assert_eq!((&rulings[0].owner, rulings[0].epoch), (&Owner::Cloud, 5));
    assert_eq!(rulings[0].by.as_ref(), Some(&ask.id));

    // Another one, which the VM has not heard of as committed: it is given up on both sides.
    let (_, second) = ids();
    let ask = send(&DesktopId::generate(), &second, 1);
    world.restored(&ask).await;
    handoff::Entity::delete_many()
        .exec(world.server.app.db.write())
        .await
        .unwrap();
    let asked = Claims {
        claims: Vec::new(),
        lost: vec![ask.id.clone()],
    };
    assert_eq!(world.client.claim(&asked).await.unwrap(), []);
    assert_eq!(world.engine.calls().last().unwrap(), "finish false");
}

async fn a_handoff_that_is_known_is_not_given_up_as_lost(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    world.restored(&ask).await;
    let asked = Claims {
        claims: Vec::new(),
        lost: vec![ask.id.clone()],
    };
    assert_eq!(world.client.claim(&asked).await.unwrap(), []);
    assert_eq!(world.engine.calls().last().unwrap(), "restore");
    world.client.commit(&ask.id).await.unwrap();
}

async fn of_two_desktops_that_pull_at_once_one_wins(backend: Backend) {
    let world = World::new(backend).await;
    for round in 0..5 {
        let (desktop, workspace) = ids();
        world.sent(&send(&desktop, &workspace, 4)).await;
        let asks: Vec<_> = (0..4)
            .map(|_| pull(&DesktopId::generate(), &workspace, 5))
            .collect();
        let begun = future::join_all(asks.iter().map(|ask| async {
            let answer = world.client.create_handoff(ask).await;
            match answer {
                Err(error) => error.code(),
                Ok(_) => None,
            }
        }))
        .await;
        let winners: Vec<_> = asks
            .iter()
            .zip(&begun)
            .filter(|(_, code)| code.is_none())
            .collect();
        assert_eq!(winners.len(), 1, "round {round}: {begun:?}");
        let others = begun.iter().flatten();
        assert!(others.eq([&ErrorCode::HandoffActive; 3]), "{begun:?}");
    }
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 4)).await;
    let (one, other) = (
        pull(&DesktopId::generate(), &workspace, 5),
        pull(&DesktopId::generate(), &workspace, 5),
    );
    *world.engine.manifest.lock().unwrap() = Some(manifest(&one));
    world.client.create_handoff(&one).await.unwrap();
    let told = world.refused(&other).await;
    assert_eq!(told.code, ErrorCode::HandoffActive);
    world.client.commit(&one.id).await.unwrap();
    let told = world.refused(&other).await;
    assert_eq!(told.code, ErrorCode::NotOwner, "{told}");
    let owner = Owner::Desktop(one.desktop_id);
    assert_eq!(shown(&world, &workspace).await.owner, owner);
}

async fn a_workspace_that_changed_in_the_vm_is_not_committed(backend: Backend) {
    let world = World::new(backend).await;
    let (desktop, workspace) = ids();
    world.sent(&send(&desktop, &workspace, 4)).await;
    let back = pull(&desktop, &workspace, 5);
    *world.engine.manifest.lock().unwrap() = Some(manifest(&back));
    world.client.create_handoff(&back).await.unwrap();
    world.engine.changed.store(true, SeqCst);
    let refused = problem(world.client.commit(&back.id).await);
    assert_eq!(
        (refused.code, refused.detail.as_str()),
        (ErrorCode::Conflict, "it changed")
    );
    assert_eq!(shown(&world, &workspace).await.owner, Owner::Cloud);
    world.engine.changed.store(false, SeqCst);
    world.client.commit(&back.id).await.unwrap();
}

async fn how_far_a_bundle_has_come_is_shown_and_told(backend: Backend) {
    let mut world = World::new(backend).await;
    let (desktop, workspace) = ids();
    let ask = send(&desktop, &workspace, 4);
    let begun = world.client.create_handoff(&ask).await.unwrap();
    assert_eq!(begun.progress, None);
    let (sha256, size) = (SHA.to_owned(), 4);
    let offered = Offered {
        arrived: vec![Arrived { sha256, size }],
    };
    *world.engine.offered.lock().unwrap() = offered.clone();
    let said = world.client.offer(&ask.id, &manifest(&ask)).await.unwrap();
    assert_eq!(said, offered);
    let far = |done| Some(Progress { done, total: 11 });
    assert_eq!(
        world.client.handoff(&ask.id).await.unwrap().progress,
        far(4)
    );
    let url = format!(
        "{}/api/handoffs/{}/events?userId=test-user",
        world.online.url, ask.id
    );
    let mut events = reqwest::get(url).await.unwrap().bytes_stream();
    let mut heard = String::new();
    let mut hear = async |what: &str| {
        while !heard.contains(what) {
            let next = tokio::time::timeout(Duration::from_secs(30), events.next());
            let chunk = next
                .await
                .expect("nothing is told")
                .expect("it ended")
                .unwrap();
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    hear("\"done\":4").await;
    let rest = futures_util::stream::iter([Ok("o world".into())]);
    let (put, piece) = tokio::join!(
        world.client.put_part(&ask.id, SHA, (4, 7), Box::pin(rest)),
        world.heard.pieces.recv(),
    );
    put.unwrap();
    assert_eq!(piece.unwrap(), "o world");
    assert_eq!(
        world.client.handoff(&ask.id).await.unwrap().progress,
        far(11)
    );
    hear("\"done\":11").await;
    world
        .client
        .restore(&ask.id, &manifest(&ask))
        .await
        .unwrap();
    world.client.commit(&ask.id).await.unwrap();
    hear("COMMITTED").await;
    world.client.finalize(&ask.id).await.unwrap();
    hear("FINALIZED").await;
    let stranger: UserId = "stranger".parse().unwrap();
    let url = format!(
        "{}/api/handoffs/{}/events?userId={stranger}",
        world.online.url, ask.id
    );
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

both_dbs! {
    a_restored_server_follows_a_desktop_that_knows_better
    a_restored_server_follows_the_vm_as_soon_as_it_is_heard
    a_desktop_that_was_away_is_told_who_owns_it
    two_owners_at_one_epoch_are_a_conflict_until_a_person_decides
    the_cloud_takes_over_from_a_desktop_that_is_gone
    a_reclaim_gives_up_what_is_under_way
    a_commit_of_which_the_server_lost_the_record_is_found_in_the_vm
    a_handoff_that_is_known_is_not_given_up_as_lost
    of_two_desktops_that_pull_at_once_one_wins
    a_workspace_that_changed_in_the_vm_is_not_committed
    how_far_a_bundle_has_come_is_shown_and_told
}
