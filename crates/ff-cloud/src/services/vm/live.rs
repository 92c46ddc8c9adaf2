//! What this server knows of VMs that run, beside their rows: what their agents said last, and
//! when a user did something in them through this server. Another server finds out by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ff_protocol::agent::Health;
use ff_protocol::{Timestamp, VmId};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Longest silence of an agent that reports, after which its word counts no more.
pub const SILENCE: Duration = Duration::from_secs(20);

/// The VMs that run. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<VmId, Entry>>>);

#[derive(Debug)]
struct Entry {
    start: String,
    stop: CancellationToken,
    health: Option<Arc<Health>>,
    /// When the agent was last heard, while it reports.
    heard: Option<Instant>,
    touched: Option<Instant>,
    /// When its row was last written for its health.
    noted: Option<Instant>,
    /// The quiesce this server has put into force.
    quiesce: Option<String>,
}

impl Live {
    /// Begins to watch a VM since this start, unless it is watched; the token ends it.
    pub fn begin(&self, vm: &VmId, start: &str) -> Option<CancellationToken> {
        let mut all = self.lock();
        if all.get(vm).is_some_and(|entry| entry.start == start) {
            return None;
        }
        let stop = CancellationToken::new();
        let touched = all.get(vm).and_then(|entry| entry.touched);
        let entry = Entry {
            start: start.to_owned(),
            stop: stop.clone(),
            health: None,
            heard: None,
            touched,
            // Its row says that it came up.
            noted: Some(Instant::now()),
            quiesce: None,
        };
        if let Some(before) = all.insert(vm.clone(), entry) {
            before.stop.cancel();
        }
        Some(stop)
    }

    /// Ends the watching of a VM, and forgets what was known.
    pub fn end(&self, vm: &VmId) {
        if let Some(entry) = self.lock().remove(vm) {
            entry.stop.cancel();
        }
    }

    /// Notes what an agent said.
    pub fn heard(&self, vm: &VmId, start: &str, health: Health) {
        if let Some(entry) = self.lock().get_mut(vm)
            && entry.start == start
        {
            entry.health = Some(Arc::new(health));
            entry.heard = Some(Instant::now());
        }
    }

    /// Notes that an agent does not report any more.
    pub fn lost(&self, vm: &VmId, start: &str) {
        if let Some(entry) = self.lock().get_mut(vm)
            && entry.start == start
        {
            entry.heard = None;
        }
    }

    /// Forgets that an agent was heard, until it is heard again.
    pub fn doubt(&self, vm: &VmId) {
        if let Some(entry) = self.lock().get_mut(vm) {
            entry.heard = None;
        }
    }

    /// Whether the agent reports since this start: then the machine runs.
    pub fn reports(&self, vm: &VmId, start: &str) -> bool {
        let all = self.lock();
        let entry = all.get(vm).filter(|entry| entry.start == start);
        let heard = entry.and_then(|entry| entry.heard);
        heard.is_some_and(|at| at.elapsed() < SILENCE)
    }

    /// What the agent said last, while it reports.
    pub fn health(&self, vm: &VmId) -> Option<Arc<Health>> {
        let all = self.lock();
        let entry = all.get(vm).filter(|entry| entry.heard.is_some())?;
        entry.health.clone()
    }

    /// When the agent was last heard, while it reports.
    pub fn heard_at(&self, vm: &VmId) -> Option<Timestamp> {
        let ago = self.lock().get(vm)?.heard?.elapsed();
        Some(clock::now() - TimeDelta::from_std(ago).ok()?)
    }

    /// What the agent said last, also if it is silent by now.
    pub fn last_words(&self, vm: &VmId) -> Option<Arc<Health>> {
        self.lock().get(vm)?.health.clone()
    }

    /// Notes that a user did something in the VM.
    pub fn touch(&self, vm: &VmId) {
        if let Some(entry) = self.lock().get_mut(vm) {
            entry.touched = Some(Instant::now());
        }
    }

    /// How long ago a user did something in the VM.
    pub fn touched(&self, vm: &VmId) -> Option<Duration> {
        Some(self.lock().get(vm)?.touched?.elapsed())
    }

    /// Whether the VM's row was not written for its health for so long; notes that it is now.
    pub fn time_to_note(&self, vm: &VmId, every: Duration) -> bool {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(vm) else {
            return false;
        };
        let due = entry.noted.is_none_or(|at| at.elapsed() >= every);
        if due {
            entry.noted = Some(Instant::now());
        }
        due
    }

    /// Remembers the quiesce of a VM that is frozen: it is not heard meanwhile.
    pub fn keep_quiesce(&self, vm: &VmId, quiesce: String) {
        let entry = Entry {
            start: String::new(),
            stop: CancellationToken::new(),
            health: None,
            heard: None,
            touched: None,
            noted: None,
            quiesce: Some(quiesce),
        };
        self.lock().insert(vm.clone(), entry);
    }

    /// Takes what was remembered.
    pub fn take_quiesce(&self, vm: &VmId) -> Option<String> {
        self.lock().get_mut(vm)?.quiesce.take()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(vm: &VmId) -> Health {
        Health {
            vm_id: vm.clone(),
            working: Vec::new(),
            holding: Vec::new(),
            last_active_at: clock::now(),
            uptime_seconds: 1,
            quiesced: None,
            next_wake_at: None,
            notices: Vec::new(),
            login_required: None,
        }
    }

    #[test]
    fn what_was_said_counts_for_one_start_only() {
        let (live, vm) = (Live::default(), VmId::generate());
        let first = live.begin(&vm, "1").unwrap();
        assert!(live.begin(&vm, "1").is_none());
        live.heard(&vm, "1", health(&vm));
        assert!(live.reports(&vm, "1"));
        assert!(!live.reports(&vm, "2"));
        live.begin(&vm, "2").unwrap();
        assert!(first.is_cancelled());
        live.heard(&vm, "1", health(&vm));
        assert!(live.health(&vm).is_none() && !live.reports(&vm, "2"));
    }

    #[test]
    fn a_lost_agent_is_no_proof_that_the_machine_runs() {
        let (live, vm) = (Live::default(), VmId::generate());
        live.begin(&vm, "1").unwrap();
        live.heard(&vm, "1", health(&vm));
        live.lost(&vm, "1");
        assert!(live.health(&vm).is_none() && !live.reports(&vm, "1"));
        assert!(live.last_words(&vm).is_some());
    }
}
