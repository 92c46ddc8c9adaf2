//! Giving a workspace a pull request by hand.

use std::collections::HashSet;

use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::workspace::{Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, WorkspaceId};

use super::status;
use super::sync::seen;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::github::{Numbered, PullDetails, RepoName, address, pull_request_ref};
use crate::workspace::owned;

/// What was known may change while GitHub is asked; so often it is tried anew.
const TRIES: usize = 3;

impl Core {
    /// Gives a workspace the pull request that `text` names: its web address, or its number in the
    /// project's repository. Where that is of another branch of the same repository, the
    /// workspace's branch name is corrected.
    ///
    /// # Errors
    /// `invalid` when the text names none; `conflict` when another workspace has it; `not_found`,
    /// `not_owner`, `handoff_active`; those of [`crate::github`].
    pub async fn pull_request_attach(
        &self,
        id: &WorkspaceId,
        text: &str,
    ) -> Result<PullRequestStatus> {
        let workspace = owned(self.store(), self.owner(), id).await?;
        let repo = self.repo_of(&workspace).await?;
        let pull = pull_request_ref(text, repo.as_ref())?;
        let read = self.github().pull_request(&pull).await?;
        let url = address(&read.value.url, &pull);
        if self.attached(id).await?.contains(&url) {
            let detail = format!("another workspace has pull request {url}");
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("`ff workspace list` shows which; archive that one, or go on there"));
        }
        for _ in 0..TRIES {
            let workspace = owned(self.store(), self.owner(), id).await?;
            let branch = self
                .corrected_branch(&workspace, repo.as_ref(), &pull, &read.value)
                .await?;
            let after = seen(&workspace.pr, &pull, &read);
            let written = self
                .store()
                .write_pr(id, self.owner(), &workspace.pr, &after, branch)
                .await?;
            if written {
                return Ok(status(self.workspace(id).await?));
            }
        }
        let detail = format!(
            "what is known of workspace {} keeps changing",
            workspace.name
        );
        Err(Error::refused(ErrorCode::Conflict, detail).hint("try again"))
    }

    /// The addresses of the pull requests that other workspaces have.
    pub(super) async fn attached(&self, but: &WorkspaceId) -> Result<HashSet<String>> {
        let others = self.store().workspaces().await?.into_iter();
        let others = others.filter(|it| it.id != *but && it.status != WorkspaceStatus::Archived);
        Ok(others.filter_map(|it| it.pr.url).collect())
    }

    /// The branch of the pull request, if the workspace's name of its branch is another. A branch
    /// of another repository is not the workspace's, whatever its name.
    async fn corrected_branch<'a>(
        &self,
        workspace: &Workspace,
        repo: Option<&RepoName>,
        pull: &Numbered,
        details: &'a PullDetails,
    ) -> Result<Option<&'a str>> {
        let head = details.head_ref_name.as_str();
        let elsewhere = details.is_cross_repository || repo.is_none_or(|it| !it.is(&pull.repo));
        if elsewhere || workspace.branch_name.as_deref() == Some(head) {
            return Ok(None);
        }
        // It is GitHub's word, and goes into commands of git.
        let proper = self.git().is_branch_name(head).await?;
        Ok(proper.then_some(head))
    }
}
