//! What the CLI says.

use ff_protocol::socket::DeltaKind;
use serde::Deserialize;
use serde_json::Value;

use super::result::TurnResult;

/// A line of the CLI: what we understand of it, and all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The part we act on.
    pub message: Message,
    /// The whole line.
    pub raw: Value,
}

/// Kinds of lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// News about the process and its conversation.
    System(System),
    /// A piece of a message still being written.
    StreamEvent(StreamEvent),
    /// One content block of the model's message.
    Assistant(AssistantLine),
    /// Results of tools, or a note of the CLI in the user's name.
    User(Tools),
    /// The end of a turn.
    Result(Box<TurnResult>),
    /// The CLI asks us something.
    ControlRequest(ControlRequest),
    /// The CLI answers us.
    ControlResponse(ControlResponse),
    /// A question of the CLI no longer stands.
    ControlCancel {
        /// The CLI's id of the question.
        request_id: String,
    },
    /// What became of a message we sent with a uuid.
    CommandLifecycle(CommandLifecycle),
    /// The conversation has a new id from here (`/clear`).
    ConversationReset {
        /// The new id.
        new_conversation_id: String,
    },
    /// Anything else.
    Unknown,
}

/// `system` lines by subtype.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum System {
    /// Start of every turn; also of those the CLI starts by itself.
    Init {
        /// The conversation's id.
        session_id: String,
    },
    /// What the CLI does (`requesting`, `compacting`, nothing).
    Status {
        /// Its word for it.
        #[serde(default)]
        status: Option<String>,
    },
    /// The API failed and is tried again.
    ApiRetry,
    /// A tool was refused without asking.
    PermissionDenied,
    /// Progress of the model's thinking.
    ThinkingTokens,
    /// The conversation was compacted here.
    CompactBoundary,
    /// A note for the user.
    Informational,
    /// A background task began.
    TaskStarted,
    /// A background task goes on.
    TaskProgress,
    /// A background task changed.
    TaskUpdated,
    /// A background task ended; the CLI starts a turn of its own about it.
    TaskNotification,
    /// The background tasks that run now.
    BackgroundTasksChanged {
        /// All of them.
        #[serde(default)]
        tasks: Vec<BackgroundTask>,
    },
    /// A subtype not known here.
    #[serde(other)]
    Other,
}

/// A task that runs beside turns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackgroundTask {
    /// The CLI's id of it.
    pub task_id: String,
}

/// A raw event of the Messages API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StreamEvent {
    /// The event.
    pub event: Value,
    /// Set when a subagent writes.
    #[serde(default)]
    pub parent_tool_use_id: Option<String>,
}

impl StreamEvent {
    /// Text to append to the message being written, if this is a piece of the main
    /// conversation's text or thinking.
    pub fn delta(&self) -> Option<(DeltaKind, &str)> {
        if self.parent_tool_use_id.is_some() {
            return None;
        }
        let delta = &self.event["delta"];
        let piece = |kind, field: &str| Some((kind, delta[field].as_str()?));
        match delta["type"].as_str()? {
            "text_delta" => piece(DeltaKind::Text, "text"),
            "thinking_delta" => piece(DeltaKind::Thinking, "thinking"),
            _ => None,
        }
    }
}

/// Blocks of a message that start a tool, or end one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Ids of calls that begin.
    pub begun: Vec<String>,
    /// Ids of calls that have their result.
    pub ended: Vec<String>,
}

impl Tools {
    fn of(raw: &Value) -> Self {
        let blocks = raw["message"]["content"].as_array().map(Vec::as_slice);
        let blocks = blocks.unwrap_or_default();
        let ids = |kind: &str, field: &str| {
            let of_kind = blocks.iter().filter(|block| block["type"] == kind);
            let ids = of_kind.filter_map(|block| block[field].as_str());
            ids.map(str::to_owned).collect()
        };
        Self {
            begun: ids("tool_use", "id"),
            ended: ids("tool_result", "tool_use_id"),
        }
    }
}

/// One content block of a message of the model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AssistantLine {
    /// Set when a subagent writes.
    #[serde(default)]
    pub parent_tool_use_id: Option<String>,
    /// Kind of failure, on a message the CLI made up to report one.
    #[serde(default)]
    pub error: Option<String>,
    /// Tools it starts.
    #[serde(skip)]
    pub tools: Tools,
}

/// A request of the CLI.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ControlRequest {
    /// The CLI's id, to be repeated in the answer.
    pub request_id: String,
    /// What it asks.
    pub request: ControlRequestBody,
}

/// What the CLI may ask.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum ControlRequestBody {
    /// May this tool run?
    CanUseTool(ToolUse),
    /// Something we do not do.
    #[serde(other)]
    Other,
}

/// A tool the CLI would like to run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ToolUse {
    /// Name of the tool.
    pub tool_name: String,
    /// Its input.
    #[serde(default)]
    pub input: Value,
    /// The model's id of the call.
    #[serde(default)]
    pub tool_use_id: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether only the user can answer.
    #[serde(default)]
    pub requires_user_interaction: bool,
}

/// The CLI's answer to a control request of ours.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "ControlResponseLine")]
pub struct ControlResponse {
    /// Our id of the request.
    pub request_id: String,
    /// Why it was not done, if it was not.
    pub error: Option<String>,
    /// What it said beside that.
    pub response: Value,
}

#[derive(Deserialize)]
struct ControlResponseLine {
    response: ControlResponseBody,
}

#[derive(Deserialize)]
struct ControlResponseBody {
    subtype: String,
    request_id: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    response: Value,
}

impl From<ControlResponseLine> for ControlResponse {
    fn from(line: ControlResponseLine) -> Self {
        let ControlResponseBody {
            subtype,
            request_id,
            error,
            response,
        } = line.response;
        let error = (subtype != "success").then(|| error.unwrap_or(subtype));
        Self {
            request_id,
            error,
            response,
        }
    }
}

/// What became of a user message sent with a uuid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommandLifecycle {
    /// The uuid.
    pub command_uuid: String,
    /// `queued`, `started`, `completed` or `cancelled`.
    pub state: String,
}

#[derive(Deserialize)]
struct Cancel {
    request_id: String,
}

#[derive(Deserialize)]
struct Reset {
    new_conversation_id: String,
}

/// Reads a line. One whose kind or fields we do not know becomes [`Message::Unknown`].
///
/// # Errors
/// The line is not JSON.
pub fn parse(line: &[u8]) -> Result<Incoming, serde_json::Error> {
    let raw: Value = serde_json::from_slice(line)?;
    let message = typed(&raw).unwrap_or(Message::Unknown);
    Ok(Incoming { message, raw })
}

fn typed(raw: &Value) -> Option<Message> {
    Some(match raw["type"].as_str()? {
        "system" => Message::System(read(raw)?),
        "stream_event" => Message::StreamEvent(read(raw)?),
        "assistant" => Message::Assistant(AssistantLine {
            tools: Tools::of(raw),
            ..read(raw)?
        }),
        "user" => Message::User(Tools::of(raw)),
        "result" => Message::Result(Box::new(read(raw)?)),
        "control_request" => Message::ControlRequest(read(raw)?),
        "control_response" => Message::ControlResponse(read(raw)?),
        "control_cancel_request" => Message::ControlCancel {
            request_id: read::<Cancel>(raw)?.request_id,
        },
        "command_lifecycle" => Message::CommandLifecycle(read(raw)?),
        "conversation_reset" => Message::ConversationReset {
            new_conversation_id: read::<Reset>(raw)?.new_conversation_id,
        },
        _ => Message::Unknown,
    })
}

fn read<'de, T: Deserialize<'de>>(raw: &'de Value) -> Option<T> {
    T::deserialize(raw).ok()
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
