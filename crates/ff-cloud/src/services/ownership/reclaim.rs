//! Taking a workspace from a side that is gone, or out of a conflict.

use ff_protocol::handoff::HandoffState;
use ff_protocol::ownership::{Reclaim, Ruling};
use ff_protocol::workspace::Owner;
use ff_protocol::{ErrorCode, UserId, VmId, WorkspaceId};
use sea_orm::TransactionTrait;

use super::OwnershipService;
use crate::agent::failure;
use crate::db::{handoffs, vms, workspaces};
use crate::services::workspace::{owner, parse};
use crate::{Error, Result};

impl OwnershipService {
    /// Makes the cloud or a desktop the owner, at an epoch above all before. What is under way of
    /// hand-offs is given up. The same call again has no further effect but to tell the VM.
    ///
    /// # Errors
    /// `not_found` for an unknown workspace, or a VM without a copy of it; `conflict` when the
    /// epoch is not a higher one; what waking the VM may answer, where the cloud takes it.
    pub async fn reclaim(&self, user: &UserId, id: &WorkspaceId, ask: &Reclaim) -> Result<()> {
        let epoch = i64::try_from(ask.epoch)
            .ok()
            .filter(|epoch| (1..i64::MAX).contains(epoch))
            .ok_or_else(|| Error::refused(ErrorCode::Invalid, "`epoch` is out of range"))?;
        if ask.owner == Owner::Contested {
            let detail = "a workspace is reclaimed by the cloud or a desktop";
            return Err(Error::refused(ErrorCode::Invalid, detail));
        }
        let vm = vms::live_of(self.db.read(), user).await?;
        let vm: Option<VmId> = vm.map(|row| parse(row.id)).transpose()?;
        if ask.owner == Owner::Cloud {
            self.check_copy(vm.as_ref(), id).await?;
        }
        let row = workspaces::get(self.db.read(), user, id)
            .await?
            .ok_or_else(|| Error::not_found("workspace", id))?;
        let done = owner(&row)? == ask.owner && row.epoch == epoch;
        if !done {
            let tx = self.db.write().begin().await?;
            if let Some(handoff) = &row.handoff_id {
                let open = [HandoffState::Transferring, HandoffState::Restored];
                handoffs::advance(&tx, handoff, &open, HandoffState::Aborted).await?;
            }
            let to_vm = vm.as_ref().filter(|_| ask.owner == Owner::Cloud);
            if row.epoch >= epoch || !workspaces::adopt(&tx, &row, &ask.owner, epoch, to_vm).await?
            {
                let detail = format!("workspace `{id}` is at epoch {} by now", row.epoch);
                return Err(Error::refused(ErrorCode::Conflict, detail)
                    .hint("look with `ff workspace show`"));
            }
            tx.commit().await?;
            tracing::warn!(workspace = %id, before = %row.owner, owner = %ask.owner, epoch, "reclaimed");
        }
        match (&vm, &ask.owner) {
            (Some(vm), Owner::Cloud) => {
                let agent = self.awake(vm).await?;
                agent.reclaim(id, ask).await.map_err(failure)?;
            }
            (Some(vm), _) => {
                let ruling = Ruling {
                    workspace_id: id.clone(),
                    owner: ask.owner.clone(),
                    epoch: ask.epoch,
                    by: None,
                };
                self.pass_on(vm, &ruling).await;
            }
            (None, _) => {}
        }
        Ok(())
    }

    async fn check_copy(&self, vm: Option<&VmId>, id: &WorkspaceId) -> Result<()> {
        let none = || {
            let detail = format!("no copy of workspace `{id}` stayed in the VM");
            Error::refused(ErrorCode::NotFound, detail)
        };
        let vm = vm.ok_or_else(none)?;
        let claims = self.awake(vm).await?.claims().await.map_err(failure)?;
        match claims.iter().any(|it| it.workspace_id == *id && it.copy) {
            true => Ok(()),
            false => Err(none()),
        }
    }
}
