//! Projects.

use serde::{Deserialize, Serialize};

use crate::{ProjectId, Timestamp};

/// A repository on one machine. `repo_path` and `worktree_base_path` are that machine's own
/// and are rewritten when the project arrives elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The project's id; stays the same on every machine.
    pub id: ProjectId,
    /// Display name.
    pub name: String,
    /// Unique short name, part of paths.
    pub slug: String,
    /// Path of the main checkout.
    pub repo_path: String,
    /// Directory that holds the workspaces' worktrees.
    pub worktree_base_path: String,
    /// The branch new workspaces start from.
    pub default_branch: String,
    /// Owner on GitHub, where the remote is there.
    pub github_owner: Option<String>,
    /// Repository name on GitHub, where the remote is there.
    pub github_repo: Option<String>,
    /// Whether it is put away.
    #[serde(default)]
    pub is_archived: bool,
    /// Where its issues are.
    #[serde(default)]
    pub issue_provider: IssueProvider,
    /// What runs in each new workspace.
    #[serde(default)]
    pub startup: StartupScript,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// Where a project's issues are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum IssueProvider {
    #[default]
    Github,
    Linear,
}

/// What runs in each new workspace of a project after the repository's own set-up script: a
/// command or a script file, not both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartupScript {
    /// A command for `bash -c`.
    pub command: Option<String>,
    /// A script file, relative to the top of the checkout.
    pub path: Option<String>,
    /// It and the repository's set-up script get this long each, in seconds: 1 to 3600.
    pub timeout_secs: u32,
}

impl Default for StartupScript {
    fn default() -> Self {
        Self {
            command: None,
            path: None,
            timeout_secs: Self::DEFAULT_TIMEOUT,
        }
    }
}

impl StartupScript {
    /// Seconds a script gets unless the project says otherwise.
    pub const DEFAULT_TIMEOUT: u32 = 300;
    /// Most seconds a project may give its scripts.
    pub const MAX_TIMEOUT: u32 = 3600;
}

/// Makes a repository known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateProject {
    /// Absolute path of its main checkout.
    pub repo_path: String,
    /// What runs in each new workspace.
    #[serde(default)]
    pub startup: StartupScript,
}

/// Changes a project; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateProject {
    /// What runs in each new workspace from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<StartupScript>,
    /// Whether it is put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_archived: Option<bool>,
}
