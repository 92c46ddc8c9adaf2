//! What only the server asks of an agent.

use serde::{Deserialize, Serialize};

use crate::vm::LoginRequired;
use crate::{Timestamp, VmId};

/// Path of the handshake, the one route that needs no token.
pub const HELLO_PATH: &str = "/agent/hello";
/// Path of the health report.
pub const HEALTH_PATH: &str = "/agent/health";
/// Path of the stream of health reports: one [`Health`] as JSON a line, at once, whenever what it
/// says changes, and every few seconds as a sign of life.
pub const REPORTS_PATH: &str = "/agent/reports";
/// Path of the quiesce: `POST` with [`Quiesce`] begins it, `DELETE …/{id}` ends it.
pub const QUIESCE_PATH: &str = "/agent/quiesce";
/// Header of a forwarded request: Unix time in milliseconds after which it must not be executed.
/// A frozen VM's kernel accepts requests, and its agent reads them on thaw, long after the caller
/// has gone.
pub const DEADLINE_HEADER: &str = "ff-deadline";

/// `GET /agent/hello?nonce=HEX`: the agent proves that it holds the VM's token before the
/// server sends it anything (container addresses are reused at once).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The VM this agent serves.
    pub vm_id: VmId,
    /// The agent's protocol generation.
    pub generation: u32,
    /// Version of the agent's program.
    pub version: String,
    /// `HMAC-SHA256(token, "ff-agent-hello\n" + vm id + "\n" + nonce)`, hex.
    pub proof: String,
}

/// `GET /agent/health`, and each line of the stream of reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The VM this agent serves.
    pub vm_id: VmId,
    /// What works: while there is any, the VM must not sleep.
    pub working: Vec<Cause>,
    /// What would be lost by a stop, though nothing works: it may be frozen.
    #[serde(default)]
    pub holding: Vec<Cause>,
    /// When something last worked in it.
    pub last_active_at: Timestamp,
    /// Seconds since the agent started, on a monotonic clock.
    pub uptime_seconds: u64,
    /// Id of the quiesce in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiesced: Option<String>,
    /// When the VM has to be awake again by itself, for scheduled work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wake_at: Option<Timestamp>,
    /// What the user should know, newest last; a few at most.
    #[serde(default)]
    pub notices: Vec<Notice>,
    /// Set while sessions wait for the user to log in to Claude again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_required: Option<LoginRequired>,
}

/// Something that keeps a VM awake, or from being stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What it is.
    pub kind: CauseKind,
    /// Which one, for people: a program's name, a session, a question.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// Kinds of [`Cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A turn of a session, with the tools it runs.
    Turn,
    /// A task the CLI runs in the background.
    BackgroundTask,
    /// Messages that wait for their turn.
    QueuedMessage,
    /// A process that uses CPU or does I/O.
    Process,
    /// Somebody types.
    TerminalInput,
    /// A workspace comes or goes.
    Handoff,
    /// A workspace is being made or put away.
    Workspace,
    /// A request that changes something.
    Request,
    /// A lease of the user's.
    Lease,
    /// A program in the foreground of a terminal.
    Foreground,
    /// The run script of a workspace.
    RunScript,
    /// A question to the user.
    Question,
    /// A permission the user is asked for.
    Permission,
    /// A CLI that waits for the next message.
    IdleCli,
    /// Something an agent newer than this server knows.
    #[serde(other)]
    Other,
}

/// Something that happened in a VM and that its user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// When it happened.
    pub at: Timestamp,
    /// What happened and what to do, for people, with the process's name where it is known.
    pub text: String,
}

/// Kinds of [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The VM's memory was full, and a process was killed for it.
    OutOfMemory,
    /// The VM had as many processes as it may have, and some were killed.
    TooManyProcesses,
    /// Something an agent newer than this server knows.
    #[serde(other)]
    Other,
}

/// `POST /agent/quiesce`: from the answer on, until the quiesce ends, the agent executes nothing
/// that changes anything. The same id again answers the same and starts its time anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quiesce {
    /// Id of the quiesce.
    pub id: String,
    /// What is going to happen.
    pub tier: SuspendTier,
    /// It ends by itself after this long: the server may be gone.
    pub ttl_seconds: u32,
    /// Only if nothing worked for so long.
    #[serde(default)]
    pub idle_seconds: u64,
    /// For [`SuspendTier::Stopped`]: also if something holds.
    #[serde(default)]
    pub let_go: bool,
}

/// Answer of a quiesce that is in force. Otherwise the agent answers `busy`, with the causes in
/// the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quiesced {
    /// What a stop would end.
    pub holding: Vec<Cause>,
    /// When the VM has to be awake again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wake_at: Option<Timestamp>,
}

/// How deep a VM sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendTier {
    /// Its processes get no CPU; memory and connections stay.
    Frozen,
    /// Its container is stopped, never removed.
    Stopped,
}
