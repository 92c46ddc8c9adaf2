//! The git side of a copy that stays: it lets go of its branch, and gets one again.

use std::path::Path;

use ff_protocol::project::Project;
use ff_protocol::workspace::Workspace;
use ff_protocol::{ErrorCode, WorkspaceId};

use super::retained_ref;
use super::state::Checkout;
use crate::clock;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::store::Retained;

/// Names that are tried for the branch of a copy that becomes a workspace.
const NAMES: usize = 100;

impl Core {
    fn checkout<'a>(&'a self, dir: &'a Path) -> Checkout<'a> {
        Checkout {
            git: self.git(),
            dir,
        }
    }

    /// The copy of a workspace that is about to leave, to be written down.
    pub(super) async fn staying(
        &self,
        workspace: &Workspace,
        dir: &Path,
        epoch: u64,
    ) -> Result<Option<Retained>> {
        let Some(head) = self.git().commit(dir, "HEAD").await? else {
            return Ok(None);
        };
        let branch = self.checkout(dir).branch().await?;
        Ok(Some(Retained {
            workspace_id: workspace.id.clone(),
            branch: branch.unwrap_or_else(|| workspace.branch_name.clone().unwrap_or_default()),
            head,
            epoch,
            look: Some(self.git().look(dir).await?),
            restored_as: None,
            left_at: clock::now(),
            kept_until: None,
        }))
    }

    /// Writes down the copy of a workspace that leaves with `head` on its branch, and has it let go.
    pub(super) async fn note_copy(
        &self,
        workspace: &Workspace,
        dir: &Path,
        (epoch, head): (u64, &str),
    ) -> Result<Option<Retained>> {
        let noted = self.store().retained(&workspace.id).await?;
        if let Some(copy) = noted
            && copy.epoch == epoch
        {
            return Ok(Some(copy));
        }
        let Some(mut copy) = self.staying(workspace, dir, epoch).await? else {
            return Ok(None);
        };
        if self.git().current_branch(dir).await?.is_some() {
            // What the user committed since the bundle was made is an edit.
            copy.head = head.to_owned();
        }
        self.store().retain(&copy).await?;
        Ok(Some(copy))
    }

    /// Takes a copy off its branch, so that the branch is free, and keeps the branch's commit. What
    /// is half-way in it is put away. The same again changes nothing.
    pub(super) async fn let_go(&self, id: &WorkspaceId, dir: &Path, copy: &Retained) -> Result<()> {
        let full_name = format!("refs/heads/{}", copy.branch);
        let is_on = self.git().current_branch(dir).await?.is_some();
        let head = match self.git().commit(dir, &full_name).await? {
            // Off its branch in a rebase.
            Some(commit) if !is_on => commit,
            _ => copy.head.clone(),
        };
        self.checkout(dir).park().await?;
        self.git().detach(dir, &retained_ref(id), &head).await
    }

    /// Puts a copy on a branch, with what is half-way in it: the opposite of [`Core::let_go`].
    pub(super) async fn put_back(&self, id: &WorkspaceId, dir: &Path, branch: &str) -> Result<()> {
        let checkout = self.checkout(dir);
        if !checkout.is_rebased().await? {
            checkout.unpark(branch).await?;
            return self.git().attach(dir, branch).await;
        }
        // Git finds the rebase once its branch is there.
        if let Some(head) = self.git().commit(dir, &retained_ref(id)).await? {
            let name = format!("refs/heads/{branch}");
            self.git().keep(dir, &name, &head).await?;
        }
        checkout.unpark(branch).await
    }

    /// The branch of a copy that becomes a workspace: one that there was not, named after the one
    /// it was on.
    pub(super) async fn branch_of_restored(
        &self,
        project: &Project,
        dir: &Path,
        copy: &Retained,
    ) -> Result<String> {
        let (repo, after) = (Path::new(&project.repo_path), &copy.branch);
        let on = self.checkout(dir).branch().await?;
        if let Some(on) = on
            && on != *after
        {
            // What was put away is not about this branch.
            self.checkout(dir).forget_parked().await?;
            return Ok(on);
        }
        for number in 1..=NAMES {
            let name = match number {
                1 => format!("{after}-kept"),
                _ => format!("{after}-kept-{number}"),
            };
            if !self.git().in_the_way(repo, &name).await? {
                self.put_back(&copy.workspace_id, dir, &name).await?;
                return Ok(name);
            }
        }
        let detail = format!("there are {NAMES} branches named {after}-kept");
        Err(Error::refused(ErrorCode::LimitReached, detail))
    }
}
