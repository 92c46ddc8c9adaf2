//! What the agent asks GitHub by itself keeps no VM awake.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test panics to fail"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ff_core::clock;
use ff_core::store::Store;
use ff_protocol::project::{IssueProvider, Project, StartupScript};
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ProjectId, WorkspaceId};
use support::{SOON, World, eventually};

/// Long enough for two samples of the processes.
const WATCHED: Duration = Duration::from_secs(8);

async fn store(home: &Path) -> Store {
    let data = home.join(".local/share/ff-agent");
    std::fs::create_dir_all(&data).unwrap();
    Store::open(&data.join("core.db")).await.unwrap()
}

/// A workspace that has no pull request yet.
async fn workspace(store: &Store) -> WorkspaceId {
    let now = clock::now();
    let project = Project {
        id: ProjectId::generate(),
        name: "Demo".into(),
        slug: "demo".into(),
        repo_path: "/nowhere".into(),
        worktree_base_path: "/nowhere".into(),
        default_branch: "main".into(),
        github_owner: Some("octo".into()),
        github_repo: Some("demo".into()),
        is_archived: false,
        issue_provider: IssueProvider::Github,
        startup: StartupScript::default(),
        created_at: now,
        updated_at: now,
    };
    store.insert_project(&project).await.unwrap();
    let workspace = Workspace {
        status: WorkspaceStatus::Ready,
        branch_name: Some("feat".into()),
        ..Workspace::new(project.id, "feat", Owner::Cloud, now)
    };
    store.insert_workspace(&workspace).await.unwrap();
    workspace.id
}

#[tokio::test]
async fn a_gh_that_the_agent_runs_by_itself_is_no_work_and_writes_nothing_once_quiesced() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_owned();
    let store = store(&home).await;
    let id = workspace(&store).await;
    // It uses all the CPU it gets, as does what it starts.
    let here = home.display();
    let script = format!(
        "#!/bin/sh\n(while [ ! -e '{here}/go' ]; do :; done) &\n\
         echo $$ $! > '{here}/asked'\nwait\necho '[]'\ntouch '{here}/answered'\n"
    );
    std::fs::create_dir(home.join("bin")).unwrap();
    std::fs::write(home.join("bin/gh"), script).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.join("bin/gh"), mode).unwrap();
    let path = format!("{here}/bin:{}", std::env::var("PATH").unwrap());
    let world = World::in_home(dir, &[("PATH", path), ("FF_PR_INTERVAL", "1".to_owned())]);
    eventually("GitHub is asked", async || {
        home.join("asked").exists().then_some(())
    })
    .await;
    let begun = world.health().await;
    let watched = tokio::time::Instant::now() + WATCHED;
    while tokio::time::Instant::now() < watched {
        let health = world.health().await;
        assert!(health.working.is_empty(), "{:?}", health.working);
        assert_eq!(health.last_active_at, begun.last_active_at);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(!home.join("answered").exists(), "it was not watched at all");
    world
        .agent
        .quiesce(&world.quiesce("q1"), SOON)
        .await
        .unwrap();
    std::fs::write(home.join("go"), "").unwrap();
    eventually("the answer", async || {
        home.join("answered").exists().then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pr = store.workspace(&id).await.unwrap().unwrap().pr;
    assert_eq!(pr.discovery_retry_count, 0, "it was written down");
    world.agent.release("q1", SOON).await.unwrap();
    eventually("it goes on", async || {
        let pr = store.workspace(&id).await.unwrap().unwrap().pr;
        (pr.discovery_retry_count == 1).then_some(())
    })
    .await;
}
