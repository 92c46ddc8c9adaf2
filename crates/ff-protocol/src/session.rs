//! Sessions and their messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vm::LoginRequired;
use crate::{ClientId, RequestId, SessionId, Timestamp, WorkspaceId};

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
    /// The user is waited for: for an answer, a permission, or a login.
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

/// What a turn used, as the CLI counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens the model read, not counting the cache.
    #[serde(default, alias = "input_tokens")]
    pub input_tokens: u64,
    /// Tokens the model wrote.
    #[serde(default, alias = "output_tokens")]
    pub output_tokens: u64,
    /// Tokens written to the cache.
    #[serde(default, alias = "cache_creation_input_tokens")]
    pub cache_creation_input_tokens: u64,
    /// Tokens read from the cache.
    #[serde(default, alias = "cache_read_input_tokens")]
    pub cache_read_input_tokens: u64,
}

/// What kept a turn from completing, where the CLI told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnFailure {
    /// The CLI is not logged in, or its login is no longer taken.
    LoggedOut,
    /// The account's limit is reached (HTTP 429).
    RateLimited,
    /// The API has too much to do (HTTP 529).
    Overloaded,
    /// The API could not be reached.
    Unreachable,
    /// The API answered with another error.
    Api,
    /// The CLI reported an error of its own.
    Cli,
}

/// The last turn of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastTurn {
    /// How it ended.
    pub outcome: TurnOutcome,
    /// Why, where it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What kept it from completing, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TurnFailure>,
    /// The model's final text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What it used; absent where the CLI did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost, in US dollars, by the CLI's own reckoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
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

/// The CLI's own permission mode, beside the preset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// The CLI asks for what its rules do not allow.
    #[default]
    Default,
    /// Edits of files in the workspace are not asked for.
    AcceptEdits,
    /// The model plans and changes nothing until the plan is approved.
    Plan,
    /// What would have to be asked for is refused.
    DontAsk,
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
    /// The CLI's permission mode.
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// Most tokens the model may think with in a turn; absent means the CLI's default.
    #[serde(default)]
    pub thinking_tokens: Option<u32>,
    /// Id of the first message, made by the client.
    #[serde(default)]
    pub prompt_id: Option<ClientId>,
    /// The session whose conversation so far this one goes on from; that one stays as it is.
    #[serde(default)]
    pub fork_of: Option<SessionId>,
}

/// `PATCH /api/workspaces/{id}/sessions/{sid}`: what is absent stays. The CLI takes a change at
/// once if it runs, else when it starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configure {
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Model, as the CLI takes it (`default` for its own choice).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Preset for permission requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionPreset>,
    /// The CLI's permission mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Most tokens the model may think with in a turn; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
}

/// `POST /api/workspaces/{id}/sessions/{sid}/messages`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prompt {
    /// Text for the model.
    pub text: String,
    /// Id made by the client: the message is entered once however often it is sent. Unique within
    /// the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ClientId>,
}

/// `POST /api/workspaces/{id}/sessions/{sid}/answers`: the one answer a permission request
/// or question takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The request this answers.
    pub request_id: RequestId,
    /// Whether the tool may run.
    pub allow: bool,
    /// For a refusal: the reason, which reaches the model.
    #[serde(default)]
    pub message: Option<String>,
    /// For a question: the chosen label per question; where several may be chosen, with `, ` between.
    #[serde(default)]
    pub answers: Option<BTreeMap<String, String>>,
    /// For a question: a text of the user's own per question, instead of a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<BTreeMap<String, String>>,
    /// Id made by the client: the same answer may be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ClientId>,
    /// Who answers, for people: shown to whoever answers later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /api/workspaces/{id}/sessions/{sid}/interrupt`; the body may be absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interrupt {
    /// Id made by the client: sent again, it interrupts nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ClientId>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It waits for an answer.
    Open,
    /// It was answered, and its CLI got the answer.
    Answered,
    /// Its CLI ended before an answer. An answer resumes the session and counts only if the CLI asks
    /// the same again.
    Orphaned,
    /// The CLI took it back.
    Cancelled,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// May a tool run?
    Permission,
    /// A question with choices.
    Question,
    /// May the plan be carried out?
    Plan,
}

/// A permission request or question of the CLI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRequest {
    /// Its id.
    pub request_id: RequestId,
    /// The session that asks.
    pub session_id: SessionId,
    /// What it is about.
    pub kind: RequestKind,
    /// Name of the tool.
    pub tool_name: String,
    /// The model's id of the call.
    #[serde(default)]
    pub tool_use_id: Option<String>,
    /// What the tool is to do, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The tool's input; the questions of a question.
    pub input: serde_json::Value,
    /// What became of it.
    pub state: RequestState,
    /// Who answered, once somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// When it was asked.
    pub created_at: Timestamp,
}

/// What a session's CLI offers: `GET /api/workspaces/{id}/sessions/{sid}/capabilities`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// The CLI's version.
    #[serde(default)]
    pub cli_version: Option<String>,
    /// Slash commands, as the CLI lists them (`name`, `description`, `argumentHint`).
    #[serde(default)]
    pub commands: Vec<serde_json::Value>,
    /// Models, as the CLI lists them (`value`, `displayName`, `description`).
    #[serde(default)]
    pub models: Vec<serde_json::Value>,
}

/// A session as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The CLI's permission mode.
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// Most tokens the model may think with in a turn, as asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
    /// The session this one was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_of: Option<SessionId>,
    /// Messages that wait for their turn.
    #[serde(default)]
    pub queued: u32,
    /// Whether they wait for the user: a turn was cut, and the next message or `resume` goes on.
    #[serde(default)]
    pub held: bool,
    /// Set while they wait for the user to log in to Claude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_required: Option<LoginRequired>,
    /// What the conversation has cost so far, in US dollars, by the CLI's own reckoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_cost_usd: Option<f64>,
    /// Something the user should know and that stops nothing: a CLI of another version than the
    /// tested one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// When it was closed; a closed session takes no message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
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
    /// The messages of the user among them whose turn has not ended by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Unfinished>,
}

/// A message of the user whose turn has not ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unfinished {
    /// Its place in the journal.
    pub seq: u64,
    /// What became of it.
    pub state: MessageState,
}

/// What became of a message of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageState {
    /// It waits for its turn, or its turn runs.
    Queued,
    /// Its turn ended by itself.
    Done,
    /// Its turn was cut, or it was interrupted before.
    Interrupted,
    /// It was taken back before its turn.
    Cancelled,
}

/// A session that was stopped or closed, and what that took back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Messages that waited and are not sent any more, oldest first.
    #[serde(default)]
    pub taken_back: Vec<TakenBack>,
}

/// A message that was taken back before its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenBack {
    /// Its place in the journal.
    pub seq: u64,
    /// Its text.
    pub text: String,
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
