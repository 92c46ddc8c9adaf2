//! Reading the pull request that a workspace has.

use ff_protocol::pull_request::PullRequestStatus;
use ff_protocol::workspace::{CiStatus, PullRequest, Workspace};
use ff_protocol::{ErrorCode, Timestamp, WorkspaceId};

use super::{known, status};
use crate::core::Core;
use crate::derive::{ci, pr};
use crate::error::{Error, Result};
use crate::github::{Numbered, PullDetails, Read, address};
use crate::workspace::owned;

/// GitHub has not found out yet whether a pull request can be merged.
const NOT_KNOWN_YET: [&str; 2] = ["UNKNOWN", ""];

impl Core {
    /// Reads a workspace's pull request now; looks for one where it has none.
    ///
    /// # Errors
    /// `not_found`, `not_owner`, `handoff_active`; `conflict` where nothing can be looked for;
    /// those of [`crate::github`].
    pub async fn pull_request_sync(&self, id: &WorkspaceId) -> Result<PullRequestStatus> {
        let workspace = owned(self.store(), self.owner(), id).await?;
        let repo = self.repo_of(&workspace).await?;
        match known(&workspace, repo.as_ref()) {
            Some(pull) => self.read_pull_request(&workspace, &pull).await?,
            None => self.find_pull_request(&workspace, repo.as_ref()).await?,
        }
        Ok(status(self.workspace(id).await?))
    }

    /// Reads this pull request of a workspace and writes down what it says. Where something newer
    /// was written meanwhile, that stays.
    pub(super) async fn read_pull_request(
        &self,
        workspace: &Workspace,
        pull: &Numbered,
    ) -> Result<()> {
        let read = self.github().pull_request(pull).await?;
        // About to sleep, nothing is changed any more. Whoever waits for this holds a permit, so
        // it is nobody's but the timer's.
        if self.permits().closed().is_some() {
            return Ok(());
        }
        let after = seen(&workspace.pr, pull, &read);
        let written = self
            .store()
            .write_pr(&workspace.id, self.owner(), &workspace.pr, &after, None)
            .await?;
        if !written {
            tracing::debug!(workspace = %workspace.id, "what was read is old already");
        }
        Ok(())
    }

    /// Has the pull request of a workspace looked for and read, by its branch alone: it may be
    /// older than the workspace.
    async fn find_pull_request(
        &self,
        workspace: &Workspace,
        repo: Option<&crate::github::RepoName>,
    ) -> Result<()> {
        let refused = |detail: String| {
            Error::refused(ErrorCode::Conflict, detail)
                .hint("name the pull request by its address: `ff pr attach WORKSPACE URL`")
        };
        let repo = repo.ok_or_else(|| {
            refused("the remote of the workspace's project is not on github.com".to_owned())
        })?;
        let branch = workspace
            .branch_name
            .as_deref()
            .ok_or_else(|| refused(format!("workspace {} has no branch yet", workspace.name)))?;
        let pulls = self.github().pull_requests_of_branch(repo, branch).await?;
        let taken = self.attached(&workspace.id).await?;
        let own = pulls.value.iter().find(|pull| {
            let of = Numbered {
                repo: repo.clone(),
                number: pull.number,
            };
            pull.head_ref_name == branch
                && !pull.is_cross_repository
                && !taken.contains(&address(&pull.url, &of))
        });
        let Some(own) = own else {
            return Ok(());
        };
        let pull = Numbered {
            repo: repo.clone(),
            number: own.number,
        };
        self.read_pull_request(workspace, &pull).await
    }
}

/// What is known after this was read.
pub(super) fn seen(before: &PullRequest, pull: &Numbered, read: &Read<PullDetails>) -> PullRequest {
    let (details, at) = (&read.value, read.asked_at);
    let url = address(&details.url, pull);
    let same = before.url.as_deref() == Some(&*url);
    let before = match same {
        true => before.clone(),
        false => PullRequest {
            discovery_last_checked_at: before.discovery_last_checked_at,
            discovery_retry_count: before.discovery_retry_count,
            discovery_next_check_at: before.discovery_next_check_at,
            ..PullRequest::default()
        },
    };
    let review_state =
        pr::review_decision(Some(details.review_decision.clone().unwrap_or_default()));
    let ci_status = ci::status(details.status_check_rollup.as_deref());
    let merge_state = details.merge_state_status.as_str();
    PullRequest {
        url: Some(url),
        number: i64::try_from(pull.number).ok(),
        state: pr::state(&details.state, details.is_draft, review_state.as_deref()),
        review_state,
        ci_failed_at: failed_at(&before, ci_status, at),
        ci_status,
        has_merge_conflict: match NOT_KNOWN_YET.contains(&merge_state) {
            true => before.has_merge_conflict,
            false => pr::has_merge_conflict(merge_state),
        },
        synced_at: Some(at),
        ..before
    }
}

/// Since when the checks fail, if they do.
fn failed_at(before: &PullRequest, now: CiStatus, at: Timestamp) -> Option<Timestamp> {
    match (before.ci_status, now) {
        (CiStatus::Failure, CiStatus::Failure) => before.ci_failed_at.or(Some(at)),
        (_, CiStatus::Failure) => Some(at),
        _ => None,
    }
}
