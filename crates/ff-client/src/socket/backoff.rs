//! When to try again.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
/// How long a connection has to last to count as one that worked.
const STEADY: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(5);

/// Delays that double, and an end to trying: about [`Backoff::GIVE_UP`] of waiting. That is a
/// night: what was left open in the evening is there in the morning.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    waited: Duration,
}

impl Backoff {
    /// Sum of the delays after which we give up.
    pub(crate) const GIVE_UP: Duration = Duration::from_secs(12 * 3600);

    /// The delay before the next attempt; `None` when it is enough.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        if self.waited >= Self::GIVE_UP {
            return None;
        }
        let delay = FIRST
            .saturating_mul(1 << self.attempts.min(10))
            .min(LONGEST);
        self.attempts += 1;
        self.waited += delay;
        Some(delay)
    }

    /// Runs a connection; one that lasted makes the next delays short again.
    pub(crate) async fn watch<T>(&mut self, connection: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let end = connection.await;
        self.lasted(began.elapsed());
        end
    }

    fn lasted(&mut self, time: Duration) {
        if time >= STEADY {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_lasted_starts_it_anew() {
        let mut backoff = Backoff::default();
        backoff.next();
        backoff.lasted(STEADY / 2);
        assert_eq!(backoff.next(), Some(FIRST * 2));
        backoff.lasted(STEADY);
        assert_eq!(backoff.next(), Some(FIRST));
    }

    #[test]
    fn doubles_to_a_limit_and_ends() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(), Some(FIRST));
        assert_eq!(backoff.next(), Some(FIRST * 2));
        let rest: Vec<_> = std::iter::from_fn(|| backoff.next()).collect();
        assert!(rest.iter().all(|delay| *delay <= LONGEST));
        assert!((8_000..9_000).contains(&rest.len()), "{}", rest.len());
    }
}
