//! A workspace arrives: making ready, and taking the parts.

use std::path::Path;

use ff_protocol::handoff::{Part, Receive, Received};
use ff_protocol::project::Project;
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, HandoffId, ProjectId, WorkspaceId};
use tokio::io::AsyncRead;

use super::Incoming;
use super::spool::{MAX_PART, Spool, corrupted};
use crate::config::Side;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::project::remove_dir;
use crate::store::{HandoffRecord, Role};

impl Core {
    /// Makes a VM ready for a workspace: clones or fetches its repository with the user's own
    /// login, and says which commits are there. Leaves nothing behind when it fails.
    ///
    /// # Errors
    /// `login_required`, `clone_failed`, `branch_missing`; `conflict` when the workspace is here
    /// already.
    pub async fn handoff_receive(&self, id: &HandoffId, receive: &Receive) -> Result<Received> {
        let plan = &receive.plan;
        let existing = self.store().workspace(&plan.workspace_id).await?;
        if let Some(workspace) = existing.as_ref().filter(|w| w.owner == *self.owner()) {
            let detail = format!("workspace {} is already in the cloud", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        let _turn = self.arrivals().acquire().await;
        let project = self.project_arrives(plan).await?;
        match self.make_ready(id, receive, &project).await {
            Ok(have) => Ok(Received { have }),
            Err(error) => {
                self.drop_unused_clone(&project).await?;
                Err(error)
            }
        }
    }

    async fn make_ready(
        &self,
        id: &HandoffId,
        receive: &Receive,
        project: &Project,
    ) -> Result<Vec<String>> {
        let (plan, repo) = (&receive.plan, Path::new(&project.repo_path));
        let base = format!("refs/remotes/origin/{}", plan.default_branch);
        if self.git().commit(repo, &base).await?.is_none() {
            let detail = format!("{} has no branch {}", plan.remote_url, plan.default_branch);
            return Err(
                Error::refused(ErrorCode::BranchMissing, detail).hint(format!(
                    "push it with `git push origin {}`",
                    plan.default_branch
                )),
            );
        }
        if !self.git().is_branch_name(&plan.branch).await? {
            return Err(Error::refused(
                ErrorCode::Invalid,
                format!("`{}` is no branch name", plan.branch),
            ));
        }
        if let Some(identity) = &plan.git_identity
            && self.git().identity(&self.config().home).await?.is_none()
        {
            self.git().set_identity(identity).await?;
        }
        self.await_parts(id, &plan.workspace_id, &project.id, receive.epoch)
            .await?;
        self.git().tips(repo).await
    }

    /// Checks that a workspace can come back to this desktop and marks it as moving.
    ///
    /// # Errors
    /// `not_found` for a workspace unknown here, `conflict` when it is here already or its copy
    /// here was changed.
    pub async fn handoff_begin_pull(&self, id: &WorkspaceId) -> Result<Incoming> {
        let workspace = self.workspace(id).await?;
        if workspace.owner != Owner::Cloud {
            let detail = format!(
                "workspace {} is not in the cloud: {} owns it",
                workspace.name, workspace.owner
            );
            return Err(Error::refused(ErrorCode::NotOwner, detail).hint("see `ff workspace list`"));
        }
        let project = self.known_project(&workspace.project_id).await?;
        self.check_landing_place(&workspace, &project, None).await?;
        let earlier = self.unfinished_of(id, Role::Receiver).await?;
        let handoff_id = earlier.map_or_else(HandoffId::generate, |record| record.id);
        self.claim(&workspace, &handoff_id).await?;
        self.await_parts(&handoff_id, id, &project.id, workspace.epoch + 1)
            .await?;
        let have = self.git().tips(Path::new(&project.repo_path)).await?;
        let desktop_id = self.store().installation_id().await?;
        Ok(Incoming {
            handoff_id,
            epoch: workspace.epoch,
            desktop_id,
            have,
        })
    }

    async fn await_parts(
        &self,
        id: &HandoffId,
        workspace: &WorkspaceId,
        project: &ProjectId,
        epoch: u64,
    ) -> Result<()> {
        let record = HandoffRecord {
            id: id.clone(),
            workspace_id: workspace.clone(),
            project_id: project.clone(),
            role: Role::Receiver,
            epoch,
            manifest: None,
            committed: None,
        };
        self.store().insert_handoff(&record).await?;
        self.open_handoff(id, Role::Receiver).await?;
        Spool::of(&self.config().data_dir, id).create()
    }

    /// Stores a part and checks it against its hash; `part.size` is its largest size.
    ///
    /// # Errors
    /// `corrupted` when the hash differs, `too_large` beyond the size.
    pub async fn handoff_put_part(
        &self,
        id: &HandoffId,
        part: &Part,
        from: impl AsyncRead + Unpin,
    ) -> Result<()> {
        self.open_handoff(id, Role::Receiver).await?;
        let spool = Spool::of(&self.config().data_dir, id);
        spool.part(&part.sha256)?;
        let stored = spool
            .store(&part.name, part.size.min(MAX_PART), from)
            .await?;
        if stored.sha256 == part.sha256 {
            return Ok(());
        }
        if let Ok(path) = spool.part(&stored.sha256) {
            let _ = std::fs::remove_file(path);
        }
        Err(corrupted(&part.name))
    }

    /// Removes a VM's clone that no workspace uses and none is arriving for. A desktop's repositories are the user's own
    /// and are never touched.
    pub(super) async fn drop_unused_clone(&self, project: &Project) -> Result<()> {
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
        if ours && !used && !awaited {
            self.store().delete_project(&project.id).await?;
            remove_dir(Path::new(&project.worktree_base_path))?;
            remove_dir(repo)?;
        }
        Ok(())
    }
}
