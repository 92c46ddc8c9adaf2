//! Bad input, one numbered test each.

use std::time::Duration;

use ff_protocol::ErrorCode;
use ff_protocol::project::{StartupScript, UpdateProject};
use ff_protocol::workspace::{ArchiveWorkspace, CreateWorkspace, WorkspaceStatus};
use serde_json::json;

use super::world::{World, dir, scripts_left};

/// A path that is no repository, bare, or inside another worktree.
#[tokio::test]
async fn bad_input_workspace_1() {
    let w = World::new().await;
    let plain = w.home.join("plain");
    std::fs::create_dir(&plain).unwrap();
    let bare = w.home.join("bare.git");
    w.git(&w.home, &["init", "--quiet", "--bare", "bare.git"]);
    let made = w.ready("Inside").await;
    let deep = dir(&made).join("deep");
    std::fs::create_dir(&deep).unwrap();
    for (path, says) in [
        (w.home.join("nothing"), "no directory"),
        (w.repo.join("README"), "not a directory"),
        (plain, "not a git checkout"),
        (bare.clone(), "bare repository"),
        (bare.join("objects"), "bare repository"),
        (dir(&made), "worktree of another checkout"),
        (deep, "worktree of another checkout"),
    ] {
        let error = w.core.project_add(&path).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Invalid, "{}", path.display());
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(w.core.projects().await.unwrap().len(), 1);
}

/// A branch that is checked out elsewhere, that is none, or that is not there.
#[tokio::test]
async fn bad_input_workspace_2() {
    let w = World::new().await;
    let other = w.ready("Taken").await;
    for (branch, code, says) in [
        (
            "taken",
            ErrorCode::Conflict,
            dir(&other).to_string_lossy().into_owned(),
        ),
        (
            "main",
            ErrorCode::Conflict,
            w.repo.to_string_lossy().into_owned(),
        ),
        (
            "nowhere",
            ErrorCode::BranchMissing,
            "no branch nowhere".into(),
        ),
        ("--force", ErrorCode::Invalid, "no branch name".into()),
        ("a..b", ErrorCode::Invalid, "no branch name".into()),
    ] {
        let create = CreateWorkspace {
            branch: Some(branch.into()),
            ..w.named("Second")
        };
        let error = w.core.workspace_create(create).await.unwrap_err();
        assert_eq!(error.code(), code, "{branch}");
        assert!(error.to_string().contains(&says), "{error}");
    }
    assert_eq!(
        w.core.workspaces().await.unwrap().len(),
        1,
        "nothing was entered"
    );
}

/// A `factory-factory.json` that cannot be read is shown with line and column.
#[tokio::test]
async fn bad_input_workspace_3() {
    let w = World::new().await;
    for (text, place) in [
        (
            "{\n  \"scripts\": {\n    \"setup\": 7\n  }\n}\n",
            "line 3, column 14",
        ),
        ("{\n  \"scripts\": {,}\n}\n", "line 2, column 15"),
        ("{}\n", "line 1, column 2"),
    ] {
        w.commit("factory-factory.json", text);
        let made = w.ready("Bad file").await;
        let warning = made.init.error_message.clone().unwrap();
        assert!(warning.contains("factory-factory.json"), "{warning}");
        assert!(warning.contains(place), "{place}: {warning}");
        assert!(dir(&made).is_dir(), "the workspace can be used");
    }
}

/// A set-up script that fails, hangs, forks or floods.
#[tokio::test]
async fn bad_input_workspace_4() {
    let w = World::new().await;
    let update = UpdateProject {
        startup: Some(StartupScript {
            timeout_secs: 2,
            ..StartupScript::default()
        }),
        is_archived: None,
    };
    w.core.project_update(&w.project.id, &update).await.unwrap();
    let forks = "f() { [ $1 -lt 6 ] && { f $(($1+1)) & f $(($1+1)) & }; sleep 600; }; f 0";
    for (script, says) in [
        ("echo cannot >&2; exit 9", "exit code 9: cannot"),
        ("trap '' TERM; sleep 600", "longer than 2 s"),
        (forks, "longer than 2 s"),
        (
            "(setsid sleep 600 &); yes | head -c 30000000; echo; exit 4",
            "exit code 4",
        ),
        ("yes", "longer than 2 s"),
    ] {
        w.scripts(json!({"setup": script}));
        let made = w.ready("Bad script").await;
        let warning = made.init.error_message.clone().unwrap();
        assert!(warning.contains(says), "{script}: {warning}");
        assert_eq!(scripts_left(&made.id), 0, "{script}");
        let report = w.core.workspace_init(&made.id).await.unwrap();
        let output = report.output.unwrap();
        assert!(
            output.len() <= (50 << 10) + 64,
            "{script}: {}",
            output.len()
        );
        let took = made.init.completed_at.unwrap() - made.init.started_at.unwrap();
        assert!(
            took.to_std().unwrap() < Duration::from_secs(120),
            "{script}: {took}"
        );
    }
}

/// A lock on the index that another git left or holds.
#[tokio::test]
async fn bad_input_workspace_7() {
    let w = World::new().await;
    let made = w.ready("Locked").await;
    let at = dir(&made);
    std::fs::write(at.join("work"), "work").unwrap();
    let lock = w.git(
        &at,
        &[
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "index.lock",
        ],
    );
    std::fs::write(&lock, "").unwrap();
    let plain = ArchiveWorkspace::default();
    let error = w.core.workspace_archive(&made.id, plain).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::GitIndexLocked);
    assert_eq!(error.problem().status, 409);
    assert!(error.to_string().contains(&lock), "{error}");
    assert_eq!(
        w.row(&made.id).await.status,
        WorkspaceStatus::Ready,
        "as before"
    );
    assert!(at.join("work").exists() && std::path::Path::new(&lock).exists());
    let removing = ArchiveWorkspace {
        remove_git_index_lock: true,
    };
    let archived = w.core.workspace_archive(&made.id, removing).await.unwrap();
    assert_eq!(archived.status, WorkspaceStatus::Archived);
    assert_eq!(w.git(&w.repo, &["show", "locked:work"]), "work");
}
