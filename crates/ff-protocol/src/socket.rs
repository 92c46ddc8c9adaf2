//! Frames of the workspace socket (`GET /api/workspaces/{id}/socket`), JSON text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::session::{Answer, EntryKind, JournalEntry, Prompt, Session};
use crate::{ClientId, Problem, RequestId, SessionId, WorkspaceId};

/// Largest frame of a client, in bytes: the longest message in JSON, where a byte may take six.
pub const LARGEST_CLIENT_FRAME: usize = 8 << 20;

/// What a piece of a message is part of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    /// The model's text.
    #[default]
    Text,
    /// Its thinking, which is not kept.
    Thinking,
}

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
    /// A durable entry that asks the user a question.
    UserQuestion {
        /// The entry, with its `seq`.
        entry: JournalEntry,
    },
    /// A durable entry that asks the user for leave: for a tool or a plan.
    PermissionRequest {
        /// The entry, with its `seq`.
        entry: JournalEntry,
    },
    /// A piece of a message still being written; has no `seq`, the whole message follows as an
    /// entry. Who connects meanwhile gets what was written so far as one piece.
    Delta {
        /// The session that writes.
        session_id: SessionId,
        /// What it writes.
        #[serde(default)]
        kind: DeltaKind,
        /// The text to append.
        text: String,
    },
    /// A session changed.
    Status {
        /// The session now.
        session: Box<Session>,
    },
    /// The workspace changed, its owner for one: read it again.
    WorkspaceChanged {
        /// The workspace.
        workspace_id: WorkspaceId,
    },
    /// A client's message took effect, now or when it was first sent.
    Accepted {
        /// The client's id of it.
        id: ClientId,
    },
    /// A client's message took no effect.
    Rejected {
        /// The client's id of it; absent where it could not be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ClientId>,
        /// Why.
        problem: Problem,
    },
    /// The client fell behind and must connect again from its last `seq`.
    Lagged,
}

impl WorkspaceFrame {
    /// The frame that carries this entry.
    pub fn of_entry(entry: JournalEntry) -> Self {
        match (entry.kind, entry.payload["kind"].as_str()) {
            (EntryKind::Request, Some("question")) => Self::UserQuestion { entry },
            (EntryKind::Request, _) => Self::PermissionRequest { entry },
            _ => Self::ClaudeMessage { entry },
        }
    }

    /// The entry it carries, if it carries one.
    pub fn entry(&self) -> Option<&JournalEntry> {
        match self {
            Self::ClaudeMessage { entry }
            | Self::UserQuestion { entry }
            | Self::PermissionRequest { entry } => Some(entry),
            _ => None,
        }
    }
}

/// Client to server. Each takes effect once however often it is sent, and is answered
/// [`WorkspaceFrame::Accepted`] or [`WorkspaceFrame::Rejected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum ClientFrame {
    /// A message for the model.
    UserMessage {
        /// The client's id of it.
        id: ClientId,
        /// The session it is for.
        session_id: SessionId,
        /// The text.
        text: String,
    },
    /// The answer to a question.
    QuestionResponse {
        /// The client's id of it.
        id: ClientId,
        /// The session that asks.
        session_id: SessionId,
        /// The question.
        request_id: RequestId,
        /// The chosen label per question; absent, like `other`, to refuse to answer.
        #[serde(default)]
        answers: Option<BTreeMap<String, String>>,
        /// A text of the user's own per question, instead of a label.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<BTreeMap<String, String>>,
        /// Who answers, for people.
        #[serde(default)]
        by: Option<String>,
    },
    /// The answer to a permission request or a plan.
    PermissionResponse {
        /// The client's id of it.
        id: ClientId,
        /// The session that asks.
        session_id: SessionId,
        /// The request.
        request_id: RequestId,
        /// Whether the tool may run.
        allow: bool,
        /// For a refusal: the reason, which reaches the model.
        #[serde(default)]
        message: Option<String>,
        /// Who answers, for people.
        #[serde(default)]
        by: Option<String>,
    },
    /// Ends the turn that runs.
    Interrupt {
        /// The client's id of it.
        id: ClientId,
        /// The session.
        session_id: SessionId,
    },
}

/// What a client's frame asks of its session, in the words of REST.
#[derive(Debug, Clone)]
pub enum Intent {
    /// To take a message.
    Prompt(Prompt),
    /// To take an answer.
    Answer(Answer),
    /// To end the turn that runs; the client's id of that.
    Interrupt(ClientId),
}

impl ClientFrame {
    /// The session it is for, and what it asks of it.
    pub fn into_intent(self) -> (SessionId, Intent) {
        match self {
            Self::UserMessage {
                id,
                session_id,
                text,
            } => (session_id, Intent::Prompt(Prompt { text, id: Some(id) })),
            Self::QuestionResponse {
                id,
                session_id,
                request_id,
                answers,
                other,
                by,
            } => {
                let answer = Answer {
                    request_id,
                    allow: answers.is_some() || other.is_some(),
                    message: None,
                    answers,
                    other,
                    id: Some(id),
                    by,
                };
                (session_id, Intent::Answer(answer))
            }
            Self::PermissionResponse {
                id,
                session_id,
                request_id,
                allow,
                message,
                by,
            } => {
                let answer = Answer {
                    request_id,
                    allow,
                    message,
                    answers: None,
                    other: None,
                    id: Some(id),
                    by,
                };
                (session_id, Intent::Answer(answer))
            }
            Self::Interrupt { id, session_id } => (session_id, Intent::Interrupt(id)),
        }
    }

    /// The client's id of it.
    pub fn id(&self) -> &ClientId {
        match self {
            Self::UserMessage { id, .. }
            | Self::QuestionResponse { id, .. }
            | Self::PermissionResponse { id, .. }
            | Self::Interrupt { id, .. } => id,
        }
    }

    /// The session it is for.
    pub fn session_id(&self) -> &SessionId {
        match self {
            Self::UserMessage { session_id, .. }
            | Self::QuestionResponse { session_id, .. }
            | Self::PermissionResponse { session_id, .. }
            | Self::Interrupt { session_id, .. } => session_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(kind: EntryKind, payload: serde_json::Value) -> JournalEntry {
        JournalEntry {
            seq: 7,
            session_id: SessionId::generate(),
            kind,
            payload,
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_entry_has_the_frame_of_its_kind() {
        let name = |kind, payload| {
            let frame = WorkspaceFrame::of_entry(entry(kind, payload));
            assert_eq!(frame.entry().unwrap().seq, 7);
            serde_json::to_value(frame).unwrap()["type"].clone()
        };
        assert_eq!(
            name(EntryKind::Request, json!({"kind": "question"})),
            "user_question"
        );
        let asked =
            ["permission", "plan"].map(|kind| name(EntryKind::Request, json!({"kind": kind})));
        assert_eq!(asked, ["permission_request", "permission_request"]);
        assert_eq!(name(EntryKind::Status, json!({})), "claude_message");
    }

    #[test]
    fn a_clients_frame_is_strict_about_its_shape() {
        let id = ClientId::generate();
        let good = json!({"type": "user_message", "id": id, "sessionId": "s", "text": "hi"});
        let frame: ClientFrame = serde_json::from_value(good.clone()).unwrap();
        assert_eq!(frame.id(), &id);
        for (field, value) in [
            ("id", json!("NOT OK")),
            ("type", json!("shout")),
            ("extra", json!(1)),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(
                serde_json::from_value::<ClientFrame>(bad.clone()).is_err(),
                "{bad}"
            );
        }
    }
}
