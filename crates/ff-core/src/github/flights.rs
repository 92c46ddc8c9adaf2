//! Identical reads that are under way at the same time share one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ff_protocol::Timestamp;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::failure::Cause;

/// What a read gave.
#[derive(Debug)]
pub(super) struct Answer {
    /// What `gh` printed.
    pub(super) stdout: Vec<u8>,
    /// When it was asked: what it says may be as old as this.
    pub(super) asked_at: Timestamp,
}

type Outcome = Result<Arc<Answer>, Cause>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Reads that are under way, by their arguments. Those that nobody waits for any more end.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Vec<String>, WeakShared<BoxFuture<'static, Outcome>>>>);

impl Flights {
    /// The read with these arguments that is under way, or the one that `start` makes.
    pub(super) fn join(
        &self,
        args: &[String],
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Flight {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = |flight: &WeakShared<_>| {
            let flight: Flight = flight.upgrade()?;
            flight.peek().is_none().then_some(flight)
        };
        if let Some(flight) = flights.get(args).and_then(under_way) {
            return flight;
        }
        flights.retain(|_, flight| under_way(flight).is_some());
        let flight = start().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(args.to_vec(), weak);
        }
        flight
    }
}

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn args(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    struct World {
        flights: Flights,
        started: Arc<AtomicUsize>,
        go: Arc<Notify>,
    }

    impl World {
        fn join(&self, text: &str) -> Flight {
            let (started, go) = (self.started.clone(), self.go.clone());
            self.flights.join(&args(text), || {
                let read = async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                    Ok(Arc::new(Answer {
                        stdout: b"1".to_vec(),
                        asked_at: crate::clock::now(),
                    }))
                };
                read.boxed()
            })
        }

        fn started(&self) -> usize {
            self.started.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn only_what_is_the_same_and_under_way_is_shared() {
        let world = World {
            flights: Flights::default(),
            started: Arc::default(),
            go: Arc::default(),
        };
        let (one, same, other) = (world.join("a"), world.join("a"), world.join("b"));
        for flight in [&one, &same, &other] {
            assert!(futures_util::poll!(flight.clone()).is_pending());
        }
        assert_eq!(world.started(), 2);
        // The first to ask goes away; the other still gets the answer.
        drop(one);
        world.go.notify_waiters();
        assert_eq!(same.await.unwrap().stdout, b"1");
        // What has landed is old: the next one asks again.
        let next = world.join("a");
        assert!(futures_util::poll!(next.clone()).is_pending());
        assert_eq!(world.started(), 3);
        drop((next, other));
        assert!(futures_util::poll!(world.join("a")).is_pending());
        assert_eq!(world.started(), 4, "one that nobody waited for was kept");
        assert_eq!(
            world.flights.0.lock().unwrap().len(),
            1,
            "old ones are kept"
        );
    }
}
