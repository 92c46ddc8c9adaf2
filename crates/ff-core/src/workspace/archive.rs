//! How a workspace is put away: everything that runs in it ends, what was not committed is
//! committed, its worktree is removed. Its branch stays, and nothing is pushed.

use std::path::{Path, PathBuf};

use ff_protocol::workspace::WorkspaceStatus::{Archived, Archiving, Failed, New, Provisioning};
use ff_protocol::workspace::{ArchiveWorkspace, Workspace};
use ff_protocol::{ErrorCode, WorkspaceId};

use super::fault::{Point, reach};
use super::lives::Hold;
use super::{ensure_ours, ensure_resting, place};
use crate::core::Core;
use crate::error::{Error, IoContext, Result};
use crate::handoff::retained_ref;
use crate::project::remove_dir;
use crate::store::Writes;

impl Core {
    /// Archives a workspace, and returns when it is put away. When it cannot be, it is what it was.
    ///
    /// # Errors
    /// `conflict` unless it is `READY` or `FAILED`; `git_index_locked` when another git holds the
    /// lock on its index, which `remove_git_index_lock` then removes.
    pub async fn workspace_archive(
        &self,
        id: &WorkspaceId,
        how: ArchiveWorkspace,
    ) -> Result<Workspace> {
        let workspace = self.workspace(id).await?;
        ensure_ours(&workspace, self.owner())?;
        if workspace.status == Archived {
            let detail = format!("workspace {} is archived already", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("`ff workspace delete WORKSPACE` removes it from the list"));
        }
        let hold = self.held(&workspace, "put away").await?;
        let core = self.clone();
        // To its end, also when whoever asked goes away.
        self.to_its_end(async move {
            let from = workspace.status;
            let way = (from, Archiving);
            let begun = core
                .store()
                .transition(&workspace.id, core.owner(), way, Writes::begun_here())
                .await?;
            reach(Point::ArchiveMarked);
            core.archive_marked(hold, &begun.workspace, how).await
        })
        .await
    }

    /// Puts away a workspace that is `ARCHIVING`; when that fails it is again what it was.
    pub(super) async fn archive_marked(
        &self,
        hold: Hold,
        workspace: &Workspace,
        how: ArchiveWorkspace,
    ) -> Result<Workspace> {
        let id = &workspace.id;
        let back = self.store().archiving_from(id).await?.unwrap_or(Failed);
        let done = self.put_away(workspace, how).await;
        let to = match &done {
            Ok(()) => Archived,
            Err(_) => back,
        };
        let moved = self
            .store()
            .transition(id, self.owner(), (Archiving, to), Writes::default())
            .await;
        drop(hold);
        done?;
        Ok(moved?.workspace)
    }

    async fn put_away(&self, workspace: &Workspace, how: ArchiveWorkspace) -> Result<()> {
        self.end_all_in(&workspace.id).await?;
        reach(Point::ArchiveStopped);
        let Some((repo, dir)) = self.worktree_of(workspace).await? else {
            return Ok(());
        };
        // Nothing is done in a directory that then may not be removed.
        let project = self.known_project(&workspace.project_id).await?;
        place::check(Path::new(&project.worktree_base_path), &dir)?;
        if self.git().is_worktree_of(&dir, &repo).await? {
            if how.remove_git_index_lock
                && let Some(lock) = self.git().index_lock(&dir).await?
            {
                tracing::info!(lock = %lock.display(), "a lock is removed, as asked");
                std::fs::remove_file(&lock)
                    .context(|| format!("cannot remove {}", lock.display()))?;
            }
            let message = format!("Archive of workspace {}", workspace.name);
            let kept = archived_ref(&workspace.id);
            if let Err(error) = self.git().commit_all(&dir, &message, &kept).await {
                return Err(self.or_locked(&dir, error).await);
            }
            reach(Point::ArchiveCommitted);
        }
        self.remove_worktree_of(workspace, &repo, &dir).await?;
        reach(Point::ArchiveRemoved);
        Ok(())
    }

    /// Deletes a workspace with its records and its worktree. What was not committed is lost; its
    /// branch stays. One that is being made is given up.
    ///
    /// # Errors
    /// `not_found`, `not_owner`, `handoff_active`; `conflict` while it is being archived.
    pub async fn workspace_delete(&self, id: &WorkspaceId) -> Result<()> {
        let workspace = self.workspace(id).await?;
        ensure_ours(&workspace, self.owner())?;
        if matches!(workspace.status, New | Provisioning) {
            self.lives().give_up(id).await;
        }
        let workspace = self.workspace(id).await?;
        let hold = self.held(&workspace, "deleted").await?;
        if matches!(workspace.status, Archiving | Provisioning) {
            let detail = format!("workspace {} is busy in another process", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail).hint("try again in a moment"));
        }
        self.remove_all_of(hold, workspace).await
    }

    /// Forgets a workspace that another side owns: its records here, and the copy of its checkout
    /// that stayed. What the owner has is not touched.
    ///
    /// # Errors
    /// `not_found`; `handoff_active` while it moves; `conflict` when it is this side's own.
    pub async fn workspace_forget(&self, id: &WorkspaceId) -> Result<()> {
        let workspace = self.workspace(id).await?;
        if workspace.owner == *self.owner() {
            let detail = format!("workspace {} is here, and nowhere else", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("delete it with `ff workspace delete WORKSPACE`"));
        }
        ensure_resting(&workspace)?;
        let hold = self.held(&workspace, "forgotten").await?;
        self.remove_all_of(hold, workspace).await
    }

    async fn remove_all_of(&self, hold: Hold, workspace: Workspace) -> Result<()> {
        let core = self.clone();
        self.to_its_end(async move {
            let _hold = hold;
            core.end_all_in(&workspace.id).await?;
            reach(Point::DeleteStopped);
            if workspace.status != Archived
                && let Some((repo, dir)) = core.worktree_of(&workspace).await?
                && let Err(error) = core.remove_worktree_of(&workspace, &repo, &dir).await
            {
                tracing::warn!(workspace = %workspace.id, ?error, "the worktree of a deleted workspace stays");
            }
            if let Err(error) = core.drop_kept_commit(&workspace).await {
                tracing::warn!(workspace = %workspace.id, ?error, "the ref of a deleted workspace stays");
            }
            reach(Point::DeleteRemoved);
            core.store().delete_workspace(&workspace.id).await
        })
        .await
    }

    /// Removes the ref by which the commit of a workspace that left is kept.
    async fn drop_kept_commit(&self, workspace: &Workspace) -> Result<()> {
        let project = self.known_project(&workspace.project_id).await?;
        let repo = Path::new(&project.repo_path);
        if !repo.is_dir() {
            return Ok(());
        }
        self.git()
            .delete_refs(repo, &retained_ref(&workspace.id))
            .await
    }

    /// Ends everything that runs in a workspace.
    pub(super) async fn end_all_in(&self, id: &WorkspaceId) -> Result<()> {
        let (sessions, script, terminals) = tokio::join!(
            self.sessions().stop_workspace(id),
            self.run_script_end(id),
            self.terminals().close_workspace(id),
        );
        sessions.and(script).and(terminals)
    }

    /// Repository and worktree of a workspace, where it has one on disk.
    async fn worktree_of(&self, workspace: &Workspace) -> Result<Option<(PathBuf, PathBuf)>> {
        let project = self.known_project(&workspace.project_id).await?;
        let dir = workspace.worktree().map(PathBuf::from);
        let dir = dir.filter(|dir| dir.symlink_metadata().is_ok());
        Ok(dir.map(|dir| (PathBuf::from(project.repo_path), dir)))
    }

    async fn remove_worktree_of(
        &self,
        workspace: &Workspace,
        repo: &Path,
        dir: &Path,
    ) -> Result<()> {
        let project = self.known_project(&workspace.project_id).await?;
        place::check(Path::new(&project.worktree_base_path), dir)?;
        if let Err(error) = self.git().remove_worktree(repo, dir).await {
            return Err(self.or_locked(dir, error).await);
        }
        remove_dir(dir)
    }

    /// A lock on the index explains a failure of git.
    async fn or_locked(&self, dir: &Path, error: Error) -> Error {
        match self.git().index_lock(dir).await {
            Ok(Some(lock)) => {
                let detail = format!("another git holds the lock {}", lock.display());
                Error::refused(ErrorCode::GitIndexLocked, detail).hint(
                    "if no git runs there, archive it with `ff workspace archive WORKSPACE --remove-git-index-lock`",
                )
            }
            _ => error,
        }
    }

    pub(super) async fn held(&self, workspace: &Workspace, doing: &'static str) -> Result<Hold> {
        let hold = self.lives().hold_soon(&workspace.id, doing).await;
        hold.ok_or_else(|| {
            let detail = format!("workspace {} is busy", workspace.name);
            Error::refused(ErrorCode::Conflict, detail).hint("try again in a moment")
        })
    }

    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.tasks().spawn(work).await.map_err(|error| {
            let error = std::io::Error::other(error);
            Error::io("work on a workspace broke down", error)
        })?
    }
}

/// Name of the private ref that keeps what an archived workspace had checked out.
pub(super) fn archived_ref(id: &WorkspaceId) -> String {
    format!("refs/ff/archived/{id}")
}
