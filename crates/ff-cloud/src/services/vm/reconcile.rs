//! Keeps rows and machines in line: takes no input, can run at any time and any number of times.
//! Runs at boot, when the provider tells of a change, when kicked, and on a slow timer; nothing
//! depends on an event being seen. It never removes a home but for `terminating`.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ff_protocol::vm::VmState;
use ff_protocol::{Timestamp, VmId};
use futures_util::StreamExt;

use super::action::{Action, Facts, action};
use super::failure::{self, Cause};
use super::{PAGE, STOP_GRACE, VmService, view};
use crate::compute::{BelongingKind, Machine};
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::fault::{self, Point};
use crate::{Result, clock, error};

const EVERY: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 4;
const AFTER_LOST_EVENTS: Duration = Duration::from_secs(2);
pub(super) const LIVE: [VmState; 9] = [
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

/// Machines that no row names, and since when they were seen.
#[derive(Debug, Default)]
pub(super) struct Strangers(HashMap<VmId, Instant>);

impl VmService {
    /// Reconciles at once and then now and then, until the server stops. `booted` is when this
    /// server started: whoever drove a VM before is gone, as the data directory has one server at
    /// a time.
    pub(super) async fn reconcile_always(self, booted: Timestamp) {
        let mut strangers = Strangers::default();
        loop {
            match self.reconcile(booted, &mut strangers).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %error::chain(&error), "VMs could not be reconciled");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.0.kick.notified() => {}
                () = self.0.lifecycle.soft.cancelled() => return,
            }
        }
    }

    /// Looks after each VM of which the provider tells, until the server stops.
    pub(super) async fn follow_events(self, booted: Timestamp) {
        let following = async {
            loop {
                if let Ok(mut events) = self.0.provider.watch().await {
                    while let Some(vm) = events.next().await {
                        if let Err(error) = self.reconcile_vm(&vm, booted).await {
                            tracing::warn!(%vm, error = %error::chain(&error), "the VM could not be reconciled");
                        }
                    }
                }
                tokio::time::sleep(AFTER_LOST_EVENTS).await;
                self.0.kick.notify_one();
            }
        };
        tokio::select! {
            () = following => {}
            () = self.0.lifecycle.soft.cancelled() => {}
        }
    }

    /// One pass over everything.
    pub(super) async fn reconcile(
        &self,
        booted: Timestamp,
        strangers: &mut Strangers,
    ) -> Result<()> {
        let began = Instant::now();
        let machines = self.0.provider.list().await?;
        let mut machines: HashMap<VmId, Machine> = machines
            .into_iter()
            .map(|machine| (machine.vm_id.clone(), machine))
            .collect();
        let belongings = self.0.provider.belongings().await?;
        let homes: HashSet<VmId> = belongings
            .iter()
            .filter(|it| it.kind == BelongingKind::Home)
            .filter_map(|it| it.vm_id.clone())
            .collect();
        let (mut after, mut rows_seen, mut moved) = (None::<String>, 0_usize, 0_usize);
        let mut live = HashSet::new();
        loop {
            let rows = vms::in_states(self.0.db.read(), &LIVE, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else {
                break;
            };
            after = Some(last.id.clone());
            rows_seen += rows.len();
            let mut due = Vec::new();
            for row in rows {
                let id = view::id(&row)?;
                let machine = machines.remove(&id);
                let home = homes.contains(&id);
                let action = action(self.facts(&row, &machine, home, booted));
                if action == Action::Watch {
                    self.watch(&row)?;
                } else if action != Action::Nothing {
                    due.push((id.clone(), row));
                }
                live.insert(id);
            }
            moved += due.len();
            futures_util::stream::iter(due)
                .for_each_concurrent(AT_ONCE, async |(id, _)| {
                    if let Err(error) = self.reconcile_vm(&id, booted).await {
                        tracing::warn!(vm = %id, error = %error::chain(&error), "the VM could not be reconciled");
                    }
                })
                .await;
        }
        for network in belongings
            .iter()
            .filter(|it| it.kind == BelongingKind::Network)
        {
            if network.vm_id.as_ref().is_none_or(|vm| !live.contains(vm)) {
                tracing::info!(network = network.id, "a network of no VM is removed");
                self.0.provider.remove_network(&network.id).await?;
            }
        }
        self.put_aside(machines.into_keys().collect(), strangers)
            .await;
        if let Err(error) = self.keep_images(&[]).await {
            tracing::debug!(error = %error::chain(&error), "images could not be kept");
        }
        let millis = began.elapsed().as_millis() as u64;
        tracing::info!(rows = rows_seen, moved, millis, "reconciled");
        Ok(())
    }

    /// Stops machines that no row names, and removes those that are still there after the grace.
    /// Their homes stay: a database that was restored from a backup must cost nobody theirs.
    async fn put_aside(&self, unknown: HashSet<VmId>, strangers: &mut Strangers) {
        strangers.0.retain(|vm, _| unknown.contains(vm));
        for vm in unknown {
            let since = *strangers.0.entry(vm.clone()).or_insert_with(|| {
                tracing::warn!(%vm, "a machine of this server belongs to no VM it knows; it is stopped and kept aside");
                Instant::now()
            });
            let work = async {
                self.0.provider.stop(&vm, STOP_GRACE).await?;
                if since.elapsed() >= self.0.settings.stranger_grace {
                    tracing::warn!(%vm, "a machine that belongs to no VM is removed; its home stays");
                    self.0.provider.remove(&vm).await?;
                }
                Ok::<_, crate::compute::ComputeError>(())
            };
            if let Err(error) = work.await {
                tracing::warn!(%vm, %error, "a machine that belongs to no VM could not be put aside");
            }
        }
    }

    fn facts(
        &self,
        row: &Model,
        machine: &Option<Machine>,
        home: bool,
        booted: Timestamp,
    ) -> Facts {
        let now = clock::now();
        Facts {
            state: row.state.into(),
            power: machine.as_ref().map(|machine| machine.power),
            home_lost: row.has_home && !home,
            orphan: row.updated_at < booted,
            overdue: row.deadline_at.is_some_and(|deadline| deadline < now),
            unanswered: failure::unanswered(row),
        }
    }

    /// Reconciles one VM, from what there is now.
    pub(super) async fn reconcile_vm(&self, id: &VmId, booted: Timestamp) -> Result<()> {
        let machine = self.0.provider.inspect(id).await?;
        let home = self.0.provider.home_exists(id).await?;
        let Some(row) = vms::get(self.0.db.write(), id).await? else {
            return Ok(());
        };
        let todo = action(self.facts(&row, &machine, home, booted));
        if matches!(todo, Action::Nothing | Action::Watch) {
            return Ok(());
        }
        // Who works on it now brings it to rest, within a deadline.
        let Some(driving) = self.0.drivers.try_begin(id) else {
            return Ok(());
        };
        if vms::get(self.0.db.write(), id).await?.as_ref() != Some(&row) {
            return Ok(());
        }
        match todo {
            Action::Nothing | Action::Watch => Ok(()),
            Action::Remove => {
                drop(driving);
                self.finish_removal(id).await
            }
            Action::Drive => {
                drop(driving);
                self.drive_up(row, Some(super::RESTART))
            }
            Action::Fail => self.fail_stuck(id, &row).await,
            Action::SettleSuspending => self.settle_suspending(id, &row).await,
            Action::NoteEnded => {
                drop(driving);
                self.note_ended(id).await
            }
            Action::Thaw | Action::TryAgain => {
                drop(driving);
                self.resume(&row, super::RESTART).await.map(|_| ())
            }
            Action::StopMachine => Ok(self.0.provider.stop(id, STOP_GRACE).await?),
            Action::NoteStopped => self.note_stopped(id, &row).await,
            Action::LoseHome => self.note_home_lost(id, &row).await,
        }
    }

    /// Ends a start that did not end by itself. Its container may be half-made and goes; the next
    /// attempt makes another on the same home.
    async fn fail_stuck(&self, id: &VmId, row: &Model) -> Result<()> {
        self.0.provider.remove(id).await?;
        let text = "the VM was not up within its deadline".to_owned();
        let change = Change {
            reason: Some((Cause::Deadline.as_str().to_owned(), text)),
            ..Default::default()
        };
        self.transition(row, VmState::Failed, change).await?;
        Ok(())
    }

    /// A frozen VM's machine has ended: its memory is lost, and its home is not.
    async fn note_stopped(&self, id: &VmId, row: &Model) -> Result<()> {
        self.0.agents.forget(id);
        self.0.live.end(id);
        let text = "its container ended while it was frozen".to_owned();
        let change = Change {
            reason: Some((Cause::Exited.as_str().to_owned(), text)),
            asleep: Some((row.holding.clone(), row.next_wake_at)),
            ..Default::default()
        };
        self.transition(row, VmState::Stopped, change).await?;
        Ok(())
    }

    /// A VM that has lost its home is not started on an empty one.
    async fn note_home_lost(&self, id: &VmId, row: &Model) -> Result<()> {
        let text = "the volume with the user's home is gone".to_owned();
        let reason = Some((Cause::Volume.as_str().to_owned(), text));
        let change = Change {
            reason: reason.clone(),
            ..Default::default()
        };
        if self
            .transition(row, VmState::Resuming, change.clone())
            .await?
        {
            fault::point(Point::LossMarked);
            self.0.provider.stop(id, STOP_GRACE).await?;
            fault::point(Point::LossStopped);
            self.transition_from(id, VmState::Resuming, VmState::Failed, change)
                .await?;
        }
        Ok(())
    }
}
