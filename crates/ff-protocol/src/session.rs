//! Sessions and their messages.

use serde::{Deserialize, Serialize};

use crate::{RequestId, SessionId, Timestamp, WorkspaceId};

/// State of a session's CLI process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// No process; a prompt starts one.
    Idle,
    /// The process lives.
    Running,
    /// The process ended by itself with exit code 0.
    Completed,
    /// The process could not start or died; see `error`.
    Failed,
}

/// What a session's turn is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// A turn is running.
    Working,
    /// Nothing runs.
    Idle,
    /// The CLI waits for an answer or a permission.
    WaitingForUser,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The model finished.
    Completed,
    /// The user stopped it, or a crash cut it.
    Interrupted,
    /// The CLI or the API reported an error.
    Failed,
    /// It ran longer than its limit.
    TimedOut,
}

/// The last turn of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastTurn {
    /// How it ended.
    pub outcome: TurnOutcome,
    /// Why, where it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model's final text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// How permission requests of the CLI are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PermissionPreset {
    /// Every request is put to the user.
    Strict,
    /// Tools are allowed; plans and questions are put to the user.
    Relaxed,
    /// As `RELAXED`, meant for unattended fixers.
    Yolo,
}

/// `POST /api/workspaces/{id}/sessions`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartSession {
    /// First message; without one the session waits.
    #[serde(default)]
    pub prompt: Option<String>,
    /// Display name.
    #[serde(default)]
    pub name: Option<String>,
    /// Model, as the CLI's `--model` takes it; absent means the CLI's default.
    #[serde(default)]
    pub model: Option<String>,
    /// Preset; absent means the engine's setting.
    #[serde(default)]
    pub permissions: Option<PermissionPreset>,
}

/// `POST /api/workspaces/{id}/sessions/{sid}/messages`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prompt {
    /// Text for the model.
    pub text: String,
}

/// `POST /api/workspaces/{id}/sessions/{sid}/answers`: the one answer a permission request
/// or question takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The request this answers.
    pub request_id: RequestId,
    /// Whether the tool may run.
    pub allow: bool,
    /// For a refusal: the reason, which reaches the model.
    #[serde(default)]
    pub message: Option<String>,
    /// For a question: the chosen label per question.
    #[serde(default)]
    pub answers: Option<std::collections::BTreeMap<String, String>>,
}

/// A session as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Display name.
    #[serde(default)]
    pub name: Option<String>,
    /// Kind of work (`followup` is a plain conversation).
    pub workflow: String,
    /// Model, as asked for.
    #[serde(default)]
    pub model: Option<String>,
    /// Preset for permission requests.
    pub permissions: PermissionPreset,
    /// State of the process.
    pub status: SessionStatus,
    /// What the turn is doing.
    pub activity: Activity,
    /// The last turn, once there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_turn: Option<LastTurn>,
    /// Why `status` is `FAILED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The CLI's own id of the conversation, which names its transcript.
    pub provider_session_id: String,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// A session together with its messages: `GET /api/workspaces/{id}/sessions/{sid}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDetail {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Its messages in the order they were entered.
    pub messages: Vec<JournalEntry>,
}

/// Kinds of journal entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A message of the user.
    UserMessage,
    /// A whole message of the CLI, as it came: `assistant`, `user` (tool results), `system`.
    ClaudeMessage,
    /// The end of a turn: the CLI's `result`.
    TurnEnded,
    /// A permission request or question put to the user.
    Request,
    /// Its answer.
    Answer,
    /// The session changed state.
    Status,
}

/// One entry of a workspace's journal. `seq` is gapless within the workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// Place in the workspace's journal, from 1.
    pub seq: u64,
    /// The session it belongs to.
    pub session_id: SessionId,
    /// What it is.
    pub kind: EntryKind,
    /// The content; its shape depends on `kind`.
    pub payload: serde_json::Value,
    /// When it was entered.
    pub created_at: Timestamp,
}

impl JournalEntry {
    /// The plain text of the entry, for people: a prompt, or the text blocks of a message.
    pub fn text(&self) -> String {
        match self.kind {
            EntryKind::UserMessage => self
                .payload
                .get("text")
                .and_then(|t| t.as_str())
                .unwrap_or_default()
                .to_owned(),
            EntryKind::ClaudeMessage => content_text(&self.payload["message"]["content"]),
            _ => String::new(),
        }
    }
}

fn content_text(content: &serde_json::Value) -> String {
    match content {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(blocks) => blocks
            .iter()
            .filter(|block| block["type"] == "text")
            .filter_map(|block| block["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}
