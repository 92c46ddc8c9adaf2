//! A workspace that goes and comes back.

use std::path::Path;

use ff_protocol::session::EntryKind;
use ff_protocol::workspace::{Location, Owner};
use serde_json::json;

use super::world::{World, git, test_session, transcript};

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
