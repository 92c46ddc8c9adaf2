//! Times at which work is planned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ff_protocol::Timestamp;

/// When the machine has to be awake by itself, by who wants it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    times: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

impl Schedule {
    /// Plans the next work of `who`, in place of what it planned before; `None` plans none.
    pub fn plan(&self, who: &str, at: Option<Timestamp>) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => drop(times.insert(who.to_owned(), at)),
            None => drop(times.remove(who)),
        }
    }

    /// The earliest planned time after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.values().filter(|at| **at > now).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tells_the_earliest_time_to_come() {
        let (schedule, now) = (Schedule::default(), crate::clock::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(schedule.next(now), None);
        schedule.plan("a", Some(after(60)));
        schedule.plan("b", Some(after(30)));
        assert_eq!(schedule.next(now), Some(after(30)));
        assert_eq!(schedule.next(after(30)), Some(after(60)));
        schedule.plan("b", Some(after(90)));
        assert_eq!(schedule.next(now), Some(after(60)));
        schedule.plan("a", None);
        assert_eq!(schedule.next(now), Some(after(90)));
    }
}
