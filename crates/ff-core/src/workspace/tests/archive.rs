//! How workspaces are put away and deleted.

use ff_protocol::ErrorCode;
use ff_protocol::workspace::{ArchiveWorkspace, RunScriptStatus, WorkspaceStatus};
use serde_json::json;

use super::world::{World, dir, scripts_left};

const PLAIN: ArchiveWorkspace = ArchiveWorkspace {
    remove_git_index_lock: false,
};

#[tokio::test]
async fn what_was_not_committed_is_kept_on_the_branch_and_the_worktree_goes() {
    let w = World::new().await;
    w.commit(".gitignore", "ignored\n");
    let made = w.ready("Put away").await;
    let at = dir(&made);
    std::fs::write(at.join("new file"), "new").unwrap();
    std::fs::write(at.join("README"), "changed\n").unwrap();
    std::fs::write(at.join("ignored"), "x").unwrap();
    let archived = w.core.workspace_archive(&made.id, PLAIN).await.unwrap();
    assert_eq!(archived.status, WorkspaceStatus::Archived);
    assert_eq!(
        archived.worktree_path, made.worktree_path,
        "the path is kept"
    );
    assert_eq!(archived.init, made.init, "its making is not touched");
    assert!(!at.exists());
    let files = w.git(&w.repo, &["ls-tree", "-r", "--name-only", "put-away"]);
    assert_eq!(files, ".gitignore\nREADME\nnew file");
    assert_eq!(w.git(&w.repo, &["show", "put-away:README"]), "changed");
    let subject = w.git(&w.repo, &["log", "-1", "--format=%s", "put-away"]);
    assert_eq!(subject, "Archive of workspace Put away");
    assert!(!w.git(&w.repo, &["worktree", "list"]).contains("workspace-"));
    let again = w.core.workspace_archive(&made.id, PLAIN).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::Conflict);
    assert!(again.to_string().contains("archived already"), "{again}");
    let error = w.core.run_script_start(&made.id).await.unwrap_err();
    assert!(error.to_string().contains("archived"), "{error}");
}

#[tokio::test]
async fn a_detached_head_is_kept_under_a_ref_of_its_own() {
    let w = World::new().await;
    let made = w.ready("Detached").await;
    let at = dir(&made);
    w.git(&at, &["checkout", "--quiet", "--detach"]);
    std::fs::write(at.join("work"), "work").unwrap();
    w.core.workspace_archive(&made.id, PLAIN).await.unwrap();
    let kept = format!("refs/ff/archived/{}:work", made.id);
    assert_eq!(w.git(&w.repo, &["show", &kept]), "work");
}

#[tokio::test]
async fn a_clean_one_gets_no_commit_and_one_whose_directory_is_gone_is_put_away_too() {
    let w = World::new().await;
    let clean = w.ready("Clean").await;
    let before = w.git(&w.repo, &["rev-parse", "clean"]);
    w.core.workspace_archive(&clean.id, PLAIN).await.unwrap();
    assert_eq!(w.git(&w.repo, &["rev-parse", "clean"]), before);
    let gone = w.ready("Gone").await;
    std::fs::remove_dir_all(dir(&gone)).unwrap();
    let archived = w.core.workspace_archive(&gone.id, PLAIN).await.unwrap();
    assert_eq!(archived.status, WorkspaceStatus::Archived);
}

#[tokio::test]
async fn everything_that_runs_in_it_ends_first() {
    let w = World::new().await;
    w.scripts(json!({"run": "sleep 600 & echo up; wait"}));
    let made = w.ready("Busy").await;
    w.core.run_script_start(&made.id).await.unwrap();
    assert!(scripts_left(&made.id) > 0);
    let archived = w.core.workspace_archive(&made.id, PLAIN).await.unwrap();
    assert_eq!(archived.run_script.status, RunScriptStatus::Idle);
    assert_eq!(scripts_left(&made.id), 0);
}

#[tokio::test]
async fn a_link_in_place_of_the_worktree_is_not_followed() {
    let w = World::new().await;
    let made = w.ready("Linked").await;
    let (at, victim) = (dir(&made), w.home.join("victim"));
    std::fs::create_dir(&victim).unwrap();
    std::fs::write(victim.join("precious"), "x").unwrap();
    std::fs::remove_dir_all(&at).unwrap();
    std::os::unix::fs::symlink(&victim, &at).unwrap();
    let error = w.core.workspace_archive(&made.id, PLAIN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert_eq!(
        w.row(&made.id).await.status,
        WorkspaceStatus::Ready,
        "as before"
    );
    w.core.workspace_delete(&made.id).await.unwrap();
    assert!(victim.join("precious").exists());
}

#[tokio::test]
async fn another_failure_of_git_is_not_taken_for_a_lock() {
    let w = World::new().await;
    let made = w.ready("Broken").await;
    let at = dir(&made);
    let index = ["rev-parse", "--path-format=absolute", "--git-path", "index"];
    std::fs::write(w.git(&at, &index), "no index").unwrap();
    let error = w.core.workspace_archive(&made.id, PLAIN).await.unwrap_err();
    assert_ne!(error.code(), ErrorCode::GitIndexLocked);
    assert!(error.to_string().contains("index"), "{error}");
    assert_eq!(w.row(&made.id).await.status, WorkspaceStatus::Ready);
}

/// As a row from elsewhere may have it.
#[tokio::test]
async fn nothing_is_done_in_a_worktree_outside_of_the_base() {
    let w = World::new().await;
    let made = w.ready("Astray").await;
    let outside = w.home.join("outside");
    w.git(
        &w.repo,
        &["worktree", "unlock", dir(&made).to_str().unwrap()],
    );
    let to = outside.to_str().unwrap();
    w.git(
        &w.repo,
        &["worktree", "move", dir(&made).to_str().unwrap(), to],
    );
    w.set_worktree(&made.id, to).await;
    std::fs::write(outside.join("work"), "work").unwrap();
    let before = w.git(&w.repo, &["rev-parse", "astray"]);
    let error = w.core.workspace_archive(&made.id, PLAIN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "{error}");
    assert_eq!(w.row(&made.id).await.status, WorkspaceStatus::Ready);
    assert_eq!(w.git(&w.repo, &["rev-parse", "astray"]), before);
    w.core.workspace_delete(&made.id).await.unwrap();
    assert!(outside.join("work").exists());
}

#[tokio::test]
async fn what_another_side_owns_is_forgotten_with_the_copy_that_stayed() {
    let w = World::new().await;
    let made = w.ready("Away").await;
    let error = w.core.workspace_forget(&made.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict, "it is ours");
    let url = "https://github.com/octo/demo.git";
    w.git(&w.repo, &["remote", "add", "origin", url]);
    let out = w.core.handoff_begin_send(&made.id, false).await.unwrap();
    let error = w.core.workspace_forget(&made.id).await.unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::Conflict,
        "it is ours until the commit"
    );
    w.core.handoff_spool(&out.handoff_id, &[]).await.unwrap();
    w.core.handoff_finish(&out.handoff_id, true).await.unwrap();
    let error = w.core.workspace_delete(&made.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotOwner);
    assert!(dir(&made).exists());
    assert_ne!(w.git(&w.repo, &["for-each-ref", "refs/ff"]), "");
    w.core.workspace_forget(&made.id).await.unwrap();
    assert_eq!(w.git(&w.repo, &["for-each-ref", "refs/ff"]), "");
    assert!(!dir(&made).exists());
    assert!(w.core.workspaces().await.unwrap().is_empty());
    assert!(!w.git(&w.repo, &["rev-parse", "away"]).is_empty());
    assert!(!w.git(&w.repo, &["worktree", "list"]).contains("workspace-"));
}

#[tokio::test]
async fn deleting_removes_rows_and_worktree_and_keeps_the_branch() {
    let w = World::new().await;
    let (keep, go) = (w.ready("Keep").await, w.ready("Go").await);
    w.core.workspace_delete(&go.id).await.unwrap();
    assert!(!dir(&go).exists() && dir(&keep).exists());
    let error = w.core.workspace(&go.id).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(!w.git(&w.repo, &["rev-parse", "go"]).is_empty());
    assert_eq!(w.core.workspaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_is_being_made_is_given_up_and_deleted() {
    let w = World::new().await;
    w.scripts(json!({"setup": "sleep 600"}));
    let id = w.core.workspace_create(w.named("Slow")).await.unwrap().id;
    super::world::soon("the script runs", async || scripts_left(&id) > 0).await;
    let error = w.core.workspace_archive(&id, PLAIN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    w.core.workspace_delete(&id).await.unwrap();
    assert_eq!(scripts_left(&id), 0);
    assert!(
        !w.home
            .join(format!("base/worktrees/demo/workspace-{id}"))
            .exists()
    );
}
