//! Workspaces: one branch in one worktree.
//!
//! [`state`] is their life as a table. `create`, `init`, `archive` and `recover` walk along it;
//! `branches` and `place` say which branch a worktree has and where it lies; `script` and
//! `run_script` run what the repository brings along in its [`config`]; [`standing`] says what of
//! it matters to its user now.

mod archive;
mod branches;
pub mod config;
mod create;
mod fault;
mod init;
mod lives;
mod names;
mod place;
mod recover;
mod run_script;
mod script;
pub mod standing;
pub mod state;

use std::path::Path;

use ff_protocol::project::Project;
use ff_protocol::workspace::{Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, ProjectId, WorkspaceId};

pub(crate) use self::lives::Lives;
pub(crate) use self::place::{check_script_path, worktree_path};
pub(crate) use self::run_script::{RunScripts, state::allows};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::Store;

impl Core {
    /// All workspaces.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>> {
        self.store().workspaces().await
    }

    /// A workspace by its id.
    ///
    /// # Errors
    /// `not_found` when there is none.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Workspace> {
        self.store().known_workspace(id).await
    }

    /// A project that must exist.
    pub(crate) async fn known_project(&self, id: &ProjectId) -> Result<Project> {
        self.store().project(id).await?.ok_or_else(|| {
            Error::refused(ErrorCode::NotFound, format!("there is no project {id}"))
                .hint("list them with `ff project list`")
        })
    }

    /// Gives a workspace another name. Its branch keeps its own.
    ///
    /// # Errors
    /// `invalid` for a name that cannot be, `not_found`, `not_owner`, `handoff_active`.
    pub async fn workspace_rename(&self, id: &WorkspaceId, name: &str) -> Result<Workspace> {
        let name = names::check(name)?;
        owned(self.store(), self.owner(), id).await?;
        self.store().rename_workspace(id, name).await?;
        self.workspace(id).await
    }
}

/// The workspace, if this side may act on it now.
///
/// # Errors
/// `not_found`; `not_owner` when the other side owns it; `handoff_active` while it moves;
/// `conflict` when it has no worktree.
pub async fn ensure_owned(store: &Store, owner: &Owner, id: &WorkspaceId) -> Result<Workspace> {
    let workspace = owned(store, owner, id).await?;
    match workspace.worktree() {
        Some(path) if Path::new(path).is_dir() => Ok(workspace),
        Some(path) => {
            let detail = format!(
                "the directory {path} of workspace {} is gone",
                workspace.name
            );
            Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("restore it with `git worktree add` on the workspace's branch"))
        }
        None => {
            let detail = format!("workspace {} has no directory", workspace.name);
            Err(Error::refused(ErrorCode::Conflict, detail))
        }
    }
}

/// The workspace, if `owner` may act on it; its directory may be gone.
///
/// # Errors
/// `not_found`, `not_owner`, `handoff_active`; `conflict` when it is archived.
pub(crate) async fn owned(store: &Store, owner: &Owner, id: &WorkspaceId) -> Result<Workspace> {
    let workspace = store.known_workspace(id).await?;
    ensure_ours(&workspace, owner)?;
    if matches!(
        workspace.status,
        WorkspaceStatus::Archiving | WorkspaceStatus::Archived
    ) {
        let detail = format!("workspace {} is archived", workspace.name);
        return Err(Error::refused(ErrorCode::Conflict, detail)
            .hint("go on with its branch: `ff workspace new --branch BRANCH`"));
    }
    Ok(workspace)
}

/// Whether `owner` may act on a workspace now.
///
/// # Errors
/// `not_owner`, `contested`, `handoff_active`.
pub(crate) fn ensure_ours(workspace: &Workspace, owner: &Owner) -> Result<()> {
    ensure_settled(workspace)?;
    if workspace.owner != *owner {
        let detail = format!(
            "workspace {} is owned by {}",
            workspace.name, workspace.owner
        );
        return Err(Error::refused(ErrorCode::NotOwner, detail)
            .hint("act on it there, or move it with `ff send` or `ff pull`"));
    }
    ensure_resting(workspace)
}

/// Whether it is settled who owns a workspace.
///
/// # Errors
/// `contested`.
pub(crate) fn ensure_settled(workspace: &Workspace) -> Result<()> {
    if workspace.owner != Owner::Contested {
        return Ok(());
    }
    let detail = format!("two sides say that they own workspace {}", workspace.name);
    Err(Error::refused(ErrorCode::Contested, detail)
        .hint("decide with `ff workspace reclaim`, on the machine whose copy is to go on"))
}

/// Whether no hand-off of a workspace is under way.
///
/// # Errors
/// `handoff_active`.
fn ensure_resting(workspace: &Workspace) -> Result<()> {
    if workspace.handoff_id.is_none() {
        return Ok(());
    }
    let detail = format!("workspace {} is being moved", workspace.name);
    Err(Error::refused(ErrorCode::HandoffActive, detail)
        .hint("finish the move with `ff send` or `ff pull`"))
}

#[cfg(test)]
pub(crate) mod tests;
