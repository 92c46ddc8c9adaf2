//! Ownership that moved otherwise than by a hand-off of ours: this side follows, or takes over.

use std::path::Path;

use ff_protocol::ownership::{Claim, Ruling};
use ff_protocol::workspace::{Owner, Workspace};
use ff_protocol::{ErrorCode, WorkspaceId};

use super::retained::no_copy;
use super::{retained_ref, send::worktree};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::project::utf8;
use crate::store::{Retained, Role, Store};
use crate::workspace::worktree_path;

/// What following a ruling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Nothing: it was known, or a hand-off has still to end.
    Nothing,
    /// The records follow; the workspace was not this side's, and is not.
    Noted,
    /// This side has stopped acting on the workspace; its copy stays, off its branch.
    Fenced,
    /// Neither side acts on the workspace until a person decides.
    Contested,
    /// This side owns it, and goes on from the copy that stayed.
    TakenBack,
}

/// What a machine's records say of all its workspaces.
///
/// # Errors
/// The store failed.
pub async fn claims(store: &Store) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for workspace in store.workspaces().await? {
        let (id, epoch) = (&workspace.id, workspace.epoch);
        let project = store.project(&workspace.project_id).await?;
        claims.push(Claim {
            by: store.handoff_to(id, epoch).await?,
            copy: worktree(&workspace).is_ok(),
            project_name: project.map(|project| project.name).unwrap_or_default(),
            branch_name: workspace.branch_name.unwrap_or_default(),
            workspace_id: workspace.id,
            owner: workspace.owner,
            name: workspace.name,
            epoch,
        });
    }
    Ok(claims)
}

impl Core {
    /// Follows the server's word of who owns a workspace, if it is news. What acts on it without
    /// owning it is ended; nothing is lost.
    ///
    /// # Errors
    /// The store or git failed; the same again goes on.
    pub async fn follow(&self, ruling: &Ruling) -> Result<Followed> {
        let (core, asked) = (self.clone(), ruling.clone());
        self.in_turn(&ruling.workspace_id, async move {
            core.follow_now(&asked).await
        })
        .await
    }

    async fn follow_now(&self, ruling: &Ruling) -> Result<Followed> {
        let id = &ruling.workspace_id;
        for record in self.store().unfinished_handoffs().await? {
            let led_there = ruling.by.as_ref() == Some(&record.id);
            if record.workspace_id == *id && (led_there || record.epoch <= ruling.epoch) {
                // A receiver that has nothing to take in yet goes on from what it has.
                let committed = led_there && record.manifest.is_some();
                self.end(&record, committed).await?;
            }
        }
        let Some(workspace) = self.store().workspace(id).await? else {
            return Ok(Followed::Nothing);
        };
        let (ours, to_us) = (
            workspace.owner == *self.owner(),
            ruling.owner == *self.owner(),
        );
        let contested = ruling.owner == Owner::Contested;
        let newer = ruling.epoch > workspace.epoch;
        let disputed = contested && ruling.epoch == workspace.epoch;
        let disputed = disputed && workspace.owner != Owner::Contested;
        if !newer && !disputed {
            return Ok(Followed::Nothing);
        }
        let to = (&ruling.owner, ruling.epoch);
        if to_us {
            self.take_back(&workspace, ruling.epoch).await?;
            return Ok(Followed::TakenBack);
        }
        let (held, dir) = (
            ours || workspace.owner == Owner::Contested,
            worktree(&workspace).ok(),
        );
        let stays = match &dir {
            Some(dir) if held && !contested => {
                self.fenced_copy(&workspace, dir, ruling.epoch).await?
            }
            _ => None,
        };
        let store = self.store();
        // First nothing may begin any more, then what runs is ended.
        if !store
            .set_owner(id, workspace.epoch, to, stays.as_ref())
            .await?
        {
            return Err(moved_on(&workspace));
        }
        if !held {
            return Ok(Followed::Noted);
        }
        self.end_all(id).await?;
        if let (Some(dir), Some(stays)) = (&dir, &stays) {
            self.let_go(id, dir, stays).await?;
        }
        Ok(match contested {
            true => Followed::Contested,
            false => Followed::Fenced,
        })
    }

    /// The copy of a workspace that this side loses without having sent it. What was done in it
    /// since it came is nowhere else: then it counts as changed whatever becomes of it.
    async fn fenced_copy(
        &self,
        workspace: &Workspace,
        dir: &Path,
        epoch: u64,
    ) -> Result<Option<Retained>> {
        // In this order: what is written in between counts.
        let copy = self.staying(workspace, dir, epoch).await?;
        let as_it_left = self.is_as_it_left(&workspace.id, dir).await?;
        Ok(copy.map(|copy| Retained {
            look: copy.look.filter(|_| as_it_left),
            ..copy
        }))
    }

    /// Makes this side the owner from an epoch on, with the copy that stayed here. The same again
    /// changes nothing.
    ///
    /// # Errors
    /// `not_found` when there is no copy; `conflict` when the epoch is not a higher one, or its
    /// branch is in use.
    pub async fn workspace_reclaim(&self, id: &WorkspaceId, epoch: u64) -> Result<Workspace> {
        let (core, asked) = (self.clone(), id.clone());
        self.in_turn(id, async move {
            let workspace = core.workspace(&asked).await?;
            if workspace.owner != *core.owner() || workspace.epoch != epoch {
                core.give_up_open(&asked).await?;
                core.take_back(&core.workspace(&asked).await?, epoch)
                    .await?;
            }
            core.workspace(&asked).await
        })
        .await
    }

    /// Epoch from which this side could take a workspace back: above all that it knows of.
    ///
    /// # Errors
    /// `not_found` when there is no such workspace, or no copy of it.
    pub async fn reclaimable(&self, id: &WorkspaceId) -> Result<u64> {
        let workspace = self.workspace(id).await?;
        worktree(&workspace).map_err(|_| no_copy(&workspace))?;
        let open = self.store().unfinished_handoffs().await?;
        let open = open.iter().filter(|record| record.workspace_id == *id);
        let highest = open
            .map(|record| record.epoch)
            .fold(workspace.epoch, u64::max);
        Ok(highest + 1)
    }

    async fn take_back(&self, workspace: &Workspace, epoch: u64) -> Result<()> {
        if epoch <= workspace.epoch {
            return Err(moved_on(workspace));
        }
        let id = &workspace.id;
        let project = self.known_project(&workspace.project_id).await?;
        let (repo, dir) = (Path::new(&project.repo_path), worktree_path(&project, id));
        let copy = self.store().retained(id).await?;
        if !dir.is_dir() {
            return Err(no_copy(workspace));
        }
        let on = self.git().current_branch(&dir).await?;
        if let (None, Some(copy)) = (on, &copy) {
            self.check_branch((repo, id), &dir, &copy.branch).await?;
            self.put_back(id, &dir, &copy.branch).await?;
        }
        let to = (self.owner(), epoch);
        if !self
            .store()
            .set_owner(id, workspace.epoch, to, None)
            .await?
        {
            return Err(moved_on(workspace));
        }
        self.store().set_worktree(id, &utf8(&dir)?).await?;
        self.store().forget_retained(id).await?;
        self.git().delete_refs(repo, &retained_ref(id)).await
    }

    /// Whether a branch can be pointed to what is checked out in a directory without losing what
    /// it points to.
    async fn check_branch(
        &self,
        (repo, id): (&Path, &WorkspaceId),
        dir: &Path,
        branch: &str,
    ) -> Result<()> {
        if let Some(other) = self.git().worktree_of_branch(repo, branch).await? {
            let detail = format!("branch {branch} is checked out in {}", other.display());
            return Err(Error::refused(ErrorCode::Conflict, detail)
                .hint("check out another branch there first"));
        }
        let name = format!("refs/heads/{branch}");
        let (Some(there), Some(here)) = (
            self.git().commit(repo, &name).await?,
            self.git().commit(dir, "HEAD").await?,
        ) else {
            return Ok(());
        };
        let left_with = self.git().commit(repo, &retained_ref(id)).await?;
        if left_with.as_ref() == Some(&there)
            || self.git().is_ancestor(repo, &there, &here).await?
            || self
                .git()
                .is_on_another_branch(repo, &there, branch)
                .await?
        {
            return Ok(());
        }
        let detail = format!("branch {branch} has moved on to {there} since the workspace left");
        Err(Error::refused(ErrorCode::Conflict, detail)
            .hint("keep that commit: `git branch NAME COMMIT` in that repository, then try again"))
    }

    async fn give_up_open(&self, id: &WorkspaceId) -> Result<()> {
        for record in self.store().unfinished_handoffs().await? {
            if record.workspace_id == *id {
                let role = record.role;
                tracing::info!(handoff = %record.id, ?role, "given up: the workspace is reclaimed");
                self.end(&record, false).await?;
            }
        }
        Ok(())
    }

    /// Ends everything that runs in a workspace that this side may not act on any more, or not for
    /// now: CLIs (what waits for them goes on waiting), the run script, terminals.
    ///
    /// # Errors
    /// `conflict` while this side may act on it.
    pub async fn workspace_rest(&self, id: &WorkspaceId) -> Result<()> {
        let workspace = self.workspace(id).await?;
        if crate::workspace::ensure_ours(&workspace, self.owner()).is_ok() {
            let detail = format!("workspace {} is not being moved", workspace.name);
            return Err(Error::refused(ErrorCode::Conflict, detail));
        }
        self.end_all(id).await
    }

    pub(super) async fn end_all(&self, id: &WorkspaceId) -> Result<()> {
        self.sessions().leave_workspace(id).await?;
        self.run_script_end(id).await?;
        self.terminals().close_workspace(id).await
    }

    /// Ends what is open of other hand-offs of a workspace, now that the owner's side has begun
    /// another one at `epoch`. A side that gave a workspace away lets go in doubt: its copy stays.
    /// One that took it in has it only if the owner says that the workspace is here.
    pub(super) async fn end_others(
        &self,
        id: &WorkspaceId,
        this: &ff_protocol::HandoffId,
        (epoch, here): (u64, bool),
    ) -> Result<()> {
        for record in self.store().unfinished_handoffs().await? {
            if record.workspace_id != *id || record.id == *this {
                continue;
            }
            let committed = record.manifest.is_some()
                && match record.role {
                    Role::Sender => record.epoch <= epoch,
                    Role::Receiver => here && record.epoch == epoch,
                };
            tracing::info!(handoff = %record.id, committed, "ended by a newer hand-off");
            self.end(&record, committed).await?;
        }
        Ok(())
    }
}

fn moved_on(workspace: &Workspace) -> Error {
    let detail = format!(
        "workspace {} is at epoch {} by now",
        workspace.name, workspace.epoch
    );
    Error::refused(ErrorCode::Conflict, detail).hint("look with `ff workspace show`")
}
