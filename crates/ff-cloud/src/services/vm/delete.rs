//! Removing a VM with its home.

use ff_protocol::vm::VmState;
use ff_protocol::{UserId, VmId};
use tokio::sync::oneshot;

use super::VmService;
use crate::db::vms::{self, Change};
use crate::db::workspaces;
use crate::{Error, Result, error};

impl VmService {
    /// Removes a VM of this user (or anyone's), its container and its home. When the provider fails, the VM stays
    /// `terminating`, and the reconciler goes on with it.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; `compute_unavailable` when it could not be
    /// finished now.
    pub async fn delete(&self, id: &VmId, user: Option<&UserId>) -> Result<()> {
        self.get(id, user).await?;
        loop {
            let row = self.row(id).await?;
            let marked = VmState::from(row.state) == VmState::Terminating
                || self
                    .transition(&row, VmState::Terminating, Change::default())
                    .await?;
            if marked {
                break;
            }
        }
        self.0.drivers.interrupt(id);
        let (tell, told) = oneshot::channel();
        let (service, vm) = (self.clone(), id.clone());
        self.spawn(async move {
            let removed = service.finish_removal(&vm).await;
            if let Err(error) = &removed {
                tracing::warn!(%vm, error = %error::chain(error), "the VM could not be removed yet");
            }
            // The caller may have gone; the work is done all the same.
            let _ = tell.send(removed);
        });
        match told.await {
            Ok(removed) => removed,
            Err(_) => Err(super::stopping()),
        }
    }

    /// Removes what a VM in `terminating` still has; harmless on one that is gone.
    pub(super) async fn finish_removal(&self, id: &VmId) -> Result<()> {
        let _driving = self.0.drivers.begin(id).await;
        let Some(row) = vms::get(self.0.db.write(), id).await? else {
            return Err(Error::not_found("VM", id));
        };
        if VmState::from(row.state) != VmState::Terminating {
            return Ok(());
        }
        self.0.agents.forget(id);
        self.0.provider.remove(id).await?;
        self.0.provider.remove_home(id).await?;
        workspaces::remove_of_vm(self.0.db.write(), id).await?;
        let change = Change {
            release_user: true,
            ..Default::default()
        };
        self.transition(&row, VmState::Terminated, change).await?;
        self.touched().remove(id);
        Ok(())
    }
}
