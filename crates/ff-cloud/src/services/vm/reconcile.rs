//! Keeps rows and machines in line: takes no input, can run at any time and any number of times.
//! It never removes what a row does not name, and never removes a home but for `terminating`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, VmId};

use super::failure::Cause;
use super::{PAGE, VmService, view};
use crate::compute::Power;
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::{Result, clock, error};

const EVERY: Duration = Duration::from_secs(30);
const LIVE: [VmState; 9] = [
    VmState::Pooled,
    VmState::Provisioning,
    VmState::Running,
    VmState::Suspending,
    VmState::Frozen,
    VmState::Stopped,
    VmState::Resuming,
    VmState::Failed,
    VmState::Terminating,
];

/// What to do about a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Nothing,
    /// Go on removing it.
    Remove,
    /// Nobody drives it any more.
    Fail,
    /// End `suspending` by what the machine does.
    SettleSuspending,
    /// Its machine may have ended.
    NoteEnded,
}

fn action(state: VmState, stuck: bool, power: Option<Power>) -> Action {
    match state {
        VmState::Terminating => Action::Remove,
        VmState::Provisioning | VmState::Resuming if stuck => Action::Fail,
        VmState::Suspending if stuck => Action::SettleSuspending,
        VmState::Running => match power {
            Some(Power::On | Power::Frozen) => Action::Nothing,
            Some(Power::Off { .. }) | None => Action::NoteEnded,
        },
        _ => Action::Nothing,
    }
}

impl VmService {
    /// Reconciles now and then, until the server stops. `booted` is when this server started:
    /// whoever drove a VM before is gone, as the data directory has one server at a time.
    pub(super) async fn reconcile_always(self, booted: Timestamp) {
        let mut strangers = HashSet::new();
        loop {
            if let Err(error) = self.reconcile(booted, &mut strangers).await {
                tracing::warn!(error = %error::chain(&error), "VMs could not be reconciled");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.0.lifecycle.soft.cancelled() => return,
            }
        }
    }

    async fn reconcile(&self, booted: Timestamp, strangers: &mut HashSet<VmId>) -> Result<()> {
        let machines = self.0.provider.list().await?;
        let mut machines: HashMap<_, _> = machines
            .into_iter()
            .map(|machine| (machine.vm_id, machine.power))
            .collect();
        let mut after: Option<String> = None;
        loop {
            let rows = vms::in_states(self.0.db.read(), &LIVE, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else {
                break;
            };
            after = Some(last.id.clone());
            for row in rows {
                let id = view::id(&row)?;
                let power = machines.remove(&id);
                if let Err(error) = self.reconcile_one(&id, &row, power, booted).await {
                    tracing::warn!(vm = %id, error = %error::chain(&error), "the VM could not be reconciled");
                }
            }
        }
        for vm in machines.keys().filter(|vm| !strangers.contains(*vm)) {
            tracing::warn!(%vm, "a container of this server belongs to no VM it knows; it is left alone");
        }
        *strangers = machines.into_keys().collect();
        Ok(())
    }

    async fn reconcile_one(
        &self,
        id: &VmId,
        row: &Model,
        power: Option<Power>,
        booted: Timestamp,
    ) -> Result<()> {
        let overdue = row
            .deadline_at
            .is_some_and(|deadline| deadline < clock::now());
        let orphan = row.updated_at < booted;
        match action(row.state.into(), overdue || orphan, power) {
            Action::Nothing => Ok(()),
            Action::Remove => self.finish_removal(id).await,
            Action::NoteEnded => self.note_ended(id).await,
            Action::SettleSuspending => {
                let Some(_driving) = self.0.drivers.try_begin(id) else {
                    return Ok(());
                };
                let why = ("interrupted", "the server ended while it was being stopped");
                self.settle_suspending(id, why).await
            }
            Action::Fail => self.fail_stuck(id, row).await,
        }
    }

    /// Ends a start that nobody drives any more. Its container may be half-made and goes; the
    /// next attempt makes another on the same home.
    async fn fail_stuck(&self, id: &VmId, row: &Model) -> Result<()> {
        let Some(_driving) = self.0.drivers.try_begin(id) else {
            return Ok(());
        };
        self.0.provider.remove(id).await?;
        let reason = (
            Cause::Interrupted.as_str().to_owned(),
            "the server ended while the VM was being started".to_owned(),
        );
        let change = Change {
            reason: Some(reason),
            ..Default::default()
        };
        self.transition(row, VmState::Failed, change).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Option<Power> = Some(Power::OFF);

    #[test]
    fn a_running_row_needs_a_running_machine() {
        for stuck in [false, true] {
            let of = |power| action(VmState::Running, stuck, power);
            assert_eq!(of(Some(Power::On)), Action::Nothing);
            assert_eq!(of(Some(Power::Frozen)), Action::Nothing);
            assert_eq!(of(OFF), Action::NoteEnded);
            assert_eq!(of(None), Action::NoteEnded);
        }
    }

    #[test]
    fn removals_always_go_on_and_stuck_starts_fail() {
        for power in [None, OFF, Some(Power::On)] {
            for stuck in [false, true] {
                assert_eq!(action(VmState::Terminating, stuck, power), Action::Remove);
            }
            for state in [VmState::Provisioning, VmState::Resuming] {
                assert_eq!(action(state, true, power), Action::Fail);
                assert_eq!(action(state, false, power), Action::Nothing);
            }
            assert_eq!(
                action(VmState::Suspending, true, power),
                Action::SettleSuspending
            );
        }
    }

    #[test]
    fn what_sleeps_is_left_asleep() {
        for state in [
            VmState::Stopped,
            VmState::Frozen,
            VmState::Failed,
            VmState::Pooled,
        ] {
            for power in [None, OFF, Some(Power::On)] {
                assert_eq!(action(state, true, power), Action::Nothing);
            }
        }
    }
}
