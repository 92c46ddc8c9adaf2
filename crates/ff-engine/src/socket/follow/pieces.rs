//! Which pieces of messages are told: not those of a message that was told whole already, because
//! its entry was read from the store before its event came. Pure.

use std::collections::HashMap;

use ff_protocol::SessionId;
use ff_protocol::session::{EntryKind, JournalEntry};

/// What of the events to come is known already.
#[derive(Debug)]
pub(super) struct Pieces {
    /// The last entry of which no event comes any more; 0 where that is not known.
    told: u64,
    /// By session: the entry that was read and ends a message, and whose event is still to come.
    whole: HashMap<SessionId, u64>,
}

impl Pieces {
    /// Events of the entries after `told` are still to come.
    pub(super) fn new(told: u64) -> Self {
        let whole = HashMap::new();
        Self { told, whole }
    }

    /// An entry was read from the store.
    pub(super) fn read(&mut self, entry: &JournalEntry) {
        if self.told > 0 && entry.seq > self.told && ends_message(entry) {
            self.whole.insert(entry.session_id.clone(), entry.seq);
        }
    }

    /// The event of an entry came.
    pub(super) fn passed(&mut self, seq: u64) {
        self.whole.retain(|_, until| *until > seq);
    }

    /// Whether a piece that comes now is news.
    pub(super) fn are_news(&self, session: &SessionId) -> bool {
        !self.whole.contains_key(session)
    }
}

/// Whether pieces that come after this entry belong to another message than those before.
fn ends_message(entry: &JournalEntry) -> bool {
    match entry.kind {
        EntryKind::ClaudeMessage => entry.payload["type"] == "assistant",
        EntryKind::TurnEnded => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(seq: u64, session: &SessionId, kind: EntryKind, role: &str) -> JournalEntry {
        JournalEntry {
            seq,
            session_id: session.clone(),
            kind,
            payload: json!({ "type": role }),
            created_at: ff_core::clock::now(),
        }
    }

    fn assistant(seq: u64, session: &SessionId) -> JournalEntry {
        entry(seq, session, EntryKind::ClaudeMessage, "assistant")
    }

    #[test]
    fn a_message_read_whole_has_no_pieces_until_its_event() {
        let (one, two) = (SessionId::generate(), SessionId::generate());
        let mut pieces = Pieces::new(5);
        pieces.read(&assistant(5, &two));
        pieces.read(&assistant(6, &one));
        pieces.read(&entry(8, &one, EntryKind::TurnEnded, "result"));
        for seq in 6..8 {
            pieces.passed(seq);
            assert!(!pieces.are_news(&one), "{seq}");
            assert!(pieces.are_news(&two));
        }
        pieces.passed(8);
        assert!(pieces.are_news(&one));
    }

    #[test]
    fn entries_that_end_no_message_leave_its_pieces_news() {
        let session = SessionId::generate();
        let mut pieces = Pieces::new(5);
        for (kind, role) in [
            (EntryKind::UserMessage, ""),
            (EntryKind::ClaudeMessage, "user"),
            (EntryKind::ClaudeMessage, "system"),
            (EntryKind::Status, ""),
        ] {
            pieces.read(&entry(6, &session, kind, role));
            assert!(pieces.are_news(&session), "{kind:?} {role}");
        }
    }

    #[test]
    fn nothing_is_kept_back_where_it_is_not_known_what_comes() {
        let session = SessionId::generate();
        let mut pieces = Pieces::new(0);
        pieces.read(&assistant(6, &session));
        assert!(pieces.are_news(&session));
    }
}
