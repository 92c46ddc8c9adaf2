//! Looking for pull requests of workspaces that have none.

use std::collections::BTreeMap;

use ff_protocol::workspace::Workspace;
use ff_protocol::{ErrorCode, Timestamp};

use super::due::looked_for;
use super::matching::matched;
use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::github::{Numbered, RepoName, address};

/// Workspaces looked after in one round.
const WORKSPACES: usize = 100;
/// Repositories asked for their pull requests in one round.
const REPOSITORIES: usize = 10;

/// The workspaces of a round, by repository: those that wait the longest.
pub(super) fn round(mut due: Vec<(RepoName, &Workspace)>) -> BTreeMap<RepoName, Vec<Workspace>> {
    due.sort_by_key(|(_, workspace)| workspace.pr.discovery_last_checked_at);
    let mut round: BTreeMap<RepoName, Vec<Workspace>> = BTreeMap::new();
    for (repo, workspace) in due.into_iter().take(WORKSPACES) {
        if round.contains_key(&repo) || round.len() < REPOSITORIES {
            round.entry(repo).or_default().push(workspace.clone());
        }
    }
    round
}

impl Core {
    /// Looks for the pull requests of workspaces of one repository. What is found is read at once;
    /// for the others it is noted that they were looked for in vain.
    ///
    /// # Errors
    /// Those of [`crate::github`]; then nothing is noted, unless there is no such repository.
    pub(super) async fn discover(&self, repo: &RepoName, workspaces: &[Workspace]) -> Result<()> {
        let listed = self.github().open_pull_requests(repo).await;
        if self.permits().closed().is_some() {
            return Ok(());
        }
        let pulls = match listed {
            Ok(listed) => listed.value,
            Err(error) if error.code() == ErrorCode::NotFound => {
                for workspace in workspaces {
                    self.looked_in_vain(workspace, clock::now()).await?;
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let numbered = |number| Numbered {
            repo: repo.clone(),
            number,
        };
        let known = self.store().workspaces().await?;
        let taken = |url: &str| known.iter().any(|it| it.pr.url.as_deref() == Some(url));
        let free: Vec<_> = pulls
            .into_iter()
            .filter(|pull| !taken(&address(&pull.url, &numbered(pull.number))))
            .collect();
        let found = matched(&free, workspaces);
        let mut failed: Option<Error> = None;
        for workspace in workspaces {
            let own = found.iter().find(|(id, _)| *id == workspace.id);
            let done = match own {
                Some((id, pull)) => {
                    tracing::info!(workspace = %id, pull = pull.number, "a pull request was found");
                    let pull = numbered(pull.number);
                    self.read_pull_request(workspace, &pull).await
                }
                None => self.looked_in_vain(workspace, clock::now()).await,
            };
            failed = done.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn looked_in_vain(&self, workspace: &Workspace, now: Timestamp) -> Result<()> {
        let after = looked_for(&workspace.pr, now, dice());
        let claimed = self
            .store()
            .claim_discovery(&workspace.id, self.owner(), &workspace.pr, &after)
            .await?;
        if !claimed {
            tracing::debug!(workspace = %workspace.id, "another looked for its pull request");
        }
        Ok(())
    }
}

/// A number in `0..=1000`.
fn dice() -> u32 {
    let (first, ..) = uuid::Uuid::new_v4().as_fields();
    first % 1001
}
