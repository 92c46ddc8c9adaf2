//! What happens in the sessions of a workspace, for whoever watches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ff_protocol::session::Session;
use ff_protocol::{SessionId, WorkspaceId};
use tokio::sync::broadcast;

const HELD: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The journal has an entry with this `seq`; it can be read from the store.
    Entry {
        /// Place of the entry.
        seq: u64,
    },
    /// A piece of a message still being written.
    Delta {
        /// The session that writes.
        session_id: SessionId,
        /// The text to append.
        text: String,
    },
    /// A session's row changed.
    Status(Box<Session>),
}

/// Watchers by workspace. One that falls behind misses events and is told so.
#[derive(Debug, Default)]
pub(super) struct Events {
    senders: Mutex<HashMap<WorkspaceId, broadcast::Sender<Event>>>,
}

impl Events {
    /// Events of a workspace from now on.
    pub(super) fn subscribe(&self, workspace: &WorkspaceId) -> broadcast::Receiver<Event> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.retain(|_, sender| sender.receiver_count() > 0);
        let sender = senders
            .entry(workspace.clone())
            .or_insert_with(|| broadcast::channel(HELD).0);
        sender.subscribe()
    }

    /// Tells the watchers of a workspace.
    pub(super) fn send(&self, workspace: &WorkspaceId, event: Event) {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(workspace) {
            // Without receivers there is nobody to tell.
            let _ = sender.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn watchers_hear_of_their_workspace_only_and_leave_nothing_behind() {
        let events = Events::default();
        let (one, two) = (WorkspaceId::generate(), WorkspaceId::generate());
        let mut watcher = events.subscribe(&one);
        events.send(&two, Event::Entry { seq: 1 });
        events.send(&one, Event::Entry { seq: 2 });
        assert!(matches!(
            watcher.recv().await.unwrap(),
            Event::Entry { seq: 2 }
        ));
        drop(watcher);
        let _other = events.subscribe(&two);
        assert_eq!(events.senders.lock().unwrap().len(), 1);
    }
}
