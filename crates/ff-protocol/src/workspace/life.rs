//! What a workspace came from, how it was made ready, and what runs in it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Where a workspace came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum CreationSource {
    #[default]
    Manual,
    ResumeBranch,
    GithubIssue,
    LinearIssue,
    PeriodicTask,
    ChildWorkspace,
}

/// How a workspace was made ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Init {
    /// Why it failed; in a workspace that is `READY`, a warning.
    pub error_message: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended, well or not.
    pub completed_at: Option<Timestamp>,
    /// Process id of the script that runs; never travels.
    pub script_pid: Option<i64>,
    /// Times it was tried again.
    pub retry_count: i64,
}

/// The issue a workspace is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IssueLink {
    /// Number on GitHub.
    pub github_number: Option<i64>,
    /// Web address on GitHub.
    pub github_url: Option<String>,
    /// Id in Linear.
    pub linear_id: Option<String>,
    /// Name in Linear, such as `ENG-12`.
    pub linear_identifier: Option<String>,
    /// Web address in Linear.
    pub linear_url: Option<String>,
}

/// Which provider sessions of a workspace use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum ProviderSelection {
    #[default]
    WorkspaceDefault,
    Claude,
    Codex,
}

/// How a workspace is worked in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum WorkspaceMode {
    #[default]
    Standard,
    AutoIteration,
}

/// State of a run script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum RunScriptStatus {
    #[default]
    Idle,
    Starting,
    Running,
    Stopping,
    Completed,
    Failed,
}

/// The run script of a workspace: the commands of its `factory-factory.json`, and the process that
/// runs. Process id and port never travel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunScript {
    /// What runs.
    pub command: Option<String>,
    /// What runs beside it once it runs.
    pub post_run_command: Option<String>,
    /// What runs when it is stopped.
    pub cleanup_command: Option<String>,
    /// Its process id.
    pub pid: Option<i64>,
    /// The port it was given.
    pub port: Option<i64>,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// Its state.
    pub status: RunScriptStatus,
}
