//! Whether a workspace can land here without anything being lost that was made here.

use std::path::Path;

use ff_protocol::project::Project;
use ff_protocol::{ErrorCode, WorkspaceId};

use super::retained_ref;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::workspace::worktree_path;

/// At most this many paths are named in a refusal.
const NAMED: usize = 5;

impl Core {
    /// Checks the place where a workspace lands on `branch`: nobody else has the branch checked
    /// out, the directory that stayed has no changes, and neither it nor the branch has commits
    /// that `head` lacks, other than what left with the workspace.
    ///
    /// # Errors
    /// `conflict`, with what to do.
    pub(super) async fn check_landing(
        &self,
        id: &WorkspaceId,
        project: &Project,
        branch: &str,
        head: Option<&str>,
    ) -> Result<()> {
        let (repo, dir) = (Path::new(&project.repo_path), worktree_path(project, id));
        if let Some(other) = self.git().worktree_of_branch(repo, branch).await?
            && other != dir
        {
            let detail = format!("branch {branch} is checked out in {}", other.display());
            return refused(detail, "check out another branch there first");
        }
        let changed = match self.store().retained(id).await? {
            _ if !dir.is_dir() => false,
            Some(copy) => self.has_edits(&copy, &dir).await?,
            None => !self.git().changes(&dir).await?.is_empty(),
        };
        if changed {
            let detail = format!(
                "the copy that stayed in {} was changed since the workspace left",
                dir.display()
            );
            return refused(
                detail,
                "keep both, the changed copy as a workspace of its own: `ff pull --keep-both`",
            );
        }
        let Some(head) = head else { return Ok(()) };
        self.check_commits(id, repo, &dir, branch, head).await?;
        if dir.is_dir() {
            let replaced = self.git().would_replace(&dir, head).await?;
            if !replaced.is_empty() {
                let named: Vec<_> = replaced
                    .iter()
                    .take(NAMED)
                    .map(|path| path.display().to_string())
                    .collect();
                let detail = format!(
                    "{} ignored file(s) in {} would be replaced: {}",
                    replaced.len(),
                    dir.display(),
                    named.join(", ")
                );
                return refused(detail, "move them out of the way");
            }
        }
        Ok(())
    }

    async fn check_commits(
        &self,
        id: &WorkspaceId,
        repo: &Path,
        dir: &Path,
        branch: &str,
        head: &str,
    ) -> Result<()> {
        let open = self.store().unfinished_handoffs().await?;
        // A bundle that was restored before, under the same hand-off, may be replaced.
        let restored = open
            .into_iter()
            .filter(|record| record.workspace_id == *id)
            .find_map(|record| record.manifest.map(|manifest| manifest.git.head));
        let retained = self.git().commit(repo, &retained_ref(id)).await?;
        let mut places = vec![
            self.git()
                .commit(repo, &format!("refs/heads/{branch}"))
                .await?,
        ];
        if dir.is_dir() {
            places.push(self.git().commit(dir, "HEAD").await?);
        }
        for place in places.into_iter().flatten() {
            let known = Some(&place) == retained.as_ref() || Some(&place) == restored.as_ref();
            let kept = known
                || self.git().is_ancestor(repo, &place, head).await?
                || self
                    .git()
                    .is_on_another_branch(repo, &place, branch)
                    .await?;
            if !kept {
                let detail = format!(
                    "there are commits here that the other side lacks: {place} on {branch}"
                );
                return refused(
                    detail,
                    "keep them: `git branch NAME COMMIT` in that repository, then try again",
                );
            }
        }
        Ok(())
    }
}

fn refused(detail: String, hint: &str) -> Result<()> {
    Err(Error::refused(ErrorCode::Conflict, detail).hint(hint))
}
