//! Removing a VM with its home.

use ff_protocol::vm::VmState;
use ff_protocol::{UserId, VmId};
use tokio::sync::oneshot;

use super::VmService;
use crate::db::vms::{self, Change};
use crate::db::{leases, workspaces};
use crate::fault::{self, Point};
use crate::{Error, Result, error};

impl VmService {
    /// Removes a VM of this user (or anyone's), its container and its home. When the provider fails, the VM stays
    /// `terminating`, and the reconciler goes on with it.
    ///
    /// # Errors
    /// `not_found`, also when it is another user's; `compute_unavailable` when it could not be
    /// finished now.
    pub async fn delete(&self, id: &VmId, user: Option<&UserId>) -> Result<()> {
        self.owned_or_leaving(id, user).await?;
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
        fault::point(Point::RemoveMarked);
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

    /// As a task of its own; when it fails, the reconciler goes on with it.
    pub(super) fn finish_removal_in_background(&self, vm: VmId) {
        self.0.drivers.interrupt(&vm);
        let service = self.clone();
        self.spawn(async move {
            if let Err(error) = service.finish_removal(&vm).await {
                tracing::warn!(%vm, error = %error::chain(&error), "the VM could not be removed yet");
            }
        });
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
        fault::point(Point::MachineGone);
        self.0.provider.remove_home(id).await?;
        fault::point(Point::HomeGone);
        workspaces::remove_of_vm(self.0.db.write(), id).await?;
        leases::remove_of_vm(self.0.db.write(), id.as_str()).await?;
        fault::point(Point::RowsGone);
        let change = Change {
            release_user: true,
            ..Default::default()
        };
        self.transition(&row, VmState::Terminated, change).await?;
        self.0.live.end(id);
        Ok(())
    }
}
