//! The process is killed in each gap, then the next one brings everything to rest.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ff_protocol::workspace::WorkspaceStatus::{Archived, Failed, Ready};
use ff_protocol::workspace::{
    ArchiveWorkspace, CreateWorkspace, RunScriptStatus, Workspace, WorkspaceStatus,
};
use serde_json::json;

use super::world::{World, dir, git, open, prepare, scripts_left, soon};
use crate::core::Core;
use crate::workspace::fault::{Point, armed};

/// Has this test play the part of the process that is killed, in this home.
const STORY: &str = "FF_CORE_STORY";
const TEST: &str = "workspace::tests::crashes::what_a_kill_in_any_gap_leaves_comes_to_rest";
const DIRTY: &str = "not committed";

#[tokio::test]
async fn what_a_kill_in_any_gap_leaves_comes_to_rest() {
    if let Ok(home) = std::env::var(STORY) {
        return story(Path::new(&home)).await;
    }
    let mut hits = Vec::new();
    for point in Point::ALL {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        prepare(&home);
        scripts(&home);
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(STORY, &home)
            .env(armed::VARIABLE, point.name())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let killed = ended.signal() == Some(9);
        if killed {
            rests(*point, &home).await;
        }
        println!(
            "{:22} {}",
            point.name(),
            if killed { "hit" } else { "NOT REACHED" }
        );
        hits.push((point.name(), killed));
    }
    let missed: Vec<_> = hits.iter().filter(|(_, hit)| !hit).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

fn scripts(home: &Path) {
    let scripts = json!({
        "setup": "(setsid sleep 600 &); sleep 0.3; touch made",
        "run": "sleep 600 & wait",
        "postRun": "sleep 600"
    });
    let repo = home.join("demo");
    let text = json!({ "scripts": scripts }).to_string();
    std::fs::write(repo.join("factory-factory.json"), text).unwrap();
    git(home, &repo, &["add", "-A"]);
    git(home, &repo, &["commit", "--quiet", "-m", "scripts"]);
}

/// What the process does until it is killed.
async fn story(home: &Path) {
    let w = World::at(home).await;
    let create = CreateWorkspace {
        initial_prompt: Some("begin".into()),
        ..w.named("Story")
    };
    let made = w.made(create).await;
    w.core.run_script_start(&made.id).await.unwrap();
    w.core.run_script_stop(&made.id).await.unwrap();
    std::fs::write(dir(&made).join(DIRTY), "x").unwrap();
    let how = ArchiveWorkspace::default();
    w.core.workspace_archive(&made.id, how).await.unwrap();
    let second = w.ready("Second").await;
    w.core.workspace_delete(&second.id).await.unwrap();
    w.core.shutdown().await;
}

/// The next process recovers, and everything can be used and put away.
async fn rests(point: Point, home: &Path) {
    let core = open(home).await;
    core.recover().await.unwrap();
    core.keep_workspaces();
    let resting = |w: &Workspace| matches!(w.status, Ready | Failed | Archived);
    soon("all rest", async || {
        core.workspaces().await.unwrap().iter().all(resting)
    })
    .await;
    let all = core.workspaces().await.unwrap();
    let name = point.name();
    for workspace in &all {
        assert_eq!(workspace.run_script.status, RunScriptStatus::Idle, "{name}");
        assert_eq!(scripts_left(&workspace.id), 0, "{name}: a script runs on");
    }
    check_places(&core, home, name).await;
    let first = all.first().unwrap();
    assert_eq!(first.status, expected(point), "{name}: {:?}", first.init);
    if first.status == Archived {
        let file = format!("story:{DIRTY}");
        assert_eq!(
            git(home, &home.join("demo"), &["show", &file]),
            "x",
            "{name}"
        );
    }
    for workspace in all {
        use_up(&core, workspace, name).await;
    }
    let left = std::fs::read_dir(home.join("base/worktrees/demo")).unwrap();
    assert_eq!(left.count(), 0, "{name}: a worktree is left");
    let list = git(home, &home.join("demo"), &["worktree", "list"]);
    assert_eq!(list.lines().count(), 1, "{name}: {list}");
    let branches = git(home, &home.join("demo"), &["branch", "--list", "story*"]);
    assert_eq!(branches.lines().count(), 1, "{name}: {branches}");
    git(home, &home.join("demo"), &["fsck", "--full"]);
    core.shutdown().await;
}

fn expected(point: Point) -> WorkspaceStatus {
    match point.name().split_once('.').unwrap() {
        ("init", "made") | ("new" | "run", _) => Ready,
        ("init", _) => Failed,
        ("archive" | "delete", _) => Archived,
        other => panic!("{other:?}"),
    }
}

/// On disk there are the worktrees that rows name, and no others.
async fn check_places(core: &Core, home: &Path, name: &str) {
    let base = home.join("base/worktrees/demo");
    let there: BTreeSet<PathBuf> = match std::fs::read_dir(&base) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => BTreeSet::new(),
    };
    let rows = core.workspaces().await.unwrap();
    let live = rows.iter().filter(|row| row.status != Archived);
    let named: BTreeSet<PathBuf> = live
        .filter(|row| row.worktree().is_some())
        .map(dir)
        .collect();
    // Of a workspace that was being deleted the worktree may be gone already.
    let gone = named.difference(&there).count();
    assert_eq!(gone, usize::from(name == "delete.removed"), "{name}");
    assert!(there.is_subset(&named), "{name}: {there:?} but {named:?}");
}

async fn use_up(core: &Core, workspace: Workspace, name: &str) {
    let id = &workspace.id;
    let mut now = workspace.status;
    if now == Failed {
        core.workspace_retry(id).await.unwrap();
        let again = core.workspace_settled(id).await.unwrap();
        assert_eq!(again.status, Ready, "{name}: {:?}", again.init);
        assert!(dir(&again).join("made").exists(), "{name}");
        now = again.status;
    }
    match (now, workspace.name.as_str()) {
        (Archived, _) => {}
        (_, "Second") => core.workspace_delete(id).await.unwrap(),
        _ => {
            let how = ArchiveWorkspace::default();
            let archived = core.workspace_archive(id, how).await.unwrap();
            assert_eq!(archived.status, Archived, "{name}");
        }
    }
}
