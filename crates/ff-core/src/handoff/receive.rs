//! A workspace arrives: making ready, and taking the parts.

use std::path::Path;

use ff_protocol::handoff::{Plan, Receive, Received};
use ff_protocol::project::Project;
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, HandoffId, ProjectId, WorkspaceId};

use super::Incoming;
use super::fault::{Point, reach};
use super::spool::Spool;
use crate::config::Side;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::project::remove_dir;
use crate::store::{HandoffRecord, Role};
use crate::workspace::ensure_settled;

impl Core {
    /// Makes a VM ready for a workspace: clones or fetches its repository with the user's own
    /// login, and says which commits are there. Leaves nothing behind when it fails.
    ///
    /// # Errors
    /// `login_required`, `clone_failed`, `branch_missing`; `conflict` when the workspace is here
    /// already.
    pub async fn handoff_receive(&self, id: &HandoffId, receive: &Receive) -> Result<Received> {
        let (core, id, asked) = (self.clone(), id.clone(), receive.clone());
        self.in_turn(&receive.plan.workspace_id, async move {
            core.receive(&id, &asked).await
        })
        .await
    }

    async fn receive(&self, id: &HandoffId, receive: &Receive) -> Result<Received> {
        let plan = &receive.plan;
        let workspace = &plan.workspace_id;
        self.check_stands_for(id, Role::Receiver, (workspace, receive.epoch))
            .await?;
        let before = receive.epoch.saturating_sub(1);
        self.end_others(&plan.workspace_id, id, (before, false))
            .await?;
        let existing = self.store().workspace(&plan.workspace_id).await?;
        if let Some(workspace) = existing.filter(|w| w.owner == *self.owner()) {
            let detail = format!("workspace {} is already in the cloud", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        if !self.git().is_branch_name(&plan.branch).await? {
            let detail = format!("`{}` is no branch name", plan.branch);
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        if plan.keep_both
            && let Some(copy) = self.kept(&plan.workspace_id).await?
            && copy.edited
        {
            self.restore_copy(&plan.workspace_id).await?;
        }
        // First the record: an abort then knows what to undo, however far this comes.
        self.await_parts(id, &plan.workspace_id, &plan.project_id, receive.epoch)
            .await?;
        reach(Point::Awaited);
        match self.make_ready(plan).await {
            Ok(have) => {
                reach(Point::Cloned);
                Ok(Received { have })
            }
            Err(error) => {
                let record = self.known_handoff(id, Role::Receiver).await?;
                self.end(&record, false).await?;
                Err(error)
            }
        }
    }

    async fn make_ready(&self, plan: &Plan) -> Result<Vec<String>> {
        // Two workspaces may share a clone.
        let _turn = self.arrivals().acquire().await;
        let project = self.project_arrives(plan).await?;
        let repo = Path::new(&project.repo_path);
        // Before anything is sent.
        self.check_landing(&plan.workspace_id, &project, &plan.branch, None)
            .await?;
        let base = format!("refs/remotes/origin/{}", plan.default_branch);
        if let Some(url) = &plan.remote_url
            && self.git().commit(repo, &base).await?.is_none()
        {
            let branch = &plan.default_branch;
            let detail = format!("{url} has no branch {branch}");
            return Err(Error::refused(ErrorCode::BranchMissing, detail)
                .hint(format!("push it with `git push origin {branch}`")));
        }
        if let Some(identity) = &plan.git_identity
            && self.git().identity(&self.config().home).await?.is_none()
        {
            self.git().set_identity(repo, identity).await?;
        }
        self.git().tips(repo).await
    }

    /// Checks that a workspace can come back to this desktop and marks it as moving.
    ///
    /// # Errors
    /// `not_found` for a workspace unknown here, `conflict` when it is here already or its copy
    /// here was changed.
    pub async fn handoff_begin_pull(&self, id: &WorkspaceId) -> Result<Incoming> {
        let workspace = self.workspace(id).await?;
        ensure_settled(&workspace)?;
        if workspace.owner != Owner::Cloud {
            let detail = format!(
                "workspace {} is not in the cloud: {} owns it",
                workspace.name, workspace.owner
            );
            return Err(Error::refused(ErrorCode::NotOwner, detail).hint("see `ff workspace list`"));
        }
        let project = self.known_project(&workspace.project_id).await?;
        let branch = workspace.branch_name.as_deref().unwrap_or_default();
        self.check_landing(id, &project, branch, None).await?;
        let earlier = self.unfinished_of(id, Role::Receiver).await?;
        let handoff_id = earlier.map_or_else(HandoffId::generate, |record| record.id);
        let record = awaiting(&handoff_id, id, &project.id, workspace.epoch + 1);
        let (owner, epoch) = (&workspace.owner, workspace.epoch);
        if !self.store().begin_handoff(&record, owner, epoch).await? {
            let detail = format!("workspace {} is already being moved", workspace.name);
            return Err(Error::refused(ErrorCode::HandoffActive, detail));
        }
        Spool::of(&self.config().data_dir, &handoff_id).create()?;
        let have = self.git().tips(Path::new(&project.repo_path)).await?;
        let desktop_id = self.store().installation_id().await?;
        Ok(Incoming {
            handoff_id,
            epoch: workspace.epoch,
            desktop_id,
            have,
        })
    }

    /// Checks that a workspace which was never on this desktop can come to a project of it, and
    /// makes ready for it. An earlier unfinished pull is taken up under its id.
    ///
    /// # Errors
    /// `conflict` when its branch is in use here, or has commits that only this desktop has.
    pub async fn handoff_begin_first_pull(
        &self,
        id: &WorkspaceId,
        to: &ProjectId,
        (branch, epoch): (&str, u64),
    ) -> Result<Incoming> {
        let project = self.known_project(to).await?;
        self.check_landing(id, &project, branch, None).await?;
        let earlier = self.unfinished_of(id, Role::Receiver).await?;
        let handoff_id = earlier.map_or_else(HandoffId::generate, |record| record.id);
        self.await_parts(&handoff_id, id, to, epoch + 1).await?;
        Ok(Incoming {
            handoff_id,
            epoch,
            desktop_id: self.store().installation_id().await?,
            have: self.git().tips(Path::new(&project.repo_path)).await?,
        })
    }

    async fn await_parts(
        &self,
        id: &HandoffId,
        workspace: &WorkspaceId,
        project: &ProjectId,
        epoch: u64,
    ) -> Result<()> {
        let record = awaiting(id, workspace, project, epoch);
        self.store().insert_handoff(&record).await?;
        self.open_handoff(id, Role::Receiver).await?;
        Spool::of(&self.config().data_dir, id).create()
    }

    /// Removes a VM's clone that no workspace uses and none is arriving for, unless there is
    /// something in it that came from nowhere else: commits, or a copy that stayed. A desktop's repositories are the
    /// user's own and are never touched.
    pub(super) async fn drop_unused_clone(&self, project: &Project) -> Result<()> {
        let _turn = self.arrivals().acquire().await;
        let repo = Path::new(&project.repo_path);
        let ours = self.config().side == Side::Cloud
            && repo.starts_with(self.config().base_dir.join("repos"));
        let used = self
            .store()
            .workspaces()
            .await?
            .iter()
            .any(|w| w.project_id == project.id);
        let open = self.store().unfinished_handoffs().await?;
        let awaited = open.iter().any(|record| record.project_id == project.id);
        if ours && !used && !awaited && !self.has_something(project).await? {
            self.store().delete_project(&project.id).await?;
            remove_dir(Path::new(&project.worktree_base_path))?;
            remove_dir(repo)?;
        }
        Ok(())
    }

    async fn has_something(&self, project: &Project) -> Result<bool> {
        let repo = Path::new(&project.repo_path);
        Ok(has_worktrees(Path::new(&project.worktree_base_path))
            || (repo.is_dir() && self.git().has_own_commits(repo).await?))
    }
}

/// Whether workspaces' directories lie in a place for them.
fn has_worktrees(base: &Path) -> bool {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names
        .into_iter()
        .any(|name| !name.to_string_lossy().starts_with('.'))
}

fn awaiting(
    id: &HandoffId,
    workspace: &WorkspaceId,
    project: &ProjectId,
    epoch: u64,
) -> HandoffRecord {
    HandoffRecord {
        id: id.clone(),
        workspace_id: workspace.clone(),
        project_id: project.clone(),
        role: Role::Receiver,
        epoch,
        manifest: None,
        committed: None,
    }
}
