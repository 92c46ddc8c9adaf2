//! The original application's backup, version 4: its fields, in its order.
//!
//! A field must be there unless it has a default; one that is not known is ignored.

use ff_protocol::derived::RatchetState;
use ff_protocol::project::IssueProvider;
use ff_protocol::workspace::{
    CiStatus, CreationSource, PrState, ProviderSelection, RatchetDispatchOutcome, RunScriptStatus,
    WorkspaceMode, WorkspaceStatus,
};
use ff_protocol::{ProjectId, SessionId, TerminalId, WorkspaceId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use super::settings::UserSettings;
use super::time::Time;

/// The version of the format that is read and written.
pub const SCHEMA_VERSION: u64 = 4;

/// A field that may be `null` and must be there.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// What it is.
    pub meta: Meta,
    /// What it holds.
    pub data: Data,
}

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// When it was made.
    pub exported_at: Time,
    /// Version of the application that made it.
    pub version: String,
    /// Version of the format.
    pub schema_version: u64,
}

/// What a backup holds, each list oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Data {
    pub projects: Vec<ProjectRecord>,
    pub workspaces: Vec<WorkspaceRecord>,
    pub agent_sessions: Vec<SessionRecord>,
    pub terminal_sessions: Vec<TerminalRecord>,
    #[serde(deserialize_with = "nullable")]
    pub user_settings: Option<UserSettings>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ProjectRecord {
    pub id: ProjectId,
    pub name: String,
    pub slug: String,
    pub repo_path: String,
    pub worktree_base_path: String,
    pub default_branch: String,
    #[serde(deserialize_with = "nullable")]
    pub github_owner: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub github_repo: Option<String>,
    pub issue_provider: IssueProvider,
    /// Without secrets.
    pub issue_tracker_config: Value,
    pub is_archived: bool,
    #[serde(deserialize_with = "nullable")]
    pub startup_script_command: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub startup_script_path: Option<String>,
    /// In seconds.
    pub startup_script_timeout: u32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A workspace with its pull request, ratchet, run script and auto-iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct WorkspaceRecord {
    pub id: WorkspaceId,
    pub project_id: ProjectId,
    #[serde(default)]
    pub parent_workspace_id: Option<WorkspaceId>,
    pub name: String,
    #[serde(deserialize_with = "nullable")]
    pub description: Option<String>,
    pub status: WorkspaceStatus,
    #[serde(deserialize_with = "nullable")]
    pub worktree_path: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub branch_name: Option<String>,
    pub is_auto_generated_branch: bool,
    pub creation_source: CreationSource,
    pub creation_metadata: Value,
    #[serde(deserialize_with = "nullable")]
    pub init_error_message: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub init_output: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub init_started_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub init_completed_at: Option<Time>,
    pub init_retry_count: i64,
    #[serde(deserialize_with = "nullable")]
    pub run_script_command: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub run_script_cleanup_command: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub run_script_pid: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub run_script_port: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub run_script_started_at: Option<Time>,
    pub run_script_status: RunScriptStatus,
    #[serde(default)]
    pub mode: WorkspaceMode,
    #[serde(default)]
    pub auto_iteration_config: Value,
    #[serde(deserialize_with = "nullable")]
    pub github_issue_number: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub github_issue_url: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub linear_issue_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub linear_issue_identifier: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub linear_issue_url: Option<String>,
    pub default_session_provider: ProviderSelection,
    pub ratchet_session_provider: ProviderSelection,
    #[serde(deserialize_with = "nullable")]
    pub pr_url: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub pr_number: Option<i64>,
    pub pr_state: PrState,
    #[serde(deserialize_with = "nullable")]
    pub pr_review_state: Option<String>,
    pub pr_ci_status: CiStatus,
    #[serde(deserialize_with = "nullable")]
    pub pr_updated_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub pr_ci_failed_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub pr_ci_last_notified_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub pr_review_last_checked_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub pr_review_last_comment_id: Option<String>,
    pub ratchet_enabled: bool,
    pub ratchet_state: RatchetState,
    #[serde(deserialize_with = "nullable")]
    pub ratchet_last_checked_at: Option<Time>,
    #[serde(deserialize_with = "nullable")]
    pub ratchet_active_session_id: Option<SessionId>,
    /// The whole key of what was last acted on, in spite of its name.
    #[serde(deserialize_with = "nullable")]
    pub ratchet_last_ci_run_id: Option<String>,
    pub has_had_sessions: bool,
    pub created_at: Time,
    pub updated_at: Time,
    /// What the original's database has beside that.
    #[serde(skip)]
    pub beyond: Option<Beyond>,
}

/// What the original keeps of a workspace and its backup leaves out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Beyond {
    pub has_merge_conflict: bool,
    pub discovery_last_checked_at: Option<Time>,
    pub discovery_retry_count: i64,
    pub discovery_next_check_at: Option<Time>,
    pub dispatch_outcome: Option<RatchetDispatchOutcome>,
    pub dispatch_retry_count: i64,
    pub dispatch_stalled: bool,
    pub post_run_command: Option<String>,
}

/// Who answers in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Provider {
    Claude,
    Codex,
}

/// State of a session's or terminal's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum ProcessStatus {
    Idle,
    Running,
    Paused,
    Completed,
    Failed,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct SessionRecord {
    pub id: SessionId,
    pub workspace_id: WorkspaceId,
    #[serde(deserialize_with = "nullable")]
    pub name: Option<String>,
    pub workflow: String,
    pub model: String,
    pub status: ProcessStatus,
    pub provider: Provider,
    #[serde(deserialize_with = "nullable")]
    pub provider_session_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub provider_project_path: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub provider_process_pid: Option<i64>,
    pub provider_metadata: Value,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TerminalRecord {
    pub id: TerminalId,
    pub workspace_id: WorkspaceId,
    #[serde(deserialize_with = "nullable")]
    pub name: Option<String>,
    pub status: ProcessStatus,
    #[serde(deserialize_with = "nullable")]
    pub pid: Option<i64>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A session that was closed in the original, with what was said in a file of its worktree. Its
/// database has these, its backup has not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ClosedRecord {
    pub workspace_id: WorkspaceId,
    pub session_id: SessionId,
    pub name: Option<String>,
    pub workflow: String,
    pub provider: Provider,
    pub model: String,
    /// Relative to the worktree.
    pub transcript_path: String,
    pub started_at: Time,
    pub completed_at: Time,
}
