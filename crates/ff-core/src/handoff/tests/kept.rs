//! What was made on one side while the workspace was on the other is never lost.

use std::path::{Path, PathBuf};

use ff_protocol::ErrorCode;
use ff_protocol::handoff::Export;
use ff_protocol::workspace::Owner;

use super::world::{World, git, pull_up_to_restore};

#[tokio::test]
async fn a_pull_does_not_overwrite_another_branch_of_the_desktop() {
    let world = World::new().await;
    let there = world.send().await;
    let path = there.worktree_path.unwrap();
    git(
        &world.vm.home,
        Path::new(&path),
        &["checkout", "-q", "-b", "mine"],
    );
    world.commit(&world.vm, &path, "cloud.txt");
    let repo = world.desktop.home.join("demo");
    git(
        &world.desktop.home,
        &repo,
        &["checkout", "-q", "-b", "mine"],
    );
    let own = world.commit(&world.desktop, repo.to_str().unwrap(), "own.txt");
    let error = pull_up_to_restore(&world, 2).await.unwrap_err();
    assert!(error.to_string().contains("checked out in"), "{error}");
    git(&world.desktop.home, &repo, &["checkout", "-q", "main"]);
    let error = pull_up_to_restore(&world, 2).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains(&own), "{error}");
    assert_eq!(git(&world.desktop.home, &repo, &["rev-parse", "mine"]), own);
    git(
        &world.desktop.home,
        &repo,
        &["branch", "-q", "-M", "mine", "kept"],
    );
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    world.converge(&id).await;
    assert_eq!(git(&world.desktop.home, &repo, &["rev-parse", "kept"]), own);
}

#[tokio::test]
async fn a_commit_made_while_the_send_ended_stops_the_next_pull() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let id = world.restored().await;
    world.desktop.core.handoff_unchanged(&id).await.unwrap();
    let late = world.commit(&world.desktop, &path, "late.txt");
    let there = world.converge(&id).await;
    world.commit(&world.vm, &there.worktree_path.unwrap(), "cloud.txt");
    let error = pull_up_to_restore(&world, 2).await.unwrap_err();
    assert!(error.to_string().contains(&late), "{error}");
}

#[tokio::test]
async fn a_commit_made_between_restore_and_finish_stops_the_finish() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.send().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    let late = world.commit(&world.desktop, &path, "late.txt");
    let error = world
        .desktop
        .core
        .handoff_finish(&id, true)
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&late), "{error}");
    git(&world.desktop.home, Path::new(&path), &["branch", "kept"]);
    git(
        &world.desktop.home,
        Path::new(&path),
        &["reset", "-q", "--hard", "HEAD~1"],
    );
    let back = world
        .desktop
        .core
        .handoff_finish(&id, true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(back.epoch, 3);
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&path),
            &["rev-parse", "kept"]
        ),
        late
    );
}

#[tokio::test]
async fn an_ignored_file_is_not_replaced() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    std::fs::write(Path::new(&path).join(".gitignore"), ".env\n").unwrap();
    world.commit(&world.desktop, &path, "other.txt");
    let there = world.send().await;
    std::fs::write(Path::new(&path).join(".env"), "SECRET=here\n").unwrap();
    let vm_path = there.worktree_path.unwrap();
    std::fs::write(Path::new(&vm_path).join(".env"), "SECRET=there\n").unwrap();
    git(
        &world.vm.home,
        Path::new(&vm_path),
        &["add", "--force", ".env"],
    );
    world.commit(&world.vm, &vm_path, "cloud.txt");
    let error = pull_up_to_restore(&world, 2).await.unwrap_err();
    assert!(error.to_string().contains(".env"), "{error}");
    let kept = std::fs::read_to_string(Path::new(&path).join(".env")).unwrap();
    assert_eq!(kept, "SECRET=here\n");
}

#[tokio::test]
async fn a_workspace_on_the_default_branch_goes_and_comes_any_number_of_times() {
    let mut world = World::new().await;
    let repo = world.desktop.home.join("demo");
    git(&world.desktop.home, &repo, &["checkout", "-q", "--detach"]);
    let project = world.workspace.project_id.clone();
    let made = world
        .desktop
        .core
        .workspace_new(&project, "On main", Some("main"))
        .await
        .unwrap();
    world.workspace = made;
    for round in 0..2 {
        world.send().await;
        world.pull(2 + round * 2).await;
    }
    let back = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!((back.epoch, back.branch_name.as_deref()), (5, Some("main")));
}

#[tokio::test]
async fn an_abort_that_the_vm_missed_does_not_lock_the_workspace() {
    let world = World::new().await;
    let there = world.send().await;
    let incoming = world
        .desktop
        .core
        .handoff_begin_pull(&world.workspace.id)
        .await
        .unwrap();
    let to = Owner::Desktop(incoming.desktop_id);
    let workspace_id = world.workspace.id.clone();
    let export = Export {
        workspace_id,
        to,
        epoch: 2,
        have: incoming.have,
        interrupt: false,
    };
    world
        .vm
        .core
        .handoff_export(&incoming.handoff_id, &export)
        .await
        .unwrap();
    world
        .desktop
        .core
        .handoff_finish(&incoming.handoff_id, false)
        .await
        .unwrap();
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    assert_ne!(id, incoming.handoff_id);
    assert_eq!(world.vm.core.handoffs_unfinished().await.unwrap().len(), 1);
    world.converge(&id).await;
    assert_eq!(there.epoch, 2);
}

#[tokio::test]
async fn a_commit_that_the_vm_missed_is_taken_up_by_the_next_hand_off() {
    let world = World::new().await;
    let id = world.restored().await;
    world.desktop.core.handoff_finish(&id, true).await.unwrap();
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    world.converge(&id).await;
    let back = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!(
        (back.epoch, back.owner == *world.desktop.core.owner()),
        (3, true)
    );
}

#[tokio::test]
async fn finishing_many_times_at_once_is_finishing_once() {
    let world = World::new().await;
    let id = world.restored().await;
    let finish = || world.vm.core.handoff_finish(&id, true);
    for ended in futures_util::future::join_all((0..8).map(|_| finish())).await {
        assert_eq!(ended.unwrap().unwrap().epoch, 2);
    }
    let path = world
        .vm
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap()
        .worktree_path
        .unwrap();
    let newer = world.commit(&world.vm, &path, "newer.txt");
    finish().await.unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&path), &["rev-parse", "HEAD"]),
        newer
    );
}

#[tokio::test]
async fn a_copy_that_was_deleted_here_is_made_again() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let there = world.send().await;
    std::fs::remove_dir_all(&path).unwrap();
    let made_there = world.commit(&world.vm, &there.worktree_path.unwrap(), "cloud.txt");
    world.pull(2).await;
    let here = git(
        &world.desktop.home,
        Path::new(&path),
        &["rev-parse", "HEAD"],
    );
    assert_eq!(here, made_there);
}

#[tokio::test]
async fn a_commit_kept_on_another_branch_lets_the_pull_go_on() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let there = world.send().await;
    let late = world.commit(&world.desktop, &path, "late.txt");
    world.commit(&world.vm, &there.worktree_path.unwrap(), "cloud.txt");
    let error = pull_up_to_restore(&world, 2).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("commits here") && said.contains("branch NAME"),
        "{said}"
    );
    git(
        &world.desktop.home,
        Path::new(&path),
        &["branch", "kept", &late],
    );
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    world.converge(&id).await;
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&path),
            &["rev-parse", "kept"]
        ),
        late
    );
}

/// The index lock of the only worktree of the desktop's repository.
fn index_lock(world: &World) -> PathBuf {
    let worktrees = world.desktop.home.join("demo/.git/worktrees");
    let mut all = std::fs::read_dir(worktrees).unwrap();
    all.next().unwrap().unwrap().path().join("index.lock")
}

#[tokio::test]
async fn the_lock_of_a_git_that_waits_for_its_editor_is_left_to_it() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    world.send().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    let waits = world.dir.path().join("waits");
    std::fs::write(&waits, "").unwrap();
    let editor = format!(
        "while [ -e {} ]; do sleep 0.1; done; false",
        waits.display()
    );
    let mut git = std::process::Command::new("git")
        .args(["commit", "-a", "--quiet", "--allow-empty"])
        .current_dir(&path)
        .env("HOME", &world.desktop.home)
        .env("GIT_EDITOR", &editor)
        .spawn()
        .unwrap();
    let lock = index_lock(&world);
    for _ in 0..200 {
        if lock.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let opened = std::fs::File::options().write(true).open(&lock).unwrap();
    opened.set_modified(long_ago).unwrap();
    let error = world.desktop.core.handoff_finish(&id, true).await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::GitIndexLocked);
    assert!(lock.exists());
    std::fs::remove_file(&waits).unwrap();
    // Its editor fails, so it commits nothing.
    assert!(!git.wait().unwrap().success());
    world.converge(&id).await;
}

#[tokio::test]
async fn a_lock_that_a_killed_git_left_does_not_stop_the_finish() {
    let world = World::new().await;
    world.send().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    let lock = std::fs::File::create(index_lock(&world)).unwrap();
    let error = world.desktop.core.handoff_finish(&id, true).await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::GitIndexLocked);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    lock.set_modified(long_ago).unwrap();
    world.converge(&id).await;
}
