//! A workspace that goes and comes back.

use std::path::Path;

use ff_protocol::session::EntryKind;
use ff_protocol::workspace::{Location, Owner};
use serde_json::json;

use super::world::{World, git, test_session, transcript};

#[tokio::test]
async fn without_a_remote_everything_goes_in_the_bundle() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let repo = world.desktop.home.join("demo");
    git(&world.desktop.home, &repo, &["remote", "remove", "origin"]);
    let head = world.commit(&world.desktop, &path, "local.txt");
    std::fs::write(Path::new(&path).join("dirty.txt"), "x").unwrap();
    let there = world.send().await.worktree_path.unwrap();
    let count =
        |home: &Path, dir: &str| git(home, Path::new(dir), &["rev-list", "--count", "HEAD"]);
    assert_eq!(
        count(&world.vm.home, &there),
        count(&world.desktop.home, &path)
    );
    assert_eq!(
        git(&world.vm.home, Path::new(&there), &["rev-parse", "HEAD"]),
        head
    );
    assert!(Path::new(&there).join("dirty.txt").is_file());
    let made_there = world.commit(&world.vm, &there, "cloud.txt");
    world.pull(2).await;
    let here = git(
        &world.desktop.home,
        Path::new(&path),
        &["rev-parse", "HEAD"],
    );
    assert_eq!(here, made_there);
}

#[tokio::test]
async fn a_remote_that_was_pushed_over_and_collected_is_made_up_for_by_the_bundle() {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let bare = world.dir.path().join("remotes/octo/demo.git");
    let home = &world.desktop.home;
    let head = world.commit(&world.desktop, &path, "local.txt");
    // The remote's branch becomes one that shares nothing with this one.
    git(
        home,
        &world.desktop.home.join("demo"),
        &["checkout", "-q", "--orphan", "other"],
    );
    git(
        home,
        &world.desktop.home.join("demo"),
        &["commit", "-qm", "other"],
    );
    let url = bare.to_str().unwrap();
    git(
        home,
        &world.desktop.home.join("demo"),
        &["push", "-q", "-f", url, "other:main"],
    );
    git(home, &bare, &["reflog", "expire", "--expire=now", "--all"]);
    git(home, &bare, &["gc", "-q", "--prune=now"]);
    let there = world.send().await.worktree_path.unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&there), &["rev-parse", "HEAD"]),
        head
    );
    git(
        &world.vm.home,
        Path::new(&there),
        &["fsck", "--connectivity-only"],
    );
}

#[tokio::test]
async fn a_workspace_goes_and_comes_back_with_commits_journal_and_transcripts() {
    let world = World::new().await;
    let local_path = world.workspace.worktree_path.clone().unwrap();
    let unpushed = world.commit(&world.desktop, &local_path, "local.txt");
    let session = test_session(&world.workspace);
    let store = world.desktop.core.store();
    store.insert_session(&session).await.unwrap();
    store
        .append(
            &world.workspace.id,
            &session.id,
            EntryKind::UserMessage,
            json!({"text": "hi"}),
        )
        .await
        .unwrap();
    let path = transcript(&world.desktop, &local_path, &session.provider_session_id);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "{\"line\":1}\n").unwrap();

    let there = world.send().await;
    assert_eq!((there.location, there.epoch), (Location::Cloud, 2));
    let vm_path = there.worktree_path.clone().unwrap();
    assert_eq!(
        git(&world.vm.home, Path::new(&vm_path), &["rev-parse", "HEAD"]),
        unpushed
    );
    assert_eq!(
        git(
            &world.vm.home,
            Path::new(&vm_path),
            &["branch", "--show-current"]
        ),
        "fix-it"
    );
    assert_eq!(
        git(
            &world.vm.home,
            Path::new(&vm_path),
            &["config", "user.email"]
        ),
        "ada@example.test"
    );
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["branch", "--show-current"]
        ),
        ""
    );
    let left = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!(
        (left.owner, left.epoch, left.handoff_id),
        (Owner::Cloud, 2, None)
    );
    let vm_transcript = transcript(&world.vm, &vm_path, &session.provider_session_id);
    assert_eq!(
        std::fs::read_to_string(&vm_transcript).unwrap(),
        "{\"line\":1}\n"
    );

    let vm_store = world.vm.core.store();
    vm_store
        .append(
            &there.id,
            &session.id,
            EntryKind::UserMessage,
            json!({"text": "there"}),
        )
        .await
        .unwrap();
    std::fs::write(&vm_transcript, "{\"line\":1}\n{\"line\":2}\n").unwrap();
    let made_there = world.commit(&world.vm, &vm_path, "cloud.txt");

    world.pull(2).await;
    let back = world
        .desktop
        .core
        .workspace(&world.workspace.id)
        .await
        .unwrap();
    assert_eq!((back.location, back.epoch), (Location::Desktop, 3));
    assert_eq!(back.worktree_path.as_deref(), Some(local_path.as_str()));
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["rev-parse", "fix-it"]
        ),
        made_there
    );
    assert_eq!(
        git(
            &world.desktop.home,
            Path::new(&local_path),
            &["status", "--porcelain"]
        ),
        ""
    );
    let url = git(
        &world.desktop.home,
        Path::new(&local_path),
        &["config", "remote.origin.url"],
    );
    assert_eq!(url, "git@github.com:octo/demo.git");
    let texts: Vec<String> = store
        .entries(&back.id, None, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.text())
        .collect();
    assert_eq!(texts, ["hi", "there"]);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"line\":1}\n{\"line\":2}\n"
    );
    let spool = world.desktop.home.join("data/spool");
    assert_eq!(
        std::fs::read_dir(spool).unwrap().count(),
        0,
        "the spool is empty"
    );

    let again = world.send().await;
    assert_eq!((again.location, again.epoch), (Location::Cloud, 4));
    assert_eq!(
        git(&world.vm.home, Path::new(&vm_path), &["rev-parse", "HEAD"]),
        made_there
    );
}

#[tokio::test]
async fn what_arrives_is_guarded_from_other_worktrees_of_its_repository() {
    let world = World::new().await;
    world.send().await;
    let project = world.vm.core.projects().await.unwrap().remove(0);
    let (home, repo) = (&world.vm.home, Path::new(&project.repo_path));
    let kept = git(home, repo, &["config", "extensions.preciousObjects"]);
    assert_eq!(kept, "true");
    let list = git(home, repo, &["worktree", "list", "--porcelain"]);
    assert!(list.contains("\nlocked"), "{list}");
}
