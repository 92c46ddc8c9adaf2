//! What was made in the copy that stayed, and what is left when the cloud is gone.

use ff_protocol::ErrorCode;
use ff_protocol::session::StartSession;

use super::common::git;
use super::{connected, place};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_copy_stops_a_pull_and_is_kept_beside_it_when_asked() {
    let (desktop, _server) = connected().await;
    let worktree = desktop.worktree("demo");
    desktop.ok(&["send", "demo"]);
    std::fs::write(worktree.join("README.md"), "edited here\n").unwrap();
    std::fs::write(worktree.join("late.txt"), "late\n").unwrap();
    let shown = desktop.ok(&["workspace", "show", "demo"]);
    assert!(shown.contains("changed since"), "{shown}");
    let refused = desktop.ff(&["pull", "demo"]);
    refused.failed(4, &["was changed since", "--keep-both"]);
    assert_eq!(place(&desktop), ("CLOUD".into(), false, 2));
    assert!(worktree.join("late.txt").exists());

    let run = desktop.ff(&["pull", "demo", "--keep-both"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("demo (kept)"), "{}", run.stderr);
    assert_eq!(place(&desktop), ("DESKTOP".into(), false, 3));
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "");
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "demo");
    let kept = desktop.worktree("demo (kept)");
    assert_eq!(git(&kept, &["branch", "--show-current"]), "demo-kept");
    let changes = git(&kept, &["status", "--porcelain"]);
    assert_eq!(changes, "M README.md\n?? late.txt");
    let read = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    assert_eq!(
        (read("README.md"), read("late.txt")),
        ("edited here\n".into(), "late\n".into())
    );
    // Both are workspaces like any other.
    desktop.ok(&["send", "demo"]);
    desktop.ok(&["send", "demo (kept)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_the_middle_of_a_rebase_goes_on_after_pull_keep_both() {
    let (desktop, _server) = connected().await;
    let worktree = desktop.worktree("demo");
    let repo = desktop.path("app");
    let commit = |dir: &std::path::Path, text: &str| {
        std::fs::write(dir.join("f"), text).unwrap();
        git(dir, &["add", "f"]);
        git(dir, &["commit", "--quiet", "-m", text]);
    };
    commit(&repo, "theirs");
    commit(&worktree, "ours");
    let status = std::process::Command::new("git")
        .args(["rebase", "--quiet", "main"])
        .current_dir(&worktree)
        .output()
        .unwrap();
    assert!(!status.status.success(), "it meets no conflict");
    let middle = git(&worktree, &["status"]);
    assert!(middle.contains("rebasing branch 'demo'"), "{middle}");
    desktop.ok(&["send", "demo"]);
    std::fs::write(worktree.join("f"), "solved\n").unwrap();
    desktop.ff(&["pull", "demo"]).failed(4, &["--keep-both"]);
    desktop.ok(&["pull", "demo", "--keep-both"]);
    assert_eq!(git(&worktree, &["status"]), middle);

    let kept = desktop.worktree("demo (kept)");
    let told = git(&kept, &["status"]).replace("demo-kept", "demo");
    assert_eq!(told, middle);
    git(&kept, &["add", "f"]);
    git(&kept, &["-c", "core.editor=true", "rebase", "--continue"]);
    assert_eq!(git(&kept, &["branch", "--show-current"]), "demo-kept");
    assert_eq!(git(&kept, &["log", "--format=%s", "-2"]), "ours\ntheirs");
    assert_eq!(git(&worktree, &["status"]), middle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_taken_back_from_a_cloud_that_is_gone_for_good() {
    let (desktop, mut server) = connected().await;
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("new.txt"), "not committed\n").unwrap();
    desktop.ok(&["send", "demo"]);
    server.stop();
    let refused = desktop.ff(&["workspace", "reclaim", "demo"]);
    refused.failed(4, &["--yes"]);
    let refused = desktop.ff(&["workspace", "reclaim", "demo", "--yes"]);
    refused.failed(5, &["--offline"]);
    assert_eq!(
        desktop.json(&["workspace", "show", "demo"])["location"],
        "CLOUD"
    );
    let taken = desktop.json(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    assert_eq!(
        (&taken["location"], &taken["epoch"]),
        (&"DESKTOP".into(), &3.into())
    );
    assert_eq!(git(&worktree, &["branch", "--show-current"]), "demo");
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "?? new.txt");
    let again = desktop.ff(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    again.failed(4, &["already"]);

    // Should it come back after all, it hears that it lost.
    server.start_again();
    desktop.ok(&["workspace", "list"]);
    let row = server.client.workspaces().await.unwrap().remove(0);
    assert_eq!(
        (row.owner.to_string(), row.epoch),
        (taken["owner"].as_str().unwrap().into(), 3)
    );
    let begin = StartSession::default();
    let session = server.client.engine().start_session(&row.id, &begin).await;
    let code = session.unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::NotOwner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_stayed_is_made_a_workspace_while_the_cloud_is_gone() {
    let (desktop, mut server) = connected().await;
    let worktree = desktop.worktree("demo");
    std::fs::write(worktree.join("new.txt"), "not committed\n").unwrap();
    desktop.ok(&["send", "demo"]);
    server.stop();
    let kept = desktop.json(&["workspace", "restore", "demo"]);
    assert_eq!(kept["name"], "demo (kept)");
    let path = std::path::PathBuf::from(kept["worktreePath"].as_str().unwrap());
    assert_eq!(git(&path, &["branch", "--show-current"]), "demo-kept");
    assert_eq!(git(&path, &["status", "--porcelain"]), "?? new.txt");
    assert!(!worktree.exists());
    let none = desktop.ff(&["workspace", "restore", "demo"]);
    none.failed(3, &["no copy"]);
    let none = desktop.ff(&["workspace", "reclaim", "demo", "--offline", "--yes"]);
    none.failed(3, &["no copy"]);
    // What is in the cloud is untouched, should it come back.
    server.start_again();
    desktop.ok(&["pull", "demo"]);
    assert_eq!(git(&worktree, &["status", "--porcelain"]), "?? new.txt");
}
