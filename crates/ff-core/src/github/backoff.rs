//! What GitHub's "too many requests" leads to: nobody asks for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ff_protocol::Timestamp;
use tokio::time::Instant;

use crate::clock;

/// When GitHub may be asked again.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
    until: Mutex<Option<(Instant, Timestamp)>>,
}

impl Backoff {
    /// Pauses last so long.
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            until: Mutex::default(),
        }
    }

    /// The end of the pause, if there is one now.
    pub(super) fn paused(&self) -> Option<Timestamp> {
        self.paused_at(Instant::now())
    }

    /// GitHub has said that it was asked too often: the end of the pause that begins now.
    pub(super) fn pause(&self) -> Timestamp {
        self.pause_at(Instant::now(), clock::now())
    }

    fn paused_at(&self, now: Instant) -> Option<Timestamp> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.take_if(|(until, _)| *until <= now);
        until.map(|(_, at)| at)
    }

    fn pause_at(&self, now: Instant, at: Timestamp) -> Timestamp {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let end = (now + self.pause, at + self.pause);
        *until = Some(end);
        end.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_and_a_later_answer_renews_it() {
        let second = Duration::from_secs(1);
        let (backoff, start, at) = (Backoff::new(second * 60), Instant::now(), clock::now());
        assert_eq!(backoff.paused_at(start), None);
        backoff.pause_at(start, at);
        assert_eq!(backoff.paused_at(start + second), Some(at + second * 60));
        backoff.pause_at(start + second * 30, at + second * 30);
        assert_eq!(
            backoff.paused_at(start + second * 60),
            Some(at + second * 90)
        );
        assert_eq!(backoff.paused_at(start + second * 90), None);
        assert_eq!(backoff.paused_at(start), None, "it does not begin anew");
    }
}
