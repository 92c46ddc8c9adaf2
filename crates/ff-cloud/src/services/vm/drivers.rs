//! Who works on which VM in this process, and word to everyone that something changed.
//!
//! The database decides who may move a VM (compare-and-swap); this only keeps the work of one VM
//! in a line, so that a removal does not overtake a creation.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::VmId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The work under way. Clones share it.
#[derive(Debug, Clone)]
pub struct Drivers {
    busy: Arc<Mutex<HashMap<VmId, CancellationToken>>>,
    changes: watch::Sender<u64>,
}

/// The right to work on a VM's machine; ends when dropped.
#[derive(Debug)]
pub struct Driving {
    drivers: Drivers,
    vm: VmId,
    /// Cancelled when what is being done is not wanted any more.
    pub unwanted: CancellationToken,
}

impl Drivers {
    /// No work yet.
    pub fn new() -> Self {
        Self {
            busy: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Tells every waiter to look again.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Sees every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The VM, unless someone works on it.
    pub fn try_begin(&self, vm: &VmId) -> Option<Driving> {
        let unwanted = CancellationToken::new();
        match self.lock().entry(vm.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(free) => free.insert(unwanted.clone()),
        };
        Some(Driving {
            drivers: self.clone(),
            vm: vm.clone(),
            unwanted,
        })
    }

    /// Tells who works on the VM that it is not wanted any more.
    pub fn interrupt(&self, vm: &VmId) {
        if let Some(unwanted) = self.lock().get(vm) {
            unwanted.cancel();
        }
    }

    /// The VM, as soon as nobody else works on it. All such work has a deadline.
    pub async fn begin(&self, vm: &VmId) -> Driving {
        let mut changes = self.changes();
        loop {
            if let Some(driving) = self.try_begin(vm) {
                return driving;
            }
            // The sender lives in `self`, so waiting cannot fail.
            let _ = changes.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, CancellationToken>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.drivers.lock().remove(&self.vm);
        self.drivers.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_works_and_the_next_waits() {
        let drivers = Drivers::new();
        let (vm, other) = (VmId::generate(), VmId::generate());
        let first = drivers.begin(&vm).await;
        assert!(drivers.try_begin(&vm).is_none());
        assert!(drivers.try_begin(&other).is_some());
        let waiting = tokio::spawn({
            let (drivers, vm) = (drivers.clone(), vm.clone());
            async move { drivers.begin(&vm).await }
        });
        drop(first);
        let second = waiting.await.unwrap();
        assert!(drivers.try_begin(&vm).is_none());
        drop(second);
        assert!(drivers.try_begin(&vm).is_some());
    }
}
