//! Putting a VM to sleep: its container is stopped, never removed.

use ff_protocol::VmId;
use ff_protocol::vm::VmState;

use super::{STOP_GRACE, VmService, view};
use crate::Result;
use crate::compute::Power;
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};

/// Code in the row of a VM whose container ended by itself.
const ENDED: &str = "container_ended";

impl VmService {
    /// Stops a VM that runs; no effect if it has moved on since `row` was read. An intent that
    /// comes meanwhile waits, and then wakes it.
    pub(super) async fn stop(&self, row: &Model, why: &str) -> Result<()> {
        let id = view::id(row)?;
        let Some(_driving) = self.0.drivers.try_begin(&id) else {
            return Ok(());
        };
        if !self
            .transition(row, VmState::Suspending, Change::default())
            .await?
        {
            return Ok(());
        }
        self.0.agents.forget(&id);
        if let Err(error) = self.0.provider.stop(&id, STOP_GRACE).await {
            tracing::warn!(vm = %id, %error, "the VM could not be stopped");
        }
        self.settle_suspending(&id, ("idle", why)).await
    }

    /// Ends `suspending` by what the machine does. Left as it is when the provider does not tell.
    pub(super) async fn settle_suspending(&self, id: &VmId, why: (&str, &str)) -> Result<()> {
        let to = match self
            .0
            .provider
            .inspect(id)
            .await?
            .map(|machine| machine.power)
        {
            Some(Power::On | Power::Frozen) => VmState::Running,
            Some(Power::Off { .. }) | None => VmState::Stopped,
        };
        let reason = (why.0.to_owned(), why.1.to_owned());
        let change = Change {
            reason: Some(reason).filter(|_| to == VmState::Stopped),
            ..Default::default()
        };
        self.transition_from(id, VmState::Suspending, to, change)
            .await?;
        if to == VmState::Stopped {
            self.touched().remove(id);
        }
        Ok(())
    }

    /// Takes note that the container of a VM that should run has ended or is gone: the next
    /// intent brings it up again.
    pub(super) async fn note_ended(&self, id: &VmId) -> Result<()> {
        let Some(_driving) = self.0.drivers.try_begin(id) else {
            return Ok(());
        };
        // Read and look again: both may have changed before the turn came.
        let Some(row) = vms::get(self.0.db.write(), id).await? else {
            return Ok(());
        };
        if VmState::from(row.state) != VmState::Running {
            return Ok(());
        }
        let why = match self.0.provider.inspect(id).await? {
            Some(machine) => match machine.power {
                Power::Off { exit_code, .. } => {
                    let code = exit_code.map_or("unknown".to_owned(), |code| code.to_string());
                    format!("its container ended by itself, exit code {code}")
                }
                Power::On | Power::Frozen => return Ok(()),
            },
            None => {
                "its container is gone; the next use makes a new one on the same home".to_owned()
            }
        };
        self.0.agents.forget(id);
        if self
            .transition(&row, VmState::Suspending, Change::default())
            .await?
        {
            self.settle_suspending(id, (ENDED, &why)).await?;
        }
        Ok(())
    }
}
