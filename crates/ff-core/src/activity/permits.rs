//! The gate: whoever changes something holds a permit meanwhile, and it closes only while nobody
//! does.
//!
//! ```text
//!            close, no permit out
//!      open ----------------------> closed(id, until)
//!       ^                              |
//!       +--- open(id) | until passed --+
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::Timestamp;
use ff_protocol::agent::{Cause, CauseKind};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;

/// The gate of a core. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Permits {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    gate: Mutex<Gate>,
    changed: watch::Sender<()>,
}

/// Leave to change something, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    number: u64,
    inner: Arc<Inner>,
}

/// Why the gate does not close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseRefused {
    /// Somebody changes something.
    Out(Vec<Cause>),
    /// It is closed already, under another id.
    Other(String),
}

/// The gate's state, without a clock of its own.
#[derive(Debug, Default)]
struct Gate {
    out: BTreeMap<u64, (String, Timestamp)>,
    numbers: u64,
    closed: Option<Closed>,
    last: Option<Timestamp>,
}

#[derive(Debug)]
struct Closed {
    id: String,
    until: Instant,
}

impl Gate {
    fn expire(&mut self, now: Instant) {
        self.closed.take_if(|closed| closed.until <= now);
    }

    fn take(&mut self, name: &str, now: Instant, at: Timestamp) -> Result<u64, Instant> {
        self.expire(now);
        if let Some(closed) = &self.closed {
            return Err(closed.until);
        }
        self.numbers += 1;
        self.out.insert(self.numbers, (name.to_owned(), at));
        self.last = Some(at);
        Ok(self.numbers)
    }

    fn give_back(&mut self, number: u64, at: Timestamp) {
        if self.out.remove(&number).is_some() {
            self.last = Some(at);
        }
    }

    fn close(&mut self, id: &str, now: Instant, ttl: Duration) -> Result<(), CloseRefused> {
        self.expire(now);
        if let Some(closed) = self.closed.as_ref().filter(|closed| closed.id != id) {
            return Err(CloseRefused::Other(closed.id.clone()));
        }
        if !self.out.is_empty() {
            return Err(CloseRefused::Out(self.causes()));
        }
        let (id, until) = (id.to_owned(), now + ttl);
        self.closed = Some(Closed { id, until });
        Ok(())
    }

    fn open(&mut self, id: &str) -> bool {
        self.closed.take_if(|closed| closed.id == id).is_some()
    }

    fn causes(&self) -> Vec<Cause> {
        let cause = |(name, since): &(String, Timestamp)| Cause {
            kind: CauseKind::Request,
            name: name.clone(),
            since: *since,
        };
        self.out.values().map(cause).collect()
    }
}

impl Permits {
    /// Takes a permit for what `name` says, if the gate is open.
    pub fn try_take(&self, name: &str) -> Option<Permit> {
        self.take_or_until(name).ok()
    }

    /// Takes a permit for what `name` says; while the gate is closed, waits until it opens.
    /// Dropping the future loses nothing.
    pub async fn take(&self, name: &str) -> Permit {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let until = match self.take_or_until(name) {
                Ok(permit) => return permit,
                Err(until) => until,
            };
            // Opened, renewed or run out: either way it is looked at again.
            let _ = tokio::time::timeout_at(until, changed.changed()).await;
        }
    }

    /// Closes the gate for `ttl` unless somebody holds a permit. The same id again starts its
    /// time anew. Time that the machine is frozen counts.
    ///
    /// # Errors
    /// A permit is out, or it is closed under another id.
    pub fn close(&self, id: &str, ttl: Duration) -> Result<(), CloseRefused> {
        self.lock().close(id, Instant::now(), ttl)?;
        self.inner.changed.send_replace(());
        Ok(())
    }

    /// Opens the gate if it is closed under this id; says whether it was.
    pub fn open(&self, id: &str) -> bool {
        let opened = self.lock().open(id);
        self.inner.changed.send_replace(());
        opened
    }

    /// The id it is closed under.
    pub fn closed(&self) -> Option<String> {
        let mut gate = self.lock();
        gate.expire(Instant::now());
        gate.closed.as_ref().map(|closed| closed.id.clone())
    }

    /// Who holds a permit, the longest first.
    pub fn causes(&self) -> Vec<Cause> {
        self.lock().causes()
    }

    /// When a permit was last taken or given back.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.lock().last
    }

    /// Returns at the next change of the gate, or never.
    pub async fn changed(&self) {
        let mut changed = self.inner.changed.subscribe();
        // The sender is ours too, so it cannot have gone.
        let _ = changed.changed().await;
    }

    fn take_or_until(&self, name: &str) -> Result<Permit, Instant> {
        let number = self.lock().take(name, Instant::now(), clock::now())?;
        let inner = Arc::clone(&self.inner);
        Ok(Permit { number, inner })
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.inner.lock()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.inner.lock().give_back(self.number, clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);

    #[test]
    fn closes_only_while_no_permit_is_out() {
        let permits = Permits::default();
        let first = permits.try_take("POST /a").unwrap();
        let second = permits.try_take("POST /b").unwrap();
        let names = |refused| match refused {
            CloseRefused::Out(causes) => causes.into_iter().map(|cause| cause.name).collect(),
            CloseRefused::Other(id) => vec![id],
        };
        let refused = names(permits.close("q1", TTL).unwrap_err());
        assert_eq!(refused, ["POST /a", "POST /b"]);
        drop(first);
        assert_eq!(names(permits.close("q1", TTL).unwrap_err()), ["POST /b"]);
        assert_eq!(permits.closed(), None);
        drop(second);
        permits.close("q1", TTL).unwrap();
        assert_eq!(permits.closed().as_deref(), Some("q1"));
        assert!(permits.try_take("POST /c").is_none());
        assert!(permits.causes().is_empty());
    }

    #[test]
    fn only_its_own_id_renews_and_opens_it() {
        let permits = Permits::default();
        permits.close("q1", TTL).unwrap();
        permits.close("q1", TTL).unwrap();
        let other = CloseRefused::Other("q1".into());
        assert_eq!(permits.close("q2", TTL), Err(other));
        assert!(!permits.open("q2"));
        assert!(permits.try_take("a").is_none());
        assert!(permits.open("q1") && !permits.open("q1"));
        assert!(permits.try_take("a").is_some());
    }

    #[test]
    fn ends_by_itself_and_a_renewal_starts_its_time_anew() {
        let (mut gate, start, at) = (Gate::default(), Instant::now(), clock::now());
        gate.close("q1", start, TTL).unwrap();
        gate.close("q1", start + TTL / 2, TTL).unwrap();
        let until = start + TTL / 2 + TTL;
        assert_eq!(gate.take("a", start + TTL, at), Err(until));
        assert!(gate.take("a", until, at).is_ok());
        gate.give_back(1, at);
        // Another id may close what has run out.
        gate.close("q2", until, TTL).unwrap();
        gate.close("q3", until + TTL, TTL).unwrap();
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_it_opens_or_ends() {
        let permits = Permits::default();
        permits.close("q1", Duration::from_secs(600)).unwrap();
        let waiting = tokio::spawn({
            let permits = permits.clone();
            async move { drop(permits.take("input").await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        permits.open("q1");
        waiting.await.unwrap();

        permits.close("q2", Duration::from_millis(50)).unwrap();
        drop(permits.take("input").await);
        assert_eq!(permits.closed(), None);
    }
}
