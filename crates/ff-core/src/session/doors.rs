//! Workspaces whose sessions are to send nothing yet, because they are just being made.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ff_protocol::WorkspaceId;

#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<HashSet<WorkspaceId>>);

impl Doors {
    pub(super) fn close(&self, workspace: &WorkspaceId) {
        self.closed(|closed| closed.insert(workspace.clone()));
    }

    pub(super) fn open(&self, workspace: &WorkspaceId) {
        self.closed(|closed| closed.remove(workspace));
    }

    pub(super) fn is_closed(&self, workspace: &WorkspaceId) -> bool {
        self.closed(|closed| closed.contains(workspace))
    }

    fn closed<T>(&self, look: impl FnOnce(&mut HashSet<WorkspaceId>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
