//! Workspaces: one branch in one worktree.

pub mod config;
pub mod state;

use std::path::{Path, PathBuf};

use ff_protocol::project::Project;
use ff_protocol::workspace::{CreationSource, Owner, Workspace, WorkspaceStatus};
use ff_protocol::{ErrorCode, ProjectId, WorkspaceId};

use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::project::utf8;
use crate::store::Store;

impl Core {
    /// Makes a workspace: a new branch off the project's default branch (or the named existing
    /// branch) in a worktree of its own.
    ///
    /// # Errors
    /// `invalid` for a name or branch that cannot be, `conflict` for a branch already checked
    /// out, `branch_missing` when there is nothing to start from.
    pub async fn workspace_new(
        &self,
        project: &ProjectId,
        name: &str,
        branch: Option<&str>,
    ) -> Result<Workspace> {
        let project = self.known_project(project).await?;
        let name = name.trim();
        let fits = !name.is_empty() && name.chars().count() <= 100;
        if !fits || name.contains(char::is_control) {
            return Err(Error::refused(
                ErrorCode::Invalid,
                "a workspace's name has 1 to 100 characters, none of them a control character",
            ));
        }
        let repo = PathBuf::from(&project.repo_path);
        let id = WorkspaceId::generate();
        let path = worktree_path(&project, &id);
        crate::core::private_dir(Path::new(&project.worktree_base_path))?;
        let (branch, source) = match branch {
            Some(existing) => {
                self.add_existing(&repo, &path, existing).await?;
                (existing.to_owned(), CreationSource::ResumeBranch)
            }
            None => {
                let branch = self.free_branch(&repo, &branch_name(name)).await?;
                let start = self.start_point(&repo, &project.default_branch).await?;
                self.git()
                    .add_worktree(&repo, &path, &branch, &start)
                    .await?;
                (branch, CreationSource::Manual)
            }
        };
        let workspace = Workspace {
            id,
            status: WorkspaceStatus::Ready,
            worktree_path: Some(utf8(&path)?),
            branch_name: Some(branch),
            creation_source: source,
            ..Workspace::new(project.id, name, self.owner().clone(), clock::now())
        };
        self.store().insert_workspace(&workspace).await?;
        Ok(workspace)
    }

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

    async fn start_point(&self, repo: &Path, default_branch: &str) -> Result<String> {
        for name in [
            format!("refs/heads/{default_branch}"),
            format!("refs/remotes/origin/{default_branch}"),
        ] {
            if self.git().commit(repo, &name).await?.is_some() {
                return Ok(name);
            }
        }
        let detail =
            format!("the repository has no branch {default_branch} with a commit to start from");
        Err(Error::refused(ErrorCode::BranchMissing, detail).hint("make a first commit there"))
    }

    async fn add_existing(&self, repo: &Path, path: &Path, branch: &str) -> Result<()> {
        if !self.git().is_branch_name(branch).await? {
            return Err(Error::refused(
                ErrorCode::Invalid,
                format!("`{branch}` is no branch name"),
            ));
        }
        if let Some(other) = self.git().worktree_of_branch(repo, branch).await? {
            let detail = format!("branch {branch} is checked out in {}", other.display());
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("check out another branch there first"));
        }
        let local = format!("refs/heads/{branch}");
        if let Some(commit) = self.git().commit(repo, &local).await? {
            self.git()
                .add_detached_worktree(repo, path, &commit)
                .await?;
            return self.git().check_out_at(path, branch, &commit).await;
        }
        let remote = format!("refs/remotes/origin/{branch}");
        if self.git().commit(repo, &remote).await?.is_some() {
            self.git().add_worktree(repo, path, branch, &remote).await?;
            return self
                .git()
                .set_upstream(path, branch, &format!("origin/{branch}"))
                .await;
        }
        let detail = format!("there is no branch {branch}, here or at the remote");
        Err(Error::refused(ErrorCode::BranchMissing, detail)
            .hint("run `git fetch` or check its name"))
    }

    async fn free_branch(&self, repo: &Path, wanted: &str) -> Result<String> {
        for number in 0..1000 {
            let name = if number == 0 {
                wanted.to_owned()
            } else {
                format!("{wanted}-{number}")
            };
            if self
                .git()
                .commit(repo, &format!("refs/heads/{name}"))
                .await?
                .is_none()
            {
                return Ok(name);
            }
        }
        Err(Error::refused(
            ErrorCode::LimitReached,
            format!("a thousand branches are named {wanted}"),
        ))
    }
}

/// Where a workspace's worktree lies on this machine.
pub(crate) fn worktree_path(project: &Project, id: &WorkspaceId) -> PathBuf {
    Path::new(&project.worktree_base_path).join(format!("workspace-{id}"))
}

/// The workspace, if this side may act on it now.
///
/// # Errors
/// `not_found`; `not_owner` when the other side owns it; `handoff_active` while it moves;
/// `conflict` when it has no worktree.
pub async fn ensure_owned(store: &Store, owner: &Owner, id: &WorkspaceId) -> Result<Workspace> {
    let workspace = owned(store, owner, id).await?;
    match &workspace.worktree_path {
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
/// `not_found`, `not_owner`, `handoff_active`.
pub(crate) async fn owned(store: &Store, owner: &Owner, id: &WorkspaceId) -> Result<Workspace> {
    let workspace = store.known_workspace(id).await?;
    ensure_ours(&workspace, owner)?;
    Ok(workspace)
}

/// Whether `owner` may act on a workspace now.
///
/// # Errors
/// `not_owner`, `handoff_active`.
pub(crate) fn ensure_ours(workspace: &Workspace, owner: &Owner) -> Result<()> {
    if workspace.owner != *owner {
        let detail = format!(
            "workspace {} is owned by {}",
            workspace.name, workspace.owner
        );
        return Err(Error::refused(ErrorCode::NotOwner, detail)
            .hint("act on it there, or move it with `ff send` or `ff pull`"));
    }
    if workspace.handoff_id.is_some() {
        let detail = format!("workspace {} is being moved", workspace.name);
        return Err(Error::refused(ErrorCode::HandoffActive, detail)
            .hint("finish the move with `ff send` or `ff pull`"));
    }
    Ok(())
}

/// A branch name from a workspace's name: lower case, words joined by `-`, at most 50 characters.
fn branch_name(name: &str) -> String {
    let mut branch = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            ' ' | '_' | '-' if !(branch.is_empty() || branch.ends_with('-')) => branch.push('-'),
            c if c.is_ascii_alphanumeric() => branch.push(c),
            _ => {}
        }
    }
    let branch: String = branch.chars().take(50).collect();
    match branch.trim_end_matches('-') {
        "" => format!("work-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]),
        branch => branch.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_follow_the_workspace_name() {
        for (name, expected) in [
            ("My first Workspace", "my-first-workspace"),
            ("a__b  c", "a-b-c"),
            ("Fix: #12!", "fix-12"),
            ("-x-", "x"),
        ] {
            assert_eq!(branch_name(name), expected, "{name:?}");
        }
        assert!(branch_name("日本").starts_with("work-"));
        assert_eq!(branch_name(&"x".repeat(80)).len(), 50);
    }
}
