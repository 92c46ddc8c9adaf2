//! Asks the agents of running VMs how they are, and stops VMs in which nothing works.

use std::time::Duration;

use chrono::TimeDelta;
use ff_protocol::Timestamp;
use ff_protocol::agent::Health;
use ff_protocol::vm::VmState;
use futures_util::StreamExt;

use super::{PAGE, VmService, view};
use crate::agent::failure;
use crate::db::entity::vm::Model;
use crate::db::vms;
use crate::{Result, clock, error};

const AT_ONCE: usize = 8;
const SLOW: Duration = Duration::from_secs(30);
const FAST: Duration = Duration::from_secs(1);
/// A quiet VM's row is written this often, not at each look.
const NOTE_EVERY: TimeDelta = TimeDelta::seconds(60);

impl VmService {
    /// Looks at every running VM now and then, until the server stops.
    pub(super) async fn watch_health(self, idle_stop: Option<Duration>) {
        let pause = idle_stop.map_or(SLOW, |idle| (idle / 4).clamp(FAST, SLOW / 2));
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.0.lifecycle.soft.cancelled() => return,
            }
            if let Err(error) = self.look_at_all(idle_stop).await {
                tracing::warn!(error = %error::chain(&error), "the health of VMs could not be read");
            }
        }
    }

    async fn look_at_all(&self, idle_stop: Option<Duration>) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let running = [VmState::Running];
            let rows = vms::in_states(self.0.db.read(), &running, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(last.id.clone());
            futures_util::stream::iter(rows)
                .for_each_concurrent(AT_ONCE, async |row| {
                    if let Err(error) = self.look_at(&row, idle_stop).await {
                        // Unreachable is not dead: the reconciler knows whether it runs.
                        tracing::debug!(vm = %row.id, error = %error::chain(&error), "no health report");
                    }
                })
                .await;
        }
    }

    async fn look_at(&self, row: &Model, idle_stop: Option<Duration>) -> Result<()> {
        let id = view::id(row)?;
        let agent = self.0.agents.client(&self.endpoint(row)?).await?;
        let health = agent.health().await.map_err(failure)?;
        let now = clock::now();
        let last_active = self.last_active(row, &health, now);
        let noted = row
            .last_health_check
            .is_some_and(|at| now - at < NOTE_EVERY);
        let same = row
            .last_active_at
            .is_some_and(|at| last_active - at < NOTE_EVERY);
        if !(noted && same) {
            vms::note_health(self.0.db.write(), &id, last_active).await?;
        }
        if let Some(limit) = idle_stop
            && is_idle(&health, last_active, now, limit)
        {
            let why = format!("nothing has worked in it for {} s", limit.as_secs());
            self.stop(row, &why).await?;
        }
        Ok(())
    }

    /// The latest of what the agent says, what the row says and what went through this server.
    fn last_active(&self, row: &Model, health: &Health, now: Timestamp) -> Timestamp {
        let touched = self
            .touched()
            .get(&health.vm_id)
            .and_then(|at| TimeDelta::from_std(at.elapsed()).ok())
            .map(|ago| now - ago);
        [Some(health.last_active_at), row.last_active_at, touched]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(now)
            .min(now)
    }
}

fn is_idle(health: &Health, last_active: Timestamp, now: Timestamp, limit: Duration) -> bool {
    let quiet = (now - last_active).to_std().unwrap_or_default();
    health.working.is_empty() && quiet >= limit
}

#[cfg(test)]
mod tests {
    use ff_protocol::VmId;
    use ff_protocol::agent::{Cause, CauseKind};
    use rstest::rstest;

    use super::*;

    fn turn(name: &str, since: Timestamp) -> Cause {
        Cause {
            kind: CauseKind::Turn,
            name: name.to_owned(),
            since,
        }
    }

    #[rstest]
    #[case(&[], 10, true)]
    #[case(&[], 9, false)]
    #[case(&["a turn"], 1000, false)]
    fn idle_is_no_work_for_long_enough(
        #[case] working: &[&str],
        #[case] quiet: i64,
        #[case] idle: bool,
    ) {
        let now = clock::now();
        let last_active = now - TimeDelta::seconds(quiet);
        let health = Health {
            vm_id: VmId::generate(),
            working: working.iter().map(|name| turn(name, now)).collect(),
            holding: Vec::new(),
            quiesced: None,
            next_wake_at: None,
            notices: Vec::new(),
            last_active_at: last_active,
            uptime_seconds: 1000,
        };
        let limit = Duration::from_secs(10);
        assert_eq!(is_idle(&health, last_active, now, limit), idle);
    }
}
