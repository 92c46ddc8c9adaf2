//! Frames of the workspace socket (`GET /api/workspaces/{id}/socket`), JSON text.

use serde::{Deserialize, Serialize};

use crate::session::{JournalEntry, Session};
use crate::{SessionId, WorkspaceId};

/// Server to client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum WorkspaceFrame {
    /// First frame: the journal's id and where the client stands in it.
    MessagesSnapshot {
        /// The workspace.
        workspace_id: WorkspaceId,
        /// Id of the journal the following `seq` belong to.
        journal: String,
        /// Entries the client lacks.
        messages: Vec<JournalEntry>,
        /// The workspace's sessions.
        sessions: Vec<Session>,
    },
    /// A durable entry.
    ClaudeMessage {
        /// The entry, with its `seq`.
        entry: JournalEntry,
    },
    /// A piece of a message still being written; has no `seq`, the whole message follows as an
    /// entry.
    Delta {
        /// The session that writes.
        session_id: SessionId,
        /// The text to append.
        text: String,
    },
    /// A session changed.
    Status {
        /// The session now.
        session: Session,
    },
    /// The client fell behind and must connect again from its last `seq`.
    Lagged,
}
