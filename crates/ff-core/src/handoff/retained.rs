//! Copies of workspaces that left: they stay for a while, off their branches.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use ff_protocol::workspace::{Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, HandoffId, Timestamp, WorkspaceId};

use super::retained_ref;
use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::git::Git;
use crate::project::utf8;
use crate::store::Retained;
use crate::workspace::worktree_path;

/// How long a copy stays once the other side has converged.
const KEPT: TimeDelta = TimeDelta::days(14);

/// A copy that stayed, as it is now.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its directory.
    pub path: PathBuf,
    /// The branch it was on.
    pub branch: String,
    /// When the workspace left.
    pub left_at: Timestamp,
    /// Until when it stays; `None` while the other side has not converged.
    pub kept_until: Option<Timestamp>,
    /// Whether somebody has changed it since.
    pub edited: bool,
}

impl Core {
    /// The copy of a workspace that stayed here when it left, if there is one.
    ///
    /// # Errors
    /// The store or git failed.
    pub async fn kept(&self, id: &WorkspaceId) -> Result<Option<Kept>> {
        let Some(copy) = self.store().retained(id).await? else {
            return Ok(None);
        };
        let workspace = self.workspace(id).await?;
        let project = self.known_project(&workspace.project_id).await?;
        let path = worktree_path(&project, id);
        if !path.is_dir() {
            return Ok(None);
        }
        let edited = self.is_edited(&copy, &path).await?;
        Ok(Some(Kept {
            path,
            branch: copy.branch,
            left_at: copy.left_at,
            kept_until: copy.kept_until,
            edited,
        }))
    }

    /// Whether a copy was changed since its workspace left, by an edit or a commit.
    pub(super) async fn is_edited(&self, copy: &Retained, dir: &Path) -> Result<bool> {
        let head = self.git().commit(dir, "HEAD").await?;
        Ok(head.as_ref() != Some(&copy.head) || self.has_edits(copy, dir).await?)
    }

    /// Whether files of a copy were edited since its workspace left; what nobody could look at
    /// counts as edited.
    pub(super) async fn has_edits(&self, copy: &Retained, dir: &Path) -> Result<bool> {
        let now = self.git().look(dir).await?;
        Ok(copy.look.as_ref() != Some(&now))
    }

    /// From now on the copy that stayed may age: the other side has converged.
    ///
    /// # Errors
    /// The store failed.
    pub async fn handoff_finalized(&self, id: &HandoffId) -> Result<()> {
        let Some(record) = self.store().handoff(id).await? else {
            return Ok(());
        };
        match self.store().retained(&record.workspace_id).await? {
            Some(copy) if copy.epoch == record.epoch && copy.kept_until.is_none() => {
                let kept_until = Some(clock::now() + KEPT);
                self.store().retain(&Retained { kept_until, ..copy }).await
            }
            _ => Ok(()),
        }
    }

    /// Takes copies off their branches that a crash left there, and removes those whose time is
    /// over and that nobody has changed.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn look_after_copies(&self) -> Result<()> {
        for copy in self.store().all_retained().await? {
            if let Err(error) = self.look_after_copy(&copy).await {
                tracing::warn!(workspace = %copy.workspace_id, %error, "a copy is not looked after");
            }
        }
        Ok(())
    }

    async fn look_after_copy(&self, copy: &Retained) -> Result<()> {
        let workspace = self.workspace(&copy.workspace_id).await?;
        if workspace.owner == *self.owner() || workspace.handoff_id.is_some() {
            return Ok(());
        }
        let project = self.known_project(&workspace.project_id).await?;
        let (repo, dir) = (
            Path::new(&project.repo_path),
            worktree_path(&project, &workspace.id),
        );
        let private = retained_ref(&workspace.id);
        if dir.is_dir()
            && Git::may_be_on_a_branch(&dir)
            && self.git().current_branch(&dir).await?.as_ref() == Some(&copy.branch)
        {
            self.let_go(&workspace.id, &dir, copy).await?;
        }
        if copy.kept_until.is_none_or(|until| until > clock::now()) {
            return Ok(());
        }
        if dir.is_dir() {
            if self.is_edited(copy, &dir).await? {
                return Ok(());
            }
            self.git().remove_worktree(repo, &dir).await?;
        }
        self.git().delete_refs(repo, &private).await?;
        self.store().forget_retained(&workspace.id).await
    }

    /// Makes the copy of a workspace that stayed a workspace of its own, with all that is in it.
    /// The same again goes on where it was cut.
    ///
    /// # Errors
    /// `not_found` when no copy stayed; `handoff_active` while it is being moved.
    pub async fn workspace_restore(&self, id: &WorkspaceId) -> Result<Workspace> {
        let (core, asked) = (self.clone(), id.clone());
        self.in_turn(id, async move { core.restore_copy(&asked).await })
            .await
    }

    pub(super) async fn restore_copy(&self, id: &WorkspaceId) -> Result<Workspace> {
        let workspace = self.workspace(id).await?;
        let Some(copy) = self.store().retained(id).await? else {
            return Err(no_copy(&workspace));
        };
        let project = self.known_project(&workspace.project_id).await?;
        let repo = Path::new(&project.repo_path);
        let new = match copy.restored_as.clone() {
            Some(new) => new,
            None => {
                let new = WorkspaceId::generate();
                let begun = Retained {
                    restored_as: Some(new.clone()),
                    ..copy.clone()
                };
                self.store().retain(&begun).await?;
                new
            }
        };
        let (from, to) = (worktree_path(&project, id), worktree_path(&project, &new));
        if !to.is_dir() {
            if !from.is_dir() {
                return Err(no_copy(&workspace));
            }
            self.git().move_worktree(repo, &from, &to).await?;
        }
        let branch = self.branch_of_restored(&project, &to, &copy).await?;
        let name = format!("{} (kept)", workspace.name);
        let restored = Workspace {
            id: new,
            status: WorkspaceStatus::Ready,
            worktree_path: Some(utf8(&to)?),
            branch_name: Some(branch),
            ..Workspace::new(project.id.clone(), name, self.owner().clone(), clock::now())
        };
        self.store().enter_restored(id, &restored).await?;
        self.git().delete_refs(repo, &retained_ref(id)).await?;
        Ok(restored)
    }
}

pub(super) fn no_copy(workspace: &Workspace) -> Error {
    let detail = format!("no copy of workspace {} stayed here", workspace.name);
    Error::refused(ErrorCode::NotFound, detail)
}
