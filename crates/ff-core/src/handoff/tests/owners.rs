//! Who owns a workspace when no hand-off says it: fencing, copies that stay, taking back.

use std::path::Path;

use ff_protocol::handoff::Receive;
use ff_protocol::ownership::Ruling;
use ff_protocol::session::StartSession;
use ff_protocol::workspace::{Location, Owner};
use ff_protocol::{DesktopId, ErrorCode};

use super::world::{Machine, World, git, test_session};
use crate::handoff::{Followed, claims};

fn ruling(world: &World, owner: Owner, epoch: u64) -> Ruling {
    Ruling {
        workspace_id: world.workspace.id.clone(),
        owner,
        epoch,
        by: None,
    }
}

fn branch_of(machine: &Machine, dir: &str) -> String {
    git(
        &machine.home,
        Path::new(dir),
        &["rev-parse", "--abbrev-ref", "HEAD"],
    )
}

fn private_refs(machine: &Machine, repo: &Path) -> String {
    git(
        &machine.home,
        repo,
        &["for-each-ref", "--format=%(refname)", "refs/ff"],
    )
}

#[tokio::test]
async fn a_side_that_hears_of_a_higher_epoch_stops_and_keeps_its_copy() {
    let world = World::new().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let path = world.workspace.worktree_path.clone().unwrap();
    let dir = Path::new(&path);
    std::fs::write(dir.join("README"), "not committed\n").unwrap();
    std::fs::write(dir.join("new.txt"), "untracked\n").unwrap();
    let status = git(&world.desktop.home, dir, &["status", "--porcelain"]);
    let stale = ruling(&world, Owner::Cloud, 1);
    assert_eq!(core.follow(&stale).await.unwrap(), Followed::Nothing);
    let word = ruling(&world, Owner::Cloud, 4);
    assert_eq!(core.follow(&word).await.unwrap(), Followed::Fenced);
    assert_eq!(core.follow(&word).await.unwrap(), Followed::Nothing);

    let now = core.workspace(id).await.unwrap();
    assert_eq!((now.owner, now.epoch), (Owner::Cloud, 4));
    assert_eq!(
        branch_of(&world.desktop, &path),
        "HEAD",
        "its branch is free"
    );
    assert_eq!(
        git(&world.desktop.home, dir, &["status", "--porcelain"]),
        status
    );
    let refused = core
        .sessions()
        .start(id, StartSession::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotOwner);
    let refused = core.run_script_start(id).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NotOwner);
    // What was done in it has never left.
    let kept = core.kept(id).await.unwrap().unwrap();
    assert!(kept.edited && kept.kept_until.is_none());
}

/// What came, and was left as it was, is with whoever it came from.
#[tokio::test]
async fn a_side_that_did_nothing_since_the_workspace_came_has_nothing_to_lose() {
    let world = World::new().await;
    let there = world.send().await.worktree_path.unwrap();
    let id = &world.workspace.id;
    let core = &world.desktop.core;
    core.workspace_reclaim(id, 3).await.unwrap();
    let word = ruling(&world, core.owner().clone(), 3);
    assert_eq!(world.vm.core.follow(&word).await.unwrap(), Followed::Fenced);
    let kept = || async { world.vm.core.kept(id).await.unwrap().unwrap() };
    assert!(!kept().await.edited);
    std::fs::write(Path::new(&there).join("later.txt"), "x").unwrap();
    assert!(kept().await.edited);
    std::fs::remove_file(Path::new(&there).join("later.txt")).unwrap();
    let again = world.send().await;
    assert_eq!((again.epoch, again.owner), (4, Owner::Cloud));
}

#[tokio::test]
async fn a_copy_that_stayed_becomes_a_workspace_of_its_own() {
    let world = World::new().await;
    world.send().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let dir = world.workspace.worktree_path.clone().unwrap();
    std::fs::write(Path::new(&dir).join("late.txt"), "x").unwrap();
    let branch = world.workspace.branch_name.clone().unwrap();
    let repo = world.desktop.home.join("demo");
    let refused = core.handoff_begin_pull(id).await.unwrap_err();
    assert!(refused.to_string().contains("--keep-both"), "{refused}");
    let restored = core.workspace_restore(id).await.unwrap();
    let new = restored.worktree_path.clone().unwrap();
    assert_eq!(branch_of(&world.desktop, &new), format!("{branch}-kept"));
    assert_eq!(restored.branch_name.unwrap(), format!("{branch}-kept"));
    let late = std::fs::read_to_string(Path::new(&new).join("late.txt"));
    assert_eq!(late.unwrap(), "x");
    assert!(!Path::new(&dir).exists());
    assert_eq!(private_refs(&world.desktop, &repo), "");
    let none = core.workspace_restore(id).await.unwrap_err();
    assert_eq!(none.code(), ErrorCode::NotFound);
    let back = world.pull(2).await;
    assert_eq!(back.epoch, 3);
    assert_eq!(branch_of(&world.desktop, &dir), branch);
    assert_eq!(core.workspaces().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_copy_ages_only_once_the_other_side_has_converged() {
    let world = World::new().await;
    let handoff = world.restored().await;
    world.converge(&handoff).await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let dir = world.workspace.worktree_path.clone().unwrap();
    assert!(core.kept(id).await.unwrap().unwrap().kept_until.is_none());
    core.handoff_finalized(&handoff).await.unwrap();
    let until = core.kept(id).await.unwrap().unwrap().kept_until.unwrap();
    assert!(until > crate::clock::now() + chrono::TimeDelta::days(13));

    let copy = core.store().retained(id).await.unwrap().unwrap();
    let over = crate::store::Retained {
        kept_until: Some(crate::clock::now()),
        ..copy
    };
    core.store().retain(&over).await.unwrap();
    std::fs::write(Path::new(&dir).join("late.txt"), "x").unwrap();
    core.recover().await.unwrap();
    assert!(Path::new(&dir).join("late.txt").exists(), "an edit is lost");
    std::fs::remove_file(Path::new(&dir).join("late.txt")).unwrap();
    core.recover().await.unwrap();
    assert!(!Path::new(&dir).exists());
    assert_eq!(
        private_refs(&world.desktop, &world.desktop.home.join("demo")),
        ""
    );
    let back = world.pull(2).await;
    assert_eq!(back.epoch, 3);
}

#[tokio::test]
async fn a_workspace_is_taken_back_from_a_cloud_that_is_gone() {
    let world = World::new().await;
    let there = world.send().await.worktree_path.unwrap();
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let dir = world.workspace.worktree_path.clone().unwrap();
    let branch = world.workspace.branch_name.clone().unwrap();
    let epoch = core.reclaimable(id).await.unwrap();
    assert_eq!(epoch, 3);
    let early = core.workspace_reclaim(id, 2).await.unwrap_err();
    assert_eq!(early.code(), ErrorCode::Conflict);
    for _ in 0..2 {
        let back = core.workspace_reclaim(id, epoch).await.unwrap();
        assert_eq!((back.epoch, back.location), (3, Location::Desktop));
        assert_eq!(back.owner, *core.owner());
    }
    assert_eq!(branch_of(&world.desktop, &dir), branch);
    core.sessions()
        .start(id, StartSession::default())
        .await
        .unwrap();

    // The cloud comes back, works on, and hears of it.
    world.commit(&world.vm, &there, "cloud.txt");
    let word = ruling(&world, core.owner().clone(), 3);
    assert_eq!(world.vm.core.follow(&word).await.unwrap(), Followed::Fenced);
    assert_eq!(branch_of(&world.vm, &there), "HEAD");
    assert!(Path::new(&there).join("cloud.txt").exists());
    let refused = world
        .vm
        .core
        .sessions()
        .start(id, StartSession::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NotOwner);

    // What it did is nowhere else: nothing comes over it.
    let out = core.handoff_begin_send(id, false).await.unwrap();
    let mut receive = Receive {
        plan: out.plan.clone(),
        epoch: out.epoch + 1,
    };
    let refused = world.vm.core.handoff_receive(&out.handoff_id, &receive);
    let refused = refused.await.unwrap_err().to_string();
    assert!(
        refused.contains("in the VM") && refused.contains("ff send"),
        "{refused}"
    );
    core.handoff_finish(&out.handoff_id, false).await.unwrap();
    assert!(Path::new(&there).join("cloud.txt").exists());
    let out = core.handoff_begin_send(id, false).await.unwrap();
    receive.plan.keep_both = true;
    let (vm, handoff) = (&world.vm.core, &out.handoff_id);
    vm.handoff_receive(handoff, &receive).await.unwrap();
    for core in [vm, core] {
        core.handoff_finish(handoff, false).await.unwrap();
    }
    let kept = vm.workspaces().await.unwrap();
    let kept = kept.iter().find(|it| it.id != *id).unwrap();
    let kept = Path::new(kept.worktree_path.as_ref().unwrap());
    assert!(kept.join("cloud.txt").exists());
    let again = world.send().await;
    assert_eq!((again.epoch, again.owner), (4, Owner::Cloud));
}

#[tokio::test]
async fn a_workspace_is_taken_over_by_the_cloud_from_a_desktop_that_is_gone() {
    let world = World::new().await;
    let there = world.send().await.worktree_path.unwrap();
    world.pull(2).await;
    let id = &world.workspace.id;
    assert_eq!(branch_of(&world.vm, &there), "HEAD");
    let taken = world.vm.core.workspace_reclaim(id, 4).await.unwrap();
    assert_eq!((taken.owner, taken.epoch), (Owner::Cloud, 4));
    let branch = world.workspace.branch_name.clone().unwrap();
    assert_eq!(branch_of(&world.vm, &there), branch);
    // The desktop is found again.
    let word = ruling(&world, Owner::Cloud, 4);
    let followed = world.desktop.core.follow(&word).await.unwrap();
    assert_eq!(followed, Followed::Fenced);
    assert_eq!(world.pull(4).await.epoch, 5);
}

#[tokio::test]
async fn a_crash_between_the_mark_and_the_branch_is_put_right_at_the_next_start() {
    let world = World::new().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let path = world.workspace.worktree_path.clone().unwrap();
    let workspace = core.workspace(id).await.unwrap();
    let stays = core.staying(&workspace, Path::new(&path), 4).await.unwrap();
    let to = (&Owner::Cloud, 4);
    let set = core.store().set_owner(id, 1, to, stays.as_ref()).await;
    assert!(set.unwrap());
    assert_ne!(branch_of(&world.desktop, &path), "HEAD");
    core.recover().await.unwrap();
    assert_eq!(branch_of(&world.desktop, &path), "HEAD");
}

#[tokio::test]
async fn what_two_sides_claim_nobody_acts_on_until_a_person_decides() {
    let world = World::new().await;
    let (core, id) = (&world.desktop.core, &world.workspace.id);
    let path = world.workspace.worktree_path.clone().unwrap();
    let branch = branch_of(&world.desktop, &path);
    let word = ruling(&world, Owner::Contested, 1);
    assert_eq!(core.follow(&word).await.unwrap(), Followed::Contested);
    assert_eq!(core.follow(&word).await.unwrap(), Followed::Nothing);
    let shown = core.workspace(id).await.unwrap();
    assert_eq!(shown.location, Location::Conflict);
    assert_eq!(branch_of(&world.desktop, &path), branch, "nothing is moved");
    let refused = core
        .sessions()
        .start(id, StartSession::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Contested);
    let refused = core.handoff_begin_send(id, false).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Contested);
    let refused = core.handoff_begin_pull(id).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Contested);
    assert!(refused.to_string().contains("two sides"), "{refused}");
    let decided = core.workspace_reclaim(id, 2).await.unwrap();
    assert_eq!(decided.owner, *core.owner());
    core.sessions()
        .start(id, StartSession::default())
        .await
        .unwrap();

    let other = Owner::Desktop(DesktopId::generate());
    core.follow(&ruling(&world, Owner::Contested, 2))
        .await
        .unwrap();
    let lost = core.follow(&ruling(&world, other, 3)).await.unwrap();
    assert_eq!(lost, Followed::Fenced);
    assert_eq!(branch_of(&world.desktop, &path), "HEAD");
}

/// The server has lost its record: what led to an epoch tells the side that missed the commit.
#[tokio::test]
async fn a_side_that_missed_a_commit_takes_the_workspace_in_when_it_hears_what_led_there() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let session = test_session(&world.workspace);
    world
        .desktop
        .core
        .store()
        .insert_session(&session)
        .await
        .unwrap();
    let head = world.commit(&world.desktop, &path, "work.txt");
    let handoff = world.restored().await;
    world
        .desktop
        .core
        .handoff_finish(&handoff, true)
        .await
        .unwrap();
    let told = claims(world.desktop.core.store()).await.unwrap();
    assert_eq!((told[0].by.as_ref(), told[0].epoch), (Some(&handoff), 2));
    let word = Ruling {
        by: told[0].by.clone(),
        ..ruling(&world, told[0].owner.clone(), told[0].epoch)
    };
    world.vm.core.follow(&word).await.unwrap();
    let there = world.vm.core.workspace(&world.workspace.id).await.unwrap();
    assert_eq!((there.owner, there.epoch), (Owner::Cloud, 2));
    let dir = there.worktree_path.unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&dir), &["rev-parse", "HEAD"]),
        head
    );
    let spool = world.vm.home.join("data/spool");
    assert_eq!(std::fs::read_dir(spool).unwrap().count(), 0);
}

/// A hand-off that was open when the workspace was taken back is not taken for committed later,
/// though the epoch it would have led to has passed.
#[tokio::test]
async fn an_open_handoff_is_not_mistaken_for_a_committed_one_after_a_reclaim() {
    let world = World::new().await;
    let first = world.restored().await;
    let (desktop, vm) = (&world.desktop.core, &world.vm.core);
    desktop
        .workspace_reclaim(&world.workspace.id, 5)
        .await
        .unwrap();
    let known = desktop.store().handoff(&first).await.unwrap().unwrap();
    assert_eq!(known.committed, Some(false));
    assert!(
        vm.store()
            .workspace(&world.workspace.id)
            .await
            .unwrap()
            .is_none()
    );
    let path = world.workspace.worktree_path.clone().unwrap();
    let head = world.commit(&world.desktop, &path, "later.txt");
    let there = world.send().await;
    assert_eq!(there.epoch, 6);
    let known = vm.store().handoff(&first).await.unwrap().unwrap();
    assert_eq!(known.committed, Some(false));
    let dir = there.worktree_path.unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&dir), &["rev-parse", "HEAD"]),
        head
    );
}
