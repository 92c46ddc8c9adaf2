//! Fills a store with workspaces, for the benchmark: `fill_workspaces CORE_DB COUNT`.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use ff_core::store::Store;
use ff_protocol::ProjectId;
use ff_protocol::project::Project;
use ff_protocol::workspace::{
    CiStatus, Owner, PrState, PullRequest, RunScript, Workspace, WorkspaceStatus,
};

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().context("name the database")?);
    let count: usize = args.next().context("say how many")?.parse()?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let store = Store::open(&path).await?;
    let owner = Owner::Desktop(store.installation_id().await?);
    let now = chrono::Utc::now();
    let project = Project {
        id: ProjectId::generate(),
        name: "Bench".into(),
        slug: "bench".into(),
        repo_path: "/nowhere/bench".into(),
        worktree_base_path: "/nowhere/worktrees/bench".into(),
        default_branch: "main".into(),
        github_owner: Some("octo".into()),
        github_repo: Some("bench".into()),
        is_archived: false,
        issue_provider: Default::default(),
        startup: Default::default(),
        created_at: now,
        updated_at: now,
    };
    store.insert_project(&project).await?;
    for number in 0..count {
        let fresh = Workspace::new(
            project.id.clone(),
            format!("Task {number}"),
            owner.clone(),
            now,
        );
        let path = format!("{}/workspace-{}", project.worktree_base_path, fresh.id);
        let workspace = Workspace {
            status: WorkspaceStatus::Ready,
            worktree_path: Some(path),
            branch_name: Some(format!("octo-user/task-{number}")),
            is_auto_generated_branch: true,
            has_had_sessions: true,
            pr: PullRequest {
                url: Some(format!("https://github.com/octo/bench/pull/{number}")),
                number: i64::try_from(number).ok(),
                state: PrState::Open,
                ci_status: CiStatus::Success,
                synced_at: Some(now),
                ..PullRequest::default()
            },
            run_script: RunScript {
                command: Some("npm start -- --port {port}".into()),
                ..RunScript::default()
            },
            ..fresh
        };
        store.insert_workspace(&workspace).await?;
    }
    println!("{count} workspaces");
    Ok(())
}
