//! What is done about hand-offs that nobody drives any more.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use ff_protocol::Timestamp;
use ff_protocol::handoff::HandoffState;

use super::HandoffService;
use crate::Result;
use crate::clock;
use crate::db::entity::handoff::Model;
use crate::db::handoffs;
use crate::error::chain;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(60);
/// Hand-offs read at once, and how often in one sweep.
const PAGE: u64 = 200;
const PAGES: usize = 50;
/// Longest rest before the commit; then the desktop is taken to have gone for good.
const ABANDONED: TimeDelta = TimeDelta::hours(1);

impl HandoffService {
    /// Starts the task that sweeps, at once and every minute until shutdown.
    pub fn start_tasks(&self) {
        let service = self.clone();
        let stop = self.lifecycle.soft.clone();
        self.lifecycle.tasks.spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = tick.tick() => {}
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    swept = service.sweep() => if let Err(error) = swept {
                        tracing::warn!(error = %chain(&error), "hand-offs could not be swept");
                    },
                }
            }
        });
    }

    /// Gives abandoned hand-offs up, and tells agents that run of the ends they have missed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sweep(&self) -> Result<()> {
        let open = [HandoffState::Transferring, HandoffState::Restored];
        for row in self.resting(&open, clock::now() - ABANDONED).await? {
            if self.give_up(&row).await? {
                tracing::info!(handoff = %row.id, "an abandoned hand-off is given up");
            }
        }
        self.tell_again().await
    }

    /// One agent that does not answer holds a sweep up once, whatever it has missed.
    async fn tell_again(&self) -> Result<()> {
        let mut deaf: HashSet<String> = HashSet::new();
        let ended = [HandoffState::Committed, HandoffState::Aborted];
        for row in self.resting(&ended, clock::now()).await? {
            let committed = HandoffState::from(row.state) == HandoffState::Committed;
            if !deaf.contains(&row.vm_id) && !self.tell_quietly(&row, committed).await {
                deaf.insert(row.vm_id);
            }
        }
        Ok(())
    }

    async fn resting(&self, states: &[HandoffState], before: Timestamp) -> Result<Vec<Model>> {
        let mut found: Vec<Model> = Vec::new();
        for _ in 0..PAGES {
            let after = found.last().map(|row| row.id.clone()).unwrap_or_default();
            let read = self.db.read();
            let page = handoffs::resting(read, states, before, &after, PAGE).await?;
            let last = (page.len() as u64) < PAGE;
            found.extend(page);
            if last {
                break;
            }
        }
        Ok(found)
    }
}
