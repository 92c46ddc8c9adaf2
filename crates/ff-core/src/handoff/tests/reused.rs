//! What the copy that stayed has already is not written again, and stays what it is.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ff_protocol::ErrorCode;

use super::world::{World, git, pull_up_to_restore};

/// A workspace in the cloud with two files, of which one was changed there.
async fn changed_there() -> (World, String) {
    let world = World::with(
        "mkdir a; echo same > a/same; echo old > changed; git add -A; git commit -qm first",
    )
    .await;
    let path = world.workspace.worktree_path.clone().unwrap();
    let there = world.send().await.worktree_path.unwrap();
    std::fs::write(Path::new(&there).join("changed"), "new\n").unwrap();
    world.commit(&world.vm, &there, "cloud.txt");
    (world, path)
}

fn read(dir: &str, name: &str) -> String {
    std::fs::read_to_string(Path::new(dir).join(name)).unwrap()
}

#[tokio::test]
async fn a_file_with_the_same_bytes_is_the_same_file_after_a_pull() {
    let (world, path) = changed_there().await;
    let look = |name: &str| {
        let meta = std::fs::metadata(Path::new(&path).join(name)).unwrap();
        (meta.ino(), meta.mtime_nsec(), meta.nlink())
    };
    let (same, changed) = (look("a/same"), look("changed"));
    world.pull(2).await;
    assert_eq!(look("a/same"), same, "neither written nor linked any more");
    assert_ne!(look("changed").0, changed.0);
    assert_eq!(
        (&*read(&path, "changed"), &*read(&path, "cloud.txt")),
        ("new\n", "cloud.txt")
    );
    let status = git(
        &world.desktop.home,
        Path::new(&path),
        &["status", "--porcelain"],
    );
    assert_eq!(status, "");
}

#[tokio::test]
async fn a_pull_that_is_given_up_leaves_the_copy_as_it_was() {
    let (world, path) = changed_there().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    world.desktop.core.handoff_finish(&id, false).await.unwrap();
    assert_eq!(
        (&*read(&path, "a/same"), &*read(&path, "changed")),
        ("same\n", "old\n")
    );
    let links = std::fs::metadata(Path::new(&path).join("a/same"))
        .unwrap()
        .nlink();
    assert_eq!(links, 1);
}

#[tokio::test]
async fn an_edit_of_the_copy_between_restore_and_finish_does_not_get_into_what_arrives() {
    let (world, path) = changed_there().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    // In place: the file that waits to be swapped in is the same one.
    std::fs::write(Path::new(&path).join("a/same"), "edited\n").unwrap();
    let finish = || world.desktop.core.handoff_finish(&id, true);
    let error = finish().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
    assert_eq!(read(&path, "a/same"), "edited\n");
    // Put back as another file, as git does.
    git(
        &world.desktop.home,
        Path::new(&path),
        &["checkout", "-q", "--", "a/same"],
    );
    finish().await.unwrap();
    assert_eq!(
        (&*read(&path, "a/same"), &*read(&path, "changed")),
        ("same\n", "new\n")
    );
}

#[tokio::test]
async fn a_copy_moved_aside_between_restore_and_finish_shares_nothing_with_what_arrives() {
    let (world, path) = changed_there().await;
    let id = pull_up_to_restore(&world, 2).await.unwrap();
    let aside = format!("{path}-aside");
    let repo = world.desktop.home.join("demo");
    git(
        &world.desktop.home,
        &repo,
        &["worktree", "move", "-f", "-f", &path, &aside],
    );
    world.desktop.core.handoff_finish(&id, true).await.unwrap();
    std::fs::write(Path::new(&aside).join("a/same"), "edited\n").unwrap();
    assert_eq!(read(&path, "a/same"), "same\n");
}
