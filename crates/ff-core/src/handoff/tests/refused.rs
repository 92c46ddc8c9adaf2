//! Moves that must not happen, and leave nothing behind.

use std::path::Path;

use ff_protocol::handoff::{Export, Receive};
use ff_protocol::workspace::{Location, Owner};
use ff_protocol::{ErrorCode, HandoffId};

use super::world::World;

#[tokio::test]
async fn what_cannot_move_stays_and_is_named() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    std::fs::create_dir_all(Path::new(&path).join("in/nested/.git")).unwrap();
    let error = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id, false)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains("in/nested"), "{error}");
    let same = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!((same.location, same.handoff_id), (Location::Desktop, None));
}

#[tokio::test]
async fn a_failed_clone_leaves_nothing_in_the_vm() {
    let world = World::new().await;
    let bare = world.dir.path().join("remotes/octo/demo.git");
    let out = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id, false)
        .await
        .unwrap();
    let mut receive = Receive {
        plan: out.plan.clone(),
        epoch: 2,
    };
    receive.plan.default_branch = "trunk".into();
    let error = world
        .vm
        .core
        .handoff_receive(&out.handoff_id, &receive)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::BranchMissing);
    assert!(error.to_string().contains("trunk"), "{error}");
    std::fs::rename(&bare, bare.with_extension("away")).unwrap();
    receive.plan.default_branch = "main".into();
    let error = world
        .vm
        .core
        .handoff_receive(&HandoffId::generate(), &receive)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::CloneFailed);
    assert!(world.vm.core.projects().await.unwrap().is_empty());
    let repos = world.vm.home.join("base/repos");
    assert_eq!(
        std::fs::read_dir(repos).unwrap().count(),
        0,
        "no clone is left"
    );
    world
        .desktop
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    let same = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!(
        (same.location, same.handoff_id, same.epoch),
        (Location::Desktop, None, 1)
    );
}

#[tokio::test]
async fn a_part_or_manifest_that_differs_is_refused_and_an_abort_undoes_everything() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.commit(&world.desktop, &path, "local.txt");
    let (out, manifest) = world.prepare_send().await;
    let part = &manifest.parts[0];
    let error = world
        .vm
        .core
        .handoff_put_part(&out.handoff_id, part, b"other".as_slice())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted);
    let error = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted, "a part is missing");
    world.carry(&world.desktop, &world.vm, &manifest).await;
    for name in [
        "transcripts/../../../.bashrc",
        "transcripts//etc/x",
        "hooks/post-checkout",
        "transcripts/",
    ] {
        let mut bad = manifest.clone();
        bad.parts[0].name = name.into();
        let error = world
            .vm
            .core
            .handoff_restore(&out.handoff_id, &bad)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid, "{name}");
    }
    let mut other = manifest.clone();
    other.fingerprint.tree = "0".repeat(40);
    let error = world
        .vm
        .core
        .handoff_restore(&out.handoff_id, &other)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Corrupted);
    world
        .vm
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    assert!(world.vm.core.workspaces().await.unwrap().is_empty());
    assert!(world.vm.core.projects().await.unwrap().is_empty());
    for dir in ["base/repos", "data/spool"] {
        assert_eq!(
            std::fs::read_dir(world.vm.home.join(dir)).unwrap().count(),
            0,
            "{dir}"
        );
    }
    world
        .desktop
        .core
        .handoff_finish(&out.handoff_id, false)
        .await
        .unwrap();
    world.send().await;
}

#[tokio::test]
async fn edits_in_the_copy_that_stayed_are_not_lost_by_a_pull() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.send().await;
    std::fs::write(Path::new(&path).join("late.txt"), "x").unwrap();
    let error = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    let late = world.commit(&world.desktop, &path, "late.txt");
    let incoming = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap();
    let to = Owner::Desktop(incoming.desktop_id);
    let export = Export {
        workspace_id: world.workspace.id.clone(),
        to,
        epoch: 2,
        have: incoming.have,
        interrupt: false,
    };
    let manifest = world
        .vm
        .core
        .handoff_export(&incoming.handoff_id, &export)
        .await
        .unwrap();
    world.carry(&world.vm, &world.desktop, &manifest).await;
    let error = world
        .desktop
        .core
        .handoff_restore(&incoming.handoff_id, &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains(&late), "{error}");
}

#[tokio::test]
async fn a_change_during_the_move_is_seen_before_the_commit() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let (out, _) = world.prepare_send().await;
    world
        .desktop
        .core
        .handoff_unchanged(&out.handoff_id)
        .await
        .unwrap();
    world.commit(&world.desktop, &path, "meanwhile.txt");
    let error = world
        .desktop
        .core
        .handoff_unchanged(&out.handoff_id)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn a_workspace_in_the_cloud_cannot_be_sent_again() {
    let world = World::new().await;
    world.send().await;
    let error = world
        .desktop
        .core
        .handoff_begin_send(&world.workspace.id, false)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotOwner);
}
