//! Pull requests of workspaces, with the real `gh` against a GitHub of our own.

mod attach;
mod keeper;
mod sync;

use std::time::Duration;

use ff_protocol::project::Project;
use ff_protocol::workspace::{PullRequest, Workspace, WorkspaceStatus};
use ff_protocol::{ProjectId, WorkspaceId};
use ff_testkit::github::PullRequest as Opened;
use tokio::time::Instant;

use crate::clock;
use crate::core::Core;
use crate::github::tests::World as GitHubWorld;

/// The longest wait for something that is to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// A core with a project whose remote is `octo/demo`.
struct World {
    github: GitHubWorld,
    core: Core,
    project: ProjectId,
}

impl World {
    async fn new() -> Self {
        let github = GitHubWorld::new().await;
        let core = Core::open(github.config()).await.unwrap();
        let project = Project {
            id: ProjectId::generate(),
            github_owner: Some("octo".into()),
            github_repo: Some("demo".into()),
            ..crate::store::tests::project()
        };
        core.store().insert_project(&project).await.unwrap();
        Self {
            github,
            core,
            project: project.id,
        }
    }

    /// A workspace on this branch, made now.
    async fn workspace(&self, branch: &str) -> WorkspaceId {
        self.insert(branch, |_| {}).await
    }

    async fn insert(&self, branch: &str, change: impl FnOnce(&mut Workspace)) -> WorkspaceId {
        // GitHub's times are in whole seconds.
        let made = clock::now() - Duration::from_secs(2);
        let owner = self.core.owner().clone();
        let mut workspace = Workspace {
            status: WorkspaceStatus::Ready,
            branch_name: Some(branch.to_owned()),
            ..Workspace::new(self.project.clone(), branch, owner, made)
        };
        change(&mut workspace);
        self.core
            .store()
            .insert_workspace(&workspace)
            .await
            .unwrap();
        workspace.id
    }

    async fn pr(&self, id: &WorkspaceId) -> PullRequest {
        self.core.workspace(id).await.unwrap().pr
    }

    /// Opens a pull request, or changes one; its number.
    fn set(&self, pull: Opened) -> u64 {
        self.github.set(pull).number
    }

    fn runs(&self) -> Vec<String> {
        self.github.gh.runs()
    }

    /// Waits until what is known of a workspace's pull request is as wanted.
    async fn until(&self, id: &WorkspaceId, what: &str, is: impl Fn(&PullRequest) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let pr = self.pr(id).await;
            if is(&pr) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}: {pr:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn of_branch(branch: &str) -> Opened {
    Opened {
        head: branch.to_owned(),
        author: "octo".to_owned(),
        ..Opened::default()
    }
}

fn url(number: u64) -> String {
    format!("https://github.com/octo/demo/pull/{number}")
}
