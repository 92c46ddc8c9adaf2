//! Making a user's VM.

use std::time::Instant;

use ff_protocol::vm::{Vm, VmState};
use ff_protocol::{ErrorCode, UserId, VmId};

use super::failure::Fault;
use super::{VmService, WAIT, state, view};
use crate::db::entity::vm::Model;
use crate::db::users;
use crate::db::vms::{self, NewVm};
use crate::{Error, Result, clock};

impl VmService {
    /// The user's VM and whether it was made by this call: a user who has a live one gets that,
    /// as it is. Waits while it is being made; tries again to bring up one that failed.
    ///
    /// # Errors
    /// `compute_unavailable` and `agent_unavailable` with the reason, `conflict` while the user's
    /// VM is being removed, `timeout`.
    pub async fn create(&self, user: &UserId) -> Result<(Vm, bool)> {
        let (until, asked) = (Instant::now() + WAIT, clock::now());
        let mut changes = self.0.drivers.changes();
        let (mut made, mut waited) = (false, false);
        loop {
            self.refuse_when_stopping()?;
            let Some(row) = vms::live_of(self.0.db.read(), user).await? else {
                made |= self.begin(user).await?;
                continue;
            };
            match row.state.into() {
                VmState::Running | VmState::Stopped | VmState::Frozen | VmState::Pooled => {
                    return Ok((view::vm(&row)?, made));
                }
                VmState::Failed if waited || made || row.updated_at >= asked => {
                    return Err(failed(&row));
                }
                VmState::Failed => {
                    self.resume(&row).await?;
                }
                VmState::Terminating | VmState::Terminated => {
                    return Err(Error::refused(
                        ErrorCode::Conflict,
                        "the user's VM is being removed",
                    )
                    .hint("try again when it is gone"));
                }
                VmState::Provisioning | VmState::Suspending | VmState::Resuming => {
                    self.change(&mut changes, until).await?;
                }
            }
            waited = true;
        }
    }

    /// Enters a new VM and begins to make it. `false` if the user got one at the same moment.
    async fn begin(&self, user: &UserId) -> Result<bool> {
        self.0.provider.ping().await?;
        users::ensure(self.0.db.write(), user).await?;
        let limit = state::limit(VmState::Provisioning).unwrap_or(WAIT);
        let new = NewVm {
            id: VmId::generate(),
            user: user.clone(),
            image: self.0.image.clone(),
            deadline: clock::now() + limit,
        };
        let Some(row) = vms::insert(self.0.db.write(), new).await? else {
            return Ok(false);
        };
        tracing::info!(vm = %row.id, %user, "VM entered");
        self.0.drivers.changed();
        self.drive_up(row)?;
        Ok(true)
    }
}

/// What a caller is told about a VM that failed.
pub(super) fn failed(row: &Model) -> Error {
    Fault::of_row(row.reason_code.as_deref(), row.reason.as_deref())
        .problem()
        .into()
}
