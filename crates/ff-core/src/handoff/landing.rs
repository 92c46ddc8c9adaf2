//! Whether a workspace can land here without anything being lost that was made here.

use std::path::{Path, PathBuf};

use ff_protocol::handoff::Manifest;
use ff_protocol::project::Project;
use ff_protocol::{ErrorCode, WorkspaceId};

use super::retained_ref;
use super::state::Checkout;
use crate::config::Side;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::Role;
use crate::workspace::worktree_path;

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
        let as_it_left = self.is_as_it_left(id, &dir).await?;
        let changed = match self.store().retained(id).await? {
            _ if !dir.is_dir() || as_it_left => false,
            Some(copy) => self.has_edits(&copy, &dir).await?,
            None => self.has_changes(&dir).await?,
        };
        if changed {
            return self.is_changed(id, &dir);
        }
        if let Some((_, elsewhere)) = self.copy_elsewhere(id, project).await?
            && self.is_unsent(id, &elsewhere).await?
        {
            return self.is_changed(id, &elsewhere);
        }
        match head {
            Some(head) => {
                let dir = Some(dir.as_path()).filter(|dir| dir.is_dir() && !as_it_left);
                self.check_commits(id, repo, dir, branch, head).await
            }
            None => Ok(()),
        }
    }

    fn is_changed(&self, id: &WorkspaceId, dir: &Path) -> Result<()> {
        let (place, verb) = match self.config().side {
            Side::Cloud => ("in the VM", "send"),
            Side::Desktop => ("here", "pull"),
        };
        let detail = format!(
            "the copy that stayed {place}, {}, was changed since the workspace left",
            dir.display()
        );
        let hint = "keep both, the changed copy as a workspace of its own";
        refused(detail, &format!("{hint}: `ff {verb} {id} --keep-both`"))
    }

    /// The copy of a workspace that lies in another project than the one it comes to, and that
    /// project: to which of its projects a workspace goes, each desktop says itself.
    pub(super) async fn copy_elsewhere(
        &self,
        id: &WorkspaceId,
        comes_to: &Project,
    ) -> Result<Option<(Project, PathBuf)>> {
        let store = self.store();
        let Some(workspace) = store.workspace(id).await? else {
            return Ok(None);
        };
        let project = store.project(&workspace.project_id).await?;
        let Some(project) = project.filter(|it| it.id != comes_to.id) else {
            return Ok(None);
        };
        let dir = worktree_path(&project, id);
        Ok(dir.is_dir().then_some((project, dir)))
    }

    /// Whether a copy has what did not leave from it.
    pub(super) async fn is_unsent(&self, id: &WorkspaceId, dir: &Path) -> Result<bool> {
        if self.is_as_it_left(id, dir).await? {
            return Ok(false);
        }
        match self.store().retained(id).await? {
            Some(copy) => self.is_edited(&copy, dir).await,
            None => Ok(true),
        }
    }

    /// Removes the copy of a workspace that lies in another project than the one it has come to:
    /// where it lay in the same one, the workspace has replaced it.
    pub(super) async fn drop_copy_elsewhere(
        &self,
        id: &WorkspaceId,
        comes_to: &Project,
    ) -> Result<()> {
        let Some((project, dir)) = self.copy_elsewhere(id, comes_to).await? else {
            return Ok(());
        };
        if self.is_unsent(id, &dir).await? {
            return Ok(());
        }
        let repo = Path::new(&project.repo_path);
        self.git().remove_worktree(repo, &dir).await?;
        self.git().delete_refs(repo, &retained_ref(id)).await
    }

    /// What last left from here of a workspace.
    pub(super) async fn last_departure(&self, id: &WorkspaceId) -> Result<Option<Manifest>> {
        let record = self.store().last_of(id, Role::Sender).await?;
        Ok(record.and_then(|record| record.manifest))
    }

    async fn last_arrival(&self, id: &WorkspaceId) -> Result<Option<Manifest>> {
        let record = self.store().last_of(id, Role::Receiver).await?;
        Ok(record.and_then(|record| record.manifest))
    }

    /// Whether the copy in a directory is what left from here or came here last, or what a hand-off
    /// that is still open has put there.
    pub(super) async fn is_as_it_left(&self, id: &WorkspaceId, dir: &Path) -> Result<bool> {
        let open = self.store().unfinished_handoffs().await?;
        let open = open.into_iter().filter(|record| record.workspace_id == *id);
        let known = open.filter_map(|record| record.manifest);
        let known: Vec<String> = known
            .chain(self.last_departure(id).await?)
            .chain(self.last_arrival(id).await?)
            .map(|manifest| manifest.fingerprint.state)
            .collect();
        if known.is_empty() || !dir.is_dir() {
            return Ok(false);
        }
        let checkout = Checkout {
            git: self.git(),
            dir,
        };
        match checkout.print().await {
            Ok(print) => Ok(known.contains(&print)),
            // Something is in it now that could not have moved.
            Err(error) if error.code() == ErrorCode::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a copy has what no commit has. What `git status` is told to pass over counts.
    async fn has_changes(&self, dir: &Path) -> Result<bool> {
        let index = self.git().index_entries(dir, None).await?;
        let hidden = index
            .iter()
            .any(|entry| entry.assume_unchanged || entry.skip_worktree);
        Ok(hidden || !self.git().changes(dir).await?.is_empty())
    }

    async fn check_commits(
        &self,
        id: &WorkspaceId,
        repo: &Path,
        dir: Option<&Path>,
        branch: &str,
        head: &str,
    ) -> Result<()> {
        let open = self.store().unfinished_handoffs().await?;
        // A bundle that was restored before, under the same hand-off, may be replaced.
        let restored = open
            .into_iter()
            .filter(|record| record.workspace_id == *id)
            .find_map(|record| record.manifest.map(|manifest| manifest.git.head));
        let copy = self.store().retained(id).await?;
        let retained = match copy {
            // It never left from here.
            Some(copy) if copy.look.is_none() => None,
            _ => self.git().commit(repo, &retained_ref(id)).await?,
        };
        let mut places = vec![
            self.git()
                .commit(repo, &format!("refs/heads/{branch}"))
                .await?,
        ];
        if let Some(dir) = dir {
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
                let at = match self.config().side {
                    Side::Cloud => "in the VM",
                    Side::Desktop => "here",
                };
                let detail = format!(
                    "there are commits {at} that the other side lacks: {place} on {branch} in {}",
                    repo.display()
                );
                let keep = format!("git -C '{}' branch NAME {place}", repo.display());
                return refused(detail, &format!("keep them {at}: `{keep}`, then try again"));
            }
        }
        Ok(())
    }
}

fn refused(detail: String, hint: &str) -> Result<()> {
    Err(Error::refused(ErrorCode::Conflict, detail).hint(hint))
}
