//! What keeps sessions from sending anything yet.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ff_protocol::WorkspaceId;

#[derive(Debug, Default)]
pub(super) struct Doors {
    /// Workspaces that are just being made.
    closed: Mutex<HashSet<WorkspaceId>>,
    resting: AtomicBool,
}

impl Doors {
    pub(super) fn close(&self, workspace: &WorkspaceId) {
        self.closed(|closed| closed.insert(workspace.clone()));
    }

    pub(super) fn open(&self, workspace: &WorkspaceId) {
        self.closed(|closed| closed.remove(workspace));
    }

    /// From now on whatever comes waits for the next engine.
    pub(super) fn rest(&self) {
        self.resting.store(true, Ordering::Release);
    }

    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Acquire)
    }

    pub(super) fn is_closed(&self, workspace: &WorkspaceId) -> bool {
        self.closed(|closed| closed.contains(workspace))
    }

    fn closed<T>(&self, look: impl FnOnce(&mut HashSet<WorkspaceId>) -> T) -> T {
        look(&mut self.closed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
