//! VMs made ahead of need: enough of them, none too old, all of the current image. A claim is one
//! transaction and one call to an agent; refills wait while claims come.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ff_protocol::vm::{Pool, VmState};
use ff_protocol::{Timestamp, VmId};
use tokio::sync::Notify;

use super::settings::PoolSettings;
use super::{VmService, view};
use crate::db::entity::vm::Model;
use crate::db::pool;
use crate::db::vms::Change;
use crate::{Result, clock, error};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Refills wait until no claim came for so long, and at most for `LONGEST_WAIT`.
const QUIET: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const FIRST_BACK_OFF: Duration = Duration::from_secs(2);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(120);
/// Most rows of the pool that are looked at.
const MOST: u64 = 1000;

/// What the pool has counted since this server started.
#[derive(Debug, Default)]
pub(super) struct PoolState {
    claims: AtomicU64,
    misses: AtomicU64,
    failures: AtomicU64,
    last_claim: Mutex<Option<Instant>>,
    retry_at: Mutex<Option<Timestamp>>,
    kick: Notify,
}

impl PoolState {
    pub fn noted_claim(&self) {
        *lock(&self.last_claim) = Some(Instant::now());
    }

    pub fn claimed(&self) {
        self.claims.fetch_add(1, Relaxed);
        self.kick.notify_one();
    }

    pub fn missed(&self) {
        self.misses.fetch_add(1, Relaxed);
        self.kick.notify_one();
    }

    pub fn kick(&self) {
        self.kick.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to do about the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// How many to make.
    pub make: u32,
    /// VMs to remove: too many, failed, too old, or of another image.
    pub discard: Vec<String>,
}

/// A VM of the pool.
#[derive(Debug, Clone)]
pub(super) struct Member {
    id: String,
    state: VmState,
    old: bool,
}

/// Plans from what is there. An old VM goes only when enough others are ready, one at a time, so
/// that the pool never empties for it; with size 0 all go.
pub(super) fn plan(size: u32, at_once: u32, members: &[Member]) -> Plan {
    let size = size as usize;
    let of = |state| members.iter().filter(move |it| it.state == state);
    let (making, failed) = (of(VmState::Provisioning), of(VmState::Failed));
    let ready: Vec<_> = of(VmState::Pooled).collect();
    let making = making.count();
    let mut discard: Vec<String> = failed.map(|it| it.id.clone()).collect();
    let old: Vec<_> = ready.iter().filter(|it| it.old).collect();
    let too_many = ready.len().saturating_sub(size);
    if too_many > 0 {
        let newest_last = ready.iter().rev().filter(|it| !it.old);
        let last = old.iter().copied().chain(newest_last);
        discard.extend(last.take(too_many).map(|it| it.id.clone()));
    } else if let Some(oldest) = old.first()
        && making == 0
    {
        // Its place is filled before the next one goes.
        discard.push(oldest.id.clone());
    }
    let make = size.saturating_sub(ready.len() + making);
    let room = (at_once as usize).saturating_sub(making);
    Plan {
        make: make.min(room) as u32,
        discard,
    }
}

/// The pause after so many failures in a row.
pub(super) fn back_off(failures: u32) -> Duration {
    let doubled = FIRST_BACK_OFF.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST_BACK_OFF)
}

impl VmService {
    /// Keeps the pool full, until the server stops.
    pub(super) async fn keep_pool(self) {
        let mut failures = 0;
        loop {
            tokio::select! {
                () = self.0.pool.kick.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.0.lifecycle.soft.cancelled() => return,
            }
            self.wait_for_quiet().await;
            match self.tend_pool().await {
                Ok(0) => failures = 0,
                outcome => {
                    if let Err(error) = outcome {
                        tracing::warn!(error = %error::chain(&error), "the pool could not be filled");
                    }
                    failures += 1;
                    self.0.pool.failures.fetch_add(1, Relaxed);
                    let pause = back_off(failures);
                    let until = clock::now() + TimeDelta::from_std(pause).unwrap_or_default();
                    *lock(&self.0.pool.retry_at) = Some(until);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.0.lifecycle.soft.cancelled() => return,
                    }
                    *lock(&self.0.pool.retry_at) = None;
                }
            }
        }
    }

    async fn wait_for_quiet(&self) {
        let began = Instant::now();
        while began.elapsed() < LONGEST_WAIT {
            let last = *lock(&self.0.pool.last_claim);
            match last.map(|at| at.elapsed()).filter(|ago| *ago < QUIET) {
                Some(ago) => tokio::time::sleep(QUIET - ago).await,
                None => return,
            }
        }
    }

    /// Makes and removes what is to be; says how many had failed.
    async fn tend_pool(&self) -> Result<usize> {
        let states = [VmState::Pooled, VmState::Provisioning, VmState::Failed];
        let rows = pool::unowned(self.0.db.read(), &states, MOST).await?;
        let PoolSettings {
            size,
            longest_age,
            at_once,
        } = self.0.settings.pool;
        if size == 0 && rows.is_empty() {
            return Ok(0);
        }
        let image = self.current_image().await?;
        let now = clock::now();
        let members: Vec<Member> = rows
            .iter()
            .map(|row| member(row, image.as_deref(), longest_age, now))
            .collect();
        let failed = members
            .iter()
            .filter(|it| it.state == VmState::Failed)
            .count();
        let plan = plan(size, at_once, &members);
        for row in rows.iter().filter(|row| plan.discard.contains(&row.id)) {
            self.discard(row).await?;
        }
        if failed == 0 && plan.make > 0 {
            self.0.provider.ping().await?;
            for _ in 0..plan.make {
                self.enter(None).await?;
            }
        }
        Ok(failed)
    }

    /// Removes a VM that nobody owns.
    pub(super) async fn discard(&self, row: &Model) -> Result<()> {
        if row.user_id.is_some() {
            return Ok(());
        }
        if self
            .transition(row, VmState::Terminating, Change::default())
            .await?
        {
            let id: VmId = view::id(row)?;
            tracing::info!(vm = %id, "a VM of the pool is replaced");
            self.finish_removal_in_background(id);
        }
        Ok(())
    }

    /// The pool as operators see it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pool(&self) -> Result<Pool> {
        let states = [VmState::Pooled, VmState::Provisioning];
        let rows = pool::unowned(self.0.db.read(), &states, MOST).await?;
        let count = |state: VmState| {
            rows.iter()
                .filter(|row| VmState::from(row.state) == state)
                .count() as u32
        };
        let now = clock::now();
        let ready = rows
            .iter()
            .filter(|row| VmState::from(row.state) == VmState::Pooled);
        let oldest = ready
            .map(|row| (now - row.created_at).num_seconds().unsigned_abs())
            .max();
        let pool = &self.0.pool;
        Ok(Pool {
            size: self.0.settings.pool.size,
            ready: count(VmState::Pooled),
            making: count(VmState::Provisioning),
            oldest_seconds: oldest,
            claims: pool.claims.load(Relaxed),
            misses: pool.misses.load(Relaxed),
            failures: pool.failures.load(Relaxed),
            retry_at: *lock(&pool.retry_at),
        })
    }
}

fn member(row: &Model, image: Option<&str>, longest_age: Duration, now: Timestamp) -> Member {
    let age = (now - row.created_at).to_std().unwrap_or_default();
    let other_image = image.is_some() && row.image_id.as_deref() != image;
    Member {
        id: row.id.clone(),
        state: row.state.into(),
        old: age > longest_age || other_image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<Member> {
        let of = |(at, kind)| Member {
            id: format!("{at}"),
            state: match kind {
                'm' => VmState::Provisioning,
                'f' => VmState::Failed,
                _ => VmState::Pooled,
            },
            old: kind == 'o',
        };
        text.chars().enumerate().map(of).collect()
    }

    #[test]
    fn it_is_filled_a_few_at_a_time() {
        for (there, make) in [
            ("", 2),
            ("m", 1),
            ("mm", 0),
            ("rrr", 1),
            ("rrrr", 0),
            ("rrm", 1),
        ] {
            assert_eq!(plan(4, 2, &members(there)).make, make, "{there}");
        }
    }

    #[test]
    fn old_ones_go_one_at_a_time_and_never_empty_it() {
        for (there, make, gone) in [
            ("ooo", 0, 1),
            ("oo", 1, 1),
            ("oom", 0, 0),
            ("oor", 0, 1),
            ("orr", 0, 1),
            ("rrr", 0, 0),
        ] {
            let plan = plan(3, 2, &members(there));
            assert_eq!((plan.make, plan.discard.len()), (make, gone), "{there}");
        }
    }

    #[test]
    fn too_many_and_failed_ones_go() {
        assert_eq!(plan(1, 2, &members("orr")).discard, ["0", "2"]);
        assert_eq!(plan(0, 2, &members("rr")).discard.len(), 2);
        assert_eq!(plan(2, 2, &members("rrf")).discard, ["2"]);
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        assert_eq!(back_off(1), FIRST_BACK_OFF);
        assert_eq!(back_off(2), 2 * FIRST_BACK_OFF);
        assert_eq!(back_off(u32::MAX), LONGEST_BACK_OFF);
    }
}
