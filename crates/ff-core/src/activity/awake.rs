//! How long the machine was frozen. The monotonic clock goes on meanwhile, so a deadline set
//! before a freeze has passed after it though nobody had a chance to keep it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

const TICK: Duration = Duration::from_secs(1);
/// A tick that took longer than this was no tick of a running machine.
const JUMP: Duration = Duration::from_secs(5);

/// Tells how much time was lost to freezes. Cheap to clone. One that was not started loses none.
///
/// Whoever asks first after a freeze notices it, so nobody acts on a deadline before it is known.
#[derive(Debug, Clone, Default)]
pub struct Awake(Arc<Mutex<Ticks>>);

#[derive(Debug, Default)]
struct Ticks {
    seen: Option<Instant>,
    lost: Duration,
}

impl Ticks {
    fn tick(&mut self, now: Instant) {
        if let Some(seen) = self.seen {
            let gap = now.saturating_duration_since(seen);
            if gap > JUMP {
                self.lost += gap;
                tracing::info!(
                    seconds = gap.as_secs(),
                    "time jumped: the machine was frozen"
                );
            }
        }
        self.seen = Some(self.seen.map_or(now, |seen| seen.max(now)));
    }

    fn lost(&mut self, now: Instant) -> Duration {
        if self.seen.is_some() {
            self.tick(now);
        }
        self.lost
    }
}

impl Awake {
    /// Starts to watch; ends when the handle is dropped.
    pub(crate) fn start() -> (Self, AbortOnDropHandle<()>) {
        let awake = Self::default();
        awake.lock(|ticks| ticks.tick(Instant::now()));
        let ticking = awake.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                ticking.lock(|ticks| ticks.tick(Instant::now()));
            }
        });
        (awake, AbortOnDropHandle::new(task))
    }

    /// Time lost so far. A deadline moves by as much as this has grown since it was set.
    pub fn lost(&self) -> Duration {
        self.lock(|ticks| ticks.lost(Instant::now()))
    }

    /// Waits for `work` for `limit` of time that was not lost; `None` when that has passed.
    pub async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut lost = self.lost();
        let mut deadline = Instant::now() + limit;
        tokio::pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout_at(deadline, &mut work).await {
                return Some(done);
            }
            let now_lost = self.lost();
            if now_lost == lost {
                return None;
            }
            deadline += now_lost.saturating_sub(lost);
            lost = now_lost;
        }
    }

    fn lock<T>(&self, with: impl FnOnce(&mut Ticks) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_long_gap_is_lost_time_and_a_short_one_is_not() {
        let (mut ticks, start) = (Ticks::default(), Instant::now());
        assert_eq!(ticks.lost(start), seconds(0));
        assert_eq!(ticks.lost(start + seconds(3600)), seconds(0), "not started");
        ticks.tick(start);
        ticks.tick(start + seconds(1));
        assert_eq!(ticks.lost(start + seconds(5)), seconds(0));
        assert_eq!(ticks.lost(start + seconds(3605)), seconds(3600));
        assert_eq!(ticks.lost(start + seconds(3606)), seconds(3600));
        ticks.tick(start + seconds(3620));
        assert_eq!(ticks.lost(start + seconds(3620)), seconds(3614));
    }

    #[tokio::test]
    async fn a_wait_is_not_over_before_its_time_awake() {
        let (awake, _ticking) = Awake::start();
        let (limit, frozen) = (Duration::from_millis(50), Duration::from_millis(200));
        let before = Instant::now();
        let waiting = awake.timeout(limit, std::future::pending::<()>());
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        awake.lock(|ticks| ticks.lost += frozen);
        assert!(waiting.await.is_none());
        assert!(Instant::now() - before >= limit + frozen);
        assert_eq!(awake.timeout(limit, async { 7 }).await, Some(7));
    }
}
