//! VMs whose agents have just been heard for the first time, or again: others may have something to
//! ask them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ff_protocol::VmId;
use tokio::sync::Notify;

use super::VmService;

/// Those that nobody has asked yet.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    waiting: Mutex<BTreeSet<VmId>>,
    come: Notify,
}

impl Newcomers {
    /// Enters a VM.
    pub(super) fn enter(&self, vm: &VmId) {
        self.waiting().insert(vm.clone());
        self.come.notify_one();
    }

    async fn next(&self) -> VmId {
        loop {
            let first = self.waiting().pop_first();
            match first {
                Some(vm) => return vm,
                None => self.come.notified().await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<VmId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VmService {
    /// A VM whose agent was heard for the first time since it was silent; each once. For one task.
    pub async fn next_heard(&self) -> VmId {
        self.0.newcomers.next().await
    }

    /// Has a VM's agent asked once more, soon, by whoever waits for [`next_heard`](Self::next_heard).
    pub fn hear_again(&self, vm: &VmId) {
        self.0.newcomers.enter(vm);
    }
}
