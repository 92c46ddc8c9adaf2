//! How a VM stands, for those who hold connections to its agent. The row decides; that it moved is
//! told at once to whoever asked in this process. What another server moved shows when the row
//! is read again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ff_protocol::VmId;
use ff_protocol::vm::VmState;
use tokio::sync::watch;

use super::VmService;
use crate::Result;
use crate::db::vms;

/// How a VM stands, seen from a connection to its agent since one start of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs since that start.
    Awake,
    /// It is about to sleep, or not.
    Suspending,
    /// It is frozen.
    Frozen,
    /// It wakes, or starts again after it ended by itself.
    Resuming,
    /// It is stopped: that start is over.
    Stopped,
    /// It could not be brought up: that start is over.
    Failed,
    /// It runs since another start.
    Replaced,
    /// It is removed, or is being removed.
    Gone,
}

/// Judges a row's state; `same` says whether the row names that start.
fn standing(state: VmState, same: bool) -> Standing {
    match state {
        VmState::Running | VmState::Pooled if same => Standing::Awake,
        VmState::Running | VmState::Pooled | VmState::Provisioning => Standing::Replaced,
        VmState::Suspending => Standing::Suspending,
        VmState::Frozen => Standing::Frozen,
        VmState::Resuming => Standing::Resuming,
        VmState::Stopped => Standing::Stopped,
        VmState::Failed => Standing::Failed,
        VmState::Terminating | VmState::Terminated => Standing::Gone,
    }
}

impl VmService {
    /// How the VM stands, seen from a connection to its agent since `start`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn standing(&self, id: &VmId, start: &str) -> Result<Standing> {
        let row = vms::get(self.0.db.read(), id).await?;
        Ok(row.map_or(Standing::Gone, |row| {
            let same = row.machine_start.as_deref() == Some(start);
            standing(row.state.into(), same)
        }))
    }

    /// Tells of each move of the VM that this server makes from now on.
    pub fn moves(&self, id: &VmId) -> Moves {
        self.0.watchers.subscribe(id)
    }

    /// Longest time a caller waits for a VM to be made or woken.
    pub fn wait(&self) -> Duration {
        self.0.settings.wait
    }
}

/// Who wants to know of which VM's moves. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watchers(Arc<Mutex<HashMap<VmId, watch::Sender<()>>>>);

/// Word of a VM's moves.
#[derive(Debug)]
pub struct Moves {
    watchers: Watchers,
    vm: VmId,
    moves: watch::Receiver<()>,
}

impl Watchers {
    /// Tells that the VM moved.
    pub fn moved(&self, vm: &VmId) {
        if let Some(moves) = self.lock().get(vm) {
            moves.send_replace(());
        }
    }

    fn subscribe(&self, vm: &VmId) -> Moves {
        let moves = self.lock().entry(vm.clone()).or_default().subscribe();
        Moves {
            watchers: self.clone(),
            vm: vm.clone(),
            moves,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VmId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moves {
    /// Waits until the VM moved since the last time, at most for `most`.
    pub async fn next(&mut self, most: Duration) {
        // The sender stays while there is a receiver, so waiting cannot fail.
        let _ = tokio::time::timeout(most, self.moves.changed()).await;
    }
}

impl Drop for Moves {
    fn drop(&mut self) {
        let mut all = self.watchers.lock();
        // One is ours.
        if all.get(&self.vm).is_some_and(|it| it.receiver_count() <= 1) {
            all.remove(&self.vm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_vm_of_the_same_start_is_awake() {
        use VmState::*;
        for (state, same, other) in [
            (Running, Standing::Awake, Standing::Replaced),
            (Suspending, Standing::Suspending, Standing::Suspending),
            (Frozen, Standing::Frozen, Standing::Frozen),
            (Resuming, Standing::Resuming, Standing::Resuming),
            (Stopped, Standing::Stopped, Standing::Stopped),
            (Failed, Standing::Failed, Standing::Failed),
            (Terminating, Standing::Gone, Standing::Gone),
            (Terminated, Standing::Gone, Standing::Gone),
        ] {
            assert_eq!(standing(state, true), same, "{state:?}");
            assert_eq!(standing(state, false), other, "{state:?}");
        }
    }

    #[tokio::test]
    async fn only_those_who_asked_for_a_vm_are_told_of_it() {
        let (watchers, vm) = (Watchers::default(), VmId::generate());
        let (mut one, mut other) = (
            watchers.subscribe(&vm),
            watchers.subscribe(&VmId::generate()),
        );
        watchers.moved(&vm);
        assert!(one.moves.has_changed().unwrap());
        one.next(Duration::from_secs(60)).await;
        assert!(!one.moves.has_changed().unwrap());
        assert!(!other.moves.has_changed().unwrap());
        other.next(Duration::from_millis(1)).await;
        let second = watchers.subscribe(&vm);
        drop(one);
        assert_eq!(watchers.lock().len(), 2);
        drop((second, other));
        assert!(watchers.lock().is_empty());
    }
}
