//! Workspaces whose pull request is to be looked at soon.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ff_protocol::WorkspaceId;
use tokio::sync::Notify;

/// Who is wanted; each once, however often it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    ids: Mutex<BTreeSet<WorkspaceId>>,
    more: Notify,
}

impl Wanted {
    /// Has this one looked at soon.
    pub(crate) fn add(&self, id: &WorkspaceId) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(id.clone());
        self.more.notify_one();
    }

    /// Waits until there is one. Dropping the future loses nothing.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// Takes all there are.
    pub(super) fn take(&self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
