//! Giving a user a VM.

use std::time::Instant;

use ff_protocol::vm::{Vm, VmState};
use ff_protocol::{ErrorCode, UserId, VmId};

use super::failure::Fault;
use super::{AGENT_CALL, VmService, state, view};
use crate::db::entity::vm::Model;
use crate::db::pool::{self, Claim};
use crate::db::users;
use crate::db::vms::{self, NewVm};
use crate::fault::{self, Point};
use crate::{Error, Result, clock};

impl VmService {
    /// The user's VM and whether it was made by this call: a user who has a live one gets that,
    /// as it is. Takes one from the pool, else waits while it is being made; tries again to bring
    /// up one that failed.
    ///
    /// # Errors
    /// `compute_unavailable` and `agent_unavailable` with the reason, `conflict` while the user's
    /// VM is being removed, `timeout`.
    pub async fn create(&self, user: &UserId) -> Result<(Vm, bool)> {
        let (until, asked) = (Instant::now() + self.0.settings.wait, clock::now());
        let mut changes = self.0.drivers.changes();
        let (mut made, mut waited) = (false, false);
        loop {
            self.refuse_when_stopping()?;
            let Some(row) = vms::live_of(self.0.db.read(), user).await? else {
                let (service, user) = (self.clone(), user.clone());
                let begun = self.to_its_end(async move { service.begin(&user).await });
                made |= begun.await?;
                continue;
            };
            match row.state.into() {
                VmState::Running | VmState::Stopped | VmState::Frozen | VmState::Pooled => {
                    return Ok((self.shown(&row)?, made));
                }
                VmState::Failed if waited || made || row.updated_at >= asked => {
                    return Err(failed(&row));
                }
                VmState::Failed => {
                    self.resume(&row, super::USER).await?;
                }
                VmState::Terminating | VmState::Terminated => {
                    return Err(Error::refused(
                        ErrorCode::Conflict,
                        "the user's VM is being removed",
                    )
                    .hint("try again when it is gone"));
                }
                state @ (VmState::Provisioning | VmState::Suspending | VmState::Resuming) => {
                    self.change(&mut changes, until, state).await?;
                }
            }
            waited = true;
        }
    }

    /// Takes a VM from the pool, or enters a new one and begins to make it. `false` if the user
    /// got one at the same moment.
    async fn begin(&self, user: &UserId) -> Result<bool> {
        users::ensure(self.0.db.write(), user).await?;
        if self.0.settings.pool.size > 0 {
            let image = self.image_in_use();
            self.0.pool.noted_claim();
            match pool::claim(self.0.db.write(), user, image.as_deref()).await? {
                Claim::Got(row) => {
                    fault::point(Point::Claimed);
                    self.0.pool.claimed();
                    return self.greet(*row).await;
                }
                Claim::Taken => return Ok(false),
                Claim::Empty => self.0.pool.missed(),
            }
        }
        self.0.provider.ping().await?;
        self.enter(Some(user)).await
    }

    /// The one call to the agent of a VM that was just claimed. One that does not answer is
    /// started again, on its home.
    async fn greet(&self, row: Model) -> Result<bool> {
        let id = view::id(&row)?;
        self.0.drivers.changed();
        let greeting = async {
            let agent = self.0.agents.client(&self.endpoint(&row)?).await?;
            agent.health().await.map_err(crate::agent::failure)
        };
        match tokio::time::timeout(AGENT_CALL, greeting).await {
            Ok(Ok(_)) => {
                tracing::info!(vm = %id, user = row.user_id, "VM claimed");
                self.watch(&row)?;
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(vm = %id, "a VM of the pool does not answer; it is started again");
                self.resume(&row, super::USER).await?;
            }
        }
        Ok(true)
    }

    /// Enters a new VM, for a user or the pool, and begins to make it. `false` if the user got
    /// one at the same moment.
    pub(super) async fn enter(&self, user: Option<&UserId>) -> Result<bool> {
        let limit = state::limit(VmState::Provisioning).unwrap_or(super::DRIVER);
        let new = NewVm {
            id: VmId::generate(),
            user: user.cloned(),
            image: self.0.settings.image.clone(),
            image_id: self.current_image().await?,
            deadline: clock::now() + limit,
        };
        let Some(row) = vms::insert(self.0.db.write(), new).await? else {
            return Ok(false);
        };
        fault::point(Point::Entered);
        tracing::info!(vm = %row.id, user = row.user_id, "VM entered");
        self.0.drivers.changed();
        let cause = user.map(|_| super::USER);
        self.drive_up(row, cause)?;
        Ok(true)
    }
}

/// What a caller is told about a VM that failed.
pub(super) fn failed(row: &Model) -> Error {
    Fault::of_row(row.reason_code.as_deref(), row.reason.as_deref())
        .problem()
        .into()
}
