//! The pull requests of workspaces: found, read again and again, attached by hand.
//!
//! ```text
//!  timer, turn's end --> keeper --+
//!                                 +--> discovery | sync --> store (compare-and-swap) --> sockets
//!  the user ---------> Core's ----+         |
//!                                       github (gh)
//! ```
//!
//! Only the side that owns a workspace reads and writes. What was read is written only over what
//! was known when it was asked for, so an answer that comes late never replaces a newer one.

mod attach;
mod discovery;
mod due;
mod keeper;
mod matching;
mod sync;
mod wanted;

use std::time::Duration;

use ff_protocol::WorkspaceId;
use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::workspace::Workspace;

pub(crate) use self::wanted::Wanted;
use crate::core::Core;
use crate::derive::{flow, ratchet};
use crate::error::Result;
use crate::github::{Numbered, RepoName, pull_request_ref};
use crate::workspace::owned;

/// Time between two looks at pull requests, where nothing else is asked for.
pub const INTERVAL: Duration = Duration::from_secs(120);

impl Core {
    /// What is known of a workspace's pull request and ratchet. Asks nobody.
    ///
    /// # Errors
    /// `not_found` when there is no such workspace.
    pub async fn pull_request_status(&self, id: &WorkspaceId) -> Result<PullRequestStatus> {
        Ok(status(self.workspace(id).await?))
    }

    /// Switches a workspace's ratchet on or off. Off, nothing is left of what it did.
    ///
    /// # Errors
    /// `not_found`, `not_owner`, `handoff_active`.
    pub async fn ratchet_switch(
        &self,
        id: &WorkspaceId,
        enabled: bool,
    ) -> Result<PullRequestStatus> {
        owned(self.store(), self.owner(), id).await?;
        if !self
            .store()
            .switch_ratchet(id, self.owner(), enabled)
            .await?
        {
            // It left meanwhile, and this says so.
            owned(self.store(), self.owner(), id).await?;
        }
        if enabled {
            self.wanted().add(id);
        }
        self.pull_request_status(id).await
    }

    /// The repository on GitHub of a workspace's project, where its remote is there.
    async fn repo_of(&self, workspace: &Workspace) -> Result<Option<RepoName>> {
        let project = self.known_project(&workspace.project_id).await?;
        Ok(RepoName::of(&project))
    }
}

fn status(workspace: Workspace) -> PullRequestStatus {
    PullRequestStatus {
        ci_observation: flow::state((&workspace).into()).ci_observation,
        ratchet_state: ratchet::state((&workspace).into()),
        workspace_id: workspace.id,
        branch_name: workspace.branch_name,
        pr: workspace.pr,
        ratchet: workspace.ratchet,
    }
}

/// The pull request that a workspace has.
fn known(workspace: &Workspace, repo: Option<&RepoName>) -> Option<Numbered> {
    let pr = &workspace.pr;
    let url = pr.url.as_deref()?;
    let by_url = pull_request_ref(url, None).ok();
    by_url.or_else(|| {
        let number = u64::try_from(pr.number?).ok()?;
        let repo = repo?.clone();
        Some(Numbered { repo, number })
    })
}

#[cfg(test)]
mod tests;
