//! Looking at what differs, and one repair of it, for an operator.

use std::time::{Duration, Instant};

use ff_protocol::vm::VmState;

use super::differences::{Difference, differences};
use super::reconcile::{LIVE, Strangers};
use super::{LOOK_AGAIN, PAGE, VmService};
use crate::compute::Finding;
use crate::db::vms;
use crate::{Result, clock};

/// States that somebody is to move a VM out of.
const MOVING: [VmState; 4] = [
    VmState::Provisioning,
    VmState::Suspending,
    VmState::Resuming,
    VmState::Terminating,
];

impl VmService {
    /// What differs between rows and what the provider has, now. Changes nothing.
    ///
    /// # Errors
    /// The database or the provider does not answer.
    pub async fn differences(&self) -> Result<Vec<Difference>> {
        let machines = self.0.provider.list().await?;
        let belongings = self.0.provider.belongings().await?;
        let (mut rows, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = vms::in_states(self.0.db.read(), &LIVE, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            rows.extend(page);
        }
        Ok(differences(&rows, machines, &belongings, clock::now()))
    }

    /// What the host lacks.
    ///
    /// # Errors
    /// The provider does not answer.
    pub async fn findings(&self) -> Result<Vec<Finding>> {
        Ok(self.0.provider.findings().await?)
    }

    /// Reconciles until nothing is left to do and every VM is at rest, or the time is over; says
    /// what differs then. Only where no server runs: whoever drove a VM before counts as gone.
    ///
    /// # Errors
    /// The database or the provider does not answer.
    pub async fn mend(&self, within: Duration) -> Result<Vec<Difference>> {
        let (booted, until) = (clock::now(), Instant::now() + within);
        let mut strangers = Strangers::default();
        loop {
            self.reconcile(booted, &mut strangers).await?;
            let left = self.differences().await?;
            let moving = vms::in_states(self.0.db.read(), &MOVING, None, 1).await?;
            let at_rest = moving.is_empty() && !left.iter().any(|it| it.mends);
            if at_rest || Instant::now() >= until {
                return Ok(left);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
