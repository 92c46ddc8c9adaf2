//! What happens in the sessions of a workspace, for whoever watches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ff_protocol::session::{EntryKind, JournalEntry, Session};
use ff_protocol::socket::DeltaKind;
use ff_protocol::{SessionId, WorkspaceId};
use tokio::sync::broadcast;

/// Events that wait for a watcher; one further behind misses some and is told so.
const HELD: usize = 512;
/// Most of a message still being written that is kept for who comes later, in bytes.
const PARTIAL: usize = 1 << 20;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The journal has this entry. Entries come in the order of their `seq`, after their commit.
    Entry(Arc<JournalEntry>),
    /// The journal has a large entry with this `seq`, to be read from the store.
    Stored(u64),
    /// A piece of a message still being written.
    Delta {
        /// The session that writes.
        session_id: SessionId,
        /// What it writes.
        kind: DeltaKind,
        /// The text to append.
        text: String,
    },
    /// A session's row changed.
    Status(Box<Session>),
    /// The workspace's row changed.
    WorkspaceChanged,
}

/// A message still being written when a watch began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// The session that writes.
    pub session_id: SessionId,
    /// What it writes.
    pub kind: DeltaKind,
    /// What it has written so far.
    pub text: String,
    /// The last `seq` of the journal when the message began.
    pub after: u64,
}

/// What happens in a workspace from now on, and what was going on at this moment.
#[derive(Debug)]
pub struct Watch {
    /// What happens.
    pub events: broadcast::Receiver<Event>,
    /// Messages still being written.
    pub partials: Vec<Partial>,
    /// The last `seq` told of before, the events of all later ones are to come; 0 for none since
    /// the engine started.
    pub told: u64,
}

/// Watchers by workspace. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    rooms: Arc<Mutex<HashMap<WorkspaceId, Room>>>,
    turns: Turns,
}

/// Tells in which workspaces turns end.
#[derive(Debug, Clone)]
struct Turns(broadcast::Sender<WorkspaceId>);

impl Default for Turns {
    fn default() -> Self {
        Self(broadcast::channel(HELD).0)
    }
}

#[derive(Debug, Default)]
struct Room {
    sender: Option<broadcast::Sender<Event>>,
    partials: HashMap<SessionId, Partial>,
    last: u64,
}

impl Room {
    fn send(&mut self, event: Event) {
        // Without receivers there is nobody to tell, and nothing to hold for them.
        self.sender
            .take_if(|sender| sender.send(event).is_err() || sender.receiver_count() == 0);
    }
}

impl Feed {
    /// What happens in a workspace from now on.
    pub fn watch(&self, workspace: &WorkspaceId) -> Watch {
        let mut rooms = self.lock();
        let room = rooms.entry(workspace.clone()).or_default();
        let sender = room
            .sender
            .get_or_insert_with(|| broadcast::channel(HELD).0);
        let events = sender.subscribe();
        let mut partials: Vec<_> = room.partials.values().cloned().collect();
        partials.sort_by_key(|partial| partial.after);
        let told = room.last;
        Watch {
            events,
            partials,
            told,
        }
    }

    /// In which workspaces turns end from now on.
    pub(crate) fn turns(&self) -> broadcast::Receiver<WorkspaceId> {
        self.turns.0.subscribe()
    }

    /// Tells of an entry that is on disk; `large` ones are not passed along.
    pub(super) fn entry(&self, workspace: &WorkspaceId, entry: Arc<JournalEntry>, large: bool) {
        if entry.kind == EntryKind::TurnEnded {
            // Nobody may care.
            let _ = self.turns.0.send(workspace.clone());
        }
        self.in_room(workspace, |room| {
            room.last = entry.seq;
            let over = match entry.kind {
                EntryKind::ClaudeMessage => entry.payload["type"] == "assistant",
                EntryKind::TurnEnded => true,
                _ => false,
            };
            if over {
                room.partials.remove(&entry.session_id);
            }
            room.send(match large {
                true => Event::Stored(entry.seq),
                false => Event::Entry(entry),
            });
        });
    }

    /// Tells of a piece of a message.
    pub(crate) fn delta(
        &self,
        workspace: &WorkspaceId,
        session_id: SessionId,
        kind: DeltaKind,
        text: String,
    ) {
        self.in_room(workspace, |room| {
            let after = room.last;
            let fresh = || Partial {
                session_id: session_id.clone(),
                kind,
                text: String::new(),
                after,
            };
            let partial = room
                .partials
                .entry(session_id.clone())
                .or_insert_with(fresh);
            if partial.kind != kind {
                *partial = fresh();
            }
            if partial.text.len() + text.len() <= PARTIAL {
                partial.text.push_str(&text);
            }
            room.send(Event::Delta {
                session_id,
                kind,
                text,
            });
        });
    }

    /// Tells of a session's row.
    pub(crate) fn status(&self, session: &Session) {
        let event = Event::Status(Box::new(session.clone()));
        self.in_room(&session.workspace_id, |room| room.send(event));
    }

    /// Tells of a workspace's row.
    pub(crate) fn workspace_changed(&self, workspace: &WorkspaceId) {
        self.in_room(workspace, |room| room.send(Event::WorkspaceChanged));
    }

    /// The session's process is gone, and with it what it was writing.
    pub(crate) fn process_ended(&self, workspace: &WorkspaceId, session: &SessionId) {
        self.in_room(workspace, |room| drop(room.partials.remove(session)));
    }

    fn in_room(&self, workspace: &WorkspaceId, act: impl FnOnce(&mut Room)) {
        let mut rooms = self.lock();
        act(rooms.entry(workspace.clone()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use serde_json::json;

    fn entry(seq: u64, session: &SessionId, payload: serde_json::Value) -> Arc<JournalEntry> {
        Arc::new(JournalEntry {
            seq,
            session_id: session.clone(),
            kind: EntryKind::ClaudeMessage,
            payload,
            created_at: clock::now(),
        })
    }

    #[tokio::test]
    async fn watchers_hear_of_their_workspace_only() {
        let feed = Feed::default();
        let (one, two) = (WorkspaceId::generate(), WorkspaceId::generate());
        let session = SessionId::generate();
        let mut watch = feed.watch(&one);
        feed.entry(&two, entry(1, &session, json!({})), false);
        feed.entry(&one, entry(2, &session, json!({})), false);
        feed.entry(&one, entry(3, &session, json!({})), true);
        assert!(matches!(watch.events.recv().await, Ok(Event::Entry(e)) if e.seq == 2));
        assert!(matches!(watch.events.recv().await, Ok(Event::Stored(3))));
        drop(watch);
        feed.entry(&one, entry(4, &session, json!({})), false);
        assert!(feed.lock()[&one].sender.is_none());
        let told = [&one, &two, &WorkspaceId::generate()].map(|room| feed.watch(room).told);
        assert_eq!(told, [4, 1, 0]);
    }

    #[tokio::test]
    async fn who_comes_later_gets_what_was_written_so_far() {
        let feed = Feed::default();
        let (workspace, session) = (WorkspaceId::generate(), SessionId::generate());
        feed.entry(
            &workspace,
            entry(5, &session, json!({"type": "user"})),
            false,
        );
        let write = |kind, text: &str| feed.delta(&workspace, session.clone(), kind, text.into());
        write(DeltaKind::Thinking, "hm");
        write(DeltaKind::Text, "he");
        write(DeltaKind::Text, "llo");
        let partials = feed.watch(&workspace).partials;
        assert_eq!(partials.len(), 1);
        let Partial {
            kind, text, after, ..
        } = &partials[0];
        assert_eq!(
            (*kind, text.as_str(), *after),
            (DeltaKind::Text, "hello", 5)
        );
        write(DeltaKind::Text, &"x".repeat(PARTIAL));
        assert_eq!(feed.watch(&workspace).partials[0].text, "hello");
        feed.entry(
            &workspace,
            entry(6, &session, json!({"type": "assistant"})),
            false,
        );
        assert!(feed.watch(&workspace).partials.is_empty());
        write(DeltaKind::Text, "more");
        feed.process_ended(&workspace, &session);
        assert!(feed.watch(&workspace).partials.is_empty());
    }
}
