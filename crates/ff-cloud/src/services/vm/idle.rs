//! The task that puts idle VMs to sleep, and wakes those that have something scheduled.

use std::time::Duration;

use chrono::TimeDelta;
use ff_protocol::agent::{Cause, Health, SuspendTier};
use ff_protocol::vm::VmState;
use ff_protocol::{ErrorCode, Timestamp, VmId};
use futures_util::StreamExt;

use super::activity::{self, Seen, due, plan};
use super::sleep::{Suspend, idle_seconds};
use super::{AGENT_CALL, PAGE, VmService, view};
use crate::agent::failure;
use crate::db::entity::vm::Model;
use crate::db::{leases, usage, vms};
use crate::{Error, Result, clock, error};

const AT_ONCE: usize = 8;
const FASTEST: Duration = Duration::from_secs(1);
const SLOWEST: Duration = Duration::from_secs(15);
/// A VM that woke by itself is left awake so long, for what was scheduled to begin.
const AWAKE_AT_LEAST: TimeDelta = TimeDelta::seconds(30);

impl VmService {
    /// Puts idle VMs to sleep and wakes those that are due, until the server stops.
    pub(super) async fn watch_idle(self) {
        let idle = self.0.settings.idle;
        let shortest = [idle.freeze_after, idle.stop_after, idle.stop_holding_after];
        let shortest = shortest.into_iter().flatten().min().unwrap_or(SLOWEST);
        let pause = (shortest / 4).clamp(FASTEST, SLOWEST);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.0.lifecycle.soft.cancelled() => return,
            }
            for work in [self.let_sleep().await, self.wake_due().await] {
                if let Err(error) = work {
                    tracing::warn!(error = %error::chain(&error), "idle VMs could not be looked at");
                }
            }
        }
    }

    async fn let_sleep(&self) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let states = [VmState::Running, VmState::Frozen];
            let rows = vms::in_states(self.0.db.read(), &states, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(last.id.clone());
            futures_util::stream::iter(rows)
                .for_each_concurrent(AT_ONCE, async |row| {
                    match self.let_one_sleep(&row).await {
                        Ok(()) => {}
                        Err(error) if matches!(error.code(), ErrorCode::Busy | ErrorCode::Conflict) => {
                            tracing::debug!(vm = %row.id, %error, "the VM does not sleep yet");
                        }
                        Err(error) => {
                            tracing::info!(vm = %row.id, error = %error::chain(&error), "the VM does not sleep");
                        }
                    }
                })
                .await;
        }
    }

    async fn let_one_sleep(&self, row: &Model) -> Result<()> {
        let (id, now) = (view::id(row)?, clock::now());
        let known = match VmState::from(row.state) {
            VmState::Running => self.activity(&id, row).await?,
            _ => Activity::of_sleeper(row),
        };
        let seen = self.seen(&known, row, &id, now).await?;
        let sleeps = plan(self.idle(), seen);
        let tier = match due(&sleeps, now) {
            None => return Ok(()),
            Some(tier) => tier,
        };
        let idle = now - seen.last_active;
        let why = match known.holding.is_empty() {
            true => format!("nothing has worked in it for {} s", idle.num_seconds()),
            false => format!(
                "nothing has worked in it for {} s, though it held {}",
                idle.num_seconds(),
                activity::names(&known.holding)
            ),
        };
        if VmState::from(row.state) == VmState::Frozen {
            return match tier {
                SuspendTier::Frozen => Ok(()),
                SuspendTier::Stopped => self.deepen(row, ("idle", &why)).await,
            };
        }
        // A new image comes with a stop; nothing is lost by one where nothing holds.
        let newer = known.holding.is_empty() && self.image_is_newer(row);
        let ask = Suspend {
            tier: match newer && self.0.settings.idle.stop_after.is_some() {
                true => SuspendTier::Stopped,
                false => tier,
            },
            idle_seconds: idle_seconds(idle.min(TimeDelta::seconds(3600))) / 2,
            let_go: !known.holding.is_empty(),
            why: ("idle", &why),
        };
        self.put_to_sleep(row, ask).await
    }

    /// The operator's settings, as far as the provider can follow them.
    pub(super) fn idle(&self) -> activity::Idle {
        let idle = self.0.settings.idle;
        activity::Idle {
            freeze_after: idle.freeze_after.filter(|_| self.0.provider.can_freeze()),
            ..idle
        }
    }

    /// What a running VM's agent says of its work: as it reports it, or asked now.
    pub(super) async fn activity(&self, id: &VmId, row: &Model) -> Result<Activity> {
        if let Some(health) = self.0.live.health(id) {
            return Ok(Activity::of(&health));
        }
        let asking = async {
            let agent = self.0.agents.client(&self.endpoint(row)?).await?;
            agent.health().await.map_err(failure)
        };
        match tokio::time::timeout(AGENT_CALL, asking).await {
            Ok(health) => Ok(Activity::of(&health?)),
            Err(_) => Err(Error::refused(
                ErrorCode::AgentUnavailable,
                "the agent in the VM does not answer",
            )),
        }
    }

    /// All that is known of a VM's work: what the agent says, what the row says, what went
    /// through this server, and its leases.
    pub(super) async fn seen<'a>(
        &self,
        known: &'a Activity,
        row: &Model,
        id: &VmId,
        now: Timestamp,
    ) -> Result<Seen<'a>> {
        let touched = self.0.live.touched(id);
        let touched = touched
            .and_then(|ago| TimeDelta::from_std(ago).ok())
            .map(|ago| now - ago);
        let shortest = [
            self.0.settings.idle.freeze_after,
            self.0.settings.idle.stop_after,
        ];
        let shortest = shortest
            .into_iter()
            .flatten()
            .min()
            .and_then(|it| TimeDelta::from_std(it).ok());
        // So that the earliest sleep comes so long after it woke, and no later for it.
        let woke = row
            .state_since
            .filter(|_| VmState::from(row.state) == VmState::Running);
        let floor = woke
            .zip(shortest)
            .map(|(at, shortest)| at + AWAKE_AT_LEAST.min(shortest) - shortest);
        let last_active = [known.last_active, row.last_active_at, touched, floor]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(now)
            .min(now);
        let leases = leases::of_vm(self.0.db.read(), id, now).await?;
        Ok(Seen {
            working: &known.working,
            holding: &known.holding,
            leased_until: leases.last().map(|lease| lease.expires_at),
            last_active,
        })
    }

    async fn wake_due(&self) -> Result<()> {
        let now = clock::now();
        for row in vms::due_to_wake(self.0.db.read(), now, PAGE).await? {
            let id = view::id(&row)?;
            let hour = now - TimeDelta::hours(1);
            let woken = usage::scheduled_since(self.0.db.read(), &id, hour).await?;
            if woken >= u64::from(self.0.settings.wakes_per_hour) {
                // Its next chance comes with the budget, not with each look.
                let later = now + TimeDelta::minutes(5);
                vms::wake_later(self.0.db.write(), &id, Some(later)).await?;
                tracing::info!(vm = %id, woken, "the VM has used up its wakes of this hour");
                continue;
            }
            tracing::info!(vm = %id, "the VM wakes for what is scheduled");
            self.resume(&row, super::SCHEDULE).await?;
        }
        Ok(())
    }
}

/// What is known of the work in a VM.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity {
    pub working: Vec<Cause>,
    pub holding: Vec<Cause>,
    pub last_active: Option<Timestamp>,
}

impl Activity {
    fn of(health: &Health) -> Self {
        Self {
            working: health.working.clone(),
            holding: health.holding.clone(),
            last_active: Some(health.last_active_at),
        }
    }

    /// Of a VM that sleeps: what held it when it went to sleep.
    pub fn of_sleeper(row: &Model) -> Self {
        Self {
            holding: serde_json::from_str(&row.holding).unwrap_or_default(),
            ..Self::default()
        }
    }
}
