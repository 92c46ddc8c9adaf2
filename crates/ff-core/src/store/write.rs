//! What one step changes: entries of the journal and rows beside them, all or nothing.

use ff_protocol::session::{EntryKind, MessageState, Session};
use ff_protocol::{ClientId, SessionId, WorkspaceId};
use serde_json::Value;

use super::requests::RequestRecord;
use super::sessions::ProcessMark;

/// An entry that is to be made.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) workspace: WorkspaceId,
    pub(super) session: SessionId,
    pub(super) kind: EntryKind,
    pub(super) payload: Value,
}

/// A row that is to be written.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Every field of a session's row.
    Session(Box<Session>),
    /// The process a session runs, or none.
    Process(SessionId, Option<ProcessMark>),
    /// The user message that the first entry of this write is; it waits.
    Enter {
        /// The client's id of it.
        id: ClientId,
        /// The CLI's id of it.
        uuid: String,
    },
    /// What became of the message with this uuid.
    Message {
        /// The CLI's id of it.
        uuid: String,
        /// What it is now.
        state: MessageState,
    },
    /// The message with this uuid goes to the CLI under another one.
    Rename {
        /// The uuid so far.
        uuid: String,
        /// The new one.
        to: String,
    },
    /// Every field of a request's row.
    Request(Box<RequestRecord>),
}

/// Entries and rows that are written together.
#[derive(Debug, Default)]
pub(crate) struct Write {
    pub(super) entries: Vec<Draft>,
    pub(super) changes: Vec<Change>,
}

impl Write {
    /// A write of one entry.
    pub(crate) fn of(
        workspace: &WorkspaceId,
        session: &SessionId,
        kind: EntryKind,
        payload: Value,
    ) -> Self {
        let draft = Draft {
            workspace: workspace.clone(),
            session: session.clone(),
            kind,
            payload,
        };
        Self {
            entries: vec![draft],
            changes: Vec::new(),
        }
    }

    /// A write of one entry of a session.
    pub(crate) fn entry(session: &Session, kind: EntryKind, payload: Value) -> Self {
        Self::of(&session.workspace_id, &session.id, kind, payload)
    }

    /// With one more entry.
    pub(crate) fn and_entry(mut self, session: &Session, kind: EntryKind, payload: Value) -> Self {
        let more = Self::entry(session, kind, payload);
        self.entries.extend(more.entries);
        self
    }

    /// With one more change.
    pub(crate) fn and(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// With all of another one.
    pub(crate) fn with(mut self, more: Self) -> Self {
        self.entries.extend(more.entries);
        self.changes.extend(more.changes);
        self
    }

    /// With the session's row.
    pub(crate) fn and_session(self, session: &Session) -> Self {
        self.and(Change::Session(Box::new(session.clone())))
    }
}
