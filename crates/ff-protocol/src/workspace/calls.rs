//! Bodies of the calls that change workspaces.

use serde::{Deserialize, Serialize};

use super::{RunScript, Workspace};
use crate::{ProjectId, WorkspaceId};

/// Makes a workspace. One of three ways: from an `issue`; on an existing `branch`; else on a new
/// branch named after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateWorkspace {
    /// Its id; without it one is made. The same id again gives the same workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<WorkspaceId>,
    /// Its project; without it the one whose GitHub repository the issue belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Display name; without it the title of the issue, or the name of the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Longer description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An existing branch, here or at the remote, to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch a new branch starts from, where it is not the project's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// Web address of a GitHub issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The first message to its first session; without it that of the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_prompt: Option<String>,
}

/// Gives a workspace another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenameWorkspace {
    /// The new name.
    pub name: String,
}

/// Archives a workspace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveWorkspace {
    /// Remove the lock that another git left on the index.
    #[serde(default)]
    pub remove_git_index_lock: bool,
}

/// Where the making of a workspace stands, with what its scripts said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitReport {
    /// The workspace.
    pub workspace: Workspace,
    /// The end of what the script that ran last has printed, at most 50 KiB.
    pub output: Option<String>,
}

/// A run script with what it printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunScriptLogs {
    /// The script.
    pub run_script: RunScript,
    /// The end of what it printed, at most 500 KiB.
    pub run: String,
    /// The same of what runs beside it.
    pub post_run: String,
}
